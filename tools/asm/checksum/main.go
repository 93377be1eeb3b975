// Command checksum writes the kernel of package storage: the checksums of many rows.
//
// The CRC32 instruction starts every cycle and takes three. So four rows are checked at a
// time, a chain of instructions each: that is eight bytes a cycle without having to join
// the parts of one row. The four rows after them are asked for meanwhile.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	together = 4
	line     = 64 // bytes of a cache line
	word     = 8
)

func main() {
	ConstraintExpr("!purego")
	TEXT("firstDamagedSSE42", NOSPLIT, "func(rows *byte, stride, words, count int, crcs *uint32) int")
	Pragma("noescape")
	Doc("firstDamagedSSE42 returns the first of count rows, a stride apart, whose checksum is wrong, or count: the CRC that continues crcs[i], inverted, by so many words of eight bytes of row i, and by the second half of the next, is not the first half of that.")
	rows, stride := Load(Param("rows"), GP64()), Load(Param("stride"), GP64())
	words, count := Load(Param("words"), GP64()), Load(Param("count"), GP64())
	crcs := Load(Param("crcs"), GP64())
	triple := GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, triple)
	done := GP64()
	XORQ(done, done)

	for _, n := range []int{together, 1} {
		label := func(name string) string { return fmt.Sprintf("%s%d", name, n) }
		Label(label("rows"))
		last := GP64()
		LEAQ(Mem{Base: done, Disp: n}, last)
		CMPQ(last, count)
		if n == together {
			JG(LabelRef("rows1"))
		} else {
			JG(LabelRef("none"))
		}
		var crc []reg.GPVirtual
		for i := range n {
			crc = append(crc, GP64())
			MOVL(Mem{Base: crcs, Disp: 4 * i}, crc[i].As32())
		}
		at, left := GP64(), GP64()
		MOVQ(rows, at)
		place := func(i int) Mem {
			return []Mem{{Base: at}, {Base: at, Index: stride, Scale: 1}, {Base: at, Index: stride, Scale: 2}, {Base: at, Index: triple, Scale: 1}}[i]
		}
		step := func(disp int) {
			for i, c := range crc {
				m := place(i)
				m.Disp = disp
				CRC32Q(m, c)
			}
		}
		MOVQ(words, left)
		Label(label("line"))
		SUBQ(U8(line/word), left)
		JL(LabelRef(label("rest")))
		if n == together {
			next := GP64()
			LEAQ(Mem{Base: at, Index: stride, Scale: 4}, next)
			PREFETCHT0(Mem{Base: next})
			PREFETCHT0(Mem{Base: next, Index: stride, Scale: 1})
			PREFETCHT0(Mem{Base: next, Index: stride, Scale: 2})
			PREFETCHT0(Mem{Base: next, Index: triple, Scale: 1})
		}
		for disp := 0; disp < line; disp += word {
			step(disp)
		}
		ADDQ(U8(line), at)
		JMP(LabelRef(label("line")))
		Label(label("rest"))
		ADDQ(U8(line/word), left)
		JZ(LabelRef(label("end")))
		Label(label("word"))
		step(0)
		ADDQ(U8(word), at)
		DECQ(left)
		JNZ(LabelRef(label("word")))
		Label(label("end"))
		for i, c := range crc {
			m := place(i)
			m.Disp = 4
			CRC32L(m, c.As32())
			NOTL(c.As32())
			m.Disp = 0
			CMPL(c.As32(), m)
			JNE(LabelRef("found"))
			INCQ(done)
		}
		LEAQ(Mem{Base: rows, Index: stride, Scale: uint8(n)}, rows)
		ADDQ(U8(4*n), crcs)
		JMP(LabelRef(label("rows")))
	}
	Label("none")
	Label("found")
	Store(done, ReturnIndex(0))
	RET()
	Generate()
}
