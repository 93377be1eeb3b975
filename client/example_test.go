package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"sync"

	"github.com/hamnest/hamnest/client"
	"github.com/hamnest/hamnest/index"
	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/server"
)

// serve runs a server on a loopback port until stop is called, in place of
// "hamnest serve".
func serve() (target string, stop func()) {
	dir, err := os.MkdirTemp("", "hamnest-example")
	if err != nil {
		log.Fatal(err)
	}
	db, err := index.Open(dir, index.Options{})
	if err != nil {
		log.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := server.New(db, server.Options{})
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	return lis.Addr().String(), func() {
		if err := errors.Join(s.Shutdown(context.Background()), <-served, db.Close(), os.RemoveAll(dir)); err != nil {
			log.Fatal(err)
		}
	}
}

func Example() {
	target, stop := serve()
	defer stop()
	ctx := context.Background()

	c, err := client.New(target)
	if err != nil {
		log.Fatal(err)
	}

	_, err = c.CreateCollection(ctx, api.Spec{Name: "colours", Dims: 3})
	if err != nil {
		log.Fatal(err)
	}
	err = c.Upsert(ctx, "colours", []api.Record{
		{ID: "red", Vector: []float32{1, -1, -1}, Metadata: []byte(`{"warm": true}`)},
		{ID: "green", Vector: []float32{-1, 1, -1}},
		{ID: "orange", Vector: []float32{1, 0.3, -1}, Metadata: []byte(`{"warm": true}`)},
	})
	if err != nil {
		log.Fatal(err)
	}
	result, err := c.Search(ctx, "colours", api.Query{Vector: []float32{1, 0, -1}, K: 2, WithMetadata: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, hit := range result.Hits {
		fmt.Printf("%s %.3f %s\n", hit.ID, hit.Score, hit.Metadata)
	}
	if err := c.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// orange 0.978 {"warm": true}
	// red 0.816 {"warm": true}
}

func ExampleClient_Ingest() {
	target, stop := serve()
	defer stop()
	ctx := context.Background()

	c, err := client.New(target)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.CreateCollection(ctx, api.Spec{Name: "points", Dims: 2}); err != nil {
		log.Fatal(err)
	}

	stream, err := c.Ingest(ctx, "points", api.IngestOptions{})
	if err != nil {
		log.Fatal(err)
	}
	point := api.Record{Vector: make([]float32, 2)}
	for i := range 1000 {
		point.ID = fmt.Sprint(i)
		point.Vector[0], point.Vector[1] = float32(i%10), float32(i/10) // 0, 0 has no direction
		if err := stream.Add(ctx, point); err != nil {
			break // Close says why
		}
	}
	result, err := stream.Close()
	if err != nil {
		log.Fatalf("%d records are durable: %v", result.Position, err)
	}
	fmt.Println(result.Stored, "stored")
	for _, refusal := range result.Refusals {
		fmt.Printf("record %d refused: %s\n", refusal.Index, refusal.Reason)
	}
	if err := c.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 999 stored
	// record 0 refused: vector all 2 components are zero: an all-zero vector has no direction, which cosine needs
}

func ExampleClient_SearchStream() {
	target, stop := serve()
	defer stop()
	ctx := context.Background()

	c, err := client.New(target)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.CreateCollection(ctx, api.Spec{Name: "points", Dims: 2}); err != nil {
		log.Fatal(err)
	}
	directions := []api.Record{
		{ID: "east", Vector: []float32{1, 0}}, {ID: "north", Vector: []float32{0, 1}}, {ID: "west", Vector: []float32{-1, 0}},
	}
	if err := c.Upsert(ctx, "points", directions); err != nil {
		log.Fatal(err)
	}

	stream, err := c.SearchStream(ctx)
	if err != nil {
		log.Fatal(err)
	}
	nearest := make([]string, len(directions))
	var callers sync.WaitGroup
	for i, d := range directions { // all at once, over the one stream
		callers.Go(func() {
			result, err := stream.Search(ctx, "points", api.Query{Vector: d.Vector, K: 1})
			if err != nil {
				log.Fatal(err)
			}
			nearest[i] = result.Hits[0].ID
		})
	}
	callers.Wait()
	stream.Close()
	fmt.Println(nearest)
	if err := c.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// [east north west]
}

func ExampleError() {
	target, stop := serve()
	defer stop()
	ctx := context.Background()

	c, err := client.New(target)
	if err != nil {
		log.Fatal(err)
	}

	_, err = c.Search(ctx, "nowhere", api.Query{ID: "a", K: 10})
	if errors.Is(err, api.ErrNotFound) {
		var e *client.Error
		errors.As(err, &e)
		fmt.Println("there is no", e.Resource.Type, e.Resource.Name)
	}
	if err := c.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// there is no hamnest.v1.Collection nowhere
}
