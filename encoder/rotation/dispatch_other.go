//go:build (!amd64 && !arm64) || purego

package rotation

func transform(v, signs []float32, scale float32) { transformGeneric(v, signs, scale) }
func mix(low, high []float32)                     { mixGeneric(low, high) }
