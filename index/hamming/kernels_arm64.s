//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// The kernels of package hamming for NEON, by hand: the generator of the amd64 kernels
// knows no arm64. What a kernel computes is written in generic.go; sizes have been checked
// by Tile.Scan and SumSet.
//
//	func(out, tile, rows *byte, groups int, limits *float32) (matches int)
//
// out is []Match, tile a *Tile and rows a *Rows; their offsets come from go_asm.h, which the
// compiler writes. groups, the columns and their widths and planes are 1 or more.
//
// # Algorithm
//
// Half a group is taken at a time, 32 rows: of two lines that is four registers of bytes,
// which become eight of half bytes, once for all queries of the tile. For each query TBL
// looks them up in four tables of 16 bytes, four bytes a row are added, at most 4*60, and
// UADDW and UADDW2 add the sums to the distances, 16 bits a row, in the order of rows.
// Between two planes distances double. At a column's end they become float32s, and the
// scores, which lie in memory, get their part.
//
// Products are rounded before they are added, as in the twin: the fused VFMLA would round
// once and give other bits.
//
// The assembler has no FMUL, FADD and FCMGT for vectors, and none of the conversions: the
// macros below write their words, with operands in the assembler's order and registers by
// number, 0 to 31.
//
// # Bounds
//
// Only lines, factors, offsets and scales of the groups are read, and nothing ahead. A
// match is written whole but for its byte 5. One whose mask turns out to be zero is
// overwritten by the next: there is room for all.
//
// # Registers of the scans
//
//	R0   where the next match goes     R8   columns left
//	R1   tile                          R9   the next tables
//	R2   rows                          R10  the next line
//	R3   rows in all                   R11  the tables of the column
//	R4   limits                        R12  planes left
//	R5   the first row at hand         R13  pairs of lines left in the plane
//	R6   matches                       R14  the next terms
//	R7   the column                    R15  scores
//	                                   R16, R17, R19-R21  scratch
//
//	V0-V15   distances of the 32 rows, 8 lanes of 16 bits, four registers a query
//	V16-V23  half bytes: of the first line the low ones and the high ones, then of the second
//	V24-V27  tables
//	V28-V30  scratch
//	V31      0x0f in each byte
//
// Behind the last column all but V31 is scratch.

// FMUL4(m, n, d): FMUL Vd.4S, Vn.4S, Vm.4S
#define FMUL4(m, n, d) WORD $(0x6e20dc00 | m<<16 | n<<5 | d)

// FADD4(m, n, d): FADD Vd.4S, Vn.4S, Vm.4S
#define FADD4(m, n, d) WORD $(0x4e20d400 | m<<16 | n<<5 | d)

// FCMGT4(m, n, d): FCMGT Vd.4S, Vn.4S, Vm.4S, that is n > m
#define FCMGT4(m, n, d) WORD $(0x6ea0e400 | m<<16 | n<<5 | d)

// UCVTF4(n, d): UCVTF Vd.4S, Vn.4S
#define UCVTF4(n, d) WORD $(0x6e21d800 | n<<5 | d)

// FCVTL4(n, d): FCVTL Vd.4S, Vn.4H, the lower four halves; FCVTL4H the higher
#define FCVTL4(n, d)  WORD $(0x0e217800 | n<<5 | d)
#define FCVTL4H(n, d) WORD $(0x4e217800 | n<<5 | d)

// SHLL4(n, d): SHLL Vd.4S, Vn.4H, #16, the lower four; SHLL4H the higher
#define SHLL4(n, d)  WORD $(0x2e613800 | n<<5 | d)
#define SHLL4H(n, d) WORD $(0x6e613800 | n<<5 | d)

// ONE to FOUR do M for each query of a tile: its number, its four registers of distances,
// and a label.
#define ONE(M)   M(0, V0, V1, V2, V3, none0)
#define TWO(M)   ONE(M); M(1, V4, V5, V6, V7, none1)
#define THREE(M) TWO(M); M(2, V8, V9, V10, V11, none2)
#define FOUR(M)  THREE(M); M(3, V12, V13, V14, V15, none3)

