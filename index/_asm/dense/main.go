// Command dense writes the kernels of package dense.
//
// A kernel takes 16 elements at a time, rounds each product before it adds it, and
// leaves 16 sums, one a lane; the caller adds what is left over and then the lanes.
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
	count    int // registers for 16 lanes
}

var widths = []width{
	{"AVX512", ZMM, 1},
	{"AVX2", YMM, 2},
}

func main() {
	ConstraintExpr("!purego")
	for _, w := range widths {
		w.write("dot", 1, "the products of a and b", func(x, y reg.VecVirtual, sums []reg.VecVirtual) {
			w.addProduct(x, y, sums[0])
		})
		w.write("dotSquares", 2, "the products of a and b, and then the squares of b", func(x, y reg.VecVirtual, sums []reg.VecVirtual) {
			w.addProduct(x, y, sums[0])
			w.addProduct(y, y, sums[1])
		})
		w.write("squaredL2", 1, "the squared differences of a and b", func(x, y reg.VecVirtual, sums []reg.VecVirtual) {
			d := w.register()
			VSUBPS(y, x, d)
			w.addProduct(d, d, sums[0])
		})
	}
	Generate()
}

func (w width) addProduct(x, y, sum reg.VecVirtual) {
	p := w.register()
	VMULPS(x, y, p)
	VADDPS(p, sum, sum)
}

// write emits a function that leaves results times 16 sums.
func (w width) write(name string, results int, what string, step func(x, y reg.VecVirtual, sums []reg.VecVirtual)) {
	TEXT(name+w.suffix, NOSPLIT, "func(a, b *float32, blocks int, sums *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s%s sums %s over blocks*16 elements, by lane.", name, w.suffix, what))
	a, b := Load(Param("a"), GP64()), Load(Param("b"), GP64())
	blocks, out := Load(Param("blocks"), GP64()), Load(Param("sums"), GP64())
	size := 64 / w.count
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
	Label("block")
	for r := range w.count {
		x, y := w.register(), w.register()
		VMOVUPS(Mem{Base: a, Disp: r * size}, x)
		VMOVUPS(Mem{Base: b, Disp: r * size}, y)
		step(x, y, sums[r])
	}
	ADDQ(Imm(64), a)
	ADDQ(Imm(64), b)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("done")
	for result := range results {
		for r := range w.count {
			VMOVUPS(sums[r][result], Mem{Base: out, Disp: 64*result + r*size})
		}
	}
	VZEROUPPER()
	RET()
}
