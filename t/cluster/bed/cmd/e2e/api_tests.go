package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ngx_k8s_test/cluster/plane"
)

func init() {
	add(test{name: "api-killed", group: "api", bed: "outage", ci: true,
		what: "the API server is killed for 60 seconds (10 in CI), a pod dies " +
			"meanwhile, and it comes back with its data",
		allowed: []allowed{{"post", "those whose bytes had reached the pod " +
			"that died", reachedKilled}, {"socket", "those of the pod that died",
			func(e *env, f failure) bool { return f.Pod == e.killed }},
			{"download", "those of the pod that died",
				func(e *env, f failure) bool { return f.Pod == e.killed }}},
		run: apiKilled})
	add(test{name: "api-restored", group: "api", bed: "outage", ci: true,
		what: "the API server comes back with older data: resource versions " +
			"go back, and do not reach the old ones again; routes that are no " +
			"longer there are gone within 10 seconds",
		run: apiRestored})
	add(test{name: "gone", group: "api", bed: "outage", ci: true,
		what: "the API server restarts with writes in between: the watches " +
			"of nginx are too old (410)", run: gone})
	add(test{name: "token-rotated", group: "api", ci: true,
		what: "the object to which nginx's token is bound is deleted: 401 " +
			"until the file has a new one", run: tokenRotated})
	add(test{name: "rights-withdrawn", group: "api", ci: true,
		what: "nginx's ClusterRoleBinding is deleted (403) and made again",
		run:  rightsWithdrawn})
}

func init() {
	add(test{name: "crds-later", group: "api", ci: true,
		what: "the Gateway API's CRDs, a Gateway and an HTTPRoute appear and " +
			"go: nothing watches them yet, and nothing is harmed",
		run: crdsLater})
}

func crdsLater(e *env) {
	a := app{name: "web", replicas: 2}
	g, l := e.one(a, steady)
	e.kubectl("", "apply", "--server-side", "-f", *crds)
	e.stops = append(e.stops, func() {
		e.kubectl("", "delete", "--wait=false", "-f", *crds)
	})
	e.await("the kinds", 20*time.Second, func() bool {
		// each comes by itself
		l, err := e.Client.Discovery().ServerResourcesForGroupVersion(
			"gateway.networking.k8s.io/v1")
		n := 0
		for i := 0; err == nil && i < len(l.APIResources); i++ {
			switch l.APIResources[i].Name {
			case "gatewayclasses", "gateways", "httproutes":
				n++
			}
		}
		return n == 3
	})
	e.apply(`
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: %[1]s}
spec: {controllerName: %[2]s}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: %[1]s}
spec: {gatewayClassName: %[1]s, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: %[1]s}
spec:
  parentRefs: [{name: web}]
  hostnames: [route.test]
  rules: [{backendRefs: [{name: web, port: 80}]}]`, e.ns, e.controller())
	e.late(g, "late", a)
	x := g.get("route.test", "/")
	e.check(x.status == 404, "a route that nothing is to serve yet: %v", x)
	e.watches(g)
	e.check(g.metric(`^nginx_ingress_k8s_degraded`) == 0, "degraded")
	l.more(100)
	l.finish()
	e.equal(g)
}

// late makes an Ingress and tells how long it takes until it is served.
func (e *env) late(g *nginx, name string, a app) {
	e.ingress(name, path{host: name + ".test", path: "/", svc: a.of()})
	e.note("a new Ingress is served after %.2f s",
		g.serves(name+".test", "/", a.svc(e)).Seconds())
}

// reachedKilled is about the pod that the test has killed.
func reachedKilled(e *env, f failure) bool {
	l := f.lives(e)
	n := len(l)
	return n > 0 && n == len(f.request.addrs) && l[n-1].name == e.killed &&
		f.request.sent[n-1] > 0
}

