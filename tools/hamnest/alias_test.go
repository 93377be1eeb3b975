package main

import (
	"slices"
	"strings"
	"testing"
)

func TestAliasesAreSetSwitchedListedAndDeleted(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		for _, name := range []string{"docs-2026", "docs-2027"} {
			must(t, on(target, "collection", "create", name, "--dims", "3")...)
		}
		list := func() []aliasJSON {
			return decode[aliasJSON](t, must(t, on(target, "alias", "list", "--format", "json")...))
		}
		if got := list(); len(got) != 0 {
			t.Errorf("aliases are %+v, want none", got)
		}
		must(t, on(target, "alias", "set", "prod", "docs-2026")...)
		must(t, on(target, "alias", "set", "dev", "prod")...)
		if got := list(); !slices.Equal(got, []aliasJSON{{"dev", "docs-2026"}, {"prod", "docs-2026"}}) {
			t.Errorf("aliases are %+v", got)
		}
		set := decode[aliasJSON](t, must(t, on(target, "alias", "set", "prod", "docs-2027", "--format", "json")...))
		if !slices.Equal(set, []aliasJSON{{"prod", "docs-2027"}}) {
			t.Errorf("set %+v", set)
		}
		if got := must(t, on(target, "collection", "describe", "prod")...); !strings.Contains(got, "docs-2027") {
			t.Errorf("prod is described as %q, want docs-2027", got)
		}
		if got := must(t, on(target, "alias", "list")...); !strings.Contains(got, "prod   docs-2027") {
			t.Errorf("table %q", got)
		}
		for _, tt := range []struct {
			name, want string
			args       []string
		}{
			{"a collection's name", `"docs-2026": already exists`, []string{"alias", "set", "docs-2026", "docs-2027"}},
			{"an alias of nothing", `collection "nope": not found`, []string{"alias", "set", "x", "nope"}},
			{"an alias that is not there", `alias "nope": not found`, []string{"alias", "delete", "nope"}},
			{"a collection with the name of an alias", "already exists", []string{"collection", "create", "prod", "--dims", "3"}},
			{"deleting a collection that has one", `the collection has aliases: "dev"`, []string{"collection", "delete", "docs-2026", "--yes"}},
			{"deleting a collection by one", `"dev" is an alias of collection "docs-2026"`, []string{"collection", "delete", "dev", "--yes"}},
		} {
			t.Run(tt.name, func(t *testing.T) { mustFail(t, tt.want, on(target, tt.args...)...) })
		}
		must(t, on(target, "alias", "delete", "dev")...)
		must(t, on(target, "collection", "delete", "docs-2026", "--yes")...)
		if got := list(); !slices.Equal(got, []aliasJSON{{"prod", "docs-2027"}}) {
			t.Errorf("aliases are %+v", got)
		}
	})
}

func TestCollectionIsRenamed(t *testing.T) {
	eachTarget(t, func(t *testing.T, target []string) {
		searchable(t, target)
		must(t, on(target, "alias", "set", "prod", "c")...)
		got := decode[collectionJSON](t, must(t, on(target, "collection", "rename", "c", "packages-2026", "--format", "json")...))[0]
		if got.Name != "packages-2026" || got.Dims == 0 {
			t.Errorf("renamed to %+v", got)
		}
		for _, name := range []string{"prod", "packages-2026"} {
			must(t, on(target, "search", name, "--id", "doc1", "-k", "1")...)
		}
		must(t, on(target, "collection", "create", "c", "--dims", "3")...)
		for _, tt := range []struct {
			name, want string
			args       []string
		}{
			{"a name that is taken", `"c": already exists`, []string{"packages-2026", "c"}},
			{"a name that is an alias", `"prod": already exists`, []string{"c", "prod"}},
			{"an alias", `"prod" is an alias of collection "packages-2026"`, []string{"prod", "x"}},
			{"a collection that is not there", `collection "nope": not found`, []string{"nope", "x"}},
			{"a malformed name", "new_name: ", []string{"c", "../x"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				mustFail(t, tt.want, on(target, append([]string{"collection", "rename"}, tt.args...)...)...)
			})
		}
	})
}
