//go:build !linux

package main

import "github.com/spf13/cobra"

// forward says why there is no session.
func forward(_ *cobra.Command, name string) error {
	return usagef("%s: live sessions need Linux", name)
}

func upCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "up",
		Short:              "attach the stack to a TUN device (Linux only)",
		DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return usagef("up: TUN devices need Linux; `fivetuple run` works everywhere")
		},
	}
}