// START sets the scores of query j to the products of its offset with those of the rows, at
// R16. R17 is the next scores.
#define START(j, a, b, c, d, label) \
	ADD     $(Tile_offsets+4*j), R1, R19; \
	VLD1R   (R19), [V28.S4]; \
	MOVD    R16, R20; \
	VLD1.P  64(R20), [V16.S4, V17.S4, V18.S4, V19.S4]; \
	VLD1    (R20), [V20.S4, V21.S4, V22.S4, V23.S4]; \
	FMUL4(28, 16, 16); \
	FMUL4(28, 17, 17); \
	FMUL4(28, 18, 18); \
	FMUL4(28, 19, 19); \
	FMUL4(28, 20, 20); \
	FMUL4(28, 21, 21); \
	FMUL4(28, 22, 22); \
	FMUL4(28, 23, 23); \
	VST1.P  [V16.S4, V17.S4, V18.S4, V19.S4], 64(R17); \
	VST1.P  [V20.S4, V21.S4, V22.S4, V23.S4], 64(R17)

#define CLEAR(j, a, b, c, d, label) \
	VEOR a.B16, a.B16, a.B16; \
	VEOR b.B16, b.B16, b.B16; \
	VEOR c.B16, c.B16, c.B16; \
	VEOR d.B16, d.B16, d.B16

#define DOUBLE(j, a, b, c, d, label) \
	VADD a.H8, a.H8, a.H8; \
	VADD b.H8, b.H8, b.H8; \
	VADD c.H8, c.H8, c.H8; \
	VADD d.H8, d.H8, d.H8

// NIBBLES loads two lines into V16-V23.
#define NIBBLES \
	ADD   $const_Lanes, R10, R16; \
	VLD1  (R10), [V16.B16, V17.B16]; \
	VLD1  (R16), [V20.B16, V21.B16]; \
	ADD   $(2*const_Lanes), R10; \
	VUSHR $4, V16.B16, V18.B16; \
	VUSHR $4, V17.B16, V19.B16; \
	VUSHR $4, V20.B16, V22.B16; \
	VUSHR $4, V21.B16, V23.B16; \
	VAND  V31.B16, V16.B16, V16.B16; \
	VAND  V31.B16, V17.B16, V17.B16; \
	VAND  V31.B16, V20.B16, V20.B16; \
	VAND  V31.B16, V21.B16, V21.B16

// LOOK_UP adds to the distances of a query what the half bytes in V16-V23 add.
#define LOOK_UP(j, a, b, c, d, label) \
	VLD1.P  64(R9), [V24.B16, V25.B16, V26.B16, V27.B16]; \
	VTBL    V16.B16, [V24.B16], V28.B16; \
	VTBL    V17.B16, [V24.B16], V29.B16; \
	VTBL    V18.B16, [V25.B16], V24.B16; \
	VTBL    V19.B16, [V25.B16], V25.B16; \
	VTBL    V20.B16, [V26.B16], V30.B16; \
	VTBL    V21.B16, [V26.B16], V26.B16; \
	VADD    V24.B16, V28.B16, V28.B16; \
	VADD    V25.B16, V29.B16, V29.B16; \
	VTBL    V22.B16, [V27.B16], V24.B16; \
	VTBL    V23.B16, [V27.B16], V25.B16; \
	VADD    V30.B16, V28.B16, V28.B16; \
	VADD    V26.B16, V29.B16, V29.B16; \
	VADD    V24.B16, V28.B16, V28.B16; \
	VADD    V25.B16, V29.B16, V29.B16; \
	VUADDW  V28.B8, a.H8, a.H8; \
	VUADDW2 V28.B16, b.H8, b.H8; \
	VUADDW  V29.B8, c.H8, c.H8; \
	VUADDW2 V29.B16, d.H8, d.H8

