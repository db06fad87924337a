package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ngx_k8s_test/internal/api"
	process "ngx_k8s_test/internal/nginx"
	"ngx_k8s_test/internal/pods"
	"ngx_k8s_test/internal/poll"
)

// env is what one test has: an API server, pods and nginxes.
type env struct {
	name  string
	n     int
	dir   string
	api   *api.Server
	pods  *pods.Set
	ng    *nginx // the first one started
	all   []*nginx
	bad   string
	skip  string
	notes []string
	logs  []string
	took  time.Duration
	mu    sync.Mutex
	addr  int
	stops []func()
	block string // more directives for every k8s_ingress of the test
	// whether Ingresses of a namespace with these labels are to be taken
	selects func(labels api.Map) bool
}

type done struct{}

func newEnv(name string, n int) *env {
	e := &env{name: name, n: n, api: api.New(), pods: pods.NewSet()}
	dir, err := os.MkdirTemp("/run", "f")
	if err != nil {
		panic(err)
	}
	_ = os.Chmod(dir, 0755)
	e.dir = dir
	return e
}

// fatal ends the test as failed.
func (e *env) fatal(f string, args ...interface{}) {
	e.mu.Lock()
	if e.bad == "" {
		e.bad = fmt.Sprintf(f, args...)
	}
	e.mu.Unlock()
	panic(done{})
}

func (e *env) check(ok bool, f string, args ...interface{}) {
	if !ok {
		e.fatal(f, args...)
	}
}

func (e *env) must(err error) {
	if err != nil {
		e.fatal("%v", err)
	}
}

// note is printed with the result.
func (e *env) note(f string, args ...interface{}) {
	e.mu.Lock()
	e.notes = append(e.notes, fmt.Sprintf(f, args...))
	e.mu.Unlock()
}

// await polls until f is true.
func (e *env) await(what string, limit time.Duration, f func() bool) time.Duration {
	return e.sees(what, limit, func() (bool, any) { return f(), nil })
}

// patience is how long is waited at least: that a machine is busy is no fault.
const patience = time.Minute

// sees is await with what was seen last.
func (e *env) sees(what string, limit time.Duration,
	f func() (bool, any)) time.Duration {
	d, err := poll.Until(what, max(limit, patience), f)
	e.must(err)
	return d
}

// during checks f again and again for a while.
func (e *env) during(d time.Duration, f func()) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		f()
		time.Sleep(10 * time.Millisecond)
	}
}

func (e *env) close() {
	for _, f := range e.stops {
		f()
	}
	for _, g := range e.all {
		if err := g.Stop(); err != nil && e.bad == "" {
			e.bad = err.Error()
		}
		alarms := g.Alarms()
		if alarms != "" && e.bad == "" {
			e.bad = "nginx's log:\n" + alarms
		}
		if e.bad != "" || *keep {
			e.logs = append(e.logs, g.Tail(*keep)...)
		}
	}
	if e.bad != "" || *keep {
		l := e.api.Log(0)
		if len(l) > 25 && !*keep {
			l = l[len(l)-25:]
		}
		for _, r := range l {
			e.logs = append(e.logs, fmt.Sprintf("api %s %-5s %-14s rv=%q "+
				"initial=%v cont=%v partial=%v fault=%d %s -> %d, %d bytes",
				r.Time.Format("05.000"), r.Verb, r.Resource, r.RV, r.Initial,
				r.Continue, r.Partial, r.Fault, r.Name, r.Status, r.Bytes))
		}
	}
	e.api.Stop()
	e.pods.StopAll()
	_ = os.RemoveAll(e.dir)
}

// nginx is a running one.
type nginx struct {
	*process.Process
	e      *env
	port   int // shared by the workers
	spread int // reuseport, so that connections spread over the workers
	tls    int
	admin  int
	conf   string
}

// options of an nginx.
type options struct {
	workers int
	zone    string
	block   string // more directives for k8s_ingress
	source  string // instead of the kubeconfig
	http    string // more directives for http
	env     []string
	wrap    []string // command before nginx's
	log     string
	down    bool // the API server is down: do not wait
	user    string
	events  string // more directives for events
	daemon  bool   // it leaves its parent: a binary upgrade needs that
}

