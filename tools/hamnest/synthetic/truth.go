package synthetic

import (
	"cmp"
	"context"
	"errors"
	"math"
	"os"
	"slices"

	"github.com/hamnest/hamnest/index/dense"
	"github.com/hamnest/hamnest/tools/hamnest/npy"
)

// answer is a row of base.npy and its cosine to a query, but for the query's norm.
type answer struct {
	score float64
	row   uint32
}

// compare ranks the larger score ahead, then the lower row.
func (a answer) compare(b answer) int {
	if c := cmp.Compare(b.score, a.score); c != 0 {
		return c
	}
	return cmp.Compare(a.row, b.row)
}

// nearest keeps the TruthColumns best of the answers given to it.
type nearest struct {
	answers []answer
	worst   float64 // no score below it is among the best
}

func (n *nearest) offer(a answer) {
	n.answers = append(n.answers, a)
	if len(n.answers) == 2*TruthColumns {
		n.cut()
	}
}

// cut drops all but the best, in order.
func (n *nearest) cut() {
	slices.SortFunc(n.answers, answer.compare)
	if len(n.answers) >= TruthColumns {
		n.answers = n.answers[:TruthColumns]
		n.worst = n.answers[TruthColumns-1].score
	}
}

// tileBytes of vectors are compared with all queries before the next are: a core's
// second cache holds them.
const tileBytes = 256 << 10

// exactAnswers compares every query with every row of a .npy file, of TruthColumns
// rows at least, and returns the best for each query.
//
// A score is computed in float64. Most rows are too far off for that: a float32
// inner product, whose error has a bound, says so at a fraction of the price.
func exactAnswers(ctx context.Context, b blocks, name string, queries [][]float32) (_ [][]answer, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	comparers, rows := make([]*comparer, b.workers), 0
	for i := range comparers {
		m, err := npy.NewReader(file, info.Size())
		if err != nil {
			return nil, err
		}
		comparers[i], rows = newComparer(m, queries), m.Rows()
	}
	block := max(1, blockBytes/(4*len(queries[0])))
	err = b.each(ctx, rows, block, func(worker, first, end int) error { return comparers[worker].compare(first, end) })
	if err != nil {
		return nil, err
	}
	all := make([][]answer, len(queries))
	for q := range all {
		var best nearest
		for _, c := range comparers {
			best.answers = append(best.answers, c.best[q].answers...)
		}
		best.cut()
		all[q] = best.answers
	}
	return all, nil
}

// comparer finds the nearest of the rows that one worker compares.
type comparer struct {
	matrix  *npy.Reader
	queries [][]float32
	margins []float64 // how far a float32 product with a query may be off, for a row of norm 1
	best    []nearest // by query
	block   []float32
}

func newComparer(matrix *npy.Reader, queries [][]float32) *comparer {
	c := &comparer{matrix: matrix, queries: queries, margins: make([]float64, len(queries)), best: make([]nearest, len(queries))}
	// A lane of dense.Dot adds every sixteenth product, and four additions join the
	// lanes: so many roundings of 2^-24 each, relative to the product of the norms
	// (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1).
	// Twice the bound leaves room for products of rounded scores.
	roundings := float64(len(queries[0])/16 + 8)
	for q, query := range queries {
		c.margins[q] = 2 * roundings * 0x1p-24 * dense.Norm(query)
		c.best[q].worst = math.Inf(-1)
	}
	return c
}

// compare compares rows first..end-1 with all queries, so many at a time as the
// second cache of a core holds.
func (c *comparer) compare(first, end int) error {
	dims := c.matrix.Cols()
	c.block = slices.Grow(c.block[:0], (end-first)*dims)[:(end-first)*dims]
	if err := c.matrix.ReadFloats(c.block, first); err != nil {
		return err
	}
	tile := max(1, tileBytes/(4*dims))
	norms := make([]float64, 0, tile)
	for rows := range slices.Chunk(c.block, tile*dims) {
		norms = norms[:0]
		for row := range slices.Chunk(rows, dims) {
			norms = append(norms, dense.Norm(row))
		}
		for q, query := range c.queries {
			best, margin := &c.best[q], c.margins[q]
			for i, norm := range norms {
				row := rows[i*dims : (i+1)*dims]
				if dense.Dot(query, row) >= (best.worst-margin)*norm {
					best.offer(answer{dot(query, row) / norm, uint32(first + i)})
				}
			}
		}
		first += len(norms)
	}
	return nil
}

// dot returns the inner product of a and b in float64. The products are exact.
func dot(a, b []float32) (sum float64) {
	for i, x := range a {
		sum += float64(x) * float64(b[i])
	}
	return sum
}
