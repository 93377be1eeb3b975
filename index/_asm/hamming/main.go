// Command hamming writes the scan kernels of package hamming.
//
// Every kernel has the same shape. It walks the groups of a block, a few at a
// time; for each it walks the columns, and in each column the words compared. A
// line of eight rows is loaded and combined with every query of the tile;
// counts stay in registers, a lane a row, until the last word. Then they are
// compared with the limits, and only groups in which some row passes are
// written out. So a row that cannot enter an answer costs no store.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets in hamming.Column and hamming.Match, and the size of the latter; a test
// compares them with the types.
const (
	columnWords  = 0
	columnStride = 24
	columnUsed   = 32
	columnSize   = 40

	matchGroup     = 0
	matchQuery     = 4
	matchMask      = 5
	matchDistances = 8
	matchSize      = 40
)

const lineBytes = 64 // one word of each row of a group

// isa is what differs between instruction sets.
type isa interface {
	// prepare loads constants, once a call.
	prepare(k *kernel)
	// clear zeroes the counts of n groups.
	clear(k *kernel, n int)
	// word adds one word of n groups: line(g) is where the group's line is, and tile
	// where the tile's words for it are.
	word(k *kernel, n int, line func(g int) Mem, tile reg.Register)
	// emit writes the matches of the n groups at hand, and goes past them in k.group.
	emit(k *kernel, n int)
}

// kernel is one function being written.
type kernel struct {
	isa
	name    string
	doc     string
	queries int // of the tile
	words   int // that the tile has for each word of a row

	out, count, group reg.GPVirtual
	soon              reg.GPVirtual // the line to ask for next
}

// planes is hamming.Planes.
const planes = 4

func main() {
	ConstraintExpr("!purego")
	// One query alone waits for memory: it goes group by group. With four, two groups
	// at a time use each broadcast twice.
	(&kernel{isa: new(avx512), name: "scan1AVX512", doc: "a query", queries: 1, words: 1}).write(1)
	(&kernel{isa: new(avx512), name: "scan4AVX512", doc: "four queries", queries: 4, words: 4}).write(2, 1)
	(&kernel{isa: &avx512{planes: true}, name: "planesAVX512", doc: "a query with magnitudes", queries: 1, words: 1 + planes}).write(2, 1)
	(&kernel{isa: new(avx2), name: "scan1AVX2", doc: "a query", queries: 1, words: 1}).write(1)
	(&kernel{isa: new(tables), name: "tables1AVX2", doc: "the tables of a query", queries: 1, words: tableWords}).write(tableGroups)
	(&kernel{isa: new(tables), name: "tables4AVX2", doc: "the tables of four queries", queries: 4, words: 4 * tableWords}).write(tableGroups)
	Generate()
}

// write emits the function, which takes as many groups at a time as the first of the
// numbers says, and of the rest as many as the next says. What is less than the last is
// left to the caller.
func (k *kernel) write(several ...int) {
	TEXT(k.name, NOSPLIT, "func(out *byte, tile *uint64, columns *byte, ncolumns int, groups, ahead int, limits *int64) (matches int)")
	Pragma("noescape")
	Doc(fmt.Sprintf("Compares %s: see scanGeneric.", k.doc))
	k.out = Load(Param("out"), GP64()).(reg.GPVirtual)
	tile := Load(Param("tile"), GP64())
	columns := Load(Param("columns"), GP64())
	ncolumns := Load(Param("ncolumns"), GP64())
	groups := Load(Param("groups"), GP64())
	k.count, k.group = GP64(), GP64()
	XORQ(k.count, k.count)
	XORQ(k.group, k.group)
	k.prepare(k)
	for _, n := range several {
		k.loop(n, tile, columns, ncolumns, groups)
	}
	VZEROUPPER()
	Store(k.count, ReturnIndex(0))
	RET()
}

