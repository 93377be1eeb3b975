package scan

import (
	"cmp"
	"math"
	"slices"

	"github.com/hamnest/hamnest/encoder/floats"
	"github.com/hamnest/hamnest/storage"
)

// Want says which of the scored rows a search wants.
type Want struct {
	K        int      // at most, the best by (score, id)
	MinScore *float32 // unless nil, leaves out rows whose score, as shown, is less
	After    *Place   // unless nil, leaves out rows up to this place
}

// Place is where a page ends.
type Place struct {
	Score float64
	ID    string
}

// Scored is a row and its score.
type Scored struct {
	Row   uint32
	Score float64
}

// Ranker keeps the best rows of one search by (score, id). It reads ids only to break a tie.
// Only one goroutine may use it.
type Ranker struct {
	Reader *storage.Reader // reads ids; whoever offers rows sets it

	want Want
	heap []Scored          // heap[0] ranks last; heap[(i-1)/2] does not rank ahead of heap[i]
	ids  map[uint32]string // those read so far
	read uint64            // vectors read; passes count them
	err  error             // the first failure to read an id
}

// NewRanker makes a ranker for want.
func NewRanker(want Want) *Ranker { return &Ranker{want: want} }

// Offer considers a row, unless the search rules it out.
func (k *Ranker) Offer(row uint32, score float64) {
	if m := k.want.MinScore; m != nil && floats.Finite(score) < *m {
		return
	}
	if after := k.want.After; after != nil {
		if score > after.Score || (score == after.Score && k.id(row) <= after.ID) {
			return
		}
	}
	switch s := (Scored{row, score}); {
	case len(k.heap) < k.want.K:
		k.heap = append(k.heap, s)
		k.up(len(k.heap) - 1)
	case k.before(s, k.heap[0]):
		k.heap[0] = s
		k.down(0)
	}
}

// worst is the score that a row must reach to matter; false while any score would do.
func (k *Ranker) worst() (float64, bool) {
	full := len(k.heap) == k.want.K
	least := math.Inf(-1)
	if full {
		least = k.heap[0].Score
	}
	if m := k.want.MinScore; m != nil {
		// A score halfway to the next lower float32 is rounded to this one.
		lower := float64(math.Nextafter32(*m, float32(math.Inf(-1))))
		return max(least, float64(*m)/2+lower/2), true
	}
	return least, full
}

// Sorted returns the kept rows, best first, and empties the ranker. It fails if an id could not
// be read.
func (k *Ranker) Sorted() ([]Scored, error) {
	all := k.heap
	k.heap = nil
	slices.SortFunc(all, k.compare)
	return all, k.err
}

// compare orders by score, larger first, and then by id.
func (k *Ranker) compare(a, b Scored) int {
	switch {
	case a.Score > b.Score:
		return -1
	case a.Score < b.Score:
		return 1
	case a.Row == b.Row:
		return 0
	}
	return cmp.Compare(k.id(a.Row), k.id(b.Row))
}

// before reports whether a ranks ahead of b.
func (k *Ranker) before(a, b Scored) bool {
	return a.Score > b.Score || a.Score == b.Score && k.compare(a, b) < 0
}

func (k *Ranker) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !k.before(k.heap[parent], k.heap[i]) {
			return
		}
		k.heap[i], k.heap[parent] = k.heap[parent], k.heap[i]
		i = parent
	}
}

func (k *Ranker) down(i int) {
	for {
		last, left := i, 2*i+1
		for child := left; child < min(left+2, len(k.heap)); child++ {
			if k.before(k.heap[last], k.heap[child]) {
				last = child
			}
		}
		if last == i {
			return
		}
		k.heap[i], k.heap[last] = k.heap[last], k.heap[i]
		i = last
	}
}

func (k *Ranker) id(row uint32) string {
	if id, ok := k.ids[row]; ok {
		return id
	}
	id, _, err := k.Reader.Row(uint64(row))
	if err != nil && k.err == nil {
		k.err = err
	}
	if k.ids == nil {
		k.ids = make(map[uint32]string)
	}
	k.ids[row] = string(id)
	return k.ids[row]
}
