package main

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ngx_k8s_test/internal/api"
)

// The scenarios of kubernetes-sigs/ingress-controller-conformance, as tests of
// ours: 25, of which 24 are here.  That suite waits for the address in the
// status of each Ingress before a scenario; here it is waited for the route.
// One scenario is about nothing but the status: see missing.
//
// They are asked of the documented nginx with "defaults nginx", which follows
// the Ingress API to the letter, and with HTTP/1.1 and the Host header in its
// nginx.conf.  The documented defaults are ingress-nginx's, and differ as it
// does in three of them.

// missing is what reads the status of an Ingress, which nothing writes yet.
var missing = []string{
	"an Ingress of an unknown class has no address in its status",
	"an Ingress of the class shows an address in its status (first step of " +
		"all others)",
}

// scenario is one request and what is to come of it.
type scenario struct {
	name   string
	what   string
	method string // "": GET
	url    string
	status int
	svc    string // that serves it
	path   string // that it gets, "": not looked at
	host   string // the same
	tls    bool   // the certificate is looked at
	full   bool   // all of the answer and of the request is looked at
	more   []scenario
}

func matches(name, what, url, svc string) scenario {
	host, path := target25(url)
	return scenario{name: name, what: what, url: url, status: 200, svc: svc,
		path: path, host: host}
}

func none(name, what, url string) scenario {
	return scenario{name: name, what: what, url: url, status: 404}
}

func target25(url string) (host, path string) {
	_, rest, _ := strings.Cut(url, "://")
	host, path, _ = strings.Cut(rest, "/")
	return host, "/" + path
}

var hostRules = []scenario{
	{name: "tls", what: "a host by https, with its certificate",
		url: "https://foo.bar.com", status: 200, svc: "foo-bar-com",
		host: "foo.bar.com", tls: true},
	matches("host", "a host by http", "http://foo.bar.com", "foo-bar-com"),
	none("host-other", "another host of the domain",
		"http://subdomain.bar.com"),
	matches("wildcard", "a wildcard takes one label", "http://bar.foo.com",
		"wildcard-foo-com"),
	none("wildcard-two", "a wildcard does not take two labels",
		"http://baz.bar.foo.com"),
	none("wildcard-none", "a wildcard does not take no label",
		"http://foo.com"),
}

var pathRules = []scenario{
	matches("exact", "exact /foo takes /foo", "http://exact-path-rules/foo",
		"foo-exact"),
	none("exact-slash", "exact /foo does not take /foo/",
		"http://exact-path-rules/foo/"),
	none("exact-case", "exact /foo does not take /FOO",
		"http://exact-path-rules/FOO"),
	none("exact-other", "exact /foo does not take /bar",
		"http://exact-path-rules/bar"),
	matches("prefix", "prefix /foo takes /foo", "http://prefix-path-rules/foo",
		"foo-prefix"),
	matches("prefix-slash", "prefix /foo takes /foo/",
		"http://prefix-path-rules/foo/", "foo-prefix"),
	none("prefix-case", "prefix /foo does not take /FOO",
		"http://prefix-path-rules/FOO"),
	matches("prefix-longest", "of prefixes /aaa and /aaa/bbb the longer one "+
		"takes /aaa/bbb", "http://prefix-path-rules/aaa/bbb",
		"aaa-slash-bbb-prefix"),
	matches("prefix-below", "and /aaa/bbb/ccc",
		"http://prefix-path-rules/aaa/bbb/ccc", "aaa-slash-bbb-prefix"),
	matches("prefix-shorter", "the shorter one takes /aaa/ccc",
		"http://prefix-path-rules/aaa/ccc", "aaa-prefix"),
	none("prefix-element", "prefix /aaa does not take /aaaccc",
		"http://prefix-path-rules/aaaccc"),
	matches("prefix-slash-again", "prefix /foo takes /foo/ (the suite has it "+
		"twice)", "http://prefix-path-rules/foo/", "foo-prefix"),
	matches("mixed", "of exact and prefix /foo the exact one takes /foo",
		"http://mixed-path-rules/foo", "foo-exact"),
	matches("slash-prefix", "prefix /aaa/bbb/ takes /aaa/bbb",
		"http://trailing-slash-path-rules/aaa/bbb",
		"aaa-slash-bbb-slash-prefix"),
	matches("slash-prefix-slash", "prefix /aaa/bbb/ takes /aaa/bbb/",
		"http://trailing-slash-path-rules/aaa/bbb/",
		"aaa-slash-bbb-slash-prefix"),
	none("slash-exact", "exact /foo/ does not take /foo",
		"http://trailing-slash-path-rules/foo"),
}

