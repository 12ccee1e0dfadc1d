package sockapi

import (
	"fmt"

	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/waiter"
)

// memFile is a file in memory: memfd_create(2). Hosts have no file systems; it
// is what sendfile sends from.
type memFile struct {
	name string
	data []byte
	off  int
}

func (f *memFile) poll(events int) int      { return events & (POLLIN | POLLOUT) }
func (f *memFile) waitQueue() *waiter.Queue { return nil }
func (f *memFile) finish(*Proc, *call)      {}

// describe implements [file].
func (f *memFile) describe() (trace.FD, bool) {
	return trace.FD{Kind: "memfd", Note: fmt.Sprintf("%s, %d bytes", f.name, len(f.data))}, true
}

func (f *memFile) read(b []byte) int {
	n := copy(b, f.data[min(f.off, len(f.data)):])
	f.off += n
	return n
}

// maxFile bounds a file: what a lab needs, not what fills the memory.
const maxFile = 1 << 32

func (f *memFile) write(b []byte) Errno {
	end := f.off + len(b)
	if end > maxFile {
		return EFBIG
	}
	if end > len(f.data) {
		f.data = append(f.data, make([]byte, end-len(f.data))...)
	}
	copy(f.data[f.off:], b)
	f.off = end
	return 0
}

// MemfdCreate makes a file in memory: memfd_create(2). The flags are 0 or
// MFD_CLOEXEC.
func (p *Proc) MemfdCreate(name string, flags int) (int, error) {
	c := p.begin("memfd_create", noFD, fmt.Sprintf("%q, %d", name, flags))
	if flags&^MFD_CLOEXEC != 0 {
		return -1, c.ret("", EINVAL)
	}
	fd, errno := p.installFile(&open{file: &memFile{name: name}}, flags&MFD_CLOEXEC != 0)
	if errno != 0 {
		return -1, c.ret("", errno)
	}
	c.fd = fd
	return fd, c.ret(itoa(fd), 0)
}

// Flags of memfd_create and lseek.
const (
	MFD_CLOEXEC = 1

	SEEK_SET = 0
	SEEK_CUR = 1
	SEEK_END = 2
)

// Lseek moves the offset of a file: lseek(2). A socket gives ESPIPE.
func (p *Proc) Lseek(fd, offset, whence int) (int, error) {
	c := p.begin("lseek", fd, fmt.Sprintf("%d, %d, %d", fd, offset, whence))
	o, errno := c.anyFile()
	if errno != 0 {
		return -1, c.ret("", errno)
	}
	f, ok := o.file.(*memFile)
	if !ok {
		return -1, c.ret("", ESPIPE)
	}
	switch whence {
	case SEEK_SET:
	case SEEK_CUR:
		offset += f.off
	case SEEK_END:
		offset += len(f.data)
	default:
		return -1, c.ret("", EINVAL)
	}
	if offset < 0 || offset > maxFile {
		return -1, c.ret("", EINVAL)
	}
	f.off = offset
	return offset, c.ret(itoa(offset), 0)
}

// readFile is read on what is no socket.
func (c *call) readFile(o *open, buf []byte) (receive, error) {
	switch f := o.file.(type) {
	case *memFile:
		n := f.read(buf)
		return receive{got: n}, c.ret(itoa(n), 0)
	case devNull:
		return receive{}, c.ret("0", 0)
	}
	return receive{got: -1}, c.ret("", EINVAL)
}

// writeFile is write on what is no socket.
func (c *call) writeFile(o *open, data []byte) (int, error) {
	switch f := o.file.(type) {
	case *memFile:
		if errno := f.write(data); errno != 0 {
			return -1, c.ret("", errno)
		}
	case devNull:
	default:
		return -1, c.ret("", EINVAL)
	}
	return len(data), c.ret(itoa(len(data)), 0)
}

// Sendfile sends count bytes of a file on a socket, without the way through
// the process: sendfile(2). It reads at offset; a negative one means the file's
// own offset, which it moves (NULL in C). It returns how many were sent: fewer
// at the end of the file, or if the socket takes no more without waiting.
func (p *Proc) Sendfile(out, in, offset, count int) (int, error) {
	at := "NULL"
	if offset >= 0 {
		at = "[" + itoa(offset) + "]"
	}
	c := p.begin("sendfile", out, fmt.Sprintf("%d, %d, %s, %d", out, in, at, count))
	src, errno := p.table.get(in)
	if errno != 0 {
		return -1, c.ret("", errno)
	}
	o, errno := c.anyFile()
	if errno != 0 {
		return -1, c.ret("", errno)
	}
	f, ok := src.file.(*memFile)
	if !ok || o.sock == nil || count < 0 {
		return -1, c.ret("", EINVAL) // what cannot be mapped cannot be sent from
	}
	from := f.off
	if offset >= 0 {
		from = offset
	}
	from = min(from, len(f.data))
	data := f.data[from:min(from+count, len(f.data))]
	if len(data) == 0 {
		return 0, c.ret("0", 0)
	}
	n, errno := c.transmit(o, data, 0, &Msg{})
	if n <= 0 && errno != 0 {
		return -1, c.ret("", errno)
	}
	if offset < 0 {
		f.off = from + n
	}
	return n, c.ret(itoa(n), 0)
}
