//go:build !linux

package main

import "github.com/spf13/cobra"

// execCommand says why there is none.
func execCommand() *cobra.Command {
	return &cobra.Command{
		Use: "exec", Short: "run real programs as hosts of a lab (Linux only)",
		DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return usagef("exec needs Linux's network namespaces and TUN devices; `fivetuple run` works here")
		},
	}
}

func insideCommand() *cobra.Command { return &cobra.Command{Use: "exec-inside", Hidden: true} }

// programExit is an exit status that no program has here.
type programExit struct{ status int }

func (programExit) Error() string { return "" }
