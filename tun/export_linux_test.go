package tun

// WithoutModes makes Open believe that the kernel lacks these modes, until the test ends.
func WithoutModes(cleanup func(func()), lacks ...Mode) {
	hasMode = func(m Mode) bool {
		for _, l := range lacks {
			if l == m {
				return false
			}
		}
		return true
	}
	cleanup(func() { hasMode = nil })
}
