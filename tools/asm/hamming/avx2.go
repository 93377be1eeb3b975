package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// avx2 takes half a group at a time.
type avx2 struct{ low Op }

func newAVX2() vector { return new(avx2) }

var (
	nibbleMask = constant("nibbleMask", 8, func(int) uint32 { return 0x0f0f0f0f })
	lowHalves  = constant("lowHalves", 8, func(int) uint32 { return 0xffff })
	highHalves = constant("highHalves", 8, func(int) uint32 { return 0xffff0000 })
)

func (*avx2) suffix() string                  { return "AVX2" }
func (*avx2) bytes() int                      { return 32 }
func (*avx2) register() reg.VecVirtual        { return YMM() }
func (*avx2) clear(x reg.VecVirtual)          { VPXOR(x, x, x) }
func (*avx2) load(from Mem, x reg.VecVirtual) { VMOVDQU(from, x) }
func (*avx2) store(x reg.VecVirtual, to Mem)  { VMOVUPS(x, to) }

// prepare keeps the mask in a register where one is to spare.
func (a *avx2) prepare(queries int) {
	a.low = nibbleMask
	if queries < tileQueries {
		low := YMM()
		VMOVDQU(nibbleMask, low)
		a.low = low
	}
}

func (a *avx2) nibbles(low, high reg.VecVirtual) {
	VPSRLW(Imm(4), low, high)
	VPAND(a.low, low, low)
	VPAND(a.low, high, high)
}

func (*avx2) table(from Mem, x reg.VecVirtual) { VBROADCASTI128(from, x) }

func (*avx2) lowHalves(x, y reg.VecVirtual)  { VPAND(lowHalves, x, y) }
func (*avx2) highHalves(x, y reg.VecVirtual) { VPAND(highHalves, x, y) }

func (*avx2) affine(x reg.VecVirtual, factor, addend Mem) {
	y := YMM()
	VBROADCASTSS(factor, y)
	VMULPS(y, x, x)
	VBROADCASTSS(addend, y)
	VADDPS(y, x, x)
}

// Of 32 numbers in order, register i of those that transpose turns into strided ones has
// 4*i to 4*i+3 in its lower half and 16+4*i to 16+4*i+3 in its upper.

func (a *avx2) floats(from reg.Register) [strides]reg.VecVirtual {
	var in [strides]reg.VecVirtual
	for i := range in {
		in[i] = YMM()
		VBROADCASTF128(Mem{Base: from, Disp: 16 * i}, in[i])
		VINSERTF128(Imm(1), Mem{Base: from, Disp: 64 + 16*i}, in[i], in[i])
	}
	return transpose(a.register, in)
}

func (a *avx2) halves(from reg.Register) [strides]reg.VecVirtual {
	var in [strides]reg.VecVirtual
	for i := range in {
		in[i] = YMM()
		x := XMM()
		VMOVQ(Mem{Base: from, Disp: 8 * i}, x)
		VPINSRQ(Imm(1), Mem{Base: from, Disp: 32 + 8*i}, x, x)
		VCVTPH2PS(x, in[i])
	}
	return transpose(a.register, in)
}

func (a *avx2) brains(from reg.Register) (out [strides]reg.VecVirtual) {
	x, y := YMM(), YMM()
	VMOVUPS(Mem{Base: from}, x)
	VMOVUPS(Mem{Base: from, Disp: 32}, y)
	for i, which := range []uint64{0x88, 0xdd} { // rows 4*i and 4*i+1, then 4*i+2 and 4*i+3
		pairs := YMM()
		VSHUFPS(Imm(which), y, x, pairs)
		VPERMQ(Imm(0xd8), pairs, pairs)
		out[2*i], out[2*i+1] = YMM(), YMM()
		VPSLLD(Imm(16), pairs, out[2*i])
		a.highHalves(pairs, out[2*i+1])
	}
	return out
}

func (a *avx2) matches(k *kernel, query int, scores func(c int) Mem, limit Mem) {
	none := fmt.Sprintf("none%d", query)
	l := YMM()
	VBROADCASTSS(limit, l)
	passing := YMM()
	VCMPPS(Imm(less), scores(0), l, passing)
	for c := 1; c < strides; c++ {
		x := YMM()
		VCMPPS(Imm(less), scores(c), l, x)
		VORPS(x, passing, passing)
	}
	some := GP32()
	VMOVMSKPS(passing, some)
	TESTL(some, some)
	JZ(LabelRef(none))
	var in, passes [strides]reg.VecVirtual
	for c := range in {
		in[c] = YMM()
		VMOVUPS(scores(c), in[c])
	}
	inOrder := transpose(a.register, in)
	for i, x := range inOrder {
		passes[i] = YMM()
		VCMPPS(Imm(less), x, l, passes[i])
	}
	masks := GP64()
	VPACKSSDW(passes[1], passes[0], passes[0])
	VPACKSSDW(passes[3], passes[2], passes[2])
	VPACKSSWB(passes[2], passes[0], passes[0])
	VPMOVMSKB(passes[0], masks.As32())
	for run := range 2 {
		mask := GP64()
		if run == 0 {
			MOVWLZX(masks.As16(), mask.As32())
		} else {
			MOVL(masks.As32(), mask.As32())
			SHRL(Imm(matchLanes), mask.As32())
		}
		k.head(query, run, mask)
		for i, x := range inOrder {
			to := Mem{Base: k.out, Disp: matchScores + 16*i}
			if run == 0 {
				VMOVUPS(x.AsX(), to)
			} else {
				VEXTRACTF128(Imm(1), x, to)
			}
		}
		k.advance(mask)
	}
	Label(none)
}

// sumSetAVX2 has the 64 lanes in eight registers. A load under a mask takes numbers of which
// the mask has the sign bit: each lane's bit is shifted there.
func sumSetAVX2() {
	TEXT("sumSetAVX2", NOSPLIT, "func(z *float32, words *uint64, n int) float32")
	Pragma("noescape")
	Doc("Sums over n words, 1 or more: see sumSetGeneric.")
	z, words, n := Load(Param("z"), GP64()), Load(Param("words"), GP64()), Load(Param("n"), GP64())
	shifts := constant("shifts", 32, func(i int) uint32 { return uint32(31 - i) })
	var sums [8]reg.VecVirtual
	for i := range sums {
		sums[i] = YMM()
		VXORPS(sums[i], sums[i], sums[i])
	}
	var shift [4]reg.VecVirtual
	for i := range shift {
		shift[i] = YMM()
		VMOVDQU(shifts.Offset(32*i), shift[i])
	}
	Label("word")
	for half := range 2 {
		bits := YMM()
		VPBROADCASTD(Mem{Base: words, Disp: 4 * half}, bits)
		for i, by := range shift {
			x := YMM()
			VPSLLVD(by, bits, x)
			VMASKMOVPS(Mem{Base: z, Disp: 128*half + 32*i}, x, x)
			VADDPS(x, sums[4*half+i], sums[4*half+i])
		}
	}
	ADDQ(imm(256), z)
	ADDQ(Imm(8), words)
	DECQ(n)
	JNZ(LabelRef("word"))
	for n := len(sums) / 2; n > 0; n /= 2 {
		for i := range n {
			VADDPS(sums[i+n], sums[i], sums[i])
		}
	}
	foldHalf(sums[0])
}
