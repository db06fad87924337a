package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sort"
	"strings"
	"sync"
	"time"

	"ngx_k8s_test/internal/client"
)

// failure is one that a load saw, with what nginx logged of it.
type failure struct {
	client.Failure
	logged  bool // nginx's access log has the request
	request request
}

// load is steady: every answer is checked, and counts as failed unless it is
// one that is expected of the host at the moment.
type load struct {
	*client.Load
	e     *env
	g     *nginx
	c     client.Config
	begin time.Time
	over  bool

	mu    sync.Mutex
	right map[string]map[string]bool // by host: "200 ns/svc", "503"
}

// steady is what most tests run: GETs, POSTs, WebSockets and slow downloads.
var steady = client.Config{Conns: 3, Pause: 10 * time.Millisecond,
	Posts: 25 * time.Millisecond, Sockets: 2, Downloads: 1}

// gets is a load of GETs alone.
var gets = client.Config{Conns: 3, Pause: 10 * time.Millisecond}

// load starts one on nginx.  Of the targets 200 is expected, of a pod of their
// Service.
func (e *env) load(g *nginx, c client.Config, targets ...client.Target) *load {
	return e.loadOf(g, c, func(*load) {}, targets...)
}

// loadOf is the same, with other expectations that first says.
func (e *env) loadOf(g *nginx, c client.Config, first func(l *load),
	targets ...client.Target) *load {
	l := &load{e: e, g: g, begin: time.Now(),
		right: map[string]map[string]bool{}}
	for _, t := range targets {
		l.right[t.Host] = map[string]bool{"200 " + t.Service: true}
	}
	first(l)
	c.Targets = targets
	c.ID = fmt.Sprintf("%s-%d-", e.t.name, len(e.loads))
	c.Keep = 2000
	c.DownloadPath, c.DownloadSize = "/?size=20000&pieces=20&pause=25", 20000
	if c.Timeout == 0 {
		c.Timeout = 15 * time.Second
	}
	if c.Dial == nil {
		c.Addr = g.addr()
		c.Dial = func() (net.Conn, error) {
			return net.DialTimeout("tcp", g.addr(), c.Timeout)
		}
		c.TLSAddr = fmt.Sprintf("127.0.0.1:%d", g.tls)
	}
	c.Judge = l.judge
	l.c = c
	l.Load = client.Start(c)
	e.loads = append(e.loads, l)
	l.more(50)
	l.all()
	return l
}

// judge takes what is right when the request begins, or when it ends.
func (l *load) judge(t client.Target) func(status int, svc string) bool {
	l.mu.Lock()
	before := l.right[t.Host]
	l.mu.Unlock()
	return func(status int, svc string) bool {
		key := strings.TrimSpace(fmt.Sprintf("%d %s", status, svc))
		l.mu.Lock()
		defer l.mu.Unlock()
		return before[key] || l.right[t.Host][key]
	}
}

// expect says which answers are right for a host from now on: "200 ns/svc",
// "503".
func (l *load) expect(host string, answers ...string) {
	m := map[string]bool{}
	for _, a := range answers {
		m[a] = true
	}
	l.mu.Lock()
	l.right[host] = m
	l.mu.Unlock()
}

// more waits until so many more GETs or handshakes were answered.
func (l *load) more(n int) {
	count := func() int {
		r := l.Snapshot()
		return r.Requests + r.Handshakes
	}
	was := count()
	l.e.await("requests of the load", 60*time.Second, func() bool {
		return count()-was >= n
	})
}

// all waits until something of each kind was done, so that none is missing.
func (l *load) all() {
	for kind, wanted := range map[string]bool{"request": l.c.Conns > 0,
		"post": l.c.Posts > 0, "socket": l.c.Sockets > 0,
		"download":  l.c.Downloads > 0,
		"handshake": l.c.Handshakes > 0} {
		l.e.await("a "+kind+" of the load", 30*time.Second, func() bool {
			r := l.Snapshot()
			return !wanted || r.Count(kind) > 0
		})
	}
}

// abandon ends the load of a test that has failed; its failures do not matter.
func (l *load) abandon() {
	if !l.over {
		l.over = true
		l.Stop(nil)
	}
}

