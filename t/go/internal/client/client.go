// Package client is a load of keep-alive requests and WebSockets that checks
// every answer.
package client

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ngx_k8s_test/internal/ws"
)

// Target is a route and the Service whose pods must answer it.
type Target struct {
	Host    string `json:"host"`
	Path    string `json:"path"`
	Service string `json:"service"`
}

// Config of a load.
type Config struct {
	Addr     string        `json:"addr"`
	Targets  []Target      `json:"targets"`
	Conns    int           `json:"conns"`    // keep-alive connections
	Sockets  int           `json:"sockets"`  // WebSockets
	Pause    time.Duration `json:"pause"`    // between requests, nanoseconds
	Posts    time.Duration `json:"posts"`    // a POST as often, 0: none
	Upload   bool          `json:"upload"`   // one that lasts the whole run
	LongPoll bool          `json:"longPoll"` // the same
	Body     int           `json:"body"`     // bytes of a POST, default 500
	ID       string        `json:"id"`       // X-Request-Id of requests: ID and a number
	Keep     int           `json:"keep"`     // failures kept, default 100
	// Downloads are answers of DownloadSize bytes that come slowly.
	Downloads    int    `json:"downloads"`
	DownloadPath string `json:"downloadPath"` // with the query that asks so
	DownloadSize int    `json:"downloadSize"`
	// Handshakes are connections with TLS, each with one request.
	Handshakes int           `json:"handshakes"`
	HandPause  time.Duration `json:"handPause"` // between them
	TLSAddr    string        `json:"tlsAddr"`

	// Dial opens a connection, instead of a plain one to Addr.
	Dial func() (net.Conn, error) `json:"-"`
	// TLS is of handshakes; the name of the target is added.
	TLS *tls.Config `json:"-"`
	// Peer is told the certificate of each handshake.
	Peer func(t Target, c *x509.Certificate) `json:"-"`
	// Judge is called as a request begins.  What it returns tells whether an
	// answer that is not 200 of the target's Service is right as well.
	Judge    func(t Target) func(status int, service string) bool `json:"-"`
	Timeout  time.Duration                                        `json:"timeout"`  // of one answer, default 10 s
	Duration time.Duration                                        `json:"duration"` // at most so long, default 10 m
}

// Failure is one that the load saw.
type Failure struct {
	Time   time.Time `json:"time"`
	What   string    `json:"what"` // one of Kinds
	Detail string    `json:"detail"`
	ID     string    `json:"id"`  // of the request
	Pod    string    `json:"pod"` // of a socket or a download
	Remote string    `json:"remote"`
	Target Target    `json:"target"`
	PID    int       `json:"pid"`  // worker of the connection, 0: not known
	Port   int       `json:"port"` // local port of the connection
}

// Kinds are what a load does.
var Kinds = []string{"request", "post", "socket", "download", "handshake",
	"upload", "poll"}

// Result of a load.
type Result struct {
	Requests int         `json:"requests"`
	Posts    int         `json:"posts"`
	Messages int         `json:"messages"` // echoed over WebSockets
	Retries  int         `json:"retries"`
	Foreign  int         `json:"foreign"` // answers of another Service's pod
	Failed   int         `json:"failed"`
	Opened   int         `json:"opened"` // connections
	ByPID    map[int]int `json:"byPid"`
	Failures []Failure   `json:"failures"` // the first 100, and the retries
	Retried  []Failure   `json:"retried"`
	Uploaded int64       `json:"uploaded"` // bytes, as the backend counted
	Polled   bool        `json:"polled"`

	Downloads  int            `json:"downloads"`
	Handshakes int            `json:"handshakes"`
	FailedBy   map[string]int `json:"failedBy"` // by kind
	Pods       map[string]int `json:"pods"`     // GETs and POSTs, by pod
	Judged     map[string]int `json:"judged"`   // other answers that were right

	early map[string]int // failed before an answer
}

