package index

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hamnest/hamnest/storage"
)

// exactRows is how many stored vectors the exact scan reads in one transaction.
const exactRows = 1024

// runExact compares the query with every stored vector. Rows of a view are never
// rewritten, so reading them over several transactions still gives one answer.
func (g *generation) runExact(ctx context.Context, p *plan) (*Result, error) {
	lap, v := time.Now(), g.view.Load()
	var receipt Receipt
	var next atomic.Uint32 // blocks given to workers
	blocks := (v.rows + exactRows - 1) / exactRows
	ranks := make([]*ranker, min(runtime.GOMAXPROCS(0), int(blocks)))
	workers, ctx := errgroup.WithContext(ctx)
	for w := range ranks {
		ranks[w] = newRanker(p, nil)
		workers.Go(func() error {
			for {
				block := next.Add(1) - 1
				if block >= blocks {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				err := g.shard.View(func(r *storage.Reader) error {
					ranks[w].reader = r
					return exactBlock(v, ranks[w], block*exactRows)
				})
				if err != nil {
					return err
				}
			}
		})
	}
	if err := workers.Wait(); err != nil {
		return nil, err
	}
	var result *Result
	err := g.shard.View(func(r *storage.Reader) error {
		rank := newRanker(p, r)
		for _, part := range ranks {
			part.reader = r
			for _, s := range part.sorted() {
				rank.offer(s.row, s.score)
			}
			if part.err != nil {
				return part.err
			}
			receipt.RowsScanned += part.read
		}
		var err error
		result, err = g.answer(p, rank)
		return err
	})
	receipt.VectorsRead = receipt.RowsScanned
	receipt.VectorBytesRead = receipt.VectorsRead * uint64(g.codec.store.Bytes(p.dims))
	receipt.RescoreTime = time.Since(lap)
	if err != nil {
		return nil, err
	}
	result.Receipt = receipt
	return result, nil
}

// exactBlock offers the rows of one block that are not retired.
func exactBlock(v *view, rank *ranker, first uint32) error {
	for row := first; row < v.rows && row-first < exactRows; row++ {
		if v.isRetired(row) {
			continue
		}
		score, err := rank.plan.scorer.read(rank.reader, row)
		if err != nil {
			return err
		}
		rank.read++
		rank.offer(row, score)
	}
	return rank.err
}