func apiKilled(e *env) {
	a := app{name: "web", replicas: 3}
	g, l := e.one(a, steady)
	e.watches(g)
	length := 60 * time.Second
	if *ciOnly {
		length = 10 * time.Second
	}
	e.must(e.Plane.Kill(plane.APIServer))
	begin := time.Now()
	e.await("nginx has no watch", 20*time.Second, func() bool {
		return g.metric(`^nginx_ingress_k8s_watch_connected`) == 0
	})
	l.more(100)
	// a pod dies, and nobody can say so
	p := e.track.lives("web")[0]
	e.killed = p.name
	fetch(p.ip+":3000", "x", "/-/exit?code=1")
	for time.Since(begin) < length {
		l.more(50)
		e.check(g.adminGet("/readyz").status == 200, "not ready any more")
	}
	e.note("%d requests while the API server was down for %.0f s",
		l.Snapshot().Requests, time.Since(begin).Seconds())
	e.must(e.Plane.Run(e.ctx, plane.APIServer))
	e.step("the API server is back", func() { e.late(g, "late", a) })
	e.watches(g)
	// an informer may wait more than a minute before it asks again
	e.await("the pod's restart", 60*time.Second, func() bool {
		p, err := e.Client.CoreV1().Pods(e.ns).Get(e.ctx, e.killed,
			metav1.GetOptions{})
		return err == nil && len(p.Status.ContainerStatuses) == 1 &&
			p.Status.ContainerStatuses[0].RestartCount > 0
	})
	l.more(100)
	l.finish()
	e.equal(g)
}

// watches waits until nginx watches all it wants: none of the ConfigMaps.
func (e *env) watches(g *nginx) {
	e.await("all watches", 30*time.Second, func() bool {
		return g.metric(`^nginx_ingress_k8s_watch_connected`) ==
			g.metric(`^nginx_ingress_k8s_synced.*kind="[^c]`)
	})
}

// version is the API server's newest resource version.
func (e *env) version() int {
	l, err := e.Client.CoreV1().ConfigMaps("kube-system").List(e.ctx,
		metav1.ListOptions{Limit: 1})
	e.must(err)
	n, err := strconv.Atoi(l.ResourceVersion)
	e.must(err)
	return n
}

func apiRestored(e *env) {
	a := app{name: "web", replicas: 2}
	g, l := e.one(a, steady)
	e.watches(g)
	// routes that come and go in the past
	e.ingress("kept", path{host: "kept.test", path: "/", svc: "web"})
	g.serves("kept.test", "/", a.svc(e))
	old := filepath.Join(e.dir, "snapshot")
	e.must(e.Plane.Snapshot(old))
	was := e.version()
	e.must(e.Client.NetworkingV1().Ingresses(e.ns).Delete(e.ctx, "kept",
		metav1.DeleteOptions{}))
	g.becomes("kept.test", "/", 404, "")
	for i := range 1500 { // more versions than the test will use later
		e.apply(`{apiVersion: v1, kind: ConfigMap,
  metadata: {name: filling, namespace: %s}, data: {n: "%d"}}`, e.ns, i)
	}
	// nginx knows how far it has come
	e.ingress("stale", path{host: "stale.test", path: "/", svc: "web"})
	g.serves("stale.test", "/", a.svc(e))
	high := e.version()
	k := e.load(g, gets, target("stale.test", "/x", a.svc(e)))
	begin := time.Now()
	e.step("etcd is restored", func() {
		k.expect("stale.test", "200 "+a.svc(e), "404")
		e.must(e.Restore(e.ctx, old))
	})
	up := time.Now()
	low := e.version()
	e.check(low < high, "the version did not go back: %d, then %d", high, low)
	g.becomes("stale.test", "/", 404, "")
	took := time.Since(up)
	e.check(took < 10*time.Second, "the stale route is gone after %v", took)
	g.serves("kept.test", "/", a.svc(e))
	k.expect("stale.test", "404")
	k.more(50)
	e.note("versions: %d at the snapshot, %d before, %d after the restore; the "+
		"stale route is gone %.2f s after the API server is up, %.2f s after "+
		"the order", was, high, low, took.Seconds(), time.Since(begin).Seconds())
	e.check(g.Logged("went back") > 0, "nginx did not notice")
	e.late(g, "late", a)
	k.finish()
	l.finish()
	e.equal(g)
	last := e.version()
	e.check(last < high, "the versions have reached the old ones: %d", last)
}

