package main

import (
	"fmt"
	"math/rand"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// asked is a question to the auth server: for which key, by which worker.
type asked struct {
	key string
	pid int
	n   int // how often before
}

// authServer is one that lets keys with "good" in them through; answer, where
// it is set, is called before with each question.
type authServer struct {
	at     string
	mu     sync.Mutex
	counts map[string]int
	answer func(a asked)
}

func (e *env) authServer() *authServer {
	s := &authServer{counts: map[string]int{}}
	l, err := net.Listen("tcp", e.address()+":8080")
	e.must(err)
	s.at = "http://" + l.Addr().String()
	srv := &http.Server{Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			key := r.Header.Get("X-Key")
			pid, _ := strconv.Atoi(strings.Trim(
				r.Header.Get("X-Auth-Request-Redirect"), "/"))
			s.mu.Lock()
			a := asked{key, pid, s.counts[key]}
			s.counts[key]++
			s.mu.Unlock()
			if s.answer != nil {
				s.answer(a)
			}
			w.Header().Set("X-User", key)
			if strings.Contains(key, "none") {
				w.WriteHeader(403)
			} else if !strings.Contains(key, "good") {
				w.WriteHeader(401)
			}
		})}
	go func() { _ = srv.Serve(l) }()
	e.stops = append(e.stops, func() { _ = srv.Close() })
	return s
}

func (s *authServer) count(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[key]
}

// guarded makes a.test ask the server, whose answers are kept by X-Key.
func (e *env) guarded(s *authServer) *nginx {
	e.begin(false)
	e.app("a", 1)
	e.annotated("a", "a.test", "auth-url", s.at+"/check",
		"auth-cache-key", "$http_x_key", "auth-response-headers", "X-User",
		"auth-request-redirect", "/$pid")
	g := e.start(options{workers: 3})
	e.await("it is served", 15*time.Second, func() bool {
		return fetch(g.spread, "GET", "a.test", "/", "", "X-Key",
			"good-first").status == 200
	})
	return g
}

