package ladder

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// plain maps what the ladder draws with to ASCII, one column for one column.
var plain = strings.NewReplacer(
	"─", "-", "▶", ">", "◀", "<", "✗", "X", "┄", ".", "│", "|", "├", "+", "┤", "+",
	"→", ">", "←", "<", "↔", "-", "⋮", ":", "·", "-", "…", "~", "×", "x", "µ", "u",
)

// draw returns s as it may be written.
func (c Config) draw(s string) string {
	if c.ASCII {
		return plain.Replace(s)
	}
	return s
}

// duration is a time that passed: "20 ms", "1.5 s", "59.99 s".
func duration(d time.Duration) string {
	n, unit := float64(d)/float64(time.Millisecond), " ms"
	switch {
	case d >= time.Second:
		n, unit = d.Seconds(), " s"
	case d < time.Millisecond:
		n, unit = float64(d)/float64(time.Microsecond), " µs"
	}
	return strconv.FormatFloat(round3(n), 'f', -1, 64) + unit
}

func round3(n float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(n, 'f', 3, 64), 64)
	return r
}

// size is a number of bytes: "512 bytes", "206 kB".
func size(n int) string {
	switch f := float64(n); {
	case n < 1000:
		return count(n, "byte")
	case n < 999_500:
		return strconv.FormatFloat(f/1e3, 'g', 3, 64) + " kB"
	case n < 999_500_000:
		return strconv.FormatFloat(f/1e6, 'g', 3, 64) + " MB"
	default:
		return strconv.FormatFloat(f/1e9, 'f', 2, 64) + " GB"
	}
}

// timeWidth is the width of the time column. It ends before the lanes.
const timeWidth = 10

// laneStart is the column of the first lane.
const laneStart = timeWidth + 2

// stamp is a time in its column: milliseconds, from 100 s on seconds.
func stamp(at time.Duration) string {
	if at < 100*time.Second {
		return fmt.Sprintf("%*.3f", timeWidth, float64(at.Round(time.Microsecond))/float64(time.Millisecond))
	}
	return fmt.Sprintf("%*.3f s", timeWidth-2, at.Seconds())
}

func width(s string) int { return utf8.RuneCountInString(s) }

func pad(n int) string { return strings.Repeat(" ", max(0, n)) }

// padTo fills s with blanks up to n columns.
func padTo(s string, n int) string { return s + pad(n-width(s)) }

// oneLine puts a blank in the place of each control character: others' text must
// neither break a row nor speak to the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// cut shortens s to n columns.
func cut(s string, n int) string {
	if width(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// wrap breaks s at blanks into lines of at most n columns. Lines after the
// first are indented. A word that is too long is cut in pieces.
func wrap(s string, n int) []string {
	const indent = "    "
	var lines []string
	for width(s) > n {
		runes := []rune(s)
		at := n
		for at > n/2 && runes[at] != ' ' {
			at--
		}
		if runes[at] != ' ' {
			at = n
		}
		lines = append(lines, strings.TrimRight(string(runes[:at]), " "))
		s = indent + strings.TrimLeft(string(runes[at:]), " ")
	}
	return append(lines, s)
}