// Count is how much of a kind was done, what failed included.
func (r *Result) Count(kind string) int {
	switch kind {
	case "request":
		return r.Requests + r.early[kind]
	case "post":
		return r.Posts + r.early[kind]
	case "socket":
		return r.Messages + r.FailedBy[kind]
	case "download":
		return r.Downloads + r.FailedBy[kind]
	case "handshake":
		return r.Handshakes + r.FailedBy[kind]
	}
	return 0
}

// Load is a running one.
type Load struct {
	c    Config
	mu   sync.Mutex
	r    Result
	quit chan struct{}
	once sync.Once

	free  chan struct{} // closed when the long poll has to end
	freed sync.Once

	wg   sync.WaitGroup
	next int64
	ids  int64
	poll sync.WaitGroup
}

// Start begins.
func Start(c Config) *Load {
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Duration == 0 {
		c.Duration = 10 * time.Minute
	}
	if c.Body == 0 {
		c.Body = 500
	}
	if c.Keep == 0 {
		c.Keep = 100
	}
	l := &Load{c: c, quit: make(chan struct{}), free: make(chan struct{})}
	l.r.ByPID, l.r.FailedBy = map[int]int{}, map[string]int{}
	l.r.Judged, l.r.early = map[string]int{}, map[string]int{}
	l.r.Pods = map[string]int{}
	run := func(f func()) {
		l.wg.Add(1)
		go func() {
			defer l.wg.Done()
			f()
		}()
	}
	for i := 0; i < c.Conns; i++ {
		run(func() { l.requests("GET", c.Pause) })
	}
	for i := 0; i < c.Sockets; i++ {
		run(l.sockets)
	}
	if c.Posts > 0 {
		run(func() { l.requests("POST", c.Posts) })
	}
	for i := 0; i < c.Downloads; i++ {
		run(l.downloads)
	}
	for i := 0; i < c.Handshakes; i++ {
		run(l.handshakes)
	}
	if c.Upload {
		run(l.upload)
	}
	if c.LongPoll {
		l.poll.Add(1)
		go func() {
			defer l.poll.Done()
			l.longPoll()
		}()
	}
	time.AfterFunc(c.Duration, l.finish)
	return l
}

func (l *Load) finish() { l.once.Do(func() { close(l.quit) }) }

// Snapshot is the result so far.
func (l *Load) Snapshot() Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.r
	r.ByPID = map[int]int{}
	for k, v := range l.r.ByPID {
		r.ByPID[k] = v
	}
	clone := func(m map[string]int) map[string]int {
		c := map[string]int{}
		for k, v := range m {
			c[k] = v
		}
		return c
	}
	r.FailedBy, r.Judged = clone(l.r.FailedBy), clone(l.r.Judged)
	r.early, r.Pods = clone(l.r.early), clone(l.r.Pods)
	r.Failures = append([]Failure(nil), l.r.Failures...)
	r.Retried = append([]Failure(nil), l.r.Retried...)
	return r
}

// Stop ends the load; release must end the long poll, and may be nil.  A poll
// that does not end then is a failure, after the timeout.
func (l *Load) Stop(release func()) Result {
	l.finish()
	l.wg.Wait()
	if release != nil {
		release()
	}
	l.freed.Do(func() { close(l.free) })
	if l.c.LongPoll {
		l.poll.Wait()
	}
	return l.Snapshot()
}

// Wait until its time is over.
func (l *Load) Wait() {
	<-l.quit
}

func (l *Load) over() bool {
	select {
	case <-l.quit:
		return true
	default:
		return false
	}
}

// rest waits; true: the load is over.
func (l *Load) rest(d time.Duration) bool {
	if d <= 0 {
		return l.over()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-l.quit:
		return true
	case <-t.C:
		return false
	}
}

func (l *Load) target() Target {
	n := atomic.AddInt64(&l.next, 1)
	return l.c.Targets[int(n)%len(l.c.Targets)]
}

