package index

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/encoder"
)

func TestAQueryOfAnotherSizeIsRefusedUnlessItSaysThatItIsAPrefix(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	for _, tt := range []struct {
		name  string
		spec  Spec
		given bool
	}{
		{"a default ladder", Spec{Dims: 512}, false},
		{"a default ladder of signs", Spec{Dims: 512, Profile: encoder.Signs}, false},
		{"a given ladder", Spec{Dims: 512, Ladder: []int{128, 256}}, true},
		{"the default ladder, given", Spec{Dims: 512, Ladder: encoder.DefaultLadder(512)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			db := openDB(t, dir)
			tt.spec.Name = "c"
			c := create(t, db, tt.spec)
			upsert(t, c, randomRecords(r, 0, 20, 512)...)
			if c.Count() != 20 {
				t.Fatal("not all are stored")
			}
			closeSound(t, db) // what was given is known when the directory is opened again
			if c, _ = openDB(t, dir).Collection("c"); c.Info().LadderGiven != tt.given {
				t.Errorf("the collection says that the ladder was given: %t, want %t", c.Info().LadderGiven, tt.given)
			}
			for _, short := range []Query{
				{Vector: gaussian(r, 256, 0), K: 3},
				{Vector: gaussian(r, 256, 0), K: 3, Exact: true},
				{Code: make([]uint64, 4), K: 3},
			} {
				if short.Code != nil && tt.spec.Profile != encoder.Signs {
					continue
				}
				want := "vector"
				if short.Code != nil {
					want = "code"
				}
				if tt.given {
					want = ""
				}
				_, err := c.Search(t.Context(), short)
				if fieldOf(err) != want || want != "" && !strings.Contains(err.Error(), "has 256 dimensions, want 512") {
					t.Errorf("query %+v: %v, want a violation of %q with the sizes", short, err, want)
				}
				if want != "" {
					want = "requests[1]." + want
				}
				if _, err := c.BatchSearch(t.Context(), []Query{{Vector: gaussian(r, 512, 0), K: 1}, short}); fieldOf(err) != want {
					t.Errorf("in a batch: %v, want a violation of %q", err, want)
				}
				for _, dims := range []int{256, 128} {
					if short.Dims = dims; short.Exact && dims == 128 {
						continue // that compares another prefix
					}
					if _, err := c.Search(t.Context(), short); err != nil {
						t.Errorf("a prefix that says so by dims %d: %v", dims, err)
					}
				}
			}
		})
	}
}

func TestInOlderDirectoriesTheDefaultLadderCountsAsNotGiven(t *testing.T) {
	for _, tt := range []struct {
		ladder []int
		given  bool
	}{{nil, false}, {[]int{128}, true}} {
		profile, err := encoder.NewExact(encoder.Shape{Dims: 256, Ladder: tt.ladder})
		if err != nil {
			t.Fatal(err)
		}
		schema, err := engineState{Profile: profile}.schema()
		if err != nil || bytes.Contains(schema.Engine, []byte("ladder")) {
			t.Fatalf("the schema is %s (%v), want one that does not say", schema.Engine, err)
		}
		state, err := readSchema(schema)
		if err != nil || state.ladderGiven() != tt.given {
			t.Errorf("a file with ladder %v says that it was given: %t (%v), want %t", profile.Ladder(), state.ladderGiven(), err, tt.given)
		}
	}
}
