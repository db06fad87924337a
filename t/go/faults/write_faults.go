package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"time"

	"ngx_k8s_test/internal/api"
)

// What is written to the API server: the status of Ingresses and Events, by
// who holds the Lease.

const (
	lease   = "election_id ingress-nginx/leader; election_ttl 4s;"
	publish = "publish_service ingress-nginx/web;" + lease
)

// balancer makes the Service whose address is published.
func (e *env) balancer(addr string) {
	s := api.Service("ingress-nginx", "web", 80, 80)
	s["spec"].(api.Map)["type"] = "LoadBalancer"
	var l []interface{}
	if addr != "" {
		l = append(l, api.Map{"ip": addr, "ipMode": "VIP"})
	}
	s["status"] = api.Map{"loadBalancer": api.Map{"ingress": l}}
	e.api.Put("services", s)
}

// published is the status of an Ingress.
func (e *env) published(name string) string {
	o := e.api.Get("ingresses", "default", name)
	if o == nil {
		return ""
	}
	b, _ := json.Marshal(o.M["status"])
	return string(b)
}

func statusOf(addrs ...string) string {
	var l []api.Map
	for _, a := range addrs {
		k := "ip"
		if strings.Trim(a, "0123456789.") != "" && !strings.Contains(a, ":") {
			k = "hostname"
		}
		l = append(l, api.Map{k: a})
	}
	b, _ := json.Marshal(api.Map{"loadBalancer": api.Map{"ingress": l}})
	return string(b)
}

func (e *env) publishes(name, status string) {
	e.sees("status of "+name, 30*time.Second, func() (bool, any) {
		return e.published(name) == status, e.published(name)
	})
}

// written counts writes of statuses since an entry of the log, of one Ingress
// or all.
func (e *env) written(from int, name string) int {
	return e.count(from, func(r api.Request) bool {
		return r.Sub == "status" && r.Verb != "get" &&
			(name == "" || r.Name == name)
	})
}

// edit changes an Ingress as kubectl does: what it does not name stays.
func (e *env) edit(name string, change func(m api.Map)) {
	b, err := json.Marshal(e.api.Get("ingresses", "default", name).M)
	e.must(err)
	var m api.Map
	e.must(json.Unmarshal(b, &m))
	change(m)
	e.api.Put("ingresses", m)
}

func annotate(key, value string) func(m api.Map) {
	return func(m api.Map) {
		m["metadata"].(api.Map)["annotations"] = api.Map{
			"nginx.ingress.kubernetes.io/" + key: value}
	}
}

func (g *nginx) leads() bool {
	return g.metricMatch(`^nginx_ingress_controller_leader_election_status\{`+
		`.*name="leader"\}`) == 1
}

func (e *env) holder() string {
	o := e.api.Get("leases", "ingress-nginx", "leader")
	if o == nil {
		return ""
	}
	s, _ := o.M["spec"].(api.Map)["holderIdentity"].(string)
	return s
}

func pod(name string) []string {
	return []string{"POD_NAME=" + name, "POD_NAMESPACE=ingress-nginx"}
}

// replica is one more nginx with the same objects.
func (e *env) replica(name, block string) *nginx {
	return e.start(options{block: block, env: pod(name)})
}