var defaultBackend = scenario{name: "default-backend", what: "an Ingress " +
	"with only a default backend takes all: six methods, hosts and paths",
	more: func() (l []scenario) {
		for _, x := range []struct{ method, host, path string }{
			{"GET", "my-host", ""}, {"GET", "my-host", "sub-path"},
			{"POST", "some-host", ""}, {"PUT", "", "resource"},
			{"DELETE", "some-host", "resource"},
			{"PATCH", "my-host", "resource"},
		} {
			l = append(l, scenario{method: x.method, status: 200,
				url: "http://" + x.host + "/" + x.path, svc: "echo-service",
				path: "/" + x.path, full: true})
		}
		return l
	}()}

var loadBalancing = scenario{name: "load-balancing",
	what: "100 requests reach all of 10 pods"}

func init() {
	for _, s := range hostRules {
		add25("host", s)
	}
	for _, s := range pathRules {
		add25("path", s)
	}
	add25("", defaultBackend)
	add25("", loadBalancing)
}

func add25(feature string, s scenario) {
	name := "ingress-" + s.name
	add(test{name: name, group: "ingress", bed: "pod", ci: true, what: s.what,
		run: func(e *env) { report25(e, s.name) }})
}

// suite25 is run once, by the first test that asks.
var suite25 struct {
	once  sync.Once
	said  map[string]string // what was wrong, by scenario; "": nothing
	notes []string
	bad   string
}

func report25(e *env, name string) {
	s := &suite25
	s.once.Do(func() {
		s.said = map[string]string{}
		s.bad = "the scenarios were not all run"
		e.ns, e.class = "ingress-conformance", "ingress-conformance"
		run25(e)
		s.bad = ""
		for _, m := range missing {
			e.note("expected-missing: %s", m)
		}
	})
	bad, ok := s.said[name]
	e.check(ok, "%s", s.bad)
	e.check(bad == "", "%s", bad)
}

// service25 is a Deployment of echo pods with a Service of type NodePort, for
// an Ingress of the suite.
func (e *env) service25(ns string, names ...string) {
	for _, n := range names {
		a := app{ns: ns, name: n, replicas: 1, env: map[string]string{
			"DEFAULTS": "", "SERVICE_NAME": n, "INGRESS_NAME": ns}}
		e.apply(`
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  type: NodePort
  selector: {service: %[1]s}
  ports: [{name: http, port: 8080, targetPort: 3000}]
`, n, ns)
		e.deploy(a)
	}
	for _, n := range names {
		e.scaled(app{ns: ns, name: n}, 1)
	}
}

// rule25 is a rule of an Ingress; paths are "type path service[:port]".
func rule25(host string, paths ...string) string {
	s := fmt.Sprintf("\n  - host: %q\n    http:\n      paths:", host)
	for _, p := range paths {
		f := strings.Fields(p)
		port := "number: 8080"
		if svc, name, ok := strings.Cut(f[2], ":"); ok {
			f[2], port = svc, "name: "+name
		}
		s += fmt.Sprintf("\n      - {path: %s, pathType: %s, backend: "+
			"{service: {name: %s, port: {%s}}}}", f[1], f[0], f[2], port)
	}
	return s
}

func (e *env) ingress25(ns, class, spec string) {
	e.apply("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: "+
		"{name: %s, namespace: %s}\nspec:\n  ingressClassName: %s%s\n", ns, ns,
		class, spec)
}

// asked is an answer and what a pod got.
type asked struct {
	status int
	proto  string
	header http.Header
	cert   *x509.Certificate
	got    struct {
		Path, Host, Method, Proto, Service, Pod string
		Headers                                 http.Header
	}
}

// ask sends a request as the suite does: to the gateway whatever the host, and
// again where a redirect leads.
func (g *gateway) ask(method, url string) (asked, error) {
	var a asked
	c := g.client(nil)
	t := c.Transport.(*http.Transport)
	t.TLSClientConfig.InsecureSkipVerify = true
	t.DisableCompression = true
	c.CheckRedirect = func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}
	for range 5 {
		host, _ := target25(url)
		if host == "" { // no host of its own: the address is one
			url = strings.Replace(url, "://", "://"+g.ip, 1)
		}
		q, err := http.NewRequest(method, url, nil)
		if err != nil {
			return a, err
		}
		r, err := c.Do(q)
		if err != nil {
			return a, err
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return a, err
		}
		if l, err := r.Location(); err == nil && r.StatusCode/100 == 3 {
			url = l.String()
			continue
		}
		a.status, a.proto, a.header = r.StatusCode, r.Proto, r.Header
		if r.TLS != nil {
			a.cert = r.TLS.PeerCertificates[0]
		}
		_ = json.Unmarshal(body, &a.got)
		return a, nil
	}
	return a, fmt.Errorf("too many redirects")
}

