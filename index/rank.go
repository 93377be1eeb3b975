package index

import (
	"cmp"
	"math"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/dense"
	"github.com/hamnest/hamnest/index/topk"
	"github.com/hamnest/hamnest/storage"
)

// scorer scores vectors against one query on the metric's scale.
type scorer struct {
	metric encoder.Metric
	format dense.Format // of the vectors that are read
	query  []float32
	norm   float64 // of query
}

func newScorer(m encoder.Metric, query []float32) scorer {
	s := scorer{metric: m, query: query, norm: dense.Norm(query)}
	if _, exponent := math.Frexp(s.norm); m == encoder.Cosine && (exponent < -40 || exponent > 40) {
		// The angle does not depend on the length, but float32 products do not bear
		// every length: take a power of two out, which changes no digit.
		s.query = make([]float32, len(query))
		for i, x := range query {
			s.query[i] = float32(math.Ldexp(float64(x), -exponent))
		}
		s.norm = dense.Norm(s.query)
	}
	return s
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
func (s *scorer) stored(v []byte) float32 {
	switch s.metric {
	case encoder.Dot:
		return finite(s.format.Dot(s.query, v))
	case encoder.L2:
		return finite(0 - s.format.SquaredL2(s.query, v))
	default:
		return s.cosine(s.format.DotNorm(s.query, v))
	}
}

// score is the similarity of the query and v, of equal size.
func (s *scorer) score(v []float32) float32 {
	switch s.metric {
	case encoder.Dot:
		return finite(dense.Dot(s.query, v))
	case encoder.L2:
		return finite(0 - dense.SquaredL2(s.query, v)) // not -0
	default:
		return s.cosine(dense.DotNorm(s.query, v))
	}
}

func (s *scorer) cosine(product, norm float64) float32 {
	if norm == 0 || s.norm == 0 { // a prefix may be all zero where the whole is not
		return 0
	}
	return float32(max(-1, min(1, product/s.norm/norm)))
}

// finite is the float32 nearest to score: an infinite one would say less, and JSON
// has none.
func finite(score float64) float32 {
	return float32(max(-math.MaxFloat32, min(math.MaxFloat32, score)))
}

// scorers score a stored vector against several queries of equal size at a time.
type scorers struct {
	all     []*scorer // of one collection
	queries [][]float32
	sums    []float64
	norms   []float64
	scores  []float32
}

func (s *scorers) add(one *scorer) {
	s.all, s.queries = append(s.all, one), append(s.queries, one.query)
	s.sums, s.norms, s.scores = append(s.sums, 0), append(s.norms, 0), append(s.scores, 0)
}

// stored returns, until the next call, what scorer.stored returns for each query.
func (s *scorers) stored(v []byte) []float32 {
	switch first := s.all[0]; first.metric {
	case encoder.Dot:
		first.format.Dots(s.sums, s.queries, v)
		for j, product := range s.sums {
			s.scores[j] = finite(product)
		}
	case encoder.L2:
		first.format.SquaredL2s(s.sums, s.queries, v)
		for j, squared := range s.sums {
			s.scores[j] = finite(0 - squared)
		}
	default:
		first.format.DotNorms(s.sums, s.norms, s.queries, v)
		for j, one := range s.all {
			s.scores[j] = one.cosine(s.sums[j], s.norms[j])
		}
	}
	return s.scores
}

// scored is a row and its score.
type scored struct {
	row   uint32
	score float32
}

// ranker keeps the best rows of one search by (score, id), best first. Ids are
// read only to break a tie. It is for one goroutine.
type ranker struct {
	plan   *plan
	reader *storage.Reader
	heap   *topk.Heap[scored]
	ids    map[uint32]string // those read so far
	read   uint64            // vectors read, for the caller to count
	err    error             // the first failure to read an id
}

func newRanker(p *plan, r *storage.Reader) *ranker {
	k := &ranker{plan: p, reader: r}
	k.heap = topk.NewHeap(p.wanted-p.cursor.seen, k.compare)
	return k
}

// offer takes a row into account unless the query rules it out.
func (k *ranker) offer(row uint32, score float32) {
	if m := k.plan.query.MinScore; m != nil && score < *m {
		return
	}
	if after := &k.plan.cursor; after.seen > 0 {
		if score > after.score || (score == after.score && k.id(row) <= after.id) {
			return
		}
	}
	k.heap.Offer(scored{row, score})
}

// worst is the score that a row must reach to matter; false while any would do.
func (k *ranker) worst() (float32, bool) {
	last, full := k.heap.Last()
	if m := k.plan.query.MinScore; m != nil && (!full || *m > last.score) {
		return *m, true
	}
	return last.score, full
}

func (k *ranker) sorted() []scored { return k.heap.Sorted() }

// compare orders by score, larger first, and then by id.
func (k *ranker) compare(a, b scored) int {
	if c := cmp.Compare(b.score, a.score); c != 0 || a.row == b.row {
		return c
	}
	return cmp.Compare(k.id(a.row), k.id(b.row))
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
