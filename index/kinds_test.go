package index_test

import (
	"math"
	"math/rand/v2"
	"slices"
)

// The kinds of vectors that people bring, made small. A kind is made for a number of
// rows, so that it can tell the first half from the second, and of dims components. What
// it draws after so many rows are queries of the same kind.
type kind func(r *rand.Rand, rows, dims int) draw

// draw returns the next vector.
type draw func() []float32

// several draws n vectors.
func (d draw) several(n int) [][]float32 {
	vectors := make([][]float32, n)
	for i := range vectors {
		vectors[i] = d()
	}
	return vectors
}

// each makes a vector of one number a component.
func each(dims int, number func(i int) float64) []float32 {
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32(number(i))
	}
	return v
}

// times multiplies v in place.
func times(v []float32, by float64) []float32 {
	for i, x := range v {
		v[i] = float32(float64(x) * by)
	}
	return v
}

// unit scales v to length 1, in place.
func unit(v []float32) []float32 { return times(v, 1/math.Sqrt(square(v))) }

// basis returns a random rotation of dims components, in place: three rounds of random
// signs, Walsh-Hadamard transforms and a shuffle, which spread every component over all.
func basis(r *rand.Rand, dims int) func(v []float64) {
	type round struct {
		signs []float64
		order []int
	}
	rounds := make([]round, 3)
	for i := range rounds {
		rounds[i].order = r.Perm(dims)
		for range dims {
			rounds[i].signs = append(rounds[i].signs, float64(1-2*r.IntN(2)))
		}
	}
	block := dims & -dims // the largest power of two that divides dims
	return func(v []float64) {
		turned := make([]float64, dims)
		for _, round := range rounds {
			for i := range v {
				v[i] *= round.signs[i] / math.Sqrt(float64(block))
			}
			for part := range slices.Chunk(v, block) {
				for half := 1; half < block; half *= 2 {
					for i := range part {
						if i&half == 0 {
							part[i], part[i+half] = part[i]+part[i+half], part[i]-part[i+half]
						}
					}
				}
			}
			for i, from := range round.order {
				turned[i] = v[from]
			}
			copy(v, turned)
		}
	}
}

// gaussian vectors are alike in every direction.
func gaussian(r *rand.Rand, _, dims int) draw {
	return func() []float32 { return each(dims, func(int) float64 { return r.NormFloat64() }) }
}

// uniform vectors fill the cube from 0 to 1.
func uniform(r *rand.Rand, _, dims int) draw {
	return func() []float32 { return each(dims, func(int) float64 { return r.Float64() }) }
}

// text is like the embeddings of texts: a few of many directions hold most of the energy,
// none of them is a component, and all vectors have length 1. They lean towards one side
// by mean, in units of their own spread.
func text(mean float64) kind {
	return func(r *rand.Rand, _, dims int) draw {
		turn := basis(r, dims)
		lean := r.IntN(dims)
		return func() []float32 {
			v := make([]float64, dims)
			var spread float64
			for i := range v {
				v[i] = r.NormFloat64() / math.Sqrt(float64(1+i))
				spread += 1 / float64(1+i)
			}
			v[lean] += mean * math.Sqrt(spread)
			turn(v)
			return unit(each(dims, func(i int) float64 { return v[i] }))
		}
	}
}

// matryoshka is like the embeddings of a model that was trained for its prefixes: the
// energy falls from component to component as it does in static-mrl-768.
func matryoshka(r *rand.Rand, _, dims int) draw {
	mean := each(dims, func(i int) float64 { return .5 * r.NormFloat64() })
	return func() []float32 {
		return unit(each(dims, func(i int) float64 {
			return (float64(mean[i]) + r.NormFloat64()) * math.Pow(float64(i+30), -.6)
		}))
	}
}

// reversed has the components of another kind in the opposite order.
func reversed(of kind) kind {
	return func(r *rand.Rand, rows, dims int) draw {
		next := of(r, rows, dims)
		return func() []float32 {
			v := next()
			slices.Reverse(v)
			return v
		}
	}
}

// lengthened gives another kind's vectors lengths of a log-normal law.
func lengthened(sigma float64, of kind) kind {
	return func(r *rand.Rand, rows, dims int) draw {
		next := of(r, rows, dims)
		return func() []float32 { return times(next(), math.Exp(sigma*r.NormFloat64())) }
	}
}

// scaled multiplies another kind's vectors.
func scaled(by float64, of kind) kind {
	return func(r *rand.Rand, rows, dims int) draw {
		next := of(r, rows, dims)
		return func() []float32 { return times(next(), by) }
	}
}

// ofAnyLength gives another kind's vectors lengths from 1e-20 to 1e18.
func ofAnyLength(of kind) kind {
	return func(r *rand.Rand, rows, dims int) draw {
		next := of(r, rows, dims)
		return func() []float32 { return times(unit(next()), math.Pow(10, -20+38*r.Float64())) }
	}
}

