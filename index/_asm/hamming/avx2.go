package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// avx2 is the kernel for one query, which is faster than memory as it is. It counts bits
// by looking nibbles up in a register (Mula, Kurz, Lemire, "Faster Population Counts Using
// AVX2 Instructions", 2018, section 3) and sums the bytes of each 64-bit lane with
// VPSADBW. A group is two registers of four rows.
type avx2 struct {
	table, low, zero reg.VecVirtual
	counts           [][2]reg.VecVirtual // [group][half]
	limit            reg.VecVirtual
}

func (a *avx2) prepare(k *kernel) {
	a.table, a.low, a.zero, a.limit = YMM(), YMM(), YMM(), YMM()
	VBROADCASTI128(nibbleCounts, a.table)
	VBROADCASTI128(nibbleMask, a.low)
	VPXOR(a.zero, a.zero, a.zero)
	VPBROADCASTQ(Mem{Base: Load(Param("limits"), GP64())}, a.limit)
}

func (a *avx2) clear(k *kernel, n int) {
	a.counts = make([][2]reg.VecVirtual, n)
	for g := range a.counts {
		for half := range 2 {
			c := YMM()
			VPXOR(c, c, c)
			a.counts[g][half] = c
		}
	}
}

func (a *avx2) word(k *kernel, n int, line func(g int) Mem, tile reg.Register) {
	for g := range n {
		k.prefetch()
		query := YMM()
		VPBROADCASTQ(Mem{Base: tile}, query)
		for half := range 2 {
			x, high := YMM(), YMM()
			VPXOR(line(g).Offset(32*half), query, x)
			VPSRLW(Imm(4), x, high)
			VPAND(a.low, x, x)
			VPAND(a.low, high, high)
			VPSHUFB(x, a.table, x)
			VPSHUFB(high, a.table, high)
			VPADDB(high, x, x)
			VPSADBW(a.zero, x, x)
			VPADDQ(x, a.counts[g][half], a.counts[g][half])
		}
	}
}

func (a *avx2) emit(k *kernel, n int) {
	for g := range n {
		a.group(k, a.counts[g])
		INCQ(k.group)
	}
}

// group writes the match of a group if a lane is below the limit.
func (a *avx2) group(k *kernel, counts [2]reg.VecVirtual) {
	mask, upper, skip := GP64(), GP64(), fresh("skip")
	for half, r := range []reg.GPVirtual{mask, upper} {
		below := YMM()
		VPCMPGTQ(counts[half], a.limit, below)
		VMOVMSKPD(below, r.As32())
	}
	SHLL(Imm(4), upper.As32())
	ORL(upper.As32(), mask.As32())
	JZ(LabelRef(skip))
	distances := k.match(0, mask)
	for half := range 2 {
		// The low 32 bits of the four lanes, side by side.
		low := YMM()
		VPSHUFD(Imm(0x88), counts[half], low)
		VPERMQ(Imm(0x08), low, low)
		VMOVDQU(low.AsX(), distances.Offset(16*half))
	}
	k.advance()
	Label(skip)
}

var nibbleCounts, nibbleMask Mem

func init() {
	nibbleCounts = GLOBL("nibbleCounts", RODATA|NOPTR)
	for i, n := range []uint8{0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4} {
		DATA(i, U8(n))
	}
	nibbleMask = GLOBL("nibbleMask", RODATA|NOPTR)
	for i := range 32 {
		DATA(i, U8(0x0f))
	}
}
