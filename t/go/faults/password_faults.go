package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"ngx_k8s_test/internal/api"
)

// from dials nginx with a source address of its own.
func from(addr string, port int) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second,
		LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	return d.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
}

func init() {
	addAlone("passwords: a flood of wrong ones, and other routes of the worker",
		func(e *env) {
			const clients = 16 // more are 503 at once
			e.begin(false)
			e.app("a", 1)
			// nobody has this password; a hash takes some 75 ms
			line := "u:$2y$10$abcdefghijklmnopqrstuu" +
				"ABCDEFGHIJKLMNOPQRSTUVWXYZabcde"
			e.api.Put("secrets", api.Map{"apiVersion": "v1", "kind": "Secret",
				"metadata": api.Map{"namespace": "default", "name": "users"},
				"data": api.Map{"auth": base64.StdEncoding.EncodeToString(
					[]byte(line))}})
			e.annotated("secret", "secret.test", "auth-type", "basic",
				"auth-secret", "users")
			e.annotated("open", "open.test")
			g := e.start(options{workers: 1})
			g.serves("open.test", "/", "a")
			e.await("the password is asked for", 15*time.Second, func() bool {
				return g.get("secret.test", "/").status == 401
			})

			c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", g.port))
			e.must(err)
			defer c.Close()
			r := bufio.NewReader(c)
			measure := func(n int, more func() bool) (all []time.Duration) {
				for i := 0; i < n || more(); i++ {
					begin := time.Now()
					a := over(c, r, "GET", "open.test", "/", "")
					e.check(a.status == 200, "%v", a)
					all = append(all, time.Since(begin))
				}
				sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
				return all
			}
			never := func() bool { return false }
			p99 := func(l []time.Duration) time.Duration {
				return l[len(l)*99/100].Round(time.Microsecond)
			}
			measure(500, never)
			quiet := measure(4000, never)

			var refused, other atomic.Int64
			stop := make(chan struct{})
			var all sync.WaitGroup
			for i := 0; i < clients; i++ {
				all.Add(1)
				go func(i int) {
					defer all.Done()
					c, err := from(fmt.Sprintf("127.0.1.%d", i+1), g.port)
					if err != nil {
						return
					}
					defer c.Close()
					r := bufio.NewReader(c)
					for n := 0; ; n++ {
						select {
						case <-stop:
							return
						default:
						}
						wrong := fmt.Sprintf("u:wrong-%d-%d", i, n)
						a := over(c, r, "GET", "secret.test", "/", "",
							"Authorization", "Basic "+base64.StdEncoding.
								EncodeToString([]byte(wrong)))
						if a.status == 401 {
							refused.Add(1)
						} else {
							other.Add(1)
						}
					}
				}(i)
			}
			e.await("the flood is there", 20*time.Second, func() bool {
				return refused.Load() >= 5
			})

			// the event loop answers while hashes are made
			was := refused.Load()
			flood := measure(4000, func() bool { return refused.Load() < was+10 })
			hashes := refused.Load() - was
			close(stop)
			all.Wait()
			e.check(other.Load() == 0, "%d of the flood are no 401",
				other.Load())
			e.check(int64(len(flood)) > 20*hashes,
				"%d requests beside %d hashes", len(flood), hashes)
			e.note("%d requests beside %d wrong passwords: p50 %v, p99 %v; "+
				"quiet p50 %v, p99 %v", len(flood), hashes,
				flood[len(flood)/2].Round(time.Microsecond), p99(flood),
				quiet[len(quiet)/2].Round(time.Microsecond), p99(quiet))
		})
}