// freePorts are below those that the kernel gives to clients.
func freePorts(n int) []int {
	last := int(atomic.AddInt32(&lastPort, int32(n)))
	var l []int
	for i := n; i > 0; i-- {
		l = append(l, last-i)
	}
	return l
}

var lastPort int32 = 10000

// start starts an nginx and waits until it is ready, unless o.down.
func (e *env) start(o options) *nginx {
	if o.workers == 0 {
		o.workers = 2
	}
	if o.zone == "" {
		o.zone = "8m"
	}
	if o.log == "" {
		o.log = "info"
	}
	dir := filepath.Join(e.dir, fmt.Sprintf("nginx%d", len(e.all)))
	if o.source == "" {
		how, token := "token", "token-one"
		path, err := e.api.WriteKubeconfig(e.dir, how, token)
		e.must(err)
		o.source = "kubeconfig " + path
	}
	p := freePorts(4)
	g := &nginx{e: e, port: p[0], spread: p[1], tls: p[2], admin: p[3]}
	load := ""
	if *module != "" {
		load = "load_module " + *module + ";\n"
	}
	block := o.block + e.block
	if !strings.Contains(block, "backoff") {
		block += " backoff 2s;"
	}
	if !strings.Contains(block, "list_timeout") {
		block += " list_timeout 3s;"
	}
	daemon := "off"
	if o.daemon {
		daemon = "on"
	}
	g.conf = load + fmt.Sprintf(`user root;
worker_processes %d;
worker_shutdown_timeout 240s;
daemon %[14]s;
pid %[2]s/pid;
error_log %s/error.log %s;
events { worker_connections 4096; %[13]s }
http {
    access_log off;
    client_body_temp_path %[2]s/b; proxy_temp_path %[2]s/p;
    fastcgi_temp_path %[2]s/f; uwsgi_temp_path %[2]s/u; scgi_temp_path %[2]s/s;
    keepalive_requests 10000000;
    %[5]s
    k8s_ingress {
        source %s;
        zone %s;
        %s
    }
    server {
        listen 127.0.0.1:%d;
        listen 127.0.0.1:%d reuseport;
        listen 127.0.0.1:%d ssl;
        add_header X-Worker-Pid $pid always;
        k8s_ingress_pass;
    }
    server {
        listen 127.0.0.1:%d;
        add_header X-Worker-Pid $pid always;
        k8s_ingress_admin;
    }
}
`, o.workers, dir, dir, o.log, o.http, o.source, o.zone, block, g.port,
		g.spread, g.tls, g.admin, o.events,
		daemon)
	var err error
	g.Process, err = process.Start(process.Config{Binary: *binary, Dir: dir,
		Conf: g.conf, Env: o.env, Wrap: o.wrap, Daemon: o.daemon})
	e.must(err)
	e.all = append(e.all, g)
	if e.ng == nil {
		e.ng = g
	}
	e.await("nginx answers", 15*time.Second, func() bool {
		e.check(!g.Ended(), "nginx ended:\n%s", strings.Join(g.Tail(true), "\n"))
		return g.adminGet("/healthz").status == 200
	})
	if !o.down {
		g.ready(20 * time.Second)
	}
	return g
}

// answer of nginx.
type answer struct {
	status  int
	svc     string
	pod     string
	body    string
	pid     int
	header  http.Header
	err     error
	foreign bool
}

func (a answer) String() string {
	if a.err != nil {
		return a.err.Error()
	}
	return fmt.Sprintf("status %d service %q pod %q", a.status, a.svc, a.pod)
}

func fetch(port int, method, host, path, body string, h ...string) answer {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port),
		5*time.Second)
	if err != nil {
		return answer{err: err}
	}
	defer c.Close()
	return over(c, bufio.NewReader(c), method, host, path, body,
		append(h, "Connection", "close")...)
}

func over(c net.Conn, r *bufio.Reader, method, host, path, body string,
	h ...string) answer {
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, host)
	for i := 0; i+1 < len(h); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", h[i], h[i+1])
	}
	if body != "" || method == "POST" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	if _, err := io.WriteString(c, b.String()); err != nil {
		return answer{err: err}
	}
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return answer{err: err}
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	a := answer{status: resp.StatusCode, svc: resp.Header.Get("X-Service"),
		pod: resp.Header.Get("X-Pod"), body: string(text), err: err,
		header: resp.Header}
	a.pid, _ = strconv.Atoi(resp.Header.Get("X-Worker-Pid"))
	return a
}

