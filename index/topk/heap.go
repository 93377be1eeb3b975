package topk

import "slices"

// Heap keeps the k best of the items offered to it, under an order that must be
// total: compare(a, b) < 0 says that a ranks ahead of b. It is for one goroutine.
type Heap[T any] struct {
	k       int
	compare func(a, b T) int
	items   []T // items[0] ranks last; items[(i-1)/2] does not rank ahead of items[i]
}

// NewHeap returns an empty heap for the k >= 1 best.
func NewHeap[T any](k int, compare func(a, b T) int) *Heap[T] {
	return &Heap[T]{k: k, compare: compare, items: make([]T, 0, min(k, firstItems))}
}

// firstItems is how many items a heap has room for at first: few ask for more, and a
// wish for more than there are is no reason to take memory.
const firstItems = 32

// Offer keeps item if it is among the k best so far, in O(log k).
func (h *Heap[T]) Offer(item T) {
	if len(h.items) < h.k {
		h.items = append(h.items, item)
		h.up(len(h.items) - 1)
		return
	}
	if h.compare(item, h.items[0]) < 0 {
		h.items[0] = item
		h.down(0)
	}
}

// Last returns the item that ranks last of the k best so far; false while there are
// fewer than k.
func (h *Heap[T]) Last() (item T, full bool) {
	if len(h.items) < h.k {
		return item, false
	}
	return h.items[0], true
}

// Sorted empties the heap and returns its items, best first.
func (h *Heap[T]) Sorted() []T {
	items := h.items
	h.items = nil
	slices.SortFunc(items, h.compare)
	return items
}

func (h *Heap[T]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if h.compare(h.items[i], h.items[parent]) <= 0 {
			return
		}
		h.items[i], h.items[parent] = h.items[parent], h.items[i]
		i = parent
	}
}

func (h *Heap[T]) down(i int) {
	for {
		last, left := i, 2*i+1
		for child := left; child < min(left+2, len(h.items)); child++ {
			if h.compare(h.items[child], h.items[last]) > 0 {
				last = child
			}
		}
		if last == i {
			return
		}
		h.items[i], h.items[last] = h.items[last], h.items[i]
		i = last
	}
}
