package tun

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How this file drives /dev/net/tun:
//
//   - The descriptor does not block. Batches are read until EAGAIN, and waited for with ppoll(2), together
//     with an eventfd that Wake and Close write to.
//   - Reads and writes do not tell Go's scheduler that they are system calls: they do not wait, and
//     the scheduler would take the processor from a loop that writes for tens of microseconds.
//   - os.File counts the calls that use the descriptor, so that Close is safe at any time.

// fastDevice is a Device without a library, with or without virtio-net headers.
type fastDevice struct {
	file
	vnet    bool
	offload bool
	udp     bool     // offloads of UDP too
	wake    *os.File // an eventfd
	also    int      // a descriptor that ends a wait too; 0: none

	busy busyPoll

	raw, rawWake syscall.RawConn // of file and wake

	reading reading // of who reads: one at a time
	writing writing
	in, out ioVector
}

// reading is a ReadBatch in progress. It is kept with the functions that
// [syscall.RawConn] is given, so that a round trip allocates nothing.
type reading struct {
	ps      []Packet
	timeout time.Duration
	n       int
	err     error
	batch   func(fd uintptr)

	fd     uintptr
	polled [perDevice]unix.PollFd
	wait   func(wake uintptr)
}

// writing is a WriteBatch in progress.
type writing struct {
	ps    []Packet
	lost  int
	done  int
	err   error
	batch func(fd uintptr)
}

// ioVector is the memory of one direction's system calls.
type ioVector struct {
	head [vnetLen]byte
	iov  []unix.Iovec
}

// openFast opens the device in mode Vnet or Raw.
func openFast(cfg Config, vnet bool) (Device, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, openError(cfg.Name, err)
	}
	name, udp, err := attach(fd, cfg, vnet)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	cfg.Name, cfg.Offload = name, vnet && cfg.Offload
	d, err := newFast(fd, cfg, vnet, udp)
	if err != nil {
		return nil, err
	}
	if err := ensureMTU(name, cfg.MTU); err != nil {
		d.Close() // the first error is the one to report
		return nil, err
	}
	return d, nil
}

// newFast makes a Device of the descriptor of one, and takes it over, also if it
// fails.
func newFast(fd int, cfg Config, vnet, udp bool) (*fastDevice, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, &Error{Problem: fmt.Sprintf("open device %s: eventfd: %v", cfg.Name, err), Err: err}
	}
	f := os.NewFile(uintptr(fd), "/dev/net/tun")
	d := &fastDevice{vnet: vnet, offload: cfg.Offload, udp: udp, wake: os.NewFile(uintptr(wake), "eventfd"), busy: busyPoll{span: cfg.BusyPoll, awake: cfg.Awake},
		file: file{name: cfg.Name, mtu: cfg.MTU, ethernet: cfg.Ethernet, file: f}}
	d.closeFile = sync.OnceValue(d.close)
	d.reading.batch, d.reading.wait, d.writing.batch = d.readBatch, d.waitRead, d.writeBatch
	if d.raw, err = f.SyscallConn(); err == nil {
		d.rawWake, err = d.wake.SyscallConn()
	}
	if err != nil {
		f.Close()
		d.wake.Close()
		return nil, openError(cfg.Name, err)
	}
	return d, nil
}

// errMode means that the kernel has no such mode: the next one may do.
var errMode = errors.New("the kernel does not support this")

// attach makes the descriptor one of the device and returns the device's actual name, and whether it has offloads
// of UDP.
func attach(fd int, cfg Config, vnet bool) (name string, udp bool, err error) {
	ifr, err := unix.NewIfreq(cfg.Name)
	if err != nil {
		return "", false, openError(cfg.Name, err)
	}
	flags := uint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if cfg.Ethernet {
		flags = unix.IFF_TAP | unix.IFF_NO_PI
	}
	if vnet {
		flags |= unix.IFF_VNET_HDR
	}
	ifr.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		if vnet && errors.Is(err, unix.EINVAL) {
			return "", false, fmt.Errorf("%w: IFF_VNET_HDR: %w", errMode, openError(cfg.Name, err))
		}
		return "", false, openError(cfg.Name, err)
	}
	if vnet {
		if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, vnetLen); err != nil {
			return "", false, fmt.Errorf("%w: TUNSETVNETHDRSZ: %w", errMode, err)
		}
	}
	udp, err = setOffloads(fd, vnet && cfg.Offload)
	return ifr.Name(), udp, err
}