// get asks the nginx as a client of a host.
func (g *nginx) get(host, path string) answer {
	return fetch(g.port, "GET", host, path, "")
}

func (g *nginx) adminGet(path string) answer {
	return fetch(g.admin, "GET", "localhost", path, "")
}

func (g *nginx) ready(limit time.Duration) {
	g.e.await("readyz", limit, func() bool {
		return g.adminGet("/readyz").status == 200
	})
}

// serves waits until a route is answered by a Service's pod.
func (g *nginx) serves(host, path, svc string) time.Duration {
	return g.becomes(host, path, 200, svc)
}

// becomes waits for a status and a Service, "" for no pod's answer.
func (g *nginx) becomes(host, path string, status int, svc string) time.Duration {
	return g.e.sees(fmt.Sprintf("%s%s: status %d of %q", host, path, status,
		svc), 15*time.Second, func() (bool, any) {
		a := g.get(host, path)
		return a.status == status && a.svc == svc, a
	})
}

// still checks once that a route is answered by a Service's pod.
func (g *nginx) still(host, path, svc string) {
	a := g.get(host, path)
	g.e.check(a.status == 200 && a.svc == svc, "%s%s: %v, not of %q", host,
		path, a, svc)
}

// watcher is the pid of the worker that watches: the first one started.
func (g *nginx) watcher() int {
	w := g.Workers()
	if len(w) == 0 {
		return 0
	}
	blocks := items(g.status(), "blocks")
	if len(blocks) > 0 {
		if n, ok := blocks[0]["watcher_pid"].(float64); ok && n > 0 {
			return int(n)
		}
	}
	g.e.fatal("/status names no watcher")
	return 0
}

// hold has one connection to each worker.
type hold struct {
	c net.Conn
	r *bufio.Reader
}

// each opens a connection to every worker.
func (g *nginx) each() map[int]*hold {
	m := map[int]*hold{}
	for try := 0; try < 400; try++ {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d",
			g.spread), 5*time.Second)
		if err != nil {
			continue
		}
		h := &hold{c, bufio.NewReader(c)}
		a := over(h.c, h.r, "GET", "none.invalid", "/", "")
		if a.err != nil || a.pid == 0 || m[a.pid] != nil {
			_ = c.Close()
		} else {
			m[a.pid] = h
		}
		if len(m) >= len(g.Workers()) {
			return m
		}
	}
	g.e.fatal("not all workers answer: %d of %v", len(m), g.Workers())
	return nil
}

func closeAll(m map[int]*hold) {
	for _, h := range m {
		_ = h.c.Close()
	}
}

// everywhere waits until all workers answer a route with a Service's pod.
func (g *nginx) everywhere(m map[int]*hold, host, path string,
	ok func(answer) bool) time.Duration {
	return g.e.await("every worker answers "+host+path, 15*time.Second,
		func() bool {
			for _, h := range m {
				if a := over(h.c, h.r, "GET", host, path, ""); !ok(a) {
					return false
				}
			}
			return true
		})
}

func (g *nginx) reload() {
	old := g.Workers()
	g.signal(syscall.SIGHUP)
	g.e.await("new workers", 15*time.Second, func() bool {
		now := g.Workers()
		if len(now) < len(old) {
			return false
		}
		for _, p := range now {
			for _, q := range old {
				if p == q {
					return false
				}
			}
		}
		return true
	})
}

// metricMatch gives the sum of the samples whose line matches.
func (g *nginx) metricMatch(pattern string) float64 {
	re := regexp.MustCompile(pattern)
	sum := 0.0
	for _, l := range strings.Split(g.adminGet("/metrics").body, "\n") {
		if strings.HasPrefix(l, "#") || !re.MatchString(l) {
			continue
		}
		f := strings.Fields(l)
		v, _ := strconv.ParseFloat(f[len(f)-1], 64)
		sum += v
	}
	return sum
}

func (g *nginx) status() api.Map {
	a := g.adminGet("/status")
	g.e.check(a.status == 200, "/status: %v", a)
	var m api.Map
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		g.e.fatal("/status is not JSON: %v: %.300s", err, a.body)
	}
	return m
}

