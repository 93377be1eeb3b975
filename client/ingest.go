package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	hamnestv1 "github.com/hamnest/hamnest/proto/hamnest/v1"
)

// IngestOptions configures Ingest. The zero value is ready to use; a number that
// is zero or less means its default.
type IngestOptions struct {
	// BatchVectors is the most records sent together. The server has a limit, by
	// default 10000. Default 2000.
	BatchVectors int
	// BatchBytes is the most bytes sent together, unless one record alone has
	// more. Default 4 MiB; at most the client's message size.
	BatchBytes int
	// MaxInFlight is how many batches may be sent and not yet acknowledged. It
	// bounds what is lost from memory with a broken connection, and must be above
	// one to keep the server busy. Default 8.
	MaxInFlight int
	// OnRefused, unless nil, is told of every record that the server refused, in
	// order. It runs in a goroutine of the stream, one call at a time, and what it
	// takes delays acknowledgements; it must not call the stream's Close.
	OnRefused func(IngestRefusal)
	// MaxRefusals is how many refusals IngestResult keeps. All are counted.
	// Default 1000.
	MaxRefusals int
}

func (o IngestOptions) withDefaults(maxMessageBytes int) IngestOptions {
	for _, number := range []struct {
		field *int
		value int
	}{
		{&o.BatchVectors, 2000},
		{&o.BatchBytes, 4 << 20},
		{&o.MaxInFlight, 8},
		{&o.MaxRefusals, 1000},
	} {
		if *number.field <= 0 {
			*number.field = number.value
		}
	}
	o.BatchBytes = min(o.BatchBytes, maxMessageBytes-messageOverhead)
	return o
}

// IngestRefusal says why one record was not stored.
type IngestRefusal struct {
	// Index counts the records added to the stream, from 0.
	Index uint64
	ID    string
	// Reason says what was found and what was wanted.
	Reason string
}

// IngestResult says what became of the records added to a stream.
type IngestResult struct {
	// Stored records are durable and visible to searches, Refused ones are not
	// there.
	Stored, Refused uint64
	// Position: of the records added, the first Position are settled, each stored
	// or refused. To resume after an error, add the others to a new stream.
	Position uint64
	// Refusals are the first of those refused: see IngestOptions.MaxRefusals.
	Refusals []IngestRefusal
}

// IngestError says why a stream broke and what had been settled by then.
type IngestError struct {
	Result IngestResult
	// Err is an *Error.
	Err error
}

func (e *IngestError) Error() string {
	return fmt.Sprintf("client: ingest broke after the first %d records were settled (%d stored, %d refused): %v",
		e.Result.Position, e.Result.Stored, e.Result.Refused, e.Err)
}

// Unwrap returns Err.
func (e *IngestError) Unwrap() error { return e.Err }

// IngestStream stores records in bulk. Add and Close are for one goroutine.
//
// Two goroutines work behind it: one sends the batches that Add has filled, the
// other receives their acknowledgements.
type IngestStream struct {
	stream hamnestv1.VectorService_IngestClient
	ctx    context.Context // of the stream
	cancel context.CancelFunc
	opts   IngestOptions
	// maxRecordBytes is the most that one record may have to fit into a message.
	maxRecordBytes int

	batch    *ingestBatch // being filled
	added    uint64       // records
	sequence uint64       // of the last batch that was filled
	closing  bool         // nothing more is added

	// unacknowledged holds every batch from before it is sent until it is
	// acknowledged: when it is full, Add waits. outgoing holds those that are not
	// sent yet; while the sender works it has room whenever unacknowledged has.
	unacknowledged, outgoing chan *ingestBatch

	// done is closed when the stream has ended. Until then result and err are the
	// receiver's, thereafter anyone's to read.
	done   chan struct{}
	result IngestResult
	err    error
}

// ingestBatch is what one message carries.
type ingestBatch struct {
	sequence uint64
	first    uint64 // index in the stream of its first record
	records  []*hamnestv1.VectorRecord
	count    int // of records, also when they are sent and gone
	bytes    int // of records on the wire, no less than they are
	// unsendable are the records, by index in the batch, that have no form on the
	// wire. Each travels as an empty record, which a server is certain to refuse,
	// so that positions count it; its refusal is told in our own words.
	unsendable map[int]IngestRefusal
}

// Sizes on the wire, no less than they are: the tags and lengths of a record, and
// what a batch adds to its records.
const (
	recordOverhead  = 48
	messageOverhead = 64
)

