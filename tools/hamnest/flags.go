package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/encoder/code"
	"github.com/hamnest/hamnest/tools/hamnest/files"
)

// addDialectFlag adds the flag that says how codes are packed.
func addDialectFlag(cmd *cobra.Command, dialect *string, usage string) {
	cmd.Flags().StringVar(dialect, "dialect", "", usage+": `name` of how they are packed, numpy, numpy-signed, pgvector or faiss")
}

// parseDialect returns the dialect of that name, which what needs.
func parseDialect(what, name string) (code.Dialect, error) {
	if name == "" {
		return 0, fmt.Errorf("nothing in a code tells how it is packed: with %s, want --dialect numpy, numpy-signed, pgvector or faiss", what)
	}
	return code.ParseDialect(name)
}

// checkIDs returns what is wrong with the ids of a command line.
func checkIDs(ids ...string) error {
	for _, id := range ids {
		if err := files.CheckID(id); err != nil {
			return err
		}
	}
	return nil
}
