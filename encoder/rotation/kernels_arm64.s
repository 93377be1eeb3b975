//go:build !purego

#include "textflag.h"

// The kernels of package rotation for NEON, by hand: the generator of the amd64 kernels
// knows no arm64. What a kernel computes is written in generic.go.
//
// # Algorithm
//
// A step of the transform replaces two numbers by their sum and their difference. Numbers
// 1 and 2 apart are in one register: with the second of each pair negated, the pairs
// swapped are added. All others are in registers of their own. Which numbers meet, and in
// which order, is as in the twin, and nothing is fused: so the bits are the same.
//
// The assembler has no FMUL, FADD and FSUB for vectors: the macros below write their words,
// with operands in the assembler's order and registers by number, 0 to 31.
//
// # Bounds
//
// The n numbers and their signs, or the blocks*4 pairs, are all that is touched, 4 or 16 at
// a time, nothing ahead. No alignment is needed.
//
// # Registers of transformNEON
//
//	R0  v            R4  half, in bytes     R7   a place, and in R9 to R11 those that
//	R1  signs        R5  twice half              its number meets; constants before
//	R2  bytes of v   R6  thrice half        R8   where an inner loop ends
//	R3  v's end
//
//	V0-V3  numbers   V4-V7  signs, and numbers after a step   V16  swapped
//	V20    negates 1 and 3   V21  negates 2 and 3   V22  scale
//
// # Registers of mixNEON
//
//	R0  low   R1  high   R2  blocks left   R3  constants
//
//	V0-V1  a pair   V4-V5  the pair turned   V6  the square root of 2   V7  a half

// FMUL4(m, n, d): FMUL Vd.4S, Vn.4S, Vm.4S
#define FMUL4(m, n, d) WORD $(0x6e20dc00 | m<<16 | n<<5 | d)

// FADD4(m, n, d): FADD Vd.4S, Vn.4S, Vm.4S
#define FADD4(m, n, d) WORD $(0x4e20d400 | m<<16 | n<<5 | d)

// FSUB4(m, n, d): FSUB Vd.4S, Vn.4S, Vm.4S, that is n-m
#define FSUB4(m, n, d) WORD $(0x4ea0d400 | m<<16 | n<<5 | d)

// INSIDE takes the steps of numbers 1 and 2 apart; v is the register's name, n its number.
#define INSIDE(v, n) \
	VREV64 v.S4, V16.S4; \
	VEOR V20.B16, v.B16, v.B16; \
	FADD4(n, 16, n); \
	VEXT $8, v.B16, v.B16, V16.B16; \
	VEOR V21.B16, v.B16, v.B16; \
	FADD4(n, 16, n)

// MEET takes two steps between V0 to V3.
#define MEET \
	FADD4(1, 0, 4); \
	FSUB4(1, 0, 5); \
	FADD4(3, 2, 6); \
	FSUB4(3, 2, 7); \
	FADD4(6, 4, 0); \
	FADD4(7, 5, 1); \
	FSUB4(6, 4, 2); \
	FSUB4(7, 5, 3)

// func transformNEON(v, signs *float32, n int, scale float32)
TEXT ·transformNEON(SB), NOSPLIT, $0-28
	MOVD v+0(FP), R0
	MOVD signs+8(FP), R1
	MOVD n+16(FP), R2
	LSL  $2, R2, R2
	ADD  R2, R0, R3
	MOVD $0x8000000000000000, R7
	VDUP R7, V20.D2
	MOVD $0x8000000080000000, R7
	VEOR V21.B16, V21.B16, V21.B16
	VMOV R7, V21.D[1]

	// 16 numbers at a time: those 1, 2, 4 and 8 apart.
	MOVD R0, R7

first:
	VLD1   (R7), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]
	FMUL4(4, 0, 0)
	FMUL4(5, 1, 1)
	FMUL4(6, 2, 2)
	FMUL4(7, 3, 3)
	INSIDE(V0, 0)
	INSIDE(V1, 1)
	INSIDE(V2, 2)
	INSIDE(V3, 3)
	MEET
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R7)
	CMP    R3, R7
	BNE    first

	// Two steps at a time, of numbers half and twice half apart.
	MOVD $64, R4

pass:
	LSL $1, R4, R5
	ADD R4, R5, R6
	CMP R2, R6
	BHS last
	MOVD R0, R7

block:
	ADD R4, R7, R8
	ADD R4, R7, R9
	ADD R5, R7, R10
	ADD R6, R7, R11

two:
	VLD1   (R7), [V0.S4]
	VLD1   (R9), [V1.S4]
	VLD1   (R10), [V2.S4]
	VLD1   (R11), [V3.S4]
	MEET
	VST1.P [V0.S4], 16(R7)
	VST1.P [V1.S4], 16(R9)
	VST1.P [V2.S4], 16(R10)
	VST1.P [V3.S4], 16(R11)
	CMP    R8, R7
	BNE    two
	ADD    R6, R7, R7
	CMP    R3, R7
	BNE    block
	LSL    $2, R4, R4
	B      pass

	// One step may be left; then the scale.
last:
	CMP  R2, R4
	BEQ  scale
	MOVD R0, R7
	ADD  R4, R0, R8
	ADD  R4, R0, R9

one:
	VLD1   (R7), [V0.S4]
	VLD1   (R9), [V1.S4]
	FADD4(1, 0, 4)
	FSUB4(1, 0, 5)
	VST1.P [V4.S4], 16(R7)
	VST1.P [V5.S4], 16(R9)
	CMP    R8, R7
	BNE    one

scale:
	MOVWU scale+24(FP), R7
	VDUP  R7, V22.S4

next:
	VLD1   (R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	FMUL4(22, 0, 0)
	FMUL4(22, 1, 1)
	FMUL4(22, 2, 2)
	FMUL4(22, 3, 3)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	CMP    R3, R0
	BNE    next
	RET

// func mixNEON(low, high *float32, blocks int)
TEXT ·mixNEON(SB), NOSPLIT, $0-24
	MOVD low+0(FP), R0
	MOVD high+8(FP), R1
	MOVD blocks+16(FP), R2
	MOVD $0x3fb504f3, R3 // the square root of 2
	VDUP R3, V6.S4
	MOVD $0x3f000000, R3 // a half
	VDUP R3, V7.S4
	CBZ  R2, done

pair:
	VLD1   (R0), [V0.S4]
	VLD1   (R1), [V1.S4]
	FADD4(1, 0, 4)
	FSUB4(1, 0, 5)
	FMUL4(6, 4, 4)
	FMUL4(6, 5, 5)
	FMUL4(7, 4, 4)
	FMUL4(7, 5, 5)
	VST1.P [V4.S4], 16(R0)
	VST1.P [V5.S4], 16(R1)
	SUB    $1, R2, R2
	CBNZ   R2, pair

done:
	RET
