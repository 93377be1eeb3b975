package cascade

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"weak"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/scan"
)

// What a search has found can be large: what is used again for others must not hold it.
func TestNothingOfASearchIsHeldForTheNext(t *testing.T) {
	p, err := encoder.NewSigns(encoder.Shape{Dims: 64})
	if err != nil {
		t.Fatal(err)
	}
	rows := &Rows{Profile: p, Layout: codes.NewLayout(p)}
	c := new(cascade)
	held := func() weak.Pointer[Search] {
		s := New(rows, p.Query(vector(64)), nil, Settings{Stage: api.RescoreCodes, Blocks: 1, Keep: 10, Hits: 10}, scan.Want{K: 10})
		c.reset(s)
		c.release()
		return weak.Make(s)
	}()
	runtime.GC()
	if held.Value() != nil {
		t.Error("a search is held after its end")
	}
	runtime.KeepAlive(c)
}

func vector(dims int) []float32 {
	r := rand.New(rand.NewPCG(3, 26))
	v := make([]float32, dims)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}
