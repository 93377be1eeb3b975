package encoder

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// someProfiles are of every kind and metric, and of one to three blocks.
var someProfiles = sync.OnceValue(func() map[string]*Profile {
	all := make(map[string]*Profile)
	r := rand.New(rand.NewPCG(5, 1))
	for _, metric := range []Metric{Cosine, Dot, L2} {
		for _, dims := range []int{20, 100, 200} {
			shape := Shape{Metric: metric, Dims: dims}
			p, err := Learn(shape, spectrum(r, 60, dims, .3, textlike))
			if err != nil {
				panic(err)
			}
			all[fmt.Sprint("learned ", metric, dims)] = p.stepped(Step{1.5, .25, 1, .5})
			for kind, make := range map[Kind]func(Shape) (*Profile, error){Signs: NewSigns, Exact: NewExact} {
				p, err := make(shape)
				if err != nil {
					panic(err)
				}
				all[fmt.Sprint(kind, metric, dims)] = p
			}
		}
	}
	return all
})

func TestAProfileComesBackFromItsState(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 2))
	seen := make(map[string]string)
	for name, p := range someProfiles() {
		state, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var back Profile
		if err := json.Unmarshal(state, &back); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if back.Fingerprint() != p.Fingerprint() || back.Kind() != p.Kind() || back.Metric() != p.Metric() || !slices.Equal(back.Ladder(), p.Ladder()) || back.RowWords() != p.RowWords() ||
			back.Shape().Bits != p.Shape().Bits || back.ScanBlocks() != p.ScanBlocks() || !slices.Equal(back.Blocks(), p.Blocks()) {
			t.Errorf("%s comes back as %+v", name, back.Shape())
		}
		if f := p.Fingerprint(); len(f) != 16 || seen[f] != "" {
			t.Errorf("%s and %s have one fingerprint %s", seen[f], name, f)
		} else {
			seen[f] = name
		}
		base := spectrum(r, 20, p.Dims(), 0, textlike)
		want, got := encoded(p, base), encoded(&back, base)
		for i := range want {
			if !slices.Equal(want[i], got[i]) {
				t.Fatalf("%s: row %d is another after coming back", name, i)
			}
		}
		if p.Kind() == Exact {
			continue
		}
		for _, size := range p.Ladder() {
			for blocks := 1; blocks <= len(p.blocks); blocks++ {
				a, b := p.Query(base[0][:size]).NewScan(blocks, 2), back.Query(base[0][:size]).NewScan(blocks, 2)
				if !slices.Equal(a.A, b.A) || !slices.Equal(a.B, b.B) || a.Inside != b.Inside || a.Outside != b.Outside || a.Gain != b.Gain {
					t.Errorf("%s: a scan of %d blocks for %d dims is another after coming back", name, blocks, size)
				}
			}
		}
	}
}

// Pinned: collections on disk carry these. The fingerprints were computed by another program
// from the definition of FNV-1a.
func TestStatesAndFingerprintsNeverChange(t *testing.T) {
	signs, err := NewSigns(Shape{Metric: Dot, Dims: 768, Ladder: []int{128, 256}})
	if err != nil {
		t.Fatal(err)
	}
	exact, err := NewExact(Shape{Dims: 3, Bits: 7})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		p                  *Profile
		state, fingerprint string
	}{
		{signs, `{"version":2,"kind":"signs","metric":"dot","dims":768,"ladder":[128,256,768],"bits":1024}`, "2a7ff5799765ed3a"},
		{exact, `{"version":2,"kind":"exact","metric":"cosine","dims":3,"ladder":[3],"bits":7}`, "df5a17664eaa7d67"},
	} {
		if state, err := json.Marshal(tt.p); err != nil || string(state) != tt.state {
			t.Errorf("state %s (%v), want %s", state, err, tt.state)
		}
		if got := tt.p.Fingerprint(); got != tt.fingerprint {
			t.Errorf("%s: fingerprint %s, want %s", tt.state, got, tt.fingerprint)
		}
	}
}

