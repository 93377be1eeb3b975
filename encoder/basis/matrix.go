package basis

// How numbers lie in memory for the kernels. A block is 16 numbers of each of some vectors or
// rows, one after the other; a vector, or a row, continues in the next block.
const (
	lanes = 16 // numbers of a vector in a block, and sums of a product
	group = 8  // rows of a matrix in a block
	tile  = 4  // vectors that a kernel takes at once, if it takes more than one
)

// blocksOf is how many blocks n numbers of a vector take. The last is padded with zeros.
func blocksOf(n int) int { return (n + lanes - 1) / lanes }

// packedSize is how many numbers pack writes for each tile.
func packedSize(n, vectors int) int { return blocksOf(n) * lanes * vectors }

// zeros returns rows rows of columns numbers each.
func zeros[T float32 | float64](rows, columns int) [][]T {
	m := make([][]T, rows)
	for i := range m {
		m[i] = make([]T, columns)
	}
	return m
}

// pack copies vs, of n numbers each, to dst, in tiles of that many vectors. The last tile is
// padded with zeros.
func pack(dst []float32, vs [][]float32, n, vectors int) {
	size := packedSize(n, vectors)
	for first := 0; first < len(dst)/size*vectors; first += vectors {
		t := dst[first/vectors*size:][:size]
		for v := range vectors {
			var from []float32
			if first+v < len(vs) {
				from = vs[first+v][:n]
			}
			for b := range blocksOf(n) {
				to := (*[lanes]float32)(t[(b*vectors+v)*lanes:])
				if len(from) >= lanes {
					*to = [lanes]float32(from)
					from = from[lanes:]
				} else {
					*to = [lanes]float32{}
					copy(to[:], from)
					from = nil
				}
			}
		}
	}
}

// unpack undoes pack: it copies the first vectors of the tiles in src, of n numbers each, from
// number first on, to vs.
func unpack(vs [][]float32, src []float32, n, first, vectors int) {
	size := packedSize(n, vectors)
	for i, to := range vs {
		t := src[i/vectors*size:][:size]
		for at := first; at < n; {
			number := at % lanes
			at += copy(to[at:n], t[(at/lanes*vectors+i%vectors)*lanes+number:][:lanes-number])
		}
	}
}

// matrix is rows of numbers, in groups of 8 for the kernels, so that a group is read from its
// first byte to its last. It is padded with zeros to whole blocks both ways, so that products
// are packed vectors again.
type matrix struct {
	rows, columns int
	groups        [][]float32
}

// newMatrix makes the matrix of rows, all of them of columns numbers.
func newMatrix(rows [][]float32, columns int) *matrix {
	size := packedSize(columns, group)
	values := make([]float32, blocksOf(len(rows))*lanes/group*size)
	pack(values, rows, columns, group)
	m := &matrix{rows: len(rows), columns: columns}
	for at := 0; at < len(values); at += size {
		m.groups = append(m.groups, values[at:][:size])
	}
	return m
}

// row copies row i to dst, of as many numbers as there are columns.
func (m *matrix) row(dst []float32, i int) {
	for b := range blocksOf(m.columns) {
		copy(dst[b*lanes:], m.groups[i/group][(b*group+i%group)*lanes:][:lanes])
	}
}

// multiply sets products to the products of the rows with the packed vectors of x, in tiles of
// that many. They are packed in the same way, with a number for each row.
//
// A group meets all vectors before the next group does, so it is fetched from far away once.
func (m *matrix) multiply(products, x []float32, vectors int) {
	size, wide := packedSize(m.rows, vectors), packedSize(m.columns, vectors)
	for g, rows := range m.groups {
		for t := range len(x) / wide {
			multiply(products[t*size+place(g, vectors):], rows, x[t*wide:][:wide], vectors)
		}
	}
}

// add adds to the packed vectors of x, in tiles of that many, the rows multiplied by factors,
// which are packed in the same way, with a number for each row. It leaves blocks before first
// alone.
func (m *matrix) add(x, factors []float32, first, vectors int) {
	size, wide := packedSize(m.rows, vectors), packedSize(m.columns, vectors)
	for g, rows := range m.groups {
		for t := range len(x) / wide {
			add(x[t*wide:][first*lanes*vectors:wide], rows[first*lanes*group:], factors[t*size+place(g, vectors):], vectors)
		}
	}
}

// place is where the numbers of a group of rows begin in a tile.
func place(g, vectors int) int {
	return g*group/lanes*lanes*vectors + g*group%lanes
}
