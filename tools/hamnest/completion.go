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

// completionTime is how long a shell waits for names at most.
const completionTime = 2 * time.Second

// completeNames makes the shell complete the first argument of a command to the name of
// a collection, where that is what it takes, and further ones to files if it takes those.
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
		case <-time.After(completionTime): // the process ends now, and what opens files with it
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
	}
}

// completeFrom makes the shell complete a flag to one of some values.
func completeFrom(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic("hamnest: " + err.Error())
	}
}

// names lists the collections that the flags lead to. Whatever goes wrong, there are none:
// a shell has no place for errors.
func (f *storeFlags) names() []string {
	dir, server, err := f.resolve()
	if err != nil {
		return nil
	}
	if dir != "" {
		names, _ := index.NamesIn(dir)
		return names
	}
	e, err := client.New(server)
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
