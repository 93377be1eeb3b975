// Command dense writes the kernels of package dense.
//
// There are three kinds. The sums of one pair of vectors in float64 run in 16 lanes, so
// that every instruction set gives the same bits. The decoders make float32s of other
// formats. The tiles compare some queries with some rows, as the innermost loop of a
// matrix product does (Goto and van de Geijn, ACM TOMS 2008): every register that is loaded
// serves several sums, and there are enough sums to hide the latency of an addition. Their
// float32 sums run in as many lanes as a register has.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// width is how wide the registers of an instruction set are.
type width struct {
	suffix   string
	register func() reg.VecVirtual
	floats   int // float32s in a register
}

var (
	avx512 = width{"AVX512", ZMM, 16}
	avx2   = width{"AVX2", YMM, 8}
	widths = []width{avx512, avx2}
)

const lanes = 16

func main() {
	ConstraintExpr("!purego")
	for _, w := range widths {
		for _, s := range similarities {
			w.sums(s)
		}
		for _, f := range formats {
			w.decode(f)
		}
	}
	// 24 sums of AVX-512, 12 of AVX2, and the registers that feed them fill all that there
	// are. One query has a sum a row.
	avx512.tile(tile{"dot", 4, 6})
	avx512.tile(tile{"squaredL2", 4, 6})
	avx512.tile(tile{"dot", 1, 8})
	avx512.tile(tile{"squaredL2", 1, 8})
	avx512.tile(tile{"squares", 1, 8})
	avx2.tile(tile{"dot", 4, 3})
	avx2.tile(tile{"squaredL2", 4, 3})
	avx2.tile(tile{"dot", 1, 8})
	avx2.tile(tile{"squaredL2", 1, 8})
	avx2.tile(tile{"squares", 1, 8})
	Generate()
}

func (w width) zero(n int) []reg.VecVirtual {
	all := make([]reg.VecVirtual, n)
	for i := range all {
		all[i] = w.register()
		VXORPS(all[i], all[i], all[i])
	}
	return all
}

// similarity is what a kernel sums in float64, given some of a and some of b.
type similarity struct {
	name, what string
	results    int // sums of each lane
	add        func(w width, x, y reg.VecVirtual, sums [][]reg.VecVirtual, part int)
}

var similarities = []similarity{
	{"dot", "the products of a and b", 1, func(_ width, x, y reg.VecVirtual, sums [][]reg.VecVirtual, part int) {
		VFMADD231PD(x, y, sums[0][part])
	}},
	{"dotSquares", "the products of a and b, and then the squares of b", 2, func(_ width, x, y reg.VecVirtual, sums [][]reg.VecVirtual, part int) {
		VFMADD231PD(x, y, sums[0][part])
		VFMADD231PD(y, y, sums[1][part])
	}},
	{"squaredL2", "the squared differences of a and b", 1, func(w width, x, y reg.VecVirtual, sums [][]reg.VecVirtual, part int) {
		d := w.register()
		VSUBPD(y, x, d)
		VFMADD231PD(d, d, sums[0][part])
	}},
}

// sums emits a function that adds to the 16 lanes of one pair of vectors.
func (w width) sums(s similarity) {
	TEXT(s.name+w.suffix, NOSPLIT, "func(a, b *float32, blocks int, sums *float64)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s adds %s over blocks*16 elements to sums, by lane.", s.name+w.suffix, s.what))
	a, b := Load(Param("a"), GP64()), Load(Param("b"), GP64())
	blocks, out := Load(Param("blocks"), GP64()), Load(Param("sums"), GP64())
	size := w.floats / 2 // float64s in a register
	parts := lanes / size
	sums := make([][]reg.VecVirtual, s.results)
	place := func(result, part int) Mem { return Mem{Base: out, Disp: (result*lanes + part*size) * 8} }
	for result := range sums {
		for part := range parts {
			v := w.register()
			VMOVUPD(place(result, part), v)
			sums[result] = append(sums[result], v)
		}
	}
	TESTQ(blocks, blocks)
	JZ(LabelRef("done"))
	Label("block")
	for part := range parts {
		x, y := w.register(), w.register()
		VCVTPS2PD(Mem{Base: a, Disp: part * size * 4}, x)
		VCVTPS2PD(Mem{Base: b, Disp: part * size * 4}, y)
		s.add(w, x, y, sums, part)
	}
	ADDQ(U8(lanes*4), a)
	ADDQ(U8(lanes*4), b)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("done")
	for result := range sums {
		for part := range parts {
			VMOVUPD(sums[result][part], place(result, part))
		}
	}
	VZEROUPPER()
	RET()
}

