package stack

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"fivetuple/trace"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// Sockets lists the transport end points that are bound, listening or
// connected, those in TIME-WAIT included, ordered by protocol, local and
// remote address.
func (s *Stack) Sockets() []trace.Socket {
	var out []trace.Socket
	for _, ep := range s.registered() {
		out = append(out, s.Snapshot(ep))
	}
	slices.SortFunc(out, compareSockets)
	return out
}

// Listens notes that a TCP end point has begun to listen.
func (s *Stack) Listens(ep tcpip.Endpoint) {
	s.track.endListeners()
	if t := &s.track; !slices.Contains(t.listeners, ep) {
		t.listeners = append(t.listeners, ep)
	}
}

// Listeners lists the TCP end points that listen, in the order in which they
// began to.
func (s *Stack) Listeners() []trace.Socket {
	s.track.endListeners()
	var out []trace.Socket
	for _, ep := range s.track.listeners {
		out = append(out, s.Snapshot(ep))
	}
	return out
}

// State is the TCP state of an end point, as in [trace.Socket].
func (s *Stack) State(ep tcpip.Endpoint) trace.TCPState { return tcpState(ep) }

// Snapshot describes one end point.
func (s *Stack) Snapshot(ep tcpip.Endpoint) trace.Socket {
	k := trace.Socket{FiveTuple: EndpointTuple(ep), State: tcpState(ep)}
	if info, ok := ep.Info().(*stack.TransportEndpointInfo); ok {
		k.V6 = info.NetProto == header.IPv6ProtocolNumber
		k.V6Only = k.V6 && ep.SocketOptions().GetV6Only()
	}
	owner := s.track.owners[ep]
	if owner != nil {
		k.Holders = owner.Holders()
	}
	in, isTCP := InternalsOf(ep)
	k.Detail = s.detail(ep, in)
	if k.State == trace.Listen {
		k.Remote, k.RecvQ = netip.AddrPort{}, in.AcceptQueue
		if owner != nil {
			k.SendQ = owner.Backlog()
		}
		return k
	}
	k.RecvQ, _ = ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption)
	if isTCP {
		k.SendQ, k.Info = max(0, in.SndBufUsed), tcpInfo(ep, k.FiveTuple, in)
	}
	return k
}

// tcpInfo is what netstack knows of a sender's tcp_info.
func tcpInfo(ep Endpoint, ft trace.FiveTuple, in Internals) trace.TCPInfo {
	var ti tcpip.TCPInfoOption
	if err := ep.GetSockOpt(&ti); err != nil {
		return trace.TCPInfo{}
	}
	return infoOf(&ti, ft, in)
}

func infoOf(ti *tcpip.TCPInfoOption, ft trace.FiveTuple, in Internals) trace.TCPInfo {
	return trace.TCPInfo{FiveTuple: ft, Cwnd: ti.SndCwnd, Ssthresh: ti.SndSsthresh,
		SRTT: ti.RTT, RTTVar: ti.RTTVar, RTO: ti.RTO, CAState: caState(ti.CcState), MinRTT: in.MinRTT,
		Unacked: in.Unacked, Sacked: in.Sacked, MSS: in.MSS, SndWnd: in.SndWnd, RcvWnd: in.RcvWnd,
		SndWScale: in.SndWScale, RcvWScale: in.RcvWScale, Timestamps: in.Timestamps, SACK: in.SACK}
}

// EndpointTuple is the five-tuple of an end point, with IPv4-mapped addresses
// written as IPv4.
func EndpointTuple(ep tcpip.Endpoint) trace.FiveTuple {
	ft := trace.FiveTuple{Proto: protoName(ep)}
	info, ok := ep.Info().(*stack.TransportEndpointInfo)
	if !ok {
		return ft
	}
	local := Addr(info.ID.LocalAddress)
	if !local.IsValid() {
		local = Addr(info.BindAddr)
	}
	if !local.IsValid() {
		local = netip.IPv4Unspecified()
		if info.NetProto == header.IPv6ProtocolNumber {
			local = netip.IPv6Unspecified()
		}
	}
	if ft.Proto == "raw" { // its protocol stands where others have the port, as in ss
		ft.Local = netip.AddrPortFrom(local.Unmap(), uint16(info.TransProto))
		if remote := Addr(info.ID.RemoteAddress); remote.IsValid() {
			ft.Remote = netip.AddrPortFrom(remote.Unmap(), 0)
		}
		return ft
	}
	ft.Local = netip.AddrPortFrom(local.Unmap(), info.ID.LocalPort)
	if remote := Addr(info.ID.RemoteAddress); remote.IsValid() && info.ID.RemotePort != 0 {
		ft.Remote = netip.AddrPortFrom(remote.Unmap(), info.ID.RemotePort)
	}
	return ft
}

func protoName(ep tcpip.Endpoint) string {
	info, ok := ep.Info().(*stack.TransportEndpointInfo)
	if !ok {
		return "unknown"
	}
	switch {
	case isKind(ep, "raw"):
		return "raw"
	case isKind(ep, "packet"):
		return "packet"
	}
	switch info.TransProto {
	case tcp.ProtocolNumber:
		return "tcp"
	case udp.ProtocolNumber:
		return "udp"
	case icmp.ProtocolNumber4:
		return "icmp"
	case icmp.ProtocolNumber6:
		return "icmpv6"
	}
	return "unknown"
}

// isKind reports whether an end point is of netstack's package transport/kind:
// a raw one says that its protocol is the one it listens to, and its type is
// not exported.
func isKind(ep tcpip.Endpoint, kind string) bool {
	if _, ok := ep.(*tcp.Endpoint); ok {
		return false
	}
	return strings.HasSuffix(reflect.TypeOf(ep).Elem().PkgPath(), "/transport/"+kind)
}

func transportNumber(proto string) (tcpip.TransportProtocolNumber, bool) {
	switch proto {
	case "tcp":
		return tcp.ProtocolNumber, true
	case "udp":
		return udp.ProtocolNumber, true
	}
	return 0, false
}

// tcpState translates netstack's states to those of RFC 9293. A UDP end point
// that is connected is ESTABLISHED.
func tcpState(ep tcpip.Endpoint) trace.TCPState {
	if _, ok := ep.(*tcp.Endpoint); !ok {
		if EndpointTuple(ep).Remote.IsValid() {
			return trace.Established
		}
		return trace.Closed
	}
	switch tcp.EndpointState(ep.State()) {
	case tcp.StateListen:
		return trace.Listen
	case tcp.StateConnecting, tcp.StateSynSent:
		return trace.SynSent
	case tcp.StateSynRecv:
		return trace.SynReceived
	case tcp.StateEstablished:
		return trace.Established
	case tcp.StateFinWait1:
		return trace.FinWait1
	case tcp.StateFinWait2:
		return trace.FinWait2
	case tcp.StateCloseWait:
		return trace.CloseWait
	case tcp.StateClosing:
		return trace.Closing
	case tcp.StateLastAck:
		return trace.LastAck
	case tcp.StateTimeWait:
		return trace.TimeWait
	}
	return trace.Closed
}
