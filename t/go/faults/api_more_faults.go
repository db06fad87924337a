package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ngx_k8s_test/internal/api"
	"ngx_k8s_test/internal/pods"
)

func init() {
	add("T-A16 unknown fields and nulls", func(e *env) {
		e.begin(false)
		f := e.api.Inject(api.Fault{Odd: true})
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		weird := []api.Map{
			{"metadata": api.Map{"name": "w1", "namespace": "default"}},
			{"metadata": api.Map{"name": "w2", "namespace": "default"},
				"spec": nil},
			{"metadata": api.Map{"name": "w3", "namespace": "default",
				"annotations": nil, "labels": nil},
				"spec": api.Map{"ingressClassName": "nginx", "rules": nil,
					"tls": []interface{}{nil}}},
			{"metadata": api.Map{"name": "w4", "namespace": "default"},
				"spec": api.Map{"ingressClassName": "nginx",
					"rules": []interface{}{nil, api.Map{"host": "w.test",
						"http": nil}, api.Map{"host": 5, "http": api.Map{
						"paths": []interface{}{nil, api.Map{"path": "/",
							"backend": nil}, api.Map{"path": nil,
							"pathType": nil, "backend": api.Map{
								"service": api.Map{"name": nil,
									"port": nil}}}}}}}}},
			{"metadata": api.Map{"name": "w5", "namespace": "default"},
				"spec": api.Map{"ingressClassName": "nginx",
					"defaultBackend": api.Map{"service": api.Map{
						"name": "a", "port": api.Map{"number": 1e30}}},
					"rules": "none", "tls": api.Map{}}},
			{"metadata": api.Map{"name": "w6", "namespace": "default"},
				"spec": []interface{}{}},
		}
		for _, w := range weird {
			e.api.Put("ingresses", w)
		}
		e.api.Put("services", api.Map{"metadata": api.Map{"name": "w",
			"namespace": "default"}, "spec": api.Map{"ports": nil}})
		e.api.Put("services", api.Map{"metadata": api.Map{"name": "v",
			"namespace": "default"}, "spec": api.Map{"ports": []interface{}{
			nil, api.Map{"name": nil, "port": "80"}}, "ipFamilies": nil}})
		e.api.Put("endpointslices", api.Map{"metadata": api.Map{"name": "w",
			"namespace": "default", "labels": api.Map{
				"kubernetes.io/service-name": "w"}},
			"addressType": "IPv4", "endpoints": nil, "ports": nil})
		e.api.Put("endpointslices", api.Map{"metadata": api.Map{"name": "v",
			"namespace": "default", "labels": api.Map{
				"kubernetes.io/service-name": "v"}},
			"addressType": "IPv4", "endpoints": []interface{}{nil, api.Map{},
				api.Map{"addresses": nil}, api.Map{"addresses": []interface{}{
					nil, 3, "not an address"}, "conditions": nil}},
			"ports": []interface{}{nil, api.Map{"name": nil, "port": nil}}})
		e.ingress("w", "w.test", "/", "w")
		e.ingress("v", "v.test", "/", "v")
		g := e.start(options{})
		g.serves("a.test", "/", "a")
		g.becomes("v.test", "/", 503, "")
		e.watched()
		for _, w := range weird { // and as events
			e.api.Put("ingresses", w)
		}
		e.app("c", 1)
		e.ingress("c", "c.test", "/", "c")
		g.serves("c.test", "/", "c")
		e.check(f.Fired() > 10, "%d odd objects", f.Fired())
		e.check(len(g.Workers()) == 2, "a worker died")
	})

	add("T-A16 events that are no JSON", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		for i, text := range []string{"{\n", "}\n", "\n", "null\n", "[1,2\n",
			"{\"type\":\"ADDED\"}\n", "{\"type\":5,\"object\":{}}\n",
			"{\"type\":\"ADDED\",\"object\":null}\n",
			"{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\"}}\n",
			"{\"type\":\"ODD\",\"object\":{}}\n", "\x00\xff\xfe\n",
			"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"\\ud800\"}}}\n",
			strings.Repeat("[", 100000) + "\n",
			"{\"type\":\"BOOKMARK\",\"object\":{}}\n",
			"{\"type\":\"ERROR\",\"object\":{}}\n",
			"{\"type\":\"ERROR\",\"object\":[]}\n"} {
			e.watched()
			e.await("sent", 5*time.Second, func() bool {
				return e.api.Send("", text) > 0
			})
			g.still("b.test", "/", "b")
			e.change(g, fmt.Sprintf("g%d", i))
		}
		e.check(len(g.Workers()) == 2, "a worker died")
	})

	add("T-A16 a deletion that names nothing", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		from := e.api.LogLen()
		// the list that follows lacks it, and none but this event told of it
		in := e.api.Inject(api.Fault{Resource: "ingresses", Verb: "watch",
			Initial: no(), Nameless: true})
		e.api.EndWatches("ingresses")
		e.watched()
		_, _ = e.api.Delete("ingresses", "default", "b")
		g.becomes("b.test", "/", 404, "")
		e.check(in.Fired() > 0, "the event had a name")
		e.check(e.lists(from, "ingresses") == 1, "%d lists",
			e.lists(from, "ingresses"))
		e.check(e.lists(from, "services") == 0, "others were listed as well")
		e.check(g.Logged("a change of ingresses is lost") == 1, "nothing is said")
		g.still("a.test", "/", "a")
		e.api.Clear(nil)
		e.change(g, "c")
	})

	add("what is lost again and again is listed after a growing pause",
		func(e *env) {
			g := e.basic(false, options{})
			e.watched()
			// the watches that follow the lists have it as well
			e.api.Inject(api.Fault{Resource: "services", Verb: "watch",
				Nameless: true})
			e.api.EndWatches("services")
			e.watched()
			from := e.api.LogLen()
			// a change every 50 ms, each of which is lost
			var at []time.Time
			e.await("4 new lists", 120*time.Second, func() bool {
				e.app("lost", 1)
				_, err := e.api.Delete("services", "default", "lost")
				e.must(err)
				time.Sleep(50 * time.Millisecond)
				at = e.listed(from, "services")
				return len(at) >= 4
			})
			// from the end of a list to the next one 2, 4 and 8 seconds
			for i := 0; i < 3; i++ {
				pause := at[i+1].Sub(at[i])
				e.note("list %d: the next one after %v", i, pause)
				e.check(pause > time.Second<<i, "after %v already", pause)
			}
			n := g.Logged("a change of services is lost")
			e.check(n == 1, "it is said %d times", n)
			g.still("a.test", "/", "a")
			e.api.Clear(nil)
			e.change(g, "c")
		})

	add("T-A16 an event that is cut", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		from := e.api.LogLen()
		// what it told of is known to the next list alone
		e.await("sent", 5*time.Second, func() bool {
			return e.api.Send("ingresses",
				`{"type":"DELETED","object":{"metadata":{"name"`+"\n") > 0
		})
		e.await("a new list", 10*time.Second, func() bool {
			return e.lists(from, "ingresses") > 0
		})
		e.watched()
		e.check(e.lists(from, "ingresses") == 1, "%d lists",
			e.lists(from, "ingresses"))
		e.check(e.lists(from, "services") == 0, "others were listed as well")
		e.check(g.Logged("a change of ingresses is lost") == 1, "nothing is said")
		// a type that is not known yet tells of nothing that is
		from = e.api.LogLen()
		e.check(e.api.Send("ingresses", `{"type":"ODD","object":{}}`+"\n") > 0,
			"not sent")
		e.change(g, "c")
		e.check(e.lists(from, "ingresses") == 0, "listed for an unknown type")
		g.still("a.test", "/", "a")
	})

	add("T-A17 three megabytes, a burst, one byte at a time", func(e *env) {
		e.begin(false)
		f := e.api.Inject(api.Fault{Resource: "ingresses", Chunk: 1})
		e.app("a", 1)
		e.app("b", 1)
		path := "/\u00e4\u20ac\U0001F600/\"q\"\\x"
		e.ingress("a", "a.test", path, "a")
		g := e.start(options{})
		enc := "/%C3%A4%E2%82%AC%F0%9F%98%80/%22q%22%5Cx"
		g.serves("a.test", enc, "a")
		e.watched()
		e.ingress("a", "a.test", path, "b")
		g.serves("a.test", enc, "b")
		e.check(f.Fired() >= 1, "not cut in bytes")
		e.api.Clear(nil)

		e.api.EndWatches("")
		e.watched()
		before := rss(g.watcher())
		paths := []api.Path{{Path: "/", Type: "Prefix", Service: "a", Port: 80}}
		for i := range 768 {
			paths = append(paths, api.Path{Path: fmt.Sprintf("/%d", i),
				Type: "Exact", Service: "a", Port: 80})
		}
		big := api.Ingress("default", "big", "big.test", paths...)
		rule := big["spec"].(api.Map)["rules"].([]interface{})[0].(api.Map)
		for _, p := range rule["http"].(api.Map)["paths"].([]interface{}) {
			p.(api.Map)["note"] = strings.Repeat("\u20ac", 4<<10/3)
		}
		e.api.Put("ingresses", big)
		g.serves("big.test", "/", "a")
		n := 10000
		for i := 0; i < n; i++ {
			e.api.Put("services", api.Service("default",
				fmt.Sprintf("burst%d", i%50), 80, 8080+i%100))
		}
		e.change(g, "after")
		_, _ = e.api.Delete("ingresses", "default", "big")
		g.becomes("big.test", "/", 404, "")
		grown := rss(g.watcher()) - before
		e.note("watcher grew by %d KB after 3 MB and %d events", grown, n)
		// a sanitizer keeps what is freed
		e.check(grown < 60000 || *asan, "grew by %d KB", grown)
		// over the cap: refused as a problem, and nothing else happens; its name
		// comes after all that
		f = e.api.Inject(api.Fault{Resource: "ingresses", Chunk: 64 << 10,
			DripMS: 1})
		e.api.EndWatches("")
		e.watched()
		big["metadata"].(api.Map)["annotations"] = api.Map{
			"x": strings.Repeat("z", 6<<20)}
		e.api.Put("ingresses", big)
		e.await("ObjectTooLarge", time.Minute, func() bool {
			return g.problem("ObjectTooLarge")
		})
		e.check(f.Fired() >= 1, "not cut in pieces")
		e.api.Clear(nil)
		_, _ = e.api.Delete("ingresses", "default", "big")
		e.await("the end of the problem", time.Minute, func() bool {
			return !g.problem("ObjectTooLarge")
		})
		e.change(g, "end")
	})

	for _, pages := range []bool{false, true} {
		pages := pages
		how := map[bool]string{false: "streaming lists", true: "pages"}[pages]
		add("T-A17 what outgrows the limit stays as it was, "+how,
			func(e *env) { outgrown(e, pages) })
		add("T-A17 a list with what has no name withdraws nothing, "+how,
			func(e *env) { nameless(e, pages) })
	}

	add("T-A18 token rotated, the old one revoked", func(e *env) {
		g := e.basic(true, options{})
		e.watched()
		e.must(api.WriteFile(filepath.Join(e.dir, "token"),
			[]byte("token-two\n")))
		e.api.SetTokens("token-two")
		from := e.api.LogLen()
		e.api.Cut(false)
		e.change(g, "c")
		e.check(e.count(from, func(r api.Request) bool {
			return r.Token == "token-two" && r.Status == 200
		}) > 0, "the new token was not used")
		e.note("%d answers of 401", e.count(from, func(r api.Request) bool {
			return r.Status == 401
		}))
		// revoked first, new file later
		from = e.api.LogLen()
		e.api.SetTokens("token-three")
		e.api.Cut(false)
		e.await("401", 10*time.Second, func() bool {
			g.still("a.test", "/", "a")
			return e.count(from, func(r api.Request) bool {
				return r.Status == 401
			}) > 0
		})
		e.ingress("d", "d.test", "/", "a")
		e.must(api.WriteFile(filepath.Join(e.dir, "token"),
			[]byte("token-three")))
		g.serves("d.test", "/", "a")
		e.check(g.adminGet("/readyz").status == 200, "not ready")
	})

	add("T-A19 CA replaced, then an empty file, then garbage", func(e *env) {
		g := e.basic(true, options{})
		e.watched()
		two, err := api.NewCA("two")
		e.must(err)
		file := filepath.Join(e.dir, "ca.crt")
		both := append(append([]byte{}, e.api.CA.PEM...), two.PEM...)
		e.must(api.WriteFile(file, both))
		e.api.SetCA(two)
		e.api.Cut(false)
		e.change(g, "c")
		e.must(api.WriteFile(file, two.PEM))
		e.watched()
		e.api.Cut(false)
		e.change(g, "d")
		for i, bad := range []string{"", "garbage\n",
			"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
			e.must(os.WriteFile(file, []byte(bad), 0600))
			e.watched()
			e.check(e.api.Cut(false) > 0, "nothing cut")
			e.change(g, fmt.Sprintf("x%d", i))
		}
	})

	add("T-A19 wrong CA", func(e *env) {
		g := e.basic(true, options{})
		e.watched()
		two, err := api.NewCA("two")
		e.must(err)
		e.api.SetCA(two)
		e.api.Cut(false)
		n := e.api.LogLen()
		e.ingress("c", "c.test", "/", "b")
		e.during(2*time.Second, func() { g.still("a.test", "/", "a") })
		e.check(e.api.LogLen() == n, "talks to a server that it cannot trust")
		e.must(api.WriteFile(filepath.Join(e.dir, "ca.crt"), two.PEM))
		g.serves("c.test", "/", "b")
	})

	add("what nothing depends on is not read", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		g := e.start(options{})
		g.serves("a.test", "/", "a")
		e.watched()
		n := 0
		for _, r := range e.api.Log(0) {
			if r.Resource == "namespaces" {
				n++
			}
		}
		e.check(n == 0, "%d requests for namespaces", n)
	})

	for _, code := range []int{403, 404} {
		for _, kind := range []string{"secrets", "ingressclasses"} {
			code, kind := code, kind
			add(fmt.Sprintf("T-A20 %d for %s", code, kind), func(e *env) {
				e.begin(false)
				e.app("a", 1)
				e.ingress("a", "a.test", "/", "a")
				if kind == "ingressclasses" {
					o := api.Ingress("default", "a", "a.test", api.Path{
						Path: "/", Type: "Prefix", Service: "a", Port: 80})
					delete(o["spec"].(api.Map), "ingressClassName")
					o["metadata"].(api.Map)["annotations"] = api.Map{
						"kubernetes.io/ingress.class": "nginx"}
					e.api.Put("ingresses", o)
				}
				f := e.api.Inject(api.Fault{Resource: kind, Status: code})
				g := e.start(options{})
				g.serves("a.test", "/", "a")
				e.watched()
				if kind == "secrets" {
					// nothing is asked of them until one is referenced
					o := api.Ingress("default", "t", "t.test", api.Path{
						Path: "/", Type: "Prefix", Service: "a", Port: 80})
					o["spec"].(api.Map)["tls"] = []interface{}{api.Map{
						"hosts":      []interface{}{"t.test"},
						"secretName": "t"}}
					e.api.Put("ingresses", o)
				}
				e.await("the refusal", 10*time.Second, func() bool {
					return f.Fired() > 0
				})
				n := f.Fired()
				e.during(3*time.Second, func() { g.still("a.test", "/", "a") })
				e.check(f.Fired()-n < 12, "asked %d times in 3 s", f.Fired()-n)
				a := g.adminGet("/readyz")
				e.check(a.status == 200, "/readyz %d: %s", a.status, a.body)
				e.check(strings.Contains(a.body, kind) ||
					strings.Contains(g.adminGet("/status").body, "REFUSED") ||
					strings.Contains(g.adminGet("/status").body, "refused"),
					"nothing is said of the refusal: %s", a.body)
			})
		}
	}

	add("T-A20 403 for all once they are listed", func(e *env) {
		// which all namespaces meet: they are read then
		e.block = "watch_namespace_selector kubernetes.io/metadata.name;"
		g := e.basic(false, options{})
		e.watched()
		for _, kind := range []string{"ingressclasses", "namespaces", "secrets",
			"services", "endpointslices", "ingresses"} {
			f := e.api.Inject(api.Fault{Resource: kind, Status: 403})
			e.api.EndWatches(kind)
			e.await(kind+" are refused", 10*time.Second, func() bool {
				return f.Fired() > 0 && g.metricMatch(
					`nginx_ingress_k8s_refused\{.*kind="`+kind+`"`) == 1
			})
			e.during(300*time.Millisecond, func() {
				g.still("a.test", "/", "a")
			})
		}
		e.api.Clear(nil)
		e.change(g, "again")
		e.equal(g)
	})

	add("T-A20 403 for ingressclasses alone, to a watcher that starts", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		f := e.api.Inject(api.Fault{Resource: "ingressclasses", Status: 403})
		was := g.Workers()
		g.strike(g.watcher(), syscall.SIGKILL)
		g.respawned(was)
		e.await("the refusal", 10*time.Second, func() bool {
			return f.Fired() > 0 && g.metricMatch(
				`nginx_ingress_k8s_refused\{.*kind="ingressclasses"`) == 1
		})
		e.change(g, "refused")
		g.still("a.test", "/", "a")

		// what is gone when they may be listed again is gone
		_, err := e.api.Delete("ingressclasses", "", "nginx")
		e.must(err)
		e.api.Clear(nil)
		g.becomes("a.test", "/", 404, "")
	})

	add("T-A20 403 by an API server that has just started", func(e *env) {
		g := e.basic(false, options{block: "backoff 60s;"})
		e.watched()
		from := g.metricMatch(`source_errors_total\{.*kind="services"`)
		e.api.Down()
		e.await("many tries in vain", 60*time.Second, func() bool {
			return g.metricMatch(
				`source_errors_total\{.*kind="services"`)-from >= 6
		})
		f := e.api.Inject(api.Fault{Resource: "services", Status: 403, Count: 2})
		e.must(e.api.Up())
		e.await("the refusals", 10*time.Second, func() bool {
			return f.Fired() == 2
		})
		e.await("services are watched again", 10*time.Second, func() bool {
			return e.api.Watching("services") > 0
		})
		g.still("a.test", "/", "a")
	})

	add("T-A20 403 for ingresses, then allowed, then refused", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		f := e.api.Inject(api.Fault{Resource: "ingresses", Status: 403})
		g := e.start(options{down: true})
		e.await("the refusal", 10*time.Second, func() bool {
			return f.Fired() > 1
		})
		a := g.adminGet("/readyz")
		e.check(a.status == 503 && strings.Contains(a.body, "ingresses"),
			"/readyz %d: %s", a.status, a.body)
		e.api.Clear(f)
		g.ready(45 * time.Second)
		g.serves("a.test", "/", "a")
		e.watched()
		f = e.api.Inject(api.Fault{Resource: "ingresses", Status: 403})
		e.api.EndWatches("ingresses")
		e.await("the refusal", 10*time.Second, func() bool {
			return f.Fired() > 1
		})
		e.app("c", 1)
		g.still("a.test", "/", "a")
		e.check(g.adminGet("/readyz").status == 200, "not ready any more")
		e.slice("a", e.pod("a", "a-new", pods.Options{}))
		e.await("endpoints go on", 10*time.Second, func() bool {
			return g.get("a.test", "/").pod == "a-new"
		})
	})

	add("T-A22 GOAWAY of a restarting server", func(e *env) {
		g := e.basic(true, options{})
		e.watched()
		e.change(g, "warm")
		e.check(e.count(0, func(r api.Request) bool {
			return r.Proto == "HTTP/2.0"
		}) > 0, "HTTP/2 is not used")
		from := e.api.LogLen()
		for i := 0; i < 3; i++ {
			e.watched()
			e.api.Goaway()
			e.change(g, fmt.Sprintf("c%d", i))
			e.during(1200*time.Millisecond, func() { g.still("a.test", "/", "a") })
		}
		e.watched()
		e.check(e.lists(from, "") == 0, "%d lists", e.lists(from, ""))
		e.change(g, "last")
	})

	add("T-A22 HTTP/1.1 connections close", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		e.change(g, "warm")
		from := e.api.LogLen()
		for i := 0; i < 3; i++ {
			e.watched()
			e.check(e.api.Cut(false) > 0, "nothing cut")
			e.change(g, fmt.Sprintf("c%d", i))
			e.during(1200*time.Millisecond, func() { g.still("a.test", "/", "a") })
		}
		e.check(e.lists(from, "") == 0, "%d lists", e.lists(from, ""))
	})

	add("T-A23 clock jumps by an hour", clockJump)

	add("client certificate, HTTP/2", func(e *env) {
		e.begin(true)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		path, err := e.api.WriteKubeconfig(e.dir, "cert", "")
		e.must(err)
		g := e.start(options{source: "kubeconfig " + path + " test"})
		g.serves("a.test", "/", "a")
		e.check(e.count(0, func(r api.Request) bool {
			return r.Cert == "ingress-nginx" && r.Proto == "HTTP/2.0"
		}) > 0, "no client certificate, or no HTTP/2")
		e.check(e.count(0, func(r api.Request) bool { return r.Status == 401 }) == 0,
			"refused")
	})

	add("HTTP/1.1 over TLS: a watch takes a connection of its own", func(e *env) {
		e.api.HTTP2 = false
		// a list that waits for a watch would wait longer than the test
		g := e.basic(true, options{block: "list_timeout 60s;"})
		e.watched()
		e.change(g, "c")
		e.check(e.count(0, func(r api.Request) bool {
			return r.Proto != "HTTP/1.1"
		}) == 0, "not HTTP/1.1")
	})

	addAlone("in_cluster", func(e *env) {
		e.begin(true)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		d := "/run/secrets/kubernetes.io/serviceaccount"
		e.must(os.MkdirAll(d, 0755))
		e.must(api.WriteFile(d+"/token", []byte("token-one")))
		e.must(api.WriteFile(d+"/ca.crt", e.api.CA.PEM))
		e.must(api.WriteFile(d+"/namespace", []byte("ingress-nginx")))
		host, port, _ := net.SplitHostPort(e.api.Addr())
		g := e.start(options{source: "in_cluster", env: []string{
			"KUBERNETES_SERVICE_HOST=" + host,
			"KUBERNETES_SERVICE_PORT=" + port}})
		g.serves("a.test", "/", "a")
	})

	add("several watched namespaces, and no other", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		for _, ns := range []string{"extra", "other"} {
			e.api.Put("ingresses", api.Ingress(ns, "i", ns+".test", api.Path{
				Path: "/", Type: "Prefix", Service: "a", Port: 80}))
		}
		g := e.start(options{block: "watch_namespace default extra;"})
		g.serves("a.test", "/", "a")
		// taken, and its Service does not exist there
		g.becomes("extra.test", "/", 503, "")
		g.becomes("other.test", "/", 404, "")
		n := e.count(0, func(r api.Request) bool {
			return r.Resource != "ingressclasses" &&
				r.Resource != "namespaces" && r.Resource != "" &&
				r.NS != "default" && r.NS != "extra"
		})
		e.check(n == 0, "%d requests beyond the namespaces", n)
		e.api.Put("ingresses", api.Ingress("extra", "late", "late.test",
			api.Path{Path: "/", Type: "Prefix", Service: "a", Port: 80}))
		g.becomes("late.test", "/", 503, "")
	})

	add("a start waits for the Secrets that are named, and says so", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		crt, key, err := selfSigned("t.test")
		e.must(err)
		e.api.Put("secrets", api.TLSSecret("default", "t", crt, key))
		o := api.Ingress("default", "t", "t.test", api.Path{Path: "/",
			Type: "Prefix", Service: "a", Port: 80})
		o["spec"].(api.Map)["tls"] = []interface{}{api.Map{
			"hosts": []interface{}{"t.test"}, "secretName": "t"}}
		e.api.Put("ingresses", o)
		f := e.api.Inject(api.Fault{Resource: "secrets", Verb: "get",
			DelayMS: 2000, Count: 1})
		g := e.start(options{down: true})
		e.await("words", 10*time.Second, func() bool {
			a := g.adminGet("/readyz")
			return a.status == 503 && strings.Contains(a.body,
				"1 that are named have not come")
		})
		g.ready(20 * time.Second)
		e.check(f.Fired() == 1, "the answer was not delayed")
		e.check(g.handshake("t.test") == "t.test",
			"ready without the certificate")
	})

	add("Secrets: all that are being fetched go, the others come", func(e *env) {
		// one that hangs would be given up after that, and another one begun
		g := e.basic(false, options{block: "list_timeout 60s;"})
		e.watched()
		in := e.api.Inject(api.Fault{Resource: "secrets", Verb: "get",
			Hang: true, Count: 8})
		var tls []interface{}
		for i := 0; i < 10; i++ {
			n := fmt.Sprintf("s%d", i)
			crt, key, err := selfSigned(n + ".test")
			e.must(err)
			e.api.Put("secrets", api.TLSSecret("default", n, crt, key))
			tls = append(tls, api.Map{"hosts": []interface{}{n + ".test"},
				"secretName": n})
		}
		from := e.api.LogLen()
		o := api.Ingress("default", "t", "s0.test", api.Path{Path: "/",
			Type: "Prefix", Service: "a", Port: 80})
		o["spec"].(api.Map)["tls"] = tls
		e.api.Put("ingresses", o)
		e.await("eight that hang", 10*time.Second, func() bool {
			return in.Fired() == 8
		})
		hung := map[string]bool{}
		for _, r := range e.api.Log(from) {
			if r.Verb == "get" && r.Resource == "secrets" {
				hung[r.Name] = true
				_, err := e.api.Delete("secrets", "default", r.Name)
				e.must(err)
			}
		}
		e.check(len(hung) == 8, "%d hang", len(hung))
		e.await("the two others", 10*time.Second, func() bool {
			full := e.api.Secrets()
			return len(full) == 2 && !hung["s9"] && full["default/s9"] > 0
		})
		g.still("a.test", "/", "a")
	})

	add("Secrets: one that may not be read stays as it was", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		secret := func(name, cn string) {
			ca, err := api.NewCA("issuer of " + name)
			e.must(err)
			crt, key, err := ca.Issue(cn, name+".test")
			e.must(err)
			e.api.Put("secrets", api.TLSSecret("default", name, crt, key))
		}
		route := func(hosts ...string) {
			for _, n := range hosts {
				o := api.Ingress("default", n, n+".test", api.Path{Path: "/",
					Type: "Prefix", Service: "a", Port: 80})
				o["spec"].(api.Map)["tls"] = []interface{}{api.Map{
					"hosts":      []interface{}{n + ".test"},
					"secretName": n}}
				e.api.Put("ingresses", o)
			}
		}
		for _, n := range []string{"t", "u", "v"} {
			secret(n, n+".test")
		}
		route("t", "u")
		g := e.start(options{})
		shows := func(name, cn string) {
			e.await(cn, 20*time.Second, func() bool {
				return g.handshake(name+".test") == cn
			})
		}
		shows("t", "t.test")
		shows("u", "u.test")
		e.watched()

		// its new version, and one that is named now, are refused twice each
		in := e.api.Inject(api.Fault{Resource: "secrets", Verb: "get",
			Status: 403, Name: "t", Count: 2})
		e.api.Inject(api.Fault{Resource: "secrets", Verb: "get",
			Status: 403, Name: "v", Count: 2})
		secret("t", "t2.test")
		e.await("403", 10*time.Second, func() bool { return in.Fired() > 0 })
		route("v")
		secret("u", "u2.test")
		shows("u", "u2.test")
		e.await("its problem", 10*time.Second, func() bool {
			return g.problem("ObjectForbidden")
		})
		e.await("another 403", 20*time.Second, func() bool {
			cn := g.handshake("t.test")
			two := in.Fired() == 2
			e.check(cn == "t.test" || two, "%s is shown", cn)
			return two
		})
		shows("t", "t2.test")
		shows("v", "v.test")
		e.await("no problem", 10*time.Second, func() bool {
			return !g.problem("ObjectForbidden")
		})
		n := g.Logged(`"secrets/default/t" cannot be read`)
		e.check(n == 1, "it is said %d times", n)

		// refused for good, across watchers, until nobody names it
		e.api.Inject(api.Fault{Resource: "secrets", Verb: "get",
			Status: 403, Name: "t"})
		secret("t", "t3.test")
		e.await("its problem", 10*time.Second, func() bool {
			return g.problem("ObjectForbidden")
		})
		was, sync := g.Workers(), g.Logged(": in sync: ")
		e.must(g.Kill(g.watcher(), syscall.SIGKILL))
		e.await("another watcher", 20*time.Second, func() bool {
			return g.Logged(": in sync: ") > sync
		})
		g.respawned(was)
		e.check(g.handshake("t.test") == "t2.test", "the certificate has gone")
		e.await("its problem again", 10*time.Second, func() bool {
			return g.problem("ObjectForbidden")
		})
		_, err := e.api.Delete("ingresses", "default", "t")
		e.must(err)
		e.await("no problem, as nobody names it", 10*time.Second, func() bool {
			return !g.problem("ObjectForbidden")
		})
	})

	add("Secrets: only those referenced are fetched", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.api.Generate(api.Gen{Helm: 50, HelmSize: 200000})
		crt, key, err := selfSigned("t.test")
		e.must(err)
		for _, n := range []string{"t", "unused"} {
			e.api.Put("secrets", api.TLSSecret("default", n, crt, key))
		}
		o := api.Ingress("default", "t", "t.test", api.Path{Path: "/",
			Type: "Prefix", Service: "a", Port: 80})
		o["spec"].(api.Map)["tls"] = []interface{}{api.Map{
			"hosts": []interface{}{"t.test"}, "secretName": "t"}}
		e.api.Put("ingresses", o)
		g := e.start(options{})
		e.await("the certificate", 10*time.Second, func() bool {
			return g.handshake("t.test") == "t.test"
		})
		full := e.api.Secrets()
		e.check(full["default/t"] > 0 && len(full) == 1, "fetched: %v", full)
		// one that becomes referenced later
		o["spec"].(api.Map)["tls"] = []interface{}{api.Map{
			"hosts": []interface{}{"t.test"}, "secretName": "unused"}}
		e.api.Put("ingresses", o)
		e.await("the other one", 10*time.Second, func() bool {
			return e.api.Secrets()["default/unused"] > 0
		})
		for n := range e.api.Secrets() {
			e.check(!strings.Contains(n, "helm"), "fetched %s", n)
		}
	})
}

