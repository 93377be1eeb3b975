package basis

// multiplyGeneric is the reference of the kernels: the inner products of 8 rows with each
// of the vectors.
//
// rows holds blocks of 16 columns, one or more: in each, 16 numbers of every row. x holds
// as many blocks: in each, 16 numbers of every vector. products[16*v+r] is set to the
// product of row r and vector v; what lies between is left alone.
//
// A product is 16 sums, one a lane, each from the first block on; then the lanes 8, 4, 2 and 1
// apart are added. Nothing is fused.
func multiplyGeneric(products, rows, x []float32, vectors int) {
	for v := range vectors {
		for r := range group {
			var sums [lanes]float32
			for b := range len(rows) / (group * lanes) {
				row, part := rows[(b*group+r)*lanes:][:lanes], x[(b*vectors+v)*lanes:][:lanes]
				for l, y := range part {
					sums[l] += float32(y * row[l])
				}
			}
			for half := lanes / 2; half > 0; half /= 2 {
				for l := range half {
					sums[l] += sums[l+half]
				}
			}
			products[v*lanes+r] = sums[0]
		}
	}
}

// addGeneric is the reference of the kernels: it adds to each of the vectors factors[16*v+r]
// times row r, for 8 rows in their order, each product rounded before it is added. rows
// and x are as multiplyGeneric takes them.
func addGeneric(x, rows, factors []float32, vectors int) {
	for b := range len(rows) / (group * lanes) {
		for v := range vectors {
			part := x[(b*vectors+v)*lanes:][:lanes]
			for r, f := range factors[v*lanes:][:group] {
				row := rows[(b*group+r)*lanes:][:lanes]
				for l, y := range row {
					part[l] += float32(f * y)
				}
			}
		}
	}
}
