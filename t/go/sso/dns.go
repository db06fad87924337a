package main

import (
	"encoding/binary"
	"net"
	"strings"
)

// names answers questions for addresses, from a table: the cluster's DNS, and
// that of the world.
func names(c net.PacketConn, table map[string]string) {
	b := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		if a := answer(b[:n], table); a != nil {
			_, _ = c.WriteTo(a, from)
		}
	}
}

// answer to a question; nil: it is none.
func answer(q []byte, table map[string]string) []byte {
	const head = 12
	var labels []string
	i := head
	for i < len(q) && q[i] != 0 {
		n := int(q[i])
		if n > 63 || i+1+n > len(q) {
			return nil
		}
		labels = append(labels, string(q[i+1:i+1+n]))
		i += 1 + n
	}
	if i += 5; i > len(q) {
		return nil
	}
	kind := binary.BigEndian.Uint16(q[i-4:])
	addr, known := table[strings.ToLower(strings.Join(labels, "."))]

	a := append([]byte{}, q[:i]...)
	copy(a[2:], []byte{0x85, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
	switch {
	case !known:
		a[3] |= 3
	case kind == 1:
		a[7] = 1
		a = append(a, 0xc0, head, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4)
		a = append(a, net.ParseIP(addr).To4()...)
	}
	return a
}