// PART adds to eight scores, at R17, what the distances in n make with the factors in f, of
// that number. A is in V16, and -B in V17.
#define PART(n, f) \
	VUXTL  n.H4, V28.S4; \
	VUXTL2 n.H8, V29.S4; \
	UCVTF4(28, 28); \
	UCVTF4(29, 29); \
	VLD1   (R17), [V18.S4, V19.S4]; \
	FMUL4(17, 28, 28); \
	FMUL4(17, 29, 29); \
	SHLL4(f, 20); \
	SHLL4H(f, 21); \
	FADD4(28, 16, 28); \
	FADD4(29, 16, 29); \
	FMUL4(28, 20, 28); \
	FMUL4(29, 21, 29); \
	FADD4(28, 18, 18); \
	FADD4(29, 19, 19); \
	VST1.P [V18.S4, V19.S4], 32(R17)

// FINISH does PART for a query, with the factors in V24-V27.
#define FINISH(j, a, b, c, d, label) \
	VLD1R.P 4(R14), [V16.S4]; \
	VLD1R.P 4(R14), [V17.S4]; \
	PART(a, 24); \
	PART(b, 25); \
	PART(c, 26); \
	PART(d, 27)

// SCALE multiplies the scores of a query, at R17, with V0-V7.
#define SCALE(j, a, b, c, d, label) \
	MOVD   R17, R20; \
	VLD1.P 64(R20), [V16.S4, V17.S4, V18.S4, V19.S4]; \
	VLD1   (R20), [V20.S4, V21.S4, V22.S4, V23.S4]; \
	FMUL4(0, 16, 16); \
	FMUL4(1, 17, 17); \
	FMUL4(2, 18, 18); \
	FMUL4(3, 19, 19); \
	FMUL4(4, 20, 20); \
	FMUL4(5, 21, 21); \
	FMUL4(6, 22, 22); \
	FMUL4(7, 23, 23); \
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R17); \
	VST1.P [V20.S4, V21.S4, V22.S4, V23.S4], 64(R17)

// RUN writes the match of query j that begins at row first of those at hand, if the mask in
// R16, of 16 bits, is not zero. R20 is its scores' end, and R19 its scores.
#define RUN(j, first) \
	ADD     $first, R5, R20; \
	MOVW    R20, Match_Row(R0); \
	MOVD    $j, R20; \
	MOVB    R20, Match_Query(R0); \
	MOVH    R16, Match_Mask(R0); \
	VLD1.P  64(R19), [V0.S4, V1.S4, V2.S4, V3.S4]; \
	ADD     $Match_Scores, R0, R20; \
	VST1    [V0.S4, V1.S4, V2.S4, V3.S4], (R20); \
	CMP     $0, R16; \
	CSET    NE, R20; \
	ADD     R20, R6; \
	MOVD    $Match__size, R16; \
	MADD    R16, R0, R20, R0

// MATCHES writes the matches of query j, whose scores are at R17. V30 has the bit of each
// lane of a byte, twice.
#define MATCHES(j, a, b, c, d, label) \
	ADD    $(4*j), R4, R16; \
	VLD1R  (R16), [V16.S4]; \
	MOVD   R17, R19; \
	VLD1.P 64(R17), [V0.S4, V1.S4, V2.S4, V3.S4]; \
	VLD1.P 64(R17), [V4.S4, V5.S4, V6.S4, V7.S4]; \
	FCMGT4(16, 0, 0); \
	FCMGT4(16, 1, 1); \
	FCMGT4(16, 2, 2); \
	FCMGT4(16, 3, 3); \
	FCMGT4(16, 4, 4); \
	FCMGT4(16, 5, 5); \
	FCMGT4(16, 6, 6); \
	FCMGT4(16, 7, 7); \
	VUZP1  V1.H8, V0.H8, V0.H8; \
	VUZP1  V3.H8, V2.H8, V2.H8; \
	VUZP1  V5.H8, V4.H8, V4.H8; \
	VUZP1  V7.H8, V6.H8, V6.H8; \
	VUZP1  V2.B16, V0.B16, V0.B16; \
	VUZP1  V6.B16, V4.B16, V4.B16; \
	VAND   V30.B16, V0.B16, V0.B16; \
	VAND   V30.B16, V4.B16, V4.B16; \
	VADDP  V4.B16, V0.B16, V0.B16; \
	VADDP  V0.B16, V0.B16, V0.B16; \
	VADDP  V0.B16, V0.B16, V0.B16; \
	VMOV   V0.S[0], R16; \
	CBZ    R16, label; \
	LSR    $16, R16, R21; \
	AND    $0xffff, R16; \
	RUN(j, 0); \
	MOVD   R21, R16; \
	RUN(j, 16); \