// shifted adds a number to every component of another kind's vectors.
func shifted(by float64, of kind) kind {
	return func(r *rand.Rand, rows, dims int) draw {
		next := of(r, rows, dims)
		return func() []float32 {
			v := next()
			return each(dims, func(i int) float64 { return float64(v[i]) + by })
		}
	}
}

// clusters are gaussian heaps around gaussian centres. Sorted, the rows come heap by heap.
func clusters(centres int, within float64, sorted bool) kind {
	return func(r *rand.Rand, rows, dims int) draw {
		middle := gaussian(r, 0, dims).several(centres)
		row := -1
		return func() []float32 {
			row++
			of := r.IntN(centres)
			if sorted && row < rows {
				of = row * centres / rows
			}
			return each(dims, func(i int) float64 { return float64(middle[of][i]) + within*r.NormFloat64() })
		}
	}
}

// mirrored leans one way in the first half of the rows and the opposite way in the second.
func mirrored(r *rand.Rand, rows, dims int) draw {
	next := text(0)(r, rows, dims)
	mean := unit(gaussian(r, 0, dims)())
	row := -1
	return func() []float32 {
		row++
		v, side := next(), 1.
		if row >= rows/2 && (row < rows || r.IntN(2) == 0) {
			side = -1
		}
		return each(dims, func(i int) float64 { return float64(v[i]) + side*float64(mean[i]) })
	}
}

// factors are like those of matrix factorisation: a few are strong, and what is popular is
// long and leans the same way.
func factors(r *rand.Rand, _, dims int) draw {
	return func() []float32 {
		popular := math.Exp(.6 * r.NormFloat64())
		return each(dims, func(i int) float64 {
			lean := 0.
			if i == 0 {
				lean = 1
			}
			return popular * (lean + r.NormFloat64()) / math.Pow(float64(1+i), .3)
		})
	}
}

// latent is like a truncated singular value decomposition of a matrix of words and texts:
// lengths differ by the length of the text, and each text is about a few things.
func latent(r *rand.Rand, _, dims int) draw {
	return func() []float32 {
		long := math.Exp(.7 * r.NormFloat64())
		return each(dims, func(i int) float64 {
			heavy := r.NormFloat64() * math.Exp(.7*r.NormFloat64())
			if i == 0 {
				heavy = 2 + math.Abs(heavy) // the first direction has one sign
			}
			return long * heavy / math.Pow(float64(1+i), .4)
		})
	}
}

// counts are whole numbers from 0 to 99.
func counts(r *rand.Rand, _, dims int) draw {
	return func() []float32 { return each(dims, func(int) float64 { return float64(r.IntN(100)) }) }
}

// sift is like histograms of gradients: skewed whole numbers from 0 to 255, of one length,
// in clusters.
func sift(r *rand.Rand, _, dims int) draw {
	var middle [][]float32
	for range 200 {
		middle = append(middle, each(dims, func(int) float64 { return math.Exp(1.1 * r.NormFloat64()) }))
	}
	return func() []float32 {
		of := middle[r.IntN(len(middle))]
		v := unit(each(dims, func(i int) float64 { return float64(of[i]) * math.Exp(.8*r.NormFloat64()) }))
		return each(dims, func(i int) float64 { return math.Floor(min(255, 512*float64(v[i]))) })
	}
}

// pixels are like pictures of figures: of ten shapes, each four strokes that are shaken,
// in whole numbers from 0 to most. dims is a square number.
func pixels(most float64) kind {
	return func(r *rand.Rand, _, dims int) draw {
		side := math.Sqrt(float64(dims))
		type stroke struct{ x, y, wide float64 }
		shapes := make([][4]stroke, 10)
		for i := range shapes {
			for j := range shapes[i] {
				shapes[i][j] = stroke{side * (.2 + .6*r.Float64()), side * (.2 + .6*r.Float64()), side * (.06 + .08*r.Float64())}
			}
		}
		return func() []float32 {
			drawn := shapes[r.IntN(len(shapes))]
			for i := range drawn {
				drawn[i].x += .06 * side * r.NormFloat64()
				drawn[i].y += .06 * side * r.NormFloat64()
				drawn[i].wide *= math.Exp(.2 * r.NormFloat64())
			}
			return each(dims, func(i int) float64 {
				x, y := math.Mod(float64(i), side), math.Floor(float64(i)/side)
				var ink float64
				for _, s := range drawn {
					dx, dy := (x-s.x)/s.wide, (y-s.y)/s.wide
					ink += math.Exp(-(dx*dx + dy*dy) / 2)
				}
				return math.Floor(most * min(1, ink))
			})
		}
	}
}

