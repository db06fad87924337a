package main

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ngx_k8s_test/internal/client"
)

// one runs what most tests begin with: an app under one host, nginx, a load.
func (e *env) one(a app, c client.Config) (*nginx, *load) {
	e.begin()
	if e.t.records {
		e.record()
	}
	e.serviceAccount()
	e.step("pods are Ready", func() { e.run(a) })
	e.ingress(a.of(), path{host: a.of() + ".test", path: "/", svc: a.of()})
	var g *nginx
	e.step("nginx starts and serves", func() {
		g = e.start(options{})
		g.serves(a.of()+".test", "/", a.svc(e))
	})
	return g, e.load(g, c, target(a.of()+".test", "/x", a.svc(e)))
}

// answered tells whether a pod has answered the load.
func answered(r client.Result, pod string) bool { return r.Pods[pod] > 0 }

// rolling updates a Deployment twice.
func rolling(a app) func(e *env) {
	return func(e *env) {
		g, l := e.one(a, steady)
		for i := 1; i <= 2; i++ {
			old := e.list(e.ns, a.name)
			a.env = map[string]string{"VERSION": fmt.Sprint(i)}
			e.step(fmt.Sprintf("rolling update %d", i), func() {
				e.deploy(a)
				e.rolled(a)
			})
			l.more(100)
			r := l.Snapshot()
			for _, p := range old {
				e.check(answered(r, p.Name), "%s never answered", p.Name)
				x, _ := e.track.named(p.Name)
				e.check(!x.gone.IsZero(), "%s is not gone", p.Name)
			}
			for _, p := range e.list(e.ns, a.name) {
				e.await(p.Name+" answers", time.Minute, func() bool {
					return answered(l.Snapshot(), p.Name)
				})
			}
		}
		l.finish()
		e.equal(g)
	}
}

var preStop = app{name: "web", replicas: 3, preStop: 3}

func init() {
	socketsOnly := []allowed{socketsOfDying}
	postsToo := []allowed{reachedDying, socketsOfDying}

	add(test{name: "rolling-prestop", group: "pods", ci: true,
		what: "two rolling updates of a Deployment whose pods have a preStop " +
			"sleep", allowed: socketsOnly, run: rolling(preStop)})
	add(test{name: "rolling", group: "pods", ci: true,
		what: "two rolling updates of a Deployment without preStop: pods " +
			"close their listeners before anybody hears of it",
		allowed: postsToo, records: true,
		run: rolling(app{name: "web", replicas: 3})})
	add(test{name: "rolling-batch", group: "pods", bed: "batch",
		what: "the same while EndpointSlices are written once a second; pods " +
			"count as available after 2 seconds",
		allowed: postsToo,
		run:     rolling(app{name: "web", replicas: 3, minReady: 2})})
	add(test{name: "rolling-prestop-batch", group: "pods", bed: "batch",
		what: "the same with a preStop sleep", allowed: socketsOnly,
		run: rolling(preStop)})

	add(test{name: "scale", group: "pods", ci: true,
		what:    "1, 10, 1, 0 and 3 replicas; with none the answer is 503",
		allowed: []allowed{reachedDying}, run: scale})
	add(test{name: "crash-loop", group: "pods", ci: true,
		what: "beside two good pods of a Service one crashes again and again",
		allowed: []allowed{{"post", "those whose bytes had reached the pod " +
			"that crashed", func(e *env, f failure) bool {
			l := f.lives(e)
			n := len(l)
			return n > 0 && n == len(f.request.addrs) &&
				l[n-1].app == "bad" && f.request.sent[n-1] > 0
		}}}, run: crashLoop})
	add(test{name: "node-lost", group: "pods", bed: "batch", alone: true,
		what: "a node falls silent: its pods are evicted and made anew " +
			"elsewhere; then it is back",
		allowed: postsToo, run: nodeLost})
	add(test{name: "node-off", group: "pods", bed: "batch", alone: true,
		what: "a node loses its power: what is sent to its pods is lost " +
			"without an error, until they are no endpoints any more",
		allowed: []allowed{{"post", "those whose bytes were sent to a pod of " +
			"the node", reachedOff}}, run: nodeOff})
	add(test{name: "ip-reuse", group: "pods", ci: true, alone: true,
		what: "pods of one namespace get the addresses that pods of another " +
			"one have just left, again and again",
		allowed: []allowed{reachedDying},
		run:     func(e *env) { ipReuse(e, 0, 6) }})
	add(test{name: "ip-reuse-batch", group: "pods", bed: "batch", alone: true,
		what: "the same while EndpointSlices are written once a second; the " +
			"pods have a preStop sleep that is longer than that",
		run: func(e *env) { ipReuse(e, 3, 3) }})
	add(test{name: "hung-backend", group: "pods", ci: true,
		what: "a backend that never answers, under 60 requests that wait: " +
			"others are not affected", run: hungBackend})
}

