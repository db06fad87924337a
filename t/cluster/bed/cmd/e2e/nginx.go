package main

import (
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	process "ngx_k8s_test/internal/nginx"
)

// nginx is a process in the node's network, with the rights that the
// documentation gives to the Pod.
type nginx struct {
	*process.Process
	e     *env
	port  int
	tls   int
	admin int
}

// options of an nginx.
type options struct {
	token  string // file; "": one is made
	block  string // more directives for k8s_ingress
	server string // URL of the API server, "": its own
}

var lastPort int32 = 20000

func freePort() int { return int(atomic.AddInt32(&lastPort, 1)) }

// log of requests, for failures to be explained
const logFormat = `log_format e2e '$msec $http_x_request_id $status ` +
	`"$upstream_addr" "$upstream_status" "$upstream_bytes_sent" $request_time';`

// serviceAccount makes one that has the documented ClusterRole.
func (e *env) serviceAccount() {
	e.apply(`{apiVersion: v1, kind: ServiceAccount,
  metadata: {name: nginx, namespace: %s}}`, e.ns)
	e.bind()
}

// bind gives the ServiceAccount its rights.
func (e *env) bind() {
	e.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: e2e-%[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ingress-nginx}
subjects: [{kind: ServiceAccount, name: nginx, namespace: %[1]s}]`, e.ns)
}

func (e *env) unbind() {
	e.must(e.Client.RbacV1().ClusterRoleBindings().Delete(e.ctx, "e2e-"+e.ns,
		metav1.DeleteOptions{}))
}

// token asks for one of nginx's ServiceAccount, bound to an object or not.
func (e *env) token(bound *authv1.BoundObjectReference) string {
	sec := int64(3600)
	r, err := e.Client.CoreV1().ServiceAccounts(e.ns).CreateToken(e.ctx,
		"nginx", &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{
			ExpirationSeconds: &sec, BoundObjectRef: bound}},
		metav1.CreateOptions{})
	e.must(err)
	return r.Status.Token
}

// start starts an nginx and waits until it is ready.
func (e *env) start(o options) *nginx {
	dir := filepath.Join(e.dir, fmt.Sprintf("nginx%d", len(e.all)))
	e.must(os.MkdirAll(dir, 0755))
	if o.token == "" {
		o.token = filepath.Join(dir, "token")
		e.must(os.WriteFile(o.token, []byte(e.token(nil)), 0644))
	}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	e.must(os.WriteFile(kubeconfig, []byte(e.kubeconfig(o)), 0644))
	g := &nginx{e: e, port: freePort(), tls: freePort(), admin: freePort()}
	load := ""
	if *module != "" {
		load = "load_module " + *module + ";"
	}
	conf := fmt.Sprintf(`%[1]s
user root;
worker_processes 2;
worker_shutdown_timeout 240s;
daemon off;
pid %[2]s/pid;
error_log %[2]s/error.log info;
events { worker_connections 4096; }
http {
    %[3]s
    access_log %[2]s/access.log e2e;
    client_body_temp_path %[2]s/b; proxy_temp_path %[2]s/p;
    fastcgi_temp_path %[2]s/f; uwsgi_temp_path %[2]s/u; scgi_temp_path %[2]s/s;
    keepalive_requests 10000000;
    k8s_ingress {
        source kubeconfig %[4]s;
        controller %[5]s;
        ingress_class %[6]s;
        zone 16m;
        %[7]s
    }
    server {
        listen 127.0.0.1:%[8]d;
        listen 127.0.0.1:%[9]d ssl;
        add_header X-Worker-Pid $pid always;
        k8s_ingress_pass;
    }
    server {
        listen 127.0.0.1:%[10]d;
        access_log off;
        k8s_ingress_admin;
    }
}
`, load, dir, logFormat, kubeconfig, e.controller(), e.class, o.block, g.port,
		g.tls, g.admin)
	var err error
	g.Process, err = process.Start(process.Config{Binary: *binary, Dir: dir,
		Conf: conf})
	e.must(err)
	e.all = append(e.all, g)
	e.await("nginx is ready", 20*time.Second, func() bool {
		e.check(!g.Ended(), "nginx ended:\n%s", strings.Join(g.Tail(true), "\n"))
		return g.adminGet("/readyz").status == 200
	})
	return g
}

// kubeconfig with a token that is read from a file.
func (e *env) kubeconfig(o options) string {
	c := e.Plane.Config()
	if o.server == "" {
		o.server = c.Host
	}
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: bed, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: nginx, user: {tokenFile: %q}}]
contexts: [{name: bed, context: {cluster: bed, user: nginx}}]
current-context: bed
`, o.server, c.CAFile, o.token)
}

