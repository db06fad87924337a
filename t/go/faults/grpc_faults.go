package main

import (
	"bytes"
	"context"
	be "encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"ngx_k8s_test/internal/api"
	"ngx_k8s_test/internal/pods"
)

// call is a gRPC call of a client that sends and receives as it likes.
type call struct {
	e      *env
	in     *io.PipeWriter
	resp   *http.Response
	cancel context.CancelFunc
}

// grpcClient speaks HTTP/2 without TLS to a port.
func grpcClient(port int) *http.Client {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: p,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		}}}
}

// call begins one, with metadata: names and values.
func (e *env) call(c *http.Client, host string, h ...string) *call {
	r, w := io.Pipe()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	req, err := http.NewRequestWithContext(ctx, "POST", "http://"+host+
		"/any.Service/Method", r)
	e.must(err)
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	for i := 0; i+1 < len(h); i += 2 {
		req.Header.Set(h[i], h[i+1])
	}
	resp, err := c.Do(req)
	e.must(err)
	return &call{e, w, resp, cancel}
}

func message(b []byte) []byte {
	m := make([]byte, 5, 5+len(b))
	be.BigEndian.PutUint32(m[1:], uint32(len(b)))
	return append(m, b...)
}

// receive is the next message; an error where the stream has ended.
func (c *call) receive() ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.resp.Body, head[:]); err != nil {
		return nil, err
	}
	m := make([]byte, be.BigEndian.Uint32(head[1:]))
	_, err := io.ReadFull(c.resp.Body, m)
	return m, err
}

// echo sends a message and awaits it back, before anything else is sent.
func (c *call) echo(b []byte) {
	go func() { _, _ = c.in.Write(message(b)) }()
	m, err := c.receive()
	c.e.must(err)
	c.e.check(bytes.Equal(m, b), "%d bytes for %d", len(m), len(b))
}

// end is the error that the stream ends with, and its trailers.
func (c *call) end() (error, http.Header) {
	_, err := c.receive()
	c.cancel()
	return err, c.resp.Trailer
}

// cut tells whether a stream was cut off by the other side: it has not ended,
// and nobody got tired of waiting.
func cut(err error) bool {
	return err != nil && err != io.EOF &&
		!errors.Is(err, context.DeadlineExceeded)
}

func init() {
	add("gRPC streams: both ways, trailers, resets, time-outs, changes",
		func(e *env) {
			e.begin(false)
			addr := e.pod("a", "a-0", pods.Options{H2C: true})
			e.api.Put("services", api.Service("default", "a", 80, 8080))
			e.slice("a", addr)
			e.annotated("a", "a.test", "backend-protocol", "GRPC",
				"proxy-body-size", "0")
			e.annotated("short", "short.test", "backend-protocol", "GRPC",
				"proxy-read-timeout", "1", "proxy-send-timeout", "1")
			port := freePorts(1)[0]
			g := e.start(options{workers: 1, http: fmt.Sprintf(
				"server { listen 127.0.0.1:%d; http2 on; k8s_ingress_pass; }",
				port)})
			client := grpcClient(port)
			e.await("it is served", 15*time.Second, func() bool {
				r, err := client.Post("http://short.test/", "application/grpc",
					strings.NewReader(""))
				if err != nil {
					return false
				}
				_ = r.Body.Close()
				return r.StatusCode == 200
			})
			pod := e.pods.Get("a-0")

			// each message is answered before the next one is sent
			c := e.call(client, "a.test")
			for i := 0; i < 50; i++ {
				c.echo([]byte(fmt.Sprintf("message %d", i)))
				if i == 20 {
					e.annotated("a", "a.test", "backend-protocol", "GRPC",
						"proxy-body-size", "0", "proxy-read-timeout", "77")
					e.slice("a", addr)
				}
			}
			c.echo(bytes.Repeat([]byte("large"), 300000))
			_ = c.in.Close()
			err, trailer := c.end()
			e.check(err == io.EOF, "the end: %v", err)
			e.check(trailer.Get("Grpc-Status") == "0" &&
				trailer.Get("X-Pod") == "a-0", "trailers %v", trailer)

			// many at a time, over one connection of the client
			var all []*call
			for i := 0; i < 30; i++ {
				all = append(all, e.call(client, "a.test"))
			}
			for round := 0; round < 5; round++ {
				for i, c := range all {
					c.echo([]byte(fmt.Sprintf("%d of %d", round, i)))
				}
			}
			e.check(pod.InFlight() == 30, "%d in flight", pod.InFlight())
			for _, c := range all {
				_ = c.in.Close()
				err, trailer := c.end()
				e.check(err == io.EOF && trailer.Get("Grpc-Status") == "0",
					"%v %v", err, trailer)
			}

			// a status alone; one in the trailers
			c = e.call(client, "a.test", "X-Grpc-Status", "5")
			e.check(c.resp.Header.Get("Grpc-Status") == "5" &&
				c.resp.Header.Get("Grpc-Message") == "asked for", "%v",
				c.resp.Header)
			_ = c.in.Close()
			c.cancel()
			c = e.call(client, "a.test")
			go func() { _, _ = c.in.Write([]byte{0, 255, 255, 255, 255}) }()
			err, trailer = c.end()
			e.check(err == io.EOF && trailer.Get("Grpc-Status") == "8",
				"%v %v", err, trailer)

			// a reset is no end
			c = e.call(client, "a.test", "X-Grpc-Reset", "3")
			for i := 0; i < 2; i++ {
				c.echo([]byte("before"))
			}
			go func() { _, _ = c.in.Write(message([]byte("last"))) }()
			if _, err = c.receive(); err == nil {
				err, trailer = c.end()
			}
			c.cancel()
			e.check(cut(err), "a reset is %v, trailers %v", err, trailer)

			// nor is silence; who sends is not silent
			c = e.call(client, "short.test")
			for i := 0; i < 5; i++ {
				c.echo([]byte("alive"))
				time.Sleep(400 * time.Millisecond)
			}
			err, trailer = c.end()
			e.check(cut(err), "silence is %v, trailers %v", err, trailer)

			// of a client that goes nginx tells the backend when it is late
			c = e.call(client, "short.test")
			c.echo([]byte("before"))
			e.check(pod.InFlight() == 1, "%d in flight", pod.InFlight())
			c.cancel()
			e.await("the call ends", 5*time.Second, func() bool {
				return pod.InFlight() == 0
			})

			// the worker is as it was
			c = e.call(client, "a.test")
			c.echo([]byte("last"))
			_ = c.in.Close()
			err, _ = c.end()
			e.check(err == io.EOF, "%v", err)
			e.check(len(g.Workers()) == 1, "a worker died")
		})
}
