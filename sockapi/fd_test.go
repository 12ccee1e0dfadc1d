package sockapi_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"

	"fivetuple/sockapi"
	"fivetuple/trace"

	"github.com/stretchr/testify/require"
)

// requireErrno checks that each call failed with the same errno.
func requireErrno(t testing.TB, want sockapi.Errno, errs ...error) {
	t.Helper()
	for i, err := range errs {
		require.ErrorIs(t, err, want, "call %d", i)
	}
}

func TestLowestFreeDescriptor(t *testing.T) {
	inWorld(t, func(p *sockapi.Proc) {
		open := func() int {
			fd, err := p.Socket(inet, stream, 0)
			require.NoError(t, err)
			return fd
		}
		require.Equal(t, []int{3, 4, 5}, []int{open(), open(), open()}, "0 to 2 are taken")
		require.NoError(t, p.Close(4))
		require.NoError(t, p.Close(3))
		fd, err := p.Dup(5)
		require.NoError(t, err)
		require.Equal(t, 3, fd, "the lowest of two free ones, not the one closed last")
		require.Equal(t, []int{4, 6}, []int{open(), open()})
		require.NoError(t, p.Close(0))
		require.Equal(t, 0, open(), "standard input's number is like any other: POSIX 2.14")
		requireErrno(t, sockapi.EBADF, p.Close(7), p.Close(-1))
		require.NoError(t, p.Close(5))
		requireErrno(t, sockapi.EBADF, p.Close(5), p.Listen(5, 1))
		_, err = p.Getsockname(3)
		require.NoError(t, err, "the duplicate keeps the socket")
	})
}

// TestStandardDescriptors: 0 to 2 are /dev/null, open but no sockets.
func TestStandardDescriptors(t *testing.T) {
	inWorld(t, func(p *sockapi.Proc) {
		_, err := p.Recv(0, 1, 0)
		_, err2 := p.Send(0, nil, 0)
		_, _, err3 := p.Accept(0)
		_, err4 := p.Getsockopt(0, sockapi.SOL_SOCKET, sockapi.SO_TYPE)
		requireErrno(t, sockapi.ENOTSOCK, err, err2, err3, err4, p.Connect(0, any4(1)), p.Bind(0, any4(1)),
			p.Listen(0, 1), p.Shutdown(0, 0), p.Setsockopt(0, sockapi.SOL_SOCKET, sockapi.SO_KEEPALIVE, 1))
		n, err := p.Write(1, []byte("hello"))
		require.NoError(t, err)
		require.Equal(t, 5, n)
		b, err := p.Read(0, 9)
		require.NoError(t, err)
		require.Empty(t, b)
		fds := []sockapi.PollFD{{FD: 0, Events: sockapi.POLLIN | sockapi.POLLOUT}}
		_, err = p.Poll(fds, -1)
		require.NoError(t, err)
		require.Equal(t, sockapi.POLLIN|sockapi.POLLOUT, fds[0].Revents, "a plain file is always ready: poll(2)")
		fd, err := p.Dup(2)
		require.NoError(t, err)
		require.Equal(t, 3, fd)
		require.Empty(t, p.FDs(), "only sockets are listed")
		require.NoError(t, p.Close(fd))
		require.NoError(t, p.Close(2))
		requireErrno(t, sockapi.EBADF, p.Close(2))
	})
}

