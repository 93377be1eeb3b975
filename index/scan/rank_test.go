package scan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/storage"
)

func TestAVectorAndItselfHaveACosineOf1(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 41))
		v := make([]float32, 1+r.IntN(40))
		scale := math.Exp(60 * (2*r.Float64() - 1))
		for i := range v {
			v[i] = float32(scale * r.NormFloat64())
		}
		if seed == 0 {
			v = []float32{0.01, 0.09}
		}
		s := NewScorer(encoder.Cosine, encoder.Float32, v)
		if got := s.Score(v); got != 1 {
			t.Errorf("seed %d: %v", seed, got)
		}
		opposite := make([]float32, len(v))
		for i, x := range v {
			opposite[i] = -4 * x
		}
		if got := s.Score(opposite); got != -1 {
			t.Errorf("seed %d: %v of the opposite, four times as long", seed, got)
		}
	}
}

func TestEveryStoredRowIsScoredAsItIsAlone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 42))
	for _, metric := range []encoder.Metric{encoder.Cosine, encoder.Dot, encoder.L2} {
		for _, precision := range []encoder.Precision{encoder.Float32, encoder.Float16, encoder.BFloat16, encoder.Int8} {
			for _, dims := range []int{1, 2, 3, 8, 15, 16, 17, 100} {
				s := NewScorer(metric, precision, gaussian(r, dims, 0))
				const rows = 9
				stride := precision.Bytes(dims) + 3
				var b []byte
				for range rows {
					b = append(precision.Append(b, gaussian(r, dims, 0)), "gap"...)
				}
				clear(b[4*stride : 5*stride]) // a row of zeros
				scores, room := make([]float64, rows), make([]float64, rows)
				s.storedAll(scores, room, b, stride)
				for i, got := range scores {
					v := make([]float32, dims)
					precision.Decode(v, b[i*stride:])
					if want := s.Stored(b[i*stride:]); got != want || want != s.Score(v) {
						t.Errorf("%v, %v, %d dims, row %d: %v, alone %v, decoded %v", metric, precision, dims, i, got, want, s.Score(v))
					}
				}
			}
		}
	}
}

func TestARankerKeepsWhatSortingWould(t *testing.T) {
	ids := make([]string, 300)
	for i := range ids {
		ids[i] = fmt.Sprint(i * 7919 % 1000)
	}
	shard := stored(t, ids)
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 43))
		rows := r.Perm(1 + r.IntN(len(ids)))
		k, spread := 1+r.IntN(60), 1+r.IntN(100)
		var low *float32
		if seed%3 == 0 {
			low = new(float32)
			*low = float32(r.IntN(spread))
		}
		err := shard.View(func(reader *storage.Reader) error {
			rank := NewRanker(Want{K: k, MinScore: low})
			rank.Reader = reader
			var want []Scored
			for _, row := range rows {
				s := Scored{uint32(row), float64(r.IntN(spread))}
				if worst, full := rank.worst(); !full || s.Score >= worst || seed%2 == 0 { // a caller may ask first
					rank.Offer(s.Row, s.Score)
				}
				if low == nil || s.Score >= float64(*low) {
					want = append(want, s)
				}
			}
			slices.SortFunc(want, func(a, b Scored) int {
				return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(ids[a.Row], ids[b.Row]))
			})
			want = want[:min(k, len(want))]
			if got, err := rank.Sorted(); !slices.Equal(got, want) || err != nil {
				t.Fatalf("seed %d, k %d: %v (%v), want %v", seed, k, got, err, want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// stored makes a shard with a row for each id, and no vectors.
func stored(t *testing.T, ids []string) *storage.Shard {
	t.Helper()
	shard := newShard(t, storage.Schema{Dims: 64, Engine: json.RawMessage("{}")})
	ops := make([]storage.Op, len(ids))
	for i, id := range ids {
		ops[i] = storage.Op{ID: id, Code: []uint64{0}}
	}
	if _, err := shard.Commit(ops); err != nil {
		t.Fatal(err)
	}
	return shard
}

func TestALimitLetsThroughWhatRoundsToTheMinimum(t *testing.T) {
	for _, m := range []float32{0, 1, -1, 0.3, -math.MaxFloat32, math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.Inf(-1))} {
		rank := NewRanker(Want{K: 1, MinScore: &m})
		worst, _ := rank.worst()
		for _, score := range []float64{float64(m), math.Nextafter(float64(m), -2*math.MaxFloat32), float64(m) - 1e-9*math.Abs(float64(m)), -1e300} {
			if floats.Finite(score) >= m && score < worst {
				t.Errorf("minimum %v: %v is below %v, but is shown as %v", m, score, worst, floats.Finite(score))
			}
		}
	}
}
