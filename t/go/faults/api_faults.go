package main

import (
	"fmt"
	"net"
	"strings"
	"time"

	"ngx_k8s_test/internal/api"
	"ngx_k8s_test/internal/pods"
)

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

func init() {
	add("T-A1 API server down at the start", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		e.api.Down()
		g := e.start(options{down: true, block: "backoff 1s;"})
		c, err := net.DialTimeout("tcp", e.api.Addr(), 5*time.Second)
		if err == nil {
			_ = c.Close()
		}
		e.check(err != nil, "the API server listens")
		e.await("a failed attempt in the log", 10*time.Second, func() bool {
			return g.Logged("onnection refused") > 0 || g.Logged("ould not connect") > 0 ||
				g.Logged("ailed to connect") > 0
		})
		a := g.adminGet("/readyz")
		e.check(a.status == 503 && strings.Contains(a.body, "ingresses"),
			"/readyz %d: %s", a.status, a.body)
		e.check(g.adminGet("/healthz").status == 200, "not alive")
		e.must(e.api.Up())
		g.ready(15 * time.Second)
		g.serves("a.test", "/", "a")
	})

	add("T-A2 API server gone while serving", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		e.api.Down()
		e.ingress("c", "c.test", "/", "b")
		_, _ = e.api.Delete("ingresses", "default", "b")
		e.await("watches known as lost", 10*time.Second, func() bool {
			return g.metricMatch(`watch_connected\{`) == 0
		})
		d := 2 * time.Second
		if *long {
			d = time.Minute
		}
		e.during(d, func() {
			g.still("a.test", "/", "a")
			g.still("b.test", "/", "b")
			e.check(g.adminGet("/readyz").status == 200, "not ready any more")
		})
		e.must(e.api.Up())
		g.serves("c.test", "/", "b")
		g.becomes("b.test", "/", 404, "")
		e.await("watches stand again", 10*time.Second, func() bool {
			return g.metricMatch(`watch_connected\{`) >= 3
		})
	})

	add("T-A3 watches end by time", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		e.change(g, "warm")
		from := e.api.LogLen()
		for i := 0; i < 3; i++ {
			e.check(e.api.EndWatches("") >= 3, "no watch ended")
			e.watched()
			e.change(g, fmt.Sprintf("n%d", i))
			// a watch that ends young is another case
			e.during(1100*time.Millisecond, func() {
				g.still("a.test", "/", "a")
			})
		}
		e.check(e.lists(from, "") == 0, "%d lists", e.lists(from, ""))
		n := e.count(from, func(r api.Request) bool {
			return r.Verb == "watch" && r.Resource == "ingresses" && r.RV != ""
		})
		e.check(n >= 3, "%d watches from a resourceVersion", n)
	})

	gone := func(e *env, useEvent bool) {
		g := e.basic(false, options{})
		e.watched()
		f := api.Fault{Resource: "ingresses", Verb: "watch", Count: 1,
			Initial: no(), Status: 410}
		if useEvent {
			f.Status, f.Event = 0, 410
		}
		in := e.api.Inject(f)
		from := e.api.LogLen()
		e.api.EndWatches("")
		e.await("410 was answered", 10*time.Second, func() bool {
			return in.Fired() == 1
		})
		e.ingress("c", "c.test", "/", "b")
		end := time.Now().Add(15 * time.Second)
		for e.lists(from, "ingresses") == 0 {
			g.still("a.test", "/", "a")
			e.check(time.Now().Before(end), "no new list")
		}
		g.serves("c.test", "/", "b")
		g.still("a.test", "/", "a")
		e.check(e.lists(from, "services") == 0, "others were listed as well")
		e.check(!g.problem("InvalidObject"), "the Status was taken as object")
	}
	add("T-A4 410 as status", func(e *env) { gone(e, false) })
	add("T-A5 410 as event", func(e *env) { gone(e, true) })

	add("T-A5 history compacted while away", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		e.api.Down()
		e.ingress("c", "c.test", "/", "b")
		_, _ = e.api.Delete("ingresses", "default", "b")
		e.api.Compact()
		from := e.api.LogLen()
		e.must(e.api.Up())
		g.serves("c.test", "/", "b")
		g.becomes("b.test", "/", 404, "")
		g.still("a.test", "/", "a")
		e.check(e.lists(from, "ingresses") > 0, "no new list")
		e.check(g.Logged("ingresses: the resource version has expired") > 0,
			"the log does not say why")
	})

	add("T-A6 429 with Retry-After on a watch", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		e.change(g, "warm")
		f := e.api.Inject(api.Fault{Resource: "ingresses", Verb: "watch",
			Count: 2, Status: 429, RetryAfter: 2})
		from := e.api.LogLen()
		e.api.EndWatches("ingresses")
		e.await("429 twice and then a watch", 30*time.Second, func() bool {
			g.still("a.test", "/", "a")
			return f.Fired() == 2 && e.api.Watching("ingresses") > 0
		})
		var last time.Time
		for _, r := range e.api.Log(from) {
			if r.Resource != "ingresses" || r.Verb != "watch" {
				continue
			}
			if !last.IsZero() {
				e.check(r.Time.Sub(last) > 1900*time.Millisecond,
					"came again after %v", r.Time.Sub(last))
			}
			last = r.Time
		}
		e.check(e.lists(from, "") == 0, "%d lists", e.lists(from, ""))
		e.change(g, "c")
	})

	add("T-A6 429 with Retry-After on the first list", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		f := e.api.Inject(api.Fault{Resource: "services", Count: 1, Status: 429,
			RetryAfter: 2})
		g := e.start(options{down: true})
		e.await("429", 10*time.Second, func() bool { return f.Fired() == 1 })
		g.ready(15 * time.Second)
		g.serves("a.test", "/", "a")
		var times []time.Time
		for _, r := range e.api.Log(0) {
			if r.Resource == "services" {
				times = append(times, r.Time)
			}
		}
		e.check(len(times) > 1 && times[1].Sub(times[0]) > 1900*time.Millisecond,
			"no wait: %v", times)
	})

	for _, code := range []int{500, 503, 504} {
		code := code
		add(fmt.Sprintf("T-A7 status %d on watches and lists", code),
			func(e *env) {
				g := e.basic(false, options{})
				e.watched()
				f := e.api.Inject(api.Fault{Status: code})
				e.api.EndWatches("")
				e.await("errors", 15*time.Second, func() bool {
					g.still("a.test", "/", "a")
					return f.Fired() >= 4
				})
				e.ingress("c", "c.test", "/", "b")
				e.api.Clear(f)
				g.serves("c.test", "/", "b")
				g.still("a.test", "/", "a")
			})
	}

	add("T-A7 connections reset, over TLS", func(e *env) {
		g := e.basic(true, options{})
		for i := 0; i < 5; i++ {
			e.watched()
			e.check(e.api.Cut(true) > 0, "nothing to reset")
			e.change(g, fmt.Sprintf("c%d", i))
			g.still("b.test", "/", "b")
		}
	})

	hole := func(e *env, useTLS bool) {
		g := e.basic(useTLS, options{block: "watch_timeout 2s;" +
			"list_timeout 2s; connect_timeout 1s;"})
		e.watched()
		e.check(e.api.Blackhole(true) > 0, "no connection was there")
		e.ingress("c", "c.test", "/", "b")
		e.during(500*time.Millisecond, func() { g.still("a.test", "/", "a") })
		e.check(g.get("c.test", "/").status == 404, "heard through a hole")
		e.api.Unhole()
		d := e.await("the route after a black hole", 75*time.Second, func() bool {
			g.still("a.test", "/", "a")
			return g.get("c.test", "/").svc == "b"
		})
		e.note("noticed after %.1f s", d.Seconds())
	}
	add("T-A7 black hole, HTTP/1.1", func(e *env) { hole(e, false) })
	add("T-A7 black hole, TLS and HTTP/2", func(e *env) { hole(e, true) })

	add("T-A8 too large resource version", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		f := e.api.Inject(api.Fault{TooLarge: true})
		from := e.api.LogLen()
		e.ingress("c", "c.test", "/", "b")
		g.serves("c.test", "/", "b")
		e.api.Compact()
		e.api.EndWatches("")
		e.await("too large, and then an empty version", 20*time.Second,
			func() bool {
				g.still("a.test", "/", "a")
				return f.Fired() > 0 && e.count(from, func(r api.Request) bool {
					return r.Resource == "ingresses" && r.Status == 200 &&
						(r.RV == "" || r.RV == "0") &&
						(r.Initial || (r.Verb == "list" && r.Limit != 1))
				}) > 0
			})
		e.api.Clear(nil)
		e.ingress("d", "d.test", "/", "b")
		g.serves("d.test", "/", "b")
		g.still("c.test", "/", "b")
	})

	add("T-A8 versions go backwards, as of a restored etcd", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		e.api.Snapshot("old")
		e.ingress("c", "c.test", "/", "b")
		_, _ = e.api.Delete("ingresses", "default", "b")
		for i := 0; i < 300; i++ {
			e.api.Bump(1)
		}
		g.serves("c.test", "/", "b")
		g.becomes("b.test", "/", 404, "")
		before := e.api.RV()
		e.api.Down()
		e.check(e.api.Restore("old") && e.api.RV() < before, "not restored")
		e.must(e.api.Up())
		g.becomes("c.test", "/", 404, "")
		g.serves("b.test", "/", "b")
		e.change(g, "d")
	})

	add("T-A8 versions go back, but not behind those of one kind", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		e.api.Snapshot("old")
		e.ingress("c", "c.test", "/", "b")
		_, _ = e.api.Delete("ingresses", "default", "b")
		g.serves("c.test", "/", "b")
		g.becomes("b.test", "/", 404, "")
		e.api.Bump(300)
		e.slice("b", e.pod("b", "b-new", pods.Options{}))
		e.await("the newest version", 10*time.Second, func() bool {
			return g.get("c.test", "/").pod == "b-new"
		})
		before := e.api.RV()
		e.api.Down()
		e.check(e.api.Restore("old"), "not restored")
		e.api.Bump(100)
		e.check(e.api.RV() < before, "not restored")
		e.must(e.api.Up())
		g.becomes("c.test", "/", 404, "")
		g.serves("b.test", "/", "b")
		e.change(g, "d")
	})

	for _, bad := range []bool{false, true} {
		bad := bad
		code := map[bool]int{false: 422, true: 400}[bad]
		add(fmt.Sprintf("T-A9 no streaming lists (%d)", code), func(e *env) {
			e.begin(false)
			e.app("a", 1)
			e.ingress("a", "a.test", "/", "a")
			f := e.api.Inject(api.Fault{NoList: true, Bad: bad})
			g := e.start(options{})
			g.serves("a.test", "/", "a")
			e.check(f.Fired() >= 3, "%d refusals", f.Fired())
			e.watched()
			e.change(g, "c")
			e.api.Compact()
			e.api.EndWatches("")
			n := f.Fired()
			e.await("lists by pages", 10*time.Second, func() bool {
				return e.count(0, func(r api.Request) bool {
					return r.Verb == "list" && r.Resource == "ingresses"
				}) >= 2
			})
			e.watched()
			e.change(g, "d")
			e.check(f.Fired() == n, "asked for a streaming list again")
		})
	}

	add("T-A10 initial-events-end never comes", func(e *env) {
		e.begin(false)
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		f := e.api.Inject(api.Fault{Verb: "watch", Initial: yes(),
			NoEnd: true, NoBookmark: true})
		g := e.start(options{down: true, block: "list_timeout 1s;"})
		e.await("streaming list without an end", 10*time.Second, func() bool {
			return f.Fired() >= 3
		})
		a := g.adminGet("/readyz")
		e.check(a.status == 503, "/readyz %d: %s", a.status, a.body)
		// either it asks again or it falls back: it must not hang
		e.await("ready after a retry", 30*time.Second, func() bool {
			return g.adminGet("/readyz").status == 200
		})
		g.serves("a.test", "/", "a")
		// the same when the table is full already
		e.watched()
		n := f.Fired()
		e.api.Compact()
		e.api.EndWatches("")
		e.during(time.Second, func() { g.still("a.test", "/", "a") })
		e.api.Clear(nil)
		e.change(g, "c")
		e.note("%d lists without an end, then %d", n, f.Fired()-n)
	})

	const late = "ingresses: the list has not ended within"

	add("T-A10 a streaming list that drips without an end", func(e *env) {
		e.begin(false)
		e.api.BookmarkEvery = 200 * time.Millisecond
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		f := e.api.Inject(api.Fault{Resource: "ingresses", Verb: "watch",
			Initial: yes(), NoEnd: true, Count: 1})
		g := e.start(options{down: true,
			block: "list_timeout 1s; list_time 2s;"})
		e.await("it is given up, and said", 15*time.Second, func() bool {
			return g.Logged(late) == 1
		})
		e.check(f.Fired() > 0, "the end has come")
		g.ready(20 * time.Second)
		g.serves("a.test", "/", "a")
		e.check(g.Logged("ingresses: watched again") == 1,
			"its end is not said")
		// the same when the table is full already
		e.watched()
		e.api.Inject(api.Fault{Resource: "ingresses", Verb: "watch",
			Initial: yes(), NoEnd: true, Count: 1})
		e.ingress("a", "a.test", "/", "gone")
		e.api.Compact()
		e.api.EndWatches("ingresses")
		g.becomes("a.test", "/", 503, "")
		e.await("it is given up again", 15*time.Second, func() bool {
			return g.Logged(late) == 2
		})
		e.change(g, "c")
	})

	add("T-A10 a page that drips without an end", func(e *env) {
		e.begin(false)
		e.api.WatchList = false
		e.app("a", 1)
		e.ingress("a", "a.test", "/", "a")
		f := e.api.Inject(api.Fault{Resource: "ingresses", Verb: "list",
			Chunk: 1, DripMS: 200, Count: 1})
		g := e.start(options{down: true,
			block: "list_timeout 1s; list_time 2s;"})
		e.await("it is given up, and said", 15*time.Second, func() bool {
			return g.Logged(late) == 1
		})
		e.check(f.Fired() > 0, "it did not drip")
		g.ready(20 * time.Second)
		g.serves("a.test", "/", "a")
	})

	add("T-A10 a list that takes longer than list_time ends", func(e *env) {
		e.begin(false)
		e.api.WatchList = false
		e.app("a", 1)
		for i := 0; i < 4; i++ {
			e.ingress(fmt.Sprintf("i%d", i), fmt.Sprintf("i%d.test", i), "/", "a")
		}
		// each of two pages takes about two seconds
		f := e.api.Inject(api.Fault{Resource: "ingresses", Verb: "list",
			Chunk: 32, DripMS: 60})
		g := e.start(options{down: true,
			block: "list_timeout 1s; list_time 1s; list_page 2;"})
		g.ready(60 * time.Second)
		for i := 0; i < 4; i++ {
			g.serves(fmt.Sprintf("i%d.test", i), "/", "a")
		}
		e.check(g.Logged(late) > 0, "the list was fast")
		e.check(f.Fired() > 1, "no page was slow")
	})

	add("T-A11 cut in the middle of initial events", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		for i := 0; i < 20; i++ {
			e.ingress(fmt.Sprintf("i%d", i), fmt.Sprintf("i%d.test", i), "/", "b")
		}
		g.serves("i19.test", "/", "b")
		var fs []*api.Fault
		for _, v := range []string{"watch", "list"} {
			fs = append(fs, e.api.Inject(api.Fault{Resource: "ingresses",
				Verb: v, CutRandom: 3000, Seed: 7, Count: 8}))
		}
		_, _ = e.api.Delete("ingresses", "default", "i5")
		g.becomes("i5.test", "/", 404, "")
		e.api.Compact()
		e.api.EndWatches("ingresses")
		end := time.Now().Add(30 * time.Second)
		for fs[0].Fired()+fs[1].Fired() < 2 {
			g.still("a.test", "/", "a")
			g.still("i19.test", "/", "b")
			g.still("i0.test", "/", "b")
			e.check(time.Now().Before(end), "cut %d times only",
				fs[0].Fired()+fs[1].Fired())
		}
		e.api.Clear(nil)
		e.change(g, "c")
		for i := 0; i < 20; i++ {
			if i != 5 {
				g.still(fmt.Sprintf("i%d.test", i), "/", "b")
			}
		}
		e.check(g.get("i5.test", "/").status == 404, "a removed route is back")
	})

	add("T-A12 continue token expires", func(e *env) {
		e.begin(false)
		e.api.WatchList = false
		e.app("a", 1)
		for i := 0; i < 30; i++ {
			e.ingress(fmt.Sprintf("i%02d", i), fmt.Sprintf("i%d.test", i), "/", "a")
		}
		f := e.api.Inject(api.Fault{Resource: "ingresses", Verb: "list",
			Expire: true, Count: 1})
		g := e.start(options{block: "list_page 7;"})
		if f.Fired() == 0 {
			// not asked by pages at the first time: then at the second
			e.watched()
			e.api.Compact()
			e.api.EndWatches("")
		}
		all := func() {
			for i := 0; i < 30; i++ {
				g.still(fmt.Sprintf("i%d.test", i), "/", "a")
			}
		}
		all()
		e.change(g, "c")
		e.check(f.Fired() == 1, "no page was asked for")
		// and in a list that replaces a table
		f = e.api.Inject(api.Fault{Resource: "ingresses", Verb: "list",
			Expire: true, Count: 2})
		e.watched()
		e.api.Compact()
		e.api.EndWatches("")
		e.await("410 for a page", 15*time.Second, func() bool {
			all()
			return f.Fired() >= 1
		})
		e.change(g, "d")
		all()
	})

	add("T-A13 deleted while disconnected", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		e.api.Down()
		_, _ = e.api.Delete("ingresses", "default", "b")
		e.api.Compact()
		g.still("b.test", "/", "b")
		e.must(e.api.Up())
		g.becomes("b.test", "/", 404, "")
		g.still("a.test", "/", "a")
	})

	add("T-A14 Ingress before Service before endpoints", func(e *env) {
		g := e.basic(false, options{})
		e.watched()
		e.ingress("c", "c.test", "/", "c")
		g.becomes("c.test", "/", 503, "")
		bad := 0
		sample := func() {
			if s := g.get("c.test", "/").status; s != 503 && s != 200 {
				bad = s
			}
		}
		e.during(100*time.Millisecond, sample)
		a := e.pod("c", "c-0", pods.Options{})
		e.api.Put("services", api.Service("default", "c", 80, 8080))
		e.during(100*time.Millisecond, sample)
		e.slice("c", a)
		e.during(100*time.Millisecond, sample)
		g.serves("c.test", "/", "c")
		e.check(bad == 0, "answered %d in between", bad)
		// and away again in another order
		_, _ = e.api.Delete("services", "default", "c")
		g.becomes("c.test", "/", 503, "")
		_, _ = e.api.Delete("ingresses", "default", "c")
		g.becomes("c.test", "/", 404, "")
	})

	add("T-A15 events twice and old ones again", func(e *env) {
		e.begin(false)
		f := e.api.Inject(api.Fault{Verb: "watch", Duplicate: true, Old: true})
		e.app("a", 2)
		e.app("b", 2)
		e.ingress("a", "a.test", "/", "a")
		g := e.start(options{})
		e.watched()
		for i := 0; i < 40; i++ {
			svc := []string{"a", "b"}[i%2]
			e.ingress("a", "a.test", "/", svc)
			e.ingress("x", fmt.Sprintf("x%d.test", i), "/", svc)
		}
		_, _ = e.api.Delete("ingresses", "default", "x")
		e.change(g, "last")
		e.check(f.Fired() > 80, "%d events were repeated", f.Fired())
		g.still("a.test", "/", "b")
		for i := 0; i < 40; i++ {
			e.check(g.get(fmt.Sprintf("x%d.test", i), "/").status == 404,
				"x%d.test is there", i)
		}
		e.equal(g)
	})
}
