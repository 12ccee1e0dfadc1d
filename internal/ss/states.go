package ss

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"fivetuple/internal/spell"
	"fivetuple/trace"
)

// states is a set of states, a bit for each of trace.States.
type states uint

// boundInactive is the state of a TCP socket that is only bound, which Linux
// tells apart in filters, and not in what it prints.
var boundInactive = states(1) << len(trace.States())

var allStates = boundInactive<<1 - 1

func stateBit(s trace.TCPState) states { return 1 << slices.Index(trace.States(), s) }

func (s states) single() bool { return bits.OnesCount(uint(s)) == 1 }

func stateOf(k *trace.Socket) states {
	if k.Bound {
		return boundInactive
	}
	return stateBit(k.State)
}

// stateGroups are the words after state and exclude: ss(8), STATE-FILTER.
var stateGroups = func() map[string]states {
	idle := stateBit(trace.Closed) | stateBit(trace.Listen) | boundInactive
	bucket := stateBit(trace.TimeWait) | stateBit(trace.SynReceived)
	m := map[string]states{
		"all": allStates, "connected": allStates &^ idle, "synchronized": allStates &^ (idle | stateBit(trace.SynSent)),
		"bucket": bucket, "big": allStates &^ bucket, "bound-inactive": boundInactive,
		"listening": stateBit(trace.Listen), "syn-recv": stateBit(trace.SynReceived), "estab": stateBit(trace.Established),
		"unconn": stateBit(trace.Closed), "unconnected": stateBit(trace.Closed),
	}
	for _, s := range trace.States() {
		m[strings.ToLower(string(s))] = stateBit(s)
	}
	return m
}()

func stateWord(word string) (states, error) {
	if s, ok := stateGroups[strings.ToLower(word)]; ok {
		return s, nil
	}
	names := slices.Sorted(maps.Keys(stateGroups))
	return 0, fmt.Errorf("no state is called %q%s; there are %s", word, spell.Hint(word, names), strings.Join(names, ", "))
}
