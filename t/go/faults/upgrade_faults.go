package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"ngx_k8s_test/internal/api"
	"ngx_k8s_test/internal/client"
)

// pidFile is what a pid file of nginx says, 0 without one.
func (g *nginx) pidFile(suffix string) int {
	b, _ := os.ReadFile(g.dir + "/pid" + suffix)
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

func (g *nginx) signal(s syscall.Signal) {
	g.e.must(syscall.Kill(g.master, s))
}

// count counts a text in nginx's log.
func (g *nginx) count(text string) int {
	c, _ := os.ReadFile(g.dir + "/error.log")
	return strings.Count(string(c), text)
}

// upgrade starts a new master from the old one, by SIGUSR2, and waits for its
// workers.  The new one has the same folder, log and ports.
func (g *nginx) upgrade() *nginx {
	e := g.e
	e.check(g.pidFile("") == g.master, "pid file: %d", g.pidFile(""))
	g.signal(syscall.SIGUSR2)
	e.await("a new master", 10*time.Second, func() bool {
		n := g.pidFile("")
		return g.pidFile(".oldbin") == g.master && n != 0 && n != g.master
	})
	n := &nginx{e: e, dir: g.dir, cmd: &exec.Cmd{}, master: g.pidFile(""),
		port: g.port, spread: g.spread, tls: g.tls, admin: g.admin,
		conf: g.conf, dead: make(chan struct{})}
	e.all = append(e.all, n)
	go n.reap()
	e.await("new workers", 10*time.Second, func() bool {
		return len(n.workers()) == len(g.workers())
	})
	return n
}

// reap waits for the end of a master that another one has started: it is a
// child of this process when its parent has ended.
func (g *nginx) reap() {
	for {
		var s syscall.WaitStatus
		n, _ := syscall.Wait4(g.master, &s, syscall.WNOHANG, nil)
		if n == g.master || syscall.Kill(g.master, 0) == syscall.ESRCH {
			close(g.dead)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (g *nginx) ended(what string) {
	g.e.await(what+" ends", 20*time.Second, func() bool {
		select {
		case <-g.dead:
			return true
		default:
			return false
		}
	})
}

// adopt makes orphans of nginx children of this process.
func (e *env) adopt() {
	const subreaper = 36
	_, _, err := syscall.RawSyscall(syscall.SYS_PRCTL, subreaper, 1, 0)
	e.check(err == 0, "prctl: %v", err)
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
	was := g.count(heldBack)
	n := g.upgrade()
	e.await("the new workers wait", 5*time.Second, func() bool {
		return g.count(heldBack)-was == len(n.workers())
	})
	k.more(e, 100)
	by, _ := k.by(n.workers())
	e.check(by == 0, "%d answers of new workers without a table", by)
	e.check(g.count(": ready\n") == 1, "it is ready already")
	e.await("the new workers answer", 15*time.Second, func() bool {
		by, _ := k.by(n.workers())
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
		old := g.workers()
		n := e.takesOver(g, k)
		g.signal(syscall.SIGWINCH)
		e.await("the old workers take no more", 10*time.Second, func() bool {
			return len(g.workers()) == 0
		})
		e.check(len(g.children()) > 0, "no WebSocket is left at the old ones")
		before, _ := k.by(old)
		k.more(e, 100)
		after, _ := k.by(old)
		e.check(after-before < 10, "%d answers of workers that leave",
			after-before)
		g.signal(syscall.SIGQUIT)
		e.await("one pid file", 10*time.Second, func() bool {
			return n.pidFile("") == n.master
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
		e.check(n.pidFile(".oldbin") == 0, "pid.oldbin is left")
		e.check(n.pidFile("") == n.master, "pid file: %d", n.pidFile(""))
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
		e.must(os.WriteFile(g.dir+"/nginx.conf", []byte(strings.Replace(g.conf,
			"k8s_ingress {", fmt.Sprintf("server { listen 127.0.0.1:%d; "+
				"add_header X-Worker-Pid $pid; return 200; } k8s_ingress {",
				port), 1)), 0644))
		n := g.upgrade()
		e.await("the new workers wait", 5*time.Second, func() bool {
			return g.count(heldBack) == 2
		})
		a := fetch(port, "GET", "any.test", "/", "")
		e.check(a.status == 200, "new socket: %v", a)
		k.more(e, 100)
		by, _ := k.by(n.workers())
		e.check(by == 0, "%d answers of workers without a table", by)
		e.must(e.api.Up())
		e.await("the new workers answer", 20*time.Second, func() bool {
			by, _ := k.by(n.workers())
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
		file := g.dir + "/nginx.conf"
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
`, g.dir, g.port, g.spread, g.tls, g.admin)), 0644))
		n := g.upgrade()
		g.signal(syscall.SIGWINCH)
		e.await("the old workers take no more", 10*time.Second, func() bool {
			return len(g.workers()) == 0
		})
		e.check(n.get("a.test", "/").status == 204, "the module is there")
		e.must(os.WriteFile(file, []byte(g.conf), 0644))
		n.reload()
		n.serves("a.test", "/", "a")
		e.check(n.count(heldBack) == 0, "connections are left to nobody")
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
		e.check(n.count(": ready\n") == 1, "the new is ready already")
		e.await("the new workers answer", 15*time.Second, func() bool {
			by, _ := k.by(n.workers())
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
			return len(g.workers()) == 0
		})
		// what changes while the old instance has no watcher
		e.change(n, "meanwhile")
		g.signal(syscall.SIGHUP)
		e.await("old workers again", 10*time.Second, func() bool {
			return len(g.workers()) == 2
		})
		// which one answers is not known before the new one is gone
		n.signal(syscall.SIGQUIT)
		e.await("the new workers take no more", 10*time.Second, func() bool {
			return len(n.workers()) == 0
		})
		g.serves("meanwhile.test", "/", "a")
		e.change(g, "back")
		k.more(e, 100)
		k.end(e)
		e.quiet(l)
		n.ended("the new master")
		e.await("the pid file is the old one's", 5*time.Second, func() bool {
			return g.pidFile("") == g.master && g.pidFile(".oldbin") == 0
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
			for _, p := range n.workers() {
				tried += g.count(fmt.Sprintf("#%d: API server", p))
			}
			return g.count(heldBack) == 2 && tried > 0
		})
		// nor after a reload of the new one
		n.reload()
		e.await("and wait", 5*time.Second, func() bool {
			return g.count(heldBack) == 4
		})
		k.more(e, 300)
		by, _ := k.by(n.workers())
		e.check(by == 0, "%d answers of new workers without a table", by)
		// given up
		n.signal(syscall.SIGQUIT)
		n.ended("the new master")
		k.more(e, 100)
		// and tried again; it takes over when the API server is back
		n = g.upgrade()
		k.more(e, 100)
		by, _ = k.by(n.workers())
		e.check(by == 0, "%d answers of new workers without a table", by)
		e.must(e.api.Up())
		e.await("the new workers answer", 20*time.Second, func() bool {
			by, _ := k.by(n.workers())
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
			by, _ := k.by(n.workers())
			return by > 0
		})
		g.signal(syscall.SIGQUIT)
		e.await("one pid file", 10*time.Second, func() bool {
			return n.pidFile("") == n.master
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
			return g.count(heldBack) == 2
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
			return n.count("accepting connections without a route table") == 2
		})
		x := <-a
		e.check(x.status == 503, "not 503 but %v", x)
		e.must(e.api.Up())
		n.serves("a.test", "/", "a")
	})
}
