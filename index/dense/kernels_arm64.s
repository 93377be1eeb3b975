//go:build !purego

#include "textflag.h"

// The kernels of package dense for NEON, by hand: the generator of the amd64 kernels
// knows no arm64. What a kernel computes is written in generic.go.
//
//	func(a *float32, b *byte, blocks int, sums *float32)
//
// a has blocks*16 elements and b as many, in the format that the name says, sums room
// for 16, or for twice 16 (dotSquares).
//
// # Algorithm
//
// The 16 lanes of a block are four registers of four elements. Those of b become
// float32s first, as in the twin: halves exactly, int8s by one product with the scale.
// Each product is rounded and then added to the lane's one sum, in order, as in the
// twin: the fused VFMLA would round once and give other bits, and a second sum a lane
// would add in another order. So there are four chains of additions (eight in
// dotSquares), and within a block the instructions of all lanes stand side by side, so
// that none waits for its neighbour.
//
// The assembler has no FMUL, FADD and FSUB for vectors, and none of the conversions: the
// macros below write their words, with operands in the assembler's order and registers
// by number, 0 to 31. All are in every arm64: none needs the extensions for arithmetic
// in half precision.
//
// # Bounds
//
// Only whole blocks are read, of a 64 bytes each and of b 64, 32 or 16, nothing ahead,
// and nothing when there are none; sums are written at the end. No alignment is needed.
//
// # Registers
//
//	R0  a's next block     V0-V3    the block of a, then what is added
//	R1  b's next block     V4-V7    the block of b, then its squares
//	R2  blocks left        V16-V19  sums
//	R3  sums               V20-V23  sums of squares
//	                       V24      the scale of b (int8)

// FMUL4(m, n, d): FMUL Vd.4S, Vn.4S, Vm.4S
#define FMUL4(m, n, d) WORD $(0x6e20dc00 | m<<16 | n<<5 | d)

// FADD4(m, n, d): FADD Vd.4S, Vn.4S, Vm.4S
#define FADD4(m, n, d) WORD $(0x4e20d400 | m<<16 | n<<5 | d)

// FSUB4(m, n, d): FSUB Vd.4S, Vn.4S, Vm.4S, that is n-m
#define FSUB4(m, n, d) WORD $(0x4ea0d400 | m<<16 | n<<5 | d)

// FCVTL4(n, d): FCVTL Vd.4S, Vn.4H, the lower four halves; FCVTL4H the higher
#define FCVTL4(n, d)  WORD $(0x0e217800 | n<<5 | d)
#define FCVTL4H(n, d) WORD $(0x4e217800 | n<<5 | d)

// SHLL4(n, d): SHLL Vd.4S, Vn.4H, #16, the lower four; SHLL4H the higher
#define SHLL4(n, d)  WORD $(0x2e613800 | n<<5 | d)
#define SHLL4H(n, d) WORD $(0x6e613800 | n<<5 | d)

// SXTL8(n, d): SXTL Vd.8H, Vn.8B, the lower eight; SXTL8H the higher
#define SXTL8(n, d)  WORD $(0x0f08a400 | n<<5 | d)
#define SXTL8H(n, d) WORD $(0x4f08a400 | n<<5 | d)

// SXTL4(n, d): SXTL Vd.4S, Vn.4H, the lower four; SXTL4H the higher
#define SXTL4(n, d)  WORD $(0x0f10a400 | n<<5 | d)
#define SXTL4H(n, d) WORD $(0x4f10a400 | n<<5 | d)

// SCVTF4(n, d): SCVTF Vd.4S, Vn.4S
#define SCVTF4(n, d) WORD $(0x4e21d800 | n<<5 | d)

#define ARGUMENTS \
	MOVD a+0(FP), R0; \
	MOVD b+8(FP), R1; \
	MOVD blocks+16(FP), R2; \
	MOVD sums+24(FP), R3

#define CLEAR(v) VEOR v.B16, v.B16, v.B16

