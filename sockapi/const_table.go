package sockapi

// Constants lists the names and values that a scenario language needs: address
// families, types, levels, flags, poll events and every option's name.
func Constants() map[string]int {
	m := map[string]int{
		"AF_UNSPEC": AF_UNSPEC, "AF_INET": AF_INET, "AF_INET6": AF_INET6,
		"SOCK_STREAM": SOCK_STREAM, "SOCK_DGRAM": SOCK_DGRAM,
		"SOCK_NONBLOCK": SOCK_NONBLOCK, "SOCK_CLOEXEC": SOCK_CLOEXEC,
		"IPPROTO_IP": IPPROTO_IP, "IPPROTO_ICMP": IPPROTO_ICMP, "IPPROTO_TCP": IPPROTO_TCP,
		"IPPROTO_UDP": IPPROTO_UDP, "IPPROTO_IPV6": IPPROTO_IPV6, "IPPROTO_ICMPV6": IPPROTO_ICMPV6,
		"SOL_SOCKET": SOL_SOCKET,
		"SHUT_RD":    SHUT_RD, "SHUT_WR": SHUT_WR, "SHUT_RDWR": SHUT_RDWR, "SOMAXCONN": SOMAXCONN,
		"F_GETFD": F_GETFD, "F_SETFD": F_SETFD, "F_GETFL": F_GETFL, "F_SETFL": F_SETFL,
		"FD_CLOEXEC": FD_CLOEXEC, "O_NONBLOCK": O_NONBLOCK,
	}
	for name, v := range map[string]int{
		"EPOLL_CTL_ADD": EPOLL_CTL_ADD, "EPOLL_CTL_DEL": EPOLL_CTL_DEL, "EPOLL_CTL_MOD": EPOLL_CTL_MOD,
		"EPOLL_CLOEXEC": EPOLL_CLOEXEC, "FIONREAD": FIONREAD, "SIOCINQ": SIOCINQ, "SIOCOUTQ": SIOCOUTQ,
	} {
		m[name] = v
	}
	for _, f := range epollFlags {
		m[f.name] = f.bit
	}
	for _, f := range msgFlags {
		m[f.name] = f.bit
	}
	for _, f := range pollFlags {
		m[f.name] = f.bit
	}
	for _, o := range optionTable {
		m[o.Name] = o.Num
	}
	return m
}
