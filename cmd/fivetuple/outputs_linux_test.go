package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestDiskFull lets real captures fill a small file system, in a mount
// namespace of its own: the run says so and fails, and what was written is
// whole. /dev/full, in outputs.txtar, takes nothing at all.
func TestDiskFull(t *testing.T) {
	if !inNamespaces(t, unix.CLONE_NEWNS, unix.CAP_SYS_ADMIN) {
		return
	}
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk")
	require.NoError(t, os.Mkdir(disk, 0o755))
	require.NoError(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	require.NoError(t, unix.Mount("tmpfs", disk, "tmpfs", 0, "size=128k"))
	defer unix.Unmount(disk, 0)
	// 1,000 datagrams of 1,000 bytes: eight times what fits.
	write(t, dir, "big.star", strings.Replace(flood, "while True:", "for _ in range(1000):", 1))
	for _, tt := range []struct{ name, flag, file string }{
		{"pcap", "--pcap", "s.pcapng"},
		{"pcap-dir", "--pcap-dir", "."},
		{"jsonl", "--jsonl", "s.jsonl"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t, dir, "fivetuple", "run", "big.star", "-q", tt.flag, filepath.Join("disk", tt.file))
			require.Equal(t, 1, p.wait())
			require.Regexp(t, `^fivetuple: disk/\S+: no space left on device: free some space, or write elsewhere; what is there is valid\n$`, p.stderr())
			requireWhole(t, disk)
		})
	}
}

// requireWhole reads the files of a full disk back, and removes them.
func requireWhole(t *testing.T, disk string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(disk, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		if strings.HasSuffix(f, ".jsonl") {
			requireJSON(t, f)
		} else if _, err := exec.LookPath("tshark"); err == nil {
			require.NotEmpty(t, tshark(t, f), "%s holds packets", f)
		}
		require.NoError(t, os.Remove(f))
	}
}
