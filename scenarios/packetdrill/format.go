package packetdrill

import (
	"fmt"
	"strconv"
	"strings"
)

// Format writes a script so that parsing it gives the same tree.
func Format(s *Script) string {
	var b strings.Builder
	for _, o := range s.Options {
		b.WriteString("--" + o.Name)
		if o.HasValue {
			b.WriteString("=" + optionValue(o.Value))
		}
		b.WriteByte('\n')
	}
	if s.Init != nil {
		b.WriteString("`" + s.Init.Text + "`\n")
	}
	for i := range s.Events {
		b.WriteString(s.Events[i].String() + "\n")
	}
	if s.Cleanup != nil {
		b.WriteString("`" + s.Cleanup.Text + "`\n")
	}
	return b.String()
}

func optionValue(v string) string {
	if strings.ContainsAny(v, " \t\r\n\v\f\"") {
		return strconv.Quote(v)
	}
	return v
}

// String writes an event on one line, unless its command or code has more.
func (e *Event) String() string {
	t := e.Time.String() + " "
	switch {
	case e.Packet != nil:
		return t + e.Packet.String()
	case e.Call != nil:
		return t + e.Call.String()
	case e.Command != nil:
		return t + "`" + e.Command.Text + "`"
	}
	return t + "%{" + e.Code.Text + "}%"
}

// String writes a time.
func (t Time) String() string {
	if t.Kind == AnyTime {
		return "*"
	}
	sign := ""
	if t.Kind == Relative {
		sign = "+"
	}
	s := sign + formatSeconds(t.At)
	switch {
	case t.Range:
		s += "~" + sign + formatSeconds(t.End)
	case t.Blocking:
		s += "..." + formatSeconds(t.End)
	}
	return s
}

// String writes a packet with its direction.
func (k *Packet) String() string {
	parts := []string{">"}
	if k.Inbound {
		parts[0] = "<"
	}
	if k.IP != nil {
		parts = append(parts, k.IP.String())
	}
	for _, e := range k.Encap {
		switch {
		case e.Kind == "psp":
			parts = append(parts, "encap psp "+e.Text)
		case e.Text == "":
			parts = append(parts, e.Kind+" :")
		default:
			parts = append(parts, e.Kind+" "+e.Text+" :")
		}
	}
	if k.Ports != nil {
		parts = append(parts, fmt.Sprintf("%d > %d", k.Ports[0], k.Ports[1]))
	}
	switch {
	case k.UDP != nil:
		parts = append(parts, fmt.Sprintf("udp (%d)", k.UDP.Len))
	case k.ICMP != nil:
		parts = append(parts, k.ICMP.String())
	default:
		parts = append(parts, k.TCP.String())
	}
	return strings.Join(parts, " ")
}

// String writes the bracket.
func (i *IPInfo) String() string {
	var parts []string
	for _, f := range i.Fields {
		s := f.Name
		if f.HasValue {
			s += " " + formatInt(f.Value, f.Hex)
		}
		parts = append(parts, s)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// String writes a segment as scripts do.
func (t *TCP) String() string {
	s := fmt.Sprintf("%s %d:%d(%d)", t.Flags, t.Start, t.End, t.Len)
	if t.Ack != nil {
		s += fmt.Sprintf(" ack %d", *t.Ack)
	}
	if t.Win != nil {
		s += fmt.Sprintf(" win %d", *t.Win)
	}
	if t.Urg != nil {
		s += fmt.Sprintf(" urg %d", *t.Urg)
	}
	switch {
	case t.AnyOpts:
		s += " <...>"
	case t.Opts != nil:
		s += " " + formatOpts(t.Opts)
	}
	return s
}

func formatOpts(opts []TCPOpt) string {
	var parts []string
	for _, o := range opts {
		parts = append(parts, o.String())
	}
	return "<" + strings.Join(parts, ",") + ">"
}

// String writes an option as scripts do.
func (o TCPOpt) String() string {
	switch o.Name {
	case "mss", "wscale":
		return fmt.Sprintf("%s %d", o.Name, o.Value)
	case "TS":
		return fmt.Sprintf("TS val %d ecr %d", o.Value, o.Ecr)
	case "sack":
		s := "sack"
		for _, b := range o.Blocks {
			s += fmt.Sprintf(" %d:%d", b[0], b[1])
		}
		return s
	case "ECN":
		s := "ECN"
		for _, c := range o.Words {
			s += fmt.Sprintf(" %s %d", c.Name, c.Value)
		}
		return s
	}
	if o.Hex != "" {
		return o.Name + " " + o.Hex
	}
	return o.Name
}

// String writes a message as scripts do.
func (m *ICMP) String() string {
	s := "icmp " + m.Type
	if m.Code != "" {
		s += " " + m.Code
	}
	if m.MTU != nil {
		s += fmt.Sprintf(" mtu %d", *m.MTU)
	}
	if m.ID != nil {
		s += fmt.Sprintf(" id %d", *m.ID)
	}
	switch {
	case m.Echoed != nil && m.Echoed.Proto != "":
		s += fmt.Sprintf(" [%s (%d)]", m.Echoed.Proto, m.Echoed.Len)
	case m.Echoed != nil:
		s += fmt.Sprintf(" [%d:%d(%d)]", m.Echoed.Start, m.Echoed.End, m.Echoed.Len)
	case m.Len != nil:
		s += fmt.Sprintf(" (%d)", *m.Len)
	}
	return s
}

// String writes a call with its result.
func (c *Call) String() string {
	s := c.Name + "(" + joinExprs(c.Args, ", ") + ") = " + c.Result.String()
	if c.Errno != "" {
		s += " " + c.Errno
	}
	if c.Note != "" {
		s += " (" + c.Note + ")"
	}
	return s
}

func joinExprs(list []Expr, sep string) string {
	var parts []string
	for _, e := range list {
		parts = append(parts, e.String())
	}
	return strings.Join(parts, sep)
}

func formatInt(v int64, hex bool) string {
	switch {
	case hex && v < 0:
		return fmt.Sprintf("-%#x", -v)
	case hex:
		return fmt.Sprintf("%#x", v)
	}
	return strconv.FormatInt(v, 10)
}

// String writes an expression.
func (e Expr) String() string {
	switch e.Kind {
	case Number:
		return formatInt(e.Int, e.Hex)
	case Word:
		return e.Text
	case String:
		return strconv.Quote(e.Text)
	case List:
		return "[" + joinExprs(e.List, ", ") + "]"
	case Or:
		return joinExprs(e.List, "|")
	case Apply:
		return e.Text + "(" + joinExprs(e.List, ", ") + ")"
	case Concat:
		return joinExprs(e.List, " ")
	case Struct:
		var parts []string
		for _, f := range e.Fields {
			parts = append(parts, f.String())
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return "..."
}

// String writes a field.
func (f Field) String() string {
	switch {
	case f.Name == "":
		return f.Value.String()
	case f.Arg != nil:
		return f.Name + "(" + f.Arg.String() + ")=" + f.Value.String()
	}
	return f.Name + "=" + f.Value.String()
}
