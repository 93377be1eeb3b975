//go:build (amd64 || arm64) && !purego

package isa

//go:generate go -C ../../tools/asm run ./prefetch -out ../../encoder/isa/prefetch_amd64.s -stubs ../../encoder/isa/prefetch_amd64.go -pkg isa

// Prefetch asks for the n bytes from p on to be loaded into the caches, and does not wait.
func Prefetch(p *byte, n int) {
	if n > 0 {
		prefetch(p, n)
	}
}
