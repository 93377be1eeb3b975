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

var (
	avx512 = width{"AVX512", ZMM, 1}
	avx2   = width{"AVX2", YMM, 2}
	widths = []width{avx512, avx2}
)

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

// similarity is what a kernel sums.
type similarity struct {
	name, what string
	add        func(w width, x, y, sum reg.VecVirtual) // adds the terms of some of a and of b
	squares    bool                                    // of b, summed behind the rest
}

var similarities = []similarity{
	{"dot", "the products of a and b", width.addProduct, false},
	{"dotSquares", "the products of a and b, and then the squares of b", width.addProduct, true},
	{"squaredL2", "the squared differences of a and b", func(w width, x, y, sum reg.VecVirtual) {
		d := w.register()
		VSUBPS(y, x, d)
		w.addProduct(d, d, sum)
	}, false},
}

// tile is dense.tile.
const tile = 4

func main() {
	ConstraintExpr("!purego")
	for _, w := range widths {
		for _, f := range formats {
			for _, s := range similarities {
				w.write(s, f, 1)
			}
		}
	}
	// One vector waits for each addition, of which the next one needs the result; a tile has
	// as many sums on the way as it has vectors. AVX-512 uses these too: wider ones have not
	// been tried.
	for _, f := range formats {
		for _, s := range similarities {
			avx2.write(s, f, tile)
		}
	}
	Generate()
}

func (w width) addProduct(x, y, sum reg.VecVirtual) {
	p := w.register()
	VMULPS(x, y, p)
	VADDPS(p, sum, sum)
}

// write emits a function that leaves 16 sums for one vector a, or for each of a tile, and
// then those of squares.
func (w width) write(s similarity, f format, vectors int) {
	name, of, signature := s.name+f.name+w.suffix, "", "func(a *float32, b *byte, blocks int, sums *float32)"
	if vectors > 1 {
		name, of, signature = s.name+"Tile"+f.name+w.suffix, fmt.Sprintf(" for %d vectors a", vectors), "func(a **float32, b *byte, blocks int, sums *float32)"
	}
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(fmt.Sprintf("%s sums %s over blocks*16 elements, by lane%s.", name, s.what, of))
	as := []reg.Register{Load(Param("a"), GP64())}
	b := Load(Param("b"), GP64())
	blocks, out := Load(Param("blocks"), GP64()), Load(Param("sums"), GP64())
	if vectors > 1 {
		pointers := as[0]
		as = nil
		for j := range vectors {
			as = append(as, GP64())
			MOVQ(Mem{Base: pointers, Disp: 8 * j}, as[j])
		}
	}
	results := vectors
	if s.squares {
		results++
	}
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
		y := w.register()
		f.load(Mem{Base: b, Disp: r * size * f.size}, y, scale)
		for j, a := range as {
			x := w.register()
			VMOVUPS(Mem{Base: a, Disp: r * size * 4}, x)
			s.add(w, x, y, sums[r][j])
		}
		if s.squares {
			w.addProduct(y, y, sums[r][vectors])
		}
	}
	for _, a := range as {
		ADDQ(U8(lanes*4), a)
	}
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
