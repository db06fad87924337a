package main

import (
	"fmt"
	"math/rand"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"ngx_k8s_test/internal/api"
	"ngx_k8s_test/internal/client"
	process "ngx_k8s_test/internal/nginx"
	"ngx_k8s_test/internal/pods"
)

// random fills the API server with Ingresses that meet in hosts and paths.
func (e *env) random(rng *rand.Rand, n int) {
	hosts := []string{"", "a.test", "b.test", "*.w.test", "x.w.test", "C.test",
		"*.test"}
	paths := []string{"", "/", "/foo", "/foo/bar", "/a", "/a/b", "/x1/",
		"/index.html", "/foobar"}
	types := []string{"Exact", "Prefix", "ImplementationSpecific"}
	svcs := []string{"a", "b", "c", "none"}
	when := func() string {
		return fmt.Sprintf("2024-01-01T00:00:%02dZ", rng.Intn(10))
	}
	pick := func(l []string) string { return l[rng.Intn(len(l))] }
	for i := 0; i < n; i++ {
		name := fmt.Sprintf("r%03d", rng.Intn(n))
		if rng.Intn(4) == 0 {
			_, _ = e.api.Delete("ingresses", "default", name)
			continue
		}
		var rules []interface{}
		for k := rng.Intn(3); k >= 0; k-- {
			var l []api.Path
			for j := rng.Intn(3); j >= 0; j-- {
				port := interface{}(80)
				if rng.Intn(3) == 0 {
					port = "http"
				}
				x := api.Path{Path: pick(paths), Type: pick(types),
					Service: pick(svcs), Port: port}
				if x.Path == "" { // others have to be absolute
					x.Type = "ImplementationSpecific"
				}
				l = append(l, x)
			}
			o := api.Ingress("default", name, pick(hosts), l...)
			rules = append(rules, o["spec"].(api.Map)["rules"].([]interface{})...)
		}
		o := at(api.Ingress("default", name, "", api.Path{}), when())
		spec := o["spec"].(api.Map)
		spec["rules"] = rules
		if rng.Intn(6) == 0 {
			delete(spec, "rules")
		}
		if rng.Intn(3) == 0 || spec["rules"] == nil {
			spec["defaultBackend"] = api.Map{"service": api.Map{
				"name": pick(svcs), "port": api.Map{"number": 80}}}
		}
		if rng.Intn(10) == 0 {
			spec["ingressClassName"] = "other"
		}
		if o2 := e.api.Get("ingresses", "default", name); o2 != nil {
			// the object keeps its age
			o["metadata"].(api.Map)["creationTimestamp"] =
				text(o2.M, "metadata", "creationTimestamp")
		}
		e.api.Put("ingresses", o)
	}
}

func init() {
	add("equality: random changes, then a fresh nginx", func(e *env) {
		g := e.basic(false, options{})
		e.app("c", 1)
		seed := time.Now().UnixNano()
		e.note("seed %d", seed)
		rng := rand.New(rand.NewSource(seed))
		for i := 0; i < 4; i++ {
			e.watched()
			e.random(rng, 60)
			if i%2 == 0 {
				e.endpoints("c")
			} else {
				e.slice("c", e.pod("c", fmt.Sprintf("c-%d", i), pods.Options{}))
			}
			e.change(g, fmt.Sprintf("z%d", i))
			e.equal(g)
		}
	})

	add("equality: the stream cut at random bytes", func(e *env) {
		g := e.basic(false, options{block: "backoff 200ms;"})
		e.app("c", 1)
		seed := time.Now().UnixNano()
		e.note("seed %d", seed)
		rng := rand.New(rand.NewSource(seed))
		e.ingress("steady", "steady.test", "/", "b")
		g.serves("steady.test", "/", "b")
		f := e.api.Inject(api.Fault{CutRandom: 4000, Seed: seed, Verb: "watch"})
		e.api.EndWatches("")
		f2 := e.api.Inject(api.Fault{Chunk: 7, Verb: "list"})
		end := time.Now().Add(6 * time.Second)
		for time.Now().Before(end) {
			e.random(rng, 3)
			g.still("steady.test", "/", "b")
		}
		e.check(f.Fired() > 3, "cut %d times", f.Fired())
		e.note("cut %d times; %d lists in pieces", f.Fired(), f2.Fired())
		e.api.Clear(nil)
		e.watched()
		e.change(g, "end")
		e.equal(g)
	})

	addAlone("load through changes, reload, kill, outage and cuts", loadRun)
	addAlone("an upload and a long poll through endpoint changes", soak)
}

// group is a Service of the load run with pods that come and go.
type group struct {
	svc   string
	addrs []string
	n     int
}

