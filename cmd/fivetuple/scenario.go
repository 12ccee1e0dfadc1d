package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fivetuple/scenarios"
	"fivetuple/scenarios/star"
)

// load finds a scenario: a path to a .star file, or the name of a built-in one.
func load(arg string) (*star.Scenario, error) {
	if !strings.HasSuffix(arg, ".star") && !strings.ContainsRune(arg, filepath.Separator) {
		file, src, err := scenarios.Source(arg)
		if err != nil {
			return nil, usageError{err}
		}
		return parse(file, src)
	}
	src, err := os.ReadFile(arg)
	if err != nil {
		return nil, usageError{err}
	}
	return parse(arg, src)
}

func parse(file string, src []byte) (*star.Scenario, error) {
	s, err := star.Parse(file, src)
	if err != nil {
		return nil, usageError{err}
	}
	return s, nil
}

// find lists scenarios to test: all built-in ones without arguments, else
// files, the .star files of folders, or names.
func find(args []string) ([]string, error) {
	if len(args) == 0 {
		return scenarios.Names(), nil
	}
	var out []string
	for _, a := range args {
		info, err := os.Stat(a)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(a, ".star") && slices.Contains(scenarios.Names(), a):
			out = append(out, a)
		case errors.Is(err, fs.ErrNotExist) && !strings.ContainsRune(a, filepath.Separator) && !strings.HasSuffix(a, ".star"):
			_, _, err := scenarios.Source(a)
			return nil, usageError{err}
		case err != nil:
			return nil, usageError{err}
		case !info.IsDir():
			out = append(out, a)
		default:
			files, err := filepath.Glob(filepath.Join(a, "*.star"))
			if err != nil || len(files) == 0 {
				return nil, usagef("%s: no .star files in this folder", a)
			}
			out = append(out, files...)
		}
	}
	return out, nil
}
