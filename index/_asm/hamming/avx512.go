package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// avx512 counts with VPOPCNTQ: a group is one register of 64-bit lanes.
type avx512 struct {
	limits []reg.VecVirtual
	counts [][]reg.VecVirtual // [group][query]
}

func (a *avx512) prepare(k *kernel) {
	limits := Load(Param("limits"), GP64())
	n := k.queries
	if k.planes {
		n = 1
	}
	for j := range n {
		a.limits = append(a.limits, ZMM())
		VPBROADCASTQ(Mem{Base: limits, Disp: 8 * j}, a.limits[j])
	}
}

func (a *avx512) clear(k *kernel, n int) {
	a.counts = make([][]reg.VecVirtual, n)
	for g := range a.counts {
		for range k.queries {
			c := ZMM()
			VPXORQ(c, c, c)
			a.counts[g] = append(a.counts[g], c)
		}
	}
}

func (a *avx512) word(k *kernel, n int, line func(g int) Mem, query reg.Register) {
	queries := make([]reg.VecVirtual, k.queries)
	for j := range queries {
		queries[j] = ZMM()
		VPBROADCASTQ(Mem{Base: query, Disp: 8 * j}, queries[j])
	}
	for g := range n {
		x := ZMM()
		VMOVDQU64(line(g), x)
		k.prefetch(line(g))
		for j, q := range queries {
			bits := ZMM()
			if k.planes {
				VPANDQ(x, q, bits)
			} else {
				VPXORQ(x, q, bits)
			}
			VPOPCNTQ(bits, bits)
			VPADDQ(bits, a.counts[g][j], a.counts[g][j])
		}
	}
}

func (a *avx512) emit(k *kernel, g int) {
	counts := a.counts[g]
	if k.planes {
		sum := counts[3] // 8*c3 + 4*c2 + 2*c1 + c0, by Horner
		for j := 2; j >= 0; j-- {
			VPADDQ(sum, sum, sum)
			VPADDQ(counts[j], sum, sum)
		}
		// The caller's limit is on max-sum; what it gives is max-limit: sum > that.
		a.emitOne(k, 0, sum, 6)
		return
	}
	masks := make([]reg.OpmaskVirtual, len(counts))
	for j, c := range counts {
		masks[j] = K()
		VPCMPQ(Imm(1), a.limits[j], c, masks[j]) // c < limit
	}
	none := fresh("none")
	if len(masks) == 4 {
		low, high := K(), K()
		KORB(masks[0], masks[1], low)
		KORB(masks[2], masks[3], high)
		KORTESTB(low, high)
		JZ(LabelRef(none))
	}
	for j, m := range masks {
		a.store(k, j, counts[j], m)
	}
	Label(none)
}

// emitOne stores the lanes of counts that compare with limit j by predicate.
func (a *avx512) emitOne(k *kernel, j int, counts reg.VecVirtual, predicate uint64) {
	m := K()
	VPCMPQ(Imm(predicate), a.limits[j], counts, m)
	a.store(k, j, counts, m)
}

func (a *avx512) store(k *kernel, j int, counts reg.VecVirtual, m reg.OpmaskVirtual) {
	mask, skip := GP64(), fresh("skip")
	KMOVB(m, mask.As32())
	TESTL(mask.As32(), mask.As32())
	JZ(LabelRef(skip))
	VPMOVQD(counts, k.match(j, mask))
	k.advance()
	Label(skip)
}