// judge says what is wrong, "" if nothing is.
func (s scenario) judge(g *gateway) string {
	for _, m := range s.more {
		if bad := m.judge(g); bad != "" {
			return m.method + " " + m.url + ": " + bad
		}
	}
	if s.url == "" {
		return ""
	}
	method := s.method
	if method == "" {
		method = "GET"
	}
	a, err := g.ask(method, s.url)
	if err != nil {
		return err.Error()
	}
	var bad []string
	is := func(what, got, want string) {
		if got != want {
			bad = append(bad, fmt.Sprintf("%s %q, not %q", what, got, want))
		}
	}
	is("status", fmt.Sprint(a.status), fmt.Sprint(s.status))
	is("service", a.got.Service, s.svc)
	if s.path != "" {
		is("path", a.got.Path, s.path)
	}
	if s.host != "" {
		is("host", a.got.Host, s.host)
	}
	if s.tls && (a.cert == nil || a.cert.VerifyHostname(s.host) != nil) {
		bad = append(bad, "the certificate is not that of the host")
	}
	if s.full {
		is("protocol of the answer", a.proto, "HTTP/1.1")
		is("protocol of the request", a.got.Proto, "HTTP/1.1")
		is("method", a.got.Method, method)
		is("User-Agent", a.got.Headers.Get("User-Agent"), "Go-http-client/1.1")
		for _, h := range []string{"Content-Length", "Content-Type", "Date",
			"Server"} {
			if a.header.Get(h) == "" {
				bad = append(bad, "no header "+h)
			}
		}
	}
	return strings.Join(bad, "; ")
}

// run25 runs all scenarios, one feature after the other: two of them take every
// host.
func run25(e *env) {
	s := e.example("cluster")
	s.mine()
	s.conf("nginx.conf", "zone 64m;", "zone 8m;\n        defaults nginx;")
	s.conf("nginx.conf", "    k8s_ingress_pass;", `    k8s_ingress_pass;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;`)
	e.apply(s.text())
	e.ingressHosts25()
	g := e.gateway(e.ns)
	drop := e.ingressNginx25()

	g.see25("http://foo.bar.com/", "foo-bar-com")
	g.see25("http://exact-path-rules/foo", "foo-exact")
	for _, l := range [][]scenario{hostRules, pathRules} {
		for _, x := range l {
			suite25.said[x.name] = x.judge(g)
		}
	}
	// an Ingress of another class was there before those that are served
	a, err := g.ask("GET", "http://ingress-class/")
	e.must(err)
	e.check(a.status == 404, "an Ingress of an unknown class is served: %d",
		a.status)
	e.differences25(drop)

	ns := e.namespace("conformance-default")
	e.service25(ns, "echo-service")
	e.ingress25(ns, e.class, "\n  defaultBackend: {service: {name: "+
		"echo-service, port: {number: 8080}}}")
	g.see25("http://anything/", "echo-service")
	suite25.said[defaultBackend.name] = defaultBackend.judge(g)
	suite25.said[loadBalancing.name] = g.spread25(ns)
	g.quiet()
}