// Ingest opens a stream that stores records in a collection. ErrNotFound when it
// is not there. The end of ctx breaks the stream. It must be closed.
func (c *Client) Ingest(ctx context.Context, collection string, opts IngestOptions) (*IngestStream, error) {
	// The stream itself would tell only with the first acknowledgement.
	if _, err := c.GetCollection(ctx, collection); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.vectors.Ingest(ctx)
	if err != nil {
		cancel()
		return nil, fromGRPC(err)
	}
	opts = opts.withDefaults(c.maxMessageBytes)
	s := &IngestStream{
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

// Add adds a record to the stream. It returns before the record is stored, and
// waits while MaxInFlight batches are unacknowledged; the end of ctx ends the wait
// and the record is then not added, and the stream goes on. Any other error is an
// *IngestError: the stream is broken, and Close is all that is left to do.
//
// r may be changed and used again when Add returns. A record that is refused, by
// the server or because it cannot be sent at all, is no error of Add: see
// IngestOptions.OnRefused and IngestResult.
func (s *IngestStream) Add(ctx context.Context, r Record) error {
	if s.closing {
		return errors.New("client: ingest: Add after Close")
	}
	select {
	case <-s.done:
		return s.failure()
	default:
	}
	size := recordOverhead + len(r.ID) + 4*len(r.Vector) + len(r.Metadata)
	if r.Code != nil {
		size += len(r.Code.Packed)
	}
	reason := ""
	if size > s.maxRecordBytes {
		reason = fmt.Sprintf("has %d bytes, and a message of this client has room for %d", size, s.maxRecordBytes)
	} else if field, bad := badRecord(r); bad != "" {
		reason = field + " " + bad
	}
	if reason != "" {
		size = recordOverhead
	}

	if full := s.batch.count == s.opts.BatchVectors || s.batch.bytes+size > s.opts.BatchBytes; full && s.batch.count > 0 {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	message := &hamnestv1.VectorRecord{}
	if reason == "" {
		message = recordToProto(r)
	} else {
		if s.batch.unsendable == nil {
			s.batch.unsendable = make(map[int]IngestRefusal)
		}
		s.batch.unsendable[s.batch.count] = IngestRefusal{Index: s.added, ID: r.ID, Reason: reason}
	}
	s.batch.records = append(s.batch.records, message)
	s.batch.count++
	s.batch.bytes += size
	s.added++
	return nil
}

// Close sends what Add has kept, waits until everything is acknowledged and
// returns the totals. If the stream broke, the totals are those of what had been
// settled by then, and the error is an *IngestError. Closing again returns the
// same. To give up instead, end the context of Ingest before.
func (s *IngestStream) Close() (IngestResult, error) {
	if !s.closing {
		s.closing = true
		if s.batch.count > 0 {
			// Fails only when the stream has, which is seen below.
			_ = s.flush(context.Background())
		}
		close(s.outgoing)
	}
	<-s.done
	return s.result, s.failure()
}

// newBatch begins an empty batch.
func (s *IngestStream) newBatch() {
	s.sequence++
	s.batch = &ingestBatch{sequence: s.sequence, first: s.added}
}

// flush passes the batch on to be sent and begins another.
func (s *IngestStream) flush(ctx context.Context) error {
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

// failure returns why the stream, which has ended, ended too early; nil if it did
// not.
func (s *IngestStream) failure() error {
	err := s.err
	if err == nil {
		if s.closing && s.result.Position == s.added {
			return nil
		}
		err = &Error{Code: codes.Internal, Message: "the server ended the stream before the client did"}
	}
	return &IngestError{Result: s.result, Err: err}
}

// send sends start and then the batches, until there are no more or the stream
// ends. It returns an error only if that, and not the stream's end, is why nothing
// more can be sent.
func (s *IngestStream) send(collection string) error {
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
func (s *IngestStream) receive(sent <-chan error) {
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
			// What broke sending has broken receiving, too: it is the cause.
			s.err = fromGRPC(cmp.Or(<-sent, err))
			return
		}
	}
}

// settle takes one acknowledgement into the result.
func (s *IngestStream) settle(resp *hamnestv1.IngestResponse) error {
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
	s.result.Stored += uint64(resp.GetStoredCount())
	s.result.Refused += uint64(len(resp.GetErrors()))
	s.result.Position = position
	for _, e := range resp.GetErrors() {
		refusal, ours := batch.unsendable[int(e.GetIndex())]
		if !ours {
			refusal = IngestRefusal{Index: batch.first + uint64(e.GetIndex()), ID: e.GetId(), Reason: e.GetReason()}
		}
		if len(s.result.Refusals) < s.opts.MaxRefusals {
			s.result.Refusals = append(s.result.Refusals, refusal)
		}
		if s.opts.OnRefused != nil {
			s.opts.OnRefused(refusal)
		}
	}
	return nil
}
