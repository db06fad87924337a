package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ngx_k8s_test/internal/api"
	"ngx_k8s_test/internal/client"
	"ngx_k8s_test/internal/pods"
)

// strike stops a worker, notes the client ports of its connections, and ends it.
func (g *nginx) strike(pid int, sig syscall.Signal) map[int]bool {
	g.e.must(syscall.Kill(pid, syscall.SIGSTOP))
	ports := g.clients(pid)
	g.e.must(g.Kill(pid, sig))
	if sig != syscall.SIGKILL {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	return ports
}

// clients are the remote ports of a process' connections.
func (g *nginx) clients(pid int) map[int]bool {
	inode := map[string]bool{}
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	l, _ := os.ReadDir(dir)
	for _, f := range l {
		to, err := os.Readlink(filepath.Join(dir, f.Name()))
		if err == nil && strings.HasPrefix(to, "socket:[") {
			inode[strings.Trim(to, "socket:[]")] = true
		}
	}
	ports := map[int]bool{}
	b, _ := os.ReadFile("/proc/net/tcp")
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) > 9 && inode[f[9]] {
			var port int
			if i := strings.IndexByte(f[2], ':'); i > 0 {
				_, _ = fmt.Sscanf(f[2][i+1:], "%X", &port)
			}
			ports[port] = true
		}
	}
	return ports
}

// attributed checks that all failures are of connections of killed workers.
func (e *env) attributed(r client.Result, ports map[int]bool,
	pids map[int]bool) {
	bad := 0
	for _, f := range r.Failures {
		if !ports[f.Port] && !pids[f.PID] {
			if bad++; bad < 5 {
				e.note("not attributed: %+v", f)
			}
		}
	}
	e.note("%d requests, %d posts, %d messages, %d retries, %d failed on "+
		"connections of killed workers", r.Requests, r.Posts, r.Messages,
		r.Retries, r.Failed)
	e.check(r.Foreign == 0, "%d foreign answers", r.Foreign)
	e.check(bad == 0, "%d failures that no killed worker explains", bad)
	e.check(r.Failed <= 100, "%d failures", r.Failed)
}

func (g *nginx) respawned(was []int) {
	g.e.await("a new worker", 10*time.Second, func() bool {
		return len(g.Workers()) == len(was)
	})
}