func scale(e *env) {
	a := app{name: "web", replicas: 1}
	c := steady
	c.Sockets, c.Downloads = 0, 0
	g, l := e.one(a, c)
	host, ok := "web.test", "200 "+a.svc(e)
	to := func(n int) {
		e.step(fmt.Sprintf("scale to %d", n), func() {
			e.scale(a, n)
			e.scaled(a, n)
			if n > 0 {
				g.serves(host, "/", a.svc(e))
			}
		})
	}
	to(10)
	for _, p := range e.list(e.ns, "web") {
		e.await(p.Name+" answers", time.Minute, func() bool {
			return answered(l.Snapshot(), p.Name)
		})
	}
	to(1)
	e.await("nine pods are gone", 20*time.Second, func() bool {
		return e.track.ended("web") == 9
	})
	l.more(50)
	// the last pod may refuse before the table knows
	l.expect(host, ok, "502", "503")
	to(0)
	g.becomes(host, "/", 503, "")
	l.expect(host, "503")
	l.more(50)
	e.await("all pods are gone", 20*time.Second, func() bool {
		return e.track.ended("web") == 10
	})
	l.expect(host, ok, "503")
	to(3)
	l.expect(host, ok)
	l.more(100)
	r := l.finish()
	e.check(r.Judged["503"] > 0, "no 503 seen")
	e.equal(g)
}

func crashLoop(e *env) {
	good := app{name: "good", replicas: 2, service: "web"}
	c := steady
	c.Sockets, c.Downloads = 0, 0
	g, l := e.one(good, c)
	e.deploy(app{name: "bad", replicas: 1, service: "web",
		env: map[string]string{"EXIT_AFTER": "2", "EXIT_CODE": "3"}})
	e.step("three crashes", func() {
		e.await("restarts of a pod", 100*time.Second, func() bool {
			n := int32(0)
			for _, p := range e.track.lives("bad") {
				n += p.restarts
			}
			return n >= 3
		})
	})
	r := l.finish()
	for _, p := range e.track.lives("bad") {
		e.check(answered(r, p.name), "%s never answered", p.name)
		e.note("%s: %d restarts, %d times from Ready to not Ready %s", p.name,
			p.restarts, p.failedReady, p.crash)
	}
	e.must(e.Client.AppsV1().Deployments(e.ns).Delete(e.ctx, "bad",
		metav1.DeleteOptions{}))
	e.await("only the good ones", 20*time.Second, func() bool {
		return len(e.endpoints(e.ns, "web")) == 2
	})
	e.equal(g)
}

func nodeLost(e *env) {
	a := app{name: "web", replicas: 4}
	g, l := e.one(a, steady)
	on := map[string][]string{}
	for _, p := range e.list(e.ns, "web") {
		on[p.Spec.NodeName] = append(on[p.Spec.NodeName], p.Name)
	}
	lost := ""
	for n, l := range on {
		if lost == "" || len(l) > len(on[lost]) || len(l) == len(on[lost]) &&
			n > lost {
			lost = n
		}
	}
	e.check(len(on) > 1, "all pods are on %s", lost)
	e.note("pods by node: %v; %s is lost", on, lost)
	e.step("the node is not ready, by the API", func() {
		e.Kubelet.Lose(lost)
		e.await("condition Ready is not true", 60*time.Second, func() bool {
			n, err := e.Client.CoreV1().Nodes().Get(e.ctx, lost,
				metav1.GetOptions{})
			e.must(err)
			for _, c := range n.Status.Conditions {
				if c.Type == corev1.NodeReady {
					return c.Status != corev1.ConditionTrue
				}
			}
			return false
		})
	})
	e.step("its pods are evicted and replaced", func() {
		e.await("pods elsewhere", 60*time.Second, func() bool {
			for _, name := range on[lost] {
				if p, ok := e.track.named(name); !ok || p.doomed.IsZero() {
					return false
				}
			}
			return e.ready(e.ns, "web") == 4 && e.sliced(a, 4)
		})
	})
	l.more(100)
	e.step("the node is back", func() {
		e.Kubelet.Regain(lost)
		e.await("the evicted pods are gone", 60*time.Second, func() bool {
			for _, name := range on[lost] {
				if p, _ := e.track.named(name); p.gone.IsZero() {
					return false
				}
			}
			return true
		})
	})
	l.more(100)
	l.finish()
	e.equal(g)
}

// reachedOff is about the pods of the node that is off.
func reachedOff(e *env, f failure) bool {
	for _, p := range f.lives(e) {
		if p.node == e.off {
			return true
		}
	}
	return false
}

