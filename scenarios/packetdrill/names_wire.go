package packetdrill

// FlagText is TCP's flags byte as scripts write it: "S.", or "-" for none.
func FlagText(bits byte) string { return flagText(bits) }

// ICMPNames are the words of scripts for an ICMP message; code is empty if it
// is 0 and has no name. ok is false for what scripts have no words for.
func ICMPNames(v6 bool, typ, code byte) (typeName, codeName string, ok bool) {
	for name, n := range icmpTypes(v6) {
		if n == typ {
			typeName = name
		}
	}
	for name, n := range icmpCodes(v6, typeName) {
		// address_unreachable is another name of addr_unreachable.
		if n == code && (codeName == "" || name < codeName) {
			codeName = name
		}
	}
	return typeName, codeName, typeName != "" && (codeName != "" || code == 0)
}
