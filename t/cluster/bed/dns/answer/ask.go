package answer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Ask sends one query to addr by "udp" or "tcp" and waits so long for its
// answer.
func Ask(network, addr, name string, kind dnsmessage.Type, limit time.Duration) (
	*dnsmessage.Message, error) {
	n, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return nil, err
	}
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: uint16(time.Now().UnixNano()),
		RecursionDesired: true}, Questions: []dnsmessage.Question{{Name: n,
		Type: kind, Class: dnsmessage.ClassINET}}}
	b, err := q.Pack()
	if err != nil {
		return nil, err
	}
	c, err := net.DialTimeout(network, addr, limit)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(limit))
	if network == "tcp" {
		b = append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
	}
	if _, err := c.Write(b); err != nil {
		return nil, err
	}
	b = make([]byte, 65536)
	if network == "tcp" {
		if _, err := io.ReadFull(c, b[:2]); err != nil {
			return nil, err
		}
		b = b[:binary.BigEndian.Uint16(b)]
		_, err = io.ReadFull(c, b)
	} else {
		var n int
		n, err = c.Read(b)
		b = b[:n]
	}
	if err != nil {
		return nil, err
	}
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		return nil, err
	}
	if m.ID != q.ID || !m.Response || !slices.Equal(m.Questions, q.Questions) {
		return nil, errors.New("not the answer to the query")
	}
	return &m, nil
}

// Words are the records of an answer in short, sorted: addresses, "->NAME" of
// a CNAME, "NAME:PORT" of a SRV.
func Words(m *dnsmessage.Message) string {
	var l []string
	for _, r := range m.Answers {
		switch b := r.Body.(type) {
		case *dnsmessage.AResource:
			l = append(l, netip.AddrFrom4(b.A).String())
		case *dnsmessage.AAAAResource:
			l = append(l, netip.AddrFrom16(b.AAAA).String())
		case *dnsmessage.CNAMEResource:
			l = append(l, "->"+canonical(b.CNAME.String()))
		case *dnsmessage.SRVResource:
			l = append(l, fmt.Sprintf("%s:%d", canonical(b.Target.String()), b.Port))
		}
	}
	slices.Sort(l)
	return strings.Join(l, " ")
}
