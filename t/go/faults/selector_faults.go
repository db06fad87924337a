package main

import (
	"fmt"
	"math/rand"
	"os"
	"strings"
	"syscall"
	"time"

	"ngx_k8s_test/internal/api"
	"ngx_k8s_test/internal/client"
	"ngx_k8s_test/internal/pods"
)

// namespace puts one with a label "team", without it if that is "-".
func (e *env) namespace(name, team string) {
	o := api.Namespace(name)
	if team != "-" {
		o["metadata"].(api.Map)["labels"].(api.Map)["team"] = team
	}
	e.api.Put("namespaces", o)
}

// tenant makes a namespace with a Service and a route NAME.test.
func (e *env) tenant(name, team string) {
	e.namespace(name, team)
	addr := e.pod(name, name+"-0", pods.Options{})
	e.api.Put("services", api.Service(name, name, 80, 8080))
	e.api.Put("endpointslices", api.Slice(name, name+"-x", name, 8080,
		api.Endpoint(addr, name+"-0", true, true, false)))
	e.api.Put("ingresses", api.Ingress(name, name, name+".test",
		api.Path{Path: "/", Type: "Prefix", Service: name, Port: 80}))
}

// chosen begins with eight tenants, of which the selector takes some.
func (e *env) chosen() []string {
	e.begin(false)
	e.block = "watch_namespace_selector 'team in (shop, pay)';"
	e.selects = func(labels api.Map) bool {
		return labels["team"] == "shop" || labels["team"] == "pay"
	}
	e.namespace("default", "shop")
	e.app("a", 2)
	e.ingress("a", "a.test", "/", "a")
	var names []string
	for i := 0; i < 8; i++ {
		names = append(names, fmt.Sprintf("t%d", i))
		e.tenant(names[i], []string{"shop", "other", "-", "pay"}[i%4])
	}
	return names
}

// follows waits until a tenant's route is there, or not.
func (g *nginx) follows(name, team string) {
	if team == "shop" || team == "pay" {
		g.serves(name+".test", "/", name)
	} else {
		g.becomes(name+".test", "/", 404, "")
	}
}

