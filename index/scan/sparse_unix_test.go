//go:build unix

package scan

import (
	"math/rand/v2"
	"os"
	"runtime/debug"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/hamnest/hamnest/encoder"
	"github.com/hamnest/hamnest/index/codes"
	"github.com/hamnest/hamnest/index/hamming"
)

// Groups that hold no row of the set are not read: their memory may not even be there.
func TestGroupsWithoutAllowedRowsAreNotRead(t *testing.T) {
	const rows = codes.SegmentRows - 100
	p := newPool(t, encoder.Learned, encoder.Cosine, 200, 300)
	r := rand.New(rand.NewPCG(8, 15))
	gone := func(row uint32) bool {
		return row < 8192+70 || row >= 16_000 && row < 50_000 && row != 30_000 || row > 62_000
	}
	s := p.scanned(t, rows, func(uint32) int { return r.IntN(300) }, gone)
	blocks := len(p.profile.Blocks())
	for first := uint32(0); first < rows; {
		last := first // of a run of groups without allowed rows, the end
		for last < rows && s.view.Present().Next(last) >= min(last+hamming.Lanes, rows) {
			last += hamming.Lanes
		}
		if last > first {
			forbid(t, s.view, first, min(last, rows/hamming.Lanes*hamming.Lanes), blocks)
		}
		first = last + hamming.Lanes
	}
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	var jobs []*CodeJob
	for i := range 9 {
		jobs = append(jobs, p.job(t.Context(), gaussian(r, 200, .3), 1+i%blocks, 1+i*100))
	}
	floor := p.scores(jobs[0])[0]
	jobs[0].Floor, jobs[0].K = &floor, rows
	s.check(t, jobs, 1)
}

// forbid takes the memory of rows first to last-1 away, page by page, until the test ends.
func forbid(t *testing.T, v *codes.View, first, last uint32, blocks int) {
	t.Helper()
	var groups hamming.Rows
	v.Groups(&groups, first, blocks, 0)
	n := int(last - first)
	protect(t, bytesOf(groups.Offsets[:n]))
	for _, c := range groups.Columns {
		protect(t, c.Lines[:n*8*c.Width*c.Planes])
		protect(t, bytesOf(c.Factors[:n]))
	}
}

func bytesOf[T float32 | uint16](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])))
}

// protect takes the whole pages of b away.
func protect(t *testing.T, b []byte) {
	t.Helper()
	page := os.Getpagesize()
	begin := -int(uintptr(unsafe.Pointer(&b[0]))) & (page - 1)
	if begin >= len(b) {
		return
	}
	b = b[begin : begin+(len(b)-begin)/page*page]
	if len(b) == 0 {
		return
	}
	if err := unix.Mprotect(b, unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE); err != nil {
			t.Error(err)
		}
	})
}
