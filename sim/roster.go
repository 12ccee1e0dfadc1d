package sim

import "slices"

// roster lists, in the order in which they were added, those who have not
// ended. To end costs a constant time on average, however many there are: the
// list is shortened when more than half of it has ended.
type roster[T any] struct {
	list  []T
	ended int
	over  func(T) bool
}

// add appends one who has not ended.
func (r *roster[T]) add(t T) { r.list = append(r.list, t) }

// end notes that one more has ended: over says which.
func (r *roster[T]) end() {
	if r.ended++; 2*r.ended > len(r.list) {
		r.list, r.ended = slices.DeleteFunc(r.list, r.over), 0
	}
}

// all returns a copy: it does not change when one of them ends.
func (r *roster[T]) all() []T { return slices.DeleteFunc(slices.Clone(r.list), r.over) }

// clear empties the list.
func (r *roster[T]) clear() { r.list, r.ended = nil, 0 }