// sparse vectors have about sixty components that are not zero, most of them from one of
// a hundred subjects. They have length 1.
func sparse(signed bool) kind {
	return func(r *rand.Rand, _, dims int) draw {
		common := func() int { // some components are far more common than others
			return int(float64(dims) * math.Pow(r.Float64(), 3))
		}
		subjects := make([][60]int, 100)
		for i := range subjects {
			for j := range subjects[i] {
				subjects[i][j] = common()
			}
		}
		return func() []float32 {
			subject := &subjects[r.IntN(len(subjects))]
			v := make([]float32, dims)
			for range 60 {
				at := common()
				if r.IntN(3) > 0 {
					at = subject[r.IntN(len(subject))]
				}
				weight := math.Exp(.5 * r.NormFloat64())
				if signed && r.IntN(2) == 0 {
					weight = -weight
				}
				v[at] += float32(weight)
			}
			return unit(v)
		}
	}
}

// zeroOrOne vectors have one in twenty components set.
func zeroOrOne(r *rand.Rand, _, dims int) draw {
	return func() []float32 {
		v := make([]float32, dims)
		v[r.IntN(dims)] = 1 // never all zero
		for i := range v {
			if r.Float64() < .05 {
				v[i] = 1
			}
		}
		return v
	}
}

// oftenZero makes three in ten of another kind's vectors all zero.
func oftenZero(of kind) kind {
	return func(r *rand.Rand, rows, dims int) draw {
		next := of(r, rows, dims)
		return func() []float32 {
			v := next()
			if r.Float64() < .3 {
				clear(v)
			}
			return v
		}
	}
}

// constant vectors are all the same.
func constant(r *rand.Rand, _, dims int) draw {
	v := gaussian(r, 0, dims)()
	return func() []float32 { return v }
}

// copies are twenty near-copies of every vector of another kind, that differ by apart a
// component and by inLength in length. Queries are copies of the same ones.
func copies(apart, inLength float64, of kind) kind {
	return func(r *rand.Rand, rows, dims int) draw {
		originals := of(r, rows/20, dims).several(rows / 20)
		row := -1
		return func() []float32 {
			row++
			v, longer := originals[row%len(originals)], 1+inLength*r.NormFloat64()
			return each(dims, func(i int) float64 { return longer * (float64(v[i]) + apart*r.NormFloat64()) })
		}
	}
}

// alikeInFront are twenties of vectors whose first 256 components are the same.
func alikeInFront(of kind) kind {
	return func(r *rand.Rand, rows, dims int) draw {
		next := of(r, rows, dims)
		fronts := next.several(rows / 20)
		row := -1
		return func() []float32 {
			row++
			v := next()
			copy(v, fronts[row%len(fronts)][:256])
			return v
		}
	}
}

// emptyBehind has nothing behind the first 256 components of every second vector.
func emptyBehind(of kind) kind {
	return func(r *rand.Rand, rows, dims int) draw {
		next := of(r, rows, dims)
		row := -1
		return func() []float32 {
			row++
			v := next()
			if row%2 == 1 {
				clear(v[256:])
			}
			return v
		}
	}
}

// narrow vectors all point the same way, within a hundredth.
func narrow(r *rand.Rand, _, dims int) draw {
	axis := unit(gaussian(r, 0, dims)())
	return func() []float32 {
		return each(dims, func(i int) float64 { return float64(axis[i]) + .01/math.Sqrt(float64(dims))*r.NormFloat64() })
	}
}

// places are longitudes and latitudes around towns, few of which are large.
func places(r *rand.Rand, _, _ int) draw {
	type town struct{ x, y float64 }
	var towns []town
	for range 300 {
		towns = append(towns, town{-180 + 360*r.Float64(), -60 + 130*r.Float64()})
	}
	return func() []float32 {
		at := towns[int(float64(len(towns))*math.Pow(r.Float64(), 3))]
		return []float32{float32(at.x + .1*r.NormFloat64()), float32(at.y + .1*r.NormFloat64())}
	}
}

// clicks are counts of very unequal ranges: the last is some million times the first.
func clicks(r *rand.Rand, _, dims int) draw {
	return func() []float32 {
		return each(dims, func(i int) float64 { return math.Floor(math.Exp(2*float64(i) + 1.5*r.NormFloat64())) })
	}
}

// line is the points (1, 1), (2, 1), (3, 1) and so on; queries are any of them.
func line(r *rand.Rand, rows, _ int) draw {
	row := 0
	return func() []float32 {
		row++
		if row > rows {
			return []float32{float32(1 + r.IntN(rows)), 1}
		}
		return []float32{float32(row), 1}
	}
}

// table is like measured things of three sorts: each column has its own scale, from
// thousandths to hundreds, and is written with few digits.
func table(r *rand.Rand, _, dims int) draw {
	scales := each(dims, func(int) float64 { return math.Pow(10, -2.5+5*r.Float64()) })
	middle := uniform(r, 0, dims).several(3)
	return func() []float32 {
		of := middle[r.IntN(len(middle))]
		return each(dims, func(i int) float64 {
			return float64(scales[i]) * math.Round(50*(3+float64(of[i])+.3*r.NormFloat64())) / 50
		})
	}
}
