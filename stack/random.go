package stack

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"

	cryptorand "gvisor.dev/gvisor/pkg/rand"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// stream returns a random stream that depends on seed and names alone, so
// adding a host never changes another's luck.
func stream(seed uint64, names ...string) *rand.ChaCha8 {
	h := sha256.New()
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], seed)
	h.Write(b[:])
	for _, n := range names {
		io.WriteString(h, n)
		h.Write([]byte{0})
	}
	return rand.NewChaCha8([32]byte(h.Sum(nil)))
}

// Stream returns the random stream named by names under seed. Links and
// scenarios draw from streams of their own.
func Stream(seed uint64, names ...string) *rand.Rand { return rand.New(stream(seed, names...)) }

// source makes a stream a math/rand (version 1) source, which netstack wants.
type source struct{ s *rand.ChaCha8 }

func (s source) Int63() int64   { return int64(s.s.Uint64() >> 1) }
func (s source) Uint64() uint64 { return s.s.Uint64() }
func (s source) Seed(int64)     { panic("stack: a host's random source is seeded by its name") }

// buildMu guards the two process-wide settings that [build] changes for the
// moment in which a stack is built: gVisor's random reader and GOMAXPROCS.
var buildMu sync.Mutex

// build constructs a netstack whose every random number comes from rng, with
// one TCP worker.
//
// IPv4 draws its identification counters from a process-wide reader when it is
// constructed, and TCP starts as many workers as there are processors: two
// workers would arm timers in the order of the Go scheduler.
func build(rng io.Reader, opts stack.Options) *stack.Stack {
	buildMu.Lock()
	defer buildMu.Unlock()
	restore := replaceReader(rng)
	defer restore()
	if old := runtime.GOMAXPROCS(0); old != 1 {
		runtime.GOMAXPROCS(1)
		defer runtime.GOMAXPROCS(old)
	}
	return stack.New(opts)
}

// replaceReader makes rng gVisor's random reader until restore is called.
func replaceReader(rng io.Reader) (restore func()) {
	old := cryptorand.Reader
	cryptorand.Reader = rng
	undo := replaceSystemReader(rng)
	return func() {
		cryptorand.Reader = old
		undo()
	}
}
