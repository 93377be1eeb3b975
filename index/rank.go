package index

import (
	"cmp"
	"math"
	"slices"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/index/dense"
	"github.com/hamnest/hamnest/storage"
)

// scorer scores vectors against one query on the metric's scale.
//
// Scores are float64s until they are shown: what a vector of float32s scores then has all
// the digits that tell it from others, whatever the offset of all vectors and their
// lengths, and is the same with every kernel.
type scorer struct {
	metric  encoder.Metric
	format  dense.Format // of the vectors that are read
	query   []float32
	squares float64 // of query
	norm    float64 // of query
}

func newScorer(m encoder.Metric, query []float32) scorer {
	squares := dense.Dot(query, query)
	return scorer{metric: m, query: query, squares: squares, norm: math.Sqrt(squares)}
}

// formats is how vectors of each stored precision lie in bytes.
var formats = [...]dense.Format{
	encoder.Float32: dense.Float32, encoder.Float16: dense.Float16, encoder.BFloat16: dense.BFloat16, encoder.Int8: dense.Int8,
	encoder.None: dense.Float32, // which nobody reads
}

// scorer makes a scorer that reads what c has stored.
func (c *codec) scorer(query []float32) scorer {
	s := newScorer(c.metric, query)
	s.format = formats[c.store]
	return s
}

// stored is score for a vector as it is stored.
func (s *scorer) stored(v []byte) float64 {
	switch s.metric {
	case encoder.Dot:
		return s.format.Dot(s.query, v)
	case encoder.L2:
		return 0 - s.format.SquaredL2(s.query, v)
	default:
		return s.cosine(s.format.DotSquares(s.query, v))
	}
}

// storedAll overwrites scores with what stored returns for vectors that begin stride bytes
// apart in b. squares is room for as many numbers.
func (s *scorer) storedAll(scores, squares []float64, b []byte, stride int) {
	switch s.metric {
	case encoder.Dot:
		s.format.Dots(scores, s.query, b, stride)
	case encoder.L2:
		s.format.SquaredL2s(scores, s.query, b, stride)
		for i, squared := range scores {
			scores[i] = 0 - squared
		}
	default:
		s.format.DotsSquares(scores, squares, s.query, b, stride)
		for i, product := range scores {
			scores[i] = s.cosine(product, squares[i])
		}
	}
}

// score is the similarity of the query and v, of equal size.
func (s *scorer) score(v []float32) float64 {
	switch s.metric {
	case encoder.Dot:
		return dense.Dot(s.query, v)
	case encoder.L2:
		return 0 - dense.SquaredL2(s.query, v) // not -0
	default:
		return s.cosine(dense.DotSquares(s.query, v))
	}
}

// cosine takes the root of the product of both squares, not the product of their roots:
// the former is exact for a vector and itself, whose cosine is then 1. The last digits,
// which are rounding, are cut off, so that vectors of one direction tie.
func (s *scorer) cosine(product, squares float64) float64 {
	if squares == 0 || s.squares == 0 { // a prefix may be all zero where the whole is not
		return 0
	}
	const digits = 1 << 44
	return math.RoundToEven(max(-1, min(1, product/math.Sqrt(s.squares*squares)))*digits) / digits
}

// scored is a row and its score.
type scored struct {
	row   uint32
	score float64
}

// ranker keeps the best rows of one search by (score, id), best first. Ids are
// read only to break a tie. It is for one goroutine.
type ranker struct {
	plan   *plan
	reader *storage.Reader
	k      int               // rows that it keeps
	heap   []scored          // heap[0] ranks last; heap[(i-1)/2] does not rank ahead of heap[i]
	ids    map[uint32]string // those read so far
	read   uint64            // vectors read, for the caller to count
	err    error             // the first failure to read an id
}

func newRanker(p *plan, r *storage.Reader) *ranker {
	return &ranker{plan: p, reader: r, k: p.wanted - p.cursor.seen}
}

// offer takes a row into account unless the query rules it out.
func (k *ranker) offer(row uint32, score float64) {
	if m := k.plan.query.MinScore; m != nil && floats.Finite(score) < *m {
		return
	}
	if after := &k.plan.cursor; after.seen > 0 {
		if score > after.score || (score == after.score && k.id(row) <= after.id) {
			return
		}
	}
	switch s := (scored{row, score}); {
	case len(k.heap) < k.k:
		k.heap = append(k.heap, s)
		k.up(len(k.heap) - 1)
	case k.before(s, k.heap[0]):
		k.heap[0] = s
		k.down(0)
	}
}

// worst is the score that a row must reach to matter; false while any would do.
func (k *ranker) worst() (float64, bool) {
	full := len(k.heap) == k.k
	least := math.Inf(-1)
	if full {
		least = k.heap[0].score
	}
	if m := k.plan.query.MinScore; m != nil {
		// Halfway to the next lower float32 a score is rounded to this one.
		lower := float64(math.Nextafter32(*m, float32(math.Inf(-1))))
		return max(least, float64(*m)/2+lower/2), true
	}
	return least, full
}

// sorted returns the rows that are kept, best first, and leaves none.
func (k *ranker) sorted() []scored {
	all := k.heap
	k.heap = nil
	slices.SortFunc(all, k.compare)
	return all
}

// compare orders by score, larger first, and then by id.
func (k *ranker) compare(a, b scored) int {
	switch {
	case a.score > b.score:
		return -1
	case a.score < b.score:
		return 1
	case a.row == b.row:
		return 0
	}
	return cmp.Compare(k.id(a.row), k.id(b.row))
}

// before reports whether a ranks ahead of b.
func (k *ranker) before(a, b scored) bool {
	return a.score > b.score || a.score == b.score && k.compare(a, b) < 0
}

func (k *ranker) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !k.before(k.heap[parent], k.heap[i]) {
			return
		}
		k.heap[i], k.heap[parent] = k.heap[parent], k.heap[i]
		i = parent
	}
}

func (k *ranker) down(i int) {
	for {
		last, left := i, 2*i+1
		for child := left; child < min(left+2, len(k.heap)); child++ {
			if k.before(k.heap[last], k.heap[child]) {
				last = child
			}
		}
		if last == i {
			return
		}
		k.heap[i], k.heap[last] = k.heap[last], k.heap[i]
		i = last
	}
}

func (k *ranker) id(row uint32) string {
	if id, ok := k.ids[row]; ok {
		return id
	}
	id, _, err := k.reader.Row(uint64(row))
	if err != nil && k.err == nil {
		k.err = err
	}
	if k.ids == nil {
		k.ids = make(map[uint32]string)
	}
	k.ids[row] = string(id)
	return k.ids[row]
}