// format is how numbers lie in memory that are no float32s.
type format struct {
	name string
	size int                                  // bytes of a number
	load func(m Mem, y, scale reg.VecVirtual) // makes float32s, in y
}

var formats = []format{
	{"Float16", 2, func(m Mem, y, _ reg.VecVirtual) { VCVTPH2PS(m, y) }},
	{"BFloat16", 2, func(m Mem, y, _ reg.VecVirtual) {
		VPMOVZXWD(m, y)
		VPSLLD(Imm(16), y, y)
	}},
	{"Int8", 1, func(m Mem, y, scale reg.VecVirtual) {
		VPMOVSXBD(m, y)
		VCVTDQ2PS(y, y)
		VMULPS(scale, y, y)
	}},
}

// decode emits a function that makes float32s of a format.
func (w width) decode(f format) {
	name, signature := "decode"+f.name+w.suffix, "func(dst *float32, b *byte, blocks int)"
	if f.name == "Int8" {
		signature = "func(dst *float32, b *byte, blocks int, scale float32)"
	}
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(fmt.Sprintf("%s makes float32s of blocks*16 numbers.", name))
	dst, b, blocks := Load(Param("dst"), GP64()), Load(Param("b"), GP64()), Load(Param("blocks"), GP64())
	var scale reg.VecVirtual
	if f.name == "Int8" {
		scale = w.register()
		at, err := Param("scale").Resolve()
		if err != nil {
			panic(err)
		}
		VBROADCASTSS(at.Addr, scale)
	}
	TESTQ(blocks, blocks)
	JZ(LabelRef("done"))
	Label("block")
	for i := 0; i < lanes; i += w.floats {
		y := w.register()
		f.load(Mem{Base: b, Disp: i * f.size}, y, scale)
		VMOVUPS(y, Mem{Base: dst, Disp: i * 4})
	}
	ADDQ(U8(lanes*f.size), b)
	ADDQ(U8(lanes*4), dst)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("done")
	VZEROUPPER()
	RET()
}

// tile is what a tile sums, and of how many queries and rows.
type tile struct {
	name          string
	queries, rows int
}

// tile emits a function that compares queries with rows. The sums of a row, by query,
// stand together.
func (w width) tile(t tile) {
	name := fmt.Sprintf("%s%dx%d%s", t.name, t.queries, t.rows, w.suffix)
	const place = "rows *float32, rowStride int, "
	const blocks = "blocks int, sums *float32"
	queryStride := ""
	if t.queries > 1 {
		queryStride = "queryStride int, "
	}
	doc := fmt.Sprintf("%s sums the squares of %d rows of blocks*16 elements. Strides are bytes.", name, t.rows)
	signature := "func(" + place + blocks + ")"
	switch t.name {
	case "dot":
		doc = fmt.Sprintf("%s sums the products of %d queries and %d rows of blocks*16 elements: row r and query q in sums[r*%d+q], and in bit r*%d+q of mask whether that is not below limits[q]*weights[r]. Strides are bytes.",
			name, t.queries, t.rows, t.queries, t.queries)
		signature = "func(queries *float32, " + queryStride + place + blocks + ", limits, weights *float32) (mask uint32)"
	case "squaredL2":
		doc = fmt.Sprintf("%s sums the squared differences of %d queries and %d rows of blocks*16 elements: row r and query q in sums[r*%d+q], and in bit r*%d+q of mask whether that is not above limits[q]. Strides are bytes.",
			name, t.queries, t.rows, t.queries, t.queries)
		signature = "func(queries *float32, " + queryStride + place + blocks + ", limits *float32) (mask uint32)"
	}
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(doc)
	row := w.strided(Load(Param("rows"), GP64()), Load(Param("rowStride"), GP64()), t.rows)
	var query []Mem
	switch {
	case t.name == "squares":
	case t.queries == 1:
		query = []Mem{{Base: Load(Param("queries"), GP64())}}
	default:
		query = w.strided(Load(Param("queries"), GP64()), Load(Param("queryStride"), GP64()), t.queries)
	}
	n := Load(Param("blocks"), GP64())
	sums := w.zero(t.queries * t.rows)
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("block")
	for at := 0; at < lanes; at += w.floats {
		w.step(t, query, row, at, sums)
	}
	ADDQ(U8(lanes*4), row[0].Base)
	if query != nil {
		ADDQ(U8(lanes*4), query[0].Base)
	}
	DECQ(n)
	JNZ(LabelRef("block"))
	Label("done")
	results := w.reduce(sums)
	out := Load(Param("sums"), GP64())
	for _, r := range results {
		VMOVUPS(r.register, Mem{Base: out, Disp: 4 * r.first})
	}
	if t.name != "squares" {
		w.compare(t, results)
	}
	VZEROUPPER()
	RET()
}

