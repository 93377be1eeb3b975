// Command basis writes the kernels of package basis.
//
// A kernel takes the 8 rows of a matrix that lie together, 16 columns at a time, with one
// vector or with 4. Each product is rounded before it is added, and every sum has one
// order of additions, so that all instruction sets give the same bits.
package main

import (
	"fmt"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	lanes = 16 // basis.lanes
	group = 8  // basis.group
	tile  = 4  // basis.tile
	line  = 4 * lanes
)

// width is how 16 numbers lie in registers.
type width struct {
	suffix   string
	register func() reg.VecVirtual
	count    int // registers for 16 numbers
	// rows and vectors are how many of each a pass over the columns takes, so that the
	// sums stay in registers: one vector or a tile of them.
	single, tiled struct{ rows, vectors int }
}

var (
	avx512 = width{"AVX512", ZMM, 1, struct{ rows, vectors int }{8, 1}, struct{ rows, vectors int }{4, 4}}
	avx2   = width{"AVX2", YMM, 2, struct{ rows, vectors int }{4, 1}, struct{ rows, vectors int }{2, 2}}
)

func main() {
	ConstraintExpr("!purego")
	for _, w := range []width{avx512, avx2} {
		for _, vectors := range []int{1, tile} {
			w.multiply(vectors)
			w.add(vectors)
		}
	}
	Generate()
}

func (w width) size() int { return line / w.count }

func (w width) clear(x reg.VecVirtual) {
	if w.count == 1 {
		VPXORD(x, x, x)
	} else {
		VXORPS(x, x, x)
	}
}

// load returns 16 numbers of memory in registers.
func (w width) load(at Mem) []reg.VecVirtual {
	x := make([]reg.VecVirtual, w.count)
	for half := range x {
		x[half] = w.register()
		VMOVUPS(at.Offset(half*w.size()), x[half])
	}
	return x
}

// multiply emits the products of 8 rows and of each of the vectors.
func (w width) multiply(vectors int) {
	shape := w.single
	if vectors > 1 {
		shape = w.tiled
	}
	name := fmt.Sprintf("multiply%d%s", vectors, w.suffix)
	TEXT(name, NOSPLIT, "func(products, rows, x *float32, blocks int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is multiplyGeneric for %d and blocks*16 columns, of which there are some.", name, vectors))
	products, rows := Load(Param("products"), GP64()), Load(Param("rows"), GP64())
	x, blocks := Load(Param("x"), GP64()), Load(Param("blocks"), GP64())
	sums := make([][][]reg.VecVirtual, shape.vectors) // [vector][row][half]
	for v := range sums {
		sums[v] = make([][]reg.VecVirtual, shape.rows)
		for r := range sums[v] {
			for range w.count {
				sums[v][r] = append(sums[v][r], w.register())
			}
		}
	}
	for row := 0; row < group; row += shape.rows {
		for vector := 0; vector < vectors; vector += shape.vectors {
			w.pass(products, rows, x, blocks, vectors, row, vector, sums)
		}
	}
	VZEROUPPER()
	RET()
}

// pass emits the products of some rows and some of the vectors, from row and vector on,
// with a register in sums for each.
func (w width) pass(products, rows, x, blocks reg.Register, vectors, row, vector int, sums [][][]reg.VecVirtual) {
	Comment(fmt.Sprintf("Rows from %d on, vectors from %d on.", row, vector))
	for _, ofVector := range sums {
		for _, ofRow := range ofVector {
			for _, s := range ofRow {
				w.clear(s)
			}
		}
	}
	atRows, atX, left := GP64(), GP64(), GP64()
	MOVQ(rows, atRows)
	MOVQ(x, atX)
	MOVQ(blocks, left)
	label := fmt.Sprintf("rows%dvectors%d", row, vector)
	Label(label)
	if len(sums) == 1 {
		y := w.load(Mem{Base: atX, Disp: vector * line})
		for r := range sums[0] {
			for half := range w.count {
				w.addProduct(Mem{Base: atRows, Disp: (row+r)*line + half*w.size()}, y[half], sums[0][r][half])
			}
		}
	} else {
		for half := range w.count {
			var ys []reg.VecVirtual
			for r := range sums[0] {
				y := w.register()
				VMOVUPS(Mem{Base: atRows, Disp: (row+r)*line + half*w.size()}, y)
				ys = append(ys, y)
			}
			for v := range sums {
				z := w.register()
				VMOVUPS(Mem{Base: atX, Disp: (vector+v)*line + half*w.size()}, z)
				for r, y := range ys {
					w.addProduct(z, y, sums[v][r][half])
				}
			}
		}
	}
	ADDQ(U32(group*line), atRows)
	ADDQ(U32(uint32(vectors*line)), atX)
	DECQ(left)
	JNZ(LabelRef(label))

	flat := slices.Concat(sums...)
	at := Mem{Base: products, Disp: vector*line + 4*row}
	switch {
	case w.count == 1:
		results := fold16(flat)
		for i := range len(flat) / 4 {
			to := at.Offset(4 * 4 * i)
			if vectors > 1 {
				to = at.Offset(i * line)
			}
			VEXTRACTF32X4(Imm(uint64(i)), results, to)
		}
	case vectors == 1:
		VMOVUPS(fold8(flat), at)
	default: // two rows of two vectors
		results := fold8(flat)
		VMOVLPS(results, at)
		VMOVHPS(results, at.Offset(line))
	}
}

