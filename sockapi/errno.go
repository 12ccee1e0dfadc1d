package sockapi

import (
	"fmt"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// Errno is an error number with Linux's values (x86-64), whatever the system
// this program runs on. On Linux, errors.Is(err, syscall.ECONNREFUSED) holds
// for an Errno of that value.
type Errno uint16

// The error numbers that socket calls return.
const (
	EPERM           Errno = 1
	ENOENT          Errno = 2
	EINTR           Errno = 4
	EIO             Errno = 5
	ENXIO           Errno = 6
	EBADF           Errno = 9
	EAGAIN          Errno = 11
	ENOMEM          Errno = 12
	EACCES          Errno = 13
	EFAULT          Errno = 14
	EEXIST          Errno = 17
	ENODEV          Errno = 19
	EINVAL          Errno = 22
	ENFILE          Errno = 23
	EMFILE          Errno = 24
	ENOTTY          Errno = 25
	EFBIG           Errno = 27
	ESPIPE          Errno = 29
	EPIPE           Errno = 32
	EDOM            Errno = 33
	ERANGE          Errno = 34
	ENOSYS          Errno = 38
	ENONET          Errno = 64
	EPROTO          Errno = 71
	ENOTSOCK        Errno = 88
	EDESTADDRREQ    Errno = 89
	EMSGSIZE        Errno = 90
	EPROTOTYPE      Errno = 91
	ENOPROTOOPT     Errno = 92
	EPROTONOSUPPORT Errno = 93
	ESOCKTNOSUPPORT Errno = 94
	EOPNOTSUPP      Errno = 95
	EAFNOSUPPORT    Errno = 97
	EADDRINUSE      Errno = 98
	EADDRNOTAVAIL   Errno = 99
	ENETDOWN        Errno = 100
	ENETUNREACH     Errno = 101
	ENETRESET       Errno = 102
	ECONNABORTED    Errno = 103
	ECONNRESET      Errno = 104
	ENOBUFS         Errno = 105
	EISCONN         Errno = 106
	ENOTCONN        Errno = 107
	ETIMEDOUT       Errno = 110
	ECONNREFUSED    Errno = 111
	EHOSTDOWN       Errno = 112
	EHOSTUNREACH    Errno = 113
	EALREADY        Errno = 114
	EINPROGRESS     Errno = 115
)

// errnos has name and text (strerror(3)) of every Errno above.
var errnos = map[Errno][2]string{
	EPERM: {"EPERM", "operation not permitted"}, ENOENT: {"ENOENT", "no such file or directory"},
	EINTR: {"EINTR", "interrupted system call"}, EIO: {"EIO", "input/output error"},
	EBADF: {"EBADF", "bad file descriptor"}, EAGAIN: {"EAGAIN", "resource temporarily unavailable"},
	ENOMEM: {"ENOMEM", "cannot allocate memory"}, EACCES: {"EACCES", "permission denied"},
	EFAULT: {"EFAULT", "bad address"}, EEXIST: {"EEXIST", "file exists"}, EINVAL: {"EINVAL", "invalid argument"},
	ENFILE: {"ENFILE", "too many open files in system"}, EMFILE: {"EMFILE", "too many open files"}, ENOTTY: {"ENOTTY", "inappropriate ioctl for device"},
	EFBIG: {"EFBIG", "file too large"}, ESPIPE: {"ESPIPE", "illegal seek"},
	EPIPE: {"EPIPE", "broken pipe"}, EDOM: {"EDOM", "numerical argument out of domain"},
	ERANGE: {"ERANGE", "numerical result out of range"}, ENOSYS: {"ENOSYS", "function not implemented"},
	ENONET: {"ENONET", "machine is not on the network"}, ENOTSOCK: {"ENOTSOCK", "socket operation on non-socket"},
	EDESTADDRREQ: {"EDESTADDRREQ", "destination address required"}, EMSGSIZE: {"EMSGSIZE", "message too long"},
	EPROTO: {"EPROTO", "protocol error"}, ENODEV: {"ENODEV", "no such device"}, ENXIO: {"ENXIO", "no such device or address"},
	EPROTOTYPE:      {"EPROTOTYPE", "protocol wrong type for socket"},
	ENOPROTOOPT:     {"ENOPROTOOPT", "protocol not available"},
	EPROTONOSUPPORT: {"EPROTONOSUPPORT", "protocol not supported"},
	ESOCKTNOSUPPORT: {"ESOCKTNOSUPPORT", "socket type not supported"},
	EOPNOTSUPP:      {"EOPNOTSUPP", "operation not supported"},
	EAFNOSUPPORT:    {"EAFNOSUPPORT", "address family not supported by protocol"},
	EADDRINUSE:      {"EADDRINUSE", "address already in use"},
	EADDRNOTAVAIL:   {"EADDRNOTAVAIL", "cannot assign requested address"},
	ENETDOWN:        {"ENETDOWN", "network is down"}, ENETUNREACH: {"ENETUNREACH", "network is unreachable"},
	ENETRESET:    {"ENETRESET", "network dropped connection on reset"},
	ECONNABORTED: {"ECONNABORTED", "software caused connection abort"},
	ECONNRESET:   {"ECONNRESET", "connection reset by peer"}, ENOBUFS: {"ENOBUFS", "no buffer space available"},
	EISCONN:      {"EISCONN", "transport endpoint is already connected"},
	ENOTCONN:     {"ENOTCONN", "transport endpoint is not connected"},
	ETIMEDOUT:    {"ETIMEDOUT", "connection timed out"},
	ECONNREFUSED: {"ECONNREFUSED", "connection refused"}, EHOSTDOWN: {"EHOSTDOWN", "host is down"},
	EHOSTUNREACH: {"EHOSTUNREACH", "no route to host"},
	EALREADY:     {"EALREADY", "operation already in progress"},
	EINPROGRESS:  {"EINPROGRESS", "operation now in progress"},
}

// Errnos lists every known error number by name, for documentation and for
// scenario languages.
func Errnos() map[string]Errno {
	m := make(map[string]Errno, len(errnos))
	for e, n := range errnos {
		m[n[0]] = e
	}
	return m
}

// Name is the symbolic name, such as "ECONNREFUSED".
func (e Errno) Name() string {
	if n, ok := errnos[e]; ok {
		return n[0]
	}
	return fmt.Sprintf("E%d", uint16(e))
}

// Error is the text, such as "connection refused".
func (e Errno) Error() string {
	if n, ok := errnos[e]; ok {
		return n[1]
	}
	return fmt.Sprintf("error %d", uint16(e))
}

// Error is a socket call that failed.
type Error struct {
	Call  string // "connect"
	Args  string // "3, 10.0.0.2:80"
	Errno Errno
}

// Error reads "connect(3, 10.0.0.2:80): connection refused (ECONNREFUSED)".
func (e *Error) Error() string {
	return fmt.Sprintf("%s(%s): %s (%s)", e.Call, e.Args, e.Errno.Error(), e.Errno.Name())
}

// Unwrap gives the Errno, so that errors.Is(err, EAGAIN) holds.
func (e *Error) Unwrap() error { return e.Errno }

// errnoOf translates netstack's errors to what Linux returns for the same
// failure.
//
// table: one case an error.
func errnoOf(err tcpip.Error) Errno {
	switch err.(type) {
	case nil:
		return 0
	case *tcpip.ErrPortInUse:
		return EADDRINUSE
	case *tcpip.ErrBadLocalAddress:
		return EADDRNOTAVAIL
	case *tcpip.ErrClosedForSend, *tcpip.ErrAborted:
		return EPIPE
	case *tcpip.ErrWouldBlock, *tcpip.ErrNoPortAvailable:
		return EAGAIN
	case *tcpip.ErrConnectionRefused:
		return ECONNREFUSED
	case *tcpip.ErrTimeout:
		return ETIMEDOUT
	case *tcpip.ErrConnectStarted:
		return EINPROGRESS
	case *tcpip.ErrDestinationRequired:
		return EDESTADDRREQ
	case *tcpip.ErrNotSupported:
		return EOPNOTSUPP
	case *tcpip.ErrQueueSizeNotSupported:
		return ENOTTY
	case *tcpip.ErrNotConnected:
		return ENOTCONN
	case *tcpip.ErrConnectionReset:
		return ECONNRESET
	case *tcpip.ErrConnectionAborted:
		return ECONNABORTED
	case *tcpip.ErrNoSuchFile:
		return ENOENT
	case *tcpip.ErrMessageTooLong:
		return EMSGSIZE
	case *tcpip.ErrNoBufferSpace:
		return ENOBUFS
	case *tcpip.ErrAlreadyConnecting:
		return EALREADY
	case *tcpip.ErrAlreadyConnected:
		return EISCONN
	case *tcpip.ErrHostUnreachable:
		return EHOSTUNREACH
	case *tcpip.ErrNetworkUnreachable:
		return ENETUNREACH
	case *tcpip.ErrHostDown:
		return EHOSTDOWN
	case *tcpip.ErrNoNet:
		return ENONET
	case *tcpip.ErrBroadcastDisabled:
		return EACCES
	case *tcpip.ErrNotPermitted:
		return EPERM
	case *tcpip.ErrAddressFamilyNotSupported:
		return EAFNOSUPPORT
	case *tcpip.ErrUnknownProtocolOption:
		return ENOPROTOOPT
	case *tcpip.ErrBadBuffer:
		return EFAULT
	case *tcpip.ErrUnknownDevice, *tcpip.ErrUnknownNICID:
		return ENODEV
	case *tcpip.ErrUnknownProtocol:
		return EPROTONOSUPPORT
	}
	return EINVAL
}
