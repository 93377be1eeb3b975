package server

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hamnest/hamnest/index/api"
)

var (
	declared     = regexp.MustCompile(`^(?:repeated |optional |rpc |oneof |)(?:[\w.<>, ]+ )?(\w+)(?: = \d+;|\(| \{)`)
	namesDefault = regexp.MustCompile(`(?i)default:? (?:is )?[\d]|\b0 means \d|\b0: \d`)
)

// comments returns the comment of everything that is declared in a proto file, by name; those of
// one name are joined.
func comments(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "proto", "hamnest", "v1", file))
	if err != nil {
		t.Fatal(err)
	}
	all, comment := map[string]string{}, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if words, is := strings.CutPrefix(line, "//"); is {
			comment += words
			continue
		}
		if found := declared.FindStringSubmatch(line); found != nil {
			all[found[1]] += comment
		}
		comment = ""
	}
	return all
}

func TestTheContractNamesTheDefaultsThatThereAre(t *testing.T) {
	o := Options{}.withDefaults()
	limit := func(n int) string { return fmt.Sprintf("limit (default %d)", n) }
	page := fmt.Sprintf("0 means %d; more than %d means %d", defaultPageSize, maxPageSize, maxPageSize)
	want := map[string]map[string][]string{
		"admin.proto": {},
		"collection.proto": {
			"page_size": {page},
			"sample":    {limit(o.MaxBatchVectors), fmt.Sprintf("0: %d.", api.DefaultCalibrationQueries)},
			"k":         {fmt.Sprintf("at most %d. 0: %d.", api.MaxCalibrationK, api.DefaultCalibrationK)},
			"dims":      {fmt.Sprintf("1 to %d", o.MaxDims)},
			"labels":    {fmt.Sprintf("At most %d pairs", api.MaxLabels)},
		},
		"search.proto": {
			"SearchStream":  {fmt.Sprintf("on one stream (default %d)", o.MaxStreamSearches)},
			"k":             {limit(o.MaxK)},
			"candidates":    {limit(o.MaxCandidates)},
			"requests":      {limit(o.MaxBatchSearches)},
			"target_recall": {fmt.Sprintf("Default: %v.", api.DefaultTargetRecall)},
			"first_stage": {fmt.Sprintf("the default is %d for each wanted result, at least %d and at most %d",
				api.DefaultOversampling, api.MinDefaultCandidates, api.MaxDefaultCandidates)},
		},
		"vector.proto": {
			"ids":       {limit(o.MaxBatchVectors)},
			"vectors":   {limit(o.MaxBatchVectors)},
			"page_size": {page},
			"id":        {fmt.Sprintf("1 to %d bytes", maxIDBytes)},
			"metadata":  {fmt.Sprintf("at most %d bytes", maxMetadataBytes)},
		},
	}
	for file, names := range want {
		all := comments(t, file)
		for name, phrases := range names {
			for _, phrase := range phrases {
				if !strings.Contains(all[name], phrase) {
					t.Errorf("%s: the comment of %s is %q, want %q in it", file, name, all[name], phrase)
				}
			}
		}
		for name, comment := range all {
			if namesDefault.MatchString(comment) && names[name] == nil {
				t.Errorf("%s: the comment of %s names a default that this test does not know: %q", file, name, comment)
			}
		}
	}
}
