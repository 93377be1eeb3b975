package machine

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/hamnest/hamnest/encoder/isa"
)

func random(seed uint64, bytes int) []uint64 {
	r := rand.New(rand.NewPCG(seed, 0))
	words := make([]uint64, bytes/8)
	for i := range words {
		words[i] = r.Uint64()
	}
	return words
}

func TestEveryWordIsRead(t *testing.T) {
	for _, set := range isa.Usable() {
		for _, size := range []int{1024, 2048, 3072, 1 << 20} {
			words := random(uint64(size), size)
			var want uint64
			for _, x := range words {
				want ^= x
			}
			if got := read(set, words); got != want {
				t.Errorf("%v, %d bytes: %#x, want %#x", set, size, got, want)
			}
		}
	}
}

func TestEveryBitIsCountedForEveryQuery(t *testing.T) {
	for _, set := range isa.Usable() {
		for _, size := range []int{256, 512, 1280, blockBytes} {
			for name, words := range map[string][]uint64{"random": random(uint64(size), size), "zero": make([]uint64, size/8)} {
				queries := [tileQueries]uint64{^uint64(0), 1, 0x8000000000000000, 0x0123456789abcdef}
				want := 0
				for _, x := range words {
					for _, q := range queries {
						want += bits.OnesCount64(x ^ q)
					}
				}
				if got := count(set, words, &queries); got != uint64(want) {
					t.Errorf("%v, %d bytes, %s: %d, want %d", set, size, name, got, want)
				}
			}
		}
	}
}

func TestThreadsReadAllOfTheMemoryBetweenThem(t *testing.T) {
	m, err := NewMemory(5*pieceBytes - 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	if got := m.Bytes(); got != 5*pieceBytes {
		t.Errorf("%d bytes, want %d: whole pieces", got, 5*pieceBytes)
	}
	for i, x := range random(1, m.Bytes()) {
		m.words[i] = x
	}
	want := readGeneric(m.words)
	for _, threads := range []int{1, 2, 3, 5, 8} {
		if got := m.Read(threads); got != want {
			t.Errorf("%d threads: %#x, want %#x", threads, got, want)
		}
	}
}

func TestEveryThreadAddsToTheCount(t *testing.T) {
	for _, set := range isa.Usable() {
		bytes, differing := Count(set, 1)
		if want := countPieces * pieceRounds * blockBytes * tileQueries; bytes != want {
			t.Errorf("%v: %d bytes, want %d", set, bytes, want)
		}
		if want := countPieces * pieceRounds * countGeneric(block[:], &queries); differing != want {
			t.Errorf("%v: %d bits differ, want %d", set, differing, want)
		}
		if b, d := Count(set, 3); b != 3*bytes || d != 3*differing {
			t.Errorf("%v: 3 threads compare %d bytes of which %d bits differ, want 3 times %d and %d", set, b, d, bytes, differing)
		}
	}
}

func BenchmarkLimits(b *testing.B) {
	m, err := NewMemory(256 << 20)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			b.Error(err)
		}
	}()
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("read/threads=%d", threads), func(b *testing.B) {
			b.SetBytes(int64(m.Bytes()))
			for b.Loop() {
				m.Read(threads)
			}
		})
		for _, set := range isa.Usable() {
			b.Run(fmt.Sprintf("count/kernel=%v/threads=%d", set, threads), func(b *testing.B) {
				bytes, _ := Count(set, threads)
				b.SetBytes(int64(bytes))
				for b.Loop() {
					Count(set, threads)
				}
			})
		}
	}
}

func TestWhatMemoryIsFreeIsLessThanAnExabyte(t *testing.T) {
	free, known := FreeBytes()
	if runtime.GOOS == "linux" != known || known && (free == 0 || free > 1<<60) {
		t.Errorf("%d bytes are free, known: %v", free, known)
	}
}
