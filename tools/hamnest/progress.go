package main

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// progressInterval is how often a bar is drawn: what a person can follow.
const progressInterval = 100 * time.Millisecond

// progress shows on a terminal how far a long task is, and nothing elsewhere.
type progress struct{ bar *progressbar.ProgressBar }

// newProgress begins a task of total units: bytes, or whatever what says.
func newProgress(cmd *cobra.Command, what string, total int64, bytes bool) *progress {
	if !isTerminal(cmd.ErrOrStderr()) {
		return &progress{}
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(cmd.ErrOrStderr()),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(progressInterval),
		progressbar.OptionFullWidth(),
		progressbar.OptionClearOnFinish(),
	}
	if bytes {
		options = append(options, progressbar.OptionShowBytes(true)) // and bytes a second
	} else {
		options = append(options, progressbar.OptionShowIts())
	}
	return &progress{progressbar.NewOptions64(total, options...)}
}

// add counts n more units as done. That a bar cannot be drawn stops no work.
func (p *progress) add(n int) {
	if p.bar != nil {
		_ = p.bar.Add(n)
	}
}

// describe changes the words beside the bar.
func (p *progress) describe(what string) {
	if p.bar != nil {
		p.bar.Describe(what)
	}
}

// done removes the bar.
func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