func init() {
	add("selector: labels of namespaces change, under load", func(e *env) {
		names := e.chosen()
		g := e.start(options{})
		g.serves("a.test", "/", "a")
		l := e.loadAll(g, client.Target{Host: "a.test", Path: "/",
			Service: "a"})
		for i, name := range names {
			g.follows(name, []string{"shop", "other", "-", "pay"}[i%4])
		}
		e.watched()
		seed := time.Now().UnixNano()
		e.note("seed %d", seed)
		rng := rand.New(rand.NewSource(seed))
		teams := []string{"shop", "pay", "other", "-"}
		for i := 0; i < 40; i++ {
			name, team := names[rng.Intn(8)], teams[rng.Intn(4)]
			e.namespace(name, team)
			g.follows(name, team)
		}
		e.equal(g)
		// not waited for, with Ingresses and Namespaces that come and go and
		// streams that break
		f := e.api.Inject(api.Fault{CutRandom: 3000, Seed: seed, Verb: "watch"})
		e.api.EndWatches("")
		for i := 0; i < 400; i++ {
			name := names[rng.Intn(8)]
			switch rng.Intn(4) {
			case 0:
				_, _ = e.api.Delete("namespaces", "", name)
			case 1:
				_, _ = e.api.Delete("ingresses", name, name)
			case 2:
				e.api.Put("ingresses", api.Ingress(name, name, name+".test",
					api.Path{Path: "/", Type: "Prefix", Service: name, Port: 80}))
			default:
				e.namespace(name, teams[rng.Intn(4)])
			}
			time.Sleep(5 * time.Millisecond)
		}
		e.check(f.Fired() > 3, "cut %d times", f.Fired())
		e.api.Clear(nil)
		for i, name := range names {
			e.tenant(name, teams[i%4])
			g.follows(name, teams[i%4])
		}
		e.change(g, "end")
		e.quiet(l)
		e.equal(g)
	})

	add("selector: Secrets of what is left out are not read", func(e *env) {
		e.chosen()
		crt, key, err := selfSigned("t1.test")
		e.must(err)
		e.api.Put("secrets", api.TLSSecret("t1", "cert", crt, key))
		o := api.Ingress("t1", "t1", "t1.test", api.Path{Path: "/",
			Type: "Prefix", Service: "t1", Port: 80})
		o["spec"].(api.Map)["tls"] = []interface{}{api.Map{
			"hosts": []interface{}{"t1.test"}, "secretName": "cert"}}
		e.api.Put("ingresses", o)
		g := e.start(options{})
		g.serves("t0.test", "/", "t0")
		reads := func() int {
			return e.count(0, func(r api.Request) bool {
				return r.Resource == "secrets" && r.Name == "cert"
			})
		}
		e.watched()
		e.check(reads() == 0, "the Secret is read")
		e.namespace("t1", "shop")
		e.await("its certificate", 10*time.Second, func() bool {
			return g.handshake("t1.test") == "t1.test"
		})
		e.check(reads() > 0, "the Secret was never asked for")
		e.namespace("t1", "-")
		e.await("no certificate of its own", 10*time.Second, func() bool {
			return g.handshake("t1.test") != "t1.test"
		})
	})

	for _, code := range []int{403, 404} {
		code := code
		add(fmt.Sprintf("selector: %d for namespaces", code), func(e *env) {
			e.chosen()
			f := e.api.Inject(api.Fault{Resource: "namespaces", Status: code})
			g := e.start(options{down: true})
			e.await("the refusal", 10*time.Second, func() bool {
				return f.Fired() > 1
			})
			var a answer
			e.await("/readyz says so", 5*time.Second, func() bool {
				a = g.adminGet("/readyz")
				return a.status == 503 && strings.Contains(a.body,
					"namespaces are refused, and needed")
			})
			e.check(g.get("t0.test", "/").status == 503, "it serves")
			e.api.Clear(f)
			g.ready(45 * time.Second)
			g.serves("t0.test", "/", "t0")
			g.becomes("t1.test", "/", 404, "")
			e.watched()
			// what was chosen stays when the right is withdrawn
			f = e.api.Inject(api.Fault{Resource: "namespaces", Status: code})
			e.api.EndWatches("namespaces")
			e.await("the refusal", 10*time.Second, func() bool {
				return f.Fired() > 1
			})
			e.change(g, "more")
			g.still("t0.test", "/", "t0")
			e.check(g.adminGet("/readyz").status == 200, "not ready any more")
			e.api.Clear(f)
			e.namespace("t1", "pay")
			g.serves("t1.test", "/", "t1")
		})
	}

	add("selector: added and removed by a reload", func(e *env) {
		e.chosen()
		with := e.block
		g := e.start(options{})
		g.serves("t0.test", "/", "t0")
		g.becomes("t1.test", "/", 404, "")
		kinds := func() string { return g.adminGet("/status").body }
		e.check(strings.Contains(kinds(), "namespaces"), "no such kind")
		g.configure(strings.Replace(g.conf, with, "", 1))
		g.serves("t1.test", "/", "t1")
		g.still("t0.test", "/", "t0")
		e.await("namespaces are no kind that is read", 5*time.Second,
			func() bool { return !strings.Contains(kinds(), "namespaces") })
		g.configure(g.conf)
		g.becomes("t1.test", "/", 404, "")
		g.still("t0.test", "/", "t0")
		e.equal(g)
	})
}

// configure reloads with another configuration.
func (g *nginx) configure(conf string) {
	g.e.must(os.WriteFile(g.Dir+"/nginx.conf", []byte(conf), 0644))
	g.signal(syscall.SIGHUP)
}
