package ss

import (
	"strconv"
	"strings"

	"fivetuple/sockapi"
)

// services are those that every lab starts with.
var services = sockapi.NewNetdb()

// serviceName is the name of a port, "" if it has none here.
func serviceName(port uint16) string {
	s, _ := services.ServiceByPort(int(port), "")
	return s.Name
}

// parsePort reads a number, or the name of a service in any case.
func parsePort(s string) (uint16, bool) {
	if v, ok := services.ServiceByName(strings.ToLower(s), ""); ok {
		return uint16(v.Port), true
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil
}
