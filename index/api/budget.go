package api

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// ErrTooLarge is returned when answers come to more bytes than their Budget.
var ErrTooLarge = errors.New("index: answer too large")

// Budget bounds the total bytes of ids, metadata and vectors in the answers to all queries that
// share it. Hits use it up as they are collected, so an answer too large to send takes no
// memory.
type Budget struct {
	bytes int64
	left  atomic.Int64
}

// NewBudget returns a budget of the given number of bytes.
func NewBudget(bytes int64) *Budget {
	b := &Budget{bytes: bytes}
	b.left.Store(bytes)
	return b
}

// Take uses up n bytes. A nil Budget has no bound.
func (b *Budget) Take(n int) error {
	if b != nil && b.left.Add(-int64(n)) < 0 {
		return fmt.Errorf("more than %d bytes: %w", b.bytes, ErrTooLarge)
	}
	return nil
}
