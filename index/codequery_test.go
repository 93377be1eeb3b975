package index

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/encoder/code"
)

func TestACodeIsSearchedWithoutReadingVectors(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	for _, kind := range []encoder.Kind{encoder.Plain, encoder.Nested} {
		c := create(t, openDB(t, t.TempDir()), Spec{Name: "c", Dims: 300, Ladder: []int{256}, Profile: kind})
		var records []Record
		for i := range 50 {
			records = append(records, Record{ID: fmt.Sprint(i), Vector: whole(r, 300)})
		}
		upsert(t, c, records...)
		words := c.current.Load().codec.profile.Query(records[7].Vector).Signs
		for _, n := range []int{256, 300} {
			res := search(t, c, Query{Code: words[:code.Words(n)], K: 5})
			got := res.Receipt
			if res.Hits[0].ID != "7" || res.Hits[0].Score < .9 || got.Dims != n || got.ScanBits != 1 || got.Rescore != RescoreCodes || got.VectorsRead != 0 || got.Bound != 0 {
				t.Errorf("%v: %d bits of a stored code find %+v with receipt %+v, want the code itself by codes alone", kind, n, res.Hits[0], got)
			}
		}
		if words = slices.Clone(words); c.Info().ProfileInForce != kind {
			t.Fatalf("profile %v in force, want %v", c.Info().ProfileInForce, kind)
		}
		for i := range words { // the opposite of everything
			words[i] = ^words[i]
		}
		words[4] &= 1<<44 - 1
		res := search(t, c, Query{Code: words, K: 50})
		if last := res.Hits[49]; last.ID != "7" || last.Score > -.9 {
			t.Errorf("%v: farthest from the opposite of code 7 is %+v, want 7", kind, last)
		}
	}
}
