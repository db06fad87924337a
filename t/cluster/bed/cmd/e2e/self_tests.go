package main

import (
	"fmt"
	"math/rand"
	"net"
	"strings"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"ngx_k8s_test/cluster/bed"
)

// of nginx's Deployment in these tests, in seconds
const (
	shutdownDelay   = 4  // preStop goes on as ever
	shutdownTimeout = 10 // then what is open may go on so long
)

func init() {
	may := []allowed{{"socket", fmt.Sprintf("those of an nginx that was told "+
		"to end at least %d seconds before (%d of wait-shutdown, %d of "+
		"worker_shutdown_timeout)", shutdownDelay+shutdownTimeout-1,
		shutdownDelay, shutdownTimeout), longDying}}
	add(test{name: "nginx-rolling", group: "self", ci: true, alone: true,
		what: "rolling update of nginx's own Deployment; clients follow the " +
			"EndpointSlice of its Service, others use the Service's address",
		allowed: may,
		run:     func(e *env) { self(e, selfRolling) }})
	add(test{name: "nginx-scale", group: "self", alone: true,
		what:    "nginx's own Deployment is scaled from 2 to 1 and to 3",
		allowed: may, run: func(e *env) { self(e, selfScale) }})
	add(test{name: "nginx-eviction", group: "self", alone: true,
		what:    "a Pod of nginx is evicted",
		allowed: may, run: func(e *env) { self(e, selfEviction) }})
}

const (
	ownNS  = "ingress-nginx"
	ownApp = "ingress-nginx-controller"
)

// longDying allows WebSockets to end when nginx has waited as long as it may.
func longDying(e *env, f failure) bool {
	host, _, err := net.SplitHostPort(f.Remote)
	if err != nil {
		return false
	}
	p, ok := e.track.at(host, f.Time)
	return ok && !p.doomed.IsZero() && f.Time.Sub(p.doomed) >
		(shutdownDelay+shutdownTimeout-1)*time.Second
}

// own is the documented Deployment, with shorter times, and its status open to
// the test.
func (e *env) own() string {
	text := e.kustomized("cluster")
	change := func(from, to string) {
		e.check(strings.Contains(text, from), "the example has no %q", from)
		text = strings.ReplaceAll(text, from, to)
	}
	change("worker_shutdown_timeout 240s",
		fmt.Sprintf("worker_shutdown_timeout %ds", shutdownTimeout))
	change("terminationGracePeriodSeconds: 300",
		"terminationGracePeriodSeconds: 40")
	change("${SHUTDOWN_DELAY:-10}", fmt.Sprint(shutdownDelay))
	change("listen 127.0.0.1:10246", "listen 10246")
	return text
}

// endpoint is where a client's connection goes, as kube-proxy would have it:
// any ready endpoint, or, without any, one that still serves.
func (t *tracker) endpoint(svc string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ready, serving []string
	for _, s := range t.slices {
		if s.Labels["kubernetes.io/service-name"] != svc {
			continue
		}
		port := int32(0)
		for _, p := range s.Ports {
			if p.Name != nil && *p.Name == "http" {
				port = *p.Port
			}
		}
		for _, p := range s.Endpoints {
			a := fmt.Sprintf("%s:%d", p.Addresses[0], port)
			c := p.Conditions
			if c.Ready == nil || *c.Ready {
				ready = append(ready, a)
			}
			if c.Serving != nil && *c.Serving {
				serving = append(serving, a)
			}
		}
	}
	if len(ready) == 0 {
		ready = serving
	}
	if len(ready) == 0 {
		return "no endpoint"
	}
	return ready[rand.Intn(len(ready))]
}

// self runs nginx as the documented Deployment, and does something to it.
func self(e *env, do func(e *env, l *load)) {
	e.class = "nginx"
	e.namespace(e.ns)
	e.track = e.follow(ownNS)
	pods := e.follow(e.ns)
	e.stops = append(e.stops, pods.stop)
	a := app{name: "web", replicas: 2}
	e.run(a)
	host := e.ns + ".test"
	e.ingress("web", path{host: host, path: "/", svc: "web"})
	e.apply(e.own())
	e.stops = append(e.stops, e.endNginx)
	e.step("nginx's Pods are Ready", func() { e.nginxPods(2) })
	for _, p := range e.pods() {
		e.await("the route in "+p.name, 20*time.Second, func() bool {
			return fetch(p.ip+":80", host, "/").status == 200
		})
	}
	svc, err := e.Client.CoreV1().Services(ownNS).Get(e.ctx, ownApp,
		metav1.GetOptions{})
	e.must(err)
	through := gets
	through.Dial = func() (net.Conn, error) {
		return net.DialTimeout("tcp", svc.Spec.ClusterIP+":80", 5*time.Second)
	}
	e.await("kube-proxy knows the Service", 20*time.Second, func() bool {
		return fetch(svc.Spec.ClusterIP+":80", host, "/").status == 200
	})
	through.Conns = 8
	k := e.load(nil, through, target(host, "/y", a.svc(e)))
	c := steady
	c.Sockets = 8
	c.Dial = func() (net.Conn, error) {
		return net.DialTimeout("tcp", e.track.endpoint(ownApp), 5*time.Second)
	}
	l := e.load(nil, c, target(host, "/x", a.svc(e)))
	do(e, l)
	l.more(200)
	e.note("by kube-proxy's address of the Service:")
	k.finish()
	e.note("by the endpoints:")
	r := l.finish()
	e.check(r.FailedBy["socket"] > 0, "no WebSocket had to end")
	early := map[string]int{}
	for _, f := range append(r.Retried, k.Snapshot().Retried...) {
		early[f.What]++
	}
	e.note("connections closed while idle as a request came, and sent anew: %v",
		early)
	e.check(early["post"] == 0, "%d of them POSTs", early["post"])
	e.sameTables()
}