// setOffloads turns all offloads on or off: a persistent device may still have those of its last user. Those of UDP
// came with Linux 6.2.
func setOffloads(fd int, on bool) (udp bool, err error) {
	if !on {
		_ = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, 0) // without IFF_VNET_HDR there is nothing to turn off
		return false, nil
	}
	const tcp = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6
	if unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, tcp|unix.TUN_F_USO4|unix.TUN_F_USO6) == nil {
		return true, nil
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, tcp); err != nil {
		return false, fmt.Errorf("%w: TUNSETOFFLOAD: %w", errMode, err)
	}
	return false, nil
}

func (d *fastDevice) Offloads() bool { return d.offload }

func (d *fastDevice) OffloadsUDP() bool { return d.udp }

// close is Close, once.
func (d *fastDevice) close() error {
	if d.offload {
		d.raw.Control(func(fd uintptr) { _ = unix.IoctlSetInt(int(fd), unix.TUNSETOFFLOAD, 0) }) // it may be persistent
	}
	d.Wake()
	err := d.file.file.Close() // waits for those who use it
	d.wake.Close()
	return deviceError("close", d.name, err)
}

// rouse is what an eventfd is told. Either byte order will do: any number but 0
// wakes.
var rouse = []byte{1, 0, 0, 0, 0, 0, 0, 0}

func (d *fastDevice) Wake() { _, _ = d.wake.Write(rouse) }

// AlsoAwait makes a ReadBatch that waits return when the descriptor fd can be read, too: an epoll instance. It
// is called before the device is read, and fd has to stay open as long as that goes on.
func (d *fastDevice) AlsoAwait(fd int) { d.also = fd }

func (d *fastDevice) Read(p []byte) (int, error) {
	if d.closed.Load() {
		return 0, errClosed(opRead, d.name)
	}
	if err := checkRead(d, p); err != nil {
		return 0, err
	}
	one := Packet{Data: [][]byte{p}}
	var err error
	rerr := d.raw.Read(func(fd uintptr) bool {
		err = d.readOne(fd, &one)
		return !errors.Is(err, unix.EAGAIN)
	})
	if err = errors.Join(rerr, err); err != nil {
		return 0, d.ioError(opRead, err)
	}
	one.Complete(p[:one.Len])
	return one.Len, nil
}

