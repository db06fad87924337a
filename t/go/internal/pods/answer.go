package pods

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"ngx_k8s_test/internal/ws"
)

// connKey finds the conn of a request in its context.
type connKey struct{}

type conn struct {
	c net.Conn
	n int // requests so far, under the pod's mu
}

// Echo is the body of an answer in JSON: what the pod is, and what it got.
type Echo struct {
	Path      string              `json:"path"` // with the query
	Host      string              `json:"host"`
	Method    string              `json:"method"`
	Proto     string              `json:"proto"`
	Headers   map[string][]string `json:"headers"`
	HTTPPort  string              `json:"httpPort"`
	Namespace string              `json:"namespace"`
	Ingress   string              `json:"ingress"`
	Service   string              `json:"service"`
	Pod       string              `json:"pod"`
	TLS       *TLS                `json:"tls,omitempty"`
	URI       string              `json:"uri"` // the same as path
	Bytes     int64               `json:"bytes"`
	SHA256    string              `json:"sha256,omitempty"`
	Trailers  map[string][]string `json:"trailers,omitempty"`
}

// TLS of the connection that a request came by.
type TLS struct {
	Version            string   `json:"version"`
	PeerCertificates   []string `json:"peerCertificates,omitempty"` // PEM
	ServerName         string   `json:"serverName"`
	NegotiatedProtocol string   `json:"negotiatedProtocol,omitempty"`
	CipherSuite        string   `json:"cipherSuite"`
}

func tlsOf(s *tls.ConnectionState) *TLS {
	if s == nil {
		return nil
	}
	t := &TLS{ServerName: s.ServerName, NegotiatedProtocol: s.NegotiatedProtocol,
		CipherSuite: tls.CipherSuiteName(s.CipherSuite)}
	switch s.Version {
	case tls.VersionTLS13:
		t.Version = "TLSv1.3"
	case tls.VersionTLS12:
		t.Version = "TLSv1.2"
	}
	for _, c := range s.PeerCertificates {
		t.PeerCertificates = append(t.PeerCertificates, string(
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	}
	return t
}

// SetDefaults sets a query that is taken for every request that has not the
// same names in its own.
func (p *Pod) SetDefaults(q url.Values) {
	p.mu.Lock()
	p.defaults = q
	p.mu.Unlock()
}

// query is the request's, over the defaults.
func (p *Pod) query(r *http.Request) url.Values {
	q := r.URL.Query()
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, v := range p.defaults {
		if _, ok := q[k]; !ok {
			q[k] = v
		}
	}
	return q
}

func has(q url.Values, name string) bool {
	_, ok := q[name]
	return ok
}

func number(q url.Values, name string) (int, bool) {
	n, err := strconv.Atoi(q.Get(name))
	return n, err == nil && n >= 0
}

// wait waits for q's name in milliseconds, the client's end, or the pod's.
func (p *Pod) wait(r *http.Request, ms int) {
	if ms <= 0 {
		return
	}
	t := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	case <-p.quit:
	}
}

// ServeHTTP answers with the pod's and its Service's name, and with what the
// request was: in a line of text, or in JSON.  Headers always tell X-Pod,
// X-Service and X-Addr (the address that took the request), and, of a request
// with a body, X-Body-Bytes and X-Body-SHA256.
//
// The query asks for more.  Before the body is read:
//
//	early          a 103 first
//	refuse=STATUS  answers without reading the body (no 100-continue)
//	hang           never answers
//	readslow=MS    waits before it reads the body
//
// Once the body is read:
//
//	poll           a byte each second until released
//	slow=MS        waits before the head of the answer
//	close          closes the connection without an answer
//	reset          the same with a RST
//	drop=BYTES     closes after so much of the body of a longer answer
//	               (with reset, by a RST; with chunked, of a chunked one)
//	length=N       says Content-Length N, whatever the body's length
//
// The answer:
//
//	status=N  json  text  size=BYTES  chunked  trailers  bigheader=BYTES
//	headers=N (so many of them)  keepalive=SECONDS (Keep-Alive: timeout)
//	last (Connection: close)  pieces=N and pause=MS (the body in N pieces)
//
// A request for application/grpc is answered by an echo of its messages, one
// for a WebSocket by an echo of its frames.
func (p *Pod) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	atomic.AddInt64(&p.served, 1)
	p.fly(1)
	defer p.fly(-1)
	rec := p.begin(r)
	defer p.end(rec)

	h := w.Header()
	h.Set("X-Pod", p.Name)
	h.Set("X-Service", p.Service)
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		h.Set("X-Addr", a.String())
	}
	c, _ := r.Context().Value(connKey{}).(*conn)
	if c != nil && p.CloseAfter > 0 {
		p.mu.Lock()
		c.n++
		p.mu.Unlock()
		if p.requests(c.c) >= p.CloseAfter && !p.Quiet {
			h.Set("Connection", "close")
		}
	}
	q := p.query(r)

	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		p.grpc(w, r, rec)
		return
	}
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		ws.Echo(w, r, p.Service+":")
		if c != nil {
			p.forget(c.c)
		}
		return
	}
	if has(q, "early") {
		h.Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(103)
		h.Del("Link")
	}
	if n, ok := number(q, "refuse"); ok && n >= 200 {
		h.Set("Connection", "close")
		w.WriteHeader(n)
		return
	}
	if has(q, "hang") {
		select {
		case <-r.Context().Done():
		case <-p.quit:
		}
		panic(http.ErrAbortHandler)
	}
	if ms, ok := number(q, "readslow"); ok {
		p.wait(r, ms)
	}

	e := Echo{Path: r.RequestURI, URI: r.RequestURI, Host: r.Host,
		Method: r.Method, Proto: r.Proto, Headers: r.Header,
		Namespace: p.Namespace, Ingress: p.Ingress, Service: p.Service,
		Pod: p.Name, TLS: tlsOf(r.TLS)}
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		_, e.HTTPPort, _ = net.SplitHostPort(a.String())
	}
	if !p.upload(r, rec, &e) {
		return
	}
	if e.SHA256 != "" {
		h.Set("X-Body-Bytes", strconv.FormatInt(e.Bytes, 10))
		h.Set("X-Body-SHA256", e.SHA256)
	}

	if has(q, "poll") {
		p.poll(w, r)
		return
	}
	ms, _ := number(q, "slow")
	p.wait(r, p.SlowMS+ms)
	if has(q, "close") || has(q, "reset") || has(q, "drop") {
		p.cut(w, r, q)
		return
	}
	p.answer(w, r, q, &e)
}

