package main

import (
	"strings"
	"syscall"
	"time"

	"ngx_k8s_test/internal/api"
)

// configMap puts one of namespace "default".
func (e *env) configMap(name string, data api.Map) {
	e.api.Put("configmaps", api.Map{"metadata": api.Map{"name": name,
		"namespace": "default"}, "data": data})
}

// says waits until /status has all of these texts, or with "-" before it not.
func (g *nginx) says(texts ...string) {
	for _, t := range texts {
		want := !strings.HasPrefix(t, "-")
		text := strings.TrimPrefix(t, "-")
		g.e.await(t, 10*time.Second, func() bool {
			a := g.adminGet("/status")
			return a.status == 200 && strings.Contains(a.body, text) == want
		})
	}
}

func init() {
	const (
		missing = `"ConfigMapNotFound"`
		refused = `"ObjectForbidden"`
		bad     = `"data.bad"`
		block   = "config_map default/own;"
	)

	add("ConfigMap: none is asked for without the directive", func(e *env) {
		e.configMap("own", api.Map{"a": "1"})
		g := e.basic(false, options{})
		e.watched()
		e.change(g, "b")
		n := e.count(0, func(r api.Request) bool {
			return r.Resource == "configmaps"
		})
		e.check(n == 0, "%d requests", n)
		g.says("-" + missing)
	})

	add("ConfigMap: the one that is named is read alone, and followed", func(e *env) {
		for _, n := range []string{"own", "other"} {
			e.configMap(n, api.Map{"a": "1"})
		}
		gets := func() int {
			return e.count(0, func(r api.Request) bool {
				return r.Resource == "configmaps" && r.Verb == "get"
			})
		}
		g := e.basic(false, options{block: block})
		e.watched()
		g.says("-"+missing, "-"+bad, `"configmaps"`)
		e.check(gets() == 1, "fetched %d times", gets())
		for _, r := range e.api.Log(0) {
			if r.Resource != "configmaps" {
				continue
			}
			e.check(r.NS == "default" && (r.Verb == "get" && r.Name == "own" ||
				r.Fields == "metadata.name=own" && r.Partial),
				"asked for %+v", r)
		}
		e.configMap("own", api.Map{"a": "1", "bad": 1})
		g.says(bad)
		e.configMap("other", api.Map{"a": "2"})
		e.configMap("own", api.Map{"a": "2"})
		g.says("-" + bad)
		e.check(gets() == 3, "fetched %d times", gets())
		_, err := e.api.Delete("configmaps", "default", "own")
		e.must(err)
		g.says(missing, "ConfigMap default/own is not there")
		e.check(g.Logged("ConfigMapNotFound") > 0, "not in the log")
		e.configMap("own", api.Map{"bad": 1})
		g.says("-"+missing, bad)
		g.still("a.test", "/", "a")
	})

	add("ConfigMap: one of a namespace that is not watched", func(e *env) {
		e.api.Put("namespaces", api.Namespace("extra"))
		e.api.Put("configmaps", api.Map{"metadata": api.Map{"name": "own",
			"namespace": "extra"}, "data": api.Map{"bad": 1}})
		g := e.basic(false, options{
			block: "config_map extra/own; watch_namespace default;"})
		g.says("-"+missing, bad)
	})

	add("ConfigMap: a start does without one that is not there", func(e *env) {
		g := e.basic(false, options{block: block})
		g.says(missing)
		e.configMap("own", api.Map{"a": "1"})
		g.says("-" + missing)
	})

	add("ConfigMap: a start waits for it, and says so", func(e *env) {
		e.begin(false)
		e.configMap("own", api.Map{"a": "1"})
		f := e.api.Inject(api.Fault{Resource: "configmaps", Verb: "get",
			DelayMS: 2000, Count: 1})
		g := e.start(options{down: true, block: block})
		e.await("words", 10*time.Second, func() bool {
			a := g.adminGet("/readyz")
			return a.status == 503 && strings.Contains(a.body, "configmaps") &&
				strings.Contains(a.body, "1 that are named have not come")
		})
		g.ready(20 * time.Second)
		e.check(f.Fired() == 1, "the answer was not delayed")
		g.says("-" + missing)
	})

	for _, verb := range []string{"", "get"} {
		verb := verb
		what := "all"
		if verb != "" {
			what = verb
		}
		add("ConfigMap: 403 for "+what, func(e *env) {
			e.begin(false)
			e.app("a", 1)
			e.app("b", 1)
			e.ingress("a", "a.test", "/", "a")
			e.configMap("own", api.Map{"bad": 1})
			f := e.api.Inject(api.Fault{Resource: "configmaps", Verb: verb,
				Status: 403})
			g := e.start(options{down: true, block: block + " backoff 1s;"})
			e.await("the watcher to give it up", 20*time.Second, func() bool {
				a := g.get("a.test", "/")
				e.check(a.status != 200, "served")
				return g.Logged("its keys may protect routes") > 0
			})
			e.check(f.Fired() > 0, "nothing was refused")
			e.check(g.adminGet("/readyz").status == 503, "ready")
			e.check(g.Logged("going on without them") == 0, "said to go on")
			g.says(refused, `"own"`, "-"+missing, "resources: [configmaps], "+
				"verbs: [get, list, watch]} to a Role of the namespace "+
				`\"default\"`)
			e.check(g.Logged("(ObjectForbidden)") == 1, "logged %d times",
				g.Logged("(ObjectForbidden)"))
			e.api.Clear(f)
			g.ready(20 * time.Second)
			e.check(g.get("a.test", "/").status == 200, "not served")
			g.says("-"+missing, "-"+refused, bad)
			if verb != "" {
				return
			}
			// once it is known it stays
			e.api.Inject(api.Fault{Resource: "configmaps", Status: 403})
			e.api.EndWatches("configmaps")
			e.await("the refusal", 10*time.Second, func() bool {
				return g.metricMatch(
					`nginx_ingress_k8s_refused\{.*kind="configmaps"`) == 1
			})
			e.change(g, "b")
			g.says("-"+missing, bad)
		})
	}

	add("ConfigMap: one that is too large from the start", func(e *env) {
		e.begin(false)
		e.configMap("own", api.Map{"a": strings.Repeat("x", 100000)})
		g := e.start(options{down: true, block: block + " object_max 16k;"})
		g.says(`"ObjectTooLarge"`)
		e.await("the watcher to give it up", 20*time.Second, func() bool {
			return g.Logged("its keys may protect routes") > 0
		})
		e.check(g.adminGet("/readyz").status == 503, "ready")
		e.check(g.get("a.test", "/").status != 200, "served")
		e.configMap("own", api.Map{"a": "1"})
		g.ready(20 * time.Second)
		g.says("-" + missing)
	})

	add("ConfigMap: one that grows too large stays as it was", func(e *env) {
		e.configMap("own", api.Map{"a": "1", "bad": 1})
		g := e.basic(false, options{block: block + " object_max 16k;"})
		g.says("-"+missing, bad)
		e.configMap("own", api.Map{"a": strings.Repeat("x", 100000)})
		g.says(`"ObjectTooLarge"`, bad, "-"+missing)
		next := func(what string, strike func()) {
			n := g.Logged(": in sync: ")
			strike()
			e.await(what, 20*time.Second, func() bool {
				return g.Logged(": in sync: ") > n
			})
			g.says(`"ObjectTooLarge"`, "-"+missing)
		}
		was := g.Workers()
		next("another watcher", func() {
			e.must(g.Kill(g.watcher(), syscall.SIGKILL))
		})
		g.respawned(was)
		next("the watcher after a reload", g.reload)
		e.configMap("own", api.Map{"a": "1"})
		g.says(`-"ObjectTooLarge"`, "-"+missing)
	})

	// named has custom-headers of "a.test" name one, and the key allow it
	named := func(e *env, target string) {
		e.configMap("own", api.Map{
			"global-allowed-response-headers": "X-One"})
		o := api.Ingress("default", "a", "a.test",
			api.Path{Path: "/", Type: "Prefix", Service: "a", Port: 80})
		o["metadata"].(api.Map)["annotations"] = api.Map{
			"nginx.ingress.kubernetes.io/custom-headers": target}
		e.api.Put("ingresses", o)
	}
	answers := func(e *env, g *nginx, status int, header string) {
		e.await("the answer", 10*time.Second, func() bool {
			a := g.get("a.test", "/")
			return a.status == status && a.header.Get("X-One") == header
		})
	}
	all := func(r api.Request) bool {
		return r.Resource == "configmaps" && r.Fields == "" &&
			r.Verb != "get"
	}
	const absent = "ConfigMap default/answers is not there"
	const unread = "ConfigMap default/answers has not come"

	add("ConfigMap: of those that are named one is fetched, once", func(e *env) {
		for _, n := range []string{"answers", "other"} {
			e.configMap(n, api.Map{"X-One": "1"})
		}
		g := e.basic(false, options{block: block})
		e.watched()
		e.check(e.count(0, all) == 0, "all are watched before one is named")
		named(e, "default/answers")
		answers(e, g, 200, "1")
		e.await("the watch", 10*time.Second, func() bool {
			return e.count(0, all) > 0
		})
		e.configMap("other", api.Map{"X-One": "2"})
		e.configMap("answers", api.Map{"X-One": "2"})
		answers(e, g, 200, "2")
		gets := map[string]int{}
		for _, r := range e.api.Log(0) {
			if r.Resource == "configmaps" && r.Verb == "get" {
				gets[r.Name]++
			}
		}
		e.check(gets["answers"] == 2 && gets["other"] == 0, "%v", gets)
		_, err := e.api.Delete("configmaps", "default", "answers")
		e.must(err)
		answers(e, g, 503, "")
		g.says(absent)
		e.configMap("answers", api.Map{"X-One": "3"})
		answers(e, g, 200, "3")
		g.says("-" + absent)
	})

	add("ConfigMap: 403 for those that are named", func(e *env) {
		e.configMap("answers", api.Map{"X-One": "1"})
		g := e.basic(false, options{block: block + " backoff 1s;"})
		e.watched()
		fs := []*api.Fault{}
		for _, v := range []string{"list", "watch"} {
			fs = append(fs, e.api.Inject(api.Fault{Resource: "configmaps",
				Verb: v, Status: 403}))
		}
		named(e, "default/answers")
		answers(e, g, 503, "")
		g.says(unread, refused)
		g.still("b.test", "/", "b")
		e.check(g.adminGet("/readyz").status == 200, "not ready")
		for _, f := range fs {
			e.api.Clear(f)
		}
		answers(e, g, 200, "1")
		g.says("-"+unread, "-"+refused)
	})

	add("ConfigMap: a reload waits for the keys, where others are refused", func(e *env) {
		e.begin(false)
		e.api.Put("namespaces", api.Namespace("extra"))
		e.api.Put("configmaps", api.Map{"metadata": api.Map{"name": "own",
			"namespace": "extra"}, "data": api.Map{"block-cidrs": "everybody"}})
		e.app("a", 1)
		e.app("b", 1)
		e.ingress("b", "b.test", "/", "b")
		e.api.Inject(api.Fault{Resource: "configmaps", NS: "default",
			Status: 403})
		named(e, "default/answers")
		g := e.start(options{down: true,
			block: "config_map extra/own; watch_namespace default;"})
		g.ready(20 * time.Second)
		e.check(g.get("b.test", "/").status == 503, "not closed by the key")
		f := e.api.Inject(api.Fault{Resource: "configmaps", Verb: "get",
			Name: "own", DelayMS: 2000, Count: 1})
		n := g.Logged(": in sync: ")
		g.reload()
		e.await("the next watcher", 20*time.Second, func() bool {
			a := g.get("b.test", "/")
			e.check(a.status == 503, "status %d", a.status)
			return g.Logged(": in sync: ") > n
		})
		e.check(f.Fired() == 1, "the answer was not delayed")
		e.check(g.get("b.test", "/").status == 503, "not closed any more")
	})

	add("ConfigMap: a reload keeps what one said that does not come", func(e *env) {
		e.configMap("answers", api.Map{"X-One": "1"})
		g := e.basic(false, options{block: block})
		e.watched()
		named(e, "default/answers")
		answers(e, g, 200, "1")
		f := e.api.Inject(api.Fault{Resource: "configmaps", Verb: "get",
			Name: "answers", Hang: true})
		still := func() {
			a := g.get("a.test", "/")
			e.check(a.status == 200 && a.header.Get("X-One") == "1",
				"status %d, header %q", a.status, a.header.Get("X-One"))
		}
		n := g.Logged(": in sync: ")
		g.reload()
		e.await("the next watcher", 20*time.Second, func() bool {
			still()
			return g.Logged(": in sync: ") > n
		})
		e.check(f.Fired() > 0, "it was not asked for")
		e.ingress("b", "a.test", "/b", "b")
		e.await("another path", 10*time.Second, func() bool {
			still()
			return g.get("a.test", "/b").status == 200 &&
				strings.HasPrefix(g.get("a.test", "/b").body, "b")
		})
		g.says("ConfigMap default/answers has not come, so what it said " +
			"before holds")
		still()
	})

	// guards has what the ConfigMap "own" closes: by a word that an annotation
	// of one Ingress has, and by the list of the class of another
	guards := func(e *env) {
		e.begin(false)
		e.configMap("own", api.Map{"annotation-value-word-blocklist": "evil",
			"whitelist-source-range": "10.0.0.0/8"})
		e.api.Put("ingressclasses", api.Map{
			"metadata": api.Map{"name": "inner"},
			"spec": api.Map{"controller": "k8s.io/ingress-nginx",
				"parameters": api.Map{"kind": "ConfigMap",
					"scope": "Namespace", "namespace": "default",
					"name": "own"}}})
		e.app("a", 1)
		e.app("b", 1)
		e.annotated("open", "open.test", "whitelist-source-range", "0.0.0.0/0")
		e.annotated("evil", "evil.test", "upstream-vhost", "evil.test")
		o := api.Ingress("default", "in", "in.test",
			api.Path{Path: "/", Type: "Prefix", Service: "a", Port: 80})
		o["spec"].(api.Map)["ingressClassName"] = "inner"
		delete(o["metadata"].(api.Map), "annotations")
		e.api.Put("ingresses", o)
	}
	guarded := func(e *env, g *nginx) {
		for host, want := range map[string]int{"open.test": 200,
			"evil.test": 404, "in.test": 403} {
			a := g.get(host, "/")
			e.check(a.status == want, "%s: %d", host, a.status)
		}
	}
	// of a path that is added only a successor in force knows
	next := func(e *env, g *nginx) {
		n := g.Logged(": in sync: ")
		g.reload()
		e.await("the next watcher", 30*time.Second, func() bool {
			guarded(e, g)
			return g.Logged(": in sync: ") > n
		})
		e.ingress("more", "more.test", "/", "b")
		e.await("a change", 10*time.Second, func() bool {
			guarded(e, g)
			return g.get("more.test", "/").status == 403
		})
	}

	add("ConfigMap: a reload keeps the keys that do not come", func(e *env) {
		guards(e)
		g := e.start(options{down: true, block: block})
		g.ready(20 * time.Second)
		guarded(e, g)
		f := e.api.Inject(api.Fault{Resource: "configmaps", Verb: "get",
			Name: "own", Hang: true})
		next(e, g)
		e.check(f.Fired() > 0, "it was not asked for")
	})

	for _, verb := range []string{"", "get"} {
		verb := verb
		add("ConfigMap: a reload keeps the keys that are refused, "+
			map[string]string{"": "all", "get": "get"}[verb], func(e *env) {
			guards(e)
			g := e.start(options{down: true, block: block})
			g.ready(20 * time.Second)
			guarded(e, g)
			e.api.Inject(api.Fault{Resource: "configmaps", Verb: verb,
				Status: 403})
			next(e, g)
			g.says(refused)
		})
	}

	add("ConfigMap: a start serves nothing without the keys", func(e *env) {
		guards(e)
		f := e.api.Inject(api.Fault{Resource: "configmaps", Verb: "get",
			Name: "own", Status: 500})
		g := e.start(options{down: true, block: block})
		e.await("words", 30*time.Second, func() bool {
			for _, host := range []string{"open.test", "evil.test",
				"in.test"} {
				a := g.get(host, "/")
				e.check(a.status != 200, "%s: %d", host, a.status)
			}
			return g.Logged("its keys may protect routes") > 0
		})
		e.check(g.adminGet("/readyz").status == 503, "ready")
		e.api.Clear(f)
		g.ready(20 * time.Second)
		guarded(e, g)
	})

	add("ConfigMap: that of a class is refused, at a start and later", func(e *env) {
		guards(e)
		e.configMap("other", api.Map{"whitelist-source-range": "10.0.0.0/8"})
		e.api.Put("ingressclasses", api.Map{
			"metadata": api.Map{"name": "inner"},
			"spec": api.Map{"controller": "k8s.io/ingress-nginx",
				"parameters": api.Map{"kind": "ConfigMap",
					"scope": "Namespace", "namespace": "default",
					"name": "other"}}})
		f := e.api.Inject(api.Fault{Resource: "configmaps", Verb: "get",
			Name: "other", Status: 403})
		g := e.start(options{down: true, block: block + " backoff 1s;"})
		g.ready(20 * time.Second)
		closed := func() {
			for host, want := range map[string]int{"open.test": 200,
				"evil.test": 404, "in.test": 503} {
				a := g.get(host, "/")
				e.check(a.status == want, "%s: %d", host, a.status)
			}
		}
		closed()
		g.says(refused, "ConfigMap default/other has not come")
		e.api.Clear(f)
		e.await("its keys", 20*time.Second, func() bool {
			return g.get("in.test", "/").status == 403
		})
		guarded(e, g)
		g.says("-" + refused)
		e.api.Inject(api.Fault{Resource: "configmaps", Verb: "get",
			Name: "other", Status: 403})
		next(e, g)
		guarded(e, g)
	})

	add("ConfigMap: that of a class is slow to come", func(e *env) {
		guards(e)
		g := e.start(options{down: true, block: block})
		g.ready(20 * time.Second)
		e.configMap("slow", api.Map{"whitelist-source-range": "10.0.0.0/8"})
		f := e.api.Inject(api.Fault{Resource: "configmaps", Verb: "get",
			Name: "slow", DelayMS: 1500, Count: 1})
		class := func(name, config string) {
			e.api.Put("ingressclasses", api.Map{
				"metadata": api.Map{"name": name},
				"spec": api.Map{"controller": "k8s.io/ingress-nginx",
					"parameters": api.Map{"kind": "ConfigMap",
						"scope": "Namespace", "namespace": "default",
						"name": config}}})
		}
		class("inner", "slow")
		class("new", "slow")
		o := api.Ingress("default", "new", "new.test",
			api.Path{Path: "/", Type: "Prefix", Service: "a", Port: 80})
		o["spec"].(api.Map)["ingressClassName"] = "new"
		delete(o["metadata"].(api.Map), "annotations")
		e.api.Put("ingresses", o)
		e.await("its keys", 20*time.Second, func() bool {
			guarded(e, g)
			a := g.get("new.test", "/")
			e.check(a.status != 200, "open")
			return a.status == 403
		})
		e.check(f.Fired() > 0, "it was not asked for")
	})

	add("ConfigMap: a change waits for one that is slow to come", func(e *env) {
		e.configMap("answers", api.Map{"X-One": "1"})
		g := e.basic(false, options{block: block})
		e.watched()
		f := e.api.Inject(api.Fault{Resource: "configmaps", Verb: "get",
			Name: "answers", DelayMS: 1500, Count: 1})
		named(e, "default/answers")
		for f.Fired() == 0 {
			a := g.get("a.test", "/")
			e.check(a.status == 200, "status %d", a.status)
		}
		e.change(g, "b")
		a := g.get("a.test", "/")
		e.check(a.status == 200 && a.header.Get("X-One") == "",
			"status %d, header %q", a.status, a.header.Get("X-One"))
		answers(e, g, 200, "1")
	})
}
