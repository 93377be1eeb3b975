//go:build !purego

#include "textflag.h"

// The kernels of package basis for NEON, by hand: the generator of the amd64 kernels knows
// no arm64. What a kernel computes is written in generic.go.
//
// # Algorithm
//
// The 16 lanes of a block are in four registers. multiplyNEON takes four rows at a time,
// with four registers of sums each, and goes over the columns twice; addNEON takes all
// eight rows for the 16 numbers of a block. Sums are in the order of the twin, and nothing
// is fused: so the bits are the same.
//
// The assembler has no FMUL and FADD for vectors: the macros below write their words, with
// operands in the assembler's order and registers by number, 0 to 31.
//
// # Bounds
//
// The 8 rows and one vector's part of each block are read, and of the products, or of the
// vector, written; nothing ahead. No alignment is needed.
//
// # Registers of multiplyNEON
//
//	R0  products   R2  x         R4  from a block of x to the next   R6  a place in x
//	R1  rows       R3  blocks    R5  a place in rows                 R7  blocks left
//	R8  passes left
//
//	V0-V15  sums, four registers a row   V16-V19  of x   V20-V23  of a row   V24-V27  products
//
// # Registers of addNEON
//
//	R0  x   R1  rows   R2  factors   R3  blocks left   R4  from a block of x to the next
//
//	V0-V3  of x   V4-V7  of a row   V8-V11  products   V16-V23  factors   V24-V25  before they are repeated

// FMUL4(m, n, d): FMUL Vd.4S, Vn.4S, Vm.4S
#define FMUL4(m, n, d) WORD $(0x6e20dc00 | (m)<<16 | (n)<<5 | (d))

// FADD4(m, n, d): FADD Vd.4S, Vn.4S, Vm.4S
#define FADD4(m, n, d) WORD $(0x4e20d400 | (m)<<16 | (n)<<5 | (d))

// ROW adds the products of 16 numbers of the next row, and of x, to sums s to s+3.
#define ROW(s) \
	VLD1.P 64(R5), [V20.S4, V21.S4, V22.S4, V23.S4]; \
	FMUL4(20, 16, 24); \
	FMUL4(21, 17, 25); \
	FMUL4(22, 18, 26); \
	FMUL4(23, 19, 27); \
	FADD4(24, s, s); \
	FADD4(25, s+1, s+1); \
	FADD4(26, s+2, s+2); \
	FADD4(27, s+3, s+3)

// LANES adds the lanes of sums s to s+3 that are 8 apart, and then 4, and leaves four in s.
#define LANES(s) \
	FADD4(s+2, s, s); \
	FADD4(s+3, s+1, s+1); \
	FADD4(s+1, s, s)

// func multiplyNEON(products, rows, x *float32, blocks, vectors int)
TEXT ·multiplyNEON(SB), NOSPLIT, $0-40
	MOVD products+0(FP), R0
	MOVD rows+8(FP), R1
	MOVD x+16(FP), R2
	MOVD blocks+24(FP), R3
	MOVD vectors+32(FP), R4
	LSL  $6, R4, R4
	MOVD $2, R8

pass:
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16
	VEOR V4.B16, V4.B16, V4.B16
	VEOR V5.B16, V5.B16, V5.B16
	VEOR V6.B16, V6.B16, V6.B16
	VEOR V7.B16, V7.B16, V7.B16
	VEOR V8.B16, V8.B16, V8.B16
	VEOR V9.B16, V9.B16, V9.B16
	VEOR V10.B16, V10.B16, V10.B16
	VEOR V11.B16, V11.B16, V11.B16
	VEOR V12.B16, V12.B16, V12.B16
	VEOR V13.B16, V13.B16, V13.B16
	VEOR V14.B16, V14.B16, V14.B16
	VEOR V15.B16, V15.B16, V15.B16
	MOVD R1, R5
	MOVD R2, R6
	MOVD R3, R7

block:
	VLD1 (R6), [V16.S4, V17.S4, V18.S4, V19.S4]
	ADD  R4, R6, R6
	ROW(0)
	ROW(4)
	ROW(8)
	ROW(12)
	ADD  $256, R5, R5 // the other four rows
	SUB  $1, R7, R7
	CBNZ R7, block

	// Lanes 2 and 1 apart: of two rows at a time, then of four.
	LANES(0)
	LANES(4)
	LANES(8)
	LANES(12)
	VZIP1  V4.D2, V0.D2, V16.D2
	VZIP2  V4.D2, V0.D2, V17.D2
	VZIP1  V12.D2, V8.D2, V18.D2
	VZIP2  V12.D2, V8.D2, V19.D2
	FADD4(17, 16, 16)
	FADD4(19, 18, 18)
	VUZP1  V18.S4, V16.S4, V20.S4
	VUZP2  V18.S4, V16.S4, V21.S4
	FADD4(21, 20, 20)
	VST1.P [V20.S4], 16(R0)
	ADD    $256, R1, R1
	SUB    $1, R8, R8
	CBNZ   R8, pass
	RET

// TIMES adds 16 numbers of the next row, multiplied by factor f, to those of x.
#define TIMES(f) \
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]; \
	FMUL4(4, f, 8); \
	FMUL4(5, f, 9); \
	FMUL4(6, f, 10); \
	FMUL4(7, f, 11); \
	FADD4(8, 0, 0); \
	FADD4(9, 1, 1); \
	FADD4(10, 2, 2); \
	FADD4(11, 3, 3)

// func addNEON(x, rows, factors *float32, blocks, vectors int)
TEXT ·addNEON(SB), NOSPLIT, $0-40
	MOVD x+0(FP), R0
	MOVD rows+8(FP), R1
	MOVD factors+16(FP), R2
	MOVD blocks+24(FP), R3
	MOVD vectors+32(FP), R4
	LSL  $6, R4, R4
	VLD1 (R2), [V24.S4, V25.S4]
	VDUP V24.S[0], V16.S4
	VDUP V24.S[1], V17.S4
	VDUP V24.S[2], V18.S4
	VDUP V24.S[3], V19.S4
	VDUP V25.S[0], V20.S4
	VDUP V25.S[1], V21.S4
	VDUP V25.S[2], V22.S4
	VDUP V25.S[3], V23.S4

next:
	VLD1 (R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	TIMES(16)
	TIMES(17)
	TIMES(18)
	TIMES(19)
	TIMES(20)
	TIMES(21)
	TIMES(22)
	TIMES(23)
	VST1 [V0.S4, V1.S4, V2.S4, V3.S4], (R0)
	ADD  R4, R0, R0
	SUB  $1, R3, R3
	CBNZ R3, next
	RET
