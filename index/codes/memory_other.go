//go:build !unix

package codes

// allocate returns n zero words.
func allocate(n int, _ bool) ([]uint64, error) { return make([]uint64, n), nil }

// release frees what allocate returned; here the collector does it.
func release([]uint64) error { return nil }
