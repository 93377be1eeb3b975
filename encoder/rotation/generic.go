package rotation

import "math"

// transformGeneric multiplies v, whose length is a power of two, by signs, applies the
// Walsh-Hadamard transform, and multiplies by scale.
func transformGeneric(v, signs []float32, scale float32) {
	multiply(v, signs)
	hadamard(v)
	for i, x := range v {
		v[i] = float32(x * scale) // rounded here, not fused with what follows
	}
}

// hadamard applies the Walsh-Hadamard transform, unscaled, to v, whose length is a power of
// two. Its steps, and so its roundings, are those of hadamardPlain, but each pass over v takes
// several steps, while its numbers are in registers.
func hadamard(v []float32) {
	half := 1
	if len(v) >= 8 {
		for at := 0; at < len(v); at += 8 {
			hadamard8((*[8]float32)(v[at:]))
		}
		half = 8
	}
	for ; 4*half <= len(v); half *= 4 {
		for at := 0; at < len(v); at += 4 * half {
			a, b, c, d := v[at:][:half], v[at+half:][:half], v[at+2*half:][:half], v[at+3*half:][:half]
			for i := range a {
				w, x, y, z := a[i]+b[i], a[i]-b[i], c[i]+d[i], c[i]-d[i]
				a[i], b[i], c[i], d[i] = w+y, x+z, w-y, x-z
			}
		}
	}
	hadamardPlain(v, half)
}

// hadamard8 is the transform of eight numbers.
func hadamard8(v *[8]float32) {
	a, b, c, d, e, f, g, h := v[0]+v[1], v[0]-v[1], v[2]+v[3], v[2]-v[3], v[4]+v[5], v[4]-v[5], v[6]+v[7], v[6]-v[7]
	a, b, c, d, e, f, g, h = a+c, b+d, a-c, b-d, e+g, f+h, e-g, f-h
	v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7] = a+e, b+f, c+g, d+h, a-e, b-f, c-g, d-h
}

// hadamardPlain takes the steps of the transform that combine numbers half apart, twice that,
// and so on. From 1 it is the whole transform, and the reference.
func hadamardPlain(v []float32, half int) {
	for ; half < len(v); half *= 2 {
		for at := 0; at < len(v); at += 2 * half {
			low, high := v[at:at+half], v[at+half:at+2*half]
			for i, x := range low {
				y := high[i]
				low[i], high[i] = x+y, x-y
			}
		}
	}
}

// mixGeneric turns the pairs of low and high, of equal lengths, by 45 degrees.
func mixGeneric(low, high []float32) {
	for i, x := range low {
		y := high[i]
		low[i], high[i] = float32((x+y)*math.Sqrt2/2), float32((x-y)*math.Sqrt2/2)
	}
}
