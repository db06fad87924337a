package main

import (
	"flag"
	"fmt"
	"sort"
	"strings"
	"time"

	"ngx_k8s_test/internal/api"
	"ngx_k8s_test/internal/pods"
)

var (
	scaleN    = flag.Int("n", 5000, "scale: Ingresses")
	scaleHelm = flag.Int("helm", 2000, "scale: Secrets of Helm releases")
	scaleRun  = flag.Bool("scale", false, "measure, not test")
)

// scale measures a large cluster.
func scale(e *env) {
	n := *scaleN
	e.begin(true)
	addr := "10.244.0.1"
	for _, name := range []string{"one", "two"} {
		_, err := e.pods.Start(pods.Options{Name: name, Service: name,
			Addr: map[string]string{"one": addr, "two": "10.244.0.2"}[name] +
				":8080"})
		e.must(err)
	}
	begin := time.Now()
	e.api.Generate(api.Gen{N: n, Namespaces: 50, Addresses: []string{addr},
		Managed: true})
	e.note("%d Ingresses, Services and EndpointSlices made in %.1f s", n,
		time.Since(begin).Seconds())

	start := func(what string) *nginx {
		begin := time.Now()
		g := e.start(options{zone: "64m", down: true, log: "notice"})
		last := n - 1
		_, _, host, _ := api.GenNames(api.Gen{Namespaces: 50}, last)
		g.ready(60 * time.Second)
		ready := time.Since(begin)
		e.await("the last route", 60*time.Second, func() bool {
			return g.get(host, "/").status == 200
		})
		for _, i := range []int{0, n / 3, n / 2} {
			_, _, h, _ := api.GenNames(api.Gen{Namespaces: 50}, i)
			a := g.get(h, "/")
			e.check(a.status == 200 && a.svc == "one", "%s: %v", h, a)
		}
		e.note("%s: start to ready %.2f s, to all routed %.2f s", what,
			ready.Seconds(), time.Since(begin).Seconds())
		used := g.metricMatch(`table_bytes\{.*state="used"`)
		e.note("%s: %.0f bytes of the zone in use, %.0f a route", what, used,
			used/float64(n))
		for i, p := range g.Workers() {
			e.note("%s: worker %d, private %d KB, resident %d KB%s", what, i,
				private(p), rss(p), map[bool]string{true: " (watcher)"}[p ==
					g.watcher()])
		}
		for _, l := range strings.Split(g.adminGet("/metrics").body, "\n") {
			if strings.Contains(l, "turn") && !strings.HasPrefix(l, "#") {
				e.note("%s: %s", what, l)
			}
		}
		return g
	}
	g := start("without Helm")
	e.must(g.Stop())
	e.api.Generate(api.Gen{Helm: *scaleHelm, HelmSize: 500000})
	g = start(fmt.Sprintf("%d Helm Secrets", *scaleHelm))
	e.note("Secrets sent in full: %d", len(e.api.Secrets()))
	bytes := int64(0)
	for _, r := range e.api.Log(0) {
		if r.Resource == "secrets" {
			bytes += r.Bytes
		}
	}
	e.note("bytes of answers about Secrets: %d", bytes)

	e.successor(g)

	// one endpoint changes: until every worker uses it
	ns, _, host, svc := api.GenNames(api.Gen{Namespaces: 50}, n/2)
	w := g.each()
	defer closeAll(w)
	var l []float64
	for i := 0; i < 200; i++ {
		want := []string{"two", "one"}[i%2]
		a := map[string]string{"one": addr, "two": "10.244.0.2"}[want]
		begin := time.Now()
		e.api.Put("endpointslices", api.Slice(ns, svc+"-0", svc, 8080,
			api.Endpoint(a, "p", true, true, false)))
		for _, h := range w {
			for {
				x := over(h.c, h.r, "GET", host, "/", "")
				e.check(x.status == 200, "%v", x)
				if x.svc == want {
					break
				}
				e.check(time.Since(begin) < patience, "never")
			}
		}
		l = append(l, time.Since(begin).Seconds()*1000)
	}
	sort.Float64s(l)
	e.note("endpoint change to every worker: median %.2f ms, p99 %.2f ms, "+
		"worst %.2f ms", l[len(l)/2], l[len(l)*99/100], l[len(l)-1])

	// a new route, to the first request that it answers
	l = nil
	for i := 0; i < 100; i++ {
		host := fmt.Sprintf("fresh%d.test", i)
		h := w[g.Workers()[0]]
		begin := time.Now()
		e.api.Put("ingresses", api.Ingress(ns, "fresh", host, api.Path{
			Path: "/", Type: "Prefix", Service: svc, Port: 80}))
		for over(h.c, h.r, "GET", host, "/", "").status != 200 {
			e.check(time.Since(begin) < patience, "never")
		}
		l = append(l, time.Since(begin).Seconds()*1000)
	}
	sort.Float64s(l)
	e.note("new Ingress to first request: median %.2f ms, p99 %.2f ms, "+
		"worst %.2f ms", l[len(l)/2], l[len(l)*99/100], l[len(l)-1])
}

// turns are the watcher's turns so far that took longer than some seconds.
func (g *nginx) turns() map[string]float64 {
	m := map[string]float64{}
	all := g.metricMatch(`watcher_turn_seconds_count`)
	for _, le := range []string{"0.001000", "0.002000", "0.005000", "0.010000",
		"0.025000"} {
		m[le] = all - g.metricMatch(`watcher_turn_seconds_bucket\{.*le="`+le+`"`)
	}
	return m
}

// successor reloads: a new watcher takes the table over and lists anew.
func (e *env) successor(g *nginx) {
	was, synced := g.turns(), g.Logged("in sync")
	begin := time.Now()
	g.reload()
	e.await("in sync", 60*time.Second, func() bool {
		return g.Logged("in sync") > synced
	})
	now := g.turns()
	e.note("reload to in sync %.2f s; turns longer than 1 ms: %v, 2 ms: %v, "+
		"5 ms: %v, 10 ms: %v, 25 ms: %v", time.Since(begin).Seconds(),
		now["0.001000"]-was["0.001000"], now["0.002000"]-was["0.002000"],
		now["0.005000"]-was["0.005000"], now["0.010000"]-was["0.010000"],
		now["0.025000"]-was["0.025000"])
}
