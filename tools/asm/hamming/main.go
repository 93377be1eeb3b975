// Command hamming writes the kernels of package hamming.
//
// A scan kernel walks the groups of rows, as many rows at a time as a register has bytes:
// 64, or twice 32. For each it walks the columns; in a column the planes, and in a plane
// the words. A line is loaded and cut into half bytes once for all queries of the tile, each
// half byte is looked up in a table of the query, and the sums stay in registers until the
// column's end. There they become float32 and a part of the scores, which lie in memory.
// After the last column the scores are compared with the limits, and only runs of rows of
// which some pass are written out.
package main

import (
	"fmt"
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets in hamming.Column, Rows, Tile and Match, and sizes; a test compares them with the
// types.
const (
	columnLines   = 0
	columnWidth   = 24
	columnPlanes  = 32
	columnFactors = 40
	columnSize    = 64

	rowsColumns    = 0
	rowsColumnsLen = 8
	rowsOffsets    = 24
	rowsScales     = 48

	tileTables  = 32
	tileTerms   = 56
	tileOffsets = 80
	tileScores  = 96

	matchRow    = 0
	matchQuery  = 4
	matchMask   = 6
	matchScores = 8
	matchSize   = 72
)

// Sizes that package hamming has too, and names.
const (
	lanes       = 64
	matchLanes  = 16
	tileQueries = 4
	wordLines   = 8 // a line is a byte of each lane
	wordBytes   = wordLines * lanes
	tableBytes  = 16
	pairBytes   = 4 * tableBytes // the tables of two lines, for one query
	queryBytes  = wordLines / 2 * pairBytes
	factorBytes = 2
	termBytes   = 8 // A and -B
)

// strides is how many registers strided numbers take: see vector.
const strides = 4

// less is the comparison of VCMPPS that is false for what is no number.
const less = 0x11

// vector is what differs between instruction sets.
//
// A sum of 16 bits holds the distance of an even row, and another that of the odd row after
// it. Cut into 32 bits without moving anything sideways they are every fourth row. So scores
// are computed strided: register c of strides has the rows 4*i + c of those at hand, in
// lane i.
type vector interface {
	suffix() string
	bytes() int // of a register, and so the rows taken at a time
	register() reg.VecVirtual
	clear(x reg.VecVirtual)
	load(from Mem, x reg.VecVirtual)
	store(x reg.VecVirtual, to Mem)
	// prepare loads constants, once a call of a kernel for so many queries.
	prepare(queries int)
	// nibbles makes of the bytes in low those of the lower half bytes, and in high the upper.
	nibbles(low, high reg.VecVirtual)
	// table loads a table into each 128 bits of x.
	table(from Mem, x reg.VecVirtual)
	// lowHalves sets y to the low 16 bits of each 32 of x, and highHalves to the high ones
	// where they are.
	lowHalves(x, y reg.VecVirtual)
	highHalves(x, y reg.VecVirtual)
	// affine sets x to x*factor + addend, both rounded.
	affine(x reg.VecVirtual, factor, addend Mem)
	// floats, halves and brains load float32s, float16s and bfloat16s, strided.
	floats(from reg.Register) [strides]reg.VecVirtual
	halves(from reg.Register) [strides]reg.VecVirtual
	brains(from reg.Register) [strides]reg.VecVirtual
	// matches writes the matches of strided scores.
	matches(k *kernel, query int, scores func(c int) Mem, limit Mem)
}

// kernel is one function being written.
type kernel struct {
	vector
	queries         int // of the tile
	out, count, row reg.GPVirtual
	// sums are, for each query, the distances of even rows with 256 times those of odd rows
	// added, modulo 2^16, and those of odd rows.
	sums [][2]reg.VecVirtual
}

func main() {
	ConstraintExpr("!purego")
	for _, v := range []func() vector{newAVX512, newAVX2} {
		for n := 1; n <= tileQueries; n++ {
			(&kernel{vector: v(), queries: n}).write()
		}
	}
	sumSetAVX512()
	sumSetAVX2()
	Generate()
}

func (k *kernel) write() {
	TEXT(fmt.Sprintf("scan%d%s", k.queries, k.suffix()), NOSPLIT, "func(out, tile, rows *byte, groups, ahead int, limits *float32) (matches int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("Scans for a tile of %d: see scanGeneric.", k.queries))
	k.out = Load(Param("out"), GP64()).(reg.GPVirtual)
	k.count, k.row = GP64(), GP64()
	XORQ(k.count, k.count)
	XORQ(k.row, k.row)
	k.prepare(k.queries)

	Label("rows")
	scores, rows := GP64(), Load(Param("rows"), GP64())
	tile := Load(Param("tile"), GP64())
	MOVQ(Mem{Base: tile, Disp: tileScores}, scores)
	k.offsets(rows, tile, scores)
	column, columns, table, term := GP64(), GP64(), GP64(), GP64()
	MOVQ(Mem{Base: rows, Disp: rowsColumns}, column)
	MOVQ(Mem{Base: rows, Disp: rowsColumnsLen}, columns)
	MOVQ(Mem{Base: tile, Disp: tileTables}, table)
	MOVQ(Mem{Base: tile, Disp: tileTerms}, term)

	Label("column")
	k.column(column, table, term, scores)
	ADDQ(imm(columnSize), column)
	DECQ(columns)
	JNZ(LabelRef("column"))

	k.scale(scores)
	limits := Load(Param("limits"), GP64())
	for j := range k.queries {
		k.matches(k, j, func(c int) Mem { return k.score(scores, j, c) }, Mem{Base: limits, Disp: 4 * j})
	}
	ADDQ(imm(k.bytes()), k.row)
	end := Load(Param("groups"), GP64())
	SHLQ(Imm(log2(lanes)), end)
	CMPQ(k.row, end)
	JL(LabelRef("rows"))
	VZEROUPPER()
	Store(k.count, ReturnIndex(0))
	RET()
}

// score is where the scores c of query j lie.
func (k *kernel) score(scores reg.Register, j, c int) Mem {
	return Mem{Base: scores, Disp: (j*strides + c) * k.bytes()}
}

// offsets starts the scores.
func (k *kernel) offsets(rows, tile, scores reg.Register) {
	from := GP64()
	MOVQ(Mem{Base: rows, Disp: rowsOffsets}, from)
	LEAQ(Mem{Base: from, Index: k.row, Scale: 4}, from)
	offsets := k.floats(from)
	for j := range k.queries {
		query := k.register()
		VBROADCASTSS(Mem{Base: tile, Disp: tileOffsets + 4*j}, query)
		for c, o := range offsets {
			x := k.register()
			VMULPS(query, o, x)
			k.store(x, k.score(scores, j, c))
		}
	}
}

// column adds to the scores what the column makes, and sets table to the tables of the next
// and term to its terms.
func (k *kernel) column(column, table, term, scores reg.Register) {
	line, soon, size, planes := GP64(), GP64(), GP64(), GP64()
	MOVQ(Mem{Base: column, Disp: columnPlanes}, planes)
	MOVQ(Mem{Base: column, Disp: columnWidth}, size) // of a group, in bytes
	IMULQ(planes, size)
	SHLQ(Imm(log2(wordBytes)), size)
	inGroup := GP64()
	MOVQ(k.row, inGroup)
	ANDQ(Imm(lanes-1), inGroup)
	MOVQ(k.row, line)
	SHRQ(Imm(log2(lanes)), line)
	IMULQ(size, line)
	ADDQ(Mem{Base: column, Disp: columnLines}, line)
	ADDQ(inGroup, line)
	// Lines are asked for once: those of even numbers with the first half of a group, if
	// there are halves, and those of odd ones with the second.
	Load(Param("ahead"), soon)
	IMULQ(size, soon)
	ADDQ(line, soon)
	ADDQ(inGroup, soon)

	k.sums = nil
	for range k.queries {
		even, odd := k.register(), k.register()
		k.clear(even)
		k.clear(odd)
		k.sums = append(k.sums, [2]reg.VecVirtual{even, odd})
	}
	first := GP64()
	MOVQ(table, first)

	Label("plane")
	words := GP64()
	MOVQ(first, table)
	MOVQ(Mem{Base: column, Disp: columnWidth}, words)
	Label("word")
	for pair := range wordLines / 2 {
		for n := range 2 * k.bytes() / lanes {
			PREFETCHT0(Mem{Base: soon, Disp: (2*pair + n) * lanes})
		}
		k.pair(Mem{Base: line, Disp: 2 * pair * lanes}, Mem{Base: table, Disp: pair * k.queries * pairBytes})
	}
	ADDQ(imm(k.queries*queryBytes), table)
	ADDQ(imm(wordBytes), line)
	ADDQ(imm(wordBytes), soon)
	DECQ(words)
	JNZ(LabelRef("word"))
	DECQ(planes)
	JZ(LabelRef("planes_done"))
	for _, s := range k.sums {
		VPADDW(s[0], s[0], s[0])
		VPADDW(s[1], s[1], s[1])
	}
	JMP(LabelRef("plane"))
	Label("planes_done")

	from := GP64()
	MOVQ(Mem{Base: column, Disp: columnFactors}, from)
	LEAQ(Mem{Base: from, Index: k.row, Scale: factorBytes}, from)
	factors := k.brains(from)
	for j, s := range k.sums {
		even, odd := s[0], s[1]
		x := k.register()
		VPSLLW(Imm(8), odd, x)
		VPSUBW(x, even, even)
		for c, f := range factors {
			x := k.register()
			of := even
			if c%2 == 1 {
				of = odd
			}
			if c < 2 {
				k.lowHalves(of, x)
			} else {
				VPSRLD(Imm(16), of, x)
			}
			VCVTDQ2PS(x, x)
			k.affine(x, Mem{Base: term, Disp: j*termBytes + 4}, Mem{Base: term, Disp: j * termBytes})
			VMULPS(f, x, x)
			VADDPS(k.score(scores, j, c), x, x)
			k.store(x, k.score(scores, j, c))
		}
	}
	ADDQ(imm(k.queries*termBytes), term)
}

// pair adds to the sums what two lines add to the distances: 4*60 at most from each byte,
// which fits into one.
func (k *kernel) pair(line, table Mem) {
	var index []reg.VecVirtual // half byte by half byte
	for n := range 2 {
		low, high := k.register(), k.register()
		k.load(line.Offset(n*lanes), low)
		k.nibbles(low, high)
		index = append(index, low, high)
	}
	for j, s := range k.sums {
		var sum reg.VecVirtual
		for n, i := range index {
			x := k.register()
			k.table(table.Offset(j*pairBytes+n*tableBytes), x)
			VPSHUFB(i, x, x)
			if n == 0 {
				sum = x
			} else {
				VPADDB(x, sum, sum)
			}
		}
		VPADDW(sum, s[0], s[0])
		VPSRLW(Imm(8), sum, sum)
		VPADDW(sum, s[1], s[1])
	}
}

// scale multiplies the scores with the scales, if there are any.
func (k *kernel) scale(scores reg.Register) {
	from := Load(Param("rows"), GP64())
	MOVQ(Mem{Base: from, Disp: rowsScales}, from.(reg.GPVirtual))
	TESTQ(from, from)
	JZ(LabelRef("scaled"))
	LEAQ(Mem{Base: from, Index: k.row, Scale: factorBytes}, from.(reg.GPVirtual))
	for c, w := range k.halves(from) {
		for j := range k.queries {
			x := k.register()
			VMULPS(k.score(scores, j, c), w, x)
			k.store(x, k.score(scores, j, c))
		}
	}
	Label("scaled")
}

// head writes all of a match but its scores.
func (k *kernel) head(query, run int, mask reg.GPVirtual) {
	row := GP64()
	LEAQ(Mem{Base: k.row, Disp: run * matchLanes}, row)
	MOVL(row.As32(), Mem{Base: k.out, Disp: matchRow})
	MOVB(Imm(uint64(query)), Mem{Base: k.out, Disp: matchQuery})
	MOVW(mask.As16(), Mem{Base: k.out, Disp: matchMask})
}

// advance goes past the match at hand unless its mask, of 16 bits, is zero: there is room
// for it, and what nothing predicts is no branch.
func (k *kernel) advance(mask reg.GPVirtual) {
	one := GP64()
	XORL(one.As32(), one.As32())
	TESTL(mask.As32(), mask.As32())
	SETNE(one.As8())
	ADDQ(one, k.count)
	LEAQ(Mem{Base: one, Index: one, Scale: 8}, one)
	LEAQ(Mem{Base: k.out, Index: one, Scale: matchSize / 9}, k.out)
}

// transpose returns, in each 128 bits, the rows of four registers as columns.
func transpose(register func() reg.VecVirtual, in [strides]reg.VecVirtual) (out [strides]reg.VecVirtual) {
	var pairs [strides]reg.VecVirtual
	for i := range out {
		pairs[i], out[i] = register(), register()
	}
	VUNPCKLPS(in[1], in[0], pairs[0])
	VUNPCKHPS(in[1], in[0], pairs[1])
	VUNPCKLPS(in[3], in[2], pairs[2])
	VUNPCKHPS(in[3], in[2], pairs[3])
	VUNPCKLPD(pairs[2], pairs[0], out[0])
	VUNPCKHPD(pairs[2], pairs[0], out[1])
	VUNPCKLPD(pairs[3], pairs[1], out[2])
	VUNPCKHPD(pairs[3], pairs[1], out[3])
	return out
}

// constant returns the address of n numbers of 32 bits.
func constant(name string, n int, of func(i int) uint32) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	for i := range n {
		DATA(4*i, U32(of(i)))
	}
	return m
}

// log2 is that of a power of two.
func log2(n int) uint64 { return uint64(bits.TrailingZeros(uint(n))) }

// imm is n in as few bytes as may be.
func imm(n int) Constant {
	if n < 128 {
		return Imm(uint64(n))
	}
	return U32(uint32(n))
}
