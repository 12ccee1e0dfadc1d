//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "tunbench: TUN devices and veth pairs need Linux")
	os.Exit(1)
}
