package storage

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func init() { childJobs["limited"] = commitInLittleAddressSpace }

// Where address space is limited a shard opens all the same, and grows.
func TestAShardOpensInLittleAddressSpace(t *testing.T) {
	path := filepath.Join(t.TempDir(), shardFile)
	cmd := child(t, "limited", path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	mustBeSound(t, path)
}

// commitInLittleAddressSpace is the child: it may have a fraction of the address
// space that a shard would like to have.
func commitInLittleAddressSpace(args []string) error {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	var pages uint64
	if _, err := fmt.Sscan(string(statm), &pages); err != nil {
		return err
	}
	limit := pages*uint64(os.Getpagesize()) + 4<<30
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	path, m := args[0], newModel(tinySchema())
	if err := CreateShard(path, m.schema); err != nil {
		return err
	}
	s, err := OpenShard(path)
	if err != nil {
		return err
	}
	rng := newRand(1)
	for i := range 20 { // to 20 MiB, from a mapping of 32 KiB
		op := m.randomOp(rng, "big")
		op.Metadata = make([]byte, MaxMetadataBytes)
		ops := make([]Op, 16)
		for j := range ops {
			ops[j] = op
			ops[j].ID = fmt.Sprintf("%d-%d", i, j)
		}
		if _, err := s.Commit(ops); err != nil {
			return err
		}
		m.commit(ops)
	}
	if v := m.read(s); len(v.wrong)+len(v.errs) > 0 {
		return fmt.Errorf("%+v", v)
	}
	return s.Close()
}
