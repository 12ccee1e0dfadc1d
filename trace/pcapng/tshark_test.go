package pcapng

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fivetuple/trace"
)

// tshark runs tshark on a file and returns the chosen fields, a line a packet.
func tshark(t *testing.T, file string, fields ...string) string {
	t.Helper()
	path, err := exec.LookPath("tshark")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tshark is not in PATH; CI must have it")
		}
		t.Skip("tshark is not in PATH (install Wireshark's tshark to run this test)")
	}
	args := []string{"-n", "-r", file, "-T", "fields", "-E", "separator=|"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.Command(path, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("tshark: %v\n%s", e, &stderr)
	}
	require.NoError(t, err)
	return string(out)
}

var allFields = []string{
	"frame.time_epoch", "frame.interface_name", "frame.encap_type", "frame.packet_flags_direction", "frame.packet_id",
	"udp.length", "frame.comment",
}

func TestTsharkWorld(t *testing.T) {
	file := filepath.Join(t.TempDir(), "world.pcapng")
	f, err := os.Create(file)
	require.NoError(t, err)
	w, err := New(f, Config{Epoch: epoch, Comment: "a test, seed 7"})
	require.NoError(t, err)
	arp := make([]byte, 14+28)
	arp[12], arp[13] = 0x08, 0x06
	frame := packet(18, time.Second, "l2", trace.Packet{What: trace.Sent, Data: arp, Ethernet: true})
	write(t, w, append(sample(), frame)...)
	require.NoError(t, f.Close())

	// Encapsulations are Wireshark's numbers: 7 is raw IP, 1 is Ethernet.
	require.Equal(t, strings.Join([]string{
		"946684800.000000000|client:eth0|7|0x00000002|14|22|client curl[1] fd 3; event 14, cause 11",
		"946684800.010000001|server:eth0|7|0x00000002|16|24|DROPPED: loss 1%; server; event 16",
		"946684801.000000000|server:eth0|7|0x00000002|17|25|server; event 17; retransmission; reordered",
		"946684801.000000000|l2:eth0|1|0x00000002|18||l2; event 18",
	}, "\n")+"\n", tshark(t, file, allFields...))
}

func TestTsharkDir(t *testing.T) {
	dir := t.TempDir()
	d, err := NewDir(dir, Config{})
	require.NoError(t, err)
	write(t, d, sample()...)

	require.Equal(t, "0.000000000|client:eth0|7|0x00000002|14|22|client curl[1] fd 3; event 14, cause 11\n",
		tshark(t, filepath.Join(dir, "client.pcapng"), allFields...))
	require.Equal(t, strings.Join([]string{
		"0.010000000|server:eth0|7|0x00000001|14|22|server; event 15, cause 14",
		"0.010000001|server:eth0|7|0x00000002|16|24|DROPPED: loss 1%; server; event 16",
		"1.000000000|server:eth0|7|0x00000002|17|25|server; event 17; retransmission; reordered",
	}, "\n")+"\n", tshark(t, filepath.Join(dir, "server.pcapng"), allFields...))
}
