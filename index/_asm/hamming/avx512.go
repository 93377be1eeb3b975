package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// avx512 counts with VPOPCNTQ: a group is one register of 64-bit lanes.
type avx512 struct {
	planes bool               // of one query: its signs and its planes
	limits []reg.VecVirtual   // by query
	counts [][]reg.VecVirtual // [group][query or plane]
}

func (a *avx512) prepare(k *kernel) {
	limits := Load(Param("limits"), GP64())
	for j := range k.queries {
		a.limits = append(a.limits, ZMM())
		VPBROADCASTQ(Mem{Base: limits, Disp: 8 * j}, a.limits[j])
	}
}

func (a *avx512) clear(k *kernel, n int) {
	counts := k.queries
	if a.planes {
		counts = planes
	}
	a.counts = make([][]reg.VecVirtual, n)
	for g := range a.counts {
		for range counts {
			c := ZMM()
			VPXORQ(c, c, c)
			a.counts[g] = append(a.counts[g], c)
		}
	}
}

func (a *avx512) word(k *kernel, n int, line func(g int) Mem, tile reg.Register) {
	words := make([]reg.VecVirtual, k.words)
	for j := range words {
		words[j] = ZMM()
		VPBROADCASTQ(Mem{Base: tile, Disp: 8 * j}, words[j])
	}
	for g := range n {
		x := ZMM()
		k.prefetch()
		if a.planes {
			VPXORQ(line(g), words[0], x)
			for j, plane := range words[1:] {
				bits := ZMM()
				VPANDQ(x, plane, bits)
				VPOPCNTQ(bits, bits)
				VPADDQ(bits, a.counts[g][j], a.counts[g][j])
			}
			continue
		}
		VMOVDQU64(line(g), x)
		for j, query := range words {
			bits := ZMM()
			VPXORQ(x, query, bits)
			VPOPCNTQ(bits, bits)
			VPADDQ(bits, a.counts[g][j], a.counts[g][j])
		}
	}
}

func (a *avx512) emit(k *kernel, n int) {
	for g := range n {
		a.group(k, g)
		INCQ(k.group)
	}
}

// group writes the matches of group g of those at hand.
func (a *avx512) group(k *kernel, g int) {
	counts := a.counts[g]
	if a.planes {
		sum := counts[planes-1] // 8*c3 + 4*c2 + 2*c1 + c0, by Horner
		for j := planes - 2; j >= 0; j-- {
			VPADDQ(sum, sum, sum)
			VPADDQ(counts[j], sum, sum)
		}
		counts = []reg.VecVirtual{sum}
	}
	masks := make([]reg.OpmaskVirtual, len(counts))
	for j, c := range counts {
		masks[j] = K()
		VPCMPQ(Imm(1), a.limits[j], c, masks[j]) // c < limit
	}
	none := fresh("none")
	low, high := masks[0], masks[0]
	if len(masks) == 4 {
		low, high = K(), K()
		KORB(masks[0], masks[1], low)
		KORB(masks[2], masks[3], high)
	}
	KORTESTB(low, high)
	JZ(LabelRef(none))
	for j, m := range masks {
		a.store(k, j, counts[j], m)
	}
	Label(none)
}

// store writes the match of query j where the next goes, which comes after it
// unless no lane passes: there is room, and what nothing predicts is no branch.
func (a *avx512) store(k *kernel, j int, counts reg.VecVirtual, m reg.OpmaskVirtual) {
	mask, one := GP64(), GP64()
	KMOVB(m, mask.As32())
	VPMOVQD(counts, k.match(j, mask))
	XORL(one.As32(), one.As32())
	TESTL(mask.As32(), mask.As32())
	SETNE(one.As8())
	ADDQ(one, k.count)
	LEAQ(Mem{Base: one, Index: one, Scale: 4}, one)
	LEAQ(Mem{Base: k.out, Index: one, Scale: matchSize / 5}, k.out)
}
