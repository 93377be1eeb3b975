package storage

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/hamnest/hamnest/encoder/isa"
)

//go:generate go -C ../tools/asm run ./checksum -out ../../storage/kernels_amd64.s -stubs ../../storage/kernels_amd64.go -pkg storage

// active is the kernel in use; tests change it.
var active = isa.Active()

// crcSteps holds the castagnoli table for bytes followed by one to three zeros, indexed by
// how many: with it four bytes cost four look-ups that do not wait for each other.
var crcSteps = func() (steps [4]crc32.Table) {
	steps[0] = *castagnoli
	for i := 1; i < len(steps); i++ {
		for b, crc := range steps[i-1] {
			steps[i][b] = castagnoli[byte(crc)] ^ crc>>8
		}
	}
	return steps
}()

// slotLow is how the lowest byte of a slot changes slotCRC: a CRC is linear.
var slotLow = func() (low [256]uint32) {
	for b := range low {
		low[b] = slotCRC(uint64(b)) ^ slotCRC(0)
	}
	return low
}()

// firstDamagedGeneric returns the first of len(crcs) vector rows whose checksum is wrong,
// or len(crcs). The rows begin stride bytes apart in rows, and crcs holds what slotCRC
// returns for their slots.
func firstDamagedGeneric(rows []byte, stride int, crcs []uint32) int {
	for i, crc := range crcs {
		row := rows[i*stride:][:stride]
		end := len(row) - 8
		crc = ^crc32.Update(crc, castagnoli, row[:end]) ^ binary.LittleEndian.Uint32(row[end+4:])
		crc = crcSteps[3][byte(crc)] ^ crcSteps[2][byte(crc>>8)] ^ crcSteps[1][byte(crc>>16)] ^ crcSteps[0][crc>>24]
		if ^crc != binary.LittleEndian.Uint32(row[end:]) {
			return i
		}
	}
	return len(crcs)
}
