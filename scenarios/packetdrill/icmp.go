package packetdrill

import "strconv"

// icmpNumber is the number of a type or code that is written by name or number;
// an empty name is 0.
func icmpNumber(name string, known map[string]byte) (n byte, ok bool) {
	if name == "" {
		return 0, true
	}
	if n, ok := known[name]; ok {
		return n, true
	}
	v, err := strconv.ParseUint(name, 0, 8)
	return byte(v), err == nil
}

func icmpTypes(v6 bool) map[string]byte {
	if v6 {
		return icmp6Types
	}
	return icmp4Types
}

func icmpCodes(v6 bool, typ string) map[string]byte {
	switch {
	case v6 && typ == "unreachable":
		return icmp6Unreachable
	case typ == "unreachable":
		return icmp4Unreachable
	case typ == "redirect" && !v6:
		return icmp4Redirect
	case typ == "time_exceeded":
		return icmpTimeExceeded
	}
	return nil
}

// The names of RFC 792, RFC 1122 and RFC 1812, and those of RFC 4443.
var (
	icmp4Types = map[string]byte{"echo_reply": 0, "unreachable": 3, "source_quench": 4, "redirect": 5,
		"echo_request": 8, "time_exceeded": 11, "parameter_problem": 12, "timestamp_request": 13, "timestamp_reply": 14}
	icmp6Types = map[string]byte{"unreachable": 1, "packet_too_big": 2, "time_exceeded": 3, "parameter_problem": 4,
		"echo_request": 128, "echo_reply": 129}
	icmp4Unreachable = map[string]byte{"net_unreachable": 0, "host_unreachable": 1, "protocol_unreachable": 2,
		"port_unreachable": 3, "frag_needed": 4, "source_route_failed": 5, "net_unknown": 6, "host_unknown": 7,
		"source_host_isolated": 8, "net_prohibited": 9, "host_prohibited": 10, "net_unreachable_for_tos": 11,
		"host_unreachable_for_tos": 12, "packet_filtered": 13, "precedence_violation": 14, "precedence_cutoff": 15}
	icmp6Unreachable = map[string]byte{"no_route": 0, "admin_prohibited": 1, "beyond_scope": 2, "addr_unreachable": 3,
		"address_unreachable": 3, "port_unreachable": 4}
	icmp4Redirect    = map[string]byte{"net_redirect": 0, "host_redirect": 1}
	icmpTimeExceeded = map[string]byte{"ttl_exceeded": 0, "reassembly_exceeded": 1}
)
