//go:build !purego

#include "textflag.h"

// The kernels of package dense for NEON, by hand: the generator of the amd64 kernels
// knows no arm64. What a kernel computes is written in generic.go.
//
//	func(a, b *float32, blocks int, sums *float32)
//
// a and b have blocks*16 elements, sums room for 16, or for twice 16 (dotSquares).
//
// # Algorithm
//
// The 16 lanes of a block are four registers of four elements. Each product is rounded
// and then added to the lane's one sum, in order, as in the twin: the fused VFMLA would
// round once and give other bits, and a second sum a lane would add in another order.
// So there are four chains of additions (eight in dotSquares), and within a block the
// instructions of all lanes stand side by side, so that none waits for its neighbour.
//
// The assembler has no FMUL, FADD and FSUB for vectors: the macros below write their
// words, with operands in the assembler's order and registers by number, 0 to 31.
//
// # Bounds
//
// Only whole blocks are read, 64 bytes each of a and b, nothing ahead, and nothing
// when there are none; sums are written at the end. No alignment is needed.
//
// # Registers
//
//	R0  a's next block     V0-V3    the block of a, then what is added
//	R1  b's next block     V4-V7    the block of b, then its squares
//	R2  blocks left        V16-V19  sums
//	R3  sums               V20-V23  sums of squares

// FMUL4(m, n, d): FMUL Vd.4S, Vn.4S, Vm.4S
#define FMUL4(m, n, d) WORD $(0x6e20dc00 | m<<16 | n<<5 | d)

// FADD4(m, n, d): FADD Vd.4S, Vn.4S, Vm.4S
#define FADD4(m, n, d) WORD $(0x4e20d400 | m<<16 | n<<5 | d)

// FSUB4(m, n, d): FSUB Vd.4S, Vn.4S, Vm.4S, that is n-m
#define FSUB4(m, n, d) WORD $(0x4ea0d400 | m<<16 | n<<5 | d)

#define ARGUMENTS \
	MOVD a+0(FP), R0; \
	MOVD b+8(FP), R1; \
	MOVD blocks+16(FP), R2; \
	MOVD sums+24(FP), R3

#define CLEAR(v) VEOR v.B16, v.B16, v.B16

#define LOAD \
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]; \
	VLD1.P 64(R1), [V4.S4, V5.S4, V6.S4, V7.S4]

// func dotNEON(a *float32, b *float32, blocks int, sums *float32)
TEXT ·dotNEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR(V16)
	CLEAR(V17)
	CLEAR(V18)
	CLEAR(V19)
	CBZ  R2, done

block:
	LOAD
	FMUL4(4, 0, 0)
	FMUL4(5, 1, 1)
	FMUL4(6, 2, 2)
	FMUL4(7, 3, 3)
	FADD4(0, 16, 16)
	FADD4(1, 17, 17)
	FADD4(2, 18, 18)
	FADD4(3, 19, 19)
	SUBS $1, R2, R2
	BNE  block

done:
	VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R3)
	RET

// func dotSquaresNEON(a *float32, b *float32, blocks int, sums *float32)
TEXT ·dotSquaresNEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR(V16)
	CLEAR(V17)
	CLEAR(V18)
	CLEAR(V19)
	CLEAR(V20)
	CLEAR(V21)
	CLEAR(V22)
	CLEAR(V23)
	CBZ  R2, done

block:
	LOAD
	FMUL4(4, 0, 0)
	FMUL4(5, 1, 1)
	FMUL4(6, 2, 2)
	FMUL4(7, 3, 3)
	FMUL4(4, 4, 4)
	FMUL4(5, 5, 5)
	FMUL4(6, 6, 6)
	FMUL4(7, 7, 7)
	FADD4(0, 16, 16)
	FADD4(1, 17, 17)
	FADD4(2, 18, 18)
	FADD4(3, 19, 19)
	FADD4(4, 20, 20)
	FADD4(5, 21, 21)
	FADD4(6, 22, 22)
	FADD4(7, 23, 23)
	SUBS $1, R2, R2
	BNE  block

done:
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R3)
	VST1   [V20.S4, V21.S4, V22.S4, V23.S4], (R3)
	RET

// func squaredL2NEON(a *float32, b *float32, blocks int, sums *float32)
TEXT ·squaredL2NEON(SB), NOSPLIT, $0-32
	ARGUMENTS
	CLEAR(V16)
	CLEAR(V17)
	CLEAR(V18)
	CLEAR(V19)
	CBZ  R2, done

block:
	LOAD
	FSUB4(4, 0, 0)
	FSUB4(5, 1, 1)
	FSUB4(6, 2, 2)
	FSUB4(7, 3, 3)
	FMUL4(0, 0, 0)
	FMUL4(1, 1, 1)
	FMUL4(2, 2, 2)
	FMUL4(3, 3, 3)
	FADD4(0, 16, 16)
	FADD4(1, 17, 17)
	FADD4(2, 18, 18)
	FADD4(3, 19, 19)
	SUBS $1, R2, R2
	BNE  block

done:
	VST1 [V16.S4, V17.S4, V18.S4, V19.S4], (R3)
	RET