// nameless: a list has an object without a name, and lacks some that were there.
func nameless(e *env, pages bool) {
	e.begin(false)
	e.api.WatchList = !pages
	e.app("a", 1)
	for _, n := range []string{"t", "u"} {
		crt, key, err := selfSigned(n + ".test")
		e.must(err)
		e.api.Put("secrets", api.TLSSecret("default", n, crt, key))
		o := api.Ingress("default", n, n+".test", api.Path{Path: "/",
			Type: "Prefix", Service: "a", Port: 80})
		o["spec"].(api.Map)["tls"] = []interface{}{api.Map{
			"hosts": []interface{}{n + ".test"}, "secretName": n}}
		o["metadata"].(api.Map)["annotations"] = api.Map{
			"nginx.ingress.kubernetes.io/ssl-redirect": "false"}
		e.api.Put("ingresses", o)
	}
	g := e.start(options{block: "object_max 16k;"})
	g.serves("t.test", "/", "a")
	g.serves("u.test", "/", "a")
	e.await("certificates", time.Minute, func() bool {
		return g.handshake("t.test") == "t.test" &&
			g.handshake("u.test") == "u.test"
	})
	e.watched()
	anew := func(change func()) {
		e.api.Down()
		change()
		e.api.Compact()
		from := e.api.LogLen()
		e.must(e.api.Up())
		e.await("new lists", time.Minute, func() bool {
			return e.lists(from, "ingresses") > 0 && e.lists(from, "secrets") > 0
		})
		e.watched()
	}
	for i, pad := range []int{0, 200000} { // it fits, and it does not
		anew(func() {
			_, _ = e.api.Delete("ingresses", "default", "u")
			_, _ = e.api.Delete("secrets", "default", "u")
			for _, k := range []string{"ingresses", "secrets"} {
				e.api.Put(k, api.Map{"metadata": api.Map{"name": "x",
					"namespace": "default", "annotations": api.Map{
						api.Nameless: "yes", "z": strings.Repeat("x", pad)}}})
			}
		})
		e.change(g, fmt.Sprintf("c%d", i))
		g.still("t.test", "/", "a")
		g.still("u.test", "/", "a")
		e.check(g.handshake("t.test") == "t.test", "a certificate has gone")
		// whether the other Secret has gone its server was asked
		e.await("the end of its certificate", time.Minute, func() bool {
			return g.handshake("u.test") != "u.test"
		})
	}
	e.check(g.Logged("a nameless Ingress is refused") > 1, "nothing is said")
	anew(func() {
		_, _ = e.api.Delete("ingresses", "default", "x")
		_, _ = e.api.Delete("secrets", "default", "x")
	})
	g.becomes("u.test", "/", 404, "")
	g.still("t.test", "/", "a")
	e.check(g.handshake("t.test") == "t.test", "a certificate has gone")
	e.check(len(g.Workers()) == 2, "a worker died")
}

