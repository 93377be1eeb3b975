package hamming

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestFloatsIsTheSumOfSignedComponents(t *testing.T) {
	var f Floats
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 3))
		dims := []int{1, 3, 4, 63, 64, 65, 130, 256}[r.IntN(8)]
		words := (dims + 63) / 64
		stride := words + r.IntN(2)
		column := make([]uint64, 2*Lanes*stride)
		for i := range column {
			column[i] = r.Uint64() // bits past dims too: they do not count
		}
		query := make([]float32, dims)
		for i := range query {
			query[i] = float32(r.NormFloat64())
		}
		f.Reset(query)
		for row := range 2 * Lanes {
			var want float64
			for i, x := range query {
				if column[row/Lanes*stride*Lanes+i/64*Lanes+row%Lanes]>>(i%64)&1 == 0 {
					x = -x
				}
				want += float64(x)
			}
			if got := f.Row(column, stride, row); math.Abs(float64(got)-want) > 1e-4 {
				t.Fatalf("seed %d: row %d of %d dims: %v, want %v", seed, row, dims, got, want)
			}
		}
	}
}

func BenchmarkFloatsRow(b *testing.B) {
	var f Floats
	f.Reset(make([]float32, 768))
	column := make([]uint64, 12*Lanes)
	for b.Loop() {
		f.Row(column, 12, 3)
	}
}
