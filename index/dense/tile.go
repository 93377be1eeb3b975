package dense

import (
	"fmt"
	"math/bits"
	"unsafe"

	"github.com/hamnest/hamnest/encoder/isa"
)

// Kernels compare one query, or tileQueries together, with at most mostTileRows rows, and make
// at most tileSums sums.
const (
	tileQueries  = 4
	mostTileRows = 8
	tileSums     = 24
)

// Slack bounds the error of what tiles compare, for vectors of dims numbers. The estimate of an
// inner product is off by at most Slack(dims) times the product of the two norms, plus
// Underflow(dims); that of a squared distance by Slack(dims) times the distance, plus
// Underflow(dims). The bound is that of Higham, Accuracy and Stability of Numerical Algorithms,
// section 3.1: one rounding for every addition of a lane, of which the narrowest kernel has 4,
// two more for a product or a difference that is not fused, and the lanes' own additions; the
// comparison with a limit adds a few of its own.
func Slack(dims int) float64 { return float64(dims/4+16) * 0x1p-24 }

// Underflow is the part of the error that small numbers cause, see Slack: half of the least
// float32 for every product.
func Underflow(dims int) float64 { return float64(dims+16) * 0x1p-149 }

// Rows are count float32 vectors of equal length, ready to be compared with Queries.
type Rows struct {
	floats *float32
	stride int // in bytes
	count  int
	dims   int // a multiple of lanes
	room   []float32
}

// Reset makes r the first dims numbers of each of count vectors, count > 0, which lie stride
// bytes apart in b. Float32s that fill all lanes stay where they are, so b must outlive r.
// Others are converted into memory that r owns and uses again.
func (r *Rows) Reset(f Format, b []byte, stride, count, dims int) {
	if want := (count-1)*stride + f.bytes(dims); count < 1 || stride < 0 || len(b) < want {
		panic(fmt.Sprintf("dense: %d bytes, want at least %d for %d vectors %d bytes apart", len(b), want, count, stride))
	}
	r.count, r.dims = count, padded(dims)
	if _, ok := f.view(dims, b); ok && r.dims == dims && count >= mostTileRows && (active != isa.Generic || stride%4 == 0) {
		r.floats, r.stride = (*float32)(unsafe.Pointer(unsafe.SliceData(b))), stride
		return
	}
	kept := max(count, mostTileRows) // rows beyond count are compared too, and ignored
	if cap(r.room) < kept*r.dims {
		r.room = make([]float32, kept*r.dims)
	}
	r.room = r.room[:kept*r.dims]
	for i := range count {
		row := r.room[i*r.dims:][:r.dims]
		f.decode(row[:dims], b[i*stride:], 0)
		clear(row[dims:])
	}
	r.floats, r.stride = unsafe.SliceData(r.room), 4*r.dims
}

// padded is how many float32s a vector of dims has when it fills all lanes.
func padded(dims int) int { return (dims + lanes - 1) / lanes * lanes }

// at returns where row i begins.
func (r *Rows) at(i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(r.floats), i*r.stride))
}

// row returns row i.
func (r *Rows) row(i int) []float32 { return unsafe.Slice(r.at(i), r.dims) }

// Squares overwrites dst, of as many elements as r has rows, with estimates of the inner
// product of each row with itself.
func (r *Rows) Squares(dst []float32) {
	if len(dst) != r.count {
		panic(fmt.Sprintf("dense: room for %d squares, want %d", len(dst), r.count))
	}
	for i := 0; i < r.count; i += mostTileRows {
		at := max(0, min(i, r.count-mostTileRows))
		var s [mostTileRows]float32
		squares(r, at, &s)
		copy(dst[at:], s[:])
	}
}

// Match is a row and the queries that it may matter to: bit q stands for query q.
type Match struct {
	Row     uint32
	Queries uint64
}

// MaxQueries is the most queries that are compared with rows together.
const MaxQueries = 64

// Queries are vectors of one size, to be compared with rows together.
type Queries struct {
	count, dims int // dims is a multiple of lanes
	floats      []float32
}

// Reset fills q with 1 to MaxQueries vectors of equal length. They are copied.
func (q *Queries) Reset(vectors ...[]float32) {
	if len(vectors) < 1 || len(vectors) > MaxQueries {
		panic(fmt.Sprintf("dense: %d queries, want 1 to %d", len(vectors), MaxQueries))
	}
	q.count, q.dims = len(vectors), padded(len(vectors[0]))
	room := q.dims
	if q.count > 1 {
		room *= (q.count + tileQueries - 1) / tileQueries * tileQueries
	}
	if cap(q.floats) < room {
		q.floats = make([]float32, room)
	}
	q.floats = q.floats[:room]
	clear(q.floats)
	for j, v := range vectors {
		if len(v) != len(vectors[0]) {
			panic("dense: vectors of different lengths")
		}
		copy(q.floats[j*q.dims:], v)
	}
}

// query returns query j.
func (q *Queries) query(j int) []float32 { return q.floats[j*q.dims:][:q.dims] }

// Dots appends to dst, in order, the rows whose estimated inner product with query j is not
// below limits[j]*weights[row] for some j. An estimate of NaN is not below.
func (q *Queries) Dots(dst []Match, rows *Rows, limits, weights []float32) []Match {
	if len(weights) != rows.count {
		panic(fmt.Sprintf("dense: %d weights, want %d", len(weights), rows.count))
	}
	if len(weights) < mostTileRows {
		weights = append(make([]float32, 0, mostTileRows), weights...)[:mostTileRows]
	}
	return q.compare(dst, rows, limits, weights)
}

// SquaredL2s appends to dst, in order, the rows whose estimated squared distance from query j
// is not above limits[j] for some j. An estimate of NaN is not above.
func (q *Queries) SquaredL2s(dst []Match, rows *Rows, limits []float32) []Match {
	return q.compare(dst, rows, limits, nil)
}

// compare compares inner products or, without weights, squared distances. Some rows stay in the
// L1 cache until they have been compared with all queries.
func (q *Queries) compare(dst []Match, rows *Rows, limits, weights []float32) []Match {
	if q.dims != rows.dims {
		panic("dense: vectors of different lengths")
	}
	if len(limits) != q.count {
		panic(fmt.Sprintf("dense: %d limits, want %d", len(limits), q.count))
	}
	var limit [MaxQueries]float32
	copy(limit[:], limits)
	together := tileQueries
	if q.count == 1 {
		together = 1
	}
	n := tileRows(together)
	for i := 0; i < rows.count; i += n {
		// The last rows are compared together with some that were compared before, to fill a
		// tile.
		at := max(0, min(i, rows.count-n))
		var found [mostTileRows]uint64
		for j := 0; j < q.count; j += together {
			var mask uint32
			if weights == nil {
				mask = squaredL2Tile(q, j, rows, at, &limit[j])
			} else {
				mask = dotTile(q, j, rows, at, &limit[j], &weights[at])
			}
			for ; mask != 0; mask &= mask - 1 {
				bit := bits.TrailingZeros32(mask)
				found[bit/together] |= 1 << (j + bit%together)
			}
		}
		for row := i; row < min(i+n, rows.count); row++ {
			if m := found[row-at] << (MaxQueries - q.count) >> (MaxQueries - q.count); m != 0 {
				dst = append(dst, Match{uint32(row), m})
			}
		}
	}
	return dst
}
