package main

import (
	"slices"
	"strings"

	"fivetuple/sim/netem"

	"github.com/spf13/pflag"
)

// defineNetem adds the flags that impair the link.
func (u *upFlags) defineNetem(f *pflag.FlagSet) {
	f.StringVar(&u.netem, "netem", "", "impair the link in tc-netem's `words`, as \"delay 40ms loss 1%\"; or \"out WORDS, in WORDS\"")
	f.StringVar(&u.delay, "delay", "", "the same as --netem \"delay `TIME`\", as 40ms")
	f.StringVar(&u.loss, "loss", "", "the same as --netem \"loss `PERCENT`\", as 1%")
	f.StringVar(&u.rate, "rate", "", "the same as --netem \"rate `RATE`\", as 10mbit")
}

// joinNetem adds --delay, --loss and --rate to the words of --netem.
func (u *upFlags) joinNetem() error {
	var words []string
	for _, w := range [][2]string{{"delay", u.delay}, {"loss", u.loss}, {"rate", u.rate}} {
		if w[1] != "" {
			words = append(words, w[0]+" "+w[1])
		}
	}
	switch {
	case len(words) == 0:
		return nil
	case u.netem != "":
		return usagef("--netem %q and --%s: write all of it in --netem", u.netem, words[0])
	}
	u.netem = strings.Join(words, " ")
	return nil
}

// readNetem reads --netem: words for both directions, or "out WORDS, in WORDS".
func readNetem(text string) (out, in string, err error) {
	out, in = text, text
	first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	if first == "out" || first == "in" {
		out, in = "", ""
		var seen []string
		for part := range strings.SplitSeq(text, ",") {
			dir, words, _ := strings.Cut(strings.TrimSpace(part), " ")
			switch words = strings.TrimSpace(words); {
			case slices.Contains(seen, dir):
				return "", "", usagef("--netem %q: %s is there twice: write all of its words behind one", text, dir)
			case words == "":
				return "", "", usagef("--netem %q: nothing is behind %s, as in out delay 40ms", text, dir)
			}
			seen = append(seen, dir)
			switch dir {
			case "out":
				out = words
			case "in":
				in = words
			default:
				return "", "", usagef("--netem %q: each part begins with out or in", text)
			}
		}
	}
	for _, words := range []string{out, in} {
		if _, err := netem.Parse(words); err != nil {
			return "", "", usagef("--netem %q: %w", text, err)
		}
	}
	return out, in, nil
}