label:

#define ARGUMENTS \
	MOVD  out+0(FP), R0; \
	MOVD  tile+8(FP), R1; \
	MOVD  rows+16(FP), R2; \
	MOVD  groups+24(FP), R3; \
	MOVD  limits+32(FP), R4; \
	LSL   $6, R3, R3; \
	MOVD  ZR, R5; \
	MOVD  ZR, R6; \
	MOVD  Tile_scores(R1), R15; \
	VMOVI $0x0f, V31.B16

// SCAN does everything for a tile of EACH, ONE to FOUR.
#define SCAN(EACH) \
rows: \
	MOVD Rows_Offsets(R2), R16; \
	ADD  R5<<2, R16, R16; \
	MOVD R15, R17; \
	EACH(START); \
	MOVD Rows_Columns(R2), R7; \
	MOVD (Rows_Columns+8)(R2), R8; \
	MOVD Tile_tables(R1), R9; \
	MOVD Tile_terms(R1), R14; \
column: \
	MOVD Column_Lines(R7), R10; \
	MOVD Column_Width(R7), R16; \
	MOVD Column_Planes(R7), R12; \
	MUL  R12, R16, R16; \
	LSL  $9, R16, R16; \
	LSR  $6, R5, R17; \
	MUL  R17, R16, R16; \
	ADD  R16, R10, R10; \
	AND  $(const_Lanes-1), R5, R16; \
	ADD  R16, R10, R10; \
	MOVD R9, R11; \
	EACH(CLEAR); \
plane: \
	MOVD R11, R9; \
	MOVD Column_Width(R7), R13; \
	LSL  $2, R13, R13; \
pair: \
	NIBBLES; \
	EACH(LOOK_UP); \
	SUBS $1, R13, R13; \
	BNE  pair; \
	SUBS $1, R12, R12; \
	BEQ  finish; \
	EACH(DOUBLE); \
	B    plane; \
finish: \
	MOVD Column_Factors(R7), R16; \
	ADD  R5<<1, R16, R16; \
	VLD1 (R16), [V24.H8, V25.H8, V26.H8, V27.H8]; \
	MOVD R15, R17; \
	EACH(FINISH); \
	ADD  $Column__size, R7; \
	SUBS $1, R8, R8; \
	BNE  column; \
	MOVD Rows_Scales(R2), R16; \
	CBZ  R16, scaled; \
	ADD  R5<<1, R16, R16; \
	VLD1 (R16), [V24.H8, V25.H8, V26.H8, V27.H8]; \
	FCVTL4(24, 0); \
	FCVTL4H(24, 1); \
	FCVTL4(25, 2); \
	FCVTL4H(25, 3); \
	FCVTL4(26, 4); \
	FCVTL4H(26, 5); \
	FCVTL4(27, 6); \
	FCVTL4H(27, 7); \
	MOVD R15, R17; \
	EACH(SCALE); \
scaled: \
	MOVD $0x8040201008040201, R16; \
	VDUP R16, V30.D2; \
	MOVD R15, R17; \
	EACH(MATCHES); \
	ADD  $32, R5; \
	CMP  R3, R5; \
	BLT  rows

// func scan1NEON(out, tile, rows *byte, groups int, limits *float32) (matches int)
TEXT ·scan1NEON(SB), NOSPLIT, $0-48
	ARGUMENTS
	SCAN(ONE)
	MOVD R6, matches+40(FP)
	RET

// func scan2NEON(out, tile, rows *byte, groups int, limits *float32) (matches int)
TEXT ·scan2NEON(SB), NOSPLIT, $0-48
	ARGUMENTS
	SCAN(TWO)
	MOVD R6, matches+40(FP)
	RET