func init() {
	add("T-B1 kill -9 of workers of which one asks an auth server for all",
		func(e *env) {
			s := e.authServer()
			first := make(chan asked, 100)
			held := make(chan struct{})
			s.answer = func(a asked) {
				if strings.HasPrefix(a.key, "round") && a.n == 0 {
					first <- a
					<-held
				}
			}
			g := e.guarded(s)
			waited, more := 0, 0
			for i := 0; i < 12; i++ {
				asks := i%3 != 2 // the one that asks is killed, or another
				key := fmt.Sprintf("round-%d-good", i)
				if i%4 == 3 {
					key = fmt.Sprintf("round-%d-none", i)
				}
				type result struct {
					answer
					took time.Duration
				}
				results := make(chan result, 60)
				for j := 0; j < 60; j++ {
					go func() {
						begin := time.Now()
						a := fetch(g.spread, "GET", "a.test", "/", "", "X-Key", key)
						results <- result{a, time.Since(begin)}
					}()
				}
				a := <-first
				time.Sleep(300 * time.Millisecond)
				e.check(a.pid != 0 && s.count(key) == 1,
					"%s: %d questions before the kill", key, s.count(key))
				was := g.Workers()
				victim := a.pid
				if !asks {
					for _, p := range was {
						if p != a.pid {
							victim = p
						}
					}
				}
				e.must(g.Kill(victim, syscall.SIGKILL))
				e.await("it is dead", 5*time.Second, func() bool {
					for _, p := range g.Workers() {
						if p == victim {
							return false
						}
					}
					return true
				})
				killed := time.Now()
				if !asks {
					held <- struct{}{}
				}
				lost := 0
				for j := 0; j < 60; j++ {
					r := <-results
					switch {
					case r.err != nil:
						lost++
					case strings.Contains(key, "good") != (r.status == 200) ||
						r.status != 200 && r.status != 403:
						e.fatal("%s: status %d", key, r.status)
					case r.pid == victim:
						e.fatal("%s: answered by the dead", key)
					}
					e.check(r.took < 7*time.Second, "%s: an answer after %v", key,
						r.took)
					if r.err == nil && r.took > 250*time.Millisecond {
						waited++
					}
				}
				e.check(lost > 0 && lost < 60, "%d of 60 were lost", lost)
				e.note("%s, pid %d killed: %d lost, the rest answered %v after, "+
					"%d questions", key, victim, lost,
					time.Since(killed).Round(time.Millisecond), s.count(key))
				if strings.Contains(key, "good") {
					more += s.count(key) - 1
					e.check(s.count(key) <= 3, "%s: %d questions", key,
						s.count(key))
				}
				if asks {
					held <- struct{}{}
				}
				g.respawned(was)
			}
			e.check(waited > 100, "%d requests waited", waited)
			e.note("%d requests waited, %d questions more than keys", waited, more)
		})

	add("T-B1 kill -9 of workers anywhere while answers are kept",
		func(e *env) {
			s := e.authServer()
			s.answer = func(a asked) {
				time.Sleep(time.Duration(rand.Intn(8)) * time.Millisecond)
			}
			g := e.guarded(s)
			var good, bad, lost, slow atomic.Int64
			var wrong atomic.Value
			stop := make(chan struct{})
			var all sync.WaitGroup
			for i := 0; i < 16; i++ {
				all.Add(1)
				go func(i int) {
					defer all.Done()
					for n := 0; ; n++ {
						select {
						case <-stop:
							return
						default:
						}
						kind := []string{"good", "bad", "none"}[(i+n)%3]
						key := fmt.Sprintf("%s-%d", kind, n/40)
						begin := time.Now()
						a := fetch(g.spread, "GET", "a.test", "/", "", "X-Key", key)
						if d := time.Since(begin); int64(d) > slow.Load() {
							slow.Store(int64(d))
						}
						want := map[string]int{"good": 200, "bad": 401,
							"none": 403}[kind]
						if a.err != nil {
							lost.Add(1)
						} else if a.status != want {
							wrong.Store(fmt.Sprintf("%s: %v", key, a))
						} else if want == 200 {
							good.Add(1)
						} else {
							bad.Add(1)
						}
					}
				}(i)
			}
			kills := 0
			for ; kills < 40; kills++ {
				time.Sleep(time.Duration(20+rand.Intn(60)) * time.Millisecond)
				was := g.Workers()
				victim := was[rand.Intn(len(was))]
				e.must(g.Kill(victim, syscall.SIGKILL))
				e.await("it is dead", 5*time.Second, func() bool {
					for _, p := range g.Workers() {
						if p == victim {
							return false
						}
					}
					return true
				})
				g.respawned(was)
			}
			close(stop)
			all.Wait()
			e.note("%d kills: %d passed, %d refused, %d lost, the slowest %v",
				kills, good.Load(), bad.Load(), lost.Load(),
				time.Duration(slow.Load()))
			e.check(wrong.Load() == nil, "%v", wrong.Load())
			e.check(good.Load() > 100 && bad.Load() > 100 && lost.Load() > 0,
				"not enough")
			e.check(time.Duration(slow.Load()) < 7*time.Second, "%v",
				time.Duration(slow.Load()))
			// nothing is stuck: new keys are asked for once, and kept
			for i := 0; i < 50; i++ {
				key := fmt.Sprintf("good-end-%d", i)
				begin := time.Now()
				for j := 0; j < 3; j++ {
					a := fetch(g.spread, "GET", "a.test", "/", "", "X-Key", key)
					e.check(a.status == 200, "%s: %v", key, a)
				}
				e.check(time.Since(begin) < 2*time.Second, "%s: %v", key,
					time.Since(begin))
				e.check(s.count(key) == 1, "%s: %d questions", key, s.count(key))
			}
		})
}
