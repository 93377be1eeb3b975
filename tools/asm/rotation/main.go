// Command rotation writes the kernels of package rotation.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	lanes = 8 // float32s in a register
	size  = 4 * lanes
	chunk = 8 // registers that the first pass holds
)

func main() {
	ConstraintExpr("!purego")
	transform()
	mix()
	Generate()
}

// transform emits the signs, the Walsh-Hadamard transform and the scale. Which numbers
// meet, and in which order, is as in the twin; so the bits are the same.
func transform() {
	TEXT("transformAVX2", NOSPLIT, "func(v, signs *float32, n int, scale float32)")
	Pragma("noescape")
	Doc("transformAVX2 multiplies n numbers, a power of two from 64 on, by signs, transforms them",
		"and multiplies them by scale.")
	v, signs := Load(Param("v"), GP64()), Load(Param("signs"), GP64())
	bytes := Load(Param("n"), GP64())
	SHLQ(Imm(2), bytes)
	end := GP64()
	LEAQ(Mem{Base: v, Index: bytes, Scale: 1}, end)

	Comment("Numbers 1, 2 and 4 apart meet in a register, 8, 16 and 32 apart between registers.")
	var negate [3]reg.VecVirtual
	for i := range negate {
		negate[i] = YMM()
		VMOVUPS(negative(1<<i), negate[i])
	}
	at := GP64()
	MOVQ(v, at)
	Label("first")
	var x [chunk]reg.VecVirtual
	for i := range x {
		x[i] = YMM()
		VMOVUPS(Mem{Base: at, Disp: i * size}, x[i])
		VMULPS(Mem{Base: signs, Disp: i * size}, x[i], x[i])
		for stage, swap := range []func(x, y Op){
			func(x, y Op) { VPERMILPS(Imm(0b10_11_00_01), x, y) },
			func(x, y Op) { VPERMILPS(Imm(0b01_00_11_10), x, y) },
			func(x, y Op) { VPERM2F128(Imm(1), x, x, y) },
		} {
			other := YMM()
			swap(x[i], other)
			VXORPS(negate[stage], x[i], x[i])
			VADDPS(other, x[i], x[i])
		}
	}
	for half := 1; half < chunk; half *= 2 {
		meet(x[:], half)
	}
	for i := range x {
		VMOVUPS(x[i], Mem{Base: at, Disp: i * size})
	}
	ADDQ(U32(chunk*size), at)
	ADDQ(U32(chunk*size), signs)
	CMPQ(at, end)
	JNE(LabelRef("first"))

	Comment("Two steps at a time, of numbers half and twice half apart.")
	half, thrice, stop := GP64(), GP64(), GP64()
	MOVQ(U32(chunk*size), half)
	Label("pass")
	LEAQ(Mem{Base: half, Index: half, Scale: 2}, thrice)
	CMPQ(thrice, bytes)
	JAE(LabelRef("last"))
	MOVQ(v, at)
	Label("block")
	LEAQ(Mem{Base: at, Index: half, Scale: 1}, stop)
	Label("two")
	var four [4]reg.VecVirtual
	places := [4]Mem{{Base: at}, {Base: at, Index: half, Scale: 1}, {Base: at, Index: half, Scale: 2}, {Base: at, Index: thrice, Scale: 1}}
	for i, place := range places {
		four[i] = YMM()
		VMOVUPS(place, four[i])
	}
	meet(four[:], 1)
	meet(four[:], 2)
	for i, place := range places {
		VMOVUPS(four[i], place)
	}
	ADDQ(Imm(size), at)
	CMPQ(at, stop)
	JNE(LabelRef("two"))
	ADDQ(thrice, at)
	CMPQ(at, end)
	JNE(LabelRef("block"))
	SHLQ(Imm(2), half)
	JMP(LabelRef("pass"))

	Comment("One step may be left; then the scale.")
	Label("last")
	CMPQ(half, bytes)
	JE(LabelRef("scale"))
	MOVQ(v, at)
	LEAQ(Mem{Base: v, Index: half, Scale: 1}, stop)
	Label("one")
	low, high := YMM(), YMM()
	VMOVUPS(Mem{Base: at}, low)
	VMOVUPS(Mem{Base: at, Index: half, Scale: 1}, high)
	two := []reg.VecVirtual{low, high}
	meet(two, 1)
	VMOVUPS(two[0], Mem{Base: at})
	VMOVUPS(two[1], Mem{Base: at, Index: half, Scale: 1})
	ADDQ(Imm(size), at)
	CMPQ(at, stop)
	JNE(LabelRef("one"))
	Label("scale")
	scale := YMM()
	scaleParam, err := Param("scale").Resolve()
	if err != nil {
		panic(err)
	}
	VBROADCASTSS(scaleParam.Addr, scale)
	Label("next")
	for i := range 2 {
		y := YMM()
		VMULPS(Mem{Base: v, Disp: i * size}, scale, y)
		VMOVUPS(y, Mem{Base: v, Disp: i * size})
	}
	ADDQ(Imm(2*size), v)
	CMPQ(v, end)
	JNE(LabelRef("next"))
	VZEROUPPER()
	RET()
}

// meet takes one step between registers half apart.
func meet(x []reg.VecVirtual, half int) {
	for i := range x {
		if i&half == 0 {
			sum := YMM()
			VADDPS(x[i+half], x[i], sum)
			VSUBPS(x[i+half], x[i], x[i+half])
			x[i] = sum
		}
	}
}

// negative is a mask with the sign of those lanes whose number has the bit.
func negative(bit int) Mem {
	m := GLOBL(fmt.Sprintf("negative%d", bit), RODATA|NOPTR)
	for lane := range lanes {
		var mask U32
		if lane&bit != 0 {
			mask = 1 << 31
		}
		DATA(4*lane, mask)
	}
	return m
}

// mix emits the turn by 45 degrees.
func mix() {
	TEXT("mixAVX2", NOSPLIT, "func(low, high *float32, blocks int)")
	Pragma("noescape")
	Doc("mixAVX2 turns blocks*8 pairs of numbers by 45 degrees.")
	low, high := Load(Param("low"), GP64()), Load(Param("high"), GP64())
	blocks := Load(Param("blocks"), GP64())
	TESTQ(blocks, blocks)
	JZ(LabelRef("done"))
	root, half := YMM(), YMM()
	VBROADCASTSS(ConstData("root", U32(0x3fb504f3)), root) // the square root of 2
	VBROADCASTSS(ConstData("half", U32(0x3f000000)), half)
	Label("block")
	x, y, sum := YMM(), YMM(), YMM()
	VMOVUPS(Mem{Base: low}, x)
	VMOVUPS(Mem{Base: high}, y)
	VADDPS(y, x, sum)
	VSUBPS(y, x, x)
	for _, turned := range []reg.VecVirtual{sum, x} {
		VMULPS(root, turned, turned)
		VMULPS(half, turned, turned)
	}
	VMOVUPS(sum, Mem{Base: low})
	VMOVUPS(x, Mem{Base: high})
	ADDQ(Imm(size), low)
	ADDQ(Imm(size), high)
	DECQ(blocks)
	JNZ(LabelRef("block"))
	Label("done")
	VZEROUPPER()
	RET()
}