func init() {
	add("T-G3 the status of Ingresses is written on change alone",
		func(e *env) {
			e.begin(false)
			e.app("a", 1)
			e.ingress("a", "a.test", "/", "a")
			e.ingress("b", "b.test", "/", "a")
			other := api.Ingress("default", "other", "c.test", api.Path{
				Path: "/", Type: "Prefix", Service: "a", Port: 80})
			other["spec"].(api.Map)["ingressClassName"] = "theirs"
			other["status"] = api.Map{"loadBalancer": api.Map{
				"ingress": []interface{}{api.Map{"ip": "203.0.113.9"}}}}
			e.api.Put("ingresses", other)
			e.balancer("")
			g := e.replica("p1", publish)
			e.await("the missing address is a problem", 20*time.Second,
				func() bool { return g.problem("AddressNotFound") })
			e.check(e.written(0, "") == 0, "written without an address")
			e.balancer("192.0.2.10")
			e.publishes("a", statusOf("192.0.2.10"))
			e.publishes("b", statusOf("192.0.2.10"))
			e.await("the problem has gone", 20*time.Second, func() bool {
				return !g.problem("AddressNotFound")
			})

			// a change of the Ingress writes nothing
			e.edit("a", annotate("proxy-body-size", "9m"))
			e.ingress("new", "new.test", "/", "a")
			e.publishes("new", statusOf("192.0.2.10"))
			g.serves("new.test", "/", "a")
			e.check(e.written(0, "a") == 1 && e.written(0, "b") == 1,
				"%d and %d writes", e.written(0, "a"), e.written(0, "b"))

			// another address; the one of another class is left alone, and so
			// is one that changes to it
			e.edit("b", func(m api.Map) {
				m["spec"].(api.Map)["ingressClassName"] = "theirs"
			})
			g.becomes("b.test", "/", 404, "")
			e.balancer("2001:db8::1")
			e.publishes("a", statusOf("2001:db8::1"))
			e.publishes("new", statusOf("2001:db8::1"))
			e.check(e.published("b") == statusOf("192.0.2.10") &&
				e.written(0, "b") == 1, "b: %s", e.published("b"))
			e.check(e.written(0, "other") == 0, "of another class")

			// the address goes: statuses stay
			from := e.api.LogLen()
			e.balancer("")
			e.await("the missing address is a problem", 20*time.Second,
				func() bool { return g.problem("AddressNotFound") })
			_, _ = e.api.Delete("services", "ingress-nginx", "web")
			g.signal(syscall.SIGQUIT)
			e.must(g.Ends(20 * time.Second))
			e.check(e.written(from, "") == 0 &&
				e.published("a") == statusOf("2001:db8::1"), "a: %s",
				e.published("a"))
		})

	add("T-G3 conflicts and errors of status writes", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		e.ingress("b", "b.test", "/", "a")
		e.balancer("192.0.2.10")
		f := e.api.Inject(api.Fault{Resource: "ingresses", Verb: "patch",
			Name: "a", Count: 1, Status: 409})
		h := e.api.Inject(api.Fault{Resource: "ingresses", Verb: "patch",
			Name: "b", Count: 1, Status: 500})
		g := e.replica("p1", publish)
		e.await("a conflict", 20*time.Second, func() bool {
			return f.Fired() == 1
		})
		e.publishes("b", statusOf("192.0.2.10"))
		e.check(h.Fired() == 1, "no 500")
		e.check(g.Logged("[error]") == 0, "a conflict is an error")

		// its next version has a status; what changes while one is written
		// leaves no wrong one behind
		for i := 0; i < 20; i++ {
			e.edit("a", annotate("proxy-body-size", fmt.Sprintf("%dm", i+1)))
			if i%7 == 0 {
				e.balancer(fmt.Sprintf("192.0.2.%d", 100+i))
			}
		}
		e.publishes("a", statusOf("192.0.2.114"))
		e.publishes("b", statusOf("192.0.2.114"))

		// a write is refused for a while, then it is made
		f = e.api.Inject(api.Fault{Resource: "ingresses", Verb: "patch",
			Status: 429, RetryAfter: 1})
		e.ingress("c", "c.test", "/", "a")
		e.await("429", 20*time.Second, func() bool { return f.Fired() > 0 })
		e.api.Clear(f)
		e.publishes("c", statusOf("192.0.2.114"))
	})

	add("T-G3 an Ingress gets another class while its status is written",
		func(e *env) {
			e.begin(false)
			e.app("a", 1)
			e.balancer("192.0.2.10")
			g := e.replica("p1", publish)
			e.await("it leads", 20*time.Second, g.leads)
			f := e.api.Inject(api.Fault{Resource: "ingresses", Verb: "patch",
				Name: "x", Count: 1, DelayMS: 1000})
			e.ingress("x", "x.test", "/", "a")
			e.await("a write that takes long", 20*time.Second, func() bool {
				return f.Fired() == 1
			})
			e.edit("x", func(m api.Map) {
				m["spec"].(api.Map)["ingressClassName"] = "theirs"
			})
			e.await("a conflict", 20*time.Second, func() bool {
				return e.count(0, func(r api.Request) bool {
					return r.Name == "x" && r.Sub == "status" && r.Status == 409
				}) == 1
			})
			e.change(g, "later")
			e.publishes("later", statusOf("192.0.2.10"))
			e.check(e.published("x") == `{"loadBalancer":{}}` &&
				e.written(0, "x") == 1, "%d writes, %s", e.written(0, "x"),
				e.published("x"))
		})

	add("T-G3 a status that somebody else writes", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		e.balancer("192.0.2.10")
		g := e.replica("p1", publish)
		e.publishes("a", statusOf("192.0.2.10"))
		from := e.api.LogLen()
		e.edit("a", func(m api.Map) {
			m["status"] = api.Map{"loadBalancer": api.Map{
				"ingress": []interface{}{api.Map{"ip": "203.0.113.9"}}}}
		})
		e.change(g, "later")
		e.publishes("later", statusOf("192.0.2.10"))
		e.check(e.written(from, "a") == 0, "two writers fight")
	})

	add("T-G3 statuses are written at a given rate", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		n := 400
		if *long {
			n = 5000
		}
		for i := 0; i < n; i++ {
			e.ingress(fmt.Sprintf("i%d", i), fmt.Sprintf("h%d.test", i), "/",
				"a")
		}
		g := e.start(options{block: "publish_address 192.0.2.7 lb.test;" +
			"write_rate 200;" + lease, env: pod("p1"), zone: "32m"})
		want := statusOf("192.0.2.7", "lb.test")
		e.await("all statuses", time.Duration(n/100+20)*time.Second,
			func() bool {
				return e.published(fmt.Sprintf("i%d", n-1)) == want &&
					e.written(0, "") >= n
			})
		var times []time.Time
		for _, r := range e.api.Log(0) {
			if r.Sub == "status" {
				times = append(times, r.Time)
			}
		}
		most := 0
		for i, j := 0, 0; j < len(times); j++ {
			for times[j].Sub(times[i]) > time.Second {
				i++
			}
			most = max(most, j-i+1)
		}
		e.check(len(times) == n, "%d writes of %d", len(times), n)
		e.check(most <= 200+10+8+10, "%d in a second", most)
		e.note("%d statuses, %d in a second at most", n, most)
		e.note("of %.0f turns longer than a time: %v", g.metricMatch(
			"watcher_turn_seconds_count"), g.turns())
	})

	add("T-G3 addresses of nodes", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		run := func(name, node, ready string, labels api.Map) {
			e.api.Put("pods", api.Map{"metadata": api.Map{"name": name,
				"namespace": "ingress-nginx", "labels": labels},
				"spec": api.Map{"nodeName": node},
				"status": api.Map{"phase": "Running",
					"conditions": []interface{}{
						api.Map{"type": "Ready", "status": ready}}}})
		}
		ours := api.Map{"app": "web", "pod-template-hash": "1"}
		run("p1", "n1", "True", ours)
		for i := 0; i < 25; i++ {
			run(fmt.Sprintf("p2-%d", i), "n2", "True", api.Map{"app": "web",
				"pod-template-hash": "2"})
		}
		run("p3", "n3", "False", ours)
		run("q", "n4", "True", api.Map{"app": "else"})
		for i, kinds := range [][]string{{"InternalIP"},
			{"InternalIP", "ExternalIP"}, {"InternalIP"}, {"InternalIP"}} {
			var l []interface{}
			for j, k := range kinds {
				l = append(l, api.Map{"type": k,
					"address": fmt.Sprintf("192.0.2.%d", 10*j+i+1)})
			}
			e.api.Put("nodes", api.Map{"metadata": api.Map{
				"name": fmt.Sprintf("n%d", i+1)},
				"status": api.Map{"addresses": l}})
		}
		e.replica("p1", "publish_nodes external;"+lease)
		e.publishes("a", statusOf("192.0.2.1", "192.0.2.12"))
	})

	// each right in turn: routes are served, and a problem says what is missing
	for _, r := range []struct{ resource, verb, code, says string }{
		{"leases", "get", "WriteRefused", "get Lease"},
		{"leases", "post", "WriteRefused", "create Lease"},
		{"leases", "put", "WriteRefused", "update Lease"},
		{"ingresses", "patch", "WriteRefused", "ingresses"},
		{"events", "post", "WriteRefused", "events"},
		{"services", "get", "AddressNotFound", "get the Service"},
	} {
		add("T-A20 403 to "+r.verb+" of "+r.resource, func(e *env) {
			e.begin(false)
			e.app("a", 1)
			e.ingress("a", "a.test", "/", "a")
			e.ingress("bad", "bad.test", "/", "missing")
			e.balancer("192.0.2.10")
			if r.verb == "put" {
				e.api.Put("leases", api.Map{"metadata": api.Map{
					"name": "leader", "namespace": "ingress-nginx"},
					"spec": api.Map{"holderIdentity": "gone",
						"leaseDurationSeconds": 1}})
			}
			f := e.api.Inject(api.Fault{Resource: r.resource, Verb: r.verb,
				Status: 403})
			g := e.replica("p1", publish+"events on;")
			e.await("a problem", 20*time.Second, func() bool {
				b := g.adminGet("/status?problems=1").body
				return strings.Contains(b, `"`+r.code+`"`) &&
					strings.Contains(b, r.says)
			})
			e.change(g, "later")
			g.still("a.test", "/", "a")
			e.check(g.adminGet("/readyz").status == 200, "not ready")
			fired := f.Fired()
			e.during(2*time.Second, func() { g.still("a.test", "/", "a") })
			most := fired + 1
			if r.verb == "patch" {
				most = 3 // each Ingress once
			}
			e.check(f.Fired() <= most, "asked %d times", f.Fired())
			e.check(g.Logged("("+r.code+")") == 1, "said %d times",
				g.Logged("("+r.code+")"))
			if r.resource == "events" {
				e.publishes("a", statusOf("192.0.2.10"))
			}
			if r.verb != "get" || r.resource != "leases" {
				return
			}
			e.check(e.written(0, "") == 0, "written without a Lease")
			e.api.Clear(f)
			e.publishes("a", statusOf("192.0.2.10"))
			e.check(!g.problem(r.code), "still a problem")
		})
	}

	// a quota or a webhook of one namespace is nothing of others
	add("T-A20 403 to what is written of one object", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("x", "x.test", "/", "missing")
		e.balancer("192.0.2.10")
		f := e.api.Inject(api.Fault{Resource: "ingresses", Verb: "patch",
			Name: "x", Status: 403})
		h := e.api.Inject(api.Fault{Resource: "events", Verb: "post",
			Count: 1, Status: 403})
		g := e.replica("p1", publish+"events on;")
		e.await("both are refused", 20*time.Second, func() bool {
			return f.Fired() > 0 && h.Fired() > 0 && g.problem("WriteRefused")
		})
		for _, n := range []string{"b", "c"} {
			e.ingress(n, n+".test", "/", "missing")
			e.publishes(n, statusOf("192.0.2.10"))
			e.await("an Event of "+n, 20*time.Second, func() bool {
				return e.count(0, func(r api.Request) bool {
					return r.Resource == "events" && r.Status == 201
				}) > 0
			})
		}
		e.check(f.Fired() == 1, "asked %d times", f.Fired())
	})

	add("T-G1 two replicas have one writer, and another when it hangs",
		func(e *env) {
			e.begin(false)
			e.app("a", 1)
			e.ingress("a", "a.test", "/", "a")
			e.balancer("192.0.2.10")
			g := e.replica("p1", publish)
			e.publishes("a", statusOf("192.0.2.10"))
			h := e.replica("p2", publish)
			e.ingress("b", "b.test", "/", "a")
			e.publishes("b", statusOf("192.0.2.10"))
			e.check(g.leads() && !h.leads() && e.holder() == "p1",
				"%v %v %s", g.leads(), h.leads(), e.holder())

			// it hangs, as one whose network is gone
			w := g.watcher()
			e.must(syscall.Kill(w, syscall.SIGSTOP))
			e.stops = append(e.stops, func() {
				_ = syscall.Kill(w, syscall.SIGCONT)
			})
			e.await("another one leads", 30*time.Second, func() bool {
				return h.leads() && e.holder() == "p2"
			})
			e.ingress("c", "c.test", "/", "a")
			e.publishes("c", statusOf("192.0.2.10"))

			// back, it finds that it has lost
			e.must(syscall.Kill(w, syscall.SIGCONT))
			e.await("the first one follows", 30*time.Second, func() bool {
				return !g.leads() && g.Logged("no longer writes") > 0
			})
			e.ingress("d", "d.test", "/", "a")
			e.publishes("d", statusOf("192.0.2.10"))
			for _, n := range []string{"a", "b", "c", "d"} {
				e.check(e.written(0, n) == 1, "%s: %d writes", n,
					e.written(0, n))
			}
			spec := e.api.Get("leases", "ingress-nginx", "leader").
				M["spec"].(api.Map)
			e.check(spec["leaseTransitions"] == 1.0, "%v", spec)

			// a reload of the leader keeps the Lease, and writes nothing
			h.reload()
			e.await("it leads again", 30*time.Second, h.leads)
			e.change(h, "later")
			e.publishes("later", statusOf("192.0.2.10"))
			e.check(e.written(0, "") == 5, "%d writes", e.written(0, ""))
			spec = e.api.Get("leases", "ingress-nginx", "leader").
				M["spec"].(api.Map)
			e.check(spec["leaseTransitions"] == 1.0, "%v", spec)
		})

	add("T-G1 a Lease that another controller holds", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		renew := func() {
			e.api.Put("leases", api.Map{"metadata": api.Map{
				"name": "leader", "namespace": "ingress-nginx",
				"labels": api.Map{"of": "them"}},
				"spec": api.Map{"holderIdentity": "controller-0",
					"leaseDurationSeconds": 3, "leaseTransitions": 7,
					"renewTime": time.Now().UTC().Format(
						"2006-01-02T15:04:05.000000Z")}})
		}
		renew()
		g := e.replica("p1", "publish_address 192.0.2.7;"+lease)
		for i := 0; i < 10; i++ {
			renew()
			e.during(500*time.Millisecond, func() {
				e.check(!g.leads() && e.written(0, "") == 0, "two writers")
			})
		}
		e.publishes("a", statusOf("192.0.2.7"))
		o := e.api.Get("leases", "ingress-nginx", "leader")
		spec := o.M["spec"].(api.Map)
		e.check(spec["holderIdentity"] == "p1" &&
			spec["leaseTransitions"] == 8.0, "%v", spec)
		e.check(o.M["metadata"].(api.Map)["labels"] != nil, "labels are gone")
	})

	add("T-B7 update_status_on_shutdown", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		e.ingress("b", "b.test", "/", "a")
		for i := 0; i < 60; i++ {
			e.ingress(fmt.Sprintf("i%d", i), fmt.Sprintf("h%d.test", i), "/",
				"a")
		}
		e.balancer("192.0.2.10")
		replicas := func(ready bool) {
			s := api.Slice("ingress-nginx", "web-x", "web", 80, api.Endpoint(
				"10.244.9.9", "p9", ready, true, !ready))
			e.api.Put("endpointslices", s)
		}
		replicas(true)
		block := publish + "update_status_on_shutdown on; write_rate 200;"
		g := e.replica("p1", block)
		e.await("all statuses", 20*time.Second, func() bool {
			return e.written(0, "") == 62
		})
		e.publishes("i9", statusOf("192.0.2.10"))

		// another replica is ready
		from := e.api.LogLen()
		g.signal(syscall.SIGQUIT)
		e.must(g.Ends(20 * time.Second))
		e.check(e.written(from, "") == 0, "taken back beside another one")

		// a reload is no end
		replicas(false)
		g = e.replica("p1", block)
		e.await("it leads", 20*time.Second, g.leads)
		g.reload()
		e.await("it leads again", 20*time.Second, g.leads)
		e.change(g, "later")
		e.publishes("later", statusOf("192.0.2.10"))
		e.check(e.written(from, "") == 1, "%d writes", e.written(from, ""))

		// the last one; what somebody else has written stays
		theirs := api.Map{"loadBalancer": api.Map{
			"ingress": []interface{}{api.Map{"ip": "203.0.113.9"}}}}
		e.edit("b", func(m api.Map) { m["status"] = theirs })
		e.publishes("b", statusOf("192.0.2.10"))
		e.edit("b", func(m api.Map) { m["status"] = theirs })
		e.change(g, "latest")
		e.publishes("latest", statusOf("192.0.2.10"))
		g.signal(syscall.SIGQUIT)
		e.must(g.Ends(30 * time.Second))
		for _, n := range []string{"a", "later", "i0", "i59"} {
			e.check(e.published(n) == `{"loadBalancer":{}}`, "%s: %s", n,
				e.published(n))
		}
		e.check(e.published("b") == statusOf("203.0.113.9"), "b: %s",
			e.published("b"))

		// without the API server it ends all the same
		g = e.replica("p1", block)
		e.publishes("a", statusOf("192.0.2.10"))
		e.api.Down()
		g.signal(syscall.SIGQUIT)
		e.must(g.Ends(time.Minute))
		e.must(e.api.Up())
	})

	add("T-G1 update_status off", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		e.balancer("192.0.2.10")
		g := e.replica("p1", publish+"update_status off;")
		e.change(g, "later")
		e.check(e.count(0, func(r api.Request) bool {
			return r.Method != "GET" || r.Resource == "leases"
		}) == 0, "it writes")
	})

	events := func(e *env) []api.Map {
		l, _ := e.api.All("events", "default")
		var r []api.Map
		for _, o := range l {
			r = append(r, o.M)
		}
		return r
	}

	add("T-C1 Events for problems", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("good", "good.test", "/", "a")
		e.ingress("bad", "bad.test", "/", "missing")
		theirs := api.Ingress("default", "theirs", "c.test", api.Path{
			Path: "/", Type: "Prefix", Service: "missing", Port: 80})
		theirs["spec"].(api.Map)["ingressClassName"] = "nowhere"
		e.api.Put("ingresses", theirs)
		g := e.replica("p1", lease+"events on;")
		e.sees("an Event", 20*time.Second, func() (bool, any) {
			return len(events(e)) == 1, events(e)
		})
		m := events(e)[0]
		about := m["involvedObject"].(api.Map)
		uid := e.api.Get("ingresses", "default", "bad").
			M["metadata"].(api.Map)["uid"]
		e.check(about["kind"] == "Ingress" && about["name"] == "bad" &&
			about["namespace"] == "default" && about["uid"] == uid &&
			about["apiVersion"] == "networking.k8s.io/v1" &&
			m["reason"] == "ServiceNotFound" && m["type"] == "Warning" &&
			m["count"] == 1.0 && m["source"].(api.Map)["component"] ==
			"nginx-ingress-controller" &&
			strings.Contains(m["message"].(string), "missing"), "%v", m)

		// it goes and comes, again and again: that is one Event
		for i := 0; i < 5; i++ {
			e.ingress("bad", "bad.test", "/", "a")
			g.serves("bad.test", "/", "a")
			e.ingress("bad", "bad.test", "/", "missing")
			g.becomes("bad.test", "/", 503, "")
		}
		e.ingress("worse", "worse.test", "/", "absent")
		e.sees("another Event", 20*time.Second, func() (bool, any) {
			return len(events(e)) == 2, events(e)
		})
		post := func() int {
			return e.count(0, func(r api.Request) bool {
				return r.Resource == "events"
			})
		}
		e.check(post() == 2, "%d writes of Events", post())

		// who comes next finds them
		g.reload()
		e.await("it leads again", 30*time.Second, g.leads)
		e.ingress("worst", "worst.test", "/", "absent")
		e.sees("a third Event", 20*time.Second, func() (bool, any) {
			return len(events(e)) == 3, events(e)
		})
	})

	add("T-C1 Events of hostile objects", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		name := strings.Repeat("n", 228) + "." + strings.Repeat("m", 20)
		m := api.Ingress("default", name, "a.test", api.Path{
			Path: "/", Type: "Prefix", Service: "a", Port: 80})
		m["metadata"].(api.Map)["annotations"] = api.Map{
			"nginx.ingress.kubernetes.io/proxy-body-size": strings.Repeat(
				"é\"\\\n", 5000)}
		e.api.Put("ingresses", m)
		e.ingress("bad", "bad.test", "/", "missing")
		e.replica("p1", lease+"events on;")
		e.sees("Events", 20*time.Second, func() (bool, any) {
			return len(events(e)) == 2, events(e)
		})
		for _, m := range events(e) {
			n := m["metadata"].(api.Map)["name"].(string)
			e.check(len(m["message"].(string)) <= 1024 && len(n) <= 253 &&
				!strings.Contains(n, "..") && !strings.Contains(n, "-."),
				"%v", m)
		}
	})
}