// link is a connection to nginx.
type link struct {
	net.Conn
	r    *bufio.Reader
	pid  int
	pod  string // of a socket or a download
	id   string // of the request
	used bool
}

func (k *link) port() int {
	if k == nil || k.Conn == nil {
		return 0
	}
	a, _ := k.LocalAddr().(*net.TCPAddr)
	return a.Port
}

func (k *link) remote() string {
	if k.Conn == nil {
		return ""
	}
	return k.RemoteAddr().String()
}

func (l *Load) dial() (*link, error) {
	dial := l.c.Dial
	if dial == nil {
		dial = func() (net.Conn, error) {
			return net.DialTimeout("tcp", l.c.Addr, l.c.Timeout)
		}
	}
	c, err := dial()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.r.Opened++
	l.mu.Unlock()
	return &link{Conn: c, r: bufio.NewReader(c)}, nil
}

func (l *Load) failed(what string, k *link, t Target, detail string) {
	f := Failure{Time: time.Now(), What: what, Detail: detail, Target: t,
		Port: k.port()}
	if k != nil {
		f.PID, f.Pod, f.ID, f.Remote = k.pid, k.pod, k.id, k.remote()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r.FailedBy[what]++
	if strings.HasPrefix(detail, "foreign") {
		l.r.Foreign++
	}
	l.r.Failed++
	if len(l.r.Failures) < l.c.Keep {
		l.r.Failures = append(l.r.Failures, f)
	}
}

var errEarly = errors.New("closed before any byte of the answer")

// Exchange sends one request over a connection and reads the whole answer.
func exchange(k *link, method string, t Target, body string,
	timeout time.Duration) (*http.Response, string, error) {
	_ = k.SetDeadline(time.Now().Add(timeout))
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, t.Path, t.Host)
	if k.id != "" {
		fmt.Fprintf(&b, "X-Request-Id: %s\r\n", k.id)
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	_, werr := k.Write(b.Bytes())
	if _, err := k.r.Peek(1); err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			return nil, "", errors.New("no answer in time")
		}
		if werr != nil {
			err = werr
		}
		return nil, "", fmt.Errorf("%w: %v", errEarly, err)
	}
	resp, err := http.ReadResponse(k.r, &http.Request{Method: method})
	if err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	k.pid, _ = strconv.Atoi(resp.Header.Get("X-Worker-Pid"))
	k.used = true
	return resp, string(text), err
}

func check(resp *http.Response, text, method string, t Target, n int) string {
	switch svc := resp.Header.Get("X-Service"); {
	case svc != "" && svc != t.Service:
		return fmt.Sprintf("foreign: a pod of %s answered", svc)
	case resp.StatusCode != 200:
		return fmt.Sprintf("status %d", resp.StatusCode)
	case svc == "":
		return "no X-Service"
	}
	want := fmt.Sprintf("%s %s %s %s %d\n", t.Service, resp.Header.Get("X-Pod"),
		method, t.Path, n)
	if text != want {
		return fmt.Sprintf("body %q, not %q", text, want)
	}
	return ""
}

// unanswered is a failure without an answer.
func (l *Load) unanswered(what string, k *link, t Target, detail string) {
	l.failed(what, k, t, detail)
	l.mu.Lock()
	l.r.early[what]++
	l.mu.Unlock()
}

// id names a request.
func (l *Load) id() string {
	if l.c.ID == "" {
		return ""
	}
	return fmt.Sprintf("%s%d", l.c.ID, atomic.AddInt64(&l.ids, 1))
}

func (l *Load) judge(t Target) func(status int, service string) bool {
	if l.c.Judge == nil {
		return nil
	}
	return l.c.Judge(t)
}