// TestFlags: O_NONBLOCK belongs to the open file, which dup shares; FD_CLOEXEC
// to the descriptor, which dup does not copy.
func TestFlags(t *testing.T) {
	inWorld(t, func(p *sockapi.Proc) {
		a, err := p.Socket(inet, stream|sockapi.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		b, err := p.Dup(a)
		require.NoError(t, err)
		get := func(fd, cmd int) int {
			v, err := p.Fcntl(fd, cmd, 0)
			require.NoError(t, err)
			return v
		}
		require.Equal(t, []int{sockapi.FD_CLOEXEC, 0}, []int{get(a, sockapi.F_GETFD), get(b, sockapi.F_GETFD)})
		require.Equal(t, sockapi.O_RDWR, get(a, sockapi.F_GETFL))
		_, err = p.Fcntl(b, sockapi.F_SETFL, sockapi.O_NONBLOCK)
		require.NoError(t, err)
		require.Equal(t, sockapi.O_RDWR|sockapi.O_NONBLOCK, get(a, sockapi.F_GETFL))
		_, err = p.Fcntl(b, sockapi.F_SETFD, sockapi.FD_CLOEXEC)
		require.NoError(t, err)
		_, err = p.Fcntl(a, sockapi.F_SETFD, 0)
		require.NoError(t, err)
		require.Equal(t, []int{0, sockapi.FD_CLOEXEC}, []int{get(a, sockapi.F_GETFD), get(b, sockapi.F_GETFD)})
		_, err = p.Fcntl(a, 9999, 0)
		requireErrno(t, sockapi.EINVAL, err)
		fds := p.FDs()
		require.Len(t, fds, 2)
		require.Equal(t, 2, fds[0].Refs)
		require.True(t, fds[0].NonBlock && fds[1].NonBlock)
	})
}

// TestForkSharesSockets: parent and child hold the same open file. The
// connection ends with the last descriptor, not with the first close.
func TestForkSharesSockets(t *testing.T) {
	c := inWorld(t, func(p *sockapi.Proc) {
		k := &kit{kernel: p, t: t}
		client, server := k.pair()
		pid := p.Fork(func(child *sockapi.Proc) error {
			require.Equal(t, p.FDs()[0].Num, child.FDs()[0].Num, "the child has the same numbers")
			require.Equal(t, 2, child.FDs()[0].Refs)
			_, err := child.Fcntl(server, sockapi.F_SETFL, sockapi.O_NONBLOCK)
			require.NoError(t, err)
			child.Sleep(10 * ms)
			n, err := child.Send(server, []byte("from the child"), 0)
			require.NoError(t, err)
			require.Equal(t, 14, n)
			_, err = child.Socket(inet, stream, 0)
			require.NoError(t, err)
			return nil // its exit closes its descriptors: the last ones of server
		})
		require.Equal(t, 2, pid)
		require.NoError(t, p.Close(server))
		p.Sleep(ms)
		b, err := p.Recv(client, 99, dontwait)
		requireErrno(t, sockapi.EAGAIN, err)
		require.Empty(t, b, "no FIN: the child holds the socket")
		b, err = p.Recv(client, 99, 0)
		require.NoError(t, err)
		require.Equal(t, "from the child", string(b))
		b, err = p.Recv(client, 99, 0)
		require.NoError(t, err)
		require.Empty(t, b, "the child has ended")
		requireErrno(t, sockapi.EBADF, p.Close(server))
		require.Len(t, p.FDs(), 1, "the child's new socket was its own")
	})
	var forks []string
	for _, b := range bodies[*trace.Process](c) {
		forks = append(forks, b.What)
	}
	require.Equal(t, []string{"start", "fork", "exit", "exit"}, forks)
}

// TestCloseUnderACall: as in Linux, a call keeps its socket open: close by
// another thread does not wake it, and the connection ends when it returns.
func TestCloseUnderACall(t *testing.T) {
	inWorld(t, func(p *sockapi.Proc) {
		k := &kit{kernel: p, t: t}
		client, server := k.pair()
		done := false
		p.Go(func(q *sockapi.Proc) error {
			b, err := q.Recv(server, 9, 0)
			require.NoError(t, err)
			require.Equal(t, "late", string(b))
			_, err = q.Recv(server, 9, 0)
			requireErrno(t, sockapi.EBADF, err)
			done = true
			return nil
		})
		p.Sleep(ms)
		require.NoError(t, p.Close(server))
		p.Sleep(ms)
		require.False(t, done)
		_, err := p.Recv(client, 9, dontwait)
		requireErrno(t, sockapi.EAGAIN, err)
		k.send(client, "late")
		p.Sleep(ms)
		require.True(t, done)
		b, err := p.Recv(client, 9, 0)
		require.NoError(t, err)
		require.Empty(t, b, "now the FIN has come")
	})
}

// TestErrnoTable: every Errno constant of the source has a name, its own, and
// a text. The list is read from the source: a new constant cannot be left out.
func TestErrnoTable(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "errno.go", nil, 0)
	require.NoError(t, err)
	names := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == "Errno" {
			names++
			e, known := sockapi.Errnos()[spec.Names[0].Name]
			require.True(t, known, spec.Names[0].Name)
			require.Equal(t, spec.Names[0].Name, e.Name())
			require.NotContains(t, e.Error(), "error ", "a text of its own")
		}
		return true
	})
	require.Len(t, sockapi.Errnos(), names)
	require.Equal(t, "E999", sockapi.Errno(999).Name())
	require.Equal(t, "error 999", sockapi.Errno(999).Error())
}

