//go:build !purego

#include "textflag.h"

// The kernels of package dense for NEON, by hand: the generator of the amd64 kernels
// knows no arm64. What a kernel computes is written in generic.go.
//
// # Sums of one pair of vectors
//
//	func(a, b *float32, blocks int, sums *float64)
//
// a and b have blocks*16 elements, sums 16 numbers, or twice 16 (dotSquares), to which the
// kernel adds. The 16 lanes are eight registers of two float64s, V16 to V23, and V24 to V31
// for squares. The float32s of a block are loaded into V0 to V3 and V4 to V7 and become
// float64s in pairs. There is one sum a lane, in order, as in the twin. Products are exact,
// and squared differences are rounded once, with the sum.
//
// # Decoders
//
//	func(dst *float32, b *byte, blocks int)
//
// b has blocks*16 numbers in the format that the name says.
//
// # Tiles
//
//	func(queries *float32, queryStride int, rows *float32, rowStride int, blocks int, sums *float32)
//
// Four queries and four rows have sixteen registers of sums, V16 to V31, of four lanes
// each, so that every load serves four of them. One query and eight rows have eight. At the
// end neighbours are added until one number a sum is left: those of a row stand together.
//
// # Bounds
//
// Only whole blocks are read, nothing ahead, and nothing when there are none; what is
// written is written at the end, but for the decoders. No alignment is needed.
//
// The assembler has none of the instructions of the macros below, which write their words,
// with operands in the assembler's order and registers by number, 0 to 31. All are in every
// arm64: none needs the extensions for arithmetic in half precision.

// FMUL4(m, n, d): FMUL Vd.4S, Vn.4S, Vm.4S
#define FMUL4(m, n, d) WORD $(0x6e20dc00 | m<<16 | n<<5 | d)

// FSUB4(m, n, d): FSUB Vd.4S, Vn.4S, Vm.4S, that is n-m; FSUB2 of two float64s
#define FSUB4(m, n, d) WORD $(0x4ea0d400 | m<<16 | n<<5 | d)
#define FSUB2(m, n, d) WORD $(0x4ee0d400 | m<<16 | n<<5 | d)

// FADDP4(m, n, d): FADDP Vd.4S, Vn.4S, Vm.4S: the sums of neighbours, n's first
#define FADDP4(m, n, d) WORD $(0x6e20d400 | m<<16 | n<<5 | d)

// FCVTL2(n, d): FCVTL Vd.2D, Vn.2S, the lower two float32s; FCVTL2H the higher
#define FCVTL2(n, d)  WORD $(0x0e617800 | n<<5 | d)
#define FCVTL2H(n, d) WORD $(0x4e617800 | n<<5 | d)

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

#define CLEAR(v) VEOR v.B16, v.B16, v.B16

#define CLEAR_16_TO_23 \
	CLEAR(V16); \
	CLEAR(V17); \
	CLEAR(V18); \
	CLEAR(V19); \
	CLEAR(V20); \
	CLEAR(V21); \
	CLEAR(V22); \
	CLEAR(V23)

#define CLEAR_24_TO_31 \
	CLEAR(V24); \
	CLEAR(V25); \
	CLEAR(V26); \
	CLEAR(V27); \
	CLEAR(V28); \
	CLEAR(V29); \
	CLEAR(V30); \
	CLEAR(V31)

// Sums of one pair of vectors.

#define ARGUMENTS \
	MOVD a+0(FP), R0; \
	MOVD b+8(FP), R1; \
	MOVD blocks+16(FP), R2; \
	MOVD sums+24(FP), R3; \
	MOVD R3, R4

#define LOAD_BLOCK \
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]; \
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]

#define LOAD_SUMS \
	VLD1.P 64(R4), [V16.D2, V17.D2, V18.D2, V19.D2]; \
	VLD1.P 64(R4), [V20.D2, V21.D2, V22.D2, V23.D2]

#define LOAD_SQUARES \
	VLD1.P 64(R4), [V24.D2, V25.D2, V26.D2, V27.D2]; \
	VLD1.P 64(R4), [V28.D2, V29.D2, V30.D2, V31.D2]

#define STORE_SUMS \
	VST1.P [V16.D2, V17.D2, V18.D2, V19.D2], 64(R3); \
	VST1.P [V20.D2, V21.D2, V22.D2, V23.D2], 64(R3)

#define STORE_SQUARES \
	VST1.P [V24.D2, V25.D2, V26.D2, V27.D2], 64(R3); \
	VST1.P [V28.D2, V29.D2, V30.D2, V31.D2], 64(R3)

// WIDEN(x, y) makes float64s of registers x and y: V8 and V9, V10 and V11.
#define WIDEN(x, y) \
	FCVTL2(x, 8); \
	FCVTL2H(x, 9); \
	FCVTL2(y, 10); \
	FCVTL2H(y, 11)