// verdict is check's, unless a judge knows better; other answers that are
// right are counted.
func (l *Load) verdict(resp *http.Response, t Target, bad string,
	judge func(status int, service string) bool) string {
	svc := resp.Header.Get("X-Service")
	usual := resp.StatusCode == 200 && svc == t.Service
	switch {
	case judge == nil, usual && bad != "":
		return bad
	case !judge(resp.StatusCode, svc):
		if bad == "" {
			bad = fmt.Sprintf("status %d of %s, too early or too late",
				resp.StatusCode, svc)
		}
		return bad
	case usual:
		return ""
	}
	name := strings.TrimSpace(strconv.Itoa(resp.StatusCode) + " " + svc)
	l.mu.Lock()
	l.r.Judged[name]++
	l.mu.Unlock()
	return ""
}

func (l *Load) requests(method string, pause time.Duration) {
	var k *link
	body, what := "", "request"
	if method == "POST" {
		body, what = strings.Repeat("p", l.c.Body), "post"
	}
	defer func() {
		if k != nil {
			_ = k.Close()
		}
	}()
	for !l.rest(pause) {
		t := l.target()
		judge := l.judge(t)
		id := l.id()
		for try := 0; ; try++ {
			var err error
			if k == nil {
				if k, err = l.dial(); err != nil {
					l.unanswered(what, nil, t, err.Error())
					break
				}
			}
			k.id = id
			reused := k.used
			resp, text, err := exchange(k, method, t, body, l.c.Timeout)
			if err != nil {
				early := errors.Is(err, errEarly)
				if early && reused && try == 0 {
					l.mu.Lock()
					l.r.Retries++
					l.r.Retried = append(l.r.Retried, Failure{Time: time.Now(),
						What: what, Detail: err.Error(), Target: t, PID: k.pid,
						Port: k.port(), ID: k.id, Remote: k.remote()})
					l.mu.Unlock()
				} else {
					l.unanswered(what, k, t, err.Error())
				}
				_ = k.Close()
				k = nil
				if early && reused && try == 0 {
					continue
				}
				break
			}
			l.mu.Lock()
			if method == "POST" {
				l.r.Posts++
			} else {
				l.r.Requests++
			}
			l.r.ByPID[k.pid]++
			if pod := resp.Header.Get("X-Pod"); pod != "" {
				l.r.Pods[pod]++
			}
			l.mu.Unlock()
			bad := l.verdict(resp, t, check(resp, text, method, t,
				len(body)), judge)
			if bad != "" {
				l.failed(what, k, t, bad)
			}
			if resp.Close {
				_ = k.Close()
				k = nil
			}
			break
		}
	}
}

// Upgrade opens a WebSocket.
func (l *Load) upgrade(t Target) (*link, error) {
	k, err := l.dial()
	if err != nil {
		return nil, err
	}
	_ = k.SetDeadline(time.Now().Add(l.c.Timeout))
	key := ws.NewKey()
	k.id = l.id()
	fmt.Fprintf(k, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"+
		"X-Request-Id: %s\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "+
		"13\r\nSec-WebSocket-Key: %s\r\n\r\n", t.Path, t.Host, k.id, key)
	resp, err := http.ReadResponse(k.r, nil)
	if err != nil {
		return k, err
	}
	k.pid, _ = strconv.Atoi(resp.Header.Get("X-Worker-Pid"))
	k.pod = resp.Header.Get("X-Pod")
	if resp.StatusCode != 101 ||
		resp.Header.Get("Sec-WebSocket-Accept") != ws.Accept(key) {
		return k, fmt.Errorf("status %d", resp.StatusCode)
	}
	if svc := resp.Header.Get("X-Service"); svc != "" && svc != t.Service {
		return k, fmt.Errorf("foreign: a pod of %s answered", svc)
	}
	return k, nil
}