// func scan3NEON(out, tile, rows *byte, groups int, limits *float32) (matches int)
TEXT ·scan3NEON(SB), NOSPLIT, $0-48
	ARGUMENTS
	SCAN(THREE)
	MOVD R6, matches+40(FP)
	RET

// func scan4NEON(out, tile, rows *byte, groups int, limits *float32) (matches int)
TEXT ·scan4NEON(SB), NOSPLIT, $0-48
	ARGUMENTS
	SCAN(FOUR)
	MOVD R6, matches+40(FP)
	RET

// ADD_SET adds four of 32 numbers, in x, to the lanes s, both by name and number, where the
// half of a word in V24 has the bits.
#define ADD_SET(bits, x, xn, sn) \
	VCMTST bits.S4, V24.S4, V29.S4; \
	VAND   V29.B16, x.B16, x.B16; \
	FADD4(xn, sn, sn)

// ADD_HALF adds 32 numbers to the lanes of eight registers.
#define ADD_HALF(s0, s1, s2, s3, s4, s5, s6, s7) \
	VLD1R.P 4(R1), [V24.S4]; \
	VLD1.P  64(R0), [V25.S4, V26.S4, V27.S4, V28.S4]; \
	ADD_SET(V16, V25, 25, s0); \
	ADD_SET(V17, V26, 26, s1); \
	ADD_SET(V18, V27, 27, s2); \
	ADD_SET(V19, V28, 28, s3); \
	VLD1.P  64(R0), [V25.S4, V26.S4, V27.S4, V28.S4]; \
	ADD_SET(V20, V25, 25, s4); \
	ADD_SET(V21, V26, 26, s5); \
	ADD_SET(V22, V27, 27, s6); \
	ADD_SET(V23, V28, 28, s7)

// func sumSetNEON(z *float32, words *uint64, n int) float32
//
// V0-V15 are the 64 lanes, and V16-V23 the bits of 32 numbers, four a register.
TEXT ·sumSetNEON(SB), NOSPLIT, $0-28
	MOVD z+0(FP), R0
	MOVD words+8(FP), R1
	MOVD n+16(FP), R2
	CLEAR(0, V0, V1, V2, V3, none)
	CLEAR(0, V4, V5, V6, V7, none)
	CLEAR(0, V8, V9, V10, V11, none)
	CLEAR(0, V12, V13, V14, V15, none)
	MOVD $0x0000000200000001, R3
	MOVD $0x0000000800000004, R4
	VMOV R3, V16.D[0]
	VMOV R4, V16.D[1]
	VSHL $4, V16.S4, V17.S4
	VSHL $8, V16.S4, V18.S4
	VSHL $12, V16.S4, V19.S4
	VSHL $16, V16.S4, V20.S4
	VSHL $20, V16.S4, V21.S4
	VSHL $24, V16.S4, V22.S4
	VSHL $28, V16.S4, V23.S4

word:
	ADD_HALF(0, 1, 2, 3, 4, 5, 6, 7)
	ADD_HALF(8, 9, 10, 11, 12, 13, 14, 15)
	SUBS $1, R2, R2
	BNE  word

	FADD4(8, 0, 0)
	FADD4(9, 1, 1)
	FADD4(10, 2, 2)
	FADD4(11, 3, 3)
	FADD4(12, 4, 4)
	FADD4(13, 5, 5)
	FADD4(14, 6, 6)
	FADD4(15, 7, 7)
	FADD4(4, 0, 0)
	FADD4(5, 1, 1)
	FADD4(6, 2, 2)
	FADD4(7, 3, 3)
	FADD4(2, 0, 0)
	FADD4(3, 1, 1)
	FADD4(1, 0, 0)
	VDUP  V0.D[1], V1.D2
	FADD4(1, 0, 0)
	VDUP  V0.S[1], V1.S4
	FADDS F1, F0, F0
	FMOVS F0, ret+24(FP)
	RET
