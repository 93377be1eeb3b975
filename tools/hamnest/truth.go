package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/tools/hamnest/npy"
)

// Which answers are right. A query's right answers are the k that an exact search
// puts first, and those that tie with the last of them: real data has duplicates,
// and which of two equal vectors comes first says nothing about a search.

// readQueries returns the rows of a .npy file of vectors, at most limit of them
// unless that is 0, and how many rows the file has.
func readQueries(open opener, name string, limit int) (queries [][]float32, rows int, err error) {
	err = withMatrix(open, name, func(m *npy.Reader) error {
		rows = m.Rows()
		n := rows
		if limit > 0 {
			n = min(n, limit)
		}
		return eachVector(m, n, func(_ int, vector []float32) error {
			queries = append(queries, slices.Clone(vector))
			return nil
		})
	})
	if err == nil && len(queries) == 0 {
		err = fmt.Errorf("%s: found 0 rows, want at least one query", name)
	}
	return queries, rows, err
}

// truthFile is a matrix of exact answers: row i has the row numbers of the best
// answers to query i, best first.
type truthFile struct {
	open opener
	name string
	// ids, unless empty, is a file whose line r is the id of row r.
	ids string
}

// right returns the right answers for queries, of which there are rows in the
// file that they came from.
func (t truthFile) right(ctx context.Context, b backend, info index.Info, queries [][]float32, rows, k int, p *progress) ([]idSet, error) {
	defer p.done()
	answers, err := t.read(len(queries), rows, k)
	if err != nil {
		return nil, err
	}
	idOf, err := t.rowIDs(ctx, b, info.Name, answers)
	if err != nil {
		return nil, err
	}
	sets := make([]idSet, len(queries))
	for q, query := range queries {
		ids := make([]string, len(answers[q]))
		for i, row := range answers[q] {
			ids[i] = idOf[row]
		}
		if sets[q], err = withTies(ctx, b, info, query, ids, k); err != nil {
			return nil, fmt.Errorf("%s: row %d: %w", t.name, q, err)
		}
		p.add(1)
	}
	return sets, nil
}

