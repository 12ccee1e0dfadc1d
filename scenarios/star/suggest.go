package star

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"fivetuple/internal/spell"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
)

// suggestNames adds the nearest of our own names to errors about names that
// are not defined: Starlark suggests only what the script itself defines.
func suggestNames(err error, globals starlark.StringDict) error {
	var list resolve.ErrorList
	if !errors.As(err, &list) {
		return err
	}
	known := append(slices.Sorted(maps.Keys(globals)), starlark.Universe.Keys()...)
	out := slices.Clone(list)
	for i, e := range out {
		if name, ok := strings.CutPrefix(e.Msg, "undefined: "); ok && !strings.Contains(name, " ") {
			out[i].Msg += spell.Hint(name, known)
		}
	}
	return out
}
