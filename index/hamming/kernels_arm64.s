//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// The scan kernels of package hamming for NEON, by hand: the generator of the amd64
// kernels knows no arm64. What a kernel computes is written in generic.go, where
// every argument is a slice; sizes have been checked by Tile.Scan.
//
//	func(out *byte, tile *uint64, columns *byte, ncolumns, groups int, limits *int64) (matches int)
//
// out is []Match, columns []Column; their offsets come from go_asm.h, which the
// compiler writes. ncolumns, groups and every Used are 1 or more.
//
// # Algorithm
//
// A line of eight rows, one word each, is four registers of two rows. Combined with
// a query (XOR; for magnitudes XOR with the signs, then AND with each plane), VCNT
// leaves the bits set in each byte, eight bytes a row. VADDP adds neighbouring bytes of
// two registers into one, so that a tree of them brings rows together:
//
//	VCNT     8 registers, 2 rows each   8 bytes a row   at most  8 a byte
//	VADDP    4 registers, 4 rows each   4 bytes a row   at most 16
//	VADDP    2 registers, 8 rows each   2 bytes a row   at most 32
//	VADDP    1 register, 8 rows twice   1 byte a row    at most 64
//
// The last step joins two lines' results: one line under two queries, or, when there
// is one query, two groups' lines. VUADDW and VUADDW2 then add the low and the high
// eight bytes to the counts, 16 bits a row: one register holds a group's counts.
//
// This takes one instruction in 25 more than ending in the pairwise UADALP, which the
// assembler does not know, and needs no step of widening in any but the longest rows.
// Sixteen bits are enough for 1023 words, 1023*64 = 65472 bits; then, and after the
// last word, WIDEN moves counts to sums of 32 bits.
//
// The sums of a scan start at minus the limit, so that a row passes if its sum is
// negative: the sign bits of 16 rows are narrowed into one register, and 64 rows' or
// fewer into one general register of one mask a byte, without a comparison. The
// limit comes back on only in a match. For that limits are clamped to 2^31-1,
// which changes no answer while sums stay below 2^31-1: rows have fewer than 2^21 words
// (magnitudes sum to at most 15*64 a word), 16 MiB.
//
// Several lines are worked on side by side in each step, so that a processor which
// does not reorder instructions has others to issue while one completes.
//
// # Bounds
//
// Only whole lines of words in use are read, 64 bytes each, and the tile's words in
// order, once a group. Nothing is read ahead. A match is 40 bytes, of which bytes 6
// and 7 are left alone. No alignment is needed beyond that of the types.
//
// # Registers, in all kernels
//
//	R0   where the next match goes     R9   the tile's next word
//	R1   tile                          R10  the group's next line
//	R2   columns                       R11  the next group's next line (scan1)
//	R3   ncolumns                      R12  words left in the column
//	R4   groups                        R13  words left before WIDEN
//	R5   the group's number            R14  words left in this run: the lesser
//	R6   matches                       R15  bytes of a group in the column
//	R7   the column                    R16, R17, R19  scratch; R16 the masks at last
//	R8   columns left
//
//	V0-V3    counts, 8 lanes of 16 bits: of query or plane 0 to 3 (scan1: of two groups in
//	         V0, V1)
//	V4-V11   sums, 8 lanes of 32 bits in a pair of registers, for each of V0-V3
//	V12-V15  minus the limit of query 0 to 3, 4 lanes of 32 bits
//	V16-V19  a line, and V20, V21 two words of the tile, in both lanes
//	V22-V29  scratch
//	V30      1, 2, 4 .. 128, twice: the bit of each lane in a mask
//	V31      0x80 in each byte: a sign bit
//
// scan1 has no use for V8-V11 as sums and keeps its second line there.

// RUN words are as many as 16 bits can count.
#define RUN 1023

// MINUS_LIMIT sets neg to minus limit j, at most 2^31-1, for limits at R16. It
// overwrites R17 and R19.
#define MINUS_LIMIT(j, neg) \
	MOVD (8*j)(R16), R17; \
	MOVD $0x7fffffff, R19; \
	CMP  R19, R17; \
	CSEL GT, R19, R17, R17; \
	NEG  R17, R17; \
	VDUP R17, neg.S4