// upload reads the request's body; false: it did not come whole.
func (p *Pod) upload(r *http.Request, rec *Record, e *Echo) bool {
	var sum hash.Hash
	to := io.Discard
	if r.ContentLength != 0 {
		sum = sha256.New()
		to = sum
	}
	n, err := io.Copy(io.MultiWriter(to, &rec.Bytes), r.Body)
	if err != nil {
		return false
	}
	p.whole(rec)
	e.Bytes, e.Trailers = n, r.Trailer
	if sum != nil {
		e.SHA256 = hex.EncodeToString(sum.Sum(nil))
	}
	return true
}

// abrupt makes the close of a connection a reset.
func abrupt(c net.Conn) {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// cut ends the connection, or a stream of HTTP/2, before an answer is whole.
func (p *Pod) cut(w http.ResponseWriter, r *http.Request, q url.Values) {
	drop, dropped := number(q, "drop")
	hj, ok := w.(http.Hijacker)
	if !ok {
		if dropped {
			w.Header().Set("Content-Length", strconv.Itoa(drop+100))
			_, _ = io.CopyN(w, &pattern{}, int64(drop))
			w.(http.Flusher).Flush()
		}
		panic(http.ErrAbortHandler)
	}
	c, b, err := hj.Hijack()
	if err != nil {
		return
	}
	defer p.forget(c)
	if dropped {
		fmt.Fprintf(b, "HTTP/1.1 200 OK\r\nX-Pod: %s\r\nX-Service: %s\r\n",
			p.Name, p.Service)
		if has(q, "chunked") {
			fmt.Fprintf(b, "Transfer-Encoding: chunked\r\n\r\n%x\r\n", drop+100)
		} else {
			fmt.Fprintf(b, "Content-Length: %d\r\n\r\n", drop+100)
		}
		_, _ = io.CopyN(b, &pattern{}, int64(drop))
		_ = b.Flush()
	}
	if has(q, "reset") {
		abrupt(c)
		return
	}
	_ = c.Close()
}

// answer sends the answer that q asks for.
func (p *Pod) answer(w http.ResponseWriter, r *http.Request, q url.Values, e *Echo) {
	h := w.Header()
	if n, ok := number(q, "bigheader"); ok {
		h.Set("X-Big", strings.Repeat("b", n))
	}
	if n, ok := number(q, "headers"); ok && n <= 10000 {
		for i := 0; i < n; i++ {
			h.Set(fmt.Sprintf("X-Many-%d", i), "m")
		}
	}
	if n, ok := number(q, "keepalive"); ok {
		h.Set("Keep-Alive", fmt.Sprintf("timeout=%d", n))
	}
	if has(q, "last") {
		h.Set("Connection", "close")
	}
	status := p.Status
	if n, ok := number(q, "status"); ok {
		status = n
	}
	if status < 200 || status > 999 {
		status = 200
	}
	if has(q, "trailers") {
		h.Set("Trailer", "X-Trailer")
		defer h.Set("X-Trailer", "after")
	}

	var text []byte
	if has(q, "json") || p.Echo && !has(q, "text") && !has(q, "size") {
		h.Set("Content-Type", "application/json")
		text, _ = json.Marshal(e)
		text = append(text, '\n')
	} else {
		h.Set("Content-Type", "text/plain")
		text = []byte(fmt.Sprintf("%s %s %s %s %d\n", p.Service, p.Name,
			r.Method, r.RequestURI, e.Bytes))
	}
	size, ok := number(q, "size")
	if !ok {
		size = len(text)
	}
	body := io.LimitReader(io.MultiReader(strings.NewReader(string(text)),
		&pattern{}), int64(size))

	if n, ok := number(q, "length"); ok {
		p.wrongLength(w, status, n, body)
		return
	}
	pieces, _ := number(q, "pieces")
	none := status == 204 || status == 304
	if pieces == 0 && !has(q, "chunked") && !has(q, "trailers") && !none {
		h.Set("Content-Length", strconv.Itoa(size))
	}
	w.WriteHeader(status)
	if r.Method == "HEAD" || none {
		return
	}
	if pieces == 0 {
		pieces = 1
	}
	pause, _ := number(q, "pause")
	for i := 0; i < pieces; i++ {
		n := size/pieces + 1
		if _, err := io.CopyN(w, body, int64(n)); err != nil && err != io.EOF {
			return
		}
		if f, ok := w.(http.Flusher); ok && (pieces > 1 || has(q, "chunked")) {
			f.Flush()
		}
		if i+1 < pieces {
			p.wait(r, pause)
		}
	}
}

// wrongLength sends a body under a Content-Length of n, and closes.
func (p *Pod) wrongLength(w http.ResponseWriter, status, n int, body io.Reader) {
	h := w.Header()
	h.Set("Content-Length", strconv.Itoa(n))
	hj, ok := w.(http.Hijacker)
	if !ok {
		w.WriteHeader(status)
		_, _ = io.Copy(w, body)
		return
	}
	c, b, err := hj.Hijack()
	if err != nil {
		return
	}
	defer p.forget(c)
	defer c.Close()
	fmt.Fprintf(b, "HTTP/1.1 %d Whatever\r\n", status)
	_ = h.Write(b)
	_, _ = b.WriteString("\r\n")
	_, _ = io.Copy(b, body)
	_ = b.Flush()
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

// pattern is an endless reader of the filling of large bodies.
type pattern struct{ at int }

func (f *pattern) Read(b []byte) (int, error) {
	const line = "0123456789abcde\n"
	for i := range b {
		b[i] = line[(f.at+i)%len(line)]
	}
	f.at = (f.at + len(b)) % len(line)
	return len(b), nil
}