// strided returns where n vectors begin that lie a stride apart.
func (w width) strided(base, stride reg.Register, n int) []Mem {
	at := []Mem{{Base: base}, {Base: base, Index: stride, Scale: 1}, {Base: base, Index: stride, Scale: 2}}
	times := func(by int, from reg.Register) reg.Register {
		r := GP64()
		LEAQ(Mem{Base: from, Index: stride, Scale: uint8(by)}, r)
		return r
	}
	if n > 3 {
		three := times(2, stride)
		at = append(at, Mem{Base: base, Index: three, Scale: 1}, Mem{Base: base, Index: stride, Scale: 4})
		if n > 5 {
			at = append(at, Mem{Base: base, Index: times(4, stride), Scale: 1}, Mem{Base: base, Index: three, Scale: 2})
		}
		if n > 7 {
			at = append(at, Mem{Base: base, Index: times(4, three), Scale: 1})
		}
	}
	return at[:n]
}

// step adds what a register holds of each query and each row, from float32 number at on.
func (w width) step(t tile, query, row []Mem, at int, sums []reg.VecVirtual) {
	load := func(m Mem) reg.VecVirtual {
		v := w.register()
		m.Disp = 4 * at
		VMOVUPS(m, v)
		return v
	}
	switch {
	case t.name == "squares":
		for r := range row {
			y := load(row[r])
			VFMADD231PS(y, y, sums[r])
		}
	case t.queries == 1:
		x := load(query[0])
		for r, m := range row {
			m.Disp = 4 * at
			if t.name == "dot" {
				VFMADD231PS(m, x, sums[r])
				continue
			}
			d := w.register()
			VSUBPS(m, x, d)
			VFMADD231PS(d, d, sums[r])
		}
	case t.name == "squaredL2" && w.floats == 8: // no registers are left to hold rows
		for q := range query {
			x := load(query[q])
			for r, m := range row {
				d := w.register()
				m.Disp = 4 * at
				VSUBPS(m, x, d)
				VFMADD231PS(d, d, sums[r*t.queries+q])
			}
		}
	case len(row) < len(query):
		var ys []reg.VecVirtual
		for r := range row {
			ys = append(ys, load(row[r]))
		}
		for q := range query {
			x := load(query[q])
			for r, y := range ys {
				VFMADD231PS(x, y, sums[r*t.queries+q])
			}
		}
	default:
		var xs []reg.VecVirtual
		for q := range query {
			xs = append(xs, load(query[q]))
		}
		for r := range row {
			y := load(row[r])
			for q, x := range xs {
				sum := sums[r*t.queries+q]
				if t.name == "dot" {
					VFMADD231PS(x, y, sum)
					continue
				}
				d := w.register()
				VSUBPS(y, x, d)
				VFMADD231PS(d, d, sum)
			}
		}
	}
}

// result is a register of sums, one an element, from sum first on.
type result struct {
	register reg.Register
	first, n int
}

