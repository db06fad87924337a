package api

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"ngx_k8s_test/internal/poll"
)

type connKey struct{}

// conn is an accepted connection, below TLS.
type conn struct {
	net.Conn
	s    *Server
	hole int32
	once sync.Once
}

func (c *conn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if atomic.LoadInt32(&c.hole) == 0 || err != nil {
			return n, err
		}
	}
}

func (c *conn) Write(p []byte) (int, error) {
	if atomic.LoadInt32(&c.hole) != 0 {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *conn) Close() error {
	c.once.Do(func() {
		c.s.mu.Lock()
		delete(c.s.conns, c)
		c.s.mu.Unlock()
	})
	return c.Conn.Close()
}

// cut ends the connection at once, by FIN or by RST.
func (c *conn) cut(reset bool) {
	if t, ok := c.Conn.(*net.TCPConn); ok && reset {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

func connContext(ctx context.Context, nc net.Conn) context.Context {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if c, ok := nc.(*conn); ok {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

// handoff is a listener that is fed from outside, so that an http.Server can
// be replaced without a close of the real listener.
type handoff struct {
	ch   chan net.Conn
	done chan struct{}
	once sync.Once
	addr net.Addr
}

func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.ch:
		return c, nil
	case <-h.done:
		return nil, errors.New("closed")
	}
}

func (h *handoff) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *handoff) Addr() net.Addr { return h.addr }

// Server is the fake API server.
type Server struct {
	*Store
	CA *CA

	// TooLargeWait is how long a request for a future version waits.
	TooLargeWait time.Duration
	// BookmarkEvery is the time between bookmarks.
	BookmarkEvery time.Duration
	// WatchList is whether streaming lists are known.
	WatchList bool
	// HTTP2 is whether it is offered.  Set before Start.
	HTTP2 bool

	mu       sync.Mutex
	addr     string
	tls      *tls.Config
	ln       net.Listener
	http     *http.Server
	feed     *handoff
	conns    map[*conn]bool
	hole     bool
	refused  int64
	accepted int64
	goaways  int64
	tokens   map[string]bool
	auth     bool
	faults   []*Fault
	faultID  int
	log      []*Request
	pages    map[string]*page
	pageN    int
	watching map[*watch]bool
	quit     chan struct{}
	secrets  map[string]int
}

// New makes a server with an empty store.
func New() *Server {
	return &Server{Store: NewStore(), TooLargeWait: 100 * time.Millisecond,
		BookmarkEvery: time.Second, WatchList: true, HTTP2: true,
		conns: map[*conn]bool{}, tokens: map[string]bool{},
		pages: map[string]*page{}, watching: map[*watch]bool{},
		quit: make(chan struct{}), secrets: map[string]int{}}
}

// Start listens; with a CA over TLS.  Port 0 is any.
func (s *Server) Start(addr string, ca *CA) error {
	s.CA = ca
	if ca != nil {
		s.tls = ca.ServerConfig(s.HTTP2)
	}
	s.addr = addr
	return s.listen()
}

func (s *Server) listen() error {
	ln, err := poll.Listen(s.addr)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.addr = ln.Addr().String()
	s.ln = ln
	s.serveLocked()
	s.mu.Unlock()
	go s.accept(ln)
	return nil
}

func (s *Server) serveLocked() {
	s.feed = &handoff{ch: make(chan net.Conn), done: make(chan struct{}),
		addr: s.ln.Addr()}
	s.http = &http.Server{Handler: http.HandlerFunc(s.handle),
		ConnContext: connContext, TLSConfig: s.tls.Clone(),
		ErrorLog: log.New(devNull{}, "", 0)}
	go func(h *http.Server, l net.Listener) { _ = h.Serve(l) }(s.http, s.feed)
}

type devNull struct{}

func (devNull) Write(p []byte) (int, error) {
	if os.Getenv("FAKEAPI_DEBUG") != "" {
		return os.Stderr.Write(p)
	}
	return len(p), nil
}

func (s *Server) accept(ln net.Listener) {
	for {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		atomic.AddInt64(&s.accepted, 1)
		c := &conn{Conn: nc, s: s}
		s.mu.Lock()
		s.conns[c] = true
		if s.hole {
			c.hole = 1
			go func() { // reads, never answers
				b := make([]byte, 4096)
				_, _ = c.Read(b)
				_ = c.Close()
			}()
			s.mu.Unlock()
			continue
		}
		feed, conf := s.feed, s.tls
		s.mu.Unlock()
		var x net.Conn = c
		if conf != nil {
			x = tls.Server(c, conf)
		}
		select {
		case feed.ch <- x:
		case <-feed.done:
			_ = c.Close()
		}
	}
}

// Addr is host:port.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// URL of the server.
func (s *Server) URL() string {
	if s.tls != nil {
		return "https://" + s.Addr()
	}
	return "http://" + s.Addr()
}

// Down refuses connections; those that stand end.
func (s *Server) Down() {
	s.mu.Lock()
	if s.ln != nil {
		_ = s.ln.Close()
		s.ln = nil
		_ = s.feed.Close()
	}
	s.mu.Unlock()
	s.Cut(false)
}

// Up listens again on the same port.
func (s *Server) Up() error {
	s.mu.Lock()
	up := s.ln != nil
	s.mu.Unlock()
	if up {
		return nil
	}
	return s.listen()
}

// Cut ends all connections that stand and tells how many.
func (s *Server) Cut(reset bool) int {
	s.mu.Lock()
	var l []*conn
	for c := range s.conns {
		l = append(l, c)
	}
	s.mu.Unlock()
	for _, c := range l {
		c.cut(reset)
	}
	return len(l)
}

// Blackhole swallows what is sent over connections that stand, both ways and
// without a FIN, and, with all, accepts new ones without ever answering.
func (s *Server) Blackhole(all bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hole = all
	for c := range s.conns {
		atomic.StoreInt32(&c.hole, 1)
	}
	return len(s.conns)
}

// Unhole answers new connections again; swallowed ones stay so.
func (s *Server) Unhole() {
	s.mu.Lock()
	s.hole = false
	s.mu.Unlock()
}

// Goaway says GOAWAY on HTTP/2 connections, and ends open watches as a server
// does that shuts down for a restart; new connections are served.
func (s *Server) Goaway() {
	s.mu.Lock()
	if s.ln == nil {
		s.mu.Unlock()
		return
	}
	old, feed := s.http, s.feed
	s.serveLocked()
	_ = feed.Close()
	var l []*watch
	for w := range s.watching {
		l = append(l, w)
	}
	s.goaways++
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	go func() {
		_ = old.Shutdown(ctx)
		cancel()
		_ = old.Close()
	}()
	time.AfterFunc(50*time.Millisecond, func() {
		for _, w := range l {
			w.finish()
		}
	})
}

// Stop ends all.
func (s *Server) Stop() {
	s.Down()
	s.mu.Lock()
	select {
	case <-s.quit:
	default:
		close(s.quit)
	}
	h := s.http
	s.mu.Unlock()
	if h != nil {
		_ = h.Close()
	}
}

// SetTokens makes these the only good ones; none: every request is let in.
func (s *Server) SetTokens(tokens ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = map[string]bool{}
	for _, t := range tokens {
		s.tokens[t] = true
	}
	s.auth = len(tokens) > 0
}

// SetCA makes new connections use a certificate of another CA.
func (s *Server) SetCA(ca *CA) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.CA = ca
	s.tls = ca.ServerConfig(s.HTTP2)
	s.serveLocked()
}
