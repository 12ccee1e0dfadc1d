package sockapi

// setOptions lists the options that the program set, in the table's order, with
// the values that getsockopt returns: "SO_REUSEADDR=1".
func (s *socket) setOptions() []string {
	var out []string
	for i := range optionTable {
		o := &optionTable[i]
		v, set := s.stored[optKey{o.Level, o.Num}]
		for _, c := range s.changed {
			if c == o && o.get != nil {
				var errno Errno
				v, errno = o.get(s)
				set = errno == 0
			}
		}
		if set {
			out = append(out, o.Name+"="+valueString(v))
		}
	}
	return out
}
