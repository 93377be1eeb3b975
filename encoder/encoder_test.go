package encoder

import (
	"slices"
	"strings"
	"testing"
)

func TestAShapeHasItsLadderAndItsBudgetFilledIn(t *testing.T) {
	for _, tt := range []struct {
		dims   int
		ladder []int
		want   []int
	}{
		{1, nil, []int{1}},
		{64, nil, []int{64}},
		{65, nil, []int{64, 65}},
		{768, nil, []int{64, 128, 256, 512, 768}},
		{1024, nil, []int{64, 128, 256, 512, 1024}},
		{768, []int{128, 256}, []int{128, 256, 768}},
		{100, []int{64, 100}, []int{64, 100}},
	} {
		shape := Shape{Metric: Dot, Dims: tt.dims, Ladder: tt.ladder}
		for _, make := range []func(Shape) (*Profile, error){NewSigns, NewExact} {
			p, err := make(shape)
			if err != nil || !slices.Equal(p.Ladder(), tt.want) || p.Dims() != tt.dims || p.Metric() != Dot || p.Shape().Bits != tt.dims+256 || shape.Check() != nil {
				t.Errorf("dims %d, ladder %v: %+v (%v), want ladder %v", tt.dims, tt.ladder, p.Shape(), err, tt.want)
			}
		}
	}
}

func TestAShapeThatCannotBeIsRefusedWithTheReason(t *testing.T) {
	long := make([]int, 17)
	for i := range long {
		long[i] = 64 * (i + 1)
	}
	for _, tt := range []struct {
		name  string
		shape Shape
		want  string
	}{
		{"no dims", Shape{}, "0 dimensions, want 1 to 65536"},
		{"too many dims", Shape{Dims: 65537}, "65537 dimensions, want 1 to 65536"},
		{"a step off the grid", Shape{Dims: 300, Ladder: []int{100}}, "ladder step 100, want a multiple of 64"},
		{"a step of 0", Shape{Dims: 300, Ladder: []int{0}}, "ladder step 0 follows 0"},
		{"descending steps", Shape{Dims: 300, Ladder: []int{128, 64}}, "ladder step 64 follows 128"},
		{"a step twice", Shape{Dims: 300, Ladder: []int{128, 128}}, "ladder step 128 follows 128"},
		{"a step above dims", Shape{Dims: 300, Ladder: []int{320}}, "ladder step 300 follows 320"},
		{"too many steps", Shape{Dims: 64 * 18, Ladder: long}, "has 18 steps, want at most 16"},
		{"too many steps with dims", Shape{Dims: 64 * 18, Ladder: long[:16]}, "has 17 steps, want at most 16"},
		{"too small a budget", Shape{Dims: 300, Bits: 191}, "191 bits a vector of 300 dimensions, want 192 to 1200"},
		{"too large a budget", Shape{Dims: 300, Bits: 1201}, "1201 bits a vector of 300 dimensions, want 192 to 1200"},
		{"a negative budget", Shape{Dims: 300, Bits: -1}, "-1 bits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, learnt := Learn(tt.shape, [][]float32{make([]float32, tt.shape.Dims)})
			_, exact := NewExact(tt.shape)
			errs := []error{tt.shape.Check(), learnt, exact}
			if tt.shape.Bits == 0 { // signs have no budget
				_, signs := NewSigns(tt.shape)
				errs = append(errs, signs)
			}
			for _, err := range errs {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
			}
		})
	}
	if _, err := Learn(Shape{Dims: 20}, nil); err == nil || !strings.Contains(err.Error(), "there are none") {
		t.Errorf("learning from nothing: %v", err)
	}
}

func TestAProfileSharesNoMemoryWithItsCaller(t *testing.T) {
	steps := []int{64, 128}
	p, err := NewSigns(Shape{Dims: 300, Ladder: steps})
	if err != nil {
		t.Fatal(err)
	}
	steps[0] = 1
	p.Ladder()[1], p.Shape().Ladder[1], p.Blocks()[0].Dims = 2, 2, 2
	if got := p.Ladder(); !slices.Equal(got, []int{64, 128, 300}) || p.Blocks()[0].Dims != 300 {
		t.Errorf("ladder is %v, want 64 128 300, and the block %+v", got, p.Blocks()[0])
	}
}

func TestAQueryIsAsLongAsAStepOfTheLadder(t *testing.T) {
	p, err := NewExact(Shape{Dims: 300, Ladder: []int{128}})
	if err != nil {
		t.Fatal(err)
	}
	for dims, want := range map[int]bool{-128: false, 0: false, 64: false, 127: false, 128: true, 256: false, 299: false, 300: true, 301: false} {
		if got := p.CheckQuery(dims) == nil; got != want {
			t.Errorf("a query of %d dims is accepted %t, want %t", dims, got, want)
		}
	}
	if err := p.CheckQuery(64); err == nil || !strings.Contains(err.Error(), "has 64 dimensions, want 300 or a shorter step of [128 300]") {
		t.Errorf("it says %v", err)
	}
	if p, err = NewExact(Shape{Dims: 3}); err != nil {
		t.Fatal(err)
	}
	if err := p.CheckQuery(4); err == nil || !strings.Contains(err.Error(), "has 4 dimensions, want 3") {
		t.Errorf("it says %v", err)
	}
}
