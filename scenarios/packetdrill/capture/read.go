package capture

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"fivetuple/scenarios/packetdrill"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// direction is what a capture says of a packet, seen from where it was taken.
type direction int

const (
	unknown direction = iota
	inbound
	outbound
)

// frame is a packet of a capture as it was recorded.
type frame struct {
	num     int // as Wireshark counts, from 1
	at      time.Time
	data    []byte
	length  int // on the wire; more than len(data) if it was cut
	link    layers.LinkType
	iface   int
	dir     direction
	dropped bool // fivetuple's link dropped it after it was sent
	device  bool // seen where a stack of fivetuple and what is outside of it meet
}

// maxFrames bounds the packets of a capture that are read, and maxBytes their
// sizes together: what is kept is in memory.
const (
	maxFrames = 1 << 22
	maxBytes  = 1 << 31
)

// pcapng's first four bytes, the same in both byte orders, and the byte order
// magic of a big-endian section at byte 8.
var (
	ngMagic  = []byte{0x0a, 0x0d, 0x0d, 0x0a}
	ngBig    = []byte{0x1a, 0x2b, 0x3c, 0x4d}
	gzipHead = []byte{0x1f, 0x8b}
)

// pcapMagics are the first four bytes of classic pcap: microseconds and
// nanoseconds, in both byte orders.
var pcapMagics = [][]byte{{0xd4, 0xc3, 0xb2, 0xa1}, {0xa1, 0xb2, 0xc3, 0xd4}, {0x4d, 0x3c, 0xb2, 0xa1}, {0xa1, 0xb2, 0x3c, 0x4d}}

// readFrames calls f for each packet of a capture.
func readFrames(r io.Reader, f func(*frame) error) (err error) {
	num, total := 0, 0
	defer func() {
		// pcapgo trusts some lengths of a malformed block.
		if v := recover(); v != nil {
			err = fmt.Errorf("packet %d: malformed block", num+1)
		}
	}()
	next, err := openFrames(r)
	if err != nil {
		return err
	}
	for {
		fr, err := next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF) && num == 0:
			return errors.New("the file ends in the middle of packet 1: there is no whole one in it")
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("the file ends in the middle of packet %d: cut it before, as `editcap -r FILE OUT 1-%d` does", num+1, num)
		case err != nil:
			return fmt.Errorf("packet %d: %s", num+1, lowerFirst(err.Error()))
		}
		num++
		if total += len(fr.data); num > maxFrames || total > maxBytes {
			return fmt.Errorf("packet %d: the capture is too large: at most %d packets and %d bytes are read; filter it before, as `tshark -r FILE -Y 'tcp.stream == 3' -w OUT` does", num, maxFrames, maxBytes)
		}
		fr.num = num
		if err := f(fr); err != nil {
			return err
		}
	}
}

// openFrames looks at a file's first bytes and returns its reader.
func openFrames(r io.Reader) (next func() (*frame, error), err error) {
	in := bufio.NewReader(r)
	head, err := in.Peek(12)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case len(head) == 0:
		return nil, errors.New("the file is empty: there is no capture in it")
	case bytes.HasPrefix(head, gzipHead):
		return nil, errors.New("byte 0: the capture is compressed: unpack it before, as `gzip -d` does")
	case len(head) < 12:
		return nil, fmt.Errorf("byte %d: the file ends in the middle of its header", len(head))
	case bytes.HasPrefix(head, ngMagic):
		return openNg(in, bytes.Equal(head[8:12], ngBig))
	}
	for _, m := range pcapMagics {
		if bytes.HasPrefix(head, m) {
			return openClassic(in)
		}
	}
	return nil, fmt.Errorf("byte 0: this is no capture: it begins with % x; need pcap or pcapng", head[:4])
}

func openClassic(in io.Reader) (func() (*frame, error), error) {
	r, err := pcapgo.NewReader(in)
	if err != nil {
		return nil, headerError(err)
	}
	return func() (*frame, error) {
		data, ci, err := r.ReadPacketData()
		if err != nil {
			return nil, err
		}
		return newFrame(data, ci, r.LinkType()), nil
	}, nil
}

// openNg reads pcapng. pcapgo takes a packet's flags as little-endian in any
// section, so those of a big-endian one are left out.
func openNg(in io.Reader, big bool) (func() (*frame, error), error) {
	r, err := pcapgo.NewNgReader(in, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
	if err != nil {
		return nil, headerError(err)
	}
	return func() (*frame, error) {
		data, ci, opts, err := r.ReadPacketDataWithOptions()
		if err != nil {
			return nil, err
		}
		link, _ := ci.AncillaryData[0].(layers.LinkType)
		fr := newFrame(data, ci, link)
		if opts.Flags != nil && !big {
			switch opts.Flags.Direction {
			case pcapgo.NgEpbFlagDirectionInbound:
				fr.dir = inbound
			case pcapgo.NgEpbFlagDirectionOutbound:
				fr.dir = outbound
			}
		}
		if r.SectionInfo().Application == "fivetuple" {
			fr.dropped = len(opts.Comments) > 0 && strings.HasPrefix(opts.Comments[0], "DROPPED")
			if i, err := r.Interface(ci.InterfaceIndex); err == nil && outside(i.Name) {
				fr.dir, fr.device = inbound, true
			}
		}
		return fr, nil
	}, nil
}

// outside reports whether an interface of fivetuple's captures is the far end
// of a device: Linux's of `up`, or the script's of `pkt`. Links between hosts of
// a lab end at interfaces with other names.
func outside(name string) bool {
	host, iface, _ := strings.Cut(name, ":")
	return (host == "linux" || host == packetdrill.PeerName) && !strings.HasPrefix(iface, "eth")
}

func newFrame(data []byte, ci gopacket.CaptureInfo, link layers.LinkType) *frame {
	return &frame{at: ci.Timestamp, data: data, length: max(ci.Length, len(data)), link: link, iface: ci.InterfaceIndex}
}

func headerError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends in the middle of its header")
	}
	return fmt.Errorf("the file's header: %s", lowerFirst(err.Error()))
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
