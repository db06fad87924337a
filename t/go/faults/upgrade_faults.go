package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"ngx_k8s_test/internal/api"
	"ngx_k8s_test/internal/client"
)

func (g *nginx) signal(s syscall.Signal) {
	g.e.must(g.Signal(s))
}

// upgrade starts a new master from the old one, by SIGUSR2, and waits for its
// workers.  The new one has the same folder, log and ports.
func (g *nginx) upgrade() *nginx {
	e := g.e
	p, err := g.Upgrade()
	e.must(err)
	n := *g
	n.Process = p
	e.all = append(e.all, &n)
	e.await("new workers", 10*time.Second, func() bool {
		return len(n.Workers()) == len(g.Workers())
	})
	return &n
}

// ended waits for the end of a master that was told to.
func (g *nginx) ended(what string) {
	err := g.Ends(20 * time.Second)
	g.e.check(err == nil, "%s: %v", what, err)
}

// knocker asks over new connections, of both kinds of sockets, all the time.
type knocker struct {
	mu   sync.Mutex
	pids map[int]int
	bad  []string
	n    int
	stop chan struct{}
	wg   sync.WaitGroup
}

func (g *nginx) knock() *knocker {
	k := &knocker{pids: map[int]int{}, stop: make(chan struct{})}
	for i := 0; i < 4; i++ {
		port := []int{g.port, g.spread}[i%2]
		k.wg.Add(1)
		go func() {
			defer k.wg.Done()
			for {
				select {
				case <-k.stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
				a := fetch(port, "GET", "a.test", "/", "")
				k.mu.Lock()
				k.n++
				k.pids[a.pid]++
				if a.status != 200 || a.svc != "a" {
					k.bad = append(k.bad, fmt.Sprintf("%v of %d", a, a.pid))
				}
				k.mu.Unlock()
			}
		}()
	}
	return k
}

// by is how many answers these workers have given so far, and all.
func (k *knocker) by(pids []int) (int, int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := 0
	for _, p := range pids {
		n += k.pids[p]
	}
	return n, k.n
}

func (k *knocker) end(e *env) {
	close(k.stop)
	k.wg.Wait()
	if len(k.bad) > 0 {
		e.fatal("%d of %d new connections: %.400s", len(k.bad), k.n,
			strings.Join(k.bad, "; "))
	}
	e.note("%d new connections, 0 failed", k.n)
}

// more waits for as many answers again.
func (k *knocker) more(e *env, n int) {
	_, was := k.by(nil)
	e.await(fmt.Sprintf("%d answers", n), 15*time.Second, func() bool {
		_, now := k.by(nil)
		return now-was >= n
	})
}

// storm changes Ingresses all the time, until what it returns is called.
func (e *env) storm() func() {
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			e.ingress(fmt.Sprintf("s%d", i%30), fmt.Sprintf("s%d.test", i%97),
				"/", "b")
		}
	}()
	return func() {
		close(stop)
		<-ended
	}
}

const heldBack = "connections are left to the workers of process"

// takesOver upgrades while each list takes a while, and shows that until then
// no connection goes to the new workers.
func (e *env) takesOver(g *nginx, k *knocker) *nginx {
	f := e.api.Inject(api.Fault{DelayMS: 1000})
	was := g.Logged(heldBack)
	n := g.upgrade()
	e.await("the new workers wait", 5*time.Second, func() bool {
		return g.Logged(heldBack)-was == len(n.Workers())
	})
	k.more(e, 100)
	by, _ := k.by(n.Workers())
	e.check(by == 0, "%d answers of new workers without a table", by)
	e.check(g.Logged(": ready\n") == 1, "it is ready already")
	e.await("the new workers answer", 15*time.Second, func() bool {
		by, _ := k.by(n.Workers())
		return by > 0
	})
	e.check(f.Fired() > 3, "%d answers were late", f.Fired())
	e.api.Clear(nil)
	return n
}

func upgradeRun(o options) func(e *env) {
	return func(e *env) {
		g := e.basic(false, o)
		k := g.knock()
		l := e.loadAll(g, client.Target{Host: "a.test", Path: "/", Service: "a"},
			client.Target{Host: "b.test", Path: "/", Service: "b"})
		e.await("sockets", 5*time.Second, func() bool {
			return l.Snapshot().Messages > 8
		})
		calm := e.storm()
		old := g.Workers()
		n := e.takesOver(g, k)
		g.signal(syscall.SIGWINCH)
		e.await("the old workers take no more", 10*time.Second, func() bool {
			return len(g.Workers()) == 0
		})
		e.check(len(g.Children()) > 0, "no WebSocket is left at the old ones")
		before, _ := k.by(old)
		k.more(e, 100)
		after, _ := k.by(old)
		e.check(after-before < 10, "%d answers of workers that leave",
			after-before)
		g.signal(syscall.SIGQUIT)
		e.await("one pid file", 10*time.Second, func() bool {
			return n.PidFile("") == n.Pid
		})
		m := l.Snapshot().Messages
		e.await("messages over old sockets", 5*time.Second, func() bool {
			return l.Snapshot().Messages > m+20
		})
		e.change(n, "after")
		calm()
		k.end(e)
		e.quiet(l)
		g.ended("the old master")
		e.check(n.PidFile(".oldbin") == 0, "pid.oldbin is left")
		e.check(n.PidFile("") == n.Pid, "pid file: %d", n.PidFile(""))
		n.reload()
		e.change(n, "reloaded")
		e.equal(n)
	}
}

