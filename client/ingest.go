package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hamnest/hamnest/index/api"
	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
	"github.com/hamnest/hamnest/proto/hamnest/v1/convert"
)

// ingestStream is an api.Ingest over a gRPC stream. Two goroutines work behind it: one sends
// the batches that Add has filled, the other receives their acknowledgements.
type ingestStream struct {
	stream hamnestv1.VectorService_IngestClient
	ctx    context.Context // of the stream
	cancel context.CancelFunc
	opts   api.IngestOptions
	// maxRecordBytes is the largest record that fits into a message.
	maxRecordBytes int

	batch    *ingestBatch // being filled
	added    uint64       // records
	sequence uint64       // of the last batch that was filled
	closing  bool         // nothing more is added

	// unacknowledged holds every batch from before it is sent until it is acknowledged: when it
	// is full, Add waits. outgoing holds the batches not sent yet. While the sender works it
	// has room whenever unacknowledged has.
	unacknowledged, outgoing chan *ingestBatch

	// done is closed when the stream has ended. Until then only the receiver uses result and
	// err; afterwards anyone may read them.
	done   chan struct{}
	result api.IngestResult
	err    error
}

// ingestBatch is the content of one message.
type ingestBatch struct {
	sequence uint64
	first    uint64 // index in the stream of its first record
	records  []*hamnestv1.VectorRecord
	count    int // of records, even after they are sent and dropped
	bytes    int // upper bound of the records' size on the wire
	// unsendable are the records, by index in the batch, that cannot be sent. Each travels as
	// an empty record, which a server always refuses, so that positions count it; the caller
	// gets the client's own reason.
	unsendable map[int]api.RecordError

	// acknowledged is closed when settled is set.
	acknowledged chan struct{}
	settled      api.Settled
}

// Upper bounds of sizes on the wire: the tags and lengths of a record, and what a batch adds to
// its records.
const (
	recordOverhead  = 48
	messageOverhead = 64
)

// Ingest opens a stream that stores records in bulk: see api.Engine.
func (c *Client) Ingest(ctx context.Context, collection string, opts api.IngestOptions) (api.Ingest, error) {
	// The stream itself would report this only with the first acknowledgement.
	if _, err := c.GetCollection(ctx, collection); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.vectors.Ingest(ctx)
	if err != nil {
		cancel()
		return nil, fromGRPC(err)
	}
	opts = opts.WithDefaults()
	opts.BatchBytes = min(opts.BatchBytes, c.maxMessageBytes-messageOverhead)
	s := &ingestStream{
		stream:         stream,
		ctx:            ctx,
		cancel:         cancel,
		opts:           opts,
		maxRecordBytes: c.maxMessageBytes - messageOverhead,
		unacknowledged: make(chan *ingestBatch, opts.MaxInFlight),
		outgoing:       make(chan *ingestBatch, opts.MaxInFlight),
		done:           make(chan struct{}),
	}
	s.newBatch()
	sent := make(chan error, 1)
	go func() { sent <- s.send(collection) }()
	go s.receive(sent)
	return s, nil
}

