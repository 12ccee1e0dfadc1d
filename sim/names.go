package sim

import "net/netip"

// HostWith is the name of the host that has an address, "" if none has.
func (w *World) HostWith(a netip.Addr) string {
	for _, h := range w.hosts {
		for _, p := range h.Addrs() {
			if p.Addr() == a {
				return h.Name()
			}
		}
	}
	return ""
}