func loadRun(e *env) {
	e.begin(true)
	var gs []*group
	var targets []client.Target
	for _, s := range []string{"a", "b", "c", "d"} {
		x := &group{svc: s}
		x.addrs = e.app(s, 3)
		x.n = 3
		gs = append(gs, x)
		for i := 0; i < 5; i++ {
			host := fmt.Sprintf("%s%d.test", s, i)
			e.ingress(s+fmt.Sprint(i), host, "/", s)
			targets = append(targets, client.Target{Host: host,
				Path: fmt.Sprintf("/p%d", i), Service: s})
		}
	}
	e.ingress("a", "a.test", "/", "a")
	g := e.start(options{zone: "16m"})
	for _, t := range targets {
		g.serves(t.Host, t.Path, t.Service)
	}
	yard := e.static(g, gs[0].addrs)
	l := client.Start(client.Config{Addr: fmt.Sprintf("127.0.0.1:%d", g.spread),
		Targets: targets, Conns: 12, Sockets: 8, Pause: 2 * time.Millisecond,
		Posts: 20 * time.Millisecond, Upload: true, LongPoll: true})
	ports, pids := map[int]bool{}, map[int]bool{}
	rng := rand.New(rand.NewSource(3))
	mark := func(what string, begin time.Time) {
		r := l.Snapshot()
		e.note("%-28s %6.1f s: %d requests, %d failed, %d foreign, %d retries",
			what, time.Since(begin).Seconds(), r.Requests, r.Failed, r.Foreign,
			r.Retries)
	}
	keepSockets := 1 // the pods of long connections stay: others come and go
	endpoints := func(n int) {
		var ending sync.WaitGroup
		defer ending.Wait()
		for i := 0; i < n; i++ {
			x := gs[i%len(gs)]
			if i%20 == 3 { // a pod is replaced: the old one drains and ends
				name := fmt.Sprintf("%s-%d", x.svc, x.n)
				x.n++
				x.addrs = append(x.addrs, e.pod(x.svc, name, pods.Options{}))
			}
			l := append([]string{}, x.addrs...)
			rng.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] })
			l = l[:1+rng.Intn(len(l))]
			e.slice(x.svc, l...)
			if i%4 == 3 {
				time.Sleep(3 * time.Millisecond)
			}
			if len(x.addrs) > 6 {
				// out of the slice, out of the table, then gone: streams
				// of other kinds do not tell how far this one is
				gone := x.addrs[3+keepSockets-1]
				x.addrs = append(append([]string{}, x.addrs[:3]...),
					x.addrs[4:]...)
				e.slice(x.svc, x.addrs...)
				// all others and not this one: an older state, which a
				// stream that lags still has to tell, may lack it too
				e.await("an endpoint to leave", time.Minute, func() bool {
					b := g.adminGet("/status").body
					has := func(a string) bool {
						return strings.Contains(b, `"address":"`+a+`",`)
					}
					for _, a := range x.addrs {
						if !has(a) {
							return false
						}
					}
					return !has(gone)
				})
				// as by preStop: a request that was on its way has its time
				for _, p := range e.podsAt(gone) {
					ending.Go(func() {
						time.Sleep(100 * time.Millisecond)
						e.pods.Stop(p, true)
					})
				}
			}
		}
	}
	ingresses := func(n int) {
		for i := 0; i < n; i++ {
			x := gs[i%len(gs)]
			k := i % 5
			o := api.Ingress("default", x.svc+fmt.Sprint(k),
				fmt.Sprintf("%s%d.test", x.svc, k),
				api.Path{Path: "/", Type: "Prefix", Service: x.svc, Port: 80},
				api.Path{Path: fmt.Sprintf("/other%d", i), Type: "Prefix",
					Service: gs[(i+1)%len(gs)].svc, Port: 80})
			e.api.Put("ingresses", o)
			e.ingress(fmt.Sprintf("n%d", i%40), fmt.Sprintf("n%d.test", i), "/",
				x.svc)
			time.Sleep(3 * time.Millisecond)
		}
	}

	begin := time.Now()
	endpoints(1000)
	mark("1,000 endpoint changes", begin)
	e.check(l.Snapshot().Failed == 0, "%+v", l.Snapshot().Failures)

	begin = time.Now()
	ingresses(200)
	mark("200 Ingress changes", begin)

	begin = time.Now()
	old := g.Workers()
	g.reload()
	e.await("requests by the new workers", 10*time.Second, func() bool {
		r := l.Snapshot()
		n := 0
		for _, p := range g.Workers() {
			if r.ByPID[p] > 0 {
				n++
			}
		}
		return n > 0
	})
	endpoints(40)
	mark("reload", begin)
	e.check(len(old) > 0, "no workers")

	begin = time.Now()
	e.watched()
	was := g.Workers()
	w := g.watcher()
	pids[w] = true
	for p := range g.strike(w, syscall.SIGKILL) {
		ports[p] = true
	}
	g.respawned(was)
	endpoints(40)
	e.change(g, "killed")
	mark("kill -9 of the watcher", begin)

	begin = time.Now()
	e.watched()
	e.api.Down()
	d := 5 * time.Second
	if *long {
		d = time.Minute
	}
	time.Sleep(d)
	e.must(e.api.Up())
	e.change(g, "back")
	mark("API server gone", begin)
	for i, x := range l.Snapshot().Failures {
		if i < 12 {
			e.note("failure: %+v", x)
		}
	}

	begin = time.Now()
	f := e.api.Inject(api.Fault{CutRandom: 6000, Seed: 5})
	e.api.EndWatches("")
	for time.Since(begin) < 5*time.Second ||
		f.Fired() < 3 && time.Since(begin) < time.Minute {
		endpoints(8)
		ingresses(4)
	}
	e.check(f.Fired() > 2, "cut %d times", f.Fired())
	e.api.Clear(nil)
	e.change(g, "cut")
	mark(fmt.Sprintf("streams cut %d times", f.Fired()), begin)

	r := l.Stop(e.pods.Release)
	e.attributed(r, ports, pids)
	e.check(len(ports) > 0, "the killed worker had no connection")
	e.check(r.Messages > 0 && r.Polled && r.Uploaded > 0,
		"sockets %d, poll %v, upload %d", r.Messages, r.Polled, r.Uploaded)
	e.note("retries at a reload of a static nginx: %s", yard)
	e.equal(g)
}

