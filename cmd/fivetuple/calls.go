package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"fivetuple/sockapi"

	"github.com/spf13/cobra"
)

func callsCommand() *cobra.Command {
	asJSON, markdown := false, false
	cmd := &cobra.Command{
		Use:   "calls",
		Short: "print the table of socket calls, with what Winsock and XTI call them",
		Args:  exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case asJSON:
				return callsJSON(cmd.OutOrStdout())
			case markdown:
				return callsMarkdown(cmd.OutOrStdout())
			}
			return callsText(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().BoolVar(&markdown, "markdown", false, "the page docs/socket-calls.md")
	return cmd
}

func errnoNames(errnos []sockapi.Errno) string {
	var names []string
	for _, e := range errnos {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func callsText(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range sockapi.Calls() {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", c.Name, c.By, c.Does)
	}
	return tw.Flush()
}

func callsJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	for _, c := range sockapi.Calls() {
		if err := enc.Encode(map[string]string{
			"name": c.Name, "does": c.Does, "by": c.By, "before": c.Before, "after": c.After,
			"errnos": errnoNames(c.Errnos), "winsock": c.Winsock, "xti": c.XTI, "scenario": c.Scenario,
		}); err != nil {
			return err
		}
	}
	return nil
}

// callsMarkdown prints docs/socket-calls.md.
func callsMarkdown(w io.Writer) error {
	_, err := fmt.Fprint(w, `# Socket calls

Printed by `+"`fivetuple calls --markdown`"+`. States are those of a TCP connection (RFC 9293); every call also has EBADF and, if the
descriptor is no socket, ENOTSOCK. The scenario is a built-in one that shows the call: `+"`fivetuple run NAME`"+`.

| call | does | by | before | after | errnos | Winsock | XTI | scenario |
|---|---|---|---|---|---|---|---|---|
`)
	for _, c := range sockapi.Calls() {
		if err == nil {
			_, err = fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n",
				c.Name, c.Does, c.By, c.Before, c.After, errnoNames(c.Errnos), c.Winsock, c.XTI, c.Scenario)
		}
	}
	return err
}