// endNginx takes the Deployment away.
func (e *env) endNginx() {
	now := int64(0)
	_ = e.Client.AppsV1().Deployments(ownNS).Delete(e.ctx, ownApp,
		metav1.DeleteOptions{})
	_ = e.Client.CoreV1().Pods(ownNS).DeleteCollection(e.ctx,
		metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{})
	_ = bed.Until(e.ctx, 30*time.Second, func() error {
		l, err := e.Client.CoreV1().Pods(ownNS).List(e.ctx,
			metav1.ListOptions{})
		if err == nil && len(l.Items) > 0 {
			err = fmt.Errorf("%d Pods of nginx are left", len(l.Items))
		}
		return err
	})
}

// pods are nginx's that are not to end.
func (e *env) pods() []life {
	var l []life
	for _, p := range e.track.lives("") {
		if p.doomed.IsZero() && p.ip != "" {
			l = append(l, p)
		}
	}
	return l
}

// nginxPods waits for so many Pods of nginx, and no others.
func (e *env) nginxPods(n int) {
	e.await(fmt.Sprintf("%d Pods of nginx", n), 120*time.Second, func() bool {
		ready := 0
		for _, p := range e.track.lives("") {
			if p.gone.IsZero() && !p.doomed.IsZero() {
				return false
			}
			if p.isReady && p.gone.IsZero() {
				ready++
			}
		}
		return ready == n && len(e.endpoints(ownNS, ownApp)) == n
	})
}

// sameTables compares those of all Pods.
func (e *env) sameTables() {
	want := ""
	for _, p := range e.pods() {
		d := fetch(p.ip+":10246", "localhost", "/status?canonical=1").body
		e.check(strings.Contains(d, e.ns), "%s shows nothing: %.200s", p.name, d)
		e.check(want == "" || want == d, "the tables of two Pods differ")
		want = d
	}
	e.check(want != "", "there is no Pod of nginx")
	e.note("the tables of %d bytes of all Pods are equal", len(want))
}

func selfRolling(e *env, l *load) {
	old := e.pods()
	e.step("rolling update", func() {
		_, err := e.Client.AppsV1().Deployments(ownNS).Patch(e.ctx, ownApp,
			types.StrategicMergePatchType, []byte(`{"spec":{"template":{`+
				`"metadata":{"annotations":{"again":"1"}}}}}`),
			metav1.PatchOptions{})
		e.must(err)
		e.await("the old Pods are told to end", 120*time.Second, func() bool {
			for _, p := range old {
				if x, _ := e.track.named(p.name); x.doomed.IsZero() {
					return false
				}
			}
			return true
		})
		e.nginxPods(2)
	})
	for _, p := range old {
		x, _ := e.track.named(p.name)
		e.check(!x.gone.IsZero(), "%s is not gone", p.name)
	}
}

func (e *env) scaleNginx(n int) {
	e.step(fmt.Sprintf("scale to %d", n), func() {
		_, err := e.Client.AppsV1().Deployments(ownNS).Patch(e.ctx, ownApp,
			types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`,
				n), metav1.PatchOptions{})
		e.must(err)
		e.nginxPods(n)
	})
}

func selfScale(e *env, l *load) {
	was := e.track.ended("")
	e.scaleNginx(1)
	e.check(e.track.ended("") == was+1, "no Pod has ended")
	l.more(100)
	e.scaleNginx(3)
	for _, p := range e.pods() {
		e.await("connections to "+p.name, 20*time.Second, func() bool {
			return strings.Contains(fetch(p.ip+":10254", "localhost",
				"/metrics").body, `host="`+e.ns+`.test"`)
		})
	}
}

func selfEviction(e *env, l *load) {
	p := e.pods()[0]
	e.step("eviction", func() {
		e.must(e.Client.PolicyV1().Evictions(ownNS).Evict(e.ctx,
			&policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: p.name,
				Namespace: ownNS}}))
		e.await("it is told to end", 20*time.Second, func() bool {
			x, _ := e.track.named(p.name)
			return !x.doomed.IsZero()
		})
		e.nginxPods(2)
	})
}
