package main

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUpTooLong: a packet that is longer than the device's MTU, because somebody has
// raised that of Linux's end, is lost or taken; the session goes on.
func TestUpTooLong(t *testing.T) {
	if !isLive(t) {
		return
	}
	for _, mode := range []string{"offload", "raw", "water"} {
		t.Run(mode, func(t *testing.T) {
			p := start(t, t.TempDir(), "fivetuple", upArgs("-q", "--device", mode, "--serve", "echo")...)
			p.await("up: ")
			tool(t, nil, "ip", "link", "set", "ft0", "mtu", "9000")
			c := dial(t, "udp", lab4, "7")
			defer c.Close()
			_, err := c.Write(make([]byte, 5000))
			require.NoError(t, err)
			if mode == "water" {
				p.await("note: packets are lost: read ft0: a packet of 5028 bytes does not fit a buffer of 1500: set the MTU of ft0 back to 1500")
			}
			require.NoError(t, exec.CommandContext(t.Context(), "ping", "-c", "1", "-W", "60", lab4).Run())
			p.stop()
		})
	}
}
