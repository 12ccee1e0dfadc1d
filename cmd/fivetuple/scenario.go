package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"fivetuple/scenarios"
	"fivetuple/scenarios/star"
)

// extension is how the name of a scenario's file ends.
const extension = ".star"

// isPath tells a path from the name of a built-in scenario.
func isPath(arg string) bool {
	return strings.HasSuffix(arg, extension) || strings.ContainsRune(arg, filepath.Separator)
}

// load finds a scenario: a path to a .star file, or the name of a built-in one.
func load(arg string) (*star.Scenario, error) {
	if !isPath(arg) {
		file, src, err := scenarios.Source(arg)
		if err != nil {
			return nil, usageError{err}
		}
		return parse(file, src)
	}
	src, err := os.ReadFile(arg)
	if err == nil && !strings.HasSuffix(arg, extension) {
		return nil, usagef("%s: a scenario's file ends in %s", arg, extension)
	}
	if err != nil {
		return nil, pathError(arg, err)
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

// pathError says why a scenario's file cannot be read, and what to do.
func pathError(path string, err error) error {
	name := strings.TrimSuffix(filepath.Base(path), extension)
	switch {
	case errors.Is(err, fs.ErrNotExist) && slices.Contains(scenarios.Names(), name):
		return usagef("%s: no such file; the built-in scenario is called %q", path, name)
	case errors.Is(err, fs.ErrNotExist):
		return usagef("%s: no such file; `fivetuple list` shows the built-in scenarios", path)
	case errors.Is(err, syscall.EISDIR):
		return usagef("%s: is a folder; `fivetuple test %s` runs all scenarios in it", path, path)
	}
	return usageError{namedError(path, err)}
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
		case errors.Is(err, fs.ErrNotExist) && !isPath(a):
			if _, _, err := scenarios.Source(a); err != nil {
				return nil, usageError{err}
			}
			out = append(out, a)
		case err != nil:
			return nil, pathError(a, err)
		case info.IsDir():
			files, err := folder(a)
			if err != nil {
				return nil, err
			}
			out = append(out, files...)
		default:
			out = append(out, a)
		}
	}
	return out, nil
}

// folder lists the scenarios in a folder, by name.
func folder(path string) ([]string, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, usageError{namedError(path, err)}
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), extension) {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, usageError{fmt.Errorf("%s: no %s files in this folder", path, extension)}
	}
	return files, nil
}