#define ADD_PRODUCTS(low, high) \
	VFMLA V8.D2, V10.D2, low.D2; \
	VFMLA V9.D2, V11.D2, high.D2

#define ADD_SQUARES(low, high) \
	VFMLA V10.D2, V10.D2, low.D2; \
	VFMLA V11.D2, V11.D2, high.D2

#define ADD_DIFFERENCES(low, high) \
	FSUB2(10, 8, 8); \
	FSUB2(11, 9, 9); \
	VFMLA V8.D2, V8.D2, low.D2; \
	VFMLA V9.D2, V9.D2, high.D2

// Decoders.

#define DECODER \
	MOVD dst+0(FP), R0; \
	MOVD b+8(FP), R1; \
	MOVD blocks+16(FP), R2

#define STORE_BLOCK VST1.P [V4.S4, V5.S4, V6.S4, V7.S4], 64(R0)

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

// Tiles.

// QUERIES sets R4 to R7 to four queries.
#define QUERIES \
	MOVD queries+0(FP), R4; \
	MOVD queryStride+8(FP), R0; \
	ADD  R0, R4, R5; \
	ADD  R0, R5, R6; \
	ADD  R0, R6, R7

// ROWS4 sets R8 to R11 to four rows, R1 being their stride; ROWS8 R8 to R15 to eight.
#define ROWS4 \
	ADD R1, R8, R9; \
	ADD R1, R9, R10; \
	ADD R1, R10, R11

#define ROWS8 \
	ROWS4; \
	ADD R1, R11, R12; \
	ADD R1, R12, R13; \
	ADD R1, R13, R14; \
	ADD R1, R14, R15

#define LOAD_QUERIES \
	VLD1.P 16(R4), [V0.S4]; \
	VLD1.P 16(R5), [V1.S4]; \
	VLD1.P 16(R6), [V2.S4]; \
	VLD1.P 16(R7), [V3.S4]

#define PRODUCTS4(row, a, b, c, d) \
	VFMLA V0.S4, row.S4, a.S4; \
	VFMLA V1.S4, row.S4, b.S4; \
	VFMLA V2.S4, row.S4, c.S4; \
	VFMLA V3.S4, row.S4, d.S4

// DIFFERENCES4 takes the row by its number too.
#define DIFFERENCES4(row, a, b, c, d) \
	FSUB4(row, 0, 8); \
	FSUB4(row, 1, 9); \
	FSUB4(row, 2, 10); \
	FSUB4(row, 3, 11); \
	VFMLA V8.S4, V8.S4, a.S4; \
	VFMLA V9.S4, V9.S4, b.S4; \
	VFMLA V10.S4, V10.S4, c.S4; \
	VFMLA V11.S4, V11.S4, d.S4

#define DIFFERENCE1(row, sum) \
	FSUB4(row, 0, 8); \
	VFMLA V8.S4, V8.S4, sum.S4

// REDUCE4(a, b, c, d) leaves the four sums of four registers in register a.
#define REDUCE4(a, b, c, d) \
	FADDP4(b, a, a); \
	FADDP4(d, c, c); \
	FADDP4(c, a, a)

#define REDUCE16 \
	REDUCE4(16, 17, 18, 19); \
	REDUCE4(20, 21, 22, 23); \
	REDUCE4(24, 25, 26, 27); \
	REDUCE4(28, 29, 30, 31)

#define REDUCE8 \
	REDUCE4(16, 17, 18, 19); \
	REDUCE4(20, 21, 22, 23)

// func dotNEON(a, b *float32, blocks int, sums *float64)
TEXT ·dotNEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	LOAD_SUMS
	CBZ R2, done

block:
	LOAD_BLOCK
	WIDEN(0, 4)
	ADD_PRODUCTS(V16, V17)
	WIDEN(1, 5)
	ADD_PRODUCTS(V18, V19)
	WIDEN(2, 6)
	ADD_PRODUCTS(V20, V21)
	WIDEN(3, 7)
	ADD_PRODUCTS(V22, V23)
	SUBS $1, R2, R2
	BNE  block

done:
	STORE_SUMS
	RET

// func dotSquaresNEON(a, b *float32, blocks int, sums *float64)
TEXT ·dotSquaresNEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	LOAD_SUMS
	LOAD_SQUARES
	CBZ R2, done

block:
	LOAD_BLOCK
	WIDEN(0, 4)
	ADD_PRODUCTS(V16, V17)
	ADD_SQUARES(V24, V25)
	WIDEN(1, 5)
	ADD_PRODUCTS(V18, V19)
	ADD_SQUARES(V26, V27)
	WIDEN(2, 6)
	ADD_PRODUCTS(V20, V21)
	ADD_SQUARES(V28, V29)
	WIDEN(3, 7)
	ADD_PRODUCTS(V22, V23)
	ADD_SQUARES(V30, V31)
	SUBS $1, R2, R2
	BNE  block

