package storage_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hamnest/hamnest/storage"
)

// Mistakes of those who read a shard are no damage of its file.
func TestAMistakeOfTheReaderIsNoDamage(t *testing.T) {
	closed, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Munmap(closed); err != nil {
			t.Error(err)
		}
	}()
	var none *struct{ number int }
	var numbers []int
	var sum int
	for name, mistake := range map[string]func(){
		"a nil pointer":                   func() { sum += none.number },
		"an index out of range":           func() { sum += numbers[sum] },
		"memory that has been given back": func() { sum += int(closed[7]) },
	} {
		path := filepath.Join(t.TempDir(), "shard")
		if err := storage.CreateShard(path, storage.Schema{Dims: 64, Engine: []byte(`{}`)}); err != nil {
			t.Fatal(err)
		}
		s, err := storage.OpenShard(path)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s did not panic", name)
				}
			}()
			err := s.View(func(*storage.Reader) error {
				mistake()
				return nil
			})
			t.Errorf("%s is the error %v", name, err)
		}()
		if err := s.View(func(*storage.Reader) error { return nil }); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