// CONSTANTS sets V30 and V31. It overwrites R16.
#define CONSTANTS \
	MOVD  $0x8040201008040201, R16; \
	VDUP  R16, V30.D2; \
	VMOVI $0x80, V31.B16

// ADD_BITS combines line a0-a3 with the tile's word qa and b0-b3 with qb, and adds the
// bits set to the counts na and nb. It overwrites V22-V29.
#define ADD_BITS(OP, a0, a1, a2, a3, qa, na, b0, b1, b2, b3, qb, nb) \
	OP      qa.B16, a0.B16, V22.B16; \
	OP      qa.B16, a1.B16, V23.B16; \
	OP      qa.B16, a2.B16, V24.B16; \
	OP      qa.B16, a3.B16, V25.B16; \
	OP      qb.B16, b0.B16, V26.B16; \
	OP      qb.B16, b1.B16, V27.B16; \
	OP      qb.B16, b2.B16, V28.B16; \
	OP      qb.B16, b3.B16, V29.B16; \
	VCNT    V22.B16, V22.B16; \
	VCNT    V23.B16, V23.B16; \
	VCNT    V24.B16, V24.B16; \
	VCNT    V25.B16, V25.B16; \
	VCNT    V26.B16, V26.B16; \
	VCNT    V27.B16, V27.B16; \
	VCNT    V28.B16, V28.B16; \
	VCNT    V29.B16, V29.B16; \
	VADDP   V23.B16, V22.B16, V22.B16; \
	VADDP   V25.B16, V24.B16, V24.B16; \
	VADDP   V27.B16, V26.B16, V26.B16; \
	VADDP   V29.B16, V28.B16, V28.B16; \
	VADDP   V24.B16, V22.B16, V22.B16; \
	VADDP   V28.B16, V26.B16, V26.B16; \
	VADDP   V26.B16, V22.B16, V22.B16; \
	VUADDW  V22.B8, na.H8, na.H8; \
	VUADDW2 V22.B16, nb.H8, nb.H8

// LOAD_LINE loads the group's next line into V16-V19.
#define LOAD_LINE \
	VLD1.P 64(R10), [V16.B16, V17.B16, V18.B16, V19.B16]

// ADD_BITS_4 does ADD_BITS for the line in V16-V19 and four words of the tile, which R9
// walks, and V0-V3.
#define ADD_BITS_4(OP) \
	VLD1R.P 8(R9), [V20.D2]; \
	VLD1R.P 8(R9), [V21.D2]; \
	ADD_BITS(OP, V16, V17, V18, V19, V20, V0, V16, V17, V18, V19, V21, V1); \
	VLD1R.P 8(R9), [V20.D2]; \
	VLD1R.P 8(R9), [V21.D2]; \
	ADD_BITS(OP, V16, V17, V18, V19, V20, V2, V16, V17, V18, V19, V21, V3)

#define CLEAR(v) VEOR v.B16, v.B16, v.B16

// START_2 starts the sums lo and hi at v.
#define START_2(v, lo, hi) \
	VMOV v.B16, lo.B16; \
	VMOV v.B16, hi.B16

// WIDEN moves the counts n to the sums lo, of lanes 0 to 3, and hi, of 4 to 7.
#define WIDEN(n, lo, hi) \
	VUADDW  n.H4, lo.S4, lo.S4; \
	VUADDW2 n.H8, hi.S4, hi.S4; \
	CLEAR(n)

#define WIDEN_4 \
	WIDEN(V0, V4, V5); \
	WIDEN(V1, V6, V7); \
	WIDEN(V2, V8, V9); \
	WIDEN(V3, V10, V11)

// SIGNS sets v to the bits, of V30, of the lanes that are negative: those of lo and
// hi in the low eight bytes, of lo2 and hi2 in the high. A sign is the top bit of an
// odd half and then of an odd byte. It overwrites V22 and V23.
#define SIGNS(lo, hi, lo2, hi2, v) \
	VUZP2  hi.H8, lo.H8, V22.H8; \
	VUZP2  hi2.H8, lo2.H8, V23.H8; \
	VUZP2  V23.B16, V22.B16, v.B16; \
	VCMTST V31.B16, v.B16, v.B16; \
	VAND   V30.B16, v.B16, v.B16

