package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"ngx_k8s_test/cluster/dns/answer"
	"ngx_k8s_test/internal/pods"
)

// backend is the pod with its listeners.
type backend struct {
	pod     *pods.Pod
	handler http.Handler
	ready   atomic.Bool
	live    atomic.Bool
	started time.Time

	servers []*http.Server
	sockets []io.Closer // those that are no server's
	streams sync.WaitGroup
	addrs   map[string]string // by the setting's name
	says    []string
	failed  chan error
}

func newBackend(o pods.Options, ready bool) *backend {
	set := pods.NewSet()
	b := &backend{pod: set.New(o), started: time.Now(),
		addrs: map[string]string{}, failed: make(chan error, 16)}
	b.ready.Store(ready)
	b.live.Store(true)
	b.handler = b.control(set)
	return b
}

// port is one that can be listened on.
type port struct {
	name, none string
	tls        bool
	start      func(b *backend, ln net.Listener, conf *tls.Config)
}

var ports = []port{
	{"HTTP_PORT", "3000", false, func(b *backend, ln net.Listener, _ *tls.Config) {
		b.http(ln, nil, false)
	}},
	{"H2C_PORT", "3001", false, func(b *backend, ln net.Listener, _ *tls.Config) {
		b.http(ln, nil, true)
	}},
	{"HTTPS_PORT", "8443", true, func(b *backend, ln net.Listener, c *tls.Config) {
		if c.ClientCAs != nil {
			c.ClientAuth = tls.VerifyClientCertIfGiven
		}
		b.http(ln, c, false)
	}},
	{"MTLS_PORT", "8444", true, func(b *backend, ln net.Listener, c *tls.Config) {
		c.ClientAuth = tls.RequireAndVerifyClientCert
		b.http(ln, c, false)
	}},
	{"TCP_PORT", "9000", false, func(b *backend, ln net.Listener, _ *tls.Config) {
		b.tcp(ln)
	}},
	{"TLS_PORT", "9443", true, func(b *backend, ln net.Listener, c *tls.Config) {
		b.tcp(tls.NewListener(ln, c))
	}},
}

// listen opens all ports, or none.
func (b *backend) listen(s settings) error {
	conf, err := tlsConfig(s)
	if err != nil {
		return err
	}
	for _, p := range ports {
		number := s.or(p.name, p.none)
		if number == "off" || p.tls && conf == nil ||
			p.name == "MTLS_PORT" && conf.ClientCAs == nil {
			continue
		}
		ln, err := net.Listen("tcp", ":"+number)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		var c *tls.Config
		if p.tls {
			c = conf.Clone()
		}
		b.note(p.name, ln.Addr().String())
		p.start(b, ln, c)
	}
	if number := s.or("DNS_PORT", "off"); number != "off" {
		a, err := netip.ParseAddr(s.or("DNS_ANSWER", "192.0.2.53"))
		if err != nil {
			return fmt.Errorf("DNS_ANSWER: %w", err)
		}
		d, err := answer.Start(context.Background(), answer.Options{
			Listen: ":" + number, Answer: a})
		if err != nil {
			return fmt.Errorf("DNS_PORT: %w", err)
		}
		b.note("DNS_PORT", d.Addr())
		b.sockets = append(b.sockets, d)
	}
	if number := s.or("UDP_PORT", "9001"); number != "off" {
		c, err := net.ListenPacket("udp", ":"+number)
		if err != nil {
			return fmt.Errorf("UDP_PORT: %w", err)
		}
		b.note("UDP_PORT", c.LocalAddr().String())
		b.sockets = append(b.sockets, c)
		go b.udp(c)
	}
	return nil
}

func (b *backend) note(name, a string) {
	b.addrs[name] = a
	b.says = append(b.says, fmt.Sprintf("listening: %s %s", name, a))
}

// tlsConfig reads the certificate files; nil if there are none.
func tlsConfig(s settings) (*tls.Config, error) {
	cert, key := s["TLS_SERVER_CERT"], s.or("TLS_SERVER_PRIVKEY",
		s["TLS_SERVER_PRIV_KEY"])
	if cert == "" || key == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{Certificates: []tls.Certificate{pair}}
	if ca := s["TLS_CLIENT_CACERTS"]; ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		conf.ClientCAs = x509.NewCertPool()
		if !conf.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate", ca)
		}
	}
	return conf, nil
}

// http serves HTTP on a listener, until it is closed.
func (b *backend) http(ln net.Listener, conf *tls.Config, h2c bool) {
	srv := b.pod.Server()
	srv.Handler = b.handler
	srv.TLSConfig = conf
	if h2c {
		srv.Protocols = new(http.Protocols)
		srv.Protocols.SetUnencryptedHTTP2(true)
	}
	b.servers = append(b.servers, srv)
	go func() {
		var err error
		if conf != nil {
			err = srv.ServeTLS(ln, "", "")
		} else {
			err = srv.Serve(ln)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			b.failed <- err
		}
	}()
}

// tcp greets each connection and then sends back what comes.
func (b *backend) tcp(ln net.Listener) {
	b.sockets = append(b.sockets, ln)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			b.streams.Add(1)
			go func() {
				defer b.streams.Done()
				defer c.Close()
				fmt.Fprintf(c, "%s %s\n", b.pod.Name, b.pod.Service)
				_, _ = io.Copy(c, bufio.NewReader(c))
			}()
		}
	}()
}

// udp answers each datagram.
func (b *backend) udp(c net.PacketConn) {
	buf := make([]byte, 65536)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		head := fmt.Sprintf("%s %s ", b.pod.Name, b.pod.Service)
		_, _ = c.WriteTo(append([]byte(head), buf[:n]...), from)
	}
}

// close closes all listeners at once, and waits for what stands.
func (b *backend) close(drain time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	for _, s := range b.sockets {
		_ = s.Close()
	}
	var wg sync.WaitGroup
	for _, s := range b.servers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			_ = s.Shutdown(ctx)
		}()
	}
	done := make(chan bool)
	go func() {
		wg.Wait()
		b.streams.Wait()
		// connections of WebSockets are no longer the server's
		_ = b.pod.Answered(ctx)
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
