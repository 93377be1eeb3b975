package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestNoPackageNameIsShown(t *testing.T) {
	root := filepath.Join("..", "..")
	texts := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		own := file.Name.Name + ": "
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil || !strings.HasPrefix(text, own) || file.Name.Name == "main" || file.Name.Name == "filter" { // what follows is about the user's filter
				return true
			}
			texts++
			for _, before := range []string{"", "collection \"c\": ", "rows.fvecs: row 3: storage: "} {
				if got := Plain(before + text); strings.Contains(got, own) {
					t.Errorf("%s: %q is shown as %q", path, before+text, got)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || texts < 20 {
		t.Fatalf("%d texts were found (%v), want those of all packages", texts, err)
	}
}

func TestWhatIsNoPackageNameStays(t *testing.T) {
	for in, want := range map[string]string{
		`collection "nope": index: not found`:                      `collection "nope": not found`,
		"rpc error: code = Unavailable desc = connection refused":  "connection refused",
		`id "index: 5" is not there`:                               `id "index: 5" is not there`,
		"ids.txt: line 3: code has bits set":                       "ids.txt: line 3: code has bits set",
		"server 127.0.0.1:7700 cannot be reached: client: closed":  "server 127.0.0.1:7700 cannot be reached: closed",
		"storage: corrupt: block 3: checksum 00000001, want 2":     "corrupt: block 3: checksum 00000001, want 2",
		"opening d: open d/shard-0000.db: no space left on device": "opening d: open d/shard-0000.db: no space left on device",
	} {
		if got := Plain(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}
