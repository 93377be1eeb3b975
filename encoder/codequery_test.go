package encoder

import (
	"math"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder/code"
)

func TestACodeAsAQueryIsItsSignsWithEqualMagnitudes(t *testing.T) {
	for _, dims := range []int{1, 63, 64, 65, 300} {
		p := fit(t, Plain, Cosine, dims, nil, nil)
		v := skewed(1, dims, 7)[0]
		want := p.Query(v).Signs
		q := p.CodeQuery(want, dims)
		if !slices.Equal(q.Signs, want) {
			t.Errorf("%d dims: signs %x, want %x", dims, q.Signs, want)
		}
		for i, x := range q.Floats {
			if x != 1 && x != -1 || (x > 0) != (v[i] > 0) {
				t.Errorf("%d dims: dimension %d is %v, want the sign of %v", dims, i, x, v[i])
			}
		}
		for j, plane := range q.Planes {
			if !code.Padded(plane, dims) {
				t.Errorf("%d dims: plane %d has bits past the last dimension", dims, j)
			}
		}
	}
}

func TestPlainCodesAreScoredByTheirAngle(t *testing.T) {
	const dims = 300
	p := fit(t, Plain, Cosine, dims, []int{64, 128}, nil)
	sample := skewed(20, dims, 3)
	for _, n := range []int{64, 128, dims} {
		query := p.Query(sample[0]).Signs[:code.Words(n)]
		q := p.CodeQuery(query, n)
		for _, v := range sample {
			row := p.Query(v).Signs[:code.Words(n)]
			want := math.Cos(math.Pi * float64(code.Distance(query, row)) / float64(n))
			got := p.CodeQuery(query, n).PlainCosine(n)(distances(q, []int{n}, row)[0])
			float := q.PlainCosineFloat(n)(float64(products(q, []int{n}, row)[0]))
			if math.Abs(got-want) > 1e-12 || math.Abs(float-want) > 1e-12 {
				t.Errorf("%d dims: cosine %v by 4 bits and %v by floats, want %v", n, got, float, want)
			}
		}
	}
}

// Of the query only signs are known: what is lost is what its magnitudes would tell, and
// not the scale.
func TestACodeEstimatesProductsOnTheirScale(t *testing.T) {
	const dims = 1024
	sample := skewed(60, dims, 5)
	for _, kind := range allKinds[1:] {
		t.Run(kind.String(), func(t *testing.T) {
			p := fit(t, kind, Cosine, dims, []int{256, 512}, sample)
			words, scalars := make([]uint64, code.Words(dims)), make([]float32, p.Scalars())
			var bias, spread, n float64
			for i, v := range sample[:20] {
				p.Encode(words, scalars, v)
				q := p.CodeQuery(words, dims)
				if norm := q.Norm(len(p.Blocks())); math.Abs(norm-1) > 1e-6 {
					t.Errorf("the query has length %v, want 1 as all vectors have under cosine", norm)
				}
				for j, row := range sample {
					p.Encode(words, scalars, row)
					got := q.Estimate(distances(q, p.Blocks(), words), scalars).Pooled
					float := q.EstimateFloat(products(q, p.Blocks(), words), scalars).Pooled
					if math.Abs(got-float) > 1e-6 {
						t.Fatalf("vectors %d and %d: %v by 4 bits and %v by floats", i, j, got, float)
					}
					off := got - dot(v, row)/norm(v)/norm(row)
					bias, spread, n = bias+off, spread+off*off, n+1
				}
			}
			bias, spread = bias/n, math.Sqrt(spread/n)
			t.Logf("mean error %.4f, root mean square %.4f", bias, spread)
			// The common offset makes the blocks of Nested so different that their weights show.
			most := map[bool]float64{false: .02, true: .1}[kind == Nested]
			if math.Abs(bias) > most || spread > most+.04 {
				t.Errorf("estimates are off by %.4f in the mean and by %.4f in all, want at most %v and 0.04 more", bias, spread, most)
			}
		})
	}
}

func TestACodeOfAPrefixKnowsItsBlocks(t *testing.T) {
	sample := skewed(30, 700, 2)
	for _, kind := range []Kind{Centred, Nested, NestedCentred} {
		for _, metric := range []Metric{Cosine, Dot, L2} {
			p := fit(t, kind, metric, 700, []int{256, 512}, sample)
			full := p.Query(sample[0])
			for blocks, step := range p.Blocks() {
				q := p.CodeQuery(full.Signs[:code.Words(step)], step)
				if got := q.Blocks(step); got != blocks+1 {
					t.Errorf("%v, %v: %d dims are %d blocks, want %d", kind, metric, step, got, blocks+1)
				}
				if norm := q.Norm(blocks + 1); !(norm > 0) {
					t.Errorf("%v, %v: a query of %d dims has length %v", kind, metric, step, norm)
				}
			}
		}
	}
}
