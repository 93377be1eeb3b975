//go:build (!amd64 && !arm64) || purego

package basis

func multiply(products, rows, x []float32, vectors int) { multiplyGeneric(products, rows, x, vectors) }
func add(x, rows, factors []float32, vectors int)       { addGeneric(x, rows, factors, vectors) }
