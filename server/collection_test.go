package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/hamnest/hamnest/encoder"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// wantFields requires err to be INVALID_ARGUMENT about these fields, in order.
func wantFields(t *testing.T, err error, fields ...string) *errdetails.BadRequest {
	t.Helper()
	bad := detail[*errdetails.BadRequest](t, wantCode(t, err, codes.InvalidArgument))
	var got []string
	for _, v := range bad.GetFieldViolations() {
		got = append(got, v.GetField())
		if v.GetDescription() == "" {
			t.Errorf("violation of %s says nothing", v.GetField())
		}
	}
	if !slices.Equal(got, fields) {
		t.Fatalf("violations of %q, want of %q: %v", got, fields, err)
	}
	return bad
}

// wantResource requires err to be code about this resource.
func wantResource(t *testing.T, err error, code codes.Code, kind, name string) {
	t.Helper()
	want := &errdetails.ResourceInfo{ResourceType: kind, ResourceName: name}
	if got := detail[*errdetails.ResourceInfo](t, wantCode(t, err, code)); !proto.Equal(got, want) {
		t.Errorf("detail %v, want %v", got, want)
	}
}

func (h *harness) create(t *testing.T, c *hamnestv1.Collection) (*hamnestv1.Collection, error) {
	t.Helper()
	resp, err := h.collections.CreateCollection(t.Context(), &hamnestv1.CreateCollectionRequest{Collection: c})
	return resp.GetCollection(), err
}

