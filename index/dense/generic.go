package dense

// The references: every other kernel must agree with them to the bit. The
// conversions around the products forbid fused multiply-add.

func dotGeneric(a, b []float32, s *sums) {
	for len(a) >= lanes && len(b) >= lanes {
		x, y := (*sums)(a), (*sums)(b)
		for l := range s {
			s[l] += float32(x[l] * y[l])
		}
		a, b = a[lanes:], b[lanes:]
	}
}

func dotSquaresGeneric(a, b []float32, s *[2]sums) {
	for len(a) >= lanes && len(b) >= lanes {
		x, y := (*sums)(a), (*sums)(b)
		for l := range x {
			s[0][l] += float32(x[l] * y[l])
			s[1][l] += float32(y[l] * y[l])
		}
		a, b = a[lanes:], b[lanes:]
	}
}

func squaredL2Generic(a, b []float32, s *sums) {
	for len(a) >= lanes && len(b) >= lanes {
		x, y := (*sums)(a), (*sums)(b)
		for l := range s {
			d := x[l] - y[l]
			s[l] += float32(d * d)
		}
		a, b = a[lanes:], b[lanes:]
	}
}

// In the other formats: the numbers of 16 lanes at a time are decoded, and then they
// are float32s.

func (f Format) dotGeneric(a []float32, b []byte, s *sums) {
	var y sums
	for i := 0; i < len(a); i += lanes {
		f.decode(y[:], b, i)
		dotGeneric(a[i:i+lanes], y[:], s)
	}
}

func (f Format) dotSquaresGeneric(a []float32, b []byte, s *[2]sums) {
	var y sums
	for i := 0; i < len(a); i += lanes {
		f.decode(y[:], b, i)
		dotSquaresGeneric(a[i:i+lanes], y[:], s)
	}
}

func (f Format) squaredL2Generic(a []float32, b []byte, s *sums) {
	var y sums
	for i := 0; i < len(a); i += lanes {
		f.decode(y[:], b, i)
		squaredL2Generic(a[i:i+lanes], y[:], s)
	}
}