func nodeOff(e *env) {
	a := app{name: "web", replicas: 6}
	// requests that are under way wait for proxy_read_timeout, 60 s
	g, l := e.one(a, client.Config{Conns: 12, Pause: 20 * time.Millisecond,
		Posts: 50 * time.Millisecond, Timeout: 140 * time.Second})
	on := 0
	e.off = e.list(e.ns, "web")[0].Spec.NodeName
	for _, p := range e.list(e.ns, "web") {
		if p.Spec.NodeName == e.off {
			on++
		}
	}
	e.check(on > 0 && on < 6, "%d of 6 pods on %s", on, e.off)
	e.Kubelet.PowerOff(e.off)
	e.step(fmt.Sprintf("%s with %d pods is off; its pods are no endpoints",
		e.off, on), func() {
		e.await("other endpoints", 60*time.Second, func() bool {
			lost := 0
			for _, p := range e.track.lives("web") {
				if p.node == e.off && !p.doomed.IsZero() {
					lost++
				}
			}
			return lost == on && e.sliced(a, 6) && e.ready(e.ns, "web") == 6
		})
	})
	e.await("the table without them", time.Minute, func() bool {
		status := g.adminGet("/status").body
		for _, p := range e.track.lives("web") {
			if p.node == e.off && strings.Contains(status, `"`+p.ip+`"`) {
				return false
			}
		}
		return strings.Contains(status, `"address"`)
	})
	e.step("nobody else waits", func() {
		quick := client.Config{Conns: 4, Pause: 5 * time.Millisecond,
			Posts: 10 * time.Millisecond, Timeout: 4 * time.Second}
		k := e.load(g, quick, target("web.test", "/z", a.svc(e)))
		k.more(500)
		k.finish()
	})
	e.step("those that waited are answered", func() { l.finish() })
	e.Kubelet.Regain(e.off)
	e.equal(g)
}

// ipReuse moves addresses between two namespaces; pods end after so many
// seconds.
func ipReuse(e *env, preStop, times int) {
	a := app{name: "one", replicas: 5, preStop: preStop}
	e.begin()
	e.serviceAccount()
	other := e.namespace(e.ns + "-b")
	b := app{name: "two", ns: other, replicas: 1, preStop: preStop}
	track := e.follow(other)
	defer track.stop()
	e.run(a, b)
	e.ingress("one", path{host: "one.test", path: "/", svc: "one"})
	e.apply(e.ingressText(other, "two", "", path{host: "two.test", path: "/",
		svc: "two"}))
	g := e.start(options{})
	g.serves("one.test", "/", a.svc(e))
	g.serves("two.test", "/", b.svc(e))
	c := client.Config{Conns: 4, Pause: 2 * time.Millisecond,
		Posts: 10 * time.Millisecond}
	l := e.load(g, c, target("one.test", "/x", a.svc(e)),
		target("two.test", "/y", b.svc(e)))
	reused := 0
	e.step("addresses go back and forth", func() {
		// without preStop addresses are free at once; with it the next
		// pods wait for them
		to := func(down, up app) {
			was := e.track.ended("") + track.ended("")
			e.scale(down, 1)
			if preStop > 0 {
				e.await("four pods have ended", 30*time.Second, func() bool {
					return e.track.ended("")+track.ended("") == was+4
				})
			}
			e.scale(up, 5)
			e.scaled(down, 1)
			e.scaled(up, 5)
		}
		for range times {
			to(a, b)
			to(b, a)
		}
	})
	had := map[string]string{}
	count := func(t *tracker, ns string) {
		for _, p := range t.lives("") {
			if p.ip != "" && had[p.ip] != "" && had[p.ip] != ns {
				reused++
			}
			if p.ip != "" {
				had[p.ip] = ns
			}
		}
	}
	count(e.track, e.ns)
	count(track, other)
	e.check(reused >= times, "only %d pods have an address of the other namespace",
		reused)
	e.note("%d pods had an address that pods of the other namespace had", reused)
	for _, p := range track.lives("") {
		e.track.adopt(p)
	}
	l.finish()
	e.equal(g)
}

func hungBackend(e *env) {
	good := app{name: "web", replicas: 2}
	c := steady
	g, l := e.one(good, c)
	hung := app{name: "hung", replicas: 1, env: map[string]string{
		"DEFAULTS": "hang"}}
	e.run(hung)
	e.ingress("hung", path{host: "hung.test", path: "/", svc: "hung"})
	e.await("the route", 20*time.Second, func() bool {
		return strings.Contains(g.adminGet("/status").body,
			`"host":"hung.test"`)
	})
	before := l.Snapshot().Requests
	h := client.Start(client.Config{Addr: g.addr(), Conns: 60,
		Timeout: 90 * time.Second, Pause: time.Millisecond,
		Targets: []client.Target{target("hung.test", "/", hung.svc(e))}})
	pod := e.list(e.ns, "hung")[0].Status.PodIP + ":3000"
	e.await("60 requests wait in the pod", 20*time.Second, func() bool {
		return strings.Contains(fetch(pod, "x", "/-/pod").body,
			`"inFlight":60`)
	})
	l.more(500)
	e.note("%d requests of others beside it", l.Snapshot().Requests-before)
	e.check(strings.Contains(fetch(pod, "x", "/-/pod").body, `"inFlight":60`),
		"the requests do not wait any more: %s", fetch(pod, "x", "/-/pod").body)
	n := h.Snapshot()
	e.check(n.Requests == 0 && n.Failed == 0, "the hung backend: %d answers, "+
		"%d failures", n.Requests, n.Failed)
	// the pod goes: its requests are over, with an error
	e.must(e.Client.AppsV1().Deployments(e.ns).Delete(e.ctx, "hung",
		metav1.DeleteOptions{}))
	e.await("no request waits", 40*time.Second, func() bool {
		return h.Snapshot().Failed >= 60
	})
	h.Stop(nil)
	l.finish()
	e.equal(g)
}
