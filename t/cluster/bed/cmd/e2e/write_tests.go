package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func init() {
	add(test{name: "status-written", group: "pod", bed: "pod", ci: true,
		what: "two replicas of examples/cluster: one writes the address of " +
			"their Service into the status of Ingresses, and Events for " +
			"problems; when it is deleted the other one goes on, and no " +
			"status is ever empty again", run: statusWritten})
}

// balance gives the Service of nginx the address of a load balancer.
func (g *gateway) balance(addr string) {
	_, err := g.e.Client.CoreV1().Services(g.ns).Patch(g.e.ctx, g.name,
		types.MergePatchType, fmt.Appendf(nil, `{"status":{"loadBalancer":`+
			`{"ingress":[{"ip":%q}]}}}`, addr), metav1.PatchOptions{}, "status")
	g.e.must(err)
}

// leader is the Pod of nginx that says it writes; "" for none, or several.
func (g *gateway) leader() string {
	var l []string
	for _, p := range g.pods() {
		m := fetch(p.Status.PodIP+":10254", "", "/metrics").body
		for _, line := range strings.Split(m, "\n") {
			if strings.HasPrefix(line, "nginx_ingress_controller_leader_"+
				"election_status{") && strings.HasSuffix(line, "} 1") &&
				strings.Contains(line, `name="ingress-nginx-leader"`) {
				l = append(l, p.Name)
			}
		}
	}
	if len(l) != 1 {
		return ""
	}
	return l[0]
}

// addresses are what "kubectl get ingress" shows.
func (e *env) addresses(name string) string {
	return strings.TrimSpace(e.kubectl("", "-n", e.ns, "get", "ingress", name,
		"-o", "custom-columns=A:.status.loadBalancer.ingress[*].ip",
		"--no-headers"))
}

// seen are the statuses that a watch of Ingresses has shown.
type seen struct {
	sync.Mutex
	l map[string][]string // by name, each that differs from the last one
}

func (e *env) seeStatuses() *seen {
	s := &seen{l: map[string][]string{}}
	w, err := e.Client.NetworkingV1().Ingresses(e.ns).Watch(e.ctx,
		metav1.ListOptions{})
	e.must(err)
	e.stops = append(e.stops, w.Stop)
	go func() {
		for ev := range w.ResultChan() {
			i, ok := ev.Object.(*networkingv1.Ingress)
			if !ok {
				continue
			}
			b, _ := json.Marshal(i.Status.LoadBalancer.Ingress)
			s.Lock()
			l := s.l[i.Name]
			if len(l) == 0 || l[len(l)-1] != string(b) {
				s.l[i.Name] = append(l, string(b))
			}
			s.Unlock()
		}
	}()
	return s
}

func (s *seen) of(name string) []string {
	s.Lock()
	defer s.Unlock()
	return append([]string(nil), s.l[name]...)
}

func statusWritten(e *env) {
	e.begin()
	a := app{name: "web", replicas: 1}
	e.run(a)
	watch := e.seeStatuses()
	e.ingress("one", path{host: "one.test", path: "/", svc: "web"})
	e.ingress("bad", path{host: "bad.test", path: "/", svc: "missing"})
	// one of another controller, with an address of its own
	e.apply(`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {
  name: theirs, namespace: %s}, spec: {ingressClassName: theirs, defaultBackend: {
  service: {name: web, port: {number: 80}}}}}`, e.ns)
	s := e.example("cluster")
	s.mine()
	s.drop("IngressClass")
	var g *gateway
	e.step("two Pods Ready", func() { g = s.up() })
	g.serves("one.test", "/x", a.svc(e))
	var first string
	e.step("one of them leads", func() {
		e.await("a leader", time.Minute, func() bool {
			first = g.leader()
			return first != ""
		})
	})
	e.check(e.addresses("one") == "<none>", "an address without one: %s",
		e.addresses("one"))
	g.balance("192.0.2.10")
	e.sees("an address in kubectl get ingress", time.Minute,
		func() (bool, any) {
			return e.addresses("one") == "192.0.2.10" &&
				e.addresses("bad") == "192.0.2.10", e.addresses("one")
		})
	e.check(e.addresses("theirs") == "<none>", "one of another class is %s",
		e.addresses("theirs"))
	e.sees("an Event of the problem", time.Minute, func() (bool, any) {
		text := e.kubectl("", "-n", e.ns, "describe", "ingress", "bad")
		return strings.Contains(text, "ServiceNotFound") &&
			strings.Contains(text, "nginx-ingress-controller"), text
	})

	e.step("the leader is deleted", func() {
		e.kubectl("", "-n", e.ns, "delete", "pod", first, "--wait=false")
		e.await("another one leads", 2*time.Minute, func() bool {
			l := g.leader()
			return l != "" && l != first
		})
	})
	e.ingress("two", path{host: "two.test", path: "/", svc: "web"})
	e.sees("an address from the other one", time.Minute,
		func() (bool, any) {
			return e.addresses("two") == "192.0.2.10", e.addresses("two")
		})
	l, err := e.Client.CoordinationV1().Leases(e.ns).Get(e.ctx,
		"ingress-nginx-leader", metav1.GetOptions{})
	e.must(err)
	e.check(l.Spec.HolderIdentity != nil && *l.Spec.HolderIdentity == g.leader(),
		"the Lease is held by %v", l.Spec.HolderIdentity)
	for _, name := range []string{"one", "bad"} {
		e.check(len(watch.of(name)) == 2, "status of %s was %v", name,
			watch.of(name))
	}
	e.check(len(watch.of("two")) <= 2, "status of two was %v", watch.of("two"))
	g.quiet()
}