done:
	STORE_SUMS
	STORE_SQUARES
	RET

// func squaredL2NEON(a, b *float32, blocks int, sums *float64)
TEXT ·squaredL2NEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	LOAD_SUMS
	CBZ R2, done

block:
	LOAD_BLOCK
	WIDEN(0, 4)
	ADD_DIFFERENCES(V16, V17)
	WIDEN(1, 5)
	ADD_DIFFERENCES(V18, V19)
	WIDEN(2, 6)
	ADD_DIFFERENCES(V20, V21)
	WIDEN(3, 7)
	ADD_DIFFERENCES(V22, V23)
	SUBS $1, R2, R2
	BNE  block

done:
	STORE_SUMS
	RET

// func decodeFloat16NEON(dst *float32, b *byte, blocks int)
TEXT ·decodeFloat16NEON(SB), NOSPLIT, $0-24
	DECODER
	CBZ R2, done

block:
	LOAD_FLOAT16
	STORE_BLOCK
	SUBS $1, R2, R2
	BNE  block

done:
	RET

// func decodeBFloat16NEON(dst *float32, b *byte, blocks int)
TEXT ·decodeBFloat16NEON(SB), NOSPLIT, $0-24
	DECODER
	CBZ R2, done

block:
	LOAD_BFLOAT16
	STORE_BLOCK
	SUBS $1, R2, R2
	BNE  block

done:
	RET

// func decodeInt8NEON(dst *float32, b *byte, blocks int, scale float32)
TEXT ·decodeInt8NEON(SB), NOSPLIT, $0-28
	DECODER
	MOVD $scale+24(FP), R3
	VLD1R (R3), [V24.S4]
	CBZ R2, done

block:
	LOAD_INT8
	STORE_BLOCK
	SUBS $1, R2, R2
	BNE  block

done:
	RET

// func dot4x4NEON(queries *float32, queryStride int, rows *float32, rowStride int, blocks int, sums *float32)
TEXT ·dot4x4NEON(SB), NOSPLIT, $0-48
	QUERIES
	MOVD rows+16(FP), R8
	MOVD rowStride+24(FP), R1
	MOVD blocks+32(FP), R2
	MOVD sums+40(FP), R3
	ROWS4
	CLEAR_16_TO_23
	CLEAR_24_TO_31
	LSL  $2, R2, R2
	CBZ  R2, done

quarter:
	LOAD_QUERIES
	VLD1.P 16(R8), [V4.S4]
	VLD1.P 16(R9), [V5.S4]
	VLD1.P 16(R10), [V6.S4]
	VLD1.P 16(R11), [V7.S4]
	PRODUCTS4(V4, V16, V17, V18, V19)
	PRODUCTS4(V5, V20, V21, V22, V23)
	PRODUCTS4(V6, V24, V25, V26, V27)
	PRODUCTS4(V7, V28, V29, V30, V31)
	SUBS $1, R2, R2
	BNE  quarter

done:
	REDUCE16
	VST1.P [V16.S4], 16(R3)
	VST1.P [V20.S4], 16(R3)
	VST1.P [V24.S4], 16(R3)
	VST1   [V28.S4], (R3)
	RET

// func squaredL24x4NEON(queries *float32, queryStride int, rows *float32, rowStride int, blocks int, sums *float32)
TEXT ·squaredL24x4NEON(SB), NOSPLIT, $0-48
	QUERIES
	MOVD rows+16(FP), R8
	MOVD rowStride+24(FP), R1
	MOVD blocks+32(FP), R2
	MOVD sums+40(FP), R3
	ROWS4
	CLEAR_16_TO_23
	CLEAR_24_TO_31
	LSL  $2, R2, R2
	CBZ  R2, done

quarter:
	LOAD_QUERIES
	VLD1.P 16(R8), [V4.S4]
	VLD1.P 16(R9), [V5.S4]
	VLD1.P 16(R10), [V6.S4]
	VLD1.P 16(R11), [V7.S4]
	DIFFERENCES4(4, V16, V17, V18, V19)
	DIFFERENCES4(5, V20, V21, V22, V23)
	DIFFERENCES4(6, V24, V25, V26, V27)
	DIFFERENCES4(7, V28, V29, V30, V31)
	SUBS $1, R2, R2
	BNE  quarter

done:
	REDUCE16
	VST1.P [V16.S4], 16(R3)
	VST1.P [V20.S4], 16(R3)
	VST1.P [V24.S4], 16(R3)
	VST1   [V28.S4], (R3)
	RET

