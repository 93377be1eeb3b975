package index_test

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index"
)

// mostHits is the largest k that truth is known for.
const mostHits = 100

// truth knows the true scores of rows against queries, in float64, and judges answers.
type truth struct {
	metric        encoder.Metric
	rows, queries [][]float32
	squares       []float64   // of the rows' lengths
	best          [][]float64 // of each query, the best mostHits scores, best first
	// slack is how far a score may be off, as a share of the metric's scale: two ulps of
	// a float32. It is 0 where all sums are whole numbers that float64 holds.
	slack float64
}

// newTruth compares the queries with all rows. Query i's best scores are those of the rows
// that known[i] lists, best first, where known is not nil.
func newTruth(metric encoder.Metric, rows, queries [][]float32, known [][]int) *truth {
	tr := &truth{metric: metric, rows: rows, queries: queries, slack: 1. / (1 << 22)}
	tr.squares = make([]float64, len(rows))
	for i, row := range rows {
		tr.squares[i] = square(row)
	}
	if metric != encoder.Cosine && whole(rows) && whole(queries) && slices.Max(tr.squares) < 1<<50 {
		tr.slack = 0
	}
	tr.best = make([][]float64, len(queries))
	for i := range known {
		from := tr.from(queries[i])
		for _, row := range known[i] {
			tr.best[i] = append(tr.best[i], from.score(row))
		}
	}
	if known != nil {
		return tr
	}
	var workers sync.WaitGroup
	fours := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for first := range fours {
				tr.compare(first)
			}
		})
	}
	for first := 0; first < len(queries); first += 4 {
		fours <- first
	}
	close(fours)
	workers.Wait()
	return tr
}

// compare finds the best scores of four queries, from first on, among all rows. Four at
// once take a third of the time.
func (tr *truth) compare(first int) {
	last := min(first+4, len(tr.queries))
	var queries [4][]float64
	var squares [4]float64
	for i := range queries {
		query := tr.queries[min(first+i, last-1)]
		queries[i], squares[i] = make([]float64, len(query)), square(query)
		for d, x := range query {
			queries[i][d] = float64(x)
		}
	}
	compare := products
	if tr.metric == encoder.L2 {
		compare = distances
	}
	for row, x := range tr.rows {
		scores := compare(queries, x)
		for i, score := range scores[:last-first] {
			switch tr.metric {
			case encoder.Cosine:
				score /= math.Sqrt(squares[i] * tr.squares[row])
			case encoder.L2:
				score = -score
			}
			insert(&tr.best[first+i], score)
		}
	}
}

// insert keeps the best mostHits scores, best first.
func insert(best *[]float64, score float64) {
	b := *best
	if len(b) == mostHits && score <= b[mostHits-1] {
		return
	}
	at, _ := slices.BinarySearchFunc(b, score, func(a, b float64) int { return cmp.Compare(b, a) })
	b = slices.Insert(b, at, score)
	*best = b[:min(len(b), mostHits)]
}

// products are the inner products of four vectors with x.
func products(q [4][]float64, x []float32) (sums [4]float64) {
	q0, q1, q2, q3 := q[0][:len(x)], q[1][:len(x)], q[2][:len(x)], q[3][:len(x)]
	var s0, s1, s2, s3 float64
	for i, x := range x {
		x := float64(x)
		s0 += q0[i] * x
		s1 += q1[i] * x
		s2 += q2[i] * x
		s3 += q3[i] * x
	}
	return [4]float64{s0, s1, s2, s3}
}

// distances are the squared Euclidean distances of four vectors from x.
func distances(q [4][]float64, x []float32) (sums [4]float64) {
	q0, q1, q2, q3 := q[0][:len(x)], q[1][:len(x)], q[2][:len(x)], q[3][:len(x)]
	var s0, s1, s2, s3 float64
	for i, x := range x {
		x := float64(x)
		d0, d1, d2, d3 := q0[i]-x, q1[i]-x, q2[i]-x, q3[i]-x
		s0 += d0 * d0
		s1 += d1 * d1
		s2 += d2 * d2
		s3 += d3 * d3
	}
	return [4]float64{s0, s1, s2, s3}
}

// viewpoint scores rows from where one query stands, by the definitions of the metrics.
type viewpoint struct {
	*truth
	query  []float32
	square float64
}

func (tr *truth) from(query []float32) viewpoint { return viewpoint{tr, query, square(query)} }

func (v viewpoint) score(row int) float64 {
	x := v.rows[row]
	var sum float64
	if v.metric == encoder.L2 {
		for i, q := range v.query {
			d := float64(q) - float64(x[i])
			sum -= d * d
		}
		return sum
	}
	for i, q := range v.query {
		sum += float64(q) * float64(x[i])
	}
	if v.metric == encoder.Cosine {
		sum /= math.Sqrt(v.square * v.squares[row])
	}
	return sum
}

// scale is what a float32 can resolve a row's score in proportion to.
func (v viewpoint) scale(row int, score float64) float64 {
	switch v.metric {
	case encoder.Cosine:
		return 1
	case encoder.Dot:
		return math.Sqrt(v.square * v.squares[row])
	}
	return -score
}

