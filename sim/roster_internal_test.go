package sim

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRoster(t *testing.T) {
	type one struct {
		num  int
		over bool
	}
	r := roster[*one]{over: func(o *one) bool { return o.over }}
	var everyone []*one
	for n := range 10 {
		everyone = append(everyone, &one{num: n})
		r.add(everyone[n])
	}
	live := func() (nums []int) {
		for _, o := range r.all() {
			nums = append(nums, o.num)
		}
		return nums
	}
	for _, n := range []int{0, 9, 4, 5, 7} {
		everyone[n].over = true
		r.end()
	}
	require.Equal(t, []int{1, 2, 3, 6, 8}, live(), "in order, without those that have ended")
	require.Len(t, r.list, 10, "half of it: it is not worth the while yet")
	everyone[1].over = true
	r.end()
	require.Len(t, r.list, 4)
	require.Equal(t, []int{2, 3, 6, 8}, live())
	r.add(&one{num: 10})
	require.Equal(t, []int{2, 3, 6, 8, 10}, live())
	r.clear()
	require.Empty(t, live())
}
