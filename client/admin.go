package client

import (
	"context"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// CheckReport is what Check found.
type CheckReport struct {
	// Rows read, live and retired, and Blocks of codes and vectors.
	Rows, Blocks uint64
	// Problems break a rule of the file format: at most the first 100. Empty
	// means the files are sound.
	Problems []string
}

// Check makes the server read everything that a collection has on disk and prove
// that it is sound. Searches and writes go on meanwhile. Damage is in the report,
// not in the error.
func (c *Client) Check(ctx context.Context, collection string) (CheckReport, error) {
	if err := checkText("collection", collection); err != nil {
		return CheckReport{}, err
	}
	resp, err := c.admin.Check(ctx, &hamnestv1.CheckRequest{Collection: collection})
	return CheckReport{Rows: resp.GetRows(), Blocks: resp.GetBlocks(), Problems: resp.GetProblems()}, fromGRPC(err)
}
