package main

import (
	"encoding/json"
	"fmt"

	"fivetuple/scenarios"

	"github.com/spf13/cobra"
)

func listCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list the built-in scenarios, each with its claim",
		Args:  exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range scenarios.Names() {
				s, err := load(name)
				if err != nil {
					return err
				}
				if asJSON {
					if err := json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{"name": s.Name, "claim": s.Claim, "doc": s.Doc}); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-20s %s\n", s.Name, s.Claim)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line, with the whole description")
	return cmd
}