// MASKS sets R16 to masks, a byte each: of the low and high half of v and then of w.
#define MASKS(v, w) \
	VADDP w.B16, v.B16, v.B16; \
	VADDP v.B16, v.B16, v.B16; \
	VADDP v.B16, v.B16, v.B16; \
	VMOV  v.S[0], R16

// MATCH writes the match of query j of which byte i of R16 is the mask, unless that is
// zero. lo and hi, a pair in sequence, are sums that started at neg.
#define MATCH(i, j, lo, hi, neg, none) \
	UBFX $(8*i), R16, $8, R17; \
	CBZ  R17, none; \
	MOVD $j, R19; \
	MOVW R5, Match_Group(R0); \
	MOVB R19, Match_Query(R0); \
	MOVB R17, Match_Mask(R0); \
	VSUB neg.S4, lo.S4, lo.S4; \
	VSUB neg.S4, hi.S4, hi.S4; \
	ADD  $Match_Distances, R0, R19; \
	VST1 [lo.S4, hi.S4], (R19); \
	ADD  $Match__size, R0; \
	ADD  $1, R6; \
none:

// ARGUMENTS loads all but limits, and sets what counts.
#define ARGUMENTS \
	MOVD out+0(FP), R0; \
	MOVD tile+8(FP), R1; \
	MOVD columns+16(FP), R2; \
	MOVD ncolumns+24(FP), R3; \
	MOVD groups+32(FP), R4; \
	MOVD ZR, R5; \
	MOVD ZR, R6

// TILE starts a group's walk: from the first column and word.
#define TILE \
	MOVD R1, R9; \
	MOVD R2, R7; \
	MOVD R3, R8; \
	MOVD $RUN, R13

// LINES sets R10, R12 and R15 for the column at R7. It overwrites R16.
#define LINES \
	MOVD Column_Words(R7), R10; \
	MOVD Column_Stride(R7), R15; \
	MOVD Column_Used(R7), R12; \
	LSL  $6, R15, R15; \
	MUL  R15, R5, R16; \
	ADD  R16, R10, R10

// TAKE_RUN sets R14 to the words that can be counted now, the lesser of R12 and R13, and
// takes them from both.
#define TAKE_RUN \
	CMP  R13, R12; \
	CSEL LT, R12, R13, R14; \
	SUB  R14, R12, R12; \
	SUB  R14, R13, R13

// func scan1NEON(out *byte, tile *uint64, columns *byte, ncolumns int, groups int, limits *int64) (matches int)
//
// Two groups at a time, R5 and the next. When R5 is the last, the second line is the
// first again, and its result is not looked at.
TEXT ·scan1NEON(SB), NOSPLIT, $0-56
	ARGUMENTS
	MOVD limits+40(FP), R16
	MINUS_LIMIT(0, V12)
	CONSTANTS

group:
	CLEAR(V0)
	CLEAR(V1)
	START_2(V12, V4, V5)
	START_2(V12, V6, V7)
	TILE

column:
	LINES
	ADD  $1, R5, R16
	CMP  R4, R16
	CSEL LT, R15, ZR, R15
	ADD  R15, R10, R11

run:
	TAKE_RUN

word:
	LOAD_LINE
	VLD1.P  64(R11), [V8.B16, V9.B16, V10.B16, V11.B16]
	VLD1R.P 8(R9), [V20.D2]
	ADD_BITS(VEOR, V16, V17, V18, V19, V20, V0, V8, V9, V10, V11, V20, V1)
	SUBS    $1, R14, R14
	BNE     word
	CBNZ    R13, counted
	WIDEN(V0, V4, V5)
	WIDEN(V1, V6, V7)
	MOVD    $RUN, R13

counted:
	CBNZ R12, run
	ADD  $Column__size, R7
	SUBS $1, R8, R8
	BNE  column

	WIDEN(V0, V4, V5)
	WIDEN(V1, V6, V7)
	SIGNS(V4, V5, V6, V7, V24)
	MASKS(V24, V24)
	MATCH(0, 0, V4, V5, V12, second)
	ADD  $1, R5
	CMP  R4, R5
	BEQ  done
	MATCH(1, 0, V6, V7, V12, next)
	ADD  $1, R5
	CMP  R4, R5
	BLT  group

done:
	MOVD R6, matches+48(FP)
	RET

