package ss

import (
	"strconv"
	"strings"
)

// services are the names of ports that textbooks use, from IANA's registry.
var services = []struct {
	name string
	port uint16
}{
	{"echo", 7}, {"discard", 9}, {"daytime", 13}, {"chargen", 19}, {"ftp-data", 20}, {"ftp", 21}, {"ssh", 22},
	{"telnet", 23}, {"smtp", 25}, {"time", 37}, {"domain", 53}, {"tftp", 69}, {"http", 80}, {"pop3", 110},
	{"ntp", 123}, {"imap2", 143}, {"snmp", 161}, {"bgp", 179}, {"https", 443}, {"syslog", 514}, {"http-alt", 8080},
}

// serviceName is the name of a port, "" if it has none here.
func serviceName(port uint16) string {
	for _, s := range services {
		if s.port == port {
			return s.name
		}
	}
	return ""
}

// parsePort reads a number, or the name of a service.
func parsePort(s string) (uint16, bool) {
	for _, v := range services {
		if strings.EqualFold(v.name, s) {
			return v.port, true
		}
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil
}
