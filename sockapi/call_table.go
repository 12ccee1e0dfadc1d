package sockapi

// CallInfo is one row of the table of calls: what a person looks up in section
// 2 of the manual, and what other systems call the same thing.
type CallInfo struct {
	Name string // "accept"
	Does string // one sentence, without a full stop
	By   string // "client", "server", "both"
	// Before and After are the TCP states in which it is made and which a
	// success leads to; "-" where it does not depend on them.
	Before, After string
	Errnos        []Errno // beyond EBADF and ENOTSOCK, which every call has
	Winsock       string  // Windows Sockets 2
	XTI           string  // X/Open Transport Interface, and TLI before it
	Scenario      string  // the built-in scenario that shows it
}

// Calls lists the table, in the order in which a connection lives.
func Calls() []CallInfo { return append([]CallInfo(nil), callTable...) }

// callTable has facts from the man pages (Linux man-pages, section 2), the
// Windows Sockets 2 API and the X/Open XNS specification.
//
// table: one row a call.
var callTable = []CallInfo{
	{"socket", "make a socket: an end point without a name", "both", "-", "CLOSED", []Errno{EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EMFILE}, "socket, WSASocket", "t_open", "handshake"},
	{"socketpair", "make two sockets that are connected to each other", "both", "-", "-", []Errno{EAFNOSUPPORT, EOPNOTSUPP, EPROTONOSUPPORT, EMFILE}, "-", "-", "socketpair"},
	{"bind", "give it its local address and port", "both", "CLOSED", "CLOSED", []Errno{EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL}, "bind", "t_bind", "port-in-use"},
	{"listen", "wait for connections, and say how many may queue", "server", "CLOSED", "LISTEN", []Errno{EOPNOTSUPP, EINVAL, EADDRINUSE}, "listen", "t_bind with qlen > 0", "handshake"},
	{"accept", "take the first connection from the queue, as a new socket", "server", "LISTEN", "LISTEN; the new one ESTABLISHED", []Errno{EAGAIN, EINVAL, EOPNOTSUPP, EMFILE}, "accept, WSAAccept", "t_listen, then t_accept", "five-tuple"},
	{"accept4", "accept, with SOCK_NONBLOCK and SOCK_CLOEXEC for the new descriptor", "server", "LISTEN", "LISTEN; the new one ESTABLISHED", []Errno{EAGAIN, EINVAL, EOPNOTSUPP}, "-", "-", "epoll-edge"},
	{"connect", "name the remote end; for TCP, perform the handshake", "client", "CLOSED", "SYN-SENT, then ESTABLISHED", []Errno{ECONNREFUSED, ETIMEDOUT, EINPROGRESS, EALREADY, EISCONN, ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL}, "connect, WSAConnect", "t_connect", "handshake"},
	{"send", "send on a connected socket", "both", "ESTABLISHED, CLOSE-WAIT", "-", []Errno{EAGAIN, EPIPE, ECONNRESET, ENOTCONN, EDESTADDRREQ, EMSGSIZE, EOPNOTSUPP}, "send, WSASend", "t_snd", "half-close"},
	{"sendto", "send a datagram to an address", "both", "-", "-", []Errno{EAGAIN, EMSGSIZE, ENETUNREACH, EACCES, EINVAL}, "sendto, WSASendTo", "t_sndudata", "udp"},
	{"sendmsg", "send a message in pieces", "both", "as send", "-", []Errno{EAGAIN, EPIPE, EMSGSIZE}, "WSASendMsg", "t_sndv, t_sndvudata", "udp-truncation"},
	{"write", "send without flags: a socket is a file", "both", "as send", "-", []Errno{EAGAIN, EPIPE}, "-", "-", "peek"},
	{"writev", "write from several buffers", "both", "as send", "-", []Errno{EAGAIN, EPIPE}, "WSASend", "t_sndv", "peek"},
	{"sendfile", "send a file's bytes without reading them", "both", "as send", "-", []Errno{EINVAL, EAGAIN, EPIPE}, "TransmitFile", "-", "sendfile"},
	{"recv", "receive; an empty result is the end of the stream", "both", "ESTABLISHED, FIN-WAIT-1, FIN-WAIT-2, CLOSE-WAIT", "-", []Errno{EAGAIN, ECONNRESET, ENOTCONN}, "recv, WSARecv", "t_rcv", "half-close"},
	{"recvfrom", "receive a datagram, and learn who sent it", "both", "-", "-", []Errno{EAGAIN, ECONNREFUSED}, "recvfrom, WSARecvFrom", "t_rcvudata", "udp"},
	{"recvmsg", "receive a message into pieces, with its flags and control messages", "both", "as recv", "-", []Errno{EAGAIN, ECONNRESET}, "WSARecvMsg", "t_rcvv, t_rcvvudata", "traceroute"},
	{"read", "receive without flags", "both", "as recv", "-", []Errno{EAGAIN, ECONNRESET}, "-", "-", "select-server"},
	{"readv", "read into several buffers", "both", "as recv", "-", []Errno{EAGAIN, ECONNRESET}, "WSARecv", "t_rcvv", "peek"},
	{"shutdown", "end one direction, or both, and keep the socket", "both", "ESTABLISHED, CLOSE-WAIT", "FIN-WAIT-1, LAST-ACK", []Errno{ENOTCONN, EINVAL}, "shutdown", "t_sndrel (and t_rcvrel)", "half-close"},
	{"close", "give up a descriptor; the last one closes the connection", "both", "any", "FIN-WAIT-1, LAST-ACK, CLOSED", nil, "closesocket", "t_snddis or t_sndrel, t_close", "fork-server"},
	{"closesocket", "close, by its name on Windows", "both", "any", "FIN-WAIT-1, LAST-ACK, CLOSED", nil, "closesocket", "t_close", ""},
	{"dup", "make a second descriptor for the same socket", "both", "-", "-", []Errno{EMFILE}, "WSADuplicateSocket", "-", "descriptors"},
	{"dup2", "the same, with a number of one's choice", "both", "-", "-", nil, "-", "-", "peek"},
	{"fork", "make a process with a copy of the descriptor table", "server", "-", "-", nil, "-", "-", "fork-server"},
	{"execve", "become another program; descriptors with FD_CLOEXEC are closed", "server", "-", "-", nil, "-", "-", "exec"},
	{"signal", "say what SIGPIPE does: end the process, or nothing", "both", "-", "-", []Errno{EINVAL}, "-", "-", "sigpipe"},
	{"getsockname", "ask for the local address", "both", "-", "-", nil, "getsockname", "t_getprotaddr", "five-tuple"},
	{"getpeername", "ask for the remote address", "both", "ESTABLISHED and later", "-", []Errno{ENOTCONN}, "getpeername", "t_getprotaddr", "ipv6"},
	{"setsockopt", "set an option: see docs/socket-options.md", "both", "-", "-", []Errno{ENOPROTOOPT, EINVAL, EDOM, EPROTO}, "setsockopt", "t_optmgmt", "options"},
	{"getsockopt", "read an option", "both", "-", "-", []Errno{ENOPROTOOPT}, "getsockopt", "t_optmgmt", "nonblocking-connect"},
	{"fcntl", "set O_NONBLOCK, or FD_CLOEXEC", "both", "-", "-", []Errno{EINVAL}, "ioctlsocket with FIONBIO", "fcntl, or t_open with O_NONBLOCK", "nonblocking-connect"},
	{"ioctl", "ask how much is queued: FIONREAD, SIOCOUTQ, SIOCOUTQNSD", "both", "-", "-", []Errno{ENOTTY}, "ioctlsocket with FIONREAD", "t_look", "peek"},
	{"select", "wait until one of three sets of descriptors is ready", "both", "-", "-", []Errno{EINVAL}, "select", "t_look", "select-server"},
	{"poll", "wait until one of some descriptors is ready", "both", "-", "-", nil, "WSAPoll", "poll", "nonblocking-connect"},
	{"epoll_create1", "make an epoll instance", "server", "-", "-", []Errno{EINVAL, EMFILE}, "CreateIoCompletionPort (alike)", "-", "epoll-edge"},
	{"epoll_ctl", "say what the instance watches", "server", "-", "-", []Errno{EEXIST, ENOENT, EINVAL}, "-", "-", "epoll-edge"},
	{"epoll_wait", "wait for what it watches", "server", "-", "-", []Errno{EINVAL}, "GetQueuedCompletionStatus (alike)", "-", "epoll-edge"},
	{"memfd_create", "make a file in memory, to send from", "both", "-", "-", []Errno{EINVAL, EMFILE}, "-", "-", "sendfile"},
	{"lseek", "move a file's offset; a socket has none", "both", "-", "-", []Errno{ESPIPE, EINVAL}, "-", "-", "sendfile"},
	{"getaddrinfo", "find the addresses of a host and a service by name", "both", "-", "-", nil, "getaddrinfo", "netdir_getbyname", "getaddrinfo"},
	{"getnameinfo", "find the names of an address", "both", "-", "-", nil, "getnameinfo", "netdir_getbyaddr", "getaddrinfo"},
	{"getservbyname", "find the port of a service", "both", "-", "-", nil, "getservbyname", "netdir_getbyname", "getaddrinfo"},
	{"getservbyport", "find the service of a port", "both", "-", "-", nil, "getservbyport", "netdir_getbyaddr", "getaddrinfo"},
}