func square(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return sum
}

// whole reports whether all components are whole numbers.
func whole(vectors [][]float32) bool {
	for _, v := range vectors {
		for _, x := range v {
			if x != float32(math.Trunc(float64(x))) {
				return false
			}
		}
	}
	return true
}

// rowOf is the row of an id that idOf made.
func rowOf(id string) (int, error) { return strconv.Atoi(id) }

func idOf(row int) string { return fmt.Sprintf("%06d", row) }

// outcome is how well a number of queries were answered.
type outcome struct {
	queries int
	recall  float64 // in the mean, of the k best: a hit that ties the last of them is right
	worst   float64 // the recall of the worst query
	reads   float64 // vectors read a query, in the mean
	// fault is the first answer that breaks a rule which has nothing to do with recall.
	fault error
}

func (o outcome) String() string {
	return fmt.Sprintf("recall %.4f  worst %.2f  read %8.1f", o.recall, o.worst, o.reads)
}

// ask puts the first n queries to c and judges the answers. Vector is set in q.
func (tr *truth) ask(t *testing.T, c *index.Collection, q index.Query, n int) outcome {
	t.Helper()
	o := outcome{queries: min(n, len(tr.queries)), worst: 1}
	for i, query := range tr.queries[:o.queries] {
		q.Vector = query
		res, err := c.Search(t.Context(), q)
		if err != nil {
			t.Fatalf("query %d of %d dims, k %d, target %v: %v", i, len(query), q.K, q.TargetRecall, err)
		}
		share, err := tr.judge(query, tr.best[i], res.Hits, q.K)
		if err != nil && o.fault == nil {
			o.fault = fmt.Errorf("query %d: %w", i, err)
		}
		o.recall += share / float64(o.queries)
		o.worst = min(o.worst, share)
		o.reads += float64(res.Receipt.VectorsRead) / float64(o.queries)
	}
	return o
}

// judge returns the share of hits that are among the k best or tie the last of these. The
// error says what is wrong with an answer of k hits whatever its recall: their number,
// their order, their scores.
func (tr *truth) judge(query []float32, best []float64, hits []index.Hit, k int) (float64, error) {
	k = min(k, len(tr.rows))
	var fault error
	if len(hits) != k {
		fault = fmt.Errorf("%d hits, want %d", len(hits), k)
	}
	right, last := 0, 0.
	from := tr.from(query)
	seen := make(map[string]bool)
	for at, hit := range hits {
		row, err := rowOf(hit.ID)
		if err != nil || seen[hit.ID] {
			return 0, fmt.Errorf("hit %d has id %q, want one that is stored and was not there yet", at, hit.ID)
		}
		seen[hit.ID] = true
		score := from.score(row)
		scale := from.scale(row, score)
		if score >= best[k-1]-tr.slack*scale {
			right++
		}
		// A float32 sum of a thousand products is right to about 1e-6; below 1e-38 a
		// float32 has fewer digits.
		if off := math.Abs(float64(hit.Score) - score); !(off <= scale/(1<<20)+1e-38) && fault == nil {
			fault = fmt.Errorf("row %s scores %v, want %v", hit.ID, hit.Score, score)
		}
		if at > 0 && fault == nil {
			before := hits[at-1]
			if before.Score < hit.Score || before.Score == hit.Score && last == score && before.ID > hit.ID {
				fault = fmt.Errorf("row %s with score %v comes before row %s with %v", before.ID, before.Score, hit.ID, hit.Score)
			}
		}
		last = score
	}
	return float64(right) / float64(k), fault
}

// misses counts the stored rows that are not found by their own vector: neither are they
// among the k hits, nor are all hits as near as they are. At most 50 rows are tried.
// Under cosine a row must score exactly 1 against itself.
func (tr *truth) misses(t *testing.T, c *index.Collection, k int) (missed, tried int) {
	t.Helper()
	n := min(50, len(tr.rows))
	unlike, least := 0, float32(1)
	for i := range n {
		self := i * len(tr.rows) / n
		res, err := c.Search(t.Context(), index.Query{Vector: tr.rows[self], K: k})
		if err != nil {
			t.Fatalf("row %d as the query, k %d: %v", self, k, err)
		}
		from := tr.from(tr.rows[self])
		own := from.score(self)
		own -= tr.slack * from.scale(self, own)
		found, farther := false, len(res.Hits) < min(k, len(tr.rows))
		for _, hit := range res.Hits {
			row, err := rowOf(hit.ID)
			if err != nil {
				t.Fatal(err)
			}
			if row == self {
				found = true
				if tr.metric == encoder.Cosine && hit.Score != 1 {
					unlike, least = unlike+1, min(least, hit.Score)
				}
			}
			farther = farther || from.score(row) < own
		}
		if !found && farther {
			missed++
		}
	}
	if unlike > 0 {
		t.Errorf("k %d: %d of %d rows do not score 1 against themselves, one of them %v", k, unlike, n, least)
	}
	return missed, n
}
