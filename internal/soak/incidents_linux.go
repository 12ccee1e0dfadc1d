package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// incidents happen to a session that serves meanwhile: after each it has to echo.
func (s *soak) incidents(ctx context.Context) error {
	if _, err := s.makeFile(); err != nil {
		return err
	}
	v, err := s.up(2, "--serve", "echo,discard", "--files", s.dir+"/files")
	if err != nil {
		return err
	}
	for _, i := range []struct {
		name   string
		happen func(context.Context, *session) (string, error)
	}{
		{"SIGKILL of a client", s.killClient},
		{"device down and up", s.downAndUp},
		{"address removed and back", s.withoutAddress},
		{"control socket flooded", s.floodControl},
		{"another user asks", s.anotherUser},
	} {
		seen, err := i.happen(ctx, v)
		if err == nil {
			err = v.echo(1 << 20)
		}
		s.claim(i.name, err, "%s; then it echoes 1 MiB", seen)
	}
	s.ends("the session", v)
	s.fullDisk()
	s.privileges()
	return ctx.Err()
}

// killClient kills curl in the middle of a download; its connection has to go.
func (s *soak) killClient(ctx context.Context, v *session) (string, error) {
	cmd := exec.Command("curl", "-s", "-o", s.dir+"/part", "--limit-rate", "50M", "http://"+v.addr.String()+"/random")
	if err := cmd.Start(); err != nil {
		return "", err
	}
	err := within(func() bool {
		i, err := os.Stat(s.dir + "/part")
		return err == nil && i.Size() > 1<<20
	})
	if err = errors.Join(err, cmd.Process.Kill()); err != nil {
		return "", err
	}
	_ = cmd.Wait() // it was killed
	left := ""
	err = within(func() bool {
		left, err = s.command(ctx, "ss", v.control(), "-tnH", "state", "established")
		return err == nil && !strings.Contains(left, v.addr.String())
	})
	return "the connection is gone", err
}

// within waits until something holds, for as long as patience lasts.
func within(holds func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		if holds() {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("not within %v", patience)
		}
	}
}

// downAndUp takes the device down under a connection, which has to survive.
func (s *soak) downAndUp(_ context.Context, v *session) (string, error) {
	c, err := v.dial(7)
	if err != nil {
		return "", err
	}
	defer c.Close()
	link, err := netlink.LinkByName(v.name)
	if err == nil {
		err = errors.Join(echoOn(c, 1000), netlink.LinkSetDown(link))
	}
	if err == nil {
		_, err = c.Write([]byte("lost"))
		if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
			err = nil // Linux may say so at once
		}
	}
	if err = errors.Join(err, netlink.LinkSetUp(link)); err != nil {
		return "", err
	}
	b := make([]byte, 4)
	if _, err := c.Read(b); err != nil {
		return "", err
	}
	return fmt.Sprintf("what was written meanwhile comes back: %q", b), nil
}

// withoutAddress takes Linux's address away under a connection.
func (s *soak) withoutAddress(_ context.Context, v *session) (string, error) {
	c, err := v.dial(7)
	if err != nil {
		return "", err
	}
	defer c.Close()
	link, err := netlink.LinkByName(v.name)
	if err != nil {
		return "", err
	}
	list, err := netlink.AddrList(link, unix.AF_INET)
	if err != nil || len(list) != 1 {
		return "", fmt.Errorf("%d addresses: %w", len(list), err)
	}
	if err := errors.Join(echoOn(c, 1000), netlink.AddrDel(link, &list[0]), netlink.AddrAdd(link, &list[0])); err != nil {
		return "", err
	}
	return "the connection goes on", echoOn(c, 1000)
}

// floodControl asks from 16 sides at once.
func (s *soak) floodControl(ctx context.Context, v *session) (string, error) {
	stuck := exec.Command(s.bin, "trace", v.control(), "--format", "jsonl") // nobody reads what it writes
	out, err := stuck.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := stuck.Start(); err != nil {
		return "", err
	}
	const askers, questions = 16, 20
	var all sync.WaitGroup
	failed := make(chan error, askers*questions)
	for range askers {
		all.Go(func() {
			for range questions {
				if _, err := s.command(ctx, "stats", v.control()); err != nil {
					failed <- err
				}
			}
		})
	}
	err = v.echo(64 << 20)
	all.Wait()
	close(failed)
	for e := range failed {
		err = errors.Join(err, e)
	}
	_ = stuck.Process.Kill()
	_ = out.Close()
	_ = stuck.Wait() // it was killed
	return fmt.Sprintf("%d answers beside 64 MiB, and a trace that nobody reads", askers*questions), err
}

// anotherUser has to be refused.
func (s *soak) anotherUser(_ context.Context, v *session) (string, error) {
	if err := copyFile(s.bin, s.dir+"/fivetuple"); err != nil {
		return "", err
	}
	cmd := exec.Command(s.dir+"/fivetuple", "stats", v.control())
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err == nil {
		return "", fmt.Errorf("user 65534 was answered: %q", out)
	}
	if !strings.Contains(string(out), "permission denied") {
		return "", fmt.Errorf("user 65534 got %q", out)
	}
	return fmt.Sprintf("it is told %q", strings.TrimSpace(string(out))), nil
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

// fullDisk lets a capture fill its file system.
func (s *soak) fullDisk() {
	small := s.dir + "/small"
	err := errors.Join(os.Mkdir(small, 0o755), unix.Mount("soak", small, "tmpfs", 0, "size=256k"))
	var v *session
	if err == nil {
		v, err = s.up(3, "--serve", "echo", "--pcap", small+"/full.pcapng")
	}
	if err == nil {
		err = errors.Join(v.echo(4<<20), v.echo(1<<20))
		end := v.stop()
		if err == nil && !strings.Contains(v.said()+fmt.Sprint(end), "no space left") {
			err = fmt.Errorf("it did not say so: %v: %s", end, v.said())
		}
	}
	said := ""
	if v != nil {
		for line := range strings.Lines(v.said()) {
			if strings.Contains(line, "no space left") {
				said = strings.TrimSpace(line)
			}
		}
	}
	s.claim("full disk under --pcap", err, "it goes on, and says %q", said)
}

// privileges looks at a session that has given them up.
func (s *soak) privileges() {
	v, err := s.up(4, "--serve", "echo", "--user", "nobody")
	held := ""
	if err == nil {
		var status []byte
		status, err = os.ReadFile(fmt.Sprintf("/proc/%d/status", v.cmd.Process.Pid))
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "Cap") || strings.HasPrefix(line, "Uid") {
				held += strings.Join(strings.Fields(line), " ") + "  "
			}
			if (strings.HasPrefix(line, "CapPrm") || strings.HasPrefix(line, "CapEff") || strings.HasPrefix(line, "CapInh")) &&
				strings.Trim(strings.Fields(line)[1], "0") != "" {
				err = fmt.Errorf("it holds %s", strings.TrimSpace(line))
			}
		}
		err = errors.Join(err, v.echo(1<<20), v.stop())
	}
	s.claim("--user nobody", err, "%s", held)
}
