package pcapng

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fivetuple/internal/wholefile"
	"fivetuple/trace"
)

// Dir is a sink that writes a file for each host, holding what tcpdump on it
// would have seen: the packets it sent and those delivered to it. A packet
// that the link dropped had left its sender, so it is in the sender's file,
// marked in its comment.
//
// A file is created at its host's first packet and replaces one of the same
// name; a host without packets gets none, but by [Dir.Create]. Each holds one open descriptor until
// Close. Errors behave as a Writer's do, and the first one ends all files.
type Dir struct {
	dir   string
	cfg   Config
	epoch uint64

	hosts map[string]*hostFile
	order []*hostFile     // as created, so that nothing depends on map order
	taken map[string]bool // file names in use, in lower case
	err   error
}

// hostFile is the capture of one host.
type hostFile struct {
	*capture
	file *os.File
}

var _ trace.Sink = (*Dir)(nil)

// NewDir returns a Dir that writes <dir>/<host>.pcapng. It creates the
// directory if there is none. Characters of a host name other than ASCII
// letters, digits, '.', '-' and '_' become '_' in the file name, and so does a
// leading '.'; if two hosts would share a file, the later gets "~2" and so on.
func NewDir(dir string, cfg Config) (*Dir, error) {
	epoch, err := cfg.epochNanos()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	return &Dir{dir: dir, cfg: cfg, epoch: epoch, hosts: make(map[string]*hostFile), taken: make(map[string]bool)}, nil
}

// Event writes a packet to the file of the host that sent or received it, and
// ignores all else.
func (d *Dir) Event(ev *trace.Event) error {
	p, ok := ev.Body.(*trace.Packet)
	if !ok || d.err != nil {
		return d.err
	}
	if p.What != trace.Sent && p.What != trace.Dropped && p.What != trace.Delivered {
		return nil
	}
	h, err := d.host(ev.Host)
	if err == nil {
		err = h.packet(ev, p)
	}
	d.err = err
	return err
}

// Create creates the file of a host ahead of its first packet, for who may not do so
// any more when that comes.
func (d *Dir) Create(host string) error {
	_, err := d.host(host)
	return err
}

// host returns the file of a host and creates it if this is its first packet.
func (d *Dir) host(name string) (*hostFile, error) {
	if h, ok := d.hosts[name]; ok {
		return h, nil
	}
	path := filepath.Join(d.dir, d.fileName(name))
	f, err := os.Create(path)
	if err != nil {
		return nil, wholefile.Named(path, err)
	}
	h := &hostFile{capture: newCapture(f, path, d.epoch, d.cfg.Comment), file: f}
	d.hosts[name] = h
	d.order = append(d.order, h)
	return h, nil
}

// fileName picks a name that no other host of this run has, also where the
// file system ignores case.
func (d *Dir) fileName(host string) string {
	base := sanitise(host)
	name := base
	for n := 2; d.taken[strings.ToLower(name)]; n++ {
		name = fmt.Sprintf("%s~%d", base, n)
	}
	d.taken[strings.ToLower(name)] = true
	return name + ".pcapng"
}

func sanitise(host string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}, host)
	if name == "" || name[0] == '.' {
		name = "_" + strings.TrimPrefix(name, ".")
	}
	return name
}

// Flush hands everything seen so far to the files.
func (d *Dir) Flush() error {
	for _, h := range d.order {
		if d.err != nil {
			break
		}
		d.err = h.out.flush()
	}
	return d.err
}

// Close flushes and closes every file, those of the other hosts also when one
// has failed. It does not repeat an error that Event or Flush has returned.
func (d *Dir) Close() error {
	var errs []error
	for _, h := range d.order {
		errs = append(errs, h.out.close())
		if err := h.file.Close(); err != nil {
			errs = append(errs, wholefile.Named(h.out.name, err))
		}
	}
	d.order = nil
	if d.err == nil {
		d.err = wholefile.Named(d.dir, os.ErrClosed) // a later event must not create the files anew
	}
	return errors.Join(errs...)
}
