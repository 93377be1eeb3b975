package scan

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/storage"
)

// kept is vectors in a shard, of which every tenth is retired, and the set of the others.
type kept struct {
	shard   *storage.Shard
	vectors [][]float32
	present *codes.Set
}

func keep(t *testing.T, r *rand.Rand, rows, dims int) *kept {
	t.Helper()
	k := &kept{shard: newShard(t, storage.Schema{Dims: 64, VectorBytes: 4 * dims, Engine: json.RawMessage("{}")})}
	ops := make([]storage.Op, rows)
	for i := range ops {
		k.vectors = append(k.vectors, gaussian(r, dims, 0))
		ops[i] = storage.Op{ID: strconv.Itoa(i), Code: []uint64{0}, Vector: encoder.Float32.Append(nil, k.vectors[i])}
	}
	p, err := encoder.NewExact(encoder.Shape{Dims: dims})
	if err != nil {
		t.Fatal(err)
	}
	b := codes.NewBuilder(p)
	if err := b.Grow(uint32(rows)); err != nil {
		t.Fatal(err)
	}
	b.Give(uint32(rows))
	for i := range rows {
		if i%10 == 3 {
			ops = append(ops, storage.Op{ID: strconv.Itoa(i), Delete: true})
			b.Retire(uint32(i))
		}
	}
	if _, err := k.shard.Commit(ops); err != nil {
		t.Fatal(err)
	}
	k.present = b.Publish().Present()
	return k
}

func newShard(t *testing.T, schema storage.Schema) *storage.Shard {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shard")
	if err := storage.CreateShard(path, schema); err != nil {
		t.Fatal(err)
	}
	shard, err := storage.OpenShard(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shard.Close(); err != nil {
			t.Error(err)
		}
	})
	return shard
}

func (k *kept) job(v []float32, n int) *VectorJob {
	s := NewScorer(encoder.Cosine, encoder.Float32, v)
	return &VectorJob{Scorer: &s, Want: Want{K: n}}
}

// check compares what a job found with the plain twin.
func (k *kept) check(t *testing.T, j *VectorJob) {
	t.Helper()
	all := NewRanker(j.Want)
	err := k.shard.View(func(r *storage.Reader) error {
		all.Reader = r
		for row, v := range k.vectors {
			if k.present.Has(uint32(row)) {
				all.Offer(uint32(row), j.Scorer.Score(v))
			}
		}
		want, err := all.Sorted()
		if err != nil {
			return err
		}
		best, read, err := j.Best(r)
		if err != nil {
			return err
		}
		if got, err := best.Sorted(); err != nil || !slices.Equal(got, want) || read != k.present.Len() {
			t.Errorf("%v of %d vectors (%v), want %v of %d", got, read, err, want, k.present.Len())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestACancelledExactSearchLeavesThePassToTheOthers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 32))
	k := keep(t, r, 3*exactRows, 128)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	jobs := []*VectorJob{k.job(gaussian(r, 128, 0), 3), k.job(gaussian(r, 128, 0), 3)}
	jobs[0].begin(cancelled)
	jobs[1].begin(t.Context())
	vectorPass(k.shard, k.present, jobs, 2)
	for i, j := range jobs {
		select {
		case <-j.finished():
		default:
			t.Errorf("job %d is not finished after its pass", i)
		}
	}
	k.check(t, jobs[1])
}