#define CLEAR_SUMS \
	CLEAR(V16); \
	CLEAR(V17); \
	CLEAR(V18); \
	CLEAR(V19)

#define CLEAR_SQUARES \
	CLEAR(V20); \
	CLEAR(V21); \
	CLEAR(V22); \
	CLEAR(V23)

#define LOAD_A VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]

// The loads of b's block, by its format.

#define LOAD_FLOAT32 VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]

#define LOAD_FLOAT16 \
	VLD1.P 32(R1), [V4.H8, V5.H8]; \
	FCVTL4H(5, 7); \
	FCVTL4(5, 6); \
	FCVTL4H(4, 5); \
	FCVTL4(4, 4)

#define LOAD_BFLOAT16 \
	VLD1.P 32(R1), [V4.H8, V5.H8]; \
	SHLL4H(5, 7); \
	SHLL4(5, 6); \
	SHLL4H(4, 5); \
	SHLL4(4, 4)

#define LOAD_SCALE VLD1R.P 4(R1), [V24.S4]

#define LOAD_INT8 \
	VLD1.P 16(R1), [V4.B16]; \
	SXTL8H(4, 6); \
	SXTL8(4, 4); \
	SXTL4H(6, 7); \
	SXTL4(6, 6); \
	SXTL4H(4, 5); \
	SXTL4(4, 4); \
	SCVTF4(4, 4); \
	SCVTF4(5, 5); \
	SCVTF4(6, 6); \
	SCVTF4(7, 7); \
	FMUL4(24, 4, 4); \
	FMUL4(24, 5, 5); \
	FMUL4(24, 6, 6); \
	FMUL4(24, 7, 7)

// What is done with the two blocks.

#define ADD_PRODUCTS \
	FMUL4(4, 0, 0); \
	FMUL4(5, 1, 1); \
	FMUL4(6, 2, 2); \
	FMUL4(7, 3, 3); \
	FADD4(0, 16, 16); \
	FADD4(1, 17, 17); \
	FADD4(2, 18, 18); \
	FADD4(3, 19, 19)

#define ADD_SQUARES_OF_B \
	FMUL4(4, 4, 4); \
	FMUL4(5, 5, 5); \
	FMUL4(6, 6, 6); \
	FMUL4(7, 7, 7); \
	FADD4(4, 20, 20); \
	FADD4(5, 21, 21); \
	FADD4(6, 22, 22); \
	FADD4(7, 23, 23)

#define ADD_SQUARED_DIFFERENCES \
	FSUB4(4, 0, 0); \
	FSUB4(5, 1, 1); \
	FSUB4(6, 2, 2); \
	FSUB4(7, 3, 3); \
	FMUL4(0, 0, 0); \
	FMUL4(1, 1, 1); \
	FMUL4(2, 2, 2); \
	FMUL4(3, 3, 3); \
	FADD4(0, 16, 16); \
	FADD4(1, 17, 17); \
	FADD4(2, 18, 18); \
	FADD4(3, 19, 19)

// func dotFloat32NEON(a *float32, b *byte, blocks int, sums *float32)
TEXT ·dotFloat32NEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR_SUMS
	CBZ  R2, done

block:
	LOAD_A
	LOAD_FLOAT32
	ADD_PRODUCTS
	SUBS $1, R2, R2
	BNE  block

done:
	VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R3)
	RET

// func dotSquaresFloat32NEON(a *float32, b *byte, blocks int, sums *float32)
TEXT ·dotSquaresFloat32NEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR_SUMS
	CLEAR_SQUARES
	CBZ  R2, done

block:
	LOAD_A
	LOAD_FLOAT32
	ADD_PRODUCTS
	ADD_SQUARES_OF_B
	SUBS $1, R2, R2
	BNE  block

done:
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R3)
	VST1   [V20.S4, V21.S4, V22.S4, V23.S4], (R3)
	RET

// func squaredL2Float32NEON(a *float32, b *byte, blocks int, sums *float32)
TEXT ·squaredL2Float32NEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR_SUMS
	CBZ  R2, done

