package main

import (
	"encoding/json"
	"fmt"

	"fivetuple/scenarios"

	"github.com/spf13/cobra"
)

// listed is one line of `fivetuple list --json`.
type listed struct {
	Name  string `json:"name"`
	Claim string `json:"claim"`
	Doc   string `json:"doc"`
}

func listCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list the built-in scenarios, each with its claim",
		Args:  exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			lines := json.NewEncoder(out)
			for _, name := range scenarios.Names() {
				s, err := load(name)
				if err != nil {
					return err
				}
				if asJSON {
					err = lines.Encode(listed{s.Name, s.Claim, s.Doc})
				} else {
					_, err = fmt.Fprintf(out, "%-20s %s\n", s.Name, s.Claim)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line, with the whole description")
	return cmd
}
