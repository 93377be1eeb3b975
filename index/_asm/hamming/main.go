// Command hamming writes the scan kernels of package hamming.
//
// Every kernel has the same shape. It walks the groups of a block, a few at a
// time; for each it walks the columns, and in each column the words compared. A
// line of eight rows is loaded once and combined with every query of the tile;
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
	// emit writes the matches of group g of those at hand.
	emit(k *kernel, g int)
}

// kernel is one function being written.
type kernel struct {
	isa
	name    string
	queries int  // of the tile
	planes  bool // of the one query: its signs and its planes

	out, count, group reg.GPVirtual
	soon              reg.GPVirtual // the line to ask for next
}

// planes is hamming.Planes.
const planes = 4

// tileWords is how many words of the tile belong to a word of a row.
func (k *kernel) tileWords() int {
	if k.planes {
		return 1 + planes
	}
	return k.queries
}

func main() {
	ConstraintExpr("!purego")
	for _, queries := range []int{1, 4} {
		// One query alone waits for memory: it goes group by group. With four, two groups
		// at a time use each broadcast twice.
		(&kernel{isa: new(avx512), name: fmt.Sprintf("scan%dAVX512", queries), queries: queries}).write(map[int]int{1: 1, 4: 2}[queries])
		(&kernel{isa: new(avx2), name: fmt.Sprintf("scan%dAVX2", queries), queries: queries}).write(1)
	}
	(&kernel{isa: new(avx512), name: "planesAVX512", queries: 1, planes: true}).write(2)
	(&kernel{isa: new(avx2), name: "planesAVX2", queries: 1, planes: true}).write(1)
	Generate()
}

// write emits the function, which takes several groups at a time and the rest
// one by one.
func (k *kernel) write(several int) {
	TEXT(k.name, NOSPLIT, "func(out *byte, tile *uint64, columns *byte, ncolumns int, groups, ahead int, limits *int64) (matches int)")
	Pragma("noescape")
	if k.planes {
		Doc("Compares a query with magnitudes: see scanGeneric.")
	} else {
		Doc(fmt.Sprintf("Compares a tile of %d: see scanGeneric.", k.queries))
	}
	k.out = Load(Param("out"), GP64()).(reg.GPVirtual)
	tile := Load(Param("tile"), GP64())
	columns := Load(Param("columns"), GP64())
	ncolumns := Load(Param("ncolumns"), GP64())
	groups := Load(Param("groups"), GP64())
	k.count, k.group = GP64(), GP64()
	XORQ(k.count, k.count)
	XORQ(k.group, k.group)
	k.prepare(k)
	for _, n := range []int{several, 1} {
		k.loop(n, tile, columns, ncolumns, groups)
		if several == 1 {
			break
		}
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
	for g := range n {
		k.emit(k, g)
		INCQ(k.group)
	}
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
	lines := make([]reg.GPVirtual, n)
	for g := range lines {
		lines[g] = GP64()
	}
	MOVQ(k.group, lines[0])
	IMULQ(stride, lines[0])
	ADDQ(Mem{Base: column, Disp: columnWords}, lines[0])
	for g := 1; g < n; g++ {
		LEAQ(Mem{Base: lines[g-1], Index: stride, Scale: 1}, lines[g])
	}
	MOVQ(Mem{Base: column, Disp: columnUsed}, words)
	Load(Param("ahead"), k.soon)
	IMULQ(stride, k.soon)
	ADDQ(lines[0], k.soon)

	Label(label)
	k.word(k, n, func(g int) Mem { return Mem{Base: lines[g]} }, at)
	for g := range lines {
		ADDQ(Imm(lineBytes), lines[g])
	}
	ADDQ(Imm(uint64(8*k.tileWords())), at)
	DECQ(words)
	JNZ(LabelRef(label))
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
