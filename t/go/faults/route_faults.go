package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"ngx_k8s_test/internal/api"
	"ngx_k8s_test/internal/client"
	"ngx_k8s_test/internal/pods"
)

// load keeps requests going; the result is checked by quiet.
func (e *env) load(g *nginx, t ...client.Target) *client.Load {
	return client.Start(client.Config{
		Addr: fmt.Sprintf("127.0.0.1:%d", g.port), Conns: 4,
		Pause: time.Millisecond, Targets: t})
}

// loadAll is the same with connections to all workers, and WebSockets.
func (e *env) loadAll(g *nginx, t ...client.Target) *client.Load {
	return client.Start(client.Config{
		Addr: fmt.Sprintf("127.0.0.1:%d", g.spread), Conns: 8, Sockets: 4,
		Pause: time.Millisecond, Targets: t})
}

func (e *env) quiet(l *client.Load) client.Result {
	r := l.Stop(e.pods.Release)
	e.note("%d requests, %d posts, %d messages, %d retries", r.Requests,
		r.Posts, r.Messages, r.Retries)
	if r.Foreign > 0 || r.Failed > 0 {
		f := r.Failures
		if len(f) > 5 {
			f = f[:5]
		}
		e.fatal("%d foreign answers, %d failures: %+v", r.Foreign, r.Failed, f)
	}
	e.check(r.Requests > 0, "no request was sent")
	return r
}

func at(o api.Map, when string) api.Map {
	o["metadata"].(api.Map)["creationTimestamp"] = when
	return o
}

// endpoint in a state.
type ep struct {
	addr                        string
	ready, serving, terminating bool
}

func (e *env) endpoints(svc string, l ...ep) {
	var eps []api.Map
	for _, x := range l {
		eps = append(eps, api.Endpoint(x.addr, "pod-"+x.addr, x.ready, x.serving,
			x.terminating))
	}
	e.api.Put("endpointslices", api.Slice("default", svc+"-x", svc, 8080, eps...))
}

// full is an endpoint whose queue of connections is full: nobody accepts, and
// the kernel takes no more.
type full struct {
	e    *env
	addr string
	ln   net.Listener
	c    net.Conn // fills the queue
}

// full makes one, the only endpoint of d.test.
func (e *env) full() *full {
	h := &full{e: e, addr: e.address()}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|
		syscall.SOCK_CLOEXEC, 0)
	e.must(err)
	sa := &syscall.SockaddrInet4{Port: 8080}
	copy(sa.Addr[:], net.ParseIP(h.addr).To4())
	e.must(syscall.Bind(fd, sa))
	e.must(syscall.Listen(fd, 0))
	f := os.NewFile(uintptr(fd), "listener")
	h.ln, err = net.FileListener(f)
	e.must(err)
	h.c, err = net.DialTimeout("tcp", h.addr+":8080", 5*time.Second)
	e.must(err)
	e.stops = append(e.stops, func() {
		_, _, _ = h.ln.Close(), f.Close(), h.c.Close()
	})
	e.api.Put("services", api.Service("default", "d", 80, 8080))
	e.endpoints("d", ep{h.addr, true, true, false})
	e.ingress("d", "d.test", "/", "d")
	return h
}

// left waits until nginx does not know the endpoint any more.
func (h *full) left(g *nginx) {
	h.e.await("no endpoint", 10*time.Second, func() bool {
		return !strings.Contains(g.adminGet("/status").body, h.addr)
	})
}

// ask sends a request to d.test when nginx knows the endpoint.
func (h *full) ask(g *nginx, method string) chan answer {
	h.e.await("the endpoint", 10*time.Second, func() bool {
		return strings.Contains(g.adminGet("/status").body, h.addr)
	})
	body := ""
	if method == "POST" {
		body = "x"
	}
	ch := make(chan answer, 1)
	go func() { ch <- fetch(g.port, method, "d.test", "/", body) }()
	return ch
}

// connects waits until n connects hang.
func (h *full) connects(n int) {
	a := net.ParseIP(h.addr).To4()
	want := fmt.Sprintf(" %02X%02X%02X%02X:1F90 02 ", a[3], a[2], a[1], a[0])
	h.e.await("connects that hang", 10*time.Second, func() bool {
		b, _ := os.ReadFile("/proc/net/tcp")
		return strings.Count(string(b), want) == n
	})
}

