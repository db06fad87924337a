package main

import (
	"fmt"
	"math/rand"
	"sort"
	"strings"
	"time"

	"ngx_k8s_test/internal/api"
	process "ngx_k8s_test/internal/nginx"
)

// router is a small reference, written from the rules and not from the code:
// what answers a host and path?
type router struct {
	hosts map[string]*mhost
	up    map[string]bool // "ns/service": some endpoint takes requests
}

type mhost struct {
	paths    []mpath
	fallback string // "ns/service", "": controller's default, 404
}

type mpath struct {
	path, typ, svc string
	port           string
}

func sub(o api.Map, path ...string) api.Map {
	for _, p := range path {
		o, _ = o[p].(api.Map)
	}
	return o
}

func text(o api.Map, path ...string) string {
	s, _ := sub(o, path[:len(path)-1]...)[path[len(path)-1]].(string)
	return s
}

func items(o api.Map, key string) []api.Map {
	l, _ := o[key].([]interface{})
	var r []api.Map
	for _, x := range l {
		if m, ok := x.(api.Map); ok {
			r = append(r, m)
		}
	}
	return r
}

// number of a JSON value as the port is written: digits or a name.
func portText(m api.Map) string {
	if n, ok := m["number"].(float64); ok && n > 0 {
		return fmt.Sprint(int(n))
	}
	s, _ := m["name"].(string)
	return s
}

func newRouter(s *api.Server, selects func(labels api.Map) bool) *router {
	r := &router{hosts: map[string]*mhost{"": {}}, up: map[string]bool{}}

	classes := map[string]bool{}
	l, _ := s.All("ingressclasses", "")
	for _, o := range l {
		if text(o.M, "spec", "controller") == "k8s.io/ingress-nginx" {
			classes[o.Name] = true
		}
	}

	selected := map[string]bool{}
	l, _ = s.All("namespaces", "")
	for _, o := range l {
		selected[o.Name] = selects != nil && selects(sub(o.M, "metadata",
			"labels"))
	}

	ings, _ := s.All("ingresses", "")
	sort.SliceStable(ings, func(i, j int) bool {
		a := text(ings[i].M, "metadata", "creationTimestamp")
		b := text(ings[j].M, "metadata", "creationTimestamp")
		if a != b {
			return a < b
		}
		return ings[i].NS+"/"+ings[i].Name > ings[j].NS+"/"+ings[j].Name
	})

	service := func(ns string, backend api.Map) (string, string) {
		svc := sub(backend, "service")
		return ns + "/" + text(svc, "name"), portText(sub(svc, "port"))
	}
	root := false
	for _, o := range ings {
		spec := sub(o.M, "spec")
		if selects != nil && !selected[o.NS] {
			continue
		}
		if c, ok := spec["ingressClassName"].(string); ok {
			if !classes[c] {
				continue
			}
		} else if text(o.M, "metadata", "annotations",
			"kubernetes.io/ingress.class") != "nginx" {
			continue
		}
		def := ""
		if b := sub(spec, "defaultBackend"); b != nil {
			svc, port := service(o.NS, b)
			def = svc + ":" + port
		}
		rules := items(spec, "rules")
		if def != "" && len(rules) == 0 && !root {
			root = true
			r.hosts[""].fallback = def
		}
		for _, rule := range rules {
			host := strings.ToLower(text(rule, "host"))
			h := r.hosts[host]
			if h == nil {
				h = &mhost{fallback: def}
				r.hosts[host] = h
			}
			for _, p := range items(sub(rule, "http"), "paths") {
				svc, port := service(o.NS, sub(p, "backend"))
				x := mpath{text(p, "path"), text(p, "pathType"), svc, port}
				if x.path == "" {
					x.path = "/"
				}
				if x.typ != "Exact" {
					x.typ = "Prefix"
				}
				taken := false
				for _, y := range h.paths {
					taken = taken || (y.path == x.path && y.typ == x.typ)
				}
				if !taken {
					h.paths = append(h.paths, x)
				}
			}
		}
	}

	svcs, _ := s.All("services", "")
	slices, _ := s.All("endpointslices", "")
	for _, o := range svcs {
		for _, p := range items(sub(o.M, "spec"), "ports") {
			alive := false
			for _, x := range slices {
				if x.NS != o.NS || text(x.M, "metadata", "labels",
					"kubernetes.io/service-name") != o.Name {
					continue
				}
				port := false
				for _, sp := range items(x.M, "ports") {
					port = port || text(sp, "name") == text(p, "name")
				}
				for _, e := range items(x.M, "endpoints") {
					c := sub(e, "conditions")
					ready, ok := c["ready"].(bool)
					serving, _ := c["serving"].(bool)
					term, _ := c["terminating"].(bool)
					alive = alive || (port && (ready || !ok || (serving && term)))
				}
			}
			n, _ := p["port"].(float64)
			t := fmt.Sprint(p["targetPort"])
			for _, name := range []string{fmt.Sprint(int(n)), text(p, "name"), t} {
				key := o.NS + "/" + o.Name + ":" + name
				r.up[key] = r.up[key] || alive
			}
		}
	}
	return r
}

// clean decodes and normalises a path; "" when the request is bad.
func clean(p string) string {
	if i := strings.IndexAny(p, "?#"); i >= 0 {
		p = p[:i]
	}
	var d strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) {
			var b byte
			if _, err := fmt.Sscanf(p[i+1:i+3], "%02x", &b); err == nil {
				d.WriteByte(b)
				i += 2
				continue
			}
		}
		d.WriteByte(p[i])
	}
	parts := strings.Split(d.String(), "/")
	var out []string
	for i, s := range parts {
		last := i == len(parts)-1
		switch {
		case s == "" && !last, s == "." && !last:
		case s == "..":
			if len(out) == 0 {
				return ""
			}
			out = out[:len(out)-1]
			if last {
				out = append(out, "")
			}
		case s == ".":
			out = append(out, "")
		default:
			out = append(out, s)
		}
	}
	return "/" + strings.Join(out, "/")
}

