package packetdrill

import (
	"fmt"
	"net/netip"
	"slices"

	"fivetuple/sockapi"
)

// This file has the calls that move data, which is zeros.

// callRecv is read, recv and recvfrom.
func callRecv(a *callArgs) func(p Sockets) outcome {
	fd, n, flags := a.fd(0), a.size(a.arg(2)), 0
	if len(a.c.Args) > 3 {
		flags = a.flags(a.int(3))
	}
	if a.buffer(1) {
		return a.faultReading(fd, n, flags)
	}
	name := a.c.Name
	return func(p Sockets) outcome {
		var b []byte
		var err error
		switch {
		case flags&sockapi.MSG_TRUNC != 0:
			b = make([]byte, n)
			whole, err := p.RecvInto(fd, b, flags) // how long it was
			return outcome{n: int64(whole), err: err, check: func() string { return zeros(b) }}
		case name == "read":
			b, err = p.Read(fd, n)
		case name == "recv":
			b, err = p.Recv(fd, n, flags)
		default:
			b, _, err = p.Recvfrom(fd, n, flags)
		}
		return outcome{n: int64(len(b)), err: err, check: func() string { return zeros(b) }}
	}
}

func zeros(b []byte) string {
	for i, c := range b {
		if c != 0 {
			return fmt.Sprintf("byte %d is %#x: the script's data is all zeros", i, c)
		}
	}
	return ""
}

// callSend is write, send and sendto.
func callSend(a *callArgs) func(p Sockets) outcome {
	asked := a.sized(3)
	flags, fd, bad := a.flags(asked), a.fd(0), a.buffer(1)
	n := a.size(a.arg(2))
	var to netip.AddrPort
	if a.c.Name == "sendto" {
		to = a.addr(4, a.r.set.RemoteIP, a.r.set.ConnectPort)
		a.r.connects(fd)
	}
	if bad {
		return a.faultWriting(fd, n, flags, to)
	}
	name, data := a.c.Name, make([]byte, n)
	return func(p Sockets) outcome {
		return returned(a.r.transmit(p, fd, asked, n, func(from, end int) (int, error) {
			switch name {
			case "write":
				return p.Write(fd, data[from:end])
			case "send":
				return p.Send(fd, data[from:end], flags)
			}
			return p.Sendto(fd, data[from:end], flags, to)
		}))
	}
}

func callReadv(a *callArgs) func(p Sockets) outcome {
	fd, iov := a.fd(0), a.iovec(a.arg(1))
	return func(p Sockets) outcome { return returned(p.Readv(fd, iov)) }
}

func callWritev(a *callArgs) func(p Sockets) outcome {
	fd, iov := a.fd(0), a.iovec(a.arg(1))
	return func(p Sockets) outcome {
		return returned(a.r.transmit(p, fd, 0, total(iov), func(from, end int) (int, error) { return p.Writev(fd, cut(iov, from, end)) }))
	}
}

// total is the size of a message in pieces.
func total(iov [][]byte) (n int) {
	for _, b := range iov {
		n += len(b)
	}
	return n
}

// cut is a part of a message in pieces.
func cut(iov [][]byte, from, to int) [][]byte {
	if from == 0 && to == total(iov) {
		return iov
	}
	return [][]byte{slices.Concat(iov...)[from:to]}
}

// message reads a msghdr: its buffers, and what is to be compared.
func (a *callArgs) message(e Expr) (m *sockapi.Msg, flags *int, control []Expr) {
	m = &sockapi.Msg{}
	if e.Kind != Struct {
		a.bad("%s is not a message", e)
	}
	for _, f := range e.Fields {
		switch f.Name {
		case "msg_name":
		case "msg_iov":
			m.Iov = a.iovec(f.Value)
		case "msg_flags":
			v := int(a.number(f.Value))
			flags = &v
		case "msg_control":
			if f.Value.Kind != List {
				a.bad("msg_control is a list")
			}
			control = f.Value.List
		default:
			a.bad("field %q of a message is not known", f.Name)
		}
	}
	return m, flags, control
}

func callSendmsg(a *callArgs) func(p Sockets) outcome {
	if nowhere(a.arg(1)) {
		return a.faultOf(a.fd(0), a.sized(2))
	}
	flags := a.flags(a.int(2))
	fd := a.fd(0)
	m, _, control := a.message(a.arg(1))
	if a.r.native() {
		m.Name = a.r.sockaddr(a.r.set.RemoteIP, uint16(a.r.set.ConnectPort))
	}
	for _, e := range control {
		m.Control = append(m.Control, sockapi.Cmsg{Level: int(a.intField(e, "cmsg_level", 0)), Type: int(a.intField(e, "cmsg_type", 1)), Value: a.cmsgInt(e)})
	}
	a.r.connects(fd)
	asked := a.int(2)
	return func(p Sockets) outcome {
		return returned(a.r.transmit(p, fd, asked, total(m.Iov), func(from, end int) (int, error) {
			part := *m
			part.Iov = cut(m.Iov, from, end)
			return p.Sendmsg(fd, &part, flags)
		}))
	}
}