func TestErrorText(t *testing.T) {
	err := error(&sockapi.Error{Call: "connect", Args: "3, 10.0.0.2:80", Errno: sockapi.ECONNREFUSED})
	require.EqualError(t, err, "connect(3, 10.0.0.2:80): connection refused (ECONNREFUSED)")
	require.ErrorIs(t, err, sockapi.ECONNREFUSED)
	require.NotErrorIs(t, err, sockapi.ECONNRESET)
}

// TestCallEvents: a call is entered, blocks at most once in the trace, and
// returns; what it returned, and how long it waited, is in the return.
func TestCallEvents(t *testing.T) {
	c := inWorld(t, func(p *sockapi.Proc) {
		s, err := p.Socket(inet, dgram, 0)
		require.NoError(t, err)
		require.NoError(t, p.Setsockopt(s, sockapi.SOL_SOCKET, sockapi.SO_RCVTIMEO, 5*ms))
		_, err = p.Recv(s, 10, 0)
		requireErrno(t, sockapi.EAGAIN, err)
	})
	var got []trace.Call
	for _, b := range bodies[*trace.Call](c) {
		if b.Name == "recv" {
			got = append(got, *b)
		}
	}
	require.Equal(t, []trace.Call{
		{What: trace.Enter, Num: 3, Name: "recv", Args: "3, 10"},
		{What: trace.Block, Num: 3, Name: "recv", Args: "3, 10"},
		{What: trace.Return, Num: 3, Name: "recv", Args: "3, 10", Result: "-1", Errno: "EAGAIN",
			Error: "resource temporarily unavailable", Blocked: true, Waited: 5 * ms},
	}, got)
}

// TestShutdownWakes: unlike close, shutdown by another thread ends a call that
// waits, as in Linux.
func TestShutdownWakes(t *testing.T) {
	inWorld(t, func(p *sockapi.Proc) {
		k := &kit{kernel: p, t: t}
		_, server := k.pair()
		l, addr := k.listener(1)
		u, _ := k.bound(inet, dgram)
		k.must(p.Connect(u, addr))
		for _, fd := range []int{server, u} {
			p.Go(func(q *sockapi.Proc) error {
				b, err := q.Recv(fd, 9, 0)
				k.data("recv", b, err)
				return nil
			})
		}
		p.Go(func(q *sockapi.Proc) error {
			_, _, err := q.Accept(l)
			k.note("accept", err)
			return nil
		})
		p.Sleep(ms)
		require.Empty(t, k.notes, "all three wait")
		for _, fd := range []int{server, u, l} {
			k.must(p.Shutdown(fd, sockapi.SHUT_RD))
			p.Sleep(ms)
		}
		require.Equal(t, `recv ""; recv ""; accept EINVAL`, k.done())
	})
}