// read returns the first n rows of the file, which must have one for each query.
func (t truthFile) read(n, queries, k int) (answers [][]int64, err error) {
	err = withMatrix(t.open, t.name, func(m *npy.Reader) error {
		if err := m.CheckInts(); err != nil {
			return err
		}
		if m.Rows() != queries {
			return fmt.Errorf("%s: found %d rows, want %d: one for each query", t.name, m.Rows(), queries)
		}
		if m.Cols() < k {
			return fmt.Errorf("%s: found %d columns, want at least k = %d", t.name, m.Cols(), k)
		}
		for row := range n {
			answer := make([]int64, m.Cols())
			if err := m.ReadInts(answer, row); err != nil {
				return err
			}
			seen := make(map[int64]bool, len(answer))
			for column, x := range answer {
				if x < 0 {
					return fmt.Errorf("%s: row %d, column %d is %d, want a row number", t.name, row, column, x)
				}
				if seen[x] {
					return fmt.Errorf("%s: row %d, column %d is %d a second time", t.name, row, column, x)
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
func (t truthFile) rowIDs(ctx context.Context, b backend, collection string, answers [][]int64) ([]string, error) {
	var largest int64
	for _, answer := range answers {
		for _, row := range answer {
			largest = max(largest, row)
		}
	}
	var ids []string
	source := "collection " + collection
	if t.ids != "" {
		source = t.ids
		var err error
		if ids, err = readIDs(t.open, t.ids, int(largest)+1); err != nil {
			return nil, err
		}
	} else {
		stats, err := b.Stats(ctx, collection)
		if err != nil {
			return nil, err
		}
		if gone := stats.Retired + stats.Dropped; gone > 0 {
			return nil, fmt.Errorf("collection %q has replaced or deleted %d vectors, so that the order of storing no longer tells which vector a row of %s is: want --ids FILE, whose line r is the id of row r",
				collection, gone, t.name)
		}
		err = b.Records(ctx, collection, index.ReadOptions{}, func(rec index.Record) bool {
			ids = append(ids, rec.ID)
			return int64(len(ids)) <= largest
		})
		if err != nil {
			return nil, err
		}
	}
	if int64(len(ids)) <= largest {
		return nil, fmt.Errorf("%s: found row number %d, want less than %d: the rows of %s", t.name, largest, len(ids), source)
	}
	return ids, nil
}

// tieLookahead is how many answers past the k-th are fetched at first to see
// whether they tie with it; mostly the first of them does not.
const tieLookahead = 6

// withTies returns the first k ids, which are in order of their exact scores, and
// those after them that tie with the k-th.
func withTies(ctx context.Context, b backend, info index.Info, query []float32, ids []string, k int) (idSet, error) {
	var scores []float64
	for len(scores) < len(ids) {
		end := min(len(ids), max(k+tieLookahead, 2*len(scores)))
		found, missing, err := b.Get(ctx, info.Name, ids[len(scores):end], true)
		if errors.Is(err, index.ErrCodesOnly) { // there is nothing to see a tie by
			return rightSet(ids, make([]float64, k), k), nil
		}
		if err != nil {
			return nil, err
		}
		if len(missing) > 0 {
			return nil, fmt.Errorf("id %q is right but not in collection %q", missing[0], info.Name)
		}
		for _, rec := range found {
			scores = append(scores, exactScore(query, rec.Vector, info.Metric))
		}
		if !tied(scores[len(scores)-1], scores[k-1]) {
			break
		}
	}
	return rightSet(ids, scores, k), nil
}

// rightSet returns the first k ids and those that tie with the k-th. scores[i] is
// the exact score of ids[i]; there may be fewer scores than ids.
func rightSet(ids []string, scores []float64, k int) idSet {
	set := make(idSet, k)
	for i, score := range scores {
		if i < k || tied(score, scores[k-1]) {
			set[ids[i]] = struct{}{}
		}
	}
	return set
}

// exactTruth returns the right answers by the collection's own exact search.
func exactTruth(ctx context.Context, b backend, info index.Info, queries [][]float32, k int, p *progress) ([]idSet, error) {
	defer p.done()
	sets := make([]idSet, len(queries))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for q, query := range queries {
		g.Go(func() error {
			set, err := exactRight(ctx, b, info, query, k)
			if err != nil {
				return fmt.Errorf("exact search for query %d: %w", q, err)
			}
			sets[q] = set
			p.add(1)
			return nil
		})
	}
	return sets, g.Wait()
}

// exactRight looks as far past the k-th answer as scores tie.
func exactRight(ctx context.Context, b backend, info index.Info, query []float32, k int) (idSet, error) {
	for wanted := k + tieLookahead; ; wanted *= 2 {
		result, err := b.Search(ctx, info.Name, index.Query{Vector: query, K: wanted, Exact: true, WithVector: true})
		if err != nil {
			return nil, err
		}
		ids := make([]string, len(result.Hits))
		scores := make([]float64, len(result.Hits))
		for i, hit := range result.Hits {
			ids[i], scores[i] = hit.ID, exactScore(query, hit.Vector, info.Metric)
		}
		if len(ids) < wanted || !tied(scores[len(scores)-1], scores[k-1]) {
			return rightSet(ids, scores, k), nil
		}
	}
}

// checkQueries returns an error when a collection cannot be searched for the
// queries of a file.
func checkQueries(name string, query []float32, info index.Info) error {
	dims := len(query)
	if slices.Contains(info.Ladder, dims) {
		return nil
	}
	return fmt.Errorf("%s: found queries of %d dimensions, want %d or a shorter step of the ladder %s of collection %q",
		name, dims, info.Dims, joinInts(info.Ladder), info.Name)
}
