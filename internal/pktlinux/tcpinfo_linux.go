package pktlinux

import (
	"reflect"
	"strings"
	"unsafe"

	"fivetuple/scenarios/packetdrill"

	"golang.org/x/sys/unix"
)

// tcpInfo is struct tcp_info with every field that the kernel gives:
// <linux/tcp.h>. Those that it has not are absent.
func tcpInfo(fd int) (packetdrill.Info, error) {
	b, errno := getsockopt(fd, unix.IPPROTO_TCP, unix.TCP_INFO, 1024)
	if errno != 0 {
		return nil, failure("getsockopt(TCP_INFO)", errno)
	}
	var raw unix.TCPInfo
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&raw)), unsafe.Sizeof(raw)), b)
	info := make(packetdrill.Info)
	v := reflect.ValueOf(raw)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.IsExported() && int(f.Offset+f.Type.Size()) <= len(b) {
			info[strings.ToLower(f.Name)] = int64(v.Field(i).Uint())
		}
	}
	if len(b) > 7 { // bit fields, which the type does not have
		info["snd_wscale"], info["rcv_wscale"] = int64(b[6]&15), int64(b[6]>>4)
		info["delivery_rate_app_limited"], info["fastopen_client_fail"] = int64(b[7]&1), int64(b[7]>>1&3)
	}
	return info, nil
}
