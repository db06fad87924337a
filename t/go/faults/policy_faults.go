package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ngx_k8s_test/internal/api"
	"ngx_k8s_test/internal/pods"
	"ngx_k8s_test/internal/ws"
)

const annotation = "nginx.ingress.kubernetes.io/"

// annotated puts an Ingress of a.Service with annotations: names and values.
func (e *env) annotated(name, host string, a ...string) {
	o := api.Ingress("default", name, host, api.Path{Path: "/",
		Type: "Prefix", Service: "a", Port: 80})
	m := api.Map{}
	for i := 0; i+1 < len(a); i += 2 {
		m[annotation+a[i]] = a[i+1]
	}
	o["metadata"].(api.Map)["annotations"] = m
	e.api.Put("ingresses", o)
}

// ticks is the processor time that a process has used, in milliseconds.
func ticks(pid int) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	f := strings.Fields(string(b[strings.LastIndex(string(b), ")")+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return (user + system) * 10
}

// socket is an open WebSocket.
type socket struct {
	c net.Conn
	r *bufio.Reader
}

func (g *nginx) socket(host string) *socket {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", g.spread),
		5*time.Second)
	g.e.must(err)
	s := &socket{c, bufio.NewReader(c)}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"+
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: %s\r\n\r\n", host, ws.NewKey())
	a, err := http.ReadResponse(s.r, nil)
	g.e.must(err)
	g.e.check(a.StatusCode == 101, "%s: status %d", host, a.StatusCode)
	return s
}

// echo sends a message and awaits it back.
func (s *socket) echo(text string) error {
	_ = s.c.SetDeadline(time.Now().Add(10 * time.Second))
	if err := ws.Write(s.c, ws.Text, []byte(text), true); err != nil {
		return err
	}
	_, p, err := ws.Read(s.r)
	if err == nil && string(p) != "a:"+text {
		err = fmt.Errorf("echo %q", p)
	}
	return err
}

// visited has more profiles than a worker keeps visited in turn, beside
// WebSockets whose profiles leave the cache, change, and go.
func visited(e *env) {
	n, kept := 1500, 1000 // of 1024
	if *long {
		n = 5000
	}
	e.begin(false)
	e.app("a", 1)
	e.ingress("none", "none.test", "/", "a")
	for i := 0; i < n; i++ {
		e.annotated(fmt.Sprintf("i%d", i), fmt.Sprintf("h%d.test", i),
			"proxy-read-timeout", fmt.Sprint(3600+i), "enable-cors", "true",
			"cors-max-age", fmt.Sprint(i))
	}
	g := e.start(options{zone: "64m", log: "notice"})
	g.serves(fmt.Sprintf("h%d.test", n-1), "/", "a")

	var sockets []*socket
	for i := 0; i < 20; i++ {
		sockets = append(sockets, g.socket(fmt.Sprintf("h%d.test", i)))
	}
	w := g.each()
	defer closeAll(w)

	visit := func(from, to int) {
		for _, h := range w {
			for i := from; i < to; i++ {
				a := over(h.c, h.r, "GET", fmt.Sprintf("h%d.test", i), "/", "")
				e.check(a.status == 200, "h%d: %v", i, a)
				got := a.header.Get("Access-Control-Max-Age")
				e.check(got == fmt.Sprint(i), "h%d: that of %s", i, got)
			}
		}
	}
	// the sum of all workers
	all := func(f func(pid int) int) int {
		sum := 0
		for pid := range w {
			sum += f(pid)
		}
		return sum
	}

	// none of these is a profile of its own
	spent := all(ticks)
	for _, h := range w {
		for i := 0; i < n; i++ {
			a := over(h.c, h.r, "GET", "none.test", "/", "")
			e.check(a.status == 200, "none: %v", a)
		}
	}
	plain := all(ticks) - spent
	start := all(private)

	var sizes []int
	for round := 0; round < 3; round++ {
		spent := all(ticks)
		visit(0, kept)
		if round == 0 {
			e.note("%d bytes a profile", (all(private)-start)*1024/
				(kept*len(w)))
		}
		visit(kept, n)
		e.note("round %d: %d us a request that builds its profile, %d us "+
			"without one", round+1, (all(ticks)-spent)*1000/(n*len(w)),
			plain*1000/(n*len(w)))
		sizes = append(sizes, all(private))

		// old policies of open sockets change, one round, and go, the next
		for i := range sockets {
			if round == 0 {
				e.annotated(fmt.Sprintf("i%d", i), fmt.Sprintf("h%d.test", i),
					"proxy-read-timeout", "1", "enable-cors", "true",
					"cors-max-age", fmt.Sprint(i))
			}
			e.must(sockets[i].echo(fmt.Sprintf("round %d", round)))
		}
	}
	e.note("private memory of %d workers after each round, in KB: %v; before "+
		"them %d", len(w), sizes, start)
	// the changes are in the second; a round that lost its profiles would take
	// half as much again, and a page of the zone that one alone has seen counts
	if !*asan {
		e.check(sizes[2] <= sizes[1]+sizes[1]/20, "it grows: %v KB", sizes)
	}

	// with the new time-out they would end in a second
	e.during(2500*time.Millisecond, func() {
		a := g.get("none.test", "/")
		e.check(a.status == 200, "%v", a)
	})
	for i, s := range sockets {
		e.must(s.echo("still"))
		_, err := e.api.Delete("ingresses", "default", fmt.Sprintf("i%d", i))
		e.must(err)
	}
	for i := range sockets {
		g.becomes(fmt.Sprintf("h%d.test", i), "/", 404, "")
	}
	visit(len(sockets), n)
	for _, s := range sockets {
		e.must(s.echo("gone"))
		_ = s.c.Close()
	}
}

// pairs are requests to one host by some clients, whose answers say two things
// that have to agree.
type pairs struct {
	mu    sync.Mutex
	times []float64       // milliseconds
	seen  map[string]bool // what they said
	bad   string
	quit  chan bool
	wg    sync.WaitGroup
}

// ask has n clients send requests until stop; say makes of an answer what it
// says, or an error.
func (g *nginx) ask(n int, host, path string,
	say func(answer) (string, error)) *pairs {
	p := &pairs{seen: map[string]bool{}, quit: make(chan bool)}
	for i := 0; i < n; i++ {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", g.spread),
			5*time.Second)
		g.e.must(err)
		p.wg.Add(1)
		go func() {
			defer p.wg.Done()
			defer c.Close()
			r := bufio.NewReader(c)
			for {
				select {
				case <-p.quit:
					return
				default:
				}
				begin := time.Now()
				a := over(c, r, "GET", host, path, "", "Origin",
					"https://x.test")
				took := time.Since(begin).Seconds() * 1000
				word, err := say(a)
				if a.err != nil || a.status != 200 {
					err = fmt.Errorf("%v", a)
				}
				p.mu.Lock()
				p.times = append(p.times, took)
				p.seen[word] = true
				if err != nil && p.bad == "" {
					p.bad = err.Error()
				}
				p.mu.Unlock()
				if a.err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
	}
	return p
}

// stop gives requests, median and p99, and how many things were said.
func (p *pairs) stop(e *env, what string) {
	close(p.quit)
	p.wg.Wait()
	e.check(p.bad == "", "%s: %s", what, p.bad)
	sort.Float64s(p.times)
	n := len(p.times)
	e.check(n > 100, "%s: %d requests", what, n)
	e.note("%s: %d requests, none failed; median %.2f ms, p99 %.2f ms; %d "+
		"different policies seen", what, n, p.times[n/2], p.times[n*99/100],
		len(p.seen))
}

// every calls f so many times a second for a while, with numbers from 1.
func (e *env) every(rate int, d time.Duration, f func(i int)) {
	t := time.NewTicker(time.Second / time.Duration(rate))
	defer t.Stop()
	for i := 1; i <= int(d.Seconds()*float64(rate)); i++ {
		<-t.C
		f(i)
	}
}

// changes has policies change all the time under load.  No answer is one of
// two policies.
func changes(e *env) {
	d := 4 * time.Second
	if *long {
		d = 20 * time.Second
	}
	e.begin(false)
	e.app("a", 1)
	for i := 0; i < 200; i++ {
		e.annotated(fmt.Sprintf("i%d", i), fmt.Sprintf("h%d.test", i),
			"proxy-read-timeout", fmt.Sprint(100+i))
	}
	put := func(i int) {
		e.annotated("m", "m.test", "enable-cors", "true", "cors-max-age",
			fmt.Sprint(i), "cors-allow-headers", fmt.Sprintf("X-%d", i),
			"cors-expose-headers", fmt.Sprintf("X-%d", i), "upstream-vhost",
			fmt.Sprintf("v%d.test", i))
	}
	put(0)
	config := func(i int) {
		s := fmt.Sprint(i%2 == 0)
		e.configMap("own", api.Map{"proxy-read-timeout": fmt.Sprint(60 + i),
			"generate-request-id": s, "proxy-add-original-uri-header": s})
	}
	config(0)
	g := e.start(options{zone: "16m", log: "notice",
		block: "config_map default/own;"})
	g.serves("m.test", "/", "a")

	// of annotations: headers of the answer and of the request
	annotations := func(a answer) (string, error) {
		var body pods.Echo
		if err := json.Unmarshal([]byte(a.body), &body); err != nil {
			return "", err
		}
		n := a.header.Get("Access-Control-Max-Age")
		allow := a.header.Get("Access-Control-Allow-Headers")
		expose := a.header.Get("Access-Control-Expose-Headers")
		if allow != "X-"+n || expose != "X-"+n || body.Host != "v"+n+".test" {
			return n, fmt.Errorf("a mixture: %q %q %q %q", n, allow, expose,
				body.Host)
		}
		return n, nil
	}
	// of keys: two headers of the request
	keys := func(a answer) (string, error) {
		var body pods.Echo
		if err := json.Unmarshal([]byte(a.body), &body); err != nil {
			return "", err
		}
		id, uri := len(body.Headers["X-Request-Id"]),
			len(body.Headers["X-Original-Uri"])
		if id != uri {
			return "", fmt.Errorf("a mixture: %v", body.Headers)
		}
		return fmt.Sprint(id), nil
	}

	p := g.ask(8, "m.test", "/?json", annotations)
	time.Sleep(d)
	p.stop(e, "quiet")
	p = g.ask(8, "m.test", "/?json", annotations)
	e.every(50, d, put)
	p.stop(e, "50 changes of annotations a second")
	e.check(len(p.seen) > int(d.Seconds())*10, "%d policies seen", len(p.seen))

	p = g.ask(8, "h7.test", "/?json", keys)
	time.Sleep(d)
	p.stop(e, "quiet")
	p = g.ask(8, "h7.test", "/?json", keys)
	e.every(10, d, config)
	p.stop(e, "10 changes of the ConfigMap a second")
	e.check(len(p.seen) == 2, "%d policies seen", len(p.seen))
}

// moved has an Ingress go from one Service and its annotations to another one
// without any, and back: a request in this moment looks for its host again.
func moved(e *env) {
	e.begin(false)
	e.api.Put("services", api.Service("default", "a", 80, 8080))
	e.app("b", 1)
	e.api.Put("services", api.Service("default", "c", 80, 8080))
	put := func(host, svc string, a api.Map) {
		o := api.Ingress("default", host, host+".test", api.Path{Path: "/",
			Type: "Prefix", Service: svc, Port: 80})
		o["metadata"].(api.Map)["annotations"] = a
		e.api.Put("ingresses", o)
	}
	rules := api.Map{annotation + "enable-cors": "true",
		annotation + "use-regex":          "true",
		annotation + "rewrite-target":     "/old",
		annotation + "x-forwarded-prefix": "/p"}
	to := func(i int) {
		if i%2 == 0 {
			put("none", "a", rules)
			put("some", "b", rules)
		} else {
			put("none", "c", api.Map{})
			put("some", "b2", api.Map{})
		}
	}
	e.app("b2", 1)
	to(0)
	g := e.start(options{zone: "16m", log: "notice"})
	g.serves("some.test", "/", "b")
	g.becomes("none.test", "/", 503, "")

	// a Service without endpoints is answered at once, so many requests a
	// second meet the moment
	requests := strings.Repeat("GET /x HTTP/1.1\r\nHost: none.test\r\n"+
		"Origin: http://o.test\r\n\r\n", 100)
	var asked atomic.Int64
	quit, done := make(chan bool), make(chan bool)
	for i := 0; i < 2; i++ {
		go func() {
			defer func() { done <- true }()
			for {
				c, err := net.DialTimeout("tcp",
					fmt.Sprintf("127.0.0.1:%d", g.port), 5*time.Second)
				if err != nil {
					continue
				}
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				r := bufio.NewReader(c)
				for err == nil {
					select {
					case <-quit:
						_ = c.Close()
						return
					default:
					}
					_, err = io.WriteString(c, requests)
					for n := 0; n < 100 && err == nil; n++ {
						var resp *http.Response
						if resp, err = http.ReadResponse(r, nil); err == nil {
							_, _ = io.Copy(io.Discard, resp.Body)
							asked.Add(1)
						}
					}
				}
				_ = c.Close()
			}
		}()
	}
	p := g.ask(4, "some.test", "/x?json", func(a answer) (string, error) {
		var body pods.Echo
		if err := json.Unmarshal([]byte(a.body), &body); err != nil {
			return "", err
		}
		cors := a.header.Get("Access-Control-Allow-Origin") != ""
		prefix := len(body.Headers["X-Forwarded-Prefix"]) > 0
		old := strings.HasPrefix(body.URI, "/old")
		if first := a.svc == "b"; cors != first || old != first ||
			prefix != first {
			return a.svc, fmt.Errorf("a mixture: %s %s %v %v", a.svc,
				body.URI, cors, prefix)
		}
		return a.svc, nil
	})
	e.every(100, 6*time.Second, to)
	close(quit)
	<-done
	<-done
	p.stop(e, "100 changes of the Service a second")
	e.check(len(p.seen) == 2, "%v", p.seen)
	e.note("%d requests to none", asked.Load())
	e.check(asked.Load() > 1000, "%d requests", asked.Load())
	e.check(g.Logged("exited on signal") == 0, "a worker died")
}

// renamed has an alias go from one Ingress to another and back while watchers
// are killed: it leads to one of them at any time.
func renamed(e *env) {
	e.begin(false)
	e.app("a", 1)
	e.app("b", 1)
	put := func(host, svc, alias string) {
		o := api.Ingress("default", host, host+".test", api.Path{Path: "/",
			Type: "Prefix", Service: svc, Port: 80})
		m := api.Map{}
		if alias != "" {
			m[annotation+"server-alias"] = alias
		}
		o["metadata"].(api.Map)["annotations"] = m
		e.api.Put("ingresses", o)
	}
	const name = "name.test,~^n[0-9]+\\.test$"
	to := func(i int) {
		if i%2 == 0 {
			put("one", "a", name)
			put("two", "b", "")
		} else {
			put("two", "b", name)
			put("one", "a", "")
		}
	}
	to(0)
	g := e.start(options{log: "notice"})
	g.serves("name.test", "/", "a")
	g.serves("n1.test", "/", "a")

	var wg sync.WaitGroup
	var mu sync.Mutex
	quit := make(chan bool)
	seen, cut, bad := map[string]int{}, 0, ""
	for i := 0; i < 4; i++ {
		host := []string{"name.test", "n1.test"}[i%2]
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				select {
				case <-quit:
					return
				default:
				}
				a := g.get(host, "/")
				mu.Lock()
				if a.err != nil || a.status == 0 {
					cut++
				} else if a.status != 200 {
					bad = fmt.Sprintf("%s: %v", host, a)
				} else {
					seen[a.svc]++
				}
				mu.Unlock()
			}
		}()
	}
	kills := 0
	e.every(50, 5*time.Second, func(i int) {
		to(i)
		if i%40 == 0 {
			was := g.Workers()
			e.must(g.Kill(g.watcher(), syscall.SIGKILL))
			g.respawned(was)
			kills++
		}
	})
	close(quit)
	wg.Wait()
	e.note("%d kills; answers %v, %d of killed workers", kills, seen, cut)
	e.check(g.Logged("exited on signal 9") == kills, "%d died",
		g.Logged("exited on signal 9"))
	e.check(bad == "", "%s", bad)
	e.check(len(seen) == 2, "%v", seen)
	e.check(cut <= 8*kills, "%d requests were cut", cut)
	to(0)
	g.becomes("name.test", "/", 200, "a")
	g.becomes("n1.test", "/", 200, "a")
	to(1)
	g.becomes("name.test", "/", 200, "b")
	g.becomes("n1.test", "/", 200, "b")
}

func init() {
	addAlone("policies: watchers are killed while an alias moves", renamed)
	addAlone("policies: an Ingress goes to another Service and back", moved)
	addAlone("policies: more profiles than are kept, beside WebSockets",
		visited)
	addAlone("policies: changes under load, no mixture", changes)
}
