//go:build !linux

package stack

import (
	"crypto/rand"
	"io"
)

// replaceSystemReader replaces crypto/rand's reader, which gVisor reads
// directly on systems other than Linux.
func replaceSystemReader(rng io.Reader) (restore func()) {
	old := rand.Reader
	rand.Reader = rng
	return func() { rand.Reader = old }
}