// route gives the expected status and, for 200, the Service's name.
func (r *router) route(host, path string) (int, string) {
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	path = clean(path)
	if path == "" {
		return 400, ""
	}
	h := r.hosts[host]
	if h == nil || host == "" {
		if i := strings.IndexByte(host, '.'); i > 0 {
			h = r.hosts["*"+host[i:]]
		}
		if h == nil {
			h = r.hosts[""]
		}
	}
	answer := func(svc, port string) (int, string) {
		if !r.up[svc+":"+port] {
			return 503, ""
		}
		return 200, svc[strings.IndexByte(svc, '/')+1:]
	}
	var best *mpath
	for i := range h.paths {
		p := &h.paths[i]
		if p.typ == "Exact" && p.path == path {
			return answer(p.svc, p.port)
		}
		if p.typ != "Prefix" {
			continue
		}
		stem := strings.TrimSuffix(p.path, "/")
		if path != p.path && !strings.HasPrefix(path, stem+"/") {
			continue
		}
		if best == nil || len(p.path) > len(best.path) {
			best = p
		}
	}
	if best == nil || best.path != path {
		for i := range h.paths {
			if h.paths[i].path == path+"/" && path != "/" {
				return 301, ""
			}
		}
	}
	if best != nil {
		return answer(best.svc, best.port)
	}
	if h.fallback != "" {
		i := strings.LastIndexByte(h.fallback, ':')
		return answer(h.fallback[:i], h.fallback[i+1:])
	}
	return 404, ""
}

// requests makes n random ones around what the objects name.
func (r *router) requests(n int, rng *rand.Rand) [][2]string {
	var hosts []string
	for h := range r.hosts {
		hosts = append(hosts, h)
	}
	sort.Strings(hosts)
	words := []string{"a", "b", "foo", "x1", "index.html", "A", "-", "foobar"}
	var l [][2]string
	for len(l) < n {
		name := hosts[rng.Intn(len(hosts))]
		h := r.hosts[name]
		host := name
		switch {
		case strings.HasPrefix(name, "*."):
			host = words[rng.Intn(4)] + name[1:]
			if rng.Intn(4) == 0 {
				host = "two." + host
			}
		case name == "":
			host = "nobody.invalid"
		}
		switch rng.Intn(8) {
		case 0:
			host = strings.ToUpper(host)
		case 1:
			host += "."
		case 2:
			host += ":8443"
		case 3:
			host = "sub." + host
		}
		path := "/"
		if len(h.paths) > 0 {
			path = h.paths[rng.Intn(len(h.paths))].path
		}
		for rng.Intn(3) == 0 {
			path = strings.TrimSuffix(path, "/") + "/" + words[rng.Intn(len(words))]
		}
		switch rng.Intn(12) {
		case 0:
			path += "/"
		case 1:
			path = strings.TrimSuffix(path, "/")
		case 2:
			path += words[rng.Intn(len(words))]
		case 3:
			path = strings.ReplaceAll(path, "/", "//")
		case 4:
			path = strings.ReplaceAll(path, "o", "%6f")
		case 5:
			path = "/zz/.." + path
		case 6:
			path += "/./"
		case 7:
			path = "/" + words[rng.Intn(len(words))]
		case 8:
			path += "?q=/foo"
		case 9:
			path = strings.ToUpper(path)
		}
		if path == "" || path[0] != '/' {
			path = "/" + path
		}
		ok := !strings.HasPrefix(clean(path), "/healthz")
		for i := 0; i < len(path); i++ {
			ok = ok && path[i] > ' ' && path[i] < 127 && path[i] != '"' &&
				path[i] != '\\'
		}
		if ok {
			l = append(l, [2]string{host, path})
		}
	}
	return l
}

// dump is the table as text that two nginxes of the same objects share.
func (g *nginx) dump() string {
	return g.adminGet("/status?canonical=1").body
}

// equal compares with an nginx that starts fresh on the same API server, and
// both with the reference router.
func (e *env) equal(g *nginx) {
	fresh := e.start(options{workers: 2, zone: "16m"})
	a, err := process.SameTable(30*time.Second, g.dump, fresh.dump)
	e.must(err)
	e.check(strings.Contains(a, "a.test"), "the dump shows nothing: %.200s", a)
	e.agree(g, fresh)
	e.must(fresh.Stop())
}

// agree sends 1,000 random requests to each worker.
func (e *env) agree(gs ...*nginx) {
	r := newRouter(e.api, e.selects)
	seed := time.Now().UnixNano()
	n := 0
	kinds := map[int]int{}
	for _, g := range gs {
		w := g.each()
		for pid, h := range w {
			for _, q := range r.requests(1000, rand.New(rand.NewSource(seed))) {
				status, svc := r.route(q[0], q[1])
				a := over(h.c, h.r, "GET", q[0], q[1], "")
				if a.status != status || a.svc != svc {
					closeAll(w)
					e.fatal("%s %s: %v, the reference says %d %q (seed %d, "+
						"worker %d of %v)", q[0], q[1], a, status, svc, seed,
						pid, g.Dir)
				}
				n++
				kinds[status]++
			}
		}
		closeAll(w)
	}
	e.note("%d random requests agree with the reference: %v", n, kinds)
}
