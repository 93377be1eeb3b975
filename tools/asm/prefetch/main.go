// Command prefetch writes the one instruction of package isa that Go has not.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// line is how much a prefetch asks for.
const line = 64

func main() {
	ConstraintExpr("!purego")
	TEXT("prefetch", NOSPLIT, "func(p *byte, n int)")
	Pragma("noescape")
	Doc("Asks for the lines of n bytes, 1 or more.")
	p, end := Load(Param("p"), GP64()), Load(Param("n"), GP64())
	ADDQ(p, end)
	ANDQ(I8(-line), p)
	Label("line")
	PREFETCHT0(Mem{Base: p})
	ADDQ(Imm(line), p)
	CMPQ(p, end)
	JCS(LabelRef("line"))
	RET()
	Generate()
}
