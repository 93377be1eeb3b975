package cascade

// leastHeap hands out the least of many numbers when few are wanted. No number is less than its
// parent, and the parent of i is at (i-1)/2.
type leastHeap []uint64

// order makes a heap of numbers in any order.
func (h leastHeap) order() {
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
}

func (h *leastHeap) push(x uint64) {
	*h = append(*h, x)
	all := *h
	for i := len(all) - 1; i > 0; {
		parent := (i - 1) / 2
		if all[parent] <= all[i] {
			return
		}
		all[i], all[parent] = all[parent], all[i]
		i = parent
	}
}

// pop removes the least number; the heap must not be empty.
func (h *leastHeap) pop() uint64 {
	all := *h
	least, last := all[0], len(all)-1
	all[0] = all[last]
	*h = all[:last]
	(*h).down(0)
	return least
}

func (h leastHeap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if right := child + 1; right < len(h) && h[right] < h[child] {
			child = right
		}
		if h[i] <= h[child] {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
