package main

import (
	"io"
	"os"

	"fivetuple/scenarios/packetdrill"
)

// readPkt reads a script, and no more of a file than shows that it is too large
// to be one: the file may be a disk, or have no end.
func readPkt(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, packetdrill.MaxSource+1))
}