func TestAScanLooksAtBlocksAsFarAsDimsReach(t *testing.T) {
	p := someProfiles()["learned cosine 200"] // 64, 64 and 72 dimensions
	for dims, want := range map[int]int{1: 1, 64: 1, 127: 1, 128: 2, 199: 2, 200: 3} {
		if got := p.BlocksWithin(dims); got != want {
			t.Errorf("within %d dims there are %d blocks, want %d", dims, got, want)
		}
	}
	head := p.WithScan(2, 1, p.steps)
	if head.ScanBlocks() != 2 || head.BlocksWithin(200) != 3 || head.BlocksWithin(199) != 2 || p.ScanBlocks() != 3 || head.BlockDims(2) != 128 || head.BlockDims(3) != 200 {
		t.Errorf("a scan of the head looks at %d of %d blocks, the profile that it was made of at %d", head.BlocksWithin(200), head.ScanBlocks(), p.ScanBlocks())
	}
}

// spoilt are the states of a learned profile of 100 dimensions with one thing wrong.
func spoilt(t testing.TB) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for name, change := range map[string]func(s *profileState){
		"a version before":                    func(s *profileState) { s.Version = 1 },
		"a version to come":                   func(s *profileState) { s.Version = 4 },
		"the version of older codes":          func(s *profileState) { s.Version = 3 },
		"no kind":                             func(s *profileState) { s.Kind = "" },
		"an old kind":                         func(s *profileState) { s.Kind = "nested+centred" },
		"no dims":                             func(s *profileState) { s.Dims = 0 },
		"too many dims":                       func(s *profileState) { s.Dims = 1 << 40 },
		"other dims":                          func(s *profileState) { s.Dims = 101 },
		"a ladder off the grid":               func(s *profileState) { s.Ladder = []int{50, 100} },
		"a ladder too long":                   func(s *profileState) { s.Ladder = make([]int, 1000) },
		"a ladder of no steps":                func(s *profileState) { s.Steps = nil },
		"too few bits":                        func(s *profileState) { s.Bits = 1 },
		"a scale without end":                 func(s *profileState) { s.Scale = 150 },
		"a scale of nothing":                  func(s *profileState) { s.Scale = -150 },
		"a direction that is not of length 1": func(s *profileState) { s.Metric = Dot },
		"absurd factors":                      func(s *profileState) { s.Blocks[0].RMS = 1e300 },
		"an absurd gain":                      func(s *profileState) { s.Steps[0][0].Gain = 1e300 },
		"an absurd spread":                    func(s *profileState) { s.Steps[0][0].Spread = 1e300 },
		"an absurd scale of a step":           func(s *profileState) { s.Steps[0][0].Scale = 1e300 },
		"half a mean":                         func(s *profileState) { s.Mean = s.Mean[:200] },
		"a mean of no number":                 func(s *profileState) { s.Mean[2], s.Mean[3] = 0xc0, 0x7f },
		"no components":                       func(s *profileState) { s.Components = nil },
		"half the components":                 func(s *profileState) { s.Components = s.Components[:len(s.Components)/2] },
		"components not unit":                 func(s *profileState) { clear(s.Components[:400]) },
		"no blocks":                           func(s *profileState) { s.Blocks = nil },
		"a block too many":                    func(s *profileState) { s.Blocks = append(s.Blocks, s.Blocks[0]) },
		"a block of other dims":               func(s *profileState) { s.Blocks[0].Dims = 63 },
		"a block that keeps more than it has": func(s *profileState) { s.Blocks[1].Kept = 37 },
		"a block that keeps nothing":          func(s *profileState) { s.Blocks[1].Kept = 0 },
		"a block of five bits":                func(s *profileState) { s.Blocks[0].Bits = 5 },
		"a block of no bits":                  func(s *profileState) { s.Blocks[0].Bits = 0 },
		"a block less than none":              func(s *profileState) { s.Blocks[0].RMS = -1 },
		"a scan of nothing":                   func(s *profileState) { s.Scan = 0 },
		"a scan of more than there is":        func(s *profileState) { s.Scan = 3 },
		"steps of a scan too many":            func(s *profileState) { s.Steps = append(s.Steps, s.Steps[0]) },
		"a step too few":                      func(s *profileState) { s.Steps[0] = s.Steps[0][:1] },
		"no gain":                             func(s *profileState) { s.Steps[0][0].Gain = 0 },
		"a negative spread":                   func(s *profileState) { s.Steps[0][1].Spread = -.1 },
		"no scale":                            func(s *profileState) { s.Steps[0][1].Scale = 0 },
	} {
		state := learnedState(t)
		change(&state)
		b, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = b
	}
	return all
}

