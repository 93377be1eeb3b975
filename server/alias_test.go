package server

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

func (h *harness) setAlias(t *testing.T, name, collection string) (*hamnestv1.Alias, error) {
	t.Helper()
	resp, err := h.aliases.SetAlias(t.Context(), &hamnestv1.SetAliasRequest{Alias: &hamnestv1.Alias{Name: name, Collection: collection}})
	return resp.GetAlias(), err
}

func TestEveryMethodTakesAnAlias(t *testing.T) {
	h := start(t, Options{})
	records := h.filled(t, 5)
	set, err := h.setAlias(t, "prod", "docs")
	if err != nil || set.GetName() != "prod" || set.GetCollection() != "docs" {
		t.Fatalf("set %v, %v", set, err)
	}
	if again, err := h.setAlias(t, "dev", "prod"); err != nil || again.GetCollection() != "docs" {
		t.Errorf("an alias of an alias: %v, %v, want one of docs", again, err)
	}
	described, err := h.collections.GetCollection(t.Context(), &hamnestv1.GetCollectionRequest{Name: "prod"})
	if err != nil || described.GetCollection().GetName() != "docs" {
		t.Errorf("described as %v, %v, want docs", described, err)
	}
	query := &hamnestv1.SearchRequest{Collection: "prod", K: 3, Query: &hamnestv1.SearchRequest_Vector{Vector: packed(records[0].Vector...)}}
	if found, err := h.searches.Search(t.Context(), query); err != nil || len(found.GetHits()) != 3 {
		t.Errorf("search: %v, %v, want 3 hits", found, err)
	}
	if n, err := h.vectors.CountVectors(t.Context(), &hamnestv1.CountVectorsRequest{Collection: "prod"}); err != nil || n.GetCount() != 5 {
		t.Errorf("count: %v, %v, want 5", n, err)
	}
	if acks, err := h.ingest(t, ingestStart("prod"), goodBatch(1, "x", 2)); err != nil || len(acks) == 0 {
		t.Errorf("ingest: %v, %v", acks, err)
	}
}

func TestListAliasesPages(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "docs")
	var want []string
	for i := range 5 {
		want = append(want, fmt.Sprintf("a%d", i))
		if _, err := h.setAlias(t, want[i], "docs"); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	req := &hamnestv1.ListAliasesRequest{PageSize: 2}
	for pages := 1; ; pages++ {
		resp, err := h.aliases.ListAliases(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range resp.GetAliases() {
			got = append(got, a.GetName())
		}
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			if pages != 3 {
				t.Errorf("%d pages, want 3", pages)
			}
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("aliases %q, want %q", got, want)
	}
	req.PageToken = collectionsAfter.token("a1")
	_, err := h.aliases.ListAliases(t.Context(), req)
	wantFields(t, err, "page_token")
}

func TestAliasRefusals(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "docs")
	h.collection(t, "other")
	if _, err := h.setAlias(t, "prod", "docs"); err != nil {
		t.Fatal(err)
	}
	_, err := h.aliases.SetAlias(t.Context(), &hamnestv1.SetAliasRequest{})
	wantFields(t, err, "alias")
	_, err = h.setAlias(t, "../x", "docs")
	wantFields(t, err, "alias.name")
	_, err = h.setAlias(t, "x", "")
	wantFields(t, err, "alias.collection")
	_, err = h.setAlias(t, "x", "nope")
	wantResource(t, err, codes.NotFound, collectionResource, "nope")
	_, err = h.setAlias(t, "other", "docs")
	wantResource(t, err, codes.AlreadyExists, collectionResource, "other")
	remove := func(name string) error {
		_, err := h.aliases.DeleteAlias(t.Context(), &hamnestv1.DeleteAliasRequest{Name: name})
		return err
	}
	wantFields(t, remove(""), "name")
	wantResource(t, remove("nope"), codes.NotFound, aliasResource, "nope")
	_, err = h.collections.DeleteCollection(t.Context(), &hamnestv1.DeleteCollectionRequest{Name: "docs"})
	if info := detail[*errdetails.ErrorInfo](t, wantCode(t, err, codes.FailedPrecondition)); info.GetReason() != "ALIASED" {
		t.Errorf("reason %q, want ALIASED", info.GetReason())
	}
	_, err = h.collections.DeleteCollection(t.Context(), &hamnestv1.DeleteCollectionRequest{Name: "prod"})
	wantFields(t, err, "name")
	if err := remove("prod"); err != nil {
		t.Error(err)
	}
}

func TestRenameCollection(t *testing.T) {
	h := start(t, Options{})
	h.filled(t, 5)
	h.collection(t, "other")
	rename := func(name, to string) (*hamnestv1.Collection, error) {
		resp, err := h.collections.RenameCollection(t.Context(), &hamnestv1.RenameCollectionRequest{Name: name, NewName: to})
		return resp.GetCollection(), err
	}
	_, err := rename("docs", "other")
	wantResource(t, err, codes.AlreadyExists, collectionResource, "other")
	_, err = rename("docs", "../x")
	wantFields(t, err, "new_name")
	got, err := rename("docs", "packages")
	if err != nil || got.GetName() != "packages" || got.GetDims() != testDims {
		t.Fatalf("renamed to %v, %v", got, err)
	}
	if n, err := h.vectors.CountVectors(t.Context(), &hamnestv1.CountVectorsRequest{Collection: "packages"}); err != nil || n.GetCount() != 5 {
		t.Errorf("count: %v, %v, want 5", n, err)
	}
	_, err = rename("docs", "x")
	wantResource(t, err, codes.NotFound, collectionResource, "docs")
}
