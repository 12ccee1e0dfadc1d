package ladder

import "strings"

// label is the text of an arrow in at most n columns. What does not fit is
// returned as rest: first blanks go, then from the end notes and words.
func (w *wire) label(n int) (text string, rest []string) {
	parts, notes := w.seg.parts(), w.notes
	for _, sep := range []string{"  ", " "} {
		if text = join(parts, notes, sep); width(text) <= n {
			return text, nil
		}
	}
	for len(notes) > 0 && width(text) > n {
		rest = append([]string{notes[len(notes)-1]}, rest...)
		notes = notes[:len(notes)-1]
		text = join(parts, notes, " ")
	}
	for len(parts) > 1 && width(text) > n {
		rest = append([]string{parts[len(parts)-1]}, rest...)
		parts = parts[:len(parts)-1]
		text = join(parts, notes, " ")
	}
	if wide := join(parts, notes, "  "); width(wide) <= n {
		text = wide // there is room for blanks again
	}
	return cut(text, n), rest
}

func join(parts, notes []string, sep string) string {
	if sep == " " { // flags are padded for columns that are given up now
		parts = append([]string{strings.TrimRight(parts[0], " ")}, parts[1:]...)
	}
	s := strings.Join(parts, sep)
	if len(notes) > 0 {
		s += sep + "(" + strings.Join(notes, "; ") + ")"
	}
	return strings.TrimRight(s, " ")
}

func dashes(n int) string { return strings.Repeat("─", max(0, n)) }

// rightArrow is "── text ───▶" in n columns, leftArrow its mirror image.
func rightArrow(text string, n int) string {
	return "── " + text + " " + dashes(n-width(text)-5) + "▶"
}

func leftArrow(text string, n int) string {
	return "◀" + dashes(n-width(text)-5) + " " + text + " ──"
}

// lostRight is "── text ──✗ reason" in at least n columns, lostLeft its mirror
// image.
func lostRight(text, reason string, n int) string {
	return "── " + text + " " + dashes(max(2, n-width(text)-width(reason)-6)) + "✗ " + reason
}

func lostLeft(text, reason string, n int) string {
	return reason + " ✗" + dashes(max(2, n-width(text)-width(reason)-6)) + " " + text + " ──"
}
