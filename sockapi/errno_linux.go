package sockapi

import "syscall"

// Is makes errors.Is(err, syscall.ECONNREFUSED) hold: the numbers are Linux's.
func (e Errno) Is(target error) bool {
	t, ok := target.(syscall.Errno)
	return ok && uintptr(e) == uintptr(t)
}
