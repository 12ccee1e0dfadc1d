package main

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPktSaysAtOnce: who waits for two minutes of scripts on Linux sees each verdict
// when it is there. With one job, no later script has been begun by then; with
// more, the order is still that of the scripts.
func TestPktSaysAtOnce(t *testing.T) {
	for _, jobs := range []int{1, 4} {
		var begun atomic.Int32
		var scripts []pktScript
		for i := range 50 {
			scripts = append(scripts, pktScript{name: fmt.Sprint(i), read: func() ([]byte, error) {
				begun.Add(1)
				return []byte("not a script"), nil
			}})
		}
		var said []string
		o := &pktOptions{dryRun: true}
		results := o.runJobs(t.Context(), scripts, nil, jobs, func(i int, r *pktResult) {
			if jobs == 1 {
				require.LessOrEqual(t, int(begun.Load()), i+1)
			}
			said = append(said, r.Script)
		})
		require.Len(t, results, 50)
		require.Len(t, said, 50)
		for i, name := range said {
			require.Equal(t, fmt.Sprint(i), name)
		}
	}
}
