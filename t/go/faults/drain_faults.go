package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// h2 is a connection over HTTP/2 without TLS, frame by frame.
type h2 struct {
	e *env
	c net.Conn
}

const (
	h2Data     = 0
	h2Headers  = 1
	h2Settings = 4
	h2Goaway   = 7
)

func (g *nginx) h2() *h2 {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", g.port),
		5*time.Second)
	g.e.must(err)
	h := &h2{e: g.e, c: c}
	_, err = io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	g.e.must(err)
	h.send(h2Settings, 0, 0, nil)
	return h
}

func (h *h2) send(kind, flags byte, stream byte, body []byte) {
	f := make([]byte, 9, 9+len(body))
	f[2], f[3], f[4] = byte(len(body)), kind, flags
	f[8] = stream
	_, err := h.c.Write(append(f, body...))
	h.e.must(err)
}

// get sends a request: header fields of the static table, and two literals.
func (h *h2) get(stream byte, host, path string) {
	b := append([]byte{0x82, 0x86, 0x04, byte(len(path))}, path...)
	b = append(append(b, 0x01, byte(len(host))), host...)
	const endStream, endHeaders = 1, 4
	h.send(h2Headers, endStream|endHeaders, stream, b)
}

// until reads frames until the stream ends, and tells whether a GOAWAY came;
// stream 0 is the end of the connection.
func (h *h2) until(stream byte, limit time.Duration) (bool, error) {
	goaway := false
	_ = h.c.SetReadDeadline(time.Now().Add(limit))
	for {
		f := make([]byte, 9)
		if _, err := io.ReadFull(h.c, f); err != nil {
			return goaway, err
		}
		n := int(f[0])<<16 | int(f[1])<<8 | int(f[2])
		if _, err := io.CopyN(io.Discard, h.c, int64(n)); err != nil {
			return goaway, err
		}
		goaway = goaway || f[3] == h2Goaway
		if (f[3] == h2Data || f[3] == h2Headers) && f[4]&1 != 0 &&
			f[8] == stream {
			return goaway, nil
		}
	}
}

func init() {
	add("drain: HTTP/2 connections end with a request, not under it",
		func(e *env) {
			file := e.dir + "/drain"
			g := e.basic(false, options{
				http: "http2 on; k8s_ingress_drain_file " + file + ";"})
			var l []*h2
			for i := 0; i < 8; i++ {
				h := g.h2()
				defer h.c.Close()
				h.get(1, "a.test", "/?slow=1500")
				l = append(l, h)
			}
			e.must(os.WriteFile(file, nil, 0644))
			e.await("it is seen", 5*time.Second, func() bool {
				return g.Logged("connections of clients are closed") == 2
			})
			for i, h := range l {
				goaway, err := h.until(1, 5*time.Second)
				e.check(err == nil && !goaway, "connection %d: GOAWAY %v, %v",
					i, goaway, err)
			}
			// none of them is closed while it is idle
			for i, h := range l {
				goaway, err := h.until(3, 100*time.Millisecond)
				e.check(os.IsTimeout(err) && !goaway,
					"idle connection %d: GOAWAY %v, %v", i, goaway, err)
			}
			for i, h := range l {
				h.get(3, "a.test", "/")
				goaway, err := h.until(3, 5*time.Second)
				e.check(err == nil && goaway, "connection %d: GOAWAY %v, %v",
					i, goaway, err)
				_, err = h.until(0, 10*time.Second)
				e.check(err == io.EOF, "connection %d: %v", i, err)
			}
		})
}
