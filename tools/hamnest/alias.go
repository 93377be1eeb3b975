package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hamnest/hamnest/index/api"
	"github.com/hamnest/hamnest/tools/hamnest/show"
)

func aliasCommand(format *show.Format) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alias",
		Short: "Give collections further names, and switch those",
		Long: `An alias is another name of a collection. Every command that takes a collection's name
takes an alias too, but for the two that rename and delete a collection. So clients can
ask for one name while the collection behind it is built anew beside the old one, and
then switched.`,
		// Without these cobra would take a mistyped subcommand for a call for help.
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(aliasSetCommand(format), aliasListCommand(format), aliasDeleteCommand())
	return cmd
}

func aliasSetCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	cmd := &cobra.Command{
		Use:   "set ALIAS NAME",
		Short: "Make or switch an alias of a collection",
		Long: `Set makes ALIAS another name of the collection NAME, whatever it was an alias of before.
The switch is one step: searches that begin later go to the new collection, and those
under way end on the old one. An alias cannot have the name of a collection, nor a
collection that of an alias.`,
		Example: `  hamnest alias set prod packages-2027 --data ./vectors
  hamnest alias set prod packages-2027 --server localhost:7700`,
		Args: wantArgs(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return store.withStore(cmd, false, func(ctx context.Context, b api.Engine) error {
				set, err := b.SetAlias(ctx, args[0], args[1])
				if err != nil {
					return err
				}
				return printAliases(newOutput(cmd, format), []api.Alias{set})
			})
		},
	}
	store.register(cmd)
	return cmd
}

func aliasListCommand(format *show.Format) *cobra.Command {
	var store storeFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List all aliases by name",
		Long:  `List shows every alias and the collection that it is a name of.`,
		Example: `  hamnest alias list --data ./vectors
  hamnest alias list --format json --server localhost:7700`,
		Args: wantArgs(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return store.withReader(cmd, func(ctx context.Context, b api.Engine) error {
				var aliases []api.Alias
				for alias, err := range b.Aliases(ctx) {
					if err != nil {
						return err
					}
					aliases = append(aliases, alias)
				}
				return printAliases(newOutput(cmd, format), aliases)
			})
		},
	}
	store.register(cmd)
	return cmd
}

func aliasDeleteCommand() *cobra.Command {
	var store storeFlags
	cmd := &cobra.Command{
		Use:   "delete ALIAS",
		Short: "Delete an alias, and leave its collection",
		Long:  `Delete removes an alias. Its collection stays, under its own name.`,
		Example: `  hamnest alias delete prod --data ./vectors
  hamnest alias delete prod --server localhost:7700`,
		Args: wantArgs(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return store.withStore(cmd, false, func(ctx context.Context, b api.Engine) error {
				return b.DeleteAlias(ctx, args[0])
			})
		},
	}
	store.register(cmd)
	return cmd
}

// aliasJSON is an alias as --format json prints it.
type aliasJSON struct {
	Alias      string `json:"alias"`
	Collection string `json:"collection"`
}

func printAliases(out show.Output, aliases []api.Alias) error {
	var rows [][]string
	for _, a := range aliases {
		if out.JSON {
			if err := out.Object(aliasJSON{a.Name, a.Collection}); err != nil {
				return err
			}
		}
		rows = append(rows, []string{a.Name, a.Collection})
	}
	if out.JSON {
		return nil
	}
	return out.Table([]string{"ALIAS", "COLLECTION"}, rows)
}
