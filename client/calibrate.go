package client

import (
	"context"

	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// Calibrate measures what searches find and what they cost: see api.Engine.
func (c *Client) Calibrate(ctx context.Context, collection string, opts api.CalibrateOptions) (*api.Calibration, error) {
	var bad convert.Violations
	message := convert.CalibrateToProto(&bad, collection, opts)
	if err := refused(bad); err != nil {
		return nil, err
	}
	resp, err := c.collections.Calibrate(ctx, message)
	if err != nil {
		return nil, fromGRPC(err)
	}
	return convert.CalibrationFromProto(resp.GetCalibration())
}
