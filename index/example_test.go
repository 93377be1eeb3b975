package index_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/hamnest/hamnest/index"
)

// Hamnest inside a Go program: no server, one directory.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "hamnest")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	db, err := index.Open(dir, index.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	colours, err := db.Create(ctx, index.Spec{Name: "colours", Dims: 3})
	if err != nil {
		log.Fatal(err)
	}
	err = colours.Upsert(ctx, []index.Record{
		{ID: "red", Vector: []float32{1, 0, 0}, Metadata: []byte(`{"warm": true}`)},
		{ID: "orange", Vector: []float32{1, 0.5, 0}, Metadata: []byte(`{"warm": true}`)},
		{ID: "blue", Vector: []float32{0, 0, 1}, Metadata: []byte(`{"warm": false}`)},
	})
	if err != nil {
		log.Fatal(err)
	}
	result, err := colours.Search(ctx, index.Query{Vector: []float32{0.9, 0.3, 0}, K: 2, WithMetadata: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, hit := range result.Hits {
		fmt.Printf("%s %.3f %s\n", hit.ID, hit.Score, hit.Metadata)
	}
	// Output:
	// orange 0.990 {"warm": true}
	// red 0.949 {"warm": true}
}
