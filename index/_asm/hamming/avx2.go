package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// avx2 counts bits by looking nibbles up in a register (Mula, Kurz, Lemire,
// "Faster Population Counts Using AVX2 Instructions", 2018, section 3) and sums the
// bytes of each 64-bit lane with VPSADBW. A group is two registers of four rows.
type avx2 struct {
	limits           Mem
	table, low, zero reg.VecVirtual
	counts           [][2]([]reg.VecVirtual) // [group][half][query]
	limitsRegister   reg.GPVirtual
}

func (a *avx2) prepare(k *kernel) {
	a.limitsRegister = Load(Param("limits"), GP64()).(reg.GPVirtual)
	a.table, a.low, a.zero = YMM(), YMM(), YMM()
	VBROADCASTI128(nibbleCounts, a.table)
	VBROADCASTI128(nibbleMask, a.low)
	VPXOR(a.zero, a.zero, a.zero)
}

func (a *avx2) clear(k *kernel, n int) {
	a.counts = make([][2][]reg.VecVirtual, n)
	for g := range a.counts {
		for half := range 2 {
			for range k.queries {
				c := YMM()
				VPXOR(c, c, c)
				a.counts[g][half] = append(a.counts[g][half], c)
			}
		}
	}
}

func (a *avx2) word(k *kernel, n int, line func(g int) Mem, query reg.Register) {
	for g := range n {
		k.prefetch(line(g))
		for j := range k.queries {
			q := YMM()
			VPBROADCASTQ(Mem{Base: query, Disp: 8 * j}, q)
			for half := range 2 {
				bits, high := YMM(), YMM()
				if k.planes {
					VPAND(line(g).Offset(32*half), q, bits)
				} else {
					VPXOR(line(g).Offset(32*half), q, bits)
				}
				VPSRLW(Imm(4), bits, high)
				VPAND(a.low, bits, bits)
				VPAND(a.low, high, high)
				VPSHUFB(bits, a.table, bits)
				VPSHUFB(high, a.table, high)
				VPADDB(high, bits, bits)
				VPSADBW(a.zero, bits, bits)
				VPADDQ(bits, a.counts[g][half][j], a.counts[g][half][j])
			}
		}
	}
}

func (a *avx2) emit(k *kernel, g int) {
	counts := a.counts[g]
	if k.planes {
		var sums [2]reg.VecVirtual
		for half := range 2 {
			sum := counts[half][3]
			for j := 2; j >= 0; j-- {
				VPADDQ(sum, sum, sum)
				VPADDQ(counts[half][j], sum, sum)
			}
			sums[half] = sum
		}
		a.store(k, 0, sums)
		return
	}
	for j := range k.queries {
		a.store(k, j, [2]reg.VecVirtual{counts[0][j], counts[1][j]})
	}
}

// store writes the match of query j if a lane passes: below the limit, or for
// planes above it.
func (a *avx2) store(k *kernel, j int, counts [2]reg.VecVirtual) {
	limit, mask, upper, skip := YMM(), GP64(), GP64(), fresh("skip")
	VPBROADCASTQ(Mem{Base: a.limitsRegister, Disp: 8 * j}, limit)
	for half, r := range []reg.GPVirtual{mask, upper} {
		pass := YMM()
		if k.planes {
			VPCMPGTQ(limit, counts[half], pass)
		} else {
			VPCMPGTQ(counts[half], limit, pass)
		}
		VMOVMSKPD(pass, r.As32())
	}
	SHLL(Imm(4), upper.As32())
	ORL(upper.As32(), mask.As32())
	JZ(LabelRef(skip))
	distances := k.match(j, mask)
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
	for i := range 16 {
		DATA(i, U8(0x0f))
	}
}
