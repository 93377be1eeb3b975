package columns

import (
	"github.com/hamnest/hamnest/index/attr"
	"github.com/hamnest/hamnest/index/filter"
)

// bits is a set of rows: bit i%64 of word i/64 is that of row i. What it says of rows that the
// view has not means nothing.
type bits []uint64

// add adds rows; those past the last word are left out: they are newer than the view.
func (b bits) add(rows []uint32) {
	for _, row := range rows {
		if word := row / 64; int(word) < len(b) {
			b[word] |= 1 << (row % 64)
		}
	}
}

// evaluator turns expressions in canonical form into the rows that match, of as many words. The
// columns have the values of all fields that are named.
type evaluator struct {
	columns map[attr.Path]*column
	words   int
}

// matches returns the rows that match e.
func (v evaluator) matches(e filter.Expr) bits {
	b := make(bits, v.words)
	v.add(b, e)
	return b
}

// add adds the rows that match e to b.
func (v evaluator) add(b bits, e filter.Expr) {
	switch e.Op {
	case filter.OpAll:
		for i := range b {
			b[i] = ^uint64(0)
		}
	case filter.OpOr:
		for _, arg := range e.Args {
			v.add(b, arg)
		}
	case filter.OpAnd:
		all := v.matches(e.Args[0])
		for _, arg := range e.Args[1:] {
			for i, word := range v.matches(arg) {
				all[i] &= word
			}
		}
		for i, word := range all {
			b[i] |= word
		}
	case filter.OpNot:
		for i, word := range v.matches(e.Args[0]) {
			b[i] |= ^word
		}
	default:
		if matchesNone(e) {
			return
		}
		for _, r := range v.columns[e.Field].runs {
			r.pick(e, b.add)
		}
	}
}
