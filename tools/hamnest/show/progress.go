package show

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Interval is the time between two drawings of a bar. A person can follow that.
const Interval = 100 * time.Millisecond

// Progress shows the progress of a long task on a terminal, and nothing elsewhere.
type Progress struct{ bar *progressbar.ProgressBar }

// NewProgress begins a task of total units: bytes, or what the description counts.
func NewProgress(w io.Writer, what string, total int64, bytes bool) *Progress {
	if !IsTerminal(w) {
		return &Progress{}
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(Interval),
		progressbar.OptionFullWidth(),
		progressbar.OptionClearOnFinish(),
	}
	if bytes {
		options = append(options, progressbar.OptionShowBytes(true)) // and bytes a second
	} else {
		options = append(options, progressbar.OptionShowIts())
	}
	return &Progress{progressbar.NewOptions64(total, options...)}
}

// Add counts n more units as done. If the bar cannot be drawn, the task continues.
func (p *Progress) Add(n int) {
	if p.bar != nil {
		_ = p.bar.Add(n)
	}
}

// Describe changes the words beside the bar.
func (p *Progress) Describe(what string) {
	if p.bar != nil {
		p.bar.Describe(what)
	}
}

// Done removes the bar.
func (p *Progress) Done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// IsTerminal reports whether a person reads or writes this stream.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
