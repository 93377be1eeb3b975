package server

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// An ingest stream is three goroutines in a row. The first only receives, because only the end
// of the stream interrupts Recv, and Shutdown must not wait for a silent client. The second,
// the handler's own, converts a batch and submits it to the engine, which blocks while the
// engine is behind. Then nothing is received, and HTTP/2 flow control makes the client wait.
// The third waits for each batch to be durable, in order, and acknowledges it.

// ingestInFlight is how many batches may be submitted and not yet acknowledged: enough that the
// engine has work while an acknowledgement travels. Little memory waits here, because the
// engine's own queue holds the vectors.
const ingestInFlight = 16

type ingestStream = grpc.BidiStreamingServer[hamnestv1.IngestRequest, hamnestv1.IngestResponse]

// submission is a batch that the engine has taken.
type submission struct {
	sequence uint64
	// vectors is the size of the batch, errors the number of refused vectors in it.
	vectors int
	// refused did not convert; position is the place of the others in the batch.
	refused  []api.RecordError
	position []int
	pending  api.Pending
}

// received is one result of Recv.
type received struct {
	request *hamnestv1.IngestRequest
	err     error
}

// Ingest stores batches until the client closes its side. Whether it ends by that, by an error
// or by Shutdown, it first acknowledges every batch that was submitted, unless the stream
// itself is broken.
func (s *vectorService) Ingest(stream ingestStream) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	requests := s.receive(ctx, stream)

	first, err := s.next(ctx, requests)
	if errors.Is(err, io.EOF) {
		return invalid("start", "is missing: the stream ended before its first message")
	}
	if err != nil {
		return err
	}
	start := first.GetStart()
	if start == nil {
		return invalid("start", "is missing from the first message of the stream")
	}
	c, err := s.collection(ctx, "start.collection", start.GetCollection())
	if err != nil {
		return err
	}

	in, err := s.engine.Ingest(ctx, c.Name, api.IngestOptions{MaxInFlight: ingestInFlight, MaxRefusals: 1})
	if err != nil {
		return about(err, collectionResource, c.Name)
	}
	submitted := make(chan submission, ingestInFlight)
	acknowledged := make(chan error, 1)
	s.streams.Go(func() {
		err := recovered(func() error { return acknowledge(ctx, stream, submitted) })
		if err != nil {
			cancel() // nothing that is submitted now would be acknowledged
		}
		acknowledged <- err
	})
	err = s.submit(ctx, in, c.Dims, requests, submitted)
	close(submitted)
	err = cmp.Or(<-acknowledged, err)
	_, closeErr := in.Close()
	return cmp.Or(err, closeErr)
}

// receive passes on what the stream receives until an error or the end of ctx.
func (s *vectorService) receive(ctx context.Context, stream ingestStream) <-chan received {
	requests := make(chan received)
	s.streams.Go(func() {
		for {
			request, err := stream.Recv()
			select {
			case requests <- received{request, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	})
	return requests
}

// next returns the next message: io.EOF when the client has closed its side,
// errStopping when the server shuts down.
func (s *vectorService) next(ctx context.Context, requests <-chan received) (*hamnestv1.IngestRequest, error) {
	select {
	case r := <-requests:
		return r.request, r.err
	case <-s.stopping:
		return nil, errStopping
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// submit passes the batches that follow start to the engine. It returns nil when
// the client has closed its side.
func (s *vectorService) submit(ctx context.Context, in api.Ingest, dims int, requests <-chan received, submitted chan<- submission) error {
	for sequence := uint64(1); ; sequence++ {
		request, err := s.next(ctx, requests)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		batch := request.GetBatch()
		switch {
		case request.GetStart() != nil:
			return invalid("start", "came a second time, want batches only")
		case batch == nil:
			return invalid("batch", "is missing")
		case batch.GetSequence() != sequence:
			return invalid("batch.sequence", "is %d, want %d", batch.GetSequence(), sequence)
		}
		if err := checkBatch("batch.vectors", limitBatchVectors, len(batch.GetVectors()), s.opts.MaxBatchVectors); err != nil {
			return err
		}
		sub, err := submitBatch(ctx, in, dims, batch)
		if err != nil {
			return err
		}
		select {
		case submitted <- sub:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// submitBatch gives the engine those vectors of a batch that convert.
func submitBatch(ctx context.Context, in api.Ingest, dims int, batch *hamnestv1.IngestBatch) (submission, error) {
	sub := submission{sequence: batch.GetSequence(), vectors: len(batch.GetVectors())}
	records := make([]api.Record, 0, sub.vectors)
	for i, r := range batch.GetVectors() {
		record, field, err := convert.RecordFromProto(r, dims)
		if err != nil {
			sub.refused = append(sub.refused, api.RecordError{Index: i, ID: r.GetId(), Field: field, Reason: err.Error()})
			continue
		}
		records = append(records, record)
		sub.position = append(sub.position, i)
	}
	var err error
	sub.pending, err = in.Submit(ctx, records)
	return sub, err
}

// wait waits until the batch is durable. It returns all refusals in ascending order: those of vectors
// that did not convert and the engine's own.
func (sub submission) wait(ctx context.Context) (api.Settled, error) {
	settled, err := sub.pending.Wait(ctx)
	if err != nil {
		return api.Settled{}, err
	}
	refused := sub.refused
	for _, e := range settled.Refused {
		e.Index = sub.position[e.Index]
		refused = append(refused, e)
	}
	slices.SortFunc(refused, func(a, b api.RecordError) int { return cmp.Compare(a.Index, b.Index) })
	return api.Settled{Refused: refused, Replaced: settled.Replaced}, nil
}

// acknowledge answers each submission, in order, once it is durable. It returns
// nil when submitted is closed and empty.
func acknowledge(ctx context.Context, stream ingestStream, submitted <-chan submission) error {
	var position uint64
	for {
		select {
		case sub, more := <-submitted:
			if !more {
				return nil
			}
			settled, err := sub.wait(ctx)
			if err != nil {
				return err
			}
			position += uint64(sub.vectors)
			err = stream.Send(&hamnestv1.IngestResponse{
				Sequence:      sub.sequence,
				StoredCount:   uint32(sub.vectors - len(settled.Refused)),
				ReplacedCount: uint32(settled.Replaced),
				Errors:        convert.RefusalsToProto(settled.Refused),
				Position:      position,
			})
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