// cmsgInt is a control message's data, which netstack takes as a number.
func (a *callArgs) cmsgInt(e Expr) int {
	f, ok := a.field(e, "cmsg_data", 2)
	if !ok || f.Value.Kind == Struct {
		panic(unsupported(a.line, "control messages", "%s cannot be passed to netstack", e))
	}
	return int(a.number(f.Value))
}

func callRecvmsg(a *callArgs) func(p Sockets) outcome {
	if nowhere(a.arg(1)) {
		return a.faultOf(a.fd(0), a.sized(2))
	}
	fd, flags := a.fd(0), a.flags(a.int(2))
	m, wantFlags, control := a.message(a.arg(1))
	return func(p Sockets) outcome {
		n, err := a.r.recvmsg(p, fd, m, flags)
		return outcome{n: int64(n), err: err, check: func() string {
			if wantFlags != nil && *wantFlags != m.Flags {
				return fmt.Sprintf("msg_flags: expected %#x, got %#x", *wantFlags, m.Flags)
			}
			if len(control) != len(m.Control) {
				return fmt.Sprintf("msg_control: expected %d messages, got %d", len(control), len(m.Control))
			}
			for i, e := range control {
				if text := a.compareCmsg(e, m.Control[i]); text != "" {
					return text
				}
			}
			for _, b := range m.Iov {
				if text := zeros(b); text != "" {
					return text
				}
			}
			return ""
		}}
	}
}

// compareCmsg compares a control message that was received.
func (a *callArgs) compareCmsg(e Expr, got sockapi.Cmsg) string {
	level, typ := int(a.intField(e, "cmsg_level", 0)), int(a.intField(e, "cmsg_type", 1))
	if level != got.Level || typ != got.Type {
		return fmt.Sprintf("control message: expected level %d type %d, got level %d type %d", level, typ, got.Level, got.Type)
	}
	f, ok := a.field(e, "cmsg_data", 2)
	switch v := got.Value.(type) {
	case int:
		if ok && a.number(f.Value) != int64(v) {
			return fmt.Sprintf("control message: expected %s, got %d", f.Value, v)
		}
	case sockapi.ExtendedErr:
		if ok {
			return a.compareExtended(f.Value, v)
		}
	case Timestamps:
		if ok {
			return a.compareTimestamp(f.Value, v)
		}
	}
	return ""
}

// compareExtended compares struct sock_extended_err.
func (a *callArgs) compareExtended(e Expr, v sockapi.ExtendedErr) string {
	for _, f := range e.Fields {
		got, want := int64(0), int64(0)
		switch f.Name {
		case "ee_errno":
			if f.Value.Kind == Word && sameErrno(f.Value.Text) == v.Errno.Name() {
				continue
			}
			got = int64(v.Errno)
		case "ee_origin":
			got = int64(v.Origin)
		case "ee_type":
			got = int64(v.Type)
		case "ee_code":
			got = int64(v.Code)
		case "ee_info":
			got = int64(v.Info)
		case "ee_data":
			got = int64(v.Data)
		default:
			a.bad("field %q of sock_extended_err is not known", f.Name)
		}
		if want = a.number(f.Value); want != got {
			return fmt.Sprintf("%s: expected %s, got %d", f.Name, f.Value, got)
		}
	}
	return ""
}

// callOpen opens a file of zeros that a command has made: it is in memory.
func callOpen(a *callArgs) func(p Sockets) outcome {
	e := a.arg(0)
	if e.Kind != String {
		a.bad("%s is not a file name", e)
	}
	size, ok := a.r.files[e.Text]
	if !ok {
		panic(unsupported(a.line, "files", "%s: only what dd has made can be opened", e.Text))
	}
	return func(p Sockets) outcome {
		fd, err := p.MemfdCreate(e.Text, 0)
		if err == nil {
			if _, err = p.Write(fd, make([]byte, size)); err == nil {
				_, err = p.Lseek(fd, 0, sockapi.SEEK_SET)
			}
		}
		return returned(fd, err)
	}
}

func callSendfile(a *callArgs) func(p Sockets) outcome {
	out, in, offset, n := a.fd(0), a.fd(1), -1, a.size(a.arg(3))
	if e := a.arg(2); e.Kind == List || e.Kind == Number {
		offset = int(a.number(e))
	}
	return func(p Sockets) outcome {
		sent, err := p.Sendfile(out, in, offset, n)
		return outcome{n: int64(sent), err: err, after: func() {
			if e := a.r.emulated(out); e != nil {
				e.written += uint64(sent)
			}
		}}
	}
}