// problem tells whether /status shows one of a code.
func (g *nginx) problem(code string) bool {
	return strings.Contains(g.adminGet("/status").body, `"`+code+`"`)
}

// begin starts the API server with one namespace and the class.
func (e *env) begin(useTLS bool) {
	var ca *api.CA
	if useTLS {
		var err error
		ca, err = api.NewCA("one")
		e.must(err)
	}
	e.api.SetTokens("token-one")
	e.must(e.api.Start(fmt.Sprintf("127.0.0.1:%d", freePorts(1)[0]), ca))
	e.api.Put("ingressclasses", api.Class("nginx", "k8s.io/ingress-nginx"))
	e.api.Put("namespaces", api.Namespace("default"))
}

// address is one that no other pod has or had.
func (e *env) address() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.addr++
	return fmt.Sprintf("10.244.%d.%d", 1+(e.n*4+e.addr/250)%250, 1+e.addr%250)
}

// pod starts one of a Service, on port 8080 of an address of its own.
func (e *env) pod(svc, name string, o pods.Options) (addr string) {
	addr = e.address()
	o.Name, o.Service, o.Addr = name, svc, addr+":8080"
	_, err := e.pods.Start(o)
	e.must(err)
	return addr
}

// app makes a Service with n pods and its slice; returns their addresses.
func (e *env) app(svc string, n int) []string {
	var l []string
	for i := 0; i < n; i++ {
		l = append(l, e.pod(svc, fmt.Sprintf("%s-%d", svc, i), pods.Options{}))
	}
	e.api.Put("services", api.Service("default", svc, 80, 8080))
	e.slice(svc, l...)
	return l
}

// slice puts the one slice of a Service, all endpoints ready.
func (e *env) slice(svc string, addrs ...string) {
	var l []api.Map
	for i, a := range addrs {
		l = append(l, api.Endpoint(a, fmt.Sprintf("%s-%d", svc, i), true, true,
			false))
	}
	e.api.Put("endpointslices", api.Slice("default", svc+"-x", svc, 8080, l...))
}

// ingress puts one with one path.
func (e *env) ingress(name, host, path, svc string) {
	e.api.Put("ingresses", api.Ingress("default", name, host,
		api.Path{Path: path, Type: "Prefix", Service: svc, Port: 80}))
}

// basic is what most tests begin with: two Services, a.test and b.test.
func (e *env) basic(useTLS bool, o options) *nginx {
	e.begin(useTLS)
	e.app("a", 2)
	e.app("b", 1)
	e.ingress("a", "a.test", "/", "a")
	e.ingress("b", "b.test", "/", "b")
	g := e.start(o)
	g.serves("a.test", "/", "a")
	g.serves("b.test", "/", "b")
	return g
}

// lists counts what was listed since an entry of the log: LIST and streaming.
func (e *env) lists(from int, resource string) int {
	return len(e.listed(from, resource))
}

// listed tells when these lists were asked for.
func (e *env) listed(from int, resource string) []time.Time {
	var at []time.Time
	for _, r := range e.api.Log(from) {
		if (resource == "" || r.Resource == resource) && (r.Initial ||
			(r.Verb == "list" && !(r.Partial && r.Limit == 1))) {
			at = append(at, r.Time)
		}
	}
	return at
}

// count counts entries of the log.
func (e *env) count(from int, f func(r api.Request) bool) int {
	n := 0
	for _, r := range e.api.Log(from) {
		if f(r) {
			n++
		}
	}
	return n
}

// watched waits until the watch of each kind stands.
func (e *env) watched() {
	e.await("watches stand", 20*time.Second, func() bool {
		for _, k := range []string{"ingresses", "services", "endpointslices"} {
			if e.api.Watching(k) == 0 {
				return false
			}
		}
		return true
	})
}

// change makes a new route and waits for it: the client is up to date.
func (e *env) change(g *nginx, name string) time.Duration {
	e.ingress(name, name+".test", "/", "a")
	return g.serves(name+".test", "/", "a")
}

// handshake asks for the certificate of a name; its common name.
func (g *nginx) handshake(name string) string {
	d := &net.Dialer{Timeout: 5 * time.Second}
	c, err := tls.DialWithDialer(d, "tcp", fmt.Sprintf("127.0.0.1:%d", g.tls),
		&tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		return "error: " + err.Error()
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}
