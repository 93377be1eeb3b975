package scan

import (
	"context"

	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/storage"
)

// gatherRows is how many vectors a gather reads in one transaction, and between two looks at
// its context.
const gatherRows = 256

// Gather reads the stored vectors of the rows of a set one by one, in file order, and returns
// the best by their scores, without a reader. It is for small sets: a pass over all vectors
// costs less a row, and reads the neighbours of rows too.
func Gather(ctx context.Context, shard *storage.Shard, over *codes.Set, scorer *Scorer, want Want) (*Ranker, error) {
	best := NewRanker(want)
	slots := make([]uint64, 0, min(gatherRows, over.Len()))
	rows := over.View().Rows()
	for row := over.Next(0); row < rows; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for slots = slots[:0]; row < rows && len(slots) < gatherRows; row = over.Next(row + 1) {
			slots = append(slots, uint64(row))
		}
		err := shard.View(func(r *storage.Reader) error {
			best.Reader = r
			return r.Vectors(slots, func(slot uint64, vector []byte) {
				best.Offer(uint32(slot), scorer.Stored(vector))
			})
		})
		if err != nil {
			return nil, err
		}
	}
	best.Reader = nil
	return best, nil
}
