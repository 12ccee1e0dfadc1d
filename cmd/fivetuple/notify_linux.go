package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

// notifyReady tells a service manager that the session is up, if one has asked:
// sd_notify(3). What goes wrong is said, and harms nothing.
func notifyReady(complaints io.Writer) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	c, err := net.Dial("unixgram", path)
	if err == nil {
		_, err = c.Write([]byte("READY=1\nSTATUS=packets are answered"))
		c.Close()
	}
	if err != nil {
		fmt.Fprintln(complaints, "note: NOTIFY_SOCKET:", err)
	}
}
