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
	table, low, zero reg.VecVirtual
	counts           [][2]([]reg.VecVirtual) // [group][half][query]
	limits           reg.GPVirtual
}

func (a *avx2) prepare(k *kernel) {
	a.limits = Load(Param("limits"), GP64()).(reg.GPVirtual)
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

func (a *avx2) word(k *kernel, n int, line func(g int) Mem, tile reg.Register) {
	broadcast := func(j int) reg.VecVirtual {
		x := YMM()
		VPBROADCASTQ(Mem{Base: tile, Disp: 8 * j}, x)
		return x
	}
	for g := range n {
		k.prefetch()
		if k.planes {
			a.magnitudes(a.counts[g], line(g), broadcast)
			continue
		}
		for j := range k.queries {
			query := broadcast(j)
			for half := range 2 {
				x := YMM()
				VPXOR(line(g).Offset(32*half), query, x)
				a.countBytes(x)
				a.addBytes(x, a.counts[g][half][j])
			}
		}
	}
}

// magnitudes adds a line under a query with magnitudes. The weighted counts of all
// planes, by Horner, fit into a byte: 8*15 = 120 at most.
func (a *avx2) magnitudes(counts [2][]reg.VecVirtual, line Mem, broadcast func(j int) reg.VecVirtual) {
	signs := broadcast(0)
	var differ, sums [2]reg.VecVirtual
	for half := range 2 {
		differ[half] = YMM()
		VPXOR(line.Offset(32*half), signs, differ[half])
	}
	for j := planes - 1; j >= 0; j-- {
		plane := broadcast(1 + j)
		for half := range 2 {
			x := YMM()
			VPAND(differ[half], plane, x)
			a.countBytes(x)
			if sum := sums[half]; sum != nil {
				VPADDB(sum, sum, sum)
				VPADDB(sum, x, x)
			}
			sums[half] = x
		}
	}
	for half := range 2 {
		a.addBytes(sums[half], counts[half][0])
	}
}

// countBytes turns each byte of x into the number of its bits.
func (a *avx2) countBytes(x reg.VecVirtual) {
	high := YMM()
	VPSRLW(Imm(4), x, high)
	VPAND(a.low, x, x)
	VPAND(a.low, high, high)
	VPSHUFB(x, a.table, x)
	VPSHUFB(high, a.table, high)
	VPADDB(high, x, x)
}

// addBytes adds the bytes of each 64-bit lane of x, which it overwrites, to sums.
func (a *avx2) addBytes(x, sums reg.VecVirtual) {
	VPSADBW(a.zero, x, x)
	VPADDQ(x, sums, sums)
}

// emit writes the match of each query of which a lane is below the limit.
func (a *avx2) emit(k *kernel, g int) {
	for j := range k.queries {
		a.store(k, j, [2]reg.VecVirtual{a.counts[g][0][j], a.counts[g][1][j]})
	}
}

func (a *avx2) store(k *kernel, j int, counts [2]reg.VecVirtual) {
	limit, mask, upper, skip := YMM(), GP64(), GP64(), fresh("skip")
	VPBROADCASTQ(Mem{Base: a.limits, Disp: 8 * j}, limit)
	for half, r := range []reg.GPVirtual{mask, upper} {
		below := YMM()
		VPCMPGTQ(counts[half], limit, below)
		VMOVMSKPD(below, r.As32())
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