func (d *fastDevice) Write(p []byte) (int, error) {
	if d.closed.Load() {
		return 0, errClosed(opWrite, d.name)
	}
	if err := checkWrite(d, p); err != nil {
		return 0, err
	}
	if _, err := d.WriteBatch([]Packet{{Data: [][]byte{p}}}); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (d *fastDevice) ReadBatch(ps []Packet, timeout time.Duration) (n int, err error) {
	if d.closed.Load() {
		return 0, errClosed(opRead, d.name)
	}
	least := d.Most()
	if d.offload {
		least = superOf(d)
	}
	if err := checkReadBatch(d.name, least, ps); err != nil {
		return 0, err
	}
	r := &d.reading
	r.ps, r.timeout, r.n, r.err = ps, timeout, 0, nil
	cerr := d.raw.Control(r.batch) // the descriptor stays open meanwhile
	r.ps = nil
	if err = errors.Join(cerr, r.err); err != nil {
		return r.n, d.ioError(opRead, err)
	}
	if r.n > 0 {
		d.busy.packet()
	}
	if r.n == 0 && d.closed.Load() {
		return 0, errClosed(opRead, d.name)
	}
	return r.n, nil
}

// readBatch is ReadBatch, with the descriptor.
func (d *fastDevice) readBatch(fd uintptr) {
	r := &d.reading
	if r.n, r.err = d.readAll(fd, r.ps); r.n == 0 && r.err == nil && r.timeout != 0 {
		r.fd = fd
		cerr := d.rawWake.Control(r.wait)
		if r.err = errors.Join(cerr, r.err); r.err == nil {
			r.n, r.err = d.readAll(fd, r.ps)
		}
	}
}

// waitRead returns when there is something to read, Wake was called, or the time is
// over.
func (d *fastDevice) waitRead(wake uintptr) {
	r := &d.reading
	r.err = poll(d.appendPolled(r.polled[:0], r.fd, wake), r.timeout, &d.busy)
}

// maxBatch is after how many bytes a batch ends: what was read should still be in the processor's cache when
// it is used.
const maxBatch = 512 << 10

// readAll reads what is there.
func (d *fastDevice) readAll(fd uintptr, ps []Packet) (int, error) {
	bytes := 0
	for n := range ps {
		if bytes >= maxBatch {
			return n, nil
		}
		if err := d.readOne(fd, &ps[n]); err != nil {
			if err == unix.EAGAIN {
				err = nil
			}
			return n, err
		}
		bytes += ps[n].Len
	}
	return len(ps), nil
}

// readOne reads a packet, or fails with EAGAIN.
func (d *fastDevice) readOne(fd uintptr, p *Packet) error {
	n, err := d.in.call(unix.SYS_READV, fd, d.vnet, p.Data)
	if err != nil {
		return err
	}
	p.Offload = Offload{}
	if d.vnet {
		if n -= vnetLen; n < 0 {
			return unix.EIO
		}
		p.Offload = getVnet(d.in.head[:])
	}
	p.Len = n
	// The kernel cuts a packet that is longer than the buffer and does not say so, but the packet does.
	if size := p.size(); n == size && len(p.Data) > 0 {
		if want := d.statedLen(p.Data[0][:min(n, len(p.Data[0]))]); want > n {
			return d.tooLong(want, size)
		}
	}
	return nil
}

// call makes the system call with the header, if there is one, and data.
func (v *ioVector) call(trap, fd uintptr, head bool, data [][]byte) (int, error) {
	v.iov = v.iov[:0]
	if head {
		v.iov = append(v.iov, unix.Iovec{Base: &v.head[0], Len: vnetLen})
	}
	for _, b := range data {
		if len(b) > 0 {
			v.iov = append(v.iov, unix.Iovec{Base: &b[0]})
			v.iov[len(v.iov)-1].SetLen(len(b))
		}
	}
	for {
		n, _, errno := unix.RawSyscall(trap, fd, uintptr(unsafe.Pointer(&v.iov[0])), uintptr(len(v.iov)))
		if errno == unix.EINTR {
			continue
		}
		runtime.KeepAlive(data)
		if errno != 0 {
			return 0, errno
		}
		return int(n), nil
	}
}

// maxIovec is what one call takes (IOV_MAX), less the header.
const maxIovec = 1023

func (d *fastDevice) WriteBatch(ps []Packet) (lost int, err error) {
	if d.closed.Load() {
		return len(ps), errClosed(opWrite, d.name)
	}
	w := &d.writing
	w.ps, w.lost, w.done, w.err = ps, 0, 0, nil
	cerr := d.raw.Control(w.batch)
	w.ps = nil
	lost, err = w.lost+len(ps)-w.done, w.err
	if err == nil {
		err = cerr
	}
	if err != nil {
		var known *Error
		if !errors.As(err, &known) {
			err = d.ioError(opWrite, err)
		}
	}
	return lost, err
}

// writeBatch is WriteBatch, with the descriptor.
func (d *fastDevice) writeBatch(fd uintptr) {
	w := &d.writing
	for i := range w.ps {
		if err := d.writeOne(fd, &w.ps[i]); err != nil {
			w.lost++
			if w.err == nil {
				w.err = err
			}
		}
		w.done++
	}
}

func (d *fastDevice) writeOne(fd uintptr, p *Packet) error {
	if err := checkWriteBatch(d, p); err != nil {
		return err
	}
	data := p.Data
	if len(data) > maxIovec {
		data = [][]byte{p.flat()}
	}
	if d.vnet {
		p.putVnet(d.out.head[:])
	}
	_, err := d.out.call(unix.SYS_WRITEV, fd, d.vnet, data)
	return err
}