// accept takes all connections, and returns a function that reports how many
// bytes came on those of nginx, once n have ended or none has for a while.
func (h *full) accept(n int) func() int {
	bytes := make(chan int, n+1)
	go func() {
		for {
			c, err := h.ln.Accept()
			if err != nil {
				return
			}
			go func() {
				b, _ := io.ReadAll(c)
				bytes <- len(b)
			}()
		}
	}()
	_ = h.c.Close()
	return func() int {
		sum := 0
		for i := 0; i < n+1; i++ {
			select {
			case b := <-bytes:
				sum += b
			case <-time.After(3 * time.Second):
				return sum
			}
		}
		return sum
	}
}

func init() {
	add("T-C4 two namespaces claim a host and path", func(e *env) {
		g := e.basic(false, options{})
		x := func(ns, name, when, svc string) {
			if e.api.Get("namespaces", "", ns) == nil {
				e.api.Put("namespaces", api.Namespace(ns))
			}
			e.api.Put("services", api.Service(ns, svc, 80, 8080))
			addr := e.pod(svc, ns+name, pods.Options{})
			e.api.Put("endpointslices", api.Slice(ns, svc+"-x", svc, 8080,
				api.Endpoint(addr, "p", true, true, false)))
			e.api.Put("ingresses", at(api.Ingress(ns, name, "c.test",
				api.Path{Path: "/", Type: "Prefix", Service: svc, Port: 80}), when))
		}
		x("zz", "old", "2024-01-02T00:00:00Z", "older")
		g.serves("c.test", "/", "older")
		x("aa", "young", "2024-01-03T00:00:00Z", "younger")
		e.await("PathConflict", 10*time.Second, func() bool {
			return g.problem("PathConflict")
		})
		g.still("c.test", "/", "older")
		x("aa", "oldest", "2024-01-01T00:00:00Z", "oldest")
		g.serves("c.test", "/", "oldest")
		other := e.start(options{})
		other.serves("c.test", "/", "oldest")
		_, _ = e.api.Delete("ingresses", "aa", "oldest")
		g.serves("c.test", "/", "older")
		_, _ = e.api.Delete("ingresses", "zz", "old")
		g.serves("c.test", "/", "younger")
		e.await("no PathConflict", 10*time.Second, func() bool {
			return !g.problem("PathConflict")
		})
		e.equal(g)
	})

	add("T-C5 IngressClass changed, deleted, made again", func(e *env) {
		g := e.basic(false, options{})
		e.api.Put("ingressclasses", api.Class("nginx", "example.com/other"))
		g.becomes("a.test", "/", 404, "")
		e.api.Put("ingressclasses", api.Class("nginx", "k8s.io/ingress-nginx"))
		g.serves("a.test", "/", "a")
		_, _ = e.api.Delete("ingressclasses", "", "nginx")
		g.becomes("a.test", "/", 404, "")
		g.becomes("b.test", "/", 404, "")
		e.api.Put("ingressclasses", api.Class("nginx", "k8s.io/ingress-nginx"))
		g.serves("a.test", "/", "a")
		g.serves("b.test", "/", "b")
	})

	add("T-C6 a route edited under load", func(e *env) {
		g := e.basic(false, options{})
		l := e.load(g, client.Target{Host: "a.test", Path: "/x", Service: "a"})
		for i := 0; i < 20; i++ {
			paths := []api.Path{{Path: "/", Type: "Prefix", Service: "a", Port: 80}}
			mark := fmt.Sprintf("/edit%d", i)
			paths = append(paths, api.Path{Path: mark, Type: "Exact",
				Service: "b", Port: 80})
			if i%3 == 0 {
				paths[0], paths[1] = paths[1], paths[0]
			}
			e.api.Put("ingresses", api.Ingress("default", "a", "a.test", paths...))
			g.serves("a.test", mark, "b")
		}
		e.quiet(l)
	})

	add("T-C7 a new route, seen from outside", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		var worst time.Duration
		for i := 0; i < 20; i++ {
			host := fmt.Sprintf("new%d.test", i)
			e.check(g.get(host, "/").status == 404, "%s is there", host)
			begin := time.Now()
			e.ingress("new", host, "/", "a")
			for {
				s := g.get(host, "/").status
				if s == 200 {
					break
				}
				e.check(s == 404, "answered %d", s)
				e.check(time.Since(begin) < patience, "never came")
			}
			if d := time.Since(begin); d > worst {
				worst = d
			}
		}
		e.note("at most %.1f ms", worst.Seconds()*1000)
	})

	add("T-C8 Ingress deleted and made again at once", func(e *env) {
		g := e.basic(false, options{})
		for i := 0; i < 30; i++ {
			svc := []string{"a", "b"}[i%2]
			_, err := e.api.Delete("ingresses", "default", "a")
			e.must(err)
			e.ingress("a", "a.test", "/", svc)
			if i%5 == 4 {
				g.serves("a.test", "/", svc)
			}
		}
		g.serves("a.test", "/", "b")
		_, _ = e.api.Delete("ingresses", "default", "a")
		g.becomes("a.test", "/", 404, "")
		e.ingress("a", "a.test", "/only", "a")
		g.serves("a.test", "/only", "a")
		g.becomes("a.test", "/", 404, "")
		e.equal(g)
	})

	add("T-E1 terminating endpoints", func(e *env) {
		g := e.basic(false, options{})
		a := e.app("c", 2)
		e.ingress("c", "c.test", "/", "c")
		g.serves("c.test", "/", "c")
		// a request in flight on the pod that goes
		e.endpoints("c", ep{a[0], true, true, false})
		e.await("only the first pod", 5*time.Second, func() bool {
			for i := 0; i < 8; i++ {
				if g.get("c.test", "/").pod != "c-0" {
					return false
				}
			}
			return true
		})
		var flight answer
		var wg sync.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
			flight = g.get("c.test", "/?slow=1500")
		}()
		p := e.pods.Get("c-0")
		e.await("the request in flight", 5*time.Second, func() bool {
			return p.InFlight() > 0
		})
		e.endpoints("c", ep{a[0], false, true, true}, ep{a[1], true, true, false})
		e.await("only the second pod", 5*time.Second, func() bool {
			return g.get("c.test", "/").pod == "c-1"
		})
		n := p.Served()
		for i := 0; i < 50; i++ {
			x := g.get("c.test", "/")
			e.check(x.status == 200 && x.pod == "c-1", "%v", x)
		}
		e.check(p.Served() == n, "a terminating pod got requests")
		wg.Wait()
		e.check(flight.status == 200 && flight.pod == "c-0", "in flight: %v",
			flight)
		// all terminating: they serve while they can
		e.endpoints("c", ep{a[0], false, true, true}, ep{a[1], false, true, true})
		e.await("terminating ones are used", 5*time.Second, func() bool {
			return g.get("c.test", "/").pod == "c-0" ||
				g.get("c.test", "/").pod == "c-0"
		})
		for i := 0; i < 10; i++ {
			g.still("c.test", "/", "c")
		}
		// none serves any more
		e.endpoints("c", ep{a[0], false, false, true}, ep{a[1], false, false, false})
		g.becomes("c.test", "/", 503, "")
		e.endpoints("c", ep{a[0], true, true, false})
		g.serves("c.test", "/", "c")
	})

	add("T-E2 all endpoints gone", func(e *env) {
		g := e.basic(false, options{})
		e.endpoints("b")
		g.becomes("b.test", "/", 503, "")
		e.await("NoEndpoints", 5*time.Second, func() bool {
			return g.problem("NoEndpoints")
		})
		g.still("a.test", "/", "a")
		_, _ = e.api.Delete("endpointslices", "default", "b-x")
		e.during(200*time.Millisecond, func() {
			e.check(g.get("b.test", "/").status == 503, "not 503")
		})
		_, _ = e.api.Delete("services", "default", "b")
		e.await("ServiceNotFound", 5*time.Second, func() bool {
			return g.problem("ServiceNotFound")
		})
		e.check(g.get("b.test", "/").status == 503, "not 503")
		e.app("b", 0)
		e.slice("b", e.pod("b", "b-9", pods.Options{}))
		g.serves("b.test", "/", "b")
		e.await("no problem", 5*time.Second, func() bool {
			return !g.problem("ServiceNotFound") && !g.problem("NoEndpoints")
		})
	})

	add("T-E3 backends that reset, close or do not listen", func(e *env) {
		g := e.basic(false, options{})
		good := e.pod("c", "c-good", pods.Options{})
		for i, o := range []pods.Options{{Reset: true}, {}} {
			bad := e.pod("c", fmt.Sprintf("c-bad%d", i), o)
			if !o.Reset {
				e.pods.Stop(fmt.Sprintf("c-bad%d", i), false)
			}
			svc := fmt.Sprintf("c%d", i)
			e.api.Put("services", api.Service("default", svc, 80, 8080))
			e.endpoints(svc, ep{good, true, true, false}, ep{bad, true, true, false})
			e.ingress(svc, svc+".test", "/", svc)
			g.becomes(svc+".test", "/", 200, "c")
			for n := 0; n < 20; n++ {
				g.still(svc+".test", "/", "c")
			}
			if !o.Reset { // the connection failed: a POST is safe to repeat
				for n := 0; n < 10; n++ {
					a := fetch(g.port, "POST", svc+".test", "/", "x")
					e.check(a.status == 200, "POST: %v", a)
				}
			} else {
				e.check(e.pods.Get("c-bad0").Opened() > 0, "was never tried")
			}
		}
		// closes without an answer: GET is tried elsewhere, POST is not
		p := e.pods.Get("c-good")
		n := p.Served()
		a := g.get("c1.test", "/?close")
		e.check(a.status == 502, "GET to closing pods: %v", a)
		a = fetch(g.port, "POST", "c1.test", "/?close", "x")
		e.check(a.status == 502, "POST: %v", a)
		e.check(p.Served()-n <= 4, "tried %d times", p.Served()-n)
		e.endpoints("c1", ep{e.address(), true, true, false},
			ep{e.address(), true, true, false}, ep{e.address(), true, true, false},
			ep{e.address(), true, true, false})
		g.becomes("c1.test", "/", 502, "")
		g.still("a.test", "/", "a")
	})

	add("T-E3 nine of ten endpoints do not listen", func(e *env) {
		g := e.basic(false, options{})
		l := []ep{}
		for i := 0; i < 10; i++ {
			l = append(l, ep{e.pod("c", fmt.Sprintf("c-%d", i), pods.Options{}),
				true, true, false})
		}
		e.api.Put("services", api.Service("default", "c", 80, 8080))
		e.endpoints("c", l...)
		e.ingress("c", "c.test", "/", "c")
		g.serves("c.test", "/", "c")
		for i := 1; i < 10; i++ {
			e.pods.Stop(fmt.Sprintf("c-%d", i), false)
		}
		for n := 0; n < 30; n++ {
			g.still("c.test", "/", "c")
			a := fetch(g.port, "POST", "c.test", "/", "x")
			e.check(a.status == 200, "POST: %v", a)
		}
		e.pods.Stop("c-0", false)
		from := g.Logged("connect() failed")
		a := g.get("c.test", "/")
		e.check(a.status == 502, "without any: %v", a)
		n := g.Logged("connect() failed") - from
		e.check(n >= 10 && n <= 13, "tried %d times", n)
	})

	add("T-E3 hosts that are not reached are tries", func(e *env) {
		g := e.basic(false, options{})
		ip := func(args string) {
			e.must(execute("ip", strings.Fields(args)...))
		}
		// a network in which nobody answers, and which says so late
		ip("link add nobody type veth peer name nothing")
		e.stops = append(e.stops, func() { ip("link del nobody") })
		ip("addr add 10.99.0.1/24 dev nobody")
		ip("link set nobody up")
		ip("link set nothing up")
		e.must(os.WriteFile("/proc/sys/net/ipv4/neigh/nobody/retrans_time_ms",
			[]byte("300"), 0))
		l := []ep{}
		for i := 0; i < 8; i++ {
			l = append(l, ep{fmt.Sprintf("10.99.0.%d", 10+i), true, true, false})
		}
		e.api.Put("services", api.Service("default", "c", 80, 8080))
		e.endpoints("c", l...)
		e.ingress("c", "c.test", "/", "c")
		g.becomes("c.test", "/", 502, "")
		from := g.Logged("No route to host")
		e.check(from > 0, "they are reached, or refuse")
		a := g.get("c.test", "/")
		e.check(a.status == 502, "%v", a)
		n := g.Logged("No route to host") - from
		e.check(n == 3, "tried %d times", n)
	})

	add("T-E5 a connect that hangs while its endpoint leaves", func(e *env) {
		// nginx's own connect timeout, 60 s: the kernel asks again after 1,
		// 3, 7 and 15 s
		g := e.basic(false, options{block: "defaults nginx;"})
		h := e.full()
		get, post := h.ask(g, "GET"), h.ask(g, "POST")
		h.connects(2)
		e.endpoints("d", ep{e.pod("d", "d-0", pods.Options{}), true, true, false})
		h.left(g)
		bytes := h.accept(2)
		for _, ch := range []chan answer{get, post} {
			a := <-ch
			e.check(a.status == 200 && a.svc == "d", "%v", a)
		}
		n := bytes()
		e.check(n == 0, "%d bytes went to an endpoint that had left", n)
	})

	add("T-E5 a connect that hangs long after its route has gone", func(e *env) {
		g := e.basic(false, options{block: "defaults nginx;"})
		h := e.full()
		begun := time.Now()
		get := h.ask(g, "GET")
		h.connects(1)
		_, _ = e.api.Delete("ingresses", "default", "d")
		_, _ = e.api.Delete("endpointslices", "default", "d-x")
		h.left(g)
		// the kernel asks again after 11 s, an older one after 15
		time.Sleep(time.Until(begun.Add(10200 * time.Millisecond)))
		bytes := h.accept(1)
		a := <-get
		n := bytes()
		e.check(n == 0, "%d bytes went to an address of long ago", n)
		e.check(a.status == 502, "%v", a)
	})

	add("T-E5 an endpoint that refuses is left alone for 2 seconds", func(e *env) {
		g := e.basic(false, options{})
		addr := e.address()
		start := func() {
			_, err := e.pods.Start(pods.Options{Name: "d-1", Service: "d",
				Addr: addr + ":8080"})
			e.must(err)
		}
		start()
		e.api.Put("services", api.Service("default", "d", 80, 8080))
		other := e.pod("d", "d-0", pods.Options{})
		e.endpoints("d", ep{other, true, true, false},
			ep{addr, true, true, false})
		e.ingress("d", "d.test", "/", "d")
		both := func() {
			seen := map[string]bool{}
			e.await("both pods", 5*time.Second, func() bool {
				seen[g.get("d.test", "/").pod] = true
				return seen["d-0"] && seen["d-1"]
			})
		}
		g.serves("d.test", "/", "d")
		both()
		e.pods.Stop("d-1", false)
		for n := 0; n < 100; n++ {
			a := g.get("d.test", "/")
			e.check(a.status == 200 && a.pod == "d-0", "%v", a)
		}
		n := g.Logged("connect() failed")
		e.check(n == 1, "tried %d times", n)
		// nothing else is left: it is asked all the same
		e.pods.Stop("d-0", false)
		start()
		e.check(g.get("d.test", "/").pod == "d-1", "the only one is not asked")
		_, err := e.pods.Start(pods.Options{Name: "d-0", Service: "d",
			Addr: other + ":8080"})
		e.must(err)
		both()
	})

	add("T-E6 5,000 endpoints in 50 slices, twice, and IPv6", func(e *env) {
		g := e.basic(false, options{zone: "32m"})
		if _, err := e.pods.Start(pods.Options{Name: "many", Service: "many",
			Addr: fmt.Sprintf("0.0.0.0:%d", 2000+e.n)}); err != nil {
			e.fatal("%v", err)
		}
		if _, err := e.pods.Start(pods.Options{Name: "six", Service: "six",
			Addr: fmt.Sprintf("[fd00:244::1]:%d", 3000+e.n)}); err != nil {
			e.fatal("%v", err)
		}
		port := 2000 + e.n
		s := api.Service("default", "many", 80, 8080)
		s["spec"].(api.Map)["ipFamilies"] = []interface{}{"IPv4", "IPv6"}
		e.api.Put("services", s)
		for i := 0; i < 50; i++ {
			var l, six []api.Map
			for j := 0; j < 110; j++ { // ten of the next slice as well
				k := (i*100 + j) % 5000
				l = append(l, api.Endpoint(fmt.Sprintf("10.244.%d.%d",
					100+k/200, 1+k%200), fmt.Sprintf("many-%d", k), true, true,
					false))
			}
			six = append(six, api.Endpoint("fd00:244::1", "six", true, true, false))
			e.api.Put("endpointslices", api.Slice("default",
				fmt.Sprintf("many-%d", i), "many", port, l...))
			x := api.Slice("default", fmt.Sprintf("six-%d", i), "many", port+1000, six...)
			x["addressType"] = "IPv6"
			e.api.Put("endpointslices", x)
		}
		e.ingress("m", "m.test", "/", "many")
		g.serves("m.test", "/", "many")
		e.await("all slices read", 20*time.Second, func() bool {
			return g.metricMatch(`k8s_objects\{.*kind="endpointslices"`) >= 102
		})
		h := g.each()
		defer closeAll(h)
		seen := map[string]int{}
		max := 0
		for _, c := range h {
			for i := 0; i < 1500; i++ {
				a := over(c.c, c.r, "GET", "m.test", "/", "")
				e.check(a.status == 200 && a.svc == "many", "%v", a)
				x := a.header.Get("X-Addr")
				seen[x]++
				if seen[x] > max {
					max = seen[x]
				}
			}
			break
		}
		e.note("1,500 requests to %d addresses, at most %d to one", len(seen), max)
		e.check(len(seen) > 1300, "%d addresses only", len(seen))
		// IPv4 gone: the other family
		for i := 0; i < 50; i++ {
			_, _ = e.api.Delete("endpointslices", "default",
				fmt.Sprintf("many-%d", i))
		}
		g.serves("m.test", "/", "six")
	})

	add("T-E7 named target ports, a renamed Service port", func(e *env) {
		g := e.basic(false, options{})
		one, two := e.address(), e.address()
		for i, addr := range []string{one + ":8081", two + ":8082"} {
			_, err := e.pods.Start(pods.Options{Name: fmt.Sprintf("c-%d", i),
				Service: "c", Addr: addr})
			e.must(err)
		}
		e.api.Put("services", api.Service("default", "c", 80, "web"))
		for i, addr := range []string{one, two} {
			e.api.Put("endpointslices", api.Slice("default",
				fmt.Sprintf("c-%d", i), "c", 8081+i, api.Endpoint(addr,
					fmt.Sprintf("c-%d", i), true, true, false)))
		}
		e.api.Put("ingresses", api.Ingress("default", "c", "c.test",
			api.Path{Path: "/", Type: "Prefix", Service: "c", Port: 80},
			api.Path{Path: "/name", Type: "Prefix", Service: "c", Port: "http"},
			api.Path{Path: "/target", Type: "Prefix", Service: "c", Port: "web"},
			api.Path{Path: "/none", Type: "Prefix", Service: "c", Port: "other"}))
		for _, p := range []string{"/", "/name", "/target"} {
			g.serves("c.test", p, "c")
			seen := map[string]bool{}
			for i := 0; i < 8; i++ {
				a := g.get("c.test", p)
				e.check(a.status == 200, "%s: %v", p, a)
				seen[a.pod] = true
			}
			e.check(len(seen) == 2, "%s: pods %v", p, seen)
		}
		e.check(g.get("c.test", "/none").status == 503, "not 503")
		e.check(g.problem("PortNotFound"), "no PortNotFound")
		// the port is renamed: by number it goes on, by the old name it is gone
		s := api.Service("default", "c", 80, "web")
		s["spec"].(api.Map)["ports"].([]interface{})[0].(api.Map)["name"] = "other"
		e.api.Put("services", s)
		for i, addr := range []string{one, two} {
			x := api.Slice("default", fmt.Sprintf("c-%d", i), "c", 8081+i,
				api.Endpoint(addr, fmt.Sprintf("c-%d", i), true, true, false))
			x["ports"].([]interface{})[0].(api.Map)["name"] = "other"
			e.api.Put("endpointslices", x)
		}
		g.serves("c.test", "/none", "c")
		g.becomes("c.test", "/name", 503, "")
		g.serves("c.test", "/", "c")
	})

	add("T-E10 a backend closes idle connections", func(e *env) {
		g := e.basic(false, options{})
		idle := 0.25
		n := 12
		pause := 300 * time.Millisecond
		if *long {
			idle, pause = 5, 5100*time.Millisecond
		}
		addr := e.pod("c", "c-0", pods.Options{Idle: idle})
		e.api.Put("services", api.Service("default", "c", 80, 8080))
		e.slice("c", addr)
		e.ingress("c", "c.test", "/", "c")
		g.serves("c.test", "/", "c")
		h := g.each()
		defer closeAll(h)
		p := e.pods.Get("c-0")
		opened := p.Opened()
		for i := 0; i < n; i++ {
			for _, c := range h {
				a := over(c.c, c.r, "POST", "c.test", "/", "body")
				e.check(a.status == 200, "POST %d: %v", i, a)
				// the pool is in use at all
				a = over(c.c, c.r, "POST", "c.test", "/", "body")
				e.check(a.status == 200, "POST %d: %v", i, a)
			}
			time.Sleep(pause)
		}
		made := p.Opened() - opened
		e.check(made >= n/2, "idle connections were not closed: %d made", made)
		e.check(made < 2*n*len(h), "connections are not kept: %d made", made)
		e.note("%d connections for %d POSTs, 0 failures", made, 2*n*len(h))
	})

	add("address refused: loopback, link-local, metadata", func(e *env) {
		g := e.basic(false, options{})
		for i, addr := range []string{"127.0.0.1", "169.254.169.254", "0.0.0.0",
			"224.0.0.1"} {
			svc := fmt.Sprintf("c%d", i)
			e.api.Put("services", api.Service("default", svc, 80, 8080))
			e.endpoints(svc, ep{addr, true, true, false})
			e.ingress(svc, svc+".test", "/", svc)
			g.becomes(svc+".test", "/", 503, "")
		}
		e.check(g.problem("AddressRefused"), "no AddressRefused")
	})

	add("address refused: nginx's own", func(e *env) {
		e.must(execute("ip", "addr", "add", "10.245.0.1/32", "dev", "lo"))
		own := e.address()
		p := freePorts(3)
		g := e.basic(false, options{http: fmt.Sprintf(`
			server { listen %s:%d; listen %d; return 200; }
			server { listen [::]:%[2]d; listen [::]:%[4]d ipv6only=off;
				return 200; }`, own, p[0], p[1], p[2])})
		for i, x := range []struct {
			addr    string
			port    int
			refused bool
		}{
			{own, p[0], true}, {own, p[1], false}, // 502: it is on no interface
			{"10.245.0.1", p[1], true}, {"10.245.0.1", p[2], true},
			{"10.245.0.1", p[0], false},
			{"fd00:244::1", p[0], true}, {"fd00:244::1", p[2], true},
			{"fd00:244::1", p[1], false},
		} {
			svc := fmt.Sprintf("own%d", i)
			e.api.Put("services", api.Service("default", svc, 80, x.port))
			o := api.Slice("default", svc+"-x", svc, x.port,
				api.Endpoint(x.addr, svc, true, true, false))
			if strings.Contains(x.addr, ":") {
				o["addressType"] = "IPv6"
			}
			e.api.Put("endpointslices", o)
			e.ingress(svc, svc+".test", "/", svc)
			listed := func() bool {
				return strings.Contains(g.adminGet("/status").body,
					fmt.Sprintf("address \\\"%s\\\" of Service default/%s ", x.addr,
						svc))
			}
			if x.refused {
				g.becomes(svc+".test", "/", 503, "")
				e.await("a problem", 5*time.Second, listed)
				continue
			}
			e.await(svc+" is routed", 10*time.Second, func() bool {
				s := g.get(svc+".test", "/").status
				return s == 502 || s == 200
			})
			e.check(!listed(), "%s:%d is a problem", x.addr, x.port)
		}
	})

	add("T-C6 endpoints changed under load, addresses used again", func(e *env) {
		g := e.basic(false, options{})
		svcs := []string{"x", "y", "z"}
		var targets []client.Target
		next := map[string]string{}
		for _, s := range svcs {
			e.app(s, 1)
			e.ingress(s, s+".test", "/", s)
			g.serves(s+".test", "/", s)
			next[s] = s + "-0"
			targets = append(targets, client.Target{Host: s + ".test", Path: "/p",
				Service: s})
		}
		l := e.load(g, targets...)
		free := ""
		for i := 0; i < 60; i++ {
			s := svcs[i%3]
			addr := free
			name := fmt.Sprintf("%s-%d", s, i+1)
			if addr == "" {
				addr = e.address()
			}
			_, err := e.pods.Start(pods.Options{Name: name, Service: s,
				Addr: addr + ":8080"})
			e.must(err)
			e.slice(s, addr)
			h := fetch(g.port, "GET", s+".test", "/", "")
			for k := 0; k < 1000 && h.pod != name; k++ {
				h = g.get(s+".test", "/")
			}
			e.check(h.pod == name, "%v, not %s", h, name)
			w := g.each()
			g.everywhere(w, s+".test", "/", func(a answer) bool {
				return a.pod == name
			})
			closeAll(w)
			// the old pod goes; the next Service's gets its address
			old := e.pods.Get(next[s])
			free = strings.TrimSuffix(old.Addr, ":8080")
			e.pods.Stop(next[s], true)
			next[s] = name
		}
		e.quiet(l)
	})
}