// ingressHosts25 makes the Ingresses of three features.
func (e *env) ingressHosts25() {
	class := e.namespace("conformance-class")
	e.service25(class, "ingress-class-prefix")
	e.ingress25(class, "some-invalid-class-name", "\n  rules:"+
		rule25("ingress-class", "Prefix / ingress-class-prefix"))

	hosts := e.namespace("conformance-host")
	ca, err := api.NewCA("e2e")
	e.must(err)
	crt, key, err := ca.Issue("foo.bar.com", "foo.bar.com")
	e.must(err)
	e.secret(hosts, "conformance-tls", crt, key)
	e.service25(hosts, "wildcard-foo-com", "foo-bar-com")
	e.ingress25(hosts, e.class, "\n  tls: [{hosts: [foo.bar.com], secretName: "+
		"conformance-tls}]\n  rules:"+
		rule25("*.foo.com", "Prefix / wildcard-foo-com")+
		rule25("foo.bar.com", "Prefix / foo-bar-com:http"))

	paths := e.namespace("conformance-path")
	e.service25(paths, "foo-exact", "foo-prefix", "aaa-slash-bbb-prefix",
		"aaa-prefix", "aaa-slash-bbb-slash-prefix", "foo-slash-exact")
	e.ingress25(paths, e.class, "\n  rules:"+
		rule25("exact-path-rules", "Exact /foo foo-exact")+
		rule25("prefix-path-rules", "Prefix /foo foo-prefix",
			"Prefix /aaa/bbb aaa-slash-bbb-prefix", "Prefix /aaa aaa-prefix")+
		rule25("mixed-path-rules", "Prefix /foo foo-prefix",
			"Exact /foo foo-exact")+
		rule25("trailing-slash-path-rules",
			"Prefix /aaa/bbb/ aaa-slash-bbb-slash-prefix",
			"Exact /foo/ foo-slash-exact"))
}

// see25 waits until every Pod of nginx routes to a Service.
func (g *gateway) see25(url, svc string) {
	for _, p := range g.pods() {
		one := &gateway{e: g.e, ip: p.Status.PodIP}
		var a asked
		var err error
		g.e.await(url+" is served by "+p.Name, 30*time.Second, func() bool {
			a, err = one.ask("GET", url)
			return err == nil && a.status == 200 && a.got.Service == svc
		})
	}
}

// spread25 scales a Service to 10 pods and counts those that are reached.
func (g *gateway) spread25(ns string) string {
	e := g.e
	e.scale(app{ns: ns, name: "echo-service"}, 10)
	e.scaled(app{ns: ns, name: "echo-service"}, 10)
	round := func() (int, string) {
		pods := map[string]bool{}
		for range 100 {
			a, err := g.ask("GET", "http://load-balancing/")
			if err != nil || a.status != 200 {
				return 0, fmt.Sprintf("status %d, %v", a.status, err)
			}
			pods[a.got.Pod] = true
		}
		return len(pods), ""
	}
	bad := ""
	e.await("all 10 pods in every table", 20*time.Second, func() bool {
		n, what := round()
		bad = what
		return what != "" || n == 10
	})
	if n, what := round(); bad == "" && (what != "" || n != 10) {
		bad = fmt.Sprintf("100 requests reach %d pods %s", n, what)
	}
	return bad
}

// ingressNginx25 is the same nginx with the documented defaults.
func (e *env) ingressNginx25() *gateway {
	old := e.ns
	e.ns = "ingress-conformance-2"
	defer func() { e.ns = old }()
	s := e.example("cluster")
	s.mine()
	s.drop("IngressClass")
	s.conf("nginx.conf", "zone 64m;", "zone 8m;")
	s.deployment(func(d *appsv1.Deployment) {
		one := int32(1)
		d.Spec.Replicas = &one
	})
	return s.up()
}

// differences25 notes where the documented defaults differ from the suite, and
// fails if that is not where ingress-nginx differs.
func (e *env) differences25(g *gateway) {
	g.see25("http://foo.bar.com/", "foo-bar-com")
	g.see25("http://exact-path-rules/foo", "foo-exact")
	known := map[string]string{
		"slash-prefix": "301 to /aaa/bbb/, then served",
		"slash-exact":  "301 to /foo/, then served"}
	n := 0
	for _, l := range [][]scenario{hostRules, pathRules} {
		for _, x := range l {
			n++
			bad := x.judge(g)
			why, ok := known[x.name]
			if ok {
				e.note("with ingress-nginx's defaults %q differs, as there: %s",
					x.what, why)
			}
			if (bad != "") != ok {
				e.fail("with ingress-nginx's defaults: %s: %q", x.what, bad)
			}
		}
	}
	a, err := g.ask("GET", "http://bar.foo.com/")
	e.must(err)
	e.check(a.header.Get("Server") == "" && a.header.Get("Date") != "",
		"with ingress-nginx's defaults the headers are %v", a.header)
	e.note("with ingress-nginx's defaults answers have no Server header, as " +
		"there, which the scenario of the default backend asks for")
	zero := int64(0)
	e.must(e.Client.AppsV1().Deployments(g.ns).Delete(e.ctx, g.name,
		metav1.DeleteOptions{GracePeriodSeconds: &zero}))
}
