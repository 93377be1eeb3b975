package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSoundCollectionIsSaidToBeSound(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		searchable(t, target)
		if got := must(t, on(target, "check", "c")...); !strings.HasPrefix(got, "sound: 200 rows and ") {
			t.Errorf("check says %q", got)
		}
		got := decode[checkJSON](t, must(t, on(target, "check", "c", "--format", "json")...))[0]
		if got.Collection != "c" || !got.Sound || got.Rows != 200 || got.Problems == nil || len(got.Problems) != 0 {
			t.Errorf("check gives %+v", got)
		}
		mustFail(t, `collection "nope": not found`, on(target, "check", "nope")...)
	})
}

// shardFile returns the largest file of the one collection in a directory: the
// one with its rows.
func shardFile(t *testing.T, dir string) string {
	t.Helper()
	var found string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Dir(path) != dir {
			found = path
		}
		return err
	})
	if err != nil || found == "" {
		t.Fatalf("no file of a collection in %s: %v", dir, err)
	}
	return found
}

func TestDamageIsReportedHoweverBadItIs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, b []byte) []byte
	}{
		{"a vector with a flipped bit", func(t *testing.T, b []byte) []byte {
			// The first vector's bytes are in the file as they were given.
			at := strings.Index(string(b), string(npyBytes(t, "<f4", "False", "(1, 128)", randomMatrix(11, 200, 128).row(0))[128:]))
			if at < 0 {
				t.Fatal("the first vector is not in the file")
			}
			b[at+100] ^= 1
			return b
		}},
		{"a file cut in the middle of its pages", func(_ *testing.T, b []byte) []byte { return b[:5*4096] }},
		{"pages overwritten with noise", func(_ *testing.T, b []byte) []byte {
			for i := 2 * 4096; i < min(len(b), 64*4096); i++ {
				b[i] = byte(i * 131)
			}
			return b
		}},
		{"an empty file", func(*testing.T, []byte) []byte { return nil }},
		{"a file of zeros", func(_ *testing.T, b []byte) []byte {
			clear(b)
			return b
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			target := []string{"--data", dir}
			searchable(t, target)
			path := shardFile(t, dir)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, tt.damage(t, b), 0o600); err != nil {
				t.Fatal(err)
			}
			r := hamnest(t, on(target, "check", "c")...)
			if r.code != 1 || r.stdout == "" || strings.Contains(r.stdout, "sound") || !strings.HasPrefix(r.stderr, `hamnest: collection "c" is damaged: `) {
				t.Errorf("exit code %d, output %q, error %q, want the damage and exit code 1", r.code, r.stdout, r.stderr)
			}
			t.Logf("reported: %s", r.stdout)
			asJSON := hamnest(t, on(target, "check", "c", "--format", "json")...)
			got := decode[checkJSON](t, asJSON.stdout)[0]
			if asJSON.code != 1 || got.Sound || len(got.Problems) == 0 {
				t.Errorf("exit code %d and %+v, want problems and exit code 1", asJSON.code, got)
			}
		})
	}
}

func TestChildThatDiesIsAProblem(t *testing.T) {
	dir := t.TempDir()
	target := []string{"--data", dir}
	searchable(t, target)
	t.Setenv(envDies, "1")
	r := hamnest(t, on(target, "check", "c")...)
	want := "the process that opened " + dir + " died: exit status 2: panic: a page that cannot be read\n"
	if r.code != 1 || r.stdout != want || r.stderr != "hamnest: collection \"c\" is damaged: 1 problems\n" {
		t.Errorf("exit code %d, output %q, error %q, want code 1 and %q", r.code, r.stdout, r.stderr, want)
	}
}
