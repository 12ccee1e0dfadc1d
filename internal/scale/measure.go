package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"time"
)

// result is what one run of a load measured. It is written as JSON by the
// process that ran it.
type result struct {
	Load string
	N    int // connections

	Open, Close     time.Duration // wall time: until all are open and have been used; from there to the end
	CPU             time.Duration // of the process, set by its parent
	Events, Packets uint64        // of the world, until all are open

	Heap, Objects uint64 // live when all are open, after a collection, less what was before
	Stacks        uint64 // memory of goroutine stacks then
	Peak          uint64 // most resident memory of the process, less what it had before; 0: unknown
	Allocs        uint64 // objects allocated, until all are open
}

// measure runs one load.
func measure(kind string, n int) (result, error) {
	r := result{Load: kind, N: n}
	before, resident := collect(), peak()
	start := time.Now()
	l, err := build(kind, n)
	if err == nil {
		err = l.opened(n)
	}
	if err != nil {
		return r, err
	}
	r.Open = time.Since(start)
	r.Events, r.Packets = l.Events(), l.Packets()
	m := collect()
	r.Heap, r.Objects = less(m.HeapAlloc, before.HeapAlloc), less(m.HeapObjects, before.HeapObjects)
	r.Stacks, r.Allocs = less(m.StackInuse, before.StackInuse), m.Mallocs-before.Mallocs
	start = time.Now()
	if err := l.close(); err != nil {
		return r, err
	}
	r.Close = time.Since(start)
	if p := peak(); p > 0 {
		r.Peak = less(p, resident)
	}
	return r, nil
}

// less is a-b, and zero if b is more: the runtime gives stacks back late.
func less(a, b uint64) uint64 { return a - min(a, b) }

// collect returns the state of the heap after a collection: two, because what
// the first one finalizes and what pools keep is free after the second.
func collect() runtime.MemStats {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}

// peak is the most memory that this process has had resident: VmHWM of proc(5),
// 0 where there is no such file.
func peak() uint64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib uint64
		if _, err := fmt.Sscanf(lines.Text(), "VmHWM: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}