// answer of nginx.
type answer struct {
	status int
	svc    string
	pod    string
	body   string
	err    error
}

func (a answer) String() string {
	if a.err != nil {
		return a.err.Error()
	}
	return fmt.Sprintf("status %d service %q pod %q", a.status, a.svc, a.pod)
}

func fetch(addr, host, path string) answer {
	t := &http.Transport{DisableKeepAlives: true, DisableCompression: true,
		DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}
	c := http.Client{Transport: t, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}
	q, err := http.NewRequest("GET", "http://"+addr+path, nil)
	if err != nil {
		return answer{err: err}
	}
	q.Host = host
	r, err := c.Do(q)
	if err != nil {
		return answer{err: err}
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return answer{status: r.StatusCode, svc: r.Header.Get("X-Service"),
		pod: r.Header.Get("X-Pod"), body: string(b), err: err}
}

func (g *nginx) addr() string { return fmt.Sprintf("127.0.0.1:%d", g.port) }

// get asks as a client of a host.
func (g *nginx) get(host, path string) answer { return fetch(g.addr(), host, path) }

func (g *nginx) adminGet(path string) answer {
	return fetch(fmt.Sprintf("127.0.0.1:%d", g.admin), "localhost", path)
}

// serves waits until a route is answered by a pod of "namespace/service".
func (g *nginx) serves(host, path, svc string) time.Duration {
	return g.becomes(host, path, 200, svc)
}

// becomes waits for a status and a Service, "" for no pod's answer.
func (g *nginx) becomes(host, path string, status int, svc string) time.Duration {
	return g.e.becomes(g.addr(), host, path, status, svc)
}

// problem tells whether /status shows one of a code.
func (g *nginx) problem(code string) bool {
	return strings.Contains(g.adminGet("/status").body, `"`+code+`"`)
}

// metric gives the sum of the samples whose line matches, and NaN, which is
// like no number, where there is none.
func (g *nginx) metric(pattern string) float64 {
	re := regexp.MustCompile(pattern)
	sum, n := 0.0, 0
	for _, l := range strings.Split(g.adminGet("/metrics").body, "\n") {
		if strings.HasPrefix(l, "#") || !re.MatchString(l) {
			continue
		}
		f := strings.Fields(l)
		v, _ := strconv.ParseFloat(f[len(f)-1], 64)
		sum += v
		n++
	}
	if n == 0 {
		return math.NaN()
	}
	return sum
}

// dump is the table as text that two nginxes of the same objects share.
func (g *nginx) dump() string { return g.adminGet("/status?canonical=1").body }

// equal compares the table with that of an nginx that starts fresh on the same
// API server.
func (e *env) equal(g *nginx) {
	fresh := e.start(options{})
	a, err := process.SameTable(10*time.Second, g.dump, fresh.dump)
	e.must(err)
	e.check(strings.Contains(a, e.ns), "the dump shows nothing: %.200s", a)
	e.note("the table of %d bytes equals that of a fresh start", len(a))
	e.must(fresh.Stop())
}

// request is a line of the access log.
type request struct {
	status   int
	addrs    []string // address:port of each try
	statuses []string
	sent     []int // bytes to each
}

var logLine = regexp.MustCompile(
	`^\S+ (\S+) (\d+) "([^"]*)" "([^"]*)" "([^"]*)" \S+$`)

// requests reads the access log, by the load's id.
func (g *nginx) requests() map[string]request {
	b, err := os.ReadFile(filepath.Join(g.Dir, "access.log"))
	g.e.must(err)
	m := map[string]request{}
	for _, l := range strings.Split(string(b), "\n") {
		f := logLine.FindStringSubmatch(l)
		if f == nil || f[1] == "-" {
			continue
		}
		r := request{}
		r.status, _ = strconv.Atoi(f[2])
		cut := func(s string) []string {
			return strings.Split(strings.ReplaceAll(s, " : ", ", "), ", ")
		}
		r.addrs, r.statuses = cut(f[3]), cut(f[4])
		for _, s := range cut(f[5]) {
			n, _ := strconv.Atoi(s)
			r.sent = append(r.sent, n)
		}
		m[f[1]] = r
	}
	return m
}
