package main

import (
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"strings"
	"sync"
	"time"
)

// visitor is a client with the cookie that it was given.
type visitor struct {
	cookie, pod string
	moved       int
}

// visit sends one request, and says which pod has answered.
func (g *nginx) visit(c *http.Client, v *visitor) (string, error) {
	r, err := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d/", g.port),
		nil)
	if err != nil {
		return "", err
	}
	r.Host = "s.test"
	if v.cookie != "" {
		r.Header.Set("Cookie", v.cookie)
	}
	a, err := c.Do(r)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(io.Discard, a.Body)
	_ = a.Body.Close()
	if err != nil {
		return "", err
	}
	if a.StatusCode != 200 {
		return "", fmt.Errorf("status %d", a.StatusCode)
	}
	for _, s := range a.Cookies() {
		v.cookie = s.Name + "=" + s.Value
	}
	return a.Header.Get("X-Pod"), nil
}

// visits has clients with cookies come again and again, while endpoints go and
// come: who has one that stays, stays with it.
func visits(e *env, mode string) {
	const npods, nclients, nworkers = 8, 400, 8
	e.begin(false)
	addrs := e.app("a", npods)
	// each by its own name, whichever are left
	left := func(addrs []string) {
		var l []ep
		for _, a := range addrs {
			l = append(l, ep{a, true, true, false})
		}
		e.endpoints("a", l...)
	}
	left(addrs)
	e.annotated("s", "s.test", "affinity", "cookie", "affinity-mode", mode)
	g := e.start(options{})
	g.serves("s.test", "/", "a")

	var mu sync.Mutex
	gone := map[string]bool{} // pods that are, or are about to be
	var wrong []string
	requests := 0
	done := make(chan struct{})
	var wg sync.WaitGroup
	all := make([]*visitor, nclients)
	for i := range all {
		all[i] = &visitor{}
	}
	for w := 0; w < nworkers; w++ {
		wg.Add(1)
		go func(mine []*visitor, seed int64) {
			defer wg.Done()
			c := &http.Client{Timeout: 10 * time.Second}
			rng := rand.New(rand.NewSource(seed))
			for {
				select {
				case <-done:
					return
				default:
				}
				v := mine[rng.Intn(len(mine))]
				pod, err := g.visit(c, v)
				mu.Lock()
				requests++
				switch {
				case err != nil:
					wrong = append(wrong, err.Error())
				case v.pod == "" || v.pod == pod:
				case gone[v.pod]:
					v.moved++
				default:
					wrong = append(wrong, fmt.Sprintf("from %s to %s", v.pod, pod))
				}
				if err == nil {
					v.pod = pod
				}
				mu.Unlock()
			}
		}(all[w*nclients/nworkers:(w+1)*nclients/nworkers], int64(w))
	}

	// who, and how many, are on a pod
	on := func(pod string) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, v := range all {
			if v.pod == pod {
				n++
			}
		}
		return n
	}
	e.await("all clients have a cookie", 20*time.Second, func() bool {
		return on("") == 0
	})

	sum := 0
	for i := 0; i < 3; i++ {
		pod := fmt.Sprintf("a-%d", i)
		had := on(pod)
		sum += had
		mu.Lock()
		gone[pod] = true
		mu.Unlock()
		left(addrs[i+1:])
		e.await(pod+" is left", 10*time.Second, func() bool {
			return !strings.Contains(g.adminGet("/status").body, addrs[i]+":") &&
				on(pod) == 0
		})
		e.pods.Stop(pod, true)
		e.note("%s had %d of %d clients", pod, had, nclients)
		e.check(had > 0, "%s has no client", pod)
	}

	close(done)
	wg.Wait()
	moved := 0
	for _, v := range all {
		moved += v.moved
	}
	e.note("%d requests, %d moves", requests, moved)
	if len(wrong) > 0 {
		e.fatal("%d wrong, as %q", len(wrong), wrong[0])
	}
	e.check(requests > 1000, "%d requests", requests)
	e.check(moved == sum, "%d moves of %d clients", moved, sum)
}

func init() {
	for _, mode := range []string{"balanced", "persistent"} {
		mode := mode
		add("affinity: endpoints go under load with cookies, "+mode,
			func(e *env) { visits(e, mode) })
	}
}
