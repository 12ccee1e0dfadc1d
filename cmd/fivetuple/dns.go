package main

import (
	"encoding/binary"

	"fivetuple/internal/nameserver"
)

// dnsDatagram answers a query with the world's names: `dig @10.77.0.2 lab`.
func dnsDatagram(s session, query []byte) []byte {
	return nameserver.Answer(query, s.Netdb(), true)
}

// dnsStream is DNS over TCP: each message has its length before it (RFC 1035,
// 4.2.2).
func dnsStream(s session, fd int) error {
	for {
		head, err := receiveAll(s, fd, 2)
		if err != nil {
			return err
		}
		query, err := receiveAll(s, fd, int(binary.BigEndian.Uint16(head)))
		if err != nil {
			return err
		}
		answer := nameserver.Answer(query, s.Netdb(), false)
		if answer == nil || len(answer) > 0xffff {
			return nil
		}
		if err := sendAll(s, fd, append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return err
		}
	}
}