// Add gathers a record for a batch: see api.Ingest. A record that cannot be sent is refused
// like one that the server refuses.
func (s *ingestStream) Add(ctx context.Context, r api.Record) error {
	if s.closing {
		return errors.New("client: ingest: Add after Close")
	}
	select {
	case <-s.done:
		return s.failure()
	default:
	}
	size := recordOverhead + len(r.ID) + 4*len(r.Vector) + 8*len(r.Code) + len(r.Metadata)
	message, refusal := s.message(r, size)
	if refusal != nil {
		message, size = &hamnestv1.VectorRecord{}, recordOverhead
	}
	if full := s.batch.count == s.opts.BatchVectors || s.batch.bytes+size > s.opts.BatchBytes; full && s.batch.count > 0 {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	if refusal != nil {
		refusal.Index = s.batch.count
		if s.batch.unsendable == nil {
			s.batch.unsendable = make(map[int]api.RecordError)
		}
		s.batch.unsendable[s.batch.count] = *refusal
	}
	s.batch.records = append(s.batch.records, message)
	s.batch.count++
	s.batch.bytes += size
	s.added++
	return nil
}

// message returns r in the form in which it is sent, or why it cannot be sent.
func (s *ingestStream) message(r api.Record, size int) (*hamnestv1.VectorRecord, *api.RecordError) {
	if size > s.maxRecordBytes {
		return nil, &api.RecordError{ID: r.ID, Reason: fmt.Sprintf("has %d bytes, and a message of this client has room for %d", size, s.maxRecordBytes)}
	}
	message, field, err := convert.RecordToProto(r)
	if err != nil {
		return nil, &api.RecordError{ID: r.ID, Field: field, Reason: err.Error()}
	}
	return message, nil
}

// Submit sends records as a batch of their own, or as several if they do not fit into one
// message: see api.Ingest.
func (s *ingestStream) Submit(ctx context.Context, records []api.Record) (api.Pending, error) {
	if s.batch.count > 0 {
		if err := s.flush(ctx); err != nil {
			return nil, err
		}
	}
	p := pending{stream: s}
	for _, r := range records {
		if err := s.Add(ctx, r); err != nil {
			return nil, err
		}
		if n := len(p.batches); n == 0 || p.batches[n-1] != s.batch {
			p.batches = append(p.batches, s.batch)
		}
	}
	if s.batch.count > 0 {
		if err := s.flush(ctx); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// pending is what Submit has sent.
type pending struct {
	stream  *ingestStream
	batches []*ingestBatch
}

// Wait waits until the server has acknowledged it: see api.Pending.
func (p pending) Wait(ctx context.Context) (api.Settled, error) {
	var all api.Settled
	first := 0
	for _, batch := range p.batches {
		select {
		case <-batch.acknowledged:
		case <-ctx.Done():
			return api.Settled{}, ctx.Err()
		case <-p.stream.done:
			select {
			case <-batch.acknowledged: // just before the end
			default:
				return api.Settled{}, &api.IngestError{Result: p.stream.result, Err: cmp.Or(p.stream.err, error(errEndedEarly))}
			}
		}
		for _, e := range batch.settled.Refused {
			e.Index += first
			all.Refused = append(all.Refused, e)
		}
		all.Replaced += batch.settled.Replaced
		first += batch.count
	}
	return all, nil
}

// errEndedEarly is the error of a stream that the server ended.
var errEndedEarly = &Error{Code: codes.Internal, Message: "the server ended the stream before the client did"}

// Close sends what Add has gathered and waits until everything is acknowledged: see api.Ingest.
// To give up instead, end the context of Ingest first.
func (s *ingestStream) Close() (api.IngestResult, error) {
	if !s.closing {
		s.closing = true
		if s.batch.count > 0 {
			// This fails only if the stream has failed, which is noticed below.
			_ = s.flush(context.Background())
		}
		close(s.outgoing)
	}
	<-s.done
	return s.result, s.failure()
}

// newBatch begins an empty batch.
func (s *ingestStream) newBatch() {
	s.sequence++
	s.batch = &ingestBatch{sequence: s.sequence, first: s.added, acknowledged: make(chan struct{})}
}

// flush passes the batch on to be sent and begins another.
func (s *ingestStream) flush(ctx context.Context) error {
	select {
	case s.unacknowledged <- s.batch:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return s.failure()
	}
	select {
	case s.outgoing <- s.batch:
	case <-s.done: // the sender may have ended first
		return s.failure()
	}
	s.newBatch()
	return nil
}

// failure returns why the stream ended too early, or nil if it did not. The stream must have
// ended.
func (s *ingestStream) failure() error {
	err := s.err
	if err == nil {
		if s.closing && s.result.Position == s.added {
			return nil
		}
		err = errEndedEarly
	}
	return &api.IngestError{Result: s.result, Err: err}
}

// send sends start and then the batches, until there are no more or the stream ends. It returns
// an error only if that error, and not the stream's end, stops it from sending more.
func (s *ingestStream) send(collection string) error {
	err := s.stream.Send(&hamnestv1.IngestRequest{Message: &hamnestv1.IngestRequest_Start{
		Start: &hamnestv1.IngestStart{Collection: collection},
	}})
	for err == nil {
		select {
		case batch, more := <-s.outgoing:
			if !more {
				return s.stream.CloseSend()
			}
			err = s.stream.Send(&hamnestv1.IngestRequest{Message: &hamnestv1.IngestRequest_Batch{
				Batch: &hamnestv1.IngestBatch{Sequence: batch.sequence, Vectors: batch.records},
			}})
			batch.records = nil // sent: waiting for its acknowledgement takes no memory
		case <-s.ctx.Done():
			return nil
		}
	}
	// A stream that the server has ended must not be cancelled here: the receiver
	// has yet to read why it ended.
	if ended := errors.Is(err, io.EOF) || s.ctx.Err() != nil; !ended {
		s.cancel()
		return err
	}
	return nil
}

// receive settles batches until the stream ends. sent gets what send returns.
func (s *ingestStream) receive(sent <-chan error) {
	defer close(s.done)
	defer s.cancel()
	for {
		resp, err := s.stream.Recv()
		if err == nil {
			err = s.settle(resp)
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			s.cancel()
			// Whatever broke sending also broke receiving, so it is the cause.
			s.err = fromGRPC(cmp.Or(<-sent, err))
			return
		}
	}
}

// settle takes one acknowledgement into the result.
func (s *ingestStream) settle(resp *hamnestv1.IngestResponse) error {
	var batch *ingestBatch
	select {
	case batch = <-s.unacknowledged:
	default:
		return status.Error(codes.Internal, "the server acknowledged a batch that was not sent")
	}
	position := batch.first + uint64(batch.count)
	if resp.GetSequence() != batch.sequence || resp.GetPosition() != position || int(resp.GetStoredCount())+len(resp.GetErrors()) != batch.count {
		return status.Errorf(codes.Internal,
			"the server acknowledged batch %d up to position %d with %d stored and %d refused, want batch %d of %d records up to position %d",
			resp.GetSequence(), resp.GetPosition(), resp.GetStoredCount(), len(resp.GetErrors()), batch.sequence, batch.count, position)
	}
	for _, e := range resp.GetErrors() {
		refusal, ours := batch.unsendable[int(e.GetIndex())]
		if !ours {
			refusal = convert.RefusalFromProto(e)
		}
		batch.settled.Refused = append(batch.settled.Refused, refusal)
	}
	batch.settled.Replaced = int(resp.GetReplacedCount())
	s.result.Settle(batch.count, batch.settled, s.opts)
	close(batch.acknowledged)
	return nil
}