// func dot1x8NEON(queries *float32, rows *float32, rowStride int, blocks int, sums *float32)
TEXT ·dot1x8NEON(SB), NOSPLIT, $0-40
	MOVD queries+0(FP), R4
	MOVD rows+8(FP), R8
	MOVD rowStride+16(FP), R1
	MOVD blocks+24(FP), R2
	MOVD sums+32(FP), R3
	ROWS8
	CLEAR_16_TO_23
	LSL  $2, R2, R2
	CBZ  R2, done

quarter:
	VLD1.P 16(R4), [V0.S4]
	VLD1.P 16(R8), [V4.S4]
	VLD1.P 16(R9), [V5.S4]
	VLD1.P 16(R10), [V6.S4]
	VLD1.P 16(R11), [V7.S4]
	VFMLA  V0.S4, V4.S4, V16.S4
	VFMLA  V0.S4, V5.S4, V17.S4
	VFMLA  V0.S4, V6.S4, V18.S4
	VFMLA  V0.S4, V7.S4, V19.S4
	VLD1.P 16(R12), [V4.S4]
	VLD1.P 16(R13), [V5.S4]
	VLD1.P 16(R14), [V6.S4]
	VLD1.P 16(R15), [V7.S4]
	VFMLA  V0.S4, V4.S4, V20.S4
	VFMLA  V0.S4, V5.S4, V21.S4
	VFMLA  V0.S4, V6.S4, V22.S4
	VFMLA  V0.S4, V7.S4, V23.S4
	SUBS   $1, R2, R2
	BNE    quarter

done:
	REDUCE8
	VST1.P [V16.S4], 16(R3)
	VST1   [V20.S4], (R3)
	RET

// func squaredL21x8NEON(queries *float32, rows *float32, rowStride int, blocks int, sums *float32)
TEXT ·squaredL21x8NEON(SB), NOSPLIT, $0-40
	MOVD queries+0(FP), R4
	MOVD rows+8(FP), R8
	MOVD rowStride+16(FP), R1
	MOVD blocks+24(FP), R2
	MOVD sums+32(FP), R3
	ROWS8
	CLEAR_16_TO_23
	LSL  $2, R2, R2
	CBZ  R2, done

quarter:
	VLD1.P 16(R4), [V0.S4]
	VLD1.P 16(R8), [V4.S4]
	VLD1.P 16(R9), [V5.S4]
	VLD1.P 16(R10), [V6.S4]
	VLD1.P 16(R11), [V7.S4]
	DIFFERENCE1(4, V16)
	DIFFERENCE1(5, V17)
	DIFFERENCE1(6, V18)
	DIFFERENCE1(7, V19)
	VLD1.P 16(R12), [V4.S4]
	VLD1.P 16(R13), [V5.S4]
	VLD1.P 16(R14), [V6.S4]
	VLD1.P 16(R15), [V7.S4]
	DIFFERENCE1(4, V20)
	DIFFERENCE1(5, V21)
	DIFFERENCE1(6, V22)
	DIFFERENCE1(7, V23)
	SUBS   $1, R2, R2
	BNE    quarter

done:
	REDUCE8
	VST1.P [V16.S4], 16(R3)
	VST1   [V20.S4], (R3)
	RET

// func squares1x8NEON(rows *float32, rowStride int, blocks int, sums *float32)
TEXT ·squares1x8NEON(SB), NOSPLIT, $0-32
	MOVD rows+0(FP), R8
	MOVD rowStride+8(FP), R1
	MOVD blocks+16(FP), R2
	MOVD sums+24(FP), R3
	ROWS8
	CLEAR_16_TO_23
	LSL  $2, R2, R2
	CBZ  R2, done

quarter:
	VLD1.P 16(R8), [V4.S4]
	VLD1.P 16(R9), [V5.S4]
	VLD1.P 16(R10), [V6.S4]
	VLD1.P 16(R11), [V7.S4]
	VFMLA  V4.S4, V4.S4, V16.S4
	VFMLA  V5.S4, V5.S4, V17.S4
	VFMLA  V6.S4, V6.S4, V18.S4
	VFMLA  V7.S4, V7.S4, V19.S4
	VLD1.P 16(R12), [V4.S4]
	VLD1.P 16(R13), [V5.S4]
	VLD1.P 16(R14), [V6.S4]
	VLD1.P 16(R15), [V7.S4]
	VFMLA  V4.S4, V4.S4, V20.S4
	VFMLA  V5.S4, V5.S4, V21.S4
	VFMLA  V6.S4, V6.S4, V22.S4
	VFMLA  V7.S4, V7.S4, V23.S4
	SUBS   $1, R2, R2
	BNE    quarter

done:
	REDUCE8
	VST1.P [V16.S4], 16(R3)
	VST1   [V20.S4], (R3)
	RET
