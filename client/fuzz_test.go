package client

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// answers is a connection over which the same bytes answer every call.
type answers struct {
	grpc.ClientConnInterface
	bytes []byte
}

var errAsked = errors.New("asked again")

func (a *answers) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	if a.bytes == nil {
		return errAsked // a page that says another follows would go on for ever
	}
	b := a.bytes
	a.bytes = nil
	return proto.Unmarshal(b, reply.(proto.Message))
}

// Whatever a server answers, the client returns it or an error.
func FuzzAnswers(f *testing.F) {
	code := &hamnestv1.Code{Packed: []byte{1, 2, 3}, Dialect: hamnestv1.Dialect_DIALECT_FAISS}
	for _, m := range []proto.Message{
		&hamnestv1.SearchResponse{Hits: []*hamnestv1.Hit{{Id: "a", Vector: &hamnestv1.Vector{Values: []float32{1}}}}, Receipt: &hamnestv1.Receipt{Rescore: 9}},
		&hamnestv1.BatchSearchResponse{Responses: []*hamnestv1.SearchResponse{{}}},
		&hamnestv1.GetVectorsResponse{Vectors: []*hamnestv1.VectorRecord{{Id: "a", Code: code}}, NextPageToken: "t"},
		&hamnestv1.GetCollectionResponse{Collection: &hamnestv1.Collection{Name: "c", Dims: 3, Ladder: []uint32{3}, Metric: 7}},
		&hamnestv1.GetCollectionStatsResponse{Stats: &hamnestv1.CollectionStats{Rewrite: &hamnestv1.Rewrite{}, Live: &hamnestv1.LiveState{}}},
		&hamnestv1.CalibrateResponse{Calibration: &hamnestv1.Calibration{Settings: []*hamnestv1.Setting{{Dims: 3}}}},
		&hamnestv1.SearchStreamResponse{Id: 1, Answer: &hamnestv1.SearchStreamResponse_Error{Error: &hamnestv1.SearchError{Code: 99}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	query := api.Query{ID: "a", K: 1}
	f.Fuzz(func(t *testing.T, b []byte) {
		ctx := context.Background()
		for _, call := range []func(c *Client){
			func(c *Client) { _, _ = c.Search(ctx, "c", query) },
			func(c *Client) { _, _ = c.BatchSearch(ctx, "c", []api.Query{query}) },
			func(c *Client) {
				_, _, _ = c.Get(ctx, "c", []string{"a"}, api.ReadOptions{WithVector: true, WithCode: true})
			},
			func(c *Client) {
				_, _, _ = c.ListPage(ctx, "c", 1, "", api.ReadOptions{WithVector: true, WithCode: true})
			},
			func(c *Client) { _, _ = c.GetCollection(ctx, "c") },
			func(c *Client) { _, _ = c.Stats(ctx, "c") },
			func(c *Client) { _, _ = c.Calibrate(ctx, "c", api.CalibrateOptions{}) },
			func(c *Client) { _, _ = c.Check(ctx, "c") },
		} {
			conn := &answers{bytes: b}
			if conn.bytes == nil {
				conn.bytes = []byte{}
			}
			call(&Client{
				collections: hamnestv1.NewCollectionServiceClient(conn),
				vectors:     hamnestv1.NewVectorServiceClient(conn),
				searches:    hamnestv1.NewSearchServiceClient(conn),
				admin:       hamnestv1.NewAdminServiceClient(conn),
			})
		}
		answer := new(hamnestv1.SearchStreamResponse)
		if proto.Unmarshal(b, answer) == nil {
			if result, err := resultOf(answer); (result == nil) == (err == nil) {
				t.Errorf("answer %v gives %v and %v, want one of them", answer, result, err)
			}
		}
	})
}