block:
	LOAD_A
	LOAD_FLOAT32
	ADD_SQUARED_DIFFERENCES
	SUBS $1, R2, R2
	BNE  block

done:
	VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R3)
	RET

// func dotFloat16NEON(a *float32, b *byte, blocks int, sums *float32)
TEXT ·dotFloat16NEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR_SUMS
	CBZ  R2, done

block:
	LOAD_A
	LOAD_FLOAT16
	ADD_PRODUCTS
	SUBS $1, R2, R2
	BNE  block

done:
	VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R3)
	RET

// func dotSquaresFloat16NEON(a *float32, b *byte, blocks int, sums *float32)
TEXT ·dotSquaresFloat16NEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR_SUMS
	CLEAR_SQUARES
	CBZ  R2, done

block:
	LOAD_A
	LOAD_FLOAT16
	ADD_PRODUCTS
	ADD_SQUARES_OF_B
	SUBS $1, R2, R2
	BNE  block

done:
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R3)
	VST1   [V20.S4, V21.S4, V22.S4, V23.S4], (R3)
	RET

// func squaredL2Float16NEON(a *float32, b *byte, blocks int, sums *float32)
TEXT ·squaredL2Float16NEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR_SUMS
	CBZ  R2, done

block:
	LOAD_A
	LOAD_FLOAT16
	ADD_SQUARED_DIFFERENCES
	SUBS $1, R2, R2
	BNE  block

done:
	VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R3)
	RET

// func dotBFloat16NEON(a *float32, b *byte, blocks int, sums *float32)
TEXT ·dotBFloat16NEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR_SUMS
	CBZ  R2, done

block:
	LOAD_A
	LOAD_BFLOAT16
	ADD_PRODUCTS
	SUBS $1, R2, R2
	BNE  block

done:
	VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R3)
	RET

// func dotSquaresBFloat16NEON(a *float32, b *byte, blocks int, sums *float32)
TEXT ·dotSquaresBFloat16NEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR_SUMS
	CLEAR_SQUARES
	CBZ  R2, done

block:
	LOAD_A
	LOAD_BFLOAT16
	ADD_PRODUCTS
	ADD_SQUARES_OF_B
	SUBS $1, R2, R2
	BNE  block

done:
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R3)
	VST1   [V20.S4, V21.S4, V22.S4, V23.S4], (R3)
	RET

// func squaredL2BFloat16NEON(a *float32, b *byte, blocks int, sums *float32)
TEXT ·squaredL2BFloat16NEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR_SUMS
	CBZ  R2, done

block:
	LOAD_A
	LOAD_BFLOAT16
	ADD_SQUARED_DIFFERENCES
	SUBS $1, R2, R2
	BNE  block

done:
	VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R3)
	RET

// func dotInt8NEON(a *float32, b *byte, blocks int, sums *float32)
TEXT ·dotInt8NEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR_SUMS
	CBZ  R2, done
	LOAD_SCALE

block:
	LOAD_A
	LOAD_INT8
	ADD_PRODUCTS
	SUBS $1, R2, R2
	BNE  block

done:
	VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R3)
	RET

// func dotSquaresInt8NEON(a *float32, b *byte, blocks int, sums *float32)
TEXT ·dotSquaresInt8NEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR_SUMS
	CLEAR_SQUARES
	CBZ  R2, done
	LOAD_SCALE

block:
	LOAD_A
	LOAD_INT8
	ADD_PRODUCTS
	ADD_SQUARES_OF_B
	SUBS $1, R2, R2
	BNE  block

done:
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R3)
	VST1   [V20.S4, V21.S4, V22.S4, V23.S4], (R3)
	RET

// func squaredL2Int8NEON(a *float32, b *byte, blocks int, sums *float32)
TEXT ·squaredL2Int8NEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR_SUMS
	CBZ  R2, done
	LOAD_SCALE

block:
	LOAD_A
	LOAD_INT8
	ADD_SQUARED_DIFFERENCES
	SUBS $1, R2, R2
	BNE  block

done:
	VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R3)
	RET
