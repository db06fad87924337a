// Package ws is as much of RFC 6455 as tests need: unfragmented text and binary
// frames, ping, close.
package ws

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
)

const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// Accept is the answer to a Sec-WebSocket-Key.
func Accept(key string) string {
	h := sha1.Sum([]byte(key + guid))
	return base64.StdEncoding.EncodeToString(h[:])
}

// NewKey makes a Sec-WebSocket-Key.
func NewKey() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// Opcodes.
const (
	Text   = 1
	Binary = 2
	Close  = 8
	Ping   = 9
	Pong   = 10
)

// Write sends one frame, masked as clients must.
func Write(w io.Writer, op byte, p []byte, mask bool) error {
	b := []byte{0x80 | op}
	m := byte(0)
	if mask {
		m = 0x80
	}
	switch {
	case len(p) < 126:
		b = append(b, m|byte(len(p)))
	case len(p) < 65536:
		b = append(b, m|126, byte(len(p)>>8), byte(len(p)))
	default:
		b = append(b, m|127)
		var l [8]byte
		binary.BigEndian.PutUint64(l[:], uint64(len(p)))
		b = append(b, l[:]...)
	}
	if mask {
		var k [4]byte
		_, _ = rand.Read(k[:])
		b = append(b, k[:]...)
		for i, c := range p {
			b = append(b, c^k[i%4])
		}
	} else {
		b = append(b, p...)
	}
	_, err := w.Write(b)
	return err
}

// Read takes one frame.
func Read(r *bufio.Reader) (op byte, p []byte, err error) {
	var h [2]byte
	if _, err = io.ReadFull(r, h[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(h[1] & 0x7f)
	switch n {
	case 126:
		var l [2]byte
		if _, err = io.ReadFull(r, l[:]); err != nil {
			return 0, nil, err
		}
		n = uint64(binary.BigEndian.Uint16(l[:]))
	case 127:
		var l [8]byte
		if _, err = io.ReadFull(r, l[:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(l[:])
	}
	if n > 16<<20 {
		return 0, nil, errors.New("frame too large")
	}
	var k [4]byte
	if h[1]&0x80 != 0 {
		if _, err = io.ReadFull(r, k[:]); err != nil {
			return 0, nil, err
		}
	}
	p = make([]byte, n)
	if _, err = io.ReadFull(r, p); err != nil {
		return 0, nil, err
	}
	if h[1]&0x80 != 0 {
		for i := range p {
			p[i] ^= k[i%4]
		}
	}
	return h[0] & 0x0f, p, nil
}

// Echo answers an upgrade and then each text with prefix and text, and binary
// frames by themselves, until the peer closes.
func Echo(w http.ResponseWriter, r *http.Request, prefix string) {
	hj, ok := w.(http.Hijacker)
	if !ok || r.Header.Get("Sec-WebSocket-Key") == "" {
		http.Error(w, "not a WebSocket", 400)
		return
	}
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Sec-WebSocket-Accept",
		Accept(r.Header.Get("Sec-WebSocket-Key")))
	c, b, err := hj.Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = b.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	_ = w.Header().Write(b)
	_, _ = b.WriteString("\r\n")
	_ = b.Flush()
	for {
		op, p, err := Read(b.Reader)
		if err != nil {
			return
		}
		switch op {
		case Text:
			err = Write(c, Text, append([]byte(prefix), p...), false)
		case Binary:
			err = Write(c, Binary, p, false)
		case Ping:
			err = Write(c, Pong, p, false)
		case Close:
			_ = Write(c, Close, p, false)
			return
		}
		if err != nil {
			return
		}
	}
}
