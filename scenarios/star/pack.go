package star

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
)

var errExec = errors.New(`execve: write p.execve("name", function, arguments...)`)

// packSizes are the letters of a format, those of Python's struct module, in
// network byte order.
var packSizes = map[rune]int{'B': 1, 'H': 2, 'I': 4, 'Q': 8}

// pack(format, *values) makes the bytes of a packet: "B", "H", "I" and "Q" are
// unsigned numbers of 1, 2, 4 and 8 bytes, most significant first; "s" is a
// string.
func (r *runner) pack(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	if len(args) == 0 || len(kwargs) > 0 {
		return nil, errors.New(`pack: write pack("BBHHH", 8, 0, 0, 1, 1)`)
	}
	format, ok := starlark.AsString(args[0])
	if !ok {
		return nil, fmt.Errorf("pack: %s: the format is a string", args[0])
	}
	values := args[1:]
	if len(values) != len(format) {
		return nil, fmt.Errorf("pack: format %q has %d values, got %d", format, len(format), len(values))
	}
	var out []byte
	for i, letter := range format {
		size, known := packSizes[letter]
		switch {
		case letter == 's':
			var d data
			if err := d.Unpack(values[i]); err != nil {
				return nil, fmt.Errorf("pack: value %d: %w", i+1, err)
			}
			out = append(out, d...)
		case !known:
			return nil, packLetter("pack", letter)
		default:
			n, isInt := values[i].(starlark.Int)
			u, fits := uint64(0), false
			if isInt {
				u, fits = n.Uint64()
			}
			if !fits || size < 8 && u>>(8*size) != 0 {
				return nil, fmt.Errorf("pack: value %d: %s does not fit %q, an unsigned number of %d bytes", i+1, values[i], letter, size)
			}
			out = append(out, binary.BigEndian.AppendUint64(nil, u)[8-size:]...)
		}
	}
	return starlark.String(out), nil
}

// unpack(format, data) is the reverse of pack; an "s" at the end takes the rest.
func (r *runner) unpack(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var format string
	var d data
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "format", &format, "data", &d); err != nil {
		return nil, err
	}
	var out starlark.Tuple
	for i, letter := range format {
		size, known := packSizes[letter]
		switch {
		case letter == 's' && i == len(format)-1:
			return append(out, starlark.String(d)), nil
		case !known:
			return nil, packLetter("unpack", letter)
		case len(d) < size:
			return nil, fmt.Errorf("unpack: the data ends before %q, letter %d of %q", letter, i+1, format)
		}
		out = append(out, starlark.MakeUint64(binary.BigEndian.Uint64(append(make([]byte, 8-size), d[:size]...))))
		d = d[size:]
	}
	return out, nil
}

func packLetter(name string, letter rune) error {
	return fmt.Errorf("%s: %q: the letters are %s, and s for a string (at the end, in unpack)", name, letter, strings.Join([]string{"B", "H", "I", "Q"}, ", "))
}

// checksum(data) is the Internet checksum (RFC 1071).
func (r *runner) checksum(_ *th, b *blt, args starlark.Tuple, kwargs kw) (starlark.Value, error) {
	var d data
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "data", &d); err != nil {
		return nil, err
	}
	sum := uint32(0)
	for i, c := range d {
		sum += uint32(c) << (8 * (1 - i%2))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return starlark.MakeInt(int(^uint16(sum))), nil
}