// learnedState is that of a profile of 100 dimensions in blocks of 64 and 36, under L2.
func learnedState(t testing.TB) profileState {
	t.Helper()
	b, err := json.Marshal(someProfiles()["learned l2 100"])
	if err != nil {
		t.Fatal(err)
	}
	var s profileState
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAStateThatCouldNotHaveBeenLearntIsRefused(t *testing.T) {
	p, err := NewSigns(Shape{Dims: 768})
	if err != nil {
		t.Fatal(err)
	}
	before := p.Fingerprint()
	states := spoilt(t)
	for _, text := range []string{
		`[]`, `{}`, `{"version":2`, `{"version":2,"kind":0,"dims":100}`, `{"version":2,"kind":"signs","metric":"odd","dims":100}`,
		`{"version":2,"kind":"signs","metric":"dot","dims":9223372036854775807}`, `{"version":2,"kind":"exact","metric":"dot","dims":-1}`,
		`{"version":1,"kind":"plain","dims":768,"ladder":[128,256,768]}`,
		`{"version":2,"kind":"learned","metric":"dot","dims":65536,"ladder":[65536]}`,
	} {
		states[text] = []byte(text)
	}
	for name, state := range states {
		if err := json.Unmarshal(state, p); err == nil || !strings.Contains(err.Error(), "encoder: ") && !strings.Contains(err.Error(), "JSON") {
			t.Errorf("%s: error %v, want one that says what is wrong", name, err)
		}
		if p.Fingerprint() != before {
			t.Fatalf("%s has changed the profile", name)
		}
	}
	good := learnedState(t)
	b, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, p); err != nil {
		t.Errorf("what nothing is wrong with: %v", err)
	}
}

// Whatever state is accepted can be written, read and worked with.
func FuzzProfileState(f *testing.F) {
	f.Add([]byte(`{"version":2,"kind":"signs","metric":"l2","dims":100,"ladder":[64,100]}`))
	f.Add([]byte(`{"version":2,"kind":"exact","metric":"cosine","dims":1}`))
	f.Add([]byte(`{"version":3,"kind":"signs","metric":"cosine","dims":100,"ladder":[64,100],"seed":1}`))
	for _, state := range spoilt(f) {
		f.Add(state)
	}
	good, err := json.Marshal(learnedState(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, state []byte) {
		var p Profile
		if json.Unmarshal(state, &p) != nil || p.Dims() == 0 || p.Dims() > 300 {
			return // JSON null leaves a value as it was
		}
		again, err := json.Marshal(&p)
		if err != nil {
			t.Fatal(err)
		}
		var back Profile
		if err := json.Unmarshal(again, &back); err != nil || back.Fingerprint() != p.Fingerprint() {
			t.Errorf("%s comes back as %s (%v)", state, again, err)
		}
		if p.Kind() == Exact {
			return
		}
		r := rand.New(rand.NewPCG(5, 4))
		base := spectrum(r, 2, p.Dims(), 0, textlike)
		for _, row := range encoded(&p, base) {
			var side Side
			p.Side(&side, row)
			for _, size := range p.Ladder() {
				q := p.Query(base[0][:size])
				score, deviation := judge(q, row, &side)
				if math.IsNaN(score) || math.IsNaN(deviation) {
					t.Errorf("%s: a row scores %v within %v", state, score, deviation)
				}
				for blocks := 1; blocks <= len(p.Blocks()); blocks++ {
					if b := scanOf(q.NewScan(blocks, 2), q, row, &side); b != b {
						t.Errorf("%s: a bound is %v", state, b)
					}
				}
			}
		}
	})
}