func gone(e *env) {
	a := app{name: "web", replicas: 2}
	e.begin()
	e.serviceAccount()
	e.run(a)
	e.ingress("web", path{host: "web.test", path: "/", svc: "web"})
	r, err := newRelay(strings.TrimPrefix(plane.Server, "https://"))
	e.must(err)
	e.stops = append(e.stops, r.end)
	g := e.start(options{server: "https://" + r.addr()})
	g.serves("web.test", "/", a.svc(e))
	e.watches(g)
	l := e.load(g, steady, target("web.test", "/x", a.svc(e)))
	lists := g.metric(`^nginx_ingress_k8s_lists_total`)

	r.close()
	e.await("nginx has no watch", 20*time.Second, func() bool {
		return g.metric(`^nginx_ingress_k8s_watch_connected`) == 0
	})
	// each kind has newer versions than nginx has seen
	for i := range 5 {
		e.ingress("more", path{host: fmt.Sprintf("more-%d.test", i), path: "/",
			svc: "web"})
		e.apply(a.serviceText(e) + fmt.Sprintf("  sessionAffinityConfig: null\n"+
			"  internalTrafficPolicy: %s\n", []string{"Local", "Cluster"}[i%2]))
	}
	e.scale(a, 3)
	e.scaled(a, 3)
	e.step("the API server restarts", func() {
		e.must(e.Plane.Kill(plane.APIServer))
		e.must(e.Plane.Run(e.ctx, plane.APIServer))
	})
	r.open()
	e.step("nginx is up to date", func() {
		g.serves("more-4.test", "/", a.svc(e))
		g.becomes("more-0.test", "/", 404, "")
	})
	n := g.Logged("the resource version has expired")
	e.check(n > 0, "nginx saw no 410")
	e.note("410 for %d kinds; %v lists more than before", n,
		g.metric(`^nginx_ingress_k8s_lists_total`)-lists)
	e.watches(g)
	e.late(g, "late", a)
	l.more(100)
	l.finish()
	e.equal(g)
}

func tokenRotated(e *env) {
	a := app{name: "web", replicas: 2}
	e.begin()
	e.serviceAccount()
	e.run(a)
	e.ingress("web", path{host: "web.test", path: "/", svc: "web"})
	file := filepath.Join(e.dir, "token")
	write := func(text string) { // as the kubelet does: by rename
		e.must(os.WriteFile(file+".new", []byte(text), 0644))
		e.must(os.Rename(file+".new", file))
	}
	bound := func(name string) string {
		e.apply("{apiVersion: v1, kind: Secret, metadata: {name: %s, "+
			"namespace: %s}}", name, e.ns)
		s, err := e.Client.CoreV1().Secrets(e.ns).Get(e.ctx, name,
			metav1.GetOptions{})
		e.must(err)
		return e.token(&authv1.BoundObjectReference{Kind: "Secret",
			APIVersion: "v1", Name: name, UID: s.UID})
	}
	write(bound("first"))
	g := e.start(options{token: file, block: "watch_timeout 2s; backoff 2s;"})
	g.serves("web.test", "/", a.svc(e))
	l := e.load(g, steady, target("web.test", "/x", a.svc(e)))

	for i, next := range []string{"second", "third"} {
		e.must(e.Client.CoreV1().Secrets(e.ns).Delete(e.ctx,
			[]string{"first", "second"}[i], metav1.DeleteOptions{}))
		e.step("the token is refused", func() {
			e.await("401 in nginx's log", 60*time.Second, func() bool {
				return g.Logged("answered 401") > i
			})
		})
		l.more(100)
		e.check(g.adminGet("/readyz").status == 200, "not ready any more")
		write(bound(next))
		e.step("a new token is in the file", func() {
			e.late(g, next, a)
		})
		e.watches(g)
	}
	l.finish()
	e.equal(g)
}

func rightsWithdrawn(e *env) {
	a := app{name: "web", replicas: 2}
	e.begin()
	e.serviceAccount()
	e.run(a)
	e.ingress("web", path{host: "web.test", path: "/", svc: "web"})
	g := e.start(options{block: "watch_timeout 2s; backoff 2s;"})
	g.serves("web.test", "/", a.svc(e))
	l := e.load(g, steady, target("web.test", "/x", a.svc(e)))
	kinds := g.metric(`^nginx_ingress_k8s_synced.*kind="[^c]`)
	for i := range 2 {
		e.unbind()
		e.step("nginx is refused", func() {
			e.await("all kinds are refused", 30*time.Second, func() bool {
				return g.metric(`^nginx_ingress_k8s_refused`) >= kinds
			})
		})
		e.check(g.Logged("answered 403") > 0, "no 403 in the log")
		e.ingress(fmt.Sprintf("unseen-%d", i), path{host: fmt.Sprintf(
			"unseen-%d.test", i), path: "/", svc: "web"})
		l.more(200)
		x := g.get(fmt.Sprintf("unseen-%d.test", i), "/")
		e.check(x.status == 404, "a change is seen without rights: %v", x)
		e.check(g.adminGet("/readyz").status == 200, "not ready any more")
		e.bind()
		e.step("nginx has its rights again", func() {
			g.serves(fmt.Sprintf("unseen-%d.test", i), "/", a.svc(e))
			e.await("nothing is refused", 30*time.Second, func() bool {
				return g.metric(`^nginx_ingress_k8s_refused`) == 0
			})
		})
		l.more(50)
	}
	l.finish()
	e.equal(g)
}