// outgrown: objects that were served grow over object_max: as events, in a new
// list, and a Secret whose content is fetched.
func outgrown(e *env, pages bool) {
	e.begin(false)
	e.api.WatchList = !pages
	e.app("a", 1)
	crt, key, err := selfSigned("t.test")
	e.must(err)
	secret := api.TLSSecret("default", "t", crt, key)
	e.api.Put("secrets", secret)
	object := func(name, path string, pad int) {
		o := api.Ingress("default", name, name+".test", api.Path{Path: path,
			Type: "Prefix", Service: "a", Port: 80})
		if name == "a" && pad > 0 { // before its name, as maps are written
			o["metadata"].(api.Map)["annotations"] = api.Map{
				"z": strings.Repeat("x", pad)}
		} else {
			o["spec"].(api.Map)["z"] = strings.Repeat("x", pad)
		}
		if name == "t" {
			o["spec"].(api.Map)["tls"] = []interface{}{api.Map{
				"hosts": []interface{}{"t.test"}, "secretName": "t"}}
		}
		e.api.Put("ingresses", o)
	}
	names := []string{"a", "b", "t"}
	for _, n := range names {
		object(n, "/", 0)
	}
	g := e.start(options{block: "object_max 16k;"})
	served := func() {
		for _, n := range []string{"a", "b"} {
			g.still(n+".test", "/", "a")
		}
		e.check(g.handshake("t.test") == "t.test", "the certificate has gone")
	}
	g.serves("a.test", "/", "a")
	served()
	e.watched()

	// the line is cut, the object alone is over the limit, the Secret is
	object("a", "/moved", 200000)
	object("b", "/moved", 16200)
	secret["data"].(api.Map)["more"] = strings.Repeat("eHh4", 10000)
	e.api.Put("secrets", secret)
	for _, n := range []string{`Ingress "default/a"`, `Ingress "default/b"`,
		`Secret "default/t"`} {
		e.await("a problem of "+n, 10*time.Second, func() bool {
			return g.Logged(n+" is refused") == 1 && g.problem("ObjectTooLarge")
		})
	}
	served()

	// all is listed anew
	from := e.api.LogLen()
	e.api.Compact()
	e.watched()
	e.api.EndWatches("")
	e.await("new lists", 20*time.Second, func() bool {
		return e.lists(from, "ingresses") > 0 && e.lists(from, "secrets") > 0
	})
	e.watched()
	e.change(g, "c")
	served()
	e.check(strings.Count(g.adminGet("/status").body, `"ObjectTooLarge"`) == 3,
		"the problems have gone with the list")

	// another watcher, after a kill and after a reload
	next := func(what string, strike func()) {
		n := g.Logged(": in sync: ")
		strike()
		e.await(what, 20*time.Second, func() bool {
			return g.Logged(": in sync: ") > n
		})
		served()
		e.await("its problems", 10*time.Second, func() bool {
			return strings.Count(g.adminGet("/status").body,
				`"ObjectTooLarge"`) == 3
		})
	}
	was := g.Workers()
	next("another watcher", func() { e.must(g.Kill(g.watcher(), syscall.SIGKILL)) })
	g.respawned(was)
	next("the watcher after a reload", g.reload)
	e.watched()

	// one has gone, one fits again
	_, _ = e.api.Delete("ingresses", "default", "a")
	object("b", "/moved", 0)
	g.becomes("a.test", "/", 404, "")
	g.serves("b.test", "/moved", "a")
	delete(secret["data"].(api.Map), "more")
	e.api.Put("secrets", secret)
	e.await("the end of the problems", 10*time.Second, func() bool {
		return !g.problem("ObjectTooLarge")
	})

	// one that goes while nobody watches has no problem any more
	object("t", "/", 200000)
	e.await("a problem once more", 10*time.Second, func() bool {
		return g.problem("ObjectTooLarge")
	})
	e.api.Down()
	_, _ = e.api.Delete("ingresses", "default", "t")
	e.api.Compact()
	e.must(e.api.Up())
	g.becomes("t.test", "/", 404, "")
	e.await("the end of its problem", 10*time.Second, func() bool {
		return !g.problem("ObjectTooLarge")
	})
}
