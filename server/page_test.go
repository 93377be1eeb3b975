package server

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// acceptedBytes is what gRPC's clients accept unless told otherwise.
var acceptedBytes = grpc.MaxCallRecvMsgSize(4 << 20)

// gotten returns what all pages of GetVectors have.
func gotten(t *testing.T, h *harness, req *hamnestv1.GetVectorsRequest) (found, missing []string, pages int) {
	t.Helper()
	for {
		resp, err := h.vectors.GetVectors(t.Context(), req, acceptedBytes)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, v := range resp.GetVectors() {
			found = append(found, v.GetId())
		}
		missing = append(missing, resp.GetMissingIds()...)
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			return found, missing, pages
		}
	}
}

func TestPagesOfVectorsAreWhatEveryClientAccepts(t *testing.T) {
	h := start(t, Options{})
	const dims, rows = 16384, 150
	c, err := h.db.Create(t.Context(), index.Spec{Name: "docs", Dims: dims})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range rows {
		want = append(want, fmt.Sprintf("id-%03d", i))
		record := api.Record{ID: want[i], Vector: slices.Repeat([]float32{float32(i + 1)}, dims), Metadata: []byte(`{"a": 1}`)}
		if err := c.Upsert(t.Context(), []api.Record{record}); err != nil {
			t.Fatal(err)
		}
	}
	ids := slices.Insert(slices.Clone(want), 70, "none", "nobody")
	found, missing, pages := gotten(t, h, &hamnestv1.GetVectorsRequest{Collection: "docs", Ids: ids, WithVector: true, WithMetadata: true})
	if !slices.Equal(found, want) || !slices.Equal(missing, []string{"none", "nobody"}) || pages < 3 {
		t.Errorf("%d pages have %d vectors and miss %q, want several with all %d", pages, len(found), missing, rows)
	}
	if _, _, pages := gotten(t, h, &hamnestv1.GetVectorsRequest{Collection: "docs", Ids: ids}); pages != 1 {
		t.Errorf("ids alone take %d pages, want 1", pages)
	}

	var listed []string
	list := &hamnestv1.ListVectorsRequest{Collection: "docs", PageSize: 1000, WithVector: true, WithMetadata: true}
	for pages = 0; pages == 0 || list.PageToken != ""; pages++ {
		resp, err := h.vectors.ListVectors(t.Context(), list, acceptedBytes)
		if err != nil {
			t.Fatal(err)
		}
		if pages == 0 && proto.Size(resp) < 3<<20 {
			t.Errorf("a page has %d bytes, want it nearly full", proto.Size(resp))
		}
		for _, v := range resp.GetVectors() {
			listed = append(listed, v.GetId())
		}
		list.PageToken = resp.GetNextPageToken()
	}
	if !slices.Equal(listed, want) || pages < 3 {
		t.Errorf("%d pages list %d vectors, want several with all %d", pages, len(listed), rows)
	}
}

func TestAVectorLargerThanAMessageIsRefused(t *testing.T) {
	h := start(t, Options{MaxMessageBytes: 400})
	c := h.collection(t, "docs")
	if err := c.Upsert(t.Context(), randomRecords(1)); err != nil {
		t.Fatal(err)
	}
	limitCase{
		"a vector to get", "ids", "max_message_bytes", 400, recordFraming + 4*testDims + uint64(len("id-0000")),
		func(ctx context.Context) error {
			_, err := h.vectors.GetVectors(ctx, &hamnestv1.GetVectorsRequest{Collection: "docs", Ids: []string{"id-0000"}, WithVector: true})
			return err
		},
		func(ctx context.Context) error {
			_, err := h.vectors.GetVectors(ctx, &hamnestv1.GetVectorsRequest{Collection: "docs", Ids: []string{"id-0000"}})
			return err
		},
	}.run(t)
	_, err := h.vectors.ListVectors(t.Context(), &hamnestv1.ListVectorsRequest{Collection: "docs", WithVector: true})
	wantCode(t, err, codes.ResourceExhausted)
}

func TestTokensOfOtherIdsAreRefused(t *testing.T) {
	for _, token := range []string{"x", "%", collectionsAfter.token("docs"), idsFrom.token("0"), idsFrom.token("-1"), idsFrom.token("3"), idsFrom.token("1x")} {
		if _, err := parseIDsToken(token, 3); err == nil || toStatus(err).Code() != codes.InvalidArgument {
			t.Errorf("token %q of 3 ids: %v, want it refused", token, err)
		}
	}
	if from, err := parseIDsToken(idsFrom.token("2"), 3); from != 2 || err != nil {
		t.Errorf("the token of id 2 is one of %d (%v)", from, err)
	}
}