func TestCreateCollectionFillsInTheDefaults(t *testing.T) {
	h := start(t, Options{})
	got, err := h.create(t, &hamnestv1.Collection{Name: "docs", Dims: 768, ProfileFingerprint: "ignored", Labels: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetName() != "docs" || got.GetDims() != 768 || !slices.Equal(got.GetLadder(), []uint32{64, 128, 256, 512, 768}) || got.GetBits() != 1024 ||
		got.GetMetric() != hamnestv1.Metric_METRIC_COSINE || got.GetProfile() != hamnestv1.Profile_PROFILE_LEARNED || got.GetProfileInForce() != hamnestv1.Profile_PROFILE_EXACT ||
		len(got.GetProfileFingerprint()) != 16 || got.GetLabels()["a"] != "b" || got.GetCreateTime().AsTime().Year() < 2020 {
		t.Errorf("created %v", got)
	}
	again, err := h.collections.GetCollection(t.Context(), &hamnestv1.GetCollectionRequest{Name: "docs"})
	if err != nil || !proto.Equal(again.GetCollection(), got) {
		t.Errorf("GetCollection: %v, %v, want %v", again, err, got)
	}
}

func TestCreateCollectionRefusals(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "taken")
	for _, tt := range []struct {
		name   string
		in     *hamnestv1.Collection
		fields []string
	}{
		{"no collection", nil, []string{"collection"}},
		{"no name", &hamnestv1.Collection{Dims: 3}, []string{"collection.name"}},
		{"a name that climbs out", &hamnestv1.Collection{Name: "../docs", Dims: 3}, []string{"collection.name"}},
		{"a name of a mebibyte", &hamnestv1.Collection{Name: strings.Repeat("x", 1<<20), Dims: 3}, []string{"collection.name"}},
		{"no dims", &hamnestv1.Collection{Name: "docs"}, []string{"collection.dims"}},
		{"too few bits", &hamnestv1.Collection{Name: "docs", Dims: 768, Bits: 319}, []string{"collection.bits"}},
		{"too many bits", &hamnestv1.Collection{Name: "docs", Dims: 768, Bits: 1793}, []string{"collection.bits"}},
		{"a profile that was", &hamnestv1.Collection{Name: "docs", Dims: 768, Profile: 7}, []string{"collection.profile"}},
		{"a profile that nobody can ask for", &hamnestv1.Collection{Name: "docs", Dims: 768, Profile: hamnestv1.Profile_PROFILE_EXACT}, []string{"collection.profile"}},
		{"a ladder that falls", &hamnestv1.Collection{Name: "docs", Dims: 768, Ladder: []uint32{512, 256}}, []string{"collection.ladder"}},
		{"numbers that are no metric and no profile", &hamnestv1.Collection{Name: "docs", Dims: 3, Metric: 99, Profile: -1}, []string{"collection.metric", "collection.profile"}},
		{"an empty label", &hamnestv1.Collection{Name: "docs", Dims: 3, Labels: map[string]string{"": "x"}}, []string{"collection.labels"}},
		{"a bad name and bad labels", &hamnestv1.Collection{Name: "/", Dims: 3, Labels: map[string]string{"": "x"}}, []string{"collection.name", "collection.labels"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := h.create(t, tt.in)
			wantFields(t, err, tt.fields...)
		})
	}
	t.Run("a name that is taken is ALREADY_EXISTS", func(t *testing.T) {
		_, err := h.create(t, &hamnestv1.Collection{Name: "taken", Dims: 3})
		wantResource(t, err, codes.AlreadyExists, "hamnest.v1.Collection", "taken")
	})
	if names := h.db.Names(); !slices.Equal(names, []string{"taken"}) {
		t.Errorf("collections %q, want none of the refused", names)
	}
}

func TestEveryMethodSaysThatACollectionIsMissing(t *testing.T) {
	h := start(t, Options{})
	ctx := t.Context()
	const name = "missing"
	record := &hamnestv1.VectorRecord{Id: "a", Vector: packed(1)}
	query := &hamnestv1.SearchRequest{K: 1, Query: &hamnestv1.SearchRequest_Id{Id: "a"}}
	for method, call := range map[string]func(collection string) error{
		"GetCollection": func(c string) error {
			_, err := h.collections.GetCollection(ctx, &hamnestv1.GetCollectionRequest{Name: c})
			return err
		},
		"UpdateCollection": func(c string) error {
			_, err := h.collections.UpdateCollection(ctx, &hamnestv1.UpdateCollectionRequest{Collection: &hamnestv1.Collection{Name: c}})
			return err
		},
		"CompactCollection": func(c string) error {
			_, err := h.collections.CompactCollection(ctx, &hamnestv1.CompactCollectionRequest{Name: c})
			return err
		},
		"RenameCollection": func(c string) error {
			_, err := h.collections.RenameCollection(ctx, &hamnestv1.RenameCollectionRequest{Name: c, NewName: "x"})
			return err
		},
		"DeleteCollection": func(c string) error {
			_, err := h.collections.DeleteCollection(ctx, &hamnestv1.DeleteCollectionRequest{Name: c})
			return err
		},
		"GetCollectionStats": func(c string) error {
			_, err := h.collections.GetCollectionStats(ctx, &hamnestv1.GetCollectionStatsRequest{Name: c})
			return err
		},
		"UpsertVectors": func(c string) error {
			_, err := h.vectors.UpsertVectors(ctx, &hamnestv1.UpsertVectorsRequest{Collection: c, Vectors: []*hamnestv1.VectorRecord{record}})
			return err
		},
		"GetVectors": func(c string) error {
			_, err := h.vectors.GetVectors(ctx, &hamnestv1.GetVectorsRequest{Collection: c, Ids: []string{"a"}})
			return err
		},
		"DeleteVectors": func(c string) error {
			_, err := h.vectors.DeleteVectors(ctx, &hamnestv1.DeleteVectorsRequest{Collection: c, Ids: []string{"a"}})
			return err
		},
		"ListVectors": func(c string) error {
			_, err := h.vectors.ListVectors(ctx, &hamnestv1.ListVectorsRequest{Collection: c})
			return err
		},
		"CountVectors": func(c string) error {
			_, err := h.vectors.CountVectors(ctx, &hamnestv1.CountVectorsRequest{Collection: c})
			return err
		},
		"Ingest": func(c string) error {
			_, err := h.ingest(t, ingestStart(c))
			return err
		},
		"Search": func(c string) error {
			search := proto.CloneOf(query)
			search.Collection = c
			_, err := h.searches.Search(ctx, search)
			return err
		},
		"BatchSearch": func(c string) error {
			_, err := h.searches.BatchSearch(ctx, &hamnestv1.BatchSearchRequest{Collection: c, Requests: []*hamnestv1.SearchRequest{query}})
			return err
		},
		"Check": func(c string) error {
			_, err := h.admin.Check(ctx, &hamnestv1.CheckRequest{Collection: c})
			return err
		},
	} {
		t.Run(method, func(t *testing.T) {
			wantResource(t, call(name), codes.NotFound, "hamnest.v1.Collection", name)
			if bad := detail[*errdetails.BadRequest](t, wantCode(t, call(""), codes.InvalidArgument)); len(bad.GetFieldViolations()) != 1 {
				t.Errorf("without a name: %v, want one violation", bad)
			}
			if st := wantCode(t, call(strings.Repeat("x", 1<<20)), codes.NotFound); len(st.Message()) > 2*maxMessageText {
				t.Errorf("the name of a mebibyte comes back as a message of %d bytes", len(st.Message()))
			}
		})
	}
}

func TestListCollectionsPages(t *testing.T) {
	h := start(t, Options{})
	var want []string
	for i := range 7 {
		name := fmt.Sprintf("c%d", i)
		want = append(want, name)
		if _, err := h.create(t, &hamnestv1.Collection{Name: name, Dims: 3}); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []uint32{0, 1, 3, 6, 7, 8, 5000} {
		var got []string
		pages := 0
		for token := ""; ; pages++ {
			resp, err := h.collections.ListCollections(t.Context(), &hamnestv1.ListCollectionsRequest{PageSize: size, PageToken: token})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(resp.GetCollections()); size > 0 && n > int(size) {
				t.Errorf("page_size %d: a page of %d", size, n)
			}
			for _, c := range resp.GetCollections() {
				got = append(got, c.GetName())
			}
			if token = resp.GetNextPageToken(); token == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("page_size %d: %q, want %q", size, got, want)
		}
	}

	t.Run("and go on after a name that is gone", func(t *testing.T) {
		first, err := h.collections.ListCollections(t.Context(), &hamnestv1.ListCollectionsRequest{PageSize: 3})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.collections.DeleteCollection(t.Context(), &hamnestv1.DeleteCollectionRequest{Name: "c2"}); err != nil {
			t.Fatal(err)
		}
		second, err := h.collections.ListCollections(t.Context(), &hamnestv1.ListCollectionsRequest{PageSize: 3, PageToken: first.GetNextPageToken()})
		if err != nil || len(second.GetCollections()) != 3 || second.GetCollections()[0].GetName() != "c3" {
			t.Errorf("second page %v, %v, want c3 and on", second, err)
		}
	})
	for _, token := range []string{"c3", "%%%", collectionsAfter.token(""), "Y29sbGVjdGlvbnM", strings.Repeat("A", 1<<16)} {
		_, err := h.collections.ListCollections(t.Context(), &hamnestv1.ListCollectionsRequest{PageToken: token})
		wantFields(t, err, "page_token")
	}
}

func TestUpdateCollection(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "docs")
	update := func(labels map[string]string, paths ...string) (*hamnestv1.Collection, error) {
		resp, err := h.collections.UpdateCollection(t.Context(), &hamnestv1.UpdateCollectionRequest{
			Collection: &hamnestv1.Collection{Name: "docs", Dims: 3, Labels: labels},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
		})
		return resp.GetCollection(), err
	}
	for _, tt := range []struct {
		name  string
		paths []string
	}{
		{"no mask", nil},
		{"a mask of labels", []string{"labels"}},
	} {
		t.Run(tt.name+" replaces the labels and nothing else", func(t *testing.T) {
			want := map[string]string{"mask": tt.name}
			got, err := update(want, tt.paths...)
			if err != nil || !maps.Equal(got.GetLabels(), want) || got.GetDims() != testDims {
				t.Errorf("got %v, %v, want labels %v and dims %d", got, err, want, testDims)
			}
		})
	}
	t.Run("any other path is refused", func(t *testing.T) {
		for _, paths := range [][]string{{"dims"}, {"labels", "name"}, {"*"}, {""}, {"labels.a"}} {
			_, err := update(nil, paths...)
			wantFields(t, err, "update_mask")
		}
	})
	t.Run("labels that break a rule are refused", func(t *testing.T) {
		_, err := update(map[string]string{strings.Repeat("k", 64): ""})
		wantFields(t, err, "collection.labels")
	})
	t.Run("no collection is refused", func(t *testing.T) {
		_, err := h.collections.UpdateCollection(t.Context(), &hamnestv1.UpdateCollectionRequest{})
		wantFields(t, err, "collection")
	})
}

func TestUpdateCollectionRewritesIt(t *testing.T) {
	h := start(t, Options{})
	h.filled(t, 5)
	update := func(change *hamnestv1.Collection, paths ...string) (*hamnestv1.Collection, error) {
		change.Name = "docs"
		resp, err := h.collections.UpdateCollection(t.Context(), &hamnestv1.UpdateCollectionRequest{
			Collection: change,
			UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
		})
		return resp.GetCollection(), err
	}
	labels := map[string]string{"a": "b"}
	got, err := update(&hamnestv1.Collection{Labels: labels, Profile: hamnestv1.Profile_PROFILE_LEARNED, Store: hamnestv1.Precision_PRECISION_INT8}, "labels", "profile", "store")
	if err != nil || !maps.Equal(got.GetLabels(), labels) || got.GetProfile() != hamnestv1.Profile_PROFILE_LEARNED || got.GetStore() != hamnestv1.Precision_PRECISION_INT8 {
		t.Fatalf("updated to %v, %v", got, err)
	}
	c, err := h.db.Collection("docs")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if info := c.Info(); info.ProfileInForce != encoder.Exact || info.Store != encoder.Int8 || c.Count() != 5 {
		t.Errorf("%d vectors under %v in %v, want 5 under exact, for they are few, in int8", c.Count(), info.ProfileInForce, info.Store)
	}
	stats, err := h.collections.GetCollectionStats(t.Context(), &hamnestv1.GetCollectionStatsRequest{Name: "docs"})
	if s := stats.GetStats(); err != nil || s.GetRewrite() != nil || s.GetRewriteError() != "" || s.GetVectorBytesPerVector() != 4+testDims || s.GetDiskVectors() == 0 {
		t.Errorf("stats %v, %v", s, err)
	}
	_, err = update(&hamnestv1.Collection{Store: hamnestv1.Precision_PRECISION_FLOAT16}, "store")
	wantFields(t, err, "collection.store")
	_, err = update(&hamnestv1.Collection{Profile: 99, Store: 99}, "store", "profile")
	wantFields(t, err, "collection.store", "collection.profile")
	if _, err = update(&hamnestv1.Collection{Store: hamnestv1.Precision_PRECISION_NONE}, "store"); err != nil {
		t.Fatal(err)
	}
	if err := c.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = update(&hamnestv1.Collection{Profile: hamnestv1.Profile_PROFILE_LEARNED}, "profile")
	wantCode(t, err, codes.FailedPrecondition)
}

func TestCompactCollectionDropsWhatWasReplaced(t *testing.T) {
	h := start(t, Options{})
	records := h.filled(t, 5)
	c, err := h.db.Collection("docs")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Upsert(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	resp, err := h.collections.CompactCollection(t.Context(), &hamnestv1.CompactCollectionRequest{Name: "docs"})
	if r := resp.GetRewrite(); err != nil || r.GetTotal() != 5 || r.GetProfile() != hamnestv1.Profile_PROFILE_SIGNS || r.GetStartTime() == nil {
		t.Fatalf("began %v, %v, want 5 vectors to copy", r, err)
	}
	if err := c.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	stats, err := h.collections.GetCollectionStats(t.Context(), &hamnestv1.GetCollectionStatsRequest{Name: "docs"})
	if s := stats.GetStats(); err != nil || s.GetVectors() != 5 || s.GetRetired() != 0 || s.GetDropped() != 5 {
		t.Errorf("stats %v, %v, want 5 vectors, none retired and 5 dropped", s, err)
	}
}

func TestDeleteCollectionDropsIt(t *testing.T) {
	h := start(t, Options{})
	h.filled(t, 5)
	if _, err := h.collections.DeleteCollection(t.Context(), &hamnestv1.DeleteCollectionRequest{Name: "docs"}); err != nil {
		t.Fatal(err)
	}
	if names := h.db.Names(); len(names) != 0 {
		t.Errorf("collections %q, want none", names)
	}
}

func TestGetCollectionStats(t *testing.T) {
	h := start(t, Options{})
	h.filled(t, 5)
	resp, err := h.collections.GetCollectionStats(t.Context(), &hamnestv1.GetCollectionStatsRequest{Name: "docs"})
	if err != nil {
		t.Fatal(err)
	}
	s := resp.GetStats()
	if s.GetVectors() != 5 || s.GetCodeBytesPerVector() < testDims/8 || s.GetVectorBytesPerVector() != 4*testDims ||
		s.GetDiskBytes() == 0 || s.GetKernel() == "" || len(s.GetProfileFingerprint()) != 16 {
		t.Errorf("stats %v of 5 vectors of %d dims", s, testDims)
	}
}

func TestAClosedDatabaseIsUnavailable(t *testing.T) {
	h := start(t, Options{})
	h.collection(t, "docs")
	if err := h.db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := h.collections.GetCollection(t.Context(), &hamnestv1.GetCollectionRequest{Name: "docs"})
	wantCode(t, err, codes.Unavailable)
	_, err = h.create(t, &hamnestv1.Collection{Name: "more", Dims: 3})
	wantCode(t, err, codes.Unavailable)
}

func TestNameTokensRoundTrip(t *testing.T) {
	for _, name := range []string{"a", "docs-2.v1_x", "Z"} {
		got, err := collectionsAfter.parse(collectionsAfter.token(name))
		if err != nil || got != name {
			t.Errorf("%q comes back as %q, %v", name, got, err)
		}
	}
	if got, err := collectionsAfter.parse(""); err != nil || got != "" {
		t.Errorf("no token is %q, %v, want the start", got, err)
	}
}
