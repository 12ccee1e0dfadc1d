package trace

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// igmpText describes an IGMP message: RFC 2236, and RFC 3376 for version 3.
func igmpText(b []byte) string {
	group, _ := netip.AddrFromSlice(b[4:8])
	switch b[0] {
	case 0x11:
		if group.IsUnspecified() {
			return "general query"
		}
		return "query " + group.String()
	case 0x12:
		return "v1 report " + group.String()
	case 0x16:
		return "v2 report " + group.String()
	case 0x17:
		return "leave " + group.String()
	case 0x22:
		return "v3 report" + igmpRecords(b[8:], int(binary.BigEndian.Uint16(b[6:])))
	}
	return fmt.Sprintf("type %#x", b[0])
}

// igmpRecords describes the group records of a version 3 report (RFC 3376,
// 4.2.12): without sources, "exclude none" is a member, "include none" is not.
func igmpRecords(b []byte, n int) string {
	var out strings.Builder
	for ; n > 0 && len(b) >= 8; n-- {
		sources := int(binary.BigEndian.Uint16(b[2:]))
		group, _ := netip.AddrFromSlice(b[4:8])
		what := fmt.Sprintf("record %d", b[0])
		switch {
		case sources > 0:
			what = fmt.Sprintf("%s with %d sources", what, sources)
		case b[0] == 2:
			what = "is member of"
		case b[0] == 4:
			what = "join"
		case b[0] == 1, b[0] == 3:
			what = "leave"
		}
		fmt.Fprintf(&out, " %s %s", what, group)
		skip := 8 + 4*sources + 4*int(b[1])
		if skip > len(b) {
			break
		}
		b = b[skip:]
	}
	return out.String()
}
