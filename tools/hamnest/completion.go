package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/client"
	"github.com/hamnest/hamnest/index"
)

// completionTime is the longest time that a shell waits for names.
const completionTime = 2 * time.Second

// completeNames makes the shell complete the first argument of a command to the name of a
// collection, if the command takes one, and further arguments to files, if it takes files.
func completeNames(cmd *cobra.Command, store *storeFlags) {
	words := strings.Fields(cmd.Use)
	if len(words) < 2 || words[1] != "NAME" || words[0] == "create" {
		return
	}
	rest := cobra.ShellCompDirectiveNoFileComp
	if slices.Contains(words, "FILE...") {
		rest = cobra.ShellCompDirectiveDefault
	}
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, rest
		}
		found := make(chan []string, 1)
		go func() { found <- store.names() }()
		select {
		case names := <-found:
			return names, cobra.ShellCompDirectiveNoFileComp
		case <-time.After(completionTime): // the process ends now, and with it whatever still opens files
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
}

// completeFrom makes the shell complete a flag to one of the values.
func completeFrom(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("hamnest: " + err.Error())
	}
}

// names lists the collections of the directory or server that the flags name. If anything goes wrong
// it returns none, because a shell cannot show an error.
func (f *storeFlags) names() []string {
	dir, server, err := f.resolve()
	if err != nil {
		return nil
	}
	if dir != "" {
		names, _ := index.NamesIn(dir)
		return names
	}
	e, err := client.New(server, client.WithRetryTime(0))
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	var names []string
	for info, err := range e.Collections(ctx) {
		if err == nil {
			names = append(names, info.Name)
		}
	}
	_ = e.Close()
	return names
}