func (l *Load) sockets() {
	t := l.target()
	var k *link
	n := 0
	defer func() {
		if k != nil {
			_ = ws.Write(k, ws.Close, []byte{3, 232}, true)
			_ = k.Close()
		}
	}()
	for !l.rest(50 * time.Millisecond) {
		var err error
		if k == nil {
			if k, err = l.upgrade(t); err != nil {
				l.failed("socket", k, t, err.Error())
				if k != nil {
					_ = k.Close()
					k = nil
				}
				continue
			}
		}
		n++
		text := fmt.Sprintf("message %d", n)
		_ = k.SetDeadline(time.Now().Add(l.c.Timeout))
		if err = ws.Write(k, ws.Text, []byte(text), true); err == nil {
			var p []byte
			_, p, err = ws.Read(k.r)
			if err == nil && string(p) != t.Service+":"+text {
				err = fmt.Errorf("echo %q", p)
				if !strings.HasPrefix(string(p), t.Service+":") {
					err = fmt.Errorf("foreign: echo %q", p)
				}
			}
		}
		if err != nil {
			l.failed("socket", k, t, err.Error())
			_ = k.Close()
			k = nil
			continue
		}
		l.mu.Lock()
		l.r.Messages++
		l.mu.Unlock()
	}
}

// upload sends a body as long as the load lasts.
func (l *Load) upload() {
	t := l.target()
	for !l.over() {
		k, err := l.dial()
		if err != nil {
			l.failed("upload", nil, t, err.Error())
			continue
		}
		fmt.Fprintf(k, "POST %s HTTP/1.1\r\nHost: %s\r\n"+
			"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n", t.Path,
			t.Host)
		var sent int64
		for !l.rest(20*time.Millisecond) && err == nil {
			_ = k.SetWriteDeadline(time.Now().Add(l.c.Timeout))
			_, err = io.WriteString(k, "64\r\n"+strings.Repeat("u", 100)+"\r\n")
			sent += 100
		}
		if err == nil {
			_, err = io.WriteString(k, "0\r\n\r\n")
		}
		_ = k.SetReadDeadline(time.Now().Add(l.c.Timeout))
		var text []byte
		if err == nil {
			var resp *http.Response
			if resp, err = http.ReadResponse(k.r, nil); err == nil {
				text, err = io.ReadAll(resp.Body)
				if err == nil && resp.StatusCode != 200 {
					err = fmt.Errorf("status %d", resp.StatusCode)
				}
			}
		}
		f := strings.Fields(string(text))
		if err == nil && (len(f) != 5 || f[0] != t.Service ||
			f[4] != strconv.FormatInt(sent, 10)) {
			err = fmt.Errorf("answer %q to %d bytes", text, sent)
		}
		if err != nil {
			l.failed("upload", k, t, err.Error())
		} else {
			l.mu.Lock()
			l.r.Uploaded += sent
			l.mu.Unlock()
		}
		_ = k.Close()
	}
}

// longPoll is answered when the pods are told to.
func (l *Load) longPoll() {
	t := l.target()
	for !l.over() {
		k, err := l.dial()
		if err != nil {
			l.failed("poll", nil, t, err.Error())
			continue
		}
		go func() {
			<-l.free
			_ = k.SetDeadline(time.Now().Add(l.c.Timeout))
		}()
		fmt.Fprintf(k, "GET %s?poll HTTP/1.1\r\nHost: %s\r\n"+
			"Connection: close\r\n\r\n", t.Path, t.Host)
		resp, err := http.ReadResponse(k.r, nil)
		var text []byte
		if err == nil {
			k.pid, _ = strconv.Atoi(resp.Header.Get("X-Worker-Pid"))
			text, err = io.ReadAll(resp.Body)
		}
		if err == nil && !strings.HasSuffix(string(text), " released\n") {
			err = fmt.Errorf("answer %d %q", resp.StatusCode, text)
		}
		if err != nil {
			l.failed("poll", k, t, err.Error())
		} else {
			l.mu.Lock()
			l.r.Polled = true
			l.mu.Unlock()
		}
		_ = k.Close()
	}
}