// finish ends the load and checks its failures against what the test said is
// allowed.
func (l *load) finish() client.Result {
	l.over = true
	r := l.Stop(nil)
	e := l.e
	var said map[string]request
	if l.g != nil {
		said = l.g.requests()
	}
	rules := map[string]allowed{}
	for _, a := range e.t.allowed {
		rules[a.kind] = a
	}
	excused, bad := map[string]int{}, 0
	for _, f := range r.Failures {
		x := failure{Failure: f}
		x.request, x.logged = said[f.ID]
		rule, ok := rules[f.What]
		if ok && !strings.HasPrefix(f.Detail, "foreign") && rule.ok(e, x) {
			excused[f.What]++
			if f.What == "post" {
				e.note("allowed: POST at %.3f s: %s; nginx says %s%s",
					f.Time.Sub(e.track.begin).Seconds(), f.Detail, x.explain(),
					e.records.of(f.ID))
			}
			continue
		}
		if bad++; bad <= 8 {
			e.note("failed: %s %s%s at %.3f s: %s; nginx says %s", f.What,
				f.Target.Host, f.Target.Path, f.Time.Sub(e.track.begin).Seconds(),
				f.Detail, x.explain())
		}
	}
	var parts []string
	for _, k := range client.Kinds {
		if n := r.Count(k); n > 0 {
			s := fmt.Sprintf("%s %d sent, %d failed", k, n, r.FailedBy[k])
			if excused[k] > 0 {
				s += fmt.Sprintf(" (%d of them allowed: %s)", excused[k],
					rules[k].text)
			}
			parts = append(parts, s)
		}
	}
	if r.Retries > 0 {
		parts = append(parts, fmt.Sprintf("%d retries", r.Retries))
	}
	e.note("load: %s; %d from a foreign pod", strings.Join(parts, "; "),
		r.Foreign)
	if len(r.Judged) > 0 {
		var l []string
		for k, n := range r.Judged {
			l = append(l, fmt.Sprintf("%s: %d", k, n))
		}
		sort.Strings(l)
		e.note("expected answers other than the usual: %s",
			strings.Join(l, ", "))
	}
	e.check(r.Foreign == 0, "%d answers of foreign pods", r.Foreign)
	e.check(bad == 0, "%d failures that are not allowed", bad)
	e.check(r.Failed <= len(r.Failures), "more failures than are kept")
	e.check(r.Retries == 0 || l.g == nil, "%d connections of clients were closed",
		r.Retries)
	return r
}

// explain tells what nginx logged.
func (f failure) explain() string {
	if !f.logged {
		return "nothing"
	}
	return fmt.Sprintf("%d, tries %v %v, bytes %v", f.request.status,
		f.request.addrs, f.request.statuses, f.request.sent)
}

// pods that nginx tried for the request, at the time of the failure.
func (f failure) lives(e *env) []life {
	var l []life
	for _, a := range f.request.addrs {
		if host, _, err := net.SplitHostPort(a); err == nil {
			if p, ok := e.track.at(host, f.Time); ok {
				l = append(l, p)
			}
		}
	}
	return l
}

// dying tells whether a pod was told to end before a time, or had ended.
func dying(p life, when time.Time) bool {
	return !p.doomed.IsZero() && p.doomed.Before(when.Add(time.Second))
}

// reachedDying allows what nginx had begun to send to a pod that was dying.
var reachedDying = allowed{"post", "those whose bytes had reached a dying pod",
	func(e *env, f failure) bool {
		l := f.lives(e)
		n := len(l)
		return n > 0 && n == len(f.request.addrs) && dying(l[n-1], f.Time) &&
			f.request.sent[n-1] > 0
	}}

// ofDying allows the end of WebSockets whose pod ended.
var socketsOfDying = allowed{"socket", "those of a pod that ended",
	func(e *env, f failure) bool {
		p, ok := e.track.named(f.Pod)
		return ok && dying(p, f.Time)
	}}

// target is one host whose requests a Service's pods answer.
func target(host, path, svc string) client.Target {
	return client.Target{Host: host, Path: path, Service: svc}
}

// certificates counts handshakes by the serial number that clients saw.
type certificates struct {
	mu sync.Mutex
	n  map[string]int
}

// tlsLoad is of handshakes that trust a pool.
func (c *certificates) config(pool *x509.CertPool) client.Config {
	c.n = map[string]int{}
	return client.Config{Handshakes: 2, HandPause: 5 * time.Millisecond,
		TLS: &tls.Config{RootCAs: pool},
		Peer: func(_ client.Target, x *x509.Certificate) {
			c.mu.Lock()
			c.n[x.SerialNumber.String()]++
			c.mu.Unlock()
		}}
}

func (c *certificates) seen(serial string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[serial]
}