// func scan4NEON(out *byte, tile *uint64, columns *byte, ncolumns int, groups int, limits *int64) (matches int)
//
// One group at a time, four queries: the line is loaded once.
TEXT ·scan4NEON(SB), NOSPLIT, $0-56
	ARGUMENTS
	MOVD limits+40(FP), R16
	MINUS_LIMIT(0, V12)
	MINUS_LIMIT(1, V13)
	MINUS_LIMIT(2, V14)
	MINUS_LIMIT(3, V15)
	CONSTANTS

group:
	CLEAR(V0)
	CLEAR(V1)
	CLEAR(V2)
	CLEAR(V3)
	START_2(V12, V4, V5)
	START_2(V13, V6, V7)
	START_2(V14, V8, V9)
	START_2(V15, V10, V11)
	TILE

column:
	LINES

run:
	TAKE_RUN

word:
	LOAD_LINE
	ADD_BITS_4(VEOR)
	SUBS $1, R14, R14
	BNE  word
	CBNZ R13, counted
	WIDEN_4
	MOVD $RUN, R13

counted:
	CBNZ R12, run
	ADD  $Column__size, R7
	SUBS $1, R8, R8
	BNE  column

	WIDEN_4
	SIGNS(V4, V5, V6, V7, V24)
	SIGNS(V8, V9, V10, V11, V25)
	MASKS(V24, V25)
	CBZ  R16, next
	MATCH(0, 0, V4, V5, V12, none0)
	MATCH(1, 1, V6, V7, V13, none1)
	MATCH(2, 2, V8, V9, V14, none2)
	MATCH(3, 3, V10, V11, V15, none3)

next:
	ADD  $1, R5
	CMP  R4, R5
	BLT  group

	MOVD R6, matches+48(FP)
	RET

// func planesNEON(out *byte, tile *uint64, columns *byte, ncolumns int, groups int, limits *int64) (matches int)
//
// As scan4NEON, with planes for queries and the line's difference from the signs for
// the line. The sums become one, n3*8 + n2*4 + n1*2 + n0 by Horner, in V10 and V11: only
// that of plane 0 starts at minus the limit.
TEXT ·planesNEON(SB), NOSPLIT, $0-56
	ARGUMENTS
	MOVD limits+40(FP), R16
	MINUS_LIMIT(0, V12)
	CONSTANTS

group:
	CLEAR(V0)
	CLEAR(V1)
	CLEAR(V2)
	CLEAR(V3)
	START_2(V12, V4, V5)
	START_2(V0, V6, V7)
	START_2(V0, V8, V9)
	START_2(V0, V10, V11)
	TILE

column:
	LINES

run:
	TAKE_RUN

word:
	LOAD_LINE
	VLD1R.P 8(R9), [V20.D2]
	VEOR    V20.B16, V16.B16, V16.B16
	VEOR    V20.B16, V17.B16, V17.B16
	VEOR    V20.B16, V18.B16, V18.B16
	VEOR    V20.B16, V19.B16, V19.B16
	ADD_BITS_4(VAND)
	SUBS $1, R14, R14
	BNE  word
	CBNZ R13, counted
	WIDEN_4
	MOVD $RUN, R13

counted:
	CBNZ R12, run
	ADD  $Column__size, R7
	SUBS $1, R8, R8
	BNE  column

	WIDEN_4
	VADD V10.S4, V10.S4, V10.S4
	VADD V11.S4, V11.S4, V11.S4
	VADD V8.S4, V10.S4, V10.S4
	VADD V9.S4, V11.S4, V11.S4
	VADD V10.S4, V10.S4, V10.S4
	VADD V11.S4, V11.S4, V11.S4
	VADD V6.S4, V10.S4, V10.S4
	VADD V7.S4, V11.S4, V11.S4
	VADD V10.S4, V10.S4, V10.S4
	VADD V11.S4, V11.S4, V11.S4
	VADD V4.S4, V10.S4, V10.S4
	VADD V5.S4, V11.S4, V11.S4
	SIGNS(V10, V11, V10, V11, V24)
	MASKS(V24, V24)
	MATCH(0, 0, V10, V11, V12, none)
	ADD  $1, R5
	CMP  R4, R5
	BLT  group

	MOVD R6, matches+48(FP)
	RET
