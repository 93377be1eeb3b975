package measure

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/files"
	"github.com/hamnest/hamnest/tools/hamnest/npy"
)

// This file decides which answers are right: the k best of an exact search, and all that tie
// with the last of them. Real data has duplicates, and it says nothing about a search which
// of two equal vectors it returns first.

// TruthFile is a matrix of exact answers: row i has the row numbers of the best
// answers to query i, best first.
type TruthFile struct {
	Open files.Opener
	Name string
	// IDs, unless empty, is a file whose line r is the id of row r.
	IDs string
}

// Right returns the right answers for queries. rows is how many queries their file has, which
// may be more. It calls step(1) after each query.
func (t TruthFile) Right(ctx context.Context, e api.Engine, info index.Info, queries [][]float32, rows, k int, step func(n int)) ([]IDSet, error) {
	answers, err := t.read(len(queries), rows, k)
	if err != nil {
		return nil, err
	}
	idOf, err := t.rowIDs(ctx, e, info.Name, answers)
	if err != nil {
		return nil, err
	}
	sets := make([]IDSet, len(queries))
	for q, query := range queries {
		ids := make([]string, len(answers[q]))
		for i, row := range answers[q] {
			ids[i] = idOf[row]
		}
		if sets[q], err = withTies(ctx, e, info, query, ids, k); err != nil {
			return nil, fmt.Errorf("%s: row %d: %w", t.Name, q, err)
		}
		step(1)
	}
	return sets, nil
}

// read returns the first n rows of the file, which must have one row for each of its queries.
func (t TruthFile) read(n, queries, k int) (answers [][]int64, err error) {
	err = files.WithMatrix(t.Open, t.Name, func(m *npy.Reader) error {
		if err := m.CheckInts(); err != nil {
			return err
		}
		if m.Rows() != queries {
			return fmt.Errorf("%s: found %d rows, want %d: one for each query", t.Name, m.Rows(), queries)
		}
		if m.Cols() < k {
			return fmt.Errorf("%s: found %d columns, want at least k = %d", t.Name, m.Cols(), k)
		}
		for row := range n {
			answer := make([]int64, m.Cols())
			if err := m.ReadInts(answer, row); err != nil {
				return err
			}
			seen := make(map[int64]bool, len(answer))
			for column, x := range answer {
				if x < 0 {
					return fmt.Errorf("%s: row %d, column %d is %d, want a row number", t.Name, row, column, x)
				}
				if seen[x] {
					return fmt.Errorf("%s: row %d, column %d is %d a second time", t.Name, row, column, x)
				}
				seen[x] = true
			}
			answers = append(answers, answer)
		}
		return nil
	})
	return answers, err
}

// rowIDs returns the id of every row up to the largest in answers.
func (t TruthFile) rowIDs(ctx context.Context, e api.Engine, collection string, answers [][]int64) ([]string, error) {
	var largest int64
	for _, answer := range answers {
		for _, row := range answer {
			largest = max(largest, row)
		}
	}
	var ids []string
	source := "collection " + collection
	if t.IDs != "" {
		source = t.IDs
		var err error
		if ids, err = files.ReadIDs(t.Open, t.IDs, int(largest)+1); err != nil {
			return nil, err
		}
	} else {
		stats, err := e.Stats(ctx, collection)
		if err != nil {
			return nil, err
		}
		if gone := stats.Retired + stats.Dropped; gone > 0 {
			return nil, fmt.Errorf("collection %q has replaced or deleted %d vectors, so their order no longer says which vector a row number of %s means: want --ids FILE, whose line r is the id of row r",
				collection, gone, t.Name)
		}
		for rec, err := range api.List(ctx, e, collection, api.ReadOptions{}) {
			if err != nil {
				return nil, err
			}
			if ids = append(ids, rec.ID); int64(len(ids)) > largest {
				break
			}
		}
	}
	if int64(len(ids)) <= largest {
		return nil, fmt.Errorf("%s: found row number %d, want less than %d: the rows of %s", t.Name, largest, len(ids), source)
	}
	return ids, nil
}

// tieLookahead is how many answers after the k-th are read first, to see whether they tie
// with it. Usually the first of them does not.
const tieLookahead = 6

// withTies returns the first k ids and those after them that tie with the k-th. ids are in
// the order of their exact scores.
func withTies(ctx context.Context, e api.Engine, info index.Info, query []float32, ids []string, k int) (IDSet, error) {
	var scores []float64
	for len(scores) < len(ids) {
		end := min(len(ids), max(k+tieLookahead, 2*len(scores)))
		found, missing, err := e.Get(ctx, info.Name, ids[len(scores):end], api.ReadOptions{WithVector: true})
		if errors.Is(err, index.ErrCodesOnly) { // ties cannot be seen
			return rightSet(ids, make([]float64, k), k), nil
		}
		if err != nil {
			return nil, err
		}
		if len(missing) > 0 {
			return nil, fmt.Errorf("id %q is a right answer, but collection %q does not have it", missing[0], info.Name)
		}
		for _, rec := range found {
			scores = append(scores, ExactScore(query, rec.Vector, info.Metric))
		}
		if !Tied(scores[len(scores)-1], scores[k-1]) {
			break
		}
	}
	return rightSet(ids, scores, k), nil
}

// rightSet returns the first k ids and those that tie with the k-th. scores[i] is
// the exact score of ids[i]; there may be fewer scores than ids.
func rightSet(ids []string, scores []float64, k int) IDSet {
	set := make(IDSet, k)
	for i, score := range scores {
		if i < k || Tied(score, scores[k-1]) {
			set[ids[i]] = struct{}{}
		}
	}
	return set
}

// ExactTruth returns the right answers that an exact search of the collection gives among the
// vectors that match filter; to a query that is shorter than the vectors, those by that prefix.
// It calls step(1) after each query, from several goroutines.
func ExactTruth(ctx context.Context, e api.Engine, info index.Info, queries [][]float32, k int, filter string, step func(n int)) ([]IDSet, error) {
	sets := make([]IDSet, len(queries))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for q, query := range queries {
		g.Go(func() error {
			set, err := exactRight(ctx, e, info, query, k, filter)
			if err != nil {
				return fmt.Errorf("exact search for query %d: %w", q, err)
			}
			sets[q] = set
			step(1)
			return nil
		})
	}
	return sets, g.Wait()
}

// exactRight returns the right answers to one query. It asks for more hits until the last one
// no longer ties with the k-th.
func exactRight(ctx context.Context, e api.Engine, info index.Info, query []float32, k int, filter string) (IDSet, error) {
	for wanted := k + tieLookahead; ; wanted *= 2 {
		result, err := e.Search(ctx, info.Name, index.Query{Vector: query, Dims: len(query), K: wanted, Filter: filter, Exact: true, WithVector: true})
		if err != nil {
			return nil, err
		}
		ids := make([]string, len(result.Hits))
		scores := make([]float64, len(result.Hits))
		for i, hit := range result.Hits {
			ids[i], scores[i] = hit.ID, ExactScore(query, hit.Vector, info.Metric)
		}
		if len(ids) < wanted || !Tied(scores[len(scores)-1], scores[k-1]) {
			return rightSet(ids, scores, k), nil
		}
	}
}
