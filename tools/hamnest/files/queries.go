package files

import (
	"fmt"
	"slices"

	"github.com/hamnest/hamnest/tools/hamnest/npy"
)

// ReadQueries returns the rows of a .npy file of vectors, at most limit of them
// unless that is 0, and how many rows the file has.
func ReadQueries(open Opener, name string, limit int) (queries [][]float32, rows int, err error) {
	err = WithMatrix(open, name, func(m *npy.Reader) error {
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
