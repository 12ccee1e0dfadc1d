package table

import (
	"io"
	"strings"
	"unicode/utf8"
)

// columns aligns cells. The last cell of a row is not padded.
type columns struct {
	gap   int
	right map[int]bool // columns whose cells end at the same place
	rows  [][]string
	below map[int][]string // lines below a row, not aligned
}

func (c *columns) add(cells ...string) { c.rows = append(c.rows, cells) }

func (c *columns) widths() []int {
	var w []int
	for _, row := range c.rows {
		for i, cell := range row {
			if i == len(w) {
				w = append(w, 0)
			}
			w[i] = max(w[i], utf8.RuneCountInString(cell))
		}
	}
	return w
}

func (c *columns) writeTo(w io.Writer) error {
	widths := c.widths()
	var out strings.Builder
	for n, row := range c.rows {
		var line strings.Builder
		for i, cell := range row {
			fill := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if c.right[i] {
				cell = fill + cell
			} else {
				cell += fill
			}
			if i > 0 && widths[i] > 0 {
				line.WriteString(strings.Repeat(" ", c.gap))
			}
			line.WriteString(cell)
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		for _, s := range c.below[n] {
			out.WriteString(s + "\n")
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}
