// Package pods are backends of tests: many pods in one process, each with an
// address of its own.
package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ngx_k8s_test/internal/ws"
)

// Options of a pod.
type Options struct {
	Name    string  `json:"name"`
	Service string  `json:"service"`
	Addr    string  `json:"addr"`   // address:port
	Idle    float64 `json:"idle"`   // closes idle connections after seconds
	Hole    bool    `json:"hole"`   // accepts and never answers
	Reset   bool    `json:"reset"`  // resets each connection once accepted
	Status  int     `json:"status"` // of all answers, 0: 200
	SlowMS  int     `json:"slow"`
}

// Pod is a running one.
type Pod struct {
	Options
	ln     net.Listener
	srv    *http.Server
	mu     sync.Mutex
	conns  map[net.Conn]bool
	gone   int32
	served int64
	flight int64
	opened int64
	quit   chan struct{}
	set    *Set
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

// Start starts a pod.
func (s *Set) Start(o Options) (*Pod, error) {
	p := &Pod{Options: o, conns: map[net.Conn]bool{},
		quit: make(chan struct{}), set: s}
	ln, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, err
	}
	p.Addr = ln.Addr().String()
	p.ln = ln
	p.srv = &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0),
		MaxHeaderBytes: 1 << 20,
		ConnState: func(c net.Conn, st http.ConnState) {
			p.mu.Lock()
			defer p.mu.Unlock()
			switch st {
			case http.StateNew:
				p.conns[c] = true
				p.opened++
			case http.StateClosed:
				delete(p.conns, c)
			}
		}}
	if o.Idle > 0 {
		p.srv.IdleTimeout = time.Duration(o.Idle * float64(time.Second))
	}
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
		p.conns[c] = true
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
	atomic.StoreInt32(&p.gone, 1)
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

// Served is the number of requests taken, InFlight of those not yet answered,
// Opened that of connections.
func (p *Pod) Served() int   { return int(atomic.LoadInt64(&p.served)) }
func (p *Pod) InFlight() int { return int(atomic.LoadInt64(&p.flight)) }
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

// poll answers with a byte each second until it is released.
func (p *Pod) poll(w http.ResponseWriter, r *http.Request) {
	p.set.mu.Lock()
	release := p.set.release
	p.set.mu.Unlock()
	w.WriteHeader(200)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		select {
		case <-tick.C:
			_, _ = io.WriteString(w, ".")
		case <-release:
			fmt.Fprintf(w, "%s %s released\n", p.Service, p.Name)
			return
		case <-p.quit:
			panic(http.ErrAbortHandler)
		case <-r.Context().Done():
			return
		}
	}
}

func number(r *http.Request, name string) (int, bool) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return 0, false
	}
	n, err := strconv.Atoi(v)
	return n, err == nil
}

func (p *Pod) wait(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
	case <-p.quit:
	}
}

// ServeHTTP answers with the pod's and its Service's name.  The query asks for
// more: slow=MS, poll (until released), status=N, size=BYTES, close, reset, drop=BYTES,
// trailers, early (103), bigheader=BYTES, json.
func (p *Pod) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	atomic.AddInt64(&p.served, 1)
	atomic.AddInt64(&p.flight, 1)
	defer atomic.AddInt64(&p.flight, -1)
	h := w.Header()
	h.Set("X-Pod", p.Name)
	h.Set("X-Service", p.Service)
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		h.Set("X-Addr", a.String())
	}
	q := r.URL.Query()

	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		ws.Echo(w, r, p.Service+":")
		return
	}
	if _, ok := q["early"]; ok {
		h.Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(103)
		h.Del("Link")
	}
	body, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return
	}
	if _, ok := q["poll"]; ok {
		p.poll(w, r)
		return
	}
	if p.SlowMS > 0 {
		p.wait(r, time.Duration(p.SlowMS)*time.Millisecond)
	}
	if ms, ok := number(r, "slow"); ok {
		p.wait(r, time.Duration(ms)*time.Millisecond)
	}
	_, cl := q["close"]
	_, rs := q["reset"]
	drop, dr := number(r, "drop")
	if cl || rs || dr {
		c, b, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		if dr {
			fmt.Fprintf(b, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n"+
				"X-Pod: %s\r\nX-Service: %s\r\n\r\n%s", drop+100, p.Name,
				p.Service, strings.Repeat("x", drop))
			_ = b.Flush()
		}
		if t, ok := c.(*net.TCPConn); ok && rs {
			_ = t.SetLinger(0)
		}
		_ = c.Close()
		return
	}
	if n, ok := number(r, "bigheader"); ok {
		h.Set("X-Big", strings.Repeat("b", n))
	}
	status := p.Status
	if n, ok := number(r, "status"); ok {
		status = n
	}
	if status == 0 {
		status = 200
	}
	if _, ok := q["trailers"]; ok {
		h.Set("Trailer", "X-Trailer")
		defer h.Set("X-Trailer", "after")
	}
	var text []byte
	if _, ok := q["json"]; ok {
		h.Set("Content-Type", "application/json")
		text, _ = json.Marshal(map[string]interface{}{"pod": p.Name,
			"service": p.Service, "method": r.Method, "uri": r.RequestURI,
			"host": r.Host, "headers": r.Header, "bytes": body,
			"proto": r.Proto})
	} else {
		h.Set("Content-Type", "text/plain")
		text = []byte(fmt.Sprintf("%s %s %s %s %d\n", p.Service, p.Name,
			r.Method, r.RequestURI, body))
		if n, ok := number(r, "size"); ok {
			for len(text) < n {
				text = append(text, "0123456789abcde\n"...)
			}
			text = text[:n]
		}
	}
	w.WriteHeader(status)
	if r.Method != "HEAD" {
		_, _ = w.Write(text)
	}
}

// Control is the handler of the control port: /start with Options, /stop with
// {"name", "drain"}, /release, /pods.
func (s *Set) Control() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/start", func(w http.ResponseWriter, r *http.Request) {
		var o Options
		err := json.NewDecoder(r.Body).Decode(&o)
		var p *Pod
		if err == nil {
			p, err = s.Start(o)
		}
		if err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		_ = json.NewEncoder(w).Encode(p.Options)
	})
	m.HandleFunc("/stop", func(w http.ResponseWriter, r *http.Request) {
		var o struct {
			Name  string
			Drain bool
		}
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		s.Stop(o.Name, o.Drain)
	})
	m.HandleFunc("/release", func(http.ResponseWriter, *http.Request) {
		s.Release()
	})
	m.HandleFunc("/pods", func(w http.ResponseWriter, r *http.Request) {
		l := []map[string]interface{}{}
		s.mu.Lock()
		for _, p := range s.pods {
			l = append(l, map[string]interface{}{"name": p.Name,
				"service": p.Service, "addr": p.Addr, "served": p.Served(),
				"opened": p.Opened(), "inFlight": p.InFlight()})
		}
		s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(l)
	})
	return m
}
