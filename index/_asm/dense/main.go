// Command dense writes the kernels of package dense.
//
// A kernel takes 16 elements at a time, makes float32s of those of b, rounds each
// product before it adds it, and leaves 16 sums, one a lane; the caller adds what is
// left over and then the lanes.
// There is one chain of additions a lane, and no fused multiply-add, so that every
// instruction set rounds alike.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// width is how the 16 lanes lie in registers.
type width struct {
	suffix   string
	register func() reg.VecVirtual
	count    int // registers for all lanes
}

var widths = []width{
	{"AVX512", ZMM, 1},
	{"AVX2", YMM, 2},
}

const lanes = 16

// format is how the numbers of b lie in memory.
type format struct {
	name  string
	size  int                                  // bytes of a number
	scale bool                                 // b starts with a float32 that multiplies every number
	load  func(m Mem, y, scale reg.VecVirtual) // makes float32s, in y
}

var formats = []format{
	{"Float32", 4, false, func(m Mem, y, _ reg.VecVirtual) { VMOVUPS(m, y) }},
	{"Float16", 2, false, func(m Mem, y, _ reg.VecVirtual) { VCVTPH2PS(m, y) }},
	{"BFloat16", 2, false, func(m Mem, y, _ reg.VecVirtual) {
		VPMOVZXWD(m, y)
		VPSLLD(Imm(16), y, y)
	}},
	{"Int8", 1, true, func(m Mem, y, scale reg.VecVirtual) {
		VPMOVSXBD(m, y)
		VCVTDQ2PS(y, y)
		VMULPS(scale, y, y)
	}},
}

func main() {
	ConstraintExpr("!purego")
	for _, w := range widths {
		for _, f := range formats {
			w.write(f, "dot", 1, "the products of a and b", func(x, y reg.VecVirtual, sums []reg.VecVirtual) {
				w.addProduct(x, y, sums[0])
			})
			w.write(f, "dotSquares", 2, "the products of a and b, and then the squares of b", func(x, y reg.VecVirtual, sums []reg.VecVirtual) {
				w.addProduct(x, y, sums[0])
				w.addProduct(y, y, sums[1])
			})
			w.write(f, "squaredL2", 1, "the squared differences of a and b", func(x, y reg.VecVirtual, sums []reg.VecVirtual) {
				d := w.register()
				VSUBPS(y, x, d)
				w.addProduct(d, d, sums[0])
			})
		}
	}
	Generate()
}

func (w width) addProduct(x, y, sum reg.VecVirtual) {
	p := w.register()
	VMULPS(x, y, p)
	VADDPS(p, sum, sum)
}

// write emits a function that leaves results times 16 sums.
func (w width) write(f format, name string, results int, what string, step func(x, y reg.VecVirtual, sums []reg.VecVirtual)) {
	name += f.name + w.suffix
	TEXT(name, NOSPLIT, "func(a *float32, b *byte, blocks int, sums *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s sums %s over blocks*16 elements, by lane.", name, what))
	a, b := Load(Param("a"), GP64()), Load(Param("b"), GP64())
	blocks, out := Load(Param("blocks"), GP64()), Load(Param("sums"), GP64())
	size := lanes / w.count                   // elements in a register
	sums := make([][]reg.VecVirtual, w.count) // [register][result]
	for r := range sums {
		for range results {
			s := w.register()
			VXORPS(s, s, s)
			sums[r] = append(sums[r], s)
		}
	}
	TESTQ(blocks, blocks)
	JZ(LabelRef("done"))
	var scale reg.VecVirtual
	if f.scale {
		scale = w.register()
		VBROADCASTSS(Mem{Base: b}, scale)
		ADDQ(Imm(4), b)
	}
	Label("block")
	for r := range w.count {
		x, y := w.register(), w.register()
		VMOVUPS(Mem{Base: a, Disp: r * size * 4}, x)
		f.load(Mem{Base: b, Disp: r * size * f.size}, y, scale)
		step(x, y, sums[r])
	}
	ADDQ(U8(lanes*4), a)
	ADDQ(U8(lanes*f.size), b)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("done")
	for result := range results {
		for r := range w.count {
			VMOVUPS(sums[r][result], Mem{Base: out, Disp: (result*lanes + r*size) * 4})
		}
	}
	VZEROUPPER()
	RET()
}
