//go:build !linux

package sockapi_test

import "testing"

func hostKit(t *testing.T) *kit {
	t.Skip("this half compares with Linux: run it there")
	return nil
}

func hostErrno(err error) string { return err.Error() }
