package main

import (
	"io"
	"net"
	"sync"
	"time"
)

// relay hands connections on to the API server, as long as it is open.
type relay struct {
	ln    net.Listener
	to    string
	mu    sync.Mutex
	shut  bool
	conns map[net.Conn]bool
}

func newRelay(to string) (*relay, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{ln: ln, to: to, conns: map[net.Conn]bool{}}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go r.carry(c)
		}
	}()
	return r, nil
}

func (r *relay) addr() string { return r.ln.Addr().String() }

// add remembers a connection; false: the relay is shut, and closes it.
func (r *relay) add(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shut {
		_ = c.Close()
		return false
	}
	r.conns[c] = true
	return true
}

func (r *relay) carry(c net.Conn) {
	if !r.add(c) {
		return
	}
	d, err := net.DialTimeout("tcp", r.to, 5*time.Second)
	if err != nil {
		r.drop(c)
		return
	}
	if !r.add(d) {
		r.drop(c)
		return
	}
	go func() {
		_, _ = io.Copy(d, c)
		r.drop(c, d)
	}()
	_, _ = io.Copy(c, d)
	r.drop(c, d)
}

func (r *relay) drop(l ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range l {
		_ = c.Close()
		delete(r.conns, c)
	}
}

// close cuts all connections, and each new one at once, until open.
func (r *relay) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shut = true
	for c := range r.conns {
		_ = c.Close()
	}
	r.conns = map[net.Conn]bool{}
}

func (r *relay) open() {
	r.mu.Lock()
	r.shut = false
	r.mu.Unlock()
}

func (r *relay) end() {
	r.close()
	_ = r.ln.Close()
}
