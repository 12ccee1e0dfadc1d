package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"fivetuple/sockapi"

	"github.com/spf13/cobra"
)

func optionsCommand() *cobra.Command {
	asJSON, markdown := false, false
	cmd := &cobra.Command{
		Use:   "options",
		Short: "print the table of socket options: simulated, stored or refused",
		Args:  exactly(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case asJSON:
				return optionsJSON(cmd.OutOrStdout())
			case markdown:
				return optionsMarkdown(cmd.OutOrStdout())
			}
			return optionsText(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().BoolVar(&markdown, "markdown", false, "the page docs/socket-options.md")
	return cmd
}

func defaultText(o sockapi.Option) string {
	if o.Default == nil {
		return "-"
	}
	return fmt.Sprint(o.Default)
}

func optionsText(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, o := range sockapi.Options() {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", o.LevelName, o.Name, o.Status, o.Type, defaultText(o), o.Source, o.Note)
	}
	return tw.Flush()
}

func optionsJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	for _, o := range sockapi.Options() {
		if err := enc.Encode(struct {
			Level    string         `json:"level"`
			Name     string         `json:"name"`
			LevelNum int            `json:"level_num"`
			Num      int            `json:"num"`
			Status   sockapi.Status `json:"status"`
			Type     string         `json:"type"`
			Default  string         `json:"default,omitempty"`
			Source   string         `json:"source"`
			Note     string         `json:"note,omitempty"`
		}{o.LevelName, o.Name, o.Level, o.Num, o.Status, string(o.Type), defaultText(o), o.Source, o.Note}); err != nil {
			return err
		}
	}
	return nil
}

// optionsMarkdown prints docs/socket-options.md.
func optionsMarkdown(w io.Writer) error {
	count := make(map[sockapi.Status]int)
	for _, o := range sockapi.Options() {
		count[o.Status]++
	}
	_, err := fmt.Fprintf(w, `# Socket options

Printed by `+"`fivetuple options --markdown`"+` from the table that the calls use: %d simulated, %d stored, %d refused.

- **simulated**: does what it does on Linux.
- **stored**: is remembered and read back, but changes nothing; setting another value than the default warns.
- **refused**: fails with ENOPROTOOPT, and warns: the stack cannot honour it.

| level | option | status | type | default | source | note |
|---|---|---|---|---|---|---|
`, count[sockapi.Simulated], count[sockapi.Stored], count[sockapi.Refused])
	for _, o := range sockapi.Options() {
		if err == nil {
			_, err = fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s |\n", o.LevelName, o.Name, o.Status, o.Type, defaultText(o), o.Source, o.Note)
		}
	}
	return err
}
