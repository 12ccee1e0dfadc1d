package main

import (
	"bytes"
	"fmt"
	"os"
	"unicode/utf8"
)

func compareFiles(a, b string) (string, error) {
	x, err := os.ReadFile(a)
	if err != nil {
		return "", err
	}
	y, err := os.ReadFile(b)
	if err != nil {
		return "", err
	}
	return compare(x, y), nil
}

// compare returns "" for equal contents, else where they first differ: by line
// for text, by offset for anything else.
func compare(a, b []byte) string {
	if bytes.Equal(a, b) {
		return ""
	}
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	if !utf8.Valid(a) || !utf8.Valid(b) {
		return fmt.Sprintf("differ at offset %d (of %d and %d bytes)", at, len(a), len(b))
	}
	line := 1 + bytes.Count(a[:at], []byte("\n"))
	return fmt.Sprintf("differ in line %d\n    %s\n    %s", line, lineAt(a, at), lineAt(b, at))
}

// lineAt returns the line that the offset is in.
func lineAt(data []byte, at int) string {
	start := bytes.LastIndexByte(data[:at], '\n') + 1
	line, _, _ := bytes.Cut(data[start:], []byte("\n"))
	if start == len(data) {
		return "(the end)"
	}
	return string(line)
}