// podsAt are the names of the pods at an address.
func (e *env) podsAt(addr string) []string {
	var l []string
	for _, p := range e.pods.List() {
		if strings.HasPrefix(p.Addr, addr+":") {
			l = append(l, p.Name)
		}
	}
	return l
}

// static runs the same load over a reload of an nginx without the module.
func (e *env) static(like *nginx, addrs []string) string {
	dir := filepath.Join(e.dir, "static")
	p := freePorts(1)[0]
	up := ""
	for _, a := range addrs {
		up += "server " + a + ":8080; "
	}
	conf := fmt.Sprintf(`user root; worker_processes 2; daemon off; pid %[1]s/pid;
error_log %[1]s/error.log; worker_shutdown_timeout 240s;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 10000000;
    client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p;
    fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
    upstream u { %[2]s keepalive 100; }
    map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
    server { listen 127.0.0.1:%[3]d; add_header X-Worker-Pid $pid always;
        location / { proxy_pass http://u; proxy_http_version 1.1;
            proxy_request_buffering off; proxy_buffering off;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade; } } }
`, dir, up, p)
	n, err := process.Start(process.Config{Binary: *binary, Dir: dir, Conf: conf})
	e.must(err)
	g := &nginx{Process: n, e: e, port: p, spread: p}
	e.all = append(e.all, g)
	g.serves("x.test", "/", "a")
	l := client.Start(client.Config{Addr: fmt.Sprintf("127.0.0.1:%d", p),
		Targets: []client.Target{{Host: "x.test", Path: "/", Service: "a"}},
		Conns:   12, Sockets: 8, Pause: 2 * time.Millisecond})
	more := func(n int) {
		was := l.Snapshot().Requests
		e.await("requests", 10*time.Second, func() bool {
			return int(l.Snapshot().Requests-was) >= n
		})
	}
	more(1000)
	g.reload()
	more(2000)
	r := l.Stop(nil)
	return fmt.Sprintf("%d retries, %d failed of %d requests", r.Retries,
		r.Failed, r.Requests)
}

// soak: endpoint changes while one upload and one long poll last.
func soak(e *env) {
	n := 5000
	if *long {
		n = 100000
	}
	e.begin(false)
	a := e.app("a", 2)
	e.app("b", 1)
	e.ingress("a", "a.test", "/", "a")
	e.ingress("b", "b.test", "/", "b")
	for i := 0; i < 3; i++ {
		a = append(a, e.pod("a", fmt.Sprintf("a-more%d", i), pods.Options{}))
	}
	g := e.start(options{})
	g.serves("a.test", "/", "a")
	g.serves("b.test", "/", "b")
	l := client.Start(client.Config{Addr: fmt.Sprintf("127.0.0.1:%d", g.port),
		Targets: []client.Target{{Host: "a.test", Path: "/", Service: "a"}},
		Conns:   1, Pause: 2 * time.Millisecond, Upload: true, LongPoll: true})
	var used []float64
	begin := time.Now()
	for i := 0; i < n; i++ {
		k := i % len(a)
		e.slice("a", append(append([]string{}, a[k:]...), a[:k]...)[:1+i%3]...)
		if i%50 == 49 {
			time.Sleep(2 * time.Millisecond)
		}
		if i%(n/5) == n/5-1 {
			e.slice("a", a[:3]...)
			e.change(g, fmt.Sprintf("s%d", len(used)))
			_, _ = e.api.Delete("ingresses", "default", fmt.Sprintf("s%d", len(used)))
			g.becomes(fmt.Sprintf("s%d.test", len(used)), "/", 404, "")
			e.await("all reclaimed", 5*time.Second, func() bool {
				return g.metricMatch(`table_bytes\{.*state="unreclaimed"`) == 0
			})
			used = append(used, g.metricMatch(`table_bytes\{.*state="used"`))
		}
	}
	e.note("%d endpoint changes in %.1f s; bytes in use: %v", n,
		time.Since(begin).Seconds(), used)
	e.check(used[0] > 0, "no such metric")
	for _, u := range used {
		e.check(u <= used[0]+4096, "bytes in use grow: %v", used)
	}
	r := e.quiet(l)
	e.check(r.Polled && r.Uploaded > 0, "poll %v, upload %d", r.Polled, r.Uploaded)
}
