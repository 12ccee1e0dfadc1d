package star

import (
	"fmt"
	"sort"

	"go.starlark.net/starlark"
)

// builtin is a method of a script value or a global function.
type builtin func(th *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)

// object is a script value with methods and fields, compared by identity.
type object struct {
	typ     string
	name    string
	methods map[string]builtin
	fields  map[string]func() starlark.Value
}

var _ starlark.HasAttrs = (*object)(nil)

func (o *object) String() string        { return fmt.Sprintf("%s(%q)", o.typ, o.name) }
func (o *object) Type() string          { return o.typ }
func (o *object) Freeze()               {}
func (o *object) Truth() starlark.Bool  { return true }
func (o *object) Hash() (uint32, error) { return starlark.String(o.typ + o.name).Hash() }

// Attr implements [starlark.HasAttrs].
func (o *object) Attr(name string) (starlark.Value, error) {
	if m, ok := o.methods[name]; ok {
		return starlark.NewBuiltin(o.typ+"."+name, m), nil
	}
	if f, ok := o.fields[name]; ok {
		return f(), nil
	}
	return nil, nil // Starlark reports it and suggests the nearest name
}

// AttrNames implements [starlark.HasAttrs].
func (o *object) AttrNames() []string {
	var names []string
	for n := range o.methods {
		names = append(names, n)
	}
	for n := range o.fields {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

func stringField(s string) func() starlark.Value {
	return func() starlark.Value { return starlark.String(s) }
}