// addProduct adds x*y to sum.
func (w width) addProduct(x Op, y, sum reg.VecVirtual) {
	p := w.register()
	VMULPS(x, y, p)
	VADDPS(p, sum, sum)
}

// fold8 adds up the 16 lanes of each of four sums, in two registers each: those 8, 4, 2
// and 1 apart. The results are in order.
func fold8(sums [][]reg.VecVirtual) reg.VecVirtual {
	var four [4]reg.VecVirtual
	for i, s := range sums {
		VADDPS(s[1], s[0], s[0])
		four[i] = XMM()
		VEXTRACTF128(Imm(1), s[0], four[i])
		VADDPS(four[i], s[0].AsX(), four[i])
	}
	return foldQuarters(XMM, four)
}

// fold16 adds up as fold8 does, 8 sums or 16, in a register each. Results 4*i to 4*i+3 are
// in quarter i.
func fold16(sums [][]reg.VecVirtual) reg.VecVirtual {
	// meet moves quarters of two registers together, so that they are added at once.
	meet := func(x, y reg.VecVirtual, low, high uint64) reg.VecVirtual {
		a, b := ZMM(), ZMM()
		VSHUFF64X2(Imm(low), y, x, a)
		VSHUFF64X2(Imm(high), y, x, b)
		VADDPS(b, a, a)
		return a
	}
	const (
		firstTwo, lastTwo = 0b01_00_01_00, 0b11_10_11_10
		even, odd         = 0b10_00_10_00, 0b11_01_11_01
	)
	var four [4]reg.VecVirtual
	for i := range four {
		x := meet(sums[i][0], sums[4+i][0], firstTwo, lastTwo)
		y := x
		if len(sums) == 16 {
			y = meet(sums[8+i][0], sums[12+i][0], firstTwo, lastTwo)
		}
		four[i] = meet(x, y, even, odd)
	}
	return foldQuarters(ZMM, four)
}

// foldQuarters adds up what is in each quarter of four registers.
func foldQuarters(register func() reg.VecVirtual, four [4]reg.VecVirtual) reg.VecVirtual {
	var two [2]reg.VecVirtual
	for i := range two {
		high := register()
		two[i] = register()
		VUNPCKLPD(four[2*i+1], four[2*i], two[i])
		VUNPCKHPD(four[2*i+1], four[2*i], high)
		VADDPS(high, two[i], two[i])
	}
	even, odd := register(), register()
	VSHUFPS(Imm(0b10_00_10_00), two[1], two[0], even)
	VSHUFPS(Imm(0b11_01_11_01), two[1], two[0], odd)
	VADDPS(odd, even, even)
	return even
}

// add emits the sum of each of the vectors and of multiples of 8 rows.
func (w width) add(vectors int) {
	name := fmt.Sprintf("add%d%s", vectors, w.suffix)
	TEXT(name, NOSPLIT, "func(x, rows, factors *float32, blocks int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is addGeneric for %d and blocks*16 columns, of which there are some.", name, vectors))
	x, rows := Load(Param("x"), GP64()), Load(Param("rows"), GP64())
	factors, blocks := Load(Param("factors"), GP64()), Load(Param("blocks"), GP64())
	factor := func(v, r int) Mem { return Mem{Base: factors, Disp: v*line + 4*r} }
	var held []reg.VecVirtual // the factors of a single vector
	if vectors == 1 {
		for r := range group {
			f := w.register()
			VBROADCASTSS(factor(0, r), f)
			held = append(held, f)
		}
	}
	Label("block")
	ys := make([][]reg.VecVirtual, vectors) // [vector][half]
	for v := range ys {
		ys[v] = w.load(Mem{Base: x, Disp: v * line})
	}
	for r := range group {
		at := Mem{Base: rows, Disp: r * line}
		if vectors == 1 {
			for half := range w.count {
				w.addProduct(at.Offset(half*w.size()), held[r], ys[0][half])
			}
			continue
		}
		row := w.load(at)
		for v := range ys {
			if w.count == 1 { // the multiplication repeats the factor by itself
				p := w.register()
				VMULPS_BCST(factor(v, r), row[0], p)
				VADDPS(p, ys[v][0], ys[v][0])
				continue
			}
			f := w.register()
			VBROADCASTSS(factor(v, r), f)
			for half := range w.count {
				w.addProduct(f, row[half], ys[v][half])
			}
		}
	}
	for v := range ys {
		for half, y := range ys[v] {
			VMOVUPS(y, Mem{Base: x, Disp: v*line + half*w.size()})
		}
	}
	ADDQ(U32(group*line), rows)
	ADDQ(U32(uint32(vectors*line)), x)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}
