package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const (
	// tableGroups is how many groups are taken at a time: as many rows as a register has
	// bytes.
	tableGroups = 4
	tableBytes  = 16
	tableWords  = 16 * tableBytes / 8 // a table for each nibble of a word
)

// tables is the kernel for queries of which each four dimensions have a table of 16 bytes:
// by the four bits of a row, how much they add to its distance (André, Kermarrec, Le
// Scouarnec, "Cache locality is not enough: high-performance nearest neighbor search with
// product quantization fast scan", VLDB 2015, section 4). So magnitudes cost nothing, and
// much of the work on a line serves all queries of a tile.
//
// VPSHUFB looks all bytes of a lane up in the same table. Hence four groups at a time are
// turned around on the way, until a register has the same byte of 32 rows. Sums are of 16
// bits, which the caller must know to be enough.
type tables struct {
	turnBytes, low Op                  // constants, in registers where there are enough
	sums           [][2]reg.VecVirtual // [query]: of every second row in the order of turn, and of those between
}

func (t *tables) prepare(k *kernel) {
	t.turnBytes, t.low = turnBytes, nibbleMask
	if k.queries == 1 {
		turn, low := YMM(), YMM()
		VMOVDQU(turnBytes, turn)
		VMOVDQU(nibbleMask, low)
		t.turnBytes, t.low = turn, low
	}
}

func (t *tables) clear(k *kernel, _ int) {
	t.sums = make([][2]reg.VecVirtual, k.queries)
	for j := range t.sums {
		for i := range t.sums[j] {
			sum := YMM()
			VPXOR(sum, sum, sum)
			t.sums[j][i] = sum
		}
	}
}

func (t *tables) word(k *kernel, _ int, line func(g int) Mem, tile reg.Register) {
	for half := range 2 {
		bytes := t.turn(line, half)
		for first := 0; first < len(bytes); first += 2 {
			k.prefetch()
			t.lookUp(bytes[first:first+2], tile, len(bytes)*half+first)
		}
	}
}

// turn returns the bytes 0 to 3 of a word, or those from 4 on, of the rows of four groups,
// a register each. Of each group in turn it has rows 0, 1, 4 and 5 in its lower lane, and
// rows 2, 3, 6 and 7 in its upper.
func (t *tables) turn(line func(g int) Mem, half int) (bytes [4]reg.VecVirtual) {
	var x [tableGroups]reg.VecVirtual // of a group: byte by byte, each of four rows in a lane
	for g := range x {
		x[g] = YMM()
		VMOVDQU(line(g), x[g])
		VSHUFPS(Imm([]uint64{0x88, 0xdd}[half]), line(g).Offset(32), x[g], x[g])
		VPSHUFB(t.turnBytes, x[g], x[g])
	}
	for pair, unpack := range []func(ops ...Op){VPUNPCKLDQ, VPUNPCKHDQ} {
		low, high := YMM(), YMM() // two bytes: of groups 0 and 1, and of 2 and 3
		unpack(x[1], x[0], low)
		unpack(x[3], x[2], high)
		bytes[2*pair], bytes[2*pair+1] = YMM(), YMM()
		VPUNPCKLQDQ(high, low, bytes[2*pair])
		VPUNPCKHQDQ(high, low, bytes[2*pair+1])
	}
	return bytes
}

// lookUp adds to the sums what two bytes of each row, from number first of the word on, add
// to its distances: 4 * 60 at most, which fits into a byte.
func (t *tables) lookUp(bytes []reg.VecVirtual, tile reg.Register, first int) {
	var index []reg.VecVirtual // nibble by nibble
	for _, low := range bytes {
		high := YMM()
		VPSRLW(Imm(4), low, high)
		VPAND(t.low, low, low)
		VPAND(t.low, high, high)
		index = append(index, low, high)
	}
	for j, sums := range t.sums {
		sum := YMM()
		for n, i := range index {
			x := YMM()
			VBROADCASTI128(Mem{Base: tile, Disp: 8*j*tableWords + (2*first+n)*tableBytes}, x)
			if n == 0 {
				VPSHUFB(i, x, sum)
				continue
			}
			VPSHUFB(i, x, x)
			VPADDB(x, sum, sum)
		}
		VPADDW(sum, sums[0], sums[0]) // and 256 times what goes to sums[1], which query takes off
		VPSRLW(Imm(8), sum, sum)
		VPADDW(sum, sums[1], sums[1])
	}
}

func (t *tables) emit(k *kernel, _ int) {
	for j := range t.sums {
		t.query(k, j)
	}
	ADDQ(Imm(tableGroups), k.group)
}

// query writes the matches of query j, group by group.
func (t *tables) query(k *kernel, j int) {
	even, odd := t.sums[j][0], t.sums[j][1]
	x, limit, least, none := YMM(), YMM(), YMM(), fresh("none")
	VPSLLW(Imm(8), odd, x)
	VPSUBW(x, even, even)
	VPBROADCASTW(Mem{Base: Load(Param("limits"), GP64()), Disp: 8 * j}, limit)
	VPMINUW(even, odd, least)
	VPSUBUSW(least, limit, least) // not zero where the least is below the limit
	VPTEST(least, least)
	JZ(LabelRef(none))

	var distances, above [tableGroups / 2]reg.VecVirtual // of two groups, in order
	zero := YMM()
	VPXOR(zero, zero, zero)
	for i, unpack := range []func(ops ...Op){VPUNPCKLWD, VPUNPCKHWD} {
		distances[i], above[i] = YMM(), YMM()
		unpack(odd, even, distances[i])
		VPERMQ(Imm(0xd8), distances[i], distances[i])
		VPSHUFD(Imm(0xd8), distances[i], distances[i])
		VPSUBUSW(distances[i], limit, above[i])
		VPCMPEQW(zero, above[i], above[i])
	}
	masks := GP32()
	VPACKSSWB(above[1], above[0], x)
	VPMOVMSKB(x, masks)
	NOTL(masks)
	group := k.group
	k.group = GP64()
	MOVQ(group, k.group)
	for g, shift := range []uint64{0, 16, 8, 24} {
		mask, skip := GP64(), fresh("skip")
		MOVL(masks, mask.As32())
		SHRL(Imm(shift), mask.As32())
		ANDL(Imm(0xff), mask.As32())
		JZ(LabelRef(skip))
		low, wide := distances[g/2].AsX(), YMM()
		if g%2 == 1 {
			low = XMM()
			VEXTRACTI128(Imm(1), distances[g/2], low)
		}
		to := k.match(j, mask)
		VPMOVZXWD(low, wide)
		VMOVDQU(wide, to)
		k.advance()
		Label(skip)
		INCQ(k.group)
	}
	k.group = group
	Label(none)
}

var turnBytes Mem

func init() {
	turnBytes = GLOBL("turnBytes", RODATA|NOPTR)
	for i := range 32 {
		DATA(i, U8(i%4*4+i%16/4))
	}
}
