package trace

// Recent is a map that forgets what nobody has asked for while very many others
// were: what a trace remembers of each connection does not grow for ever. The zero
// value is an empty one.
type Recent[K comparable, V any] struct {
	young, old map[K]*V // what is asked for moves from old to young
}

// recentMost is how many entries young may have before it becomes the old one.
const recentMost = 1 << 18

// Get finds an entry, nil if there is none.
func (r *Recent[K, V]) Get(key K) *V {
	if v := r.young[key]; v != nil {
		return v
	}
	v := r.old[key]
	if v != nil {
		r.Put(key, v)
	}
	return v
}

// Put makes an entry, in the place of another one if there is one.
func (r *Recent[K, V]) Put(key K, v *V) {
	if r.young == nil || len(r.young) >= recentMost {
		r.young, r.old = make(map[K]*V), r.young
	}
	r.young[key] = v
}