// newSocket shows that one which the old instance does not have is served at
// once, while connections to all others are left to the old workers.
func newSocket(events string) func(e *env) {
	return func(e *env) {
		g := e.basic(false, options{daemon: true, events: events})
		k := g.knock()
		e.api.Down()
		port := freePorts(1)[0]
		e.must(os.WriteFile(g.Dir+"/nginx.conf", []byte(strings.Replace(g.conf,
			"k8s_ingress {", fmt.Sprintf("server { listen 127.0.0.1:%d; "+
				"add_header X-Worker-Pid $pid; return 200; } k8s_ingress {",
				port), 1)), 0644))
		n := g.upgrade()
		e.await("the new workers wait", 5*time.Second, func() bool {
			return g.Logged(heldBack) == 2
		})
		a := fetch(port, "GET", "any.test", "/", "")
		e.check(a.status == 200, "new socket: %v", a)
		k.more(e, 100)
		by, _ := k.by(n.Workers())
		e.check(by == 0, "%d answers of workers without a table", by)
		e.must(e.api.Up())
		e.await("the new workers answer", 20*time.Second, func() bool {
			by, _ := k.by(n.Workers())
			return by > 0
		})
		g.signal(syscall.SIGQUIT)
		g.ended("the old master")
		k.end(e)
		for i := 0; i < 20; i++ {
			a := fetch(port, "GET", "any.test", "/", "")
			e.check(a.status == 200, "new socket: %v", a)
		}
	}
}

