// Package pods are backends of tests: many pods in one process, each with an
// address of its own.
package pods

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"ngx_k8s_test/internal/poll"
)

// Options of a pod.
type Options struct {
	Name      string  `json:"name"`
	Namespace string  `json:"namespace,omitempty"`
	Service   string  `json:"service"`
	Ingress   string  `json:"ingress,omitempty"`
	Addr      string  `json:"addr"`   // address:port
	Idle      float64 `json:"idle"`   // closes idle connections after seconds
	Hole      bool    `json:"hole"`   // accepts and never answers
	Reset     bool    `json:"reset"`  // resets each connection once accepted
	Status    int     `json:"status"` // of all answers, 0: 200
	SlowMS    int     `json:"slow"`

	// Echo makes JSON the answer's usual body.
	Echo bool `json:"echo,omitempty"`
	// H2C takes HTTP/2 without TLS as well.
	H2C bool `json:"h2c,omitempty"`
	// CloseAfter closes each connection after so many requests, 0: never; it
	// is announced by "Connection: close" unless Quiet.
	CloseAfter int  `json:"closeAfter,omitempty"`
	Quiet      bool `json:"quiet,omitempty"`
	// Log is called when a request begins and when it has ended.
	Log func(Record) `json:"-"`
}

// Pod is a running one.
type Pod struct {
	Options
	ln     net.Listener
	srv    *http.Server
	mu     sync.Mutex
	conns  map[net.Conn]*conn
	served int64
	flight int           // requests not yet answered, under mu
	idle   chan struct{} // if not nil: closed once there are none, under mu
	opened int64
	quit   chan struct{}
	set    *Set

	defaults url.Values
	methods  map[string]Count
	records  []*Record
	seen     int
}

// Set is a group of pods.
type Set struct {
	mu      sync.Mutex
	pods    map[string]*Pod
	release chan struct{}
}

// NewSet makes an empty one.
func NewSet() *Set {
	return &Set{pods: map[string]*Pod{}, release: make(chan struct{})}
}

// New makes a pod that has no listener: its Server serves the caller's.
func (s *Set) New(o Options) *Pod {
	return &Pod{Options: o, conns: map[net.Conn]*conn{}, set: s,
		quit: make(chan struct{}), methods: map[string]Count{}}
}

// Server makes a server of the pod's answers.
func (p *Pod) Server() *http.Server {
	srv := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0),
		MaxHeaderBytes: 1 << 20,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			k := &conn{c: c}
			p.mu.Lock()
			p.conns[c] = k
			p.opened++
			p.mu.Unlock()
			return context.WithValue(ctx, connKey{}, k)
		},
		ConnState: func(c net.Conn, st http.ConnState) {
			switch st {
			case http.StateIdle:
				if p.Quiet && p.requests(c) >= p.CloseAfter {
					_ = c.Close()
				}
			case http.StateClosed:
				p.forget(c)
			}
		}}
	if p.H2C {
		srv.Protocols = new(http.Protocols)
		srv.Protocols.SetHTTP1(true)
		srv.Protocols.SetUnencryptedHTTP2(true)
	}
	if p.Idle > 0 {
		srv.IdleTimeout = time.Duration(p.Idle * float64(time.Second))
	}
	return srv
}

// requests is how many a connection has had.
func (p *Pod) requests(c net.Conn) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k := p.conns[c]; k != nil {
		return k.n
	}
	return 0
}

// forget takes a connection out of those that stand.
func (p *Pod) forget(c net.Conn) {
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// Start starts a pod with a listener.
func (s *Set) Start(o Options) (*Pod, error) {
	p := s.New(o)
	ln, err := poll.Listen(o.Addr)
	if err != nil {
		return nil, err
	}
	p.Addr = ln.Addr().String()
	p.ln = ln
	p.srv = p.Server()
	if o.Hole || o.Reset {
		go p.refuse()
	} else {
		go func() { _ = p.srv.Serve(ln) }()
	}
	s.mu.Lock()
	s.pods[o.Name] = p
	s.mu.Unlock()
	return p, nil
}

// refuse accepts connections and does not serve them.
func (p *Pod) refuse() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.opened++
		p.conns[c] = &conn{c: c}
		p.mu.Unlock()
		if p.Reset {
			if t, ok := c.(*net.TCPConn); ok {
				_ = t.SetLinger(0)
			}
			_ = c.Close()
		}
	}
}

// Get finds a pod by its name.
func (s *Set) Get(name string) *Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pods[name]
}

// Stop ends a pod at once; with drain, requests in flight are served first.
func (s *Set) Stop(name string, drain bool) {
	s.mu.Lock()
	p := s.pods[name]
	delete(s.pods, name)
	s.mu.Unlock()
	if p == nil {
		return
	}
	if drain {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_ = p.srv.Shutdown(ctx)
		cancel()
	}
	close(p.quit)
	_ = p.ln.Close()
	_ = p.srv.Close()
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
}

// List gives all pods.
func (s *Set) List() []*Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	var l []*Pod
	for _, p := range s.pods {
		l = append(l, p)
	}
	return l
}

// StopAll ends all pods.
func (s *Set) StopAll() {
	s.mu.Lock()
	var l []string
	for n := range s.pods {
		l = append(l, n)
	}
	s.mu.Unlock()
	for _, n := range l {
		s.Stop(n, false)
	}
}

// Served is the number of requests taken.
func (p *Pod) Served() int { return int(atomic.LoadInt64(&p.served)) }

// InFlight is the number of requests that are not yet answered.
func (p *Pod) InFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flight
}

// Answered waits until no request is in flight, WebSockets being such; the
// error is ctx's if that ends first.
func (p *Pod) Answered(ctx context.Context) error {
	p.mu.Lock()
	if p.flight == 0 {
		p.mu.Unlock()
		return nil
	}
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fly counts a request that begins, or by -1 one that ends.
func (p *Pod) fly(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flight += n
	if p.flight == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

// Opened is the number of connections that were opened.
func (p *Pod) Opened() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(p.opened)
}

// Conns is the number of connections that stand.
func (p *Pod) Conns() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// Release ends all long polls.
func (s *Set) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.release)
	s.release = make(chan struct{})
}
