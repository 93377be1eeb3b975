// Command hamnest stores vectors, searches them by their binary codes, and
// measures how well that went, in a directory of this machine or on a server.
//
// Each command is one file named after it and knows only an api.Engine, which is a directory
// or a server: backend.go opens it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal ends cleanly, a second one kills
	os.Exit(execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