// reduce adds up the lanes of each of sums, neighbours first.
func (w width) reduce(sums []reg.VecVirtual) []result {
	quarters := w.pairs(w.pairs(sums, w.shuffle), w.shuffle) // sums 4i to 4i+3 of each 128-bit part
	var all []result
	if w.floats == 8 {
		for i, v := range quarters {
			upper := XMM()
			VEXTRACTF128(Imm(1), v, upper)
			VADDPS(upper, v.AsX(), upper)
			all = append(all, result{upper, 4 * i, 4})
		}
		return all
	}
	for i := 0; i < len(quarters); i += 4 {
		group := quarters[i:min(i+4, len(quarters))]
		half := w.pairs(group, w.exchange)
		if len(half) == 1 {
			half = append(half, half[0])
		}
		v := w.pairs(half, w.exchange)[0]
		if len(group) == 4 {
			all = append(all, result{v, 4 * i, 16})
		} else {
			all = append(all, result{v.AsY(), 4 * i, 8})
		}
	}
	return all
}

// pairs joins neighbours: two registers of partial sums become one with half as many of each.
func (w width) pairs(sums []reg.VecVirtual, pick func(half uint8, a, b, dst reg.VecVirtual)) []reg.VecVirtual {
	var joined []reg.VecVirtual
	for i := 0; i < len(sums); i += 2 {
		even, odd := w.register(), w.register()
		pick(0x88, sums[i], sums[i+1], even)
		pick(0xdd, sums[i], sums[i+1], odd)
		VADDPS(even, odd, even)
		joined = append(joined, even)
	}
	return joined
}

// shuffle picks every other element, from each 128-bit part.
func (w width) shuffle(half uint8, a, b, dst reg.VecVirtual) { VSHUFPS(Imm(uint64(half)), b, a, dst) }

// exchange picks every other 128-bit part.
func (w width) exchange(half uint8, a, b, dst reg.VecVirtual) {
	VSHUFF32X4(Imm(uint64(half)), b, a, dst)
}

// Predicates of VCMPPS that are true of NaNs.
const (
	notLess    = 0x15
	notGreater = 0x1a
)

// compare emits the comparison of sums with their limits, and the return of the mask.
func (w width) compare(t tile, results []result) {
	limits := Load(Param("limits"), GP64())
	predicate, weights := Imm(notGreater), reg.Register(nil)
	if t.name == "dot" {
		predicate, weights = Imm(notLess), Load(Param("weights"), GP64())
	}
	mask := GP32()
	for i, r := range results {
		limit := registers[r.n]()
		if t.queries == 1 {
			VBROADCASTSS(Mem{Base: limits}, limit)
		} else if r.n == 4 {
			VMOVUPS(Mem{Base: limits}, limit)
		} else {
			VBROADCASTF32X4(Mem{Base: limits}, limit)
		}
		if weights != nil {
			VMULPS(w.weights(t, weights, r), limit, limit)
		}
		some := mask
		if i > 0 {
			some = GP32()
		}
		if w.floats == 16 {
			k := K()
			VCMPPS(predicate, limit, r.register, k)
			KMOVW(k, some)
		} else {
			VCMPPS(predicate, limit, r.register, limit)
			VMOVMSKPS(limit, some)
		}
		if i > 0 {
			SHLL(U8(r.first), some)
			ORL(some, mask)
		}
	}
	Store(mask, ReturnIndex(0))
}

var registers = map[int]func() reg.VecVirtual{4: XMM, 8: YMM, 16: ZMM}

// weights returns the weights of the rows of r, each beside the sums that it is of.
func (w width) weights(t tile, weights reg.Register, r result) reg.VecVirtual {
	v := registers[r.n]()
	at := Mem{Base: weights, Disp: 4 * r.first / t.queries}
	switch {
	case t.queries == 1:
		VMOVUPS(at, v)
	case r.n == 4:
		VBROADCASTSS(at, v)
	default:
		index := registers[r.n]()
		VMOVUPS(expand(), index)
		few := v.AsX()
		if r.n == 8 {
			VMOVSD(at, few)
		} else {
			VMOVUPS(at, few)
		}
		VPERMPS(v, index, v)
	}
	return v
}

var expandTable *Mem

// expand is the indices that repeat each of four elements four times.
func expand() Mem {
	if expandTable == nil {
		m := GLOBL("expand", RODATA|NOPTR)
		for i := range lanes {
			DATA(4*i, U32(i/4))
		}
		expandTable = &m
	}
	return *expandTable
}