func init() {
	add("T-B1 kill -9 of the watcher's worker", func(e *env) {
		g := e.basic(false, options{})
		l := e.loadAll(g, client.Target{Host: "a.test", Path: "/", Service: "a"},
			client.Target{Host: "b.test", Path: "/", Service: "b"})
		ports, pids := map[int]bool{}, map[int]bool{}
		for i := 0; i < 4; i++ {
			e.watched()
			e.change(g, fmt.Sprintf("before%d", i))
			was := g.Workers()
			w := g.watcher()
			pids[w] = true
			begin := time.Now()
			for p := range g.strike(w, syscall.SIGKILL) {
				ports[p] = true
			}
			e.await("it is dead", 5*time.Second, func() bool {
				for _, p := range g.Workers() {
					if p == w {
						return false
					}
				}
				return true
			})
			e.ingress(fmt.Sprintf("k%d", i), fmt.Sprintf("k%d.test", i), "/", "b")
			g.serves(fmt.Sprintf("k%d.test", i), "/", "b")
			e.note("a change after the kill is live in %.2f s",
				time.Since(begin).Seconds())
			g.respawned(was)
			e.check(g.adminGet("/readyz").status == 200, "not ready any more")
		}
		r := l.Stop(nil)
		e.attributed(r, ports, pids)
		e.check(r.Retries+r.Failed > 0, "no connection was lost")
		e.equal(g)
	})

	add("T-B2 SIGSEGV of the watcher while it publishes", func(e *env) {
		g := e.basic(false, options{})
		l := e.loadAll(g, client.Target{Host: "a.test", Path: "/", Service: "a"},
			client.Target{Host: "b.test", Path: "/", Service: "b"})
		ports, pids := map[int]bool{}, map[int]bool{}
		stop := make(chan struct{})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				e.ingress(fmt.Sprintf("s%d", i%30), fmt.Sprintf("s%d.test", i%97),
					"/", "b")
				if i%10 == 9 {
					time.Sleep(time.Millisecond)
				}
			}
		}()
		for i := 0; i < 6; i++ {
			e.watched()
			time.Sleep(time.Duration(50+37*i) * time.Millisecond)
			was := g.Workers()
			w := g.watcher()
			pids[w] = true
			sig := syscall.SIGSEGV
			if i%2 == 1 {
				sig = syscall.SIGKILL
			}
			for p := range g.strike(w, sig) {
				ports[p] = true
			}
			e.await("it is dead", 10*time.Second, func() bool {
				for _, p := range g.Workers() {
					if p == w {
						return false
					}
				}
				return true
			})
			g.respawned(was)
		}
		close(stop)
		<-ended
		e.watched()
		e.change(g, "end")
		r := l.Stop(nil)
		e.attributed(r, ports, pids)
		e.check(r.Retries+r.Failed > 0, "no connection was lost")
		e.equal(g)
	})

	add("T-B3 reload during a storm of updates", func(e *env) {
		g := e.basic(false, options{})
		l := client.Start(client.Config{Conns: 4, Sockets: 2, Upload: true,
			LongPoll: true, Pause: time.Millisecond,
			Addr: fmt.Sprintf("127.0.0.1:%d", g.port), Targets: []client.Target{
				{Host: "a.test", Path: "/", Service: "a"},
				{Host: "b.test", Path: "/", Service: "b"}}})
		calm := e.storm()
		version := 0.0
		for i := 0; i < 3; i++ {
			g.reload()
			v := g.metricMatch(`table_version`)
			e.check(v >= version, "the table's version stepped back")
			version = v
			e.check(g.adminGet("/readyz").status == 200, "not ready any more")
			e.ingress(fmt.Sprintf("r%d", i), fmt.Sprintf("r%d.test", i), "/", "a")
			g.serves(fmt.Sprintf("r%d.test", i), "/", "a")
			for j := 0; j <= i; j++ {
				g.still(fmt.Sprintf("r%d.test", j), "/", "a")
			}
		}
		calm()
		e.change(g, "end")
		e.quiet(l)
		e.equal(g)
	})

	add("T-B3 the size of the zone changes under load", func(e *env) {
		g := e.basic(false, options{zone: "4m"})
		k := g.knock()
		l := e.loadAll(g, client.Target{Host: "a.test", Path: "/", Service: "a"},
			client.Target{Host: "b.test", Path: "/", Service: "b"})
		calm := e.storm()
		version, counted := 0.0, 0.0
		for i, size := range []string{"16m", "4m", "64m", "5m"} {
			k.more(e, 50)
			e.must(os.WriteFile(filepath.Join(g.Dir, "nginx.conf"), []byte(
				strings.Replace(g.conf, "zone 4m;", "zone "+size+";", 1)), 0644))
			total := g.metricMatch(`table_bytes\{`)
			g.reload()
			e.check(g.Logged("its routes are copied") == i+1, "nothing was copied")
			e.check(g.metricMatch(`table_bytes\{`) != total, "the same size")
			v := g.metricMatch(`table_version`)
			e.check(v > version, "the table's version stepped back")
			n := g.metricMatch(`controller_requests\{.*host="a.test"`)
			e.check(n > counted, "counted %v requests, %v before", n, counted)
			version, counted = v, n
			e.check(g.adminGet("/readyz").status == 200, "not ready any more")
			e.change(g, fmt.Sprintf("z%d", i))
		}
		e.check(g.Logged(": ready\n") == 1, "it was not ready all the time")
		calm()
		e.change(g, "end")
		k.end(e)
		e.quiet(l)
		e.equal(g)
	})

	add("T-B4 the zone is full", func(e *env) {
		e.begin(false)
		a := e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		g := e.start(options{zone: "1m"})
		g.serves("a.test", "/", "a")
		e.watched()
		n := 0
		for ; n < 20000 && !g.problem("TableFull"); n += 100 {
			for i := n; i < n+100; i++ {
				o := api.Ingress("default", fmt.Sprintf("full%05d", i),
					fmt.Sprintf("full%05d.test", i), api.Path{
						Path: "/" + strings.Repeat("x", 100), Type: "Prefix",
						Service: "a", Port: 80})
				e.api.Put("ingresses", at(o, fmt.Sprintf(
					"2024-01-01T%02d:%02d:%02dZ", i/3600, i/60%60, i%60)))
			}
			e.await("read", 10*time.Second, func() bool {
				return g.metricMatch(`k8s_objects\{.*kind="ingresses"`) >= float64(n+101)
			})
		}
		e.check(g.problem("TableFull"), "never full with %d Ingresses", n)
		e.note("full with about %d Ingresses in 1 MB", n)
		g.still("full00000.test", "/"+strings.Repeat("x", 100), "a")
		// what is served goes on: a rolling update, under load
		l := e.load(g, client.Target{Host: "a.test", Path: "/", Service: "a"})
		for i := 0; i < 100; i++ {
			name := fmt.Sprintf("a-roll%d", i)
			b := e.pod("a", name, pods.Options{})
			e.slice("a", a[0], b)
			e.slice("a", b)
			e.await("the new pod", 10*time.Second, func() bool {
				return g.get("a.test", "/").pod == name
			})
			a[0] = b
		}
		e.quiet(l)
		// another namespace's new Ingress is a problem, a removal makes room
		e.api.Put("namespaces", api.Namespace("other"))
		big := api.Ingress("other", "new", "new.test", api.Path{
			Path: "/" + strings.Repeat("y", 2000), Type: "Prefix", Service: "a",
			Port: 80})
		e.api.Put("ingresses", big)
		e.await("a problem of the new one", 10*time.Second, func() bool {
			return strings.Contains(g.adminGet("/status?namespace=other").body,
				"TableFull")
		})
		for i := 0; i < n; i++ {
			_, _ = e.api.Delete("ingresses", "default", fmt.Sprintf("full%05d", i))
		}
		e.await("no TableFull", 15*time.Second, func() bool {
			return !g.problem("TableFull")
		})
		e.change(g, "end")
		e.equal(g)
	})

	add("T-B5 old workers with WebSockets through generations", func(e *env) {
		g := e.basic(false, options{})
		l := client.Start(client.Config{Sockets: 4, Conns: 1,
			Pause: time.Millisecond,
			Addr:  fmt.Sprintf("127.0.0.1:%d", g.port), Targets: []client.Target{
				{Host: "a.test", Path: "/", Service: "a"}}})
		e.await("sockets", 5*time.Second, func() bool {
			return l.Snapshot().Messages > 4
		})
		used := 0.0
		for i := 0; i < 4; i++ {
			if i < 3 {
				g.reload()
				e.watched()
			}
			for j := 0; j < 300; j++ {
				e.slice("b", e.address())
			}
			e.change(g, "gen")
			_, _ = e.api.Delete("ingresses", "default", "gen")
			g.becomes("gen.test", "/", 404, "")
			e.await("all reclaimed", 5*time.Second, func() bool {
				return g.metricMatch(`table_bytes\{.*state="unreclaimed"`) == 0
			})
			u := g.metricMatch(`table_bytes\{.*state="used"`)
			if used == 0 {
				used = u
			}
			e.check(u < used+20000, "%v bytes used, %v before", u, used)
		}
		e.check(len(g.Children()) > 2, "old workers have left")
		e.quiet(l)
	})

	add("T-B9 read-only root", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		g := e.start(options{wrap: []string{"unshare", "-m", "sh", "-c",
			`mount -o remount,bind,ro / && ! touch /x 2>/dev/null && exec "$@"`,
			"sh"}})
		g.serves("a.test", "/", "a")
		e.watched()
		e.change(g, "c")
		a := fetch(g.port, "POST", "a.test", "/", strings.Repeat("b", 500000))
		e.check(a.status == 200, "POST: %v", a)
	})
}