// loop emits the walk over n groups at a time.
func (k *kernel) loop(n int, tile, columns, ncolumns, groups reg.Register) {
	label := func(format string, args ...any) string { return fmt.Sprintf(format+"_by%d", append(args, n)...) }
	Label(label("groups"))
	left := GP64()
	MOVQ(groups, left)
	SUBQ(k.group, left)
	CMPQ(left, Imm(uint64(n)))
	JL(LabelRef(label("done")))
	k.clear(k, n)
	column, more, at := GP64(), GP64(), GP64()
	MOVQ(columns, column)
	MOVQ(ncolumns, more)
	MOVQ(tile, at)

	Label(label("column"))
	for c := range columnLoops {
		k.column(n, label("word%d", c), column, at)
		ADDQ(Imm(columnSize), column)
		DECQ(more)
		if c < columnLoops-1 {
			JZ(LabelRef(label("emit")))
		}
	}
	JNZ(LabelRef(label("column")))

	Label(label("emit"))
	k.emit(k, n)
	JMP(LabelRef(label("groups")))
	Label(label("done"))
}

// columnLoops is how many columns have a loop of their own before a loop serves a second
// one. The prefetchers of a processor tell streams apart by the instruction that loads:
// with one loop for all, three columns of 4 words were read from memory at 0.6 (planes)
// to 0.8 of the bandwidth, and are at 0.9.
const columnLoops = 4

// column emits the walk over the words of a column, for n groups at a time.
func (k *kernel) column(n int, label string, column, at reg.Register) {
	stride, words := GP64(), GP64() // bytes of a group; words left to compare
	k.soon = GP64()
	MOVQ(Mem{Base: column, Disp: columnStride}, stride)
	SHLQ(Imm(6), stride)
	first := GP64()
	MOVQ(k.group, first)
	IMULQ(stride, first)
	ADDQ(Mem{Base: column, Disp: columnWords}, first)
	lines := lines(n, first, stride)
	MOVQ(Mem{Base: column, Disp: columnUsed}, words)
	Load(Param("ahead"), k.soon)
	IMULQ(stride, k.soon)
	ADDQ(first, k.soon)

	Label(label)
	k.word(k, n, func(g int) Mem { return lines[g] }, at)
	for _, line := range lines {
		if line.Index == nil {
			ADDQ(Imm(lineBytes), line.Base)
		}
	}
	ADDQ(imm(8*k.words), at)
	DECQ(words)
	JNZ(LabelRef(label))
}

// lines returns where the lines of n groups are, which first and stride tell. Four take
// no register each, for there are not so many.
func lines(n int, first, stride reg.GPVirtual) []Mem {
	lines := []Mem{{Base: first}}
	switch n {
	case 2:
		second := GP64()
		LEAQ(Mem{Base: first, Index: stride, Scale: 1}, second)
		lines = append(lines, Mem{Base: second})
	case 4:
		stride3 := GP64()
		LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, stride3)
		lines = append(lines, Mem{Base: first, Index: stride, Scale: 1}, Mem{Base: first, Index: stride, Scale: 2}, Mem{Base: first, Index: stride3, Scale: 1})
	}
	return lines
}

// prefetch asks for one more line of the groups that come ahead of those at hand. It
// may be past the column's end: a prefetch never faults. Lines are asked for in the
// order in which they lie, whatever the order in which several groups use them: by
// turns, a column of 4 words was read from memory at three quarters of the speed. Of
// groups of which not all words are compared, several at a time, some are left out.
func (k *kernel) prefetch() {
	PREFETCHT0(Mem{Base: k.soon})
	ADDQ(Imm(lineBytes), k.soon)
}

// match emits the head of a match of query j, whose mask is not zero, and returns
// where its distances go. The caller stores them and calls advance.
func (k *kernel) match(j int, mask reg.GPVirtual) (distances Mem) {
	MOVL(k.group.As32(), Mem{Base: k.out, Disp: matchGroup})
	MOVB(Imm(uint64(j)), Mem{Base: k.out, Disp: matchQuery})
	MOVB(mask.As8(), Mem{Base: k.out, Disp: matchMask})
	return Mem{Base: k.out, Disp: matchDistances}
}

func (k *kernel) advance() {
	ADDQ(Imm(matchSize), k.out)
	INCQ(k.count)
}

var labels int

// fresh returns a label that no other has.
func fresh(name string) string {
	labels++
	return fmt.Sprintf("%s%d", name, labels)
}

// imm is n in as few bytes as may be.
func imm(n int) Constant {
	if n < 128 {
		return Imm(uint64(n))
	}
	return U32(uint32(n))
}