func init() {
	add("upgrade: a new socket", newSocket(""))
	add("upgrade: a new socket with accept_mutex",
		newSocket("accept_mutex on; accept_mutex_delay 20ms;"))

	add("upgrade: the module comes with a reload", func(e *env) {
		g := e.basic(false, options{daemon: true})
		file := g.Dir + "/nginx.conf"
		e.must(os.WriteFile(file, []byte(fmt.Sprintf(`worker_processes 2;
pid %[1]s/pid;
error_log %[1]s/error.log info;
events {}
http {
    access_log off;
    server {
        listen 127.0.0.1:%[2]d;
        listen 127.0.0.1:%[3]d reuseport;
        listen 127.0.0.1:%[4]d;
        listen 127.0.0.1:%[5]d;
        return 204;
    }
}
`, g.Dir, g.port, g.spread, g.tls, g.admin)), 0644))
		n := g.upgrade()
		g.signal(syscall.SIGWINCH)
		e.await("the old workers take no more", 10*time.Second, func() bool {
			return len(g.Workers()) == 0
		})
		e.check(n.get("a.test", "/").status == 204, "the module is there")
		e.must(os.WriteFile(file, []byte(g.conf), 0644))
		n.reload()
		n.serves("a.test", "/", "a")
		e.check(n.Logged(heldBack) == 0, "connections are left to nobody")
		g.signal(syscall.SIGQUIT)
		g.ended("the old master")
		e.change(n, "after")
	})

	addAlone("upgrade: USR2, WINCH and QUIT of the old, under load",
		upgradeRun(options{daemon: true}))
	addAlone("upgrade: the same with accept_mutex",
		upgradeRun(options{daemon: true,
			events: "accept_mutex on; accept_mutex_delay 20ms;"}))

	addAlone("upgrade: the old quits before the new has a table", func(e *env) {
		g := e.basic(false, options{daemon: true})
		k := g.knock()
		f := e.api.Inject(api.Fault{DelayMS: 700})
		n := g.upgrade()
		g.signal(syscall.SIGQUIT)
		g.ended("the old master")
		e.check(n.Logged(": ready\n") == 1, "the new is ready already")
		e.await("the new workers answer", 15*time.Second, func() bool {
			by, _ := k.by(n.Workers())
			return by > 100
		})
		k.end(e)
		e.check(f.Fired() > 3, "%d answers were late", f.Fired())
		e.api.Clear(nil)
		e.change(n, "after")
		e.equal(n)
	})

	addAlone("upgrade: rolled back, under load", func(e *env) {
		g := e.basic(false, options{daemon: true})
		k := g.knock()
		l := e.loadAll(g, client.Target{Host: "a.test", Path: "/", Service: "a"},
			client.Target{Host: "b.test", Path: "/", Service: "b"})
		n := e.takesOver(g, k)
		g.signal(syscall.SIGWINCH)
		e.await("the old workers take no more", 10*time.Second, func() bool {
			return len(g.Workers()) == 0
		})
		// what changes while the old instance has no watcher
		e.change(n, "meanwhile")
		g.signal(syscall.SIGHUP)
		e.await("old workers again", 10*time.Second, func() bool {
			return len(g.Workers()) == 2
		})
		// which one answers is not known before the new one is gone
		n.signal(syscall.SIGQUIT)
		e.await("the new workers take no more", 10*time.Second, func() bool {
			return len(n.Workers()) == 0
		})
		g.serves("meanwhile.test", "/", "a")
		e.change(g, "back")
		k.more(e, 100)
		k.end(e)
		e.quiet(l)
		n.ended("the new master")
		e.await("the pid file is the old one's", 5*time.Second, func() bool {
			return g.PidFile("") == g.Pid && g.PidFile(".oldbin") == 0
		})
		e.equal(g)
	})

	addAlone("upgrade: API server down", func(e *env) {
		g := e.basic(false, options{daemon: true})
		k := g.knock()
		l := e.loadAll(g, client.Target{Host: "a.test", Path: "/", Service: "a"},
			client.Target{Host: "b.test", Path: "/", Service: "b"})
		e.api.Down()
		n := g.upgrade()
		e.await("the new workers have tried", 10*time.Second, func() bool {
			tried := 0
			for _, p := range n.Workers() {
				tried += g.Logged(fmt.Sprintf("#%d: API server", p))
			}
			return g.Logged(heldBack) == 2 && tried > 0
		})
		// nor after a reload of the new one
		n.reload()
		e.await("and wait", 5*time.Second, func() bool {
			return g.Logged(heldBack) == 4
		})
		k.more(e, 300)
		by, _ := k.by(n.Workers())
		e.check(by == 0, "%d answers of new workers without a table", by)
		// given up
		n.signal(syscall.SIGQUIT)
		n.ended("the new master")
		k.more(e, 100)
		// and tried again; it takes over when the API server is back
		n = g.upgrade()
		k.more(e, 100)
		by, _ = k.by(n.Workers())
		e.check(by == 0, "%d answers of new workers without a table", by)
		e.must(e.api.Up())
		e.await("the new workers answer", 20*time.Second, func() bool {
			by, _ := k.by(n.Workers())
			return by > 0
		})
		g.signal(syscall.SIGQUIT)
		e.change(n, "after")
		k.end(e)
		e.quiet(l)
		g.ended("the old master")
		e.equal(n)
	})

	addAlone("upgrade: API server down, with a snapshot", func(e *env) {
		file, directive := e.snapshot("snap")
		g := e.basic(false, options{daemon: true, block: directive})
		e.change(g, "last")
		g.written(file)
		e.await("with the last route", 10*time.Second, func() bool {
			b, _ := os.ReadFile(file)
			return strings.Contains(string(b), "last.test")
		})
		k := g.knock()
		l := e.loadAll(g, client.Target{Host: "a.test", Path: "/", Service: "a"},
			client.Target{Host: "b.test", Path: "/", Service: "b"})
		e.api.Down()
		n := g.upgrade()
		e.await("the new workers answer", 10*time.Second, func() bool {
			by, _ := k.by(n.Workers())
			return by > 0
		})
		g.signal(syscall.SIGQUIT)
		e.await("one pid file", 10*time.Second, func() bool {
			return n.PidFile("") == n.Pid
		})
		k.more(e, 100)
		n.still("last.test", "/", "a")
		a := n.adminGet("/readyz")
		e.check(a.status == 200 && strings.Contains(a.body, "stale"),
			"/readyz %d: %s", a.status, a.body)
		e.must(e.api.Up())
		e.change(n, "after")
		k.end(e)
		e.quiet(l)
		g.ended("the old master")
		e.equal(n)
	})

	add("upgrade: alone without a table", func(e *env) {
		g := e.basic(false, options{daemon: true})
		e.api.Down()
		n := g.upgrade()
		e.await("the new workers wait", 5*time.Second, func() bool {
			return g.Logged(heldBack) == 2
		})
		g.signal(syscall.SIGQUIT)
		g.ended("the old master")
		// the kernel has the connection until it is taken
		a := make(chan answer, 1)
		go func() {
			var x answer
			for i := 0; i < 4; i++ { // 20 seconds each
				x = fetch(n.port, "GET", "a.test", "/", "")
				if x.err == nil {
					break
				}
			}
			a <- x
		}()
		e.await("accepting without a table", 40*time.Second, func() bool {
			return n.Logged("accepting connections without a route table") == 2
		})
		x := <-a
		e.check(x.status == 503, "not 503 but %v", x)
		e.must(e.api.Up())
		n.serves("a.test", "/", "a")
	})
}
