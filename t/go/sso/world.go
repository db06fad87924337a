package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"ngx_k8s_test/internal/api"
	"ngx_k8s_test/internal/nginx"
	"ngx_k8s_test/internal/poll"
	"ngx_k8s_test/internal/ws"
)

// Addresses.  That of nginx is the public one of the load balancer.
const (
	dnsAddr   = "10.96.0.10"
	nginxAddr = "192.0.2.1"
	idpAddr   = "203.0.113.5"
	appAddr   = "10.244.1.2"
	proxyAddr = "10.244.1.3"
	briefAddr = "10.244.1.4"
	openAddr  = "10.244.1.5"
	wideAddr  = "10.244.1.6"
)

// world is all that runs.
type world struct {
	dir     string
	ca      *api.CA
	idp     *provider
	ng      *nginx.Process
	proxies map[string]*exec.Cmd // by name
	seen    atomic.Int64         // requests at the application
}

// got is what the application answers.
type got struct {
	Method string      `json:"method"`
	URI    string      `json:"uri"`
	Header http.Header `json:"header"`
	Length int         `json:"length"`
	Sum    string      `json:"sum"`
}

// start starts all.
func (w *world) start() {
	var err error
	w.dir, err = os.MkdirTemp("", "sso")
	w.must(err)
	w.must(os.Chmod(w.dir, 0755))
	w.must(os.MkdirAll(w.dir+"/manifests", 0755))
	w.ca, err = api.NewCA("test")
	w.must(err)

	w.resolver()

	w.idp, err = newProvider("http://idp.example.org")
	w.must(err)
	w.serve(idpAddr+":80", w.idp)
	w.serve(appAddr+":8080", http.HandlerFunc(w.app))

	w.proxies = map[string]*exec.Cmd{}
	w.proxy("proxy", proxyAddr, "--cookie-refresh=1s")
	w.proxy("brief", briefAddr, "--cookie-expire=2s")
	w.proxy("open", openAddr, "--cookie-secure=false")
	w.proxy("wide", wideAddr, "--cookie-domain=.example.com",
		"--whitelist-domain=.example.com")

	w.manifests()
	w.nginx()

	_, err = poll.Until("all routes", patience, func() (bool, any) {
		p, err := w.browser(false).do("GET", "https://app.example.com/", 0,
			nil, nil)
		return err == nil && p.status == 302, p
	})
	w.must(err)
}

// resolver is the only nameserver, by /etc/resolv.conf, as in a Pod.
func (w *world) resolver() {
	table := map[string]string{"idp.example.org": idpAddr,
		"oauth2-proxy.sso.svc.cluster.local": proxyAddr}
	for _, h := range []string{"app", "inside", "brief", "central", "auth",
		"loop", "around", "grow", "open", "plain"} {
		table[h+".example.com"] = nginxAddr
	}
	c, err := net.ListenPacket("udp", dnsAddr+":53")
	w.must(err)
	go names(c, table)
	conf := w.dir + "/resolv.conf"
	w.must(os.WriteFile(conf, []byte("nameserver "+dnsAddr+"\n"), 0644))
	w.must(syscall.Mount(conf, "/etc/resolv.conf", "", syscall.MS_BIND, ""))
}

func (w *world) serve(addr string, h http.Handler) {
	ln, err := net.Listen("tcp", addr)
	w.must(err)
	s := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = s.Serve(ln) }()
}

// app is the application: it believes its headers.
func (w *world) app(a http.ResponseWriter, r *http.Request) {
	w.seen.Add(1)
	if r.URL.Path == "/socket" {
		ws.Echo(a, r, r.Header.Get("X-Auth-Request-User")+": ")
		return
	}
	sum := sha256.New()
	n, _ := io.Copy(sum, r.Body)
	reply(a, got{r.Method, r.RequestURI, r.Header, int(n),
		hex.EncodeToString(sum.Sum(nil))})
}

// proxy starts an oauth2-proxy, as its documentation says for ingress-nginx.
func (w *world) proxy(name, addr string, more ...string) {
	secret := sha256.Sum256([]byte(name))
	args := append([]string{"--http-address=" + addr + ":4180",
		"--provider=oidc", "--oidc-issuer-url=" + w.idp.issuer,
		"--client-id=app", "--client-secret=secret",
		"--cookie-secret=" + base64.URLEncoding.EncodeToString(secret[:]),
		"--code-challenge-method=S256", "--email-domain=example.com",
		"--reverse-proxy=true", "--upstream=static://202",
		"--set-xauthrequest=true", "--set-authorization-header=true",
		"--skip-provider-button=true", "--scope=openid email"}, more...)
	log, err := os.OpenFile(w.dir+"/"+name+".log",
		os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0644)
	w.must(err)
	defer log.Close()
	c := exec.Command(*proxy, args...)
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	w.must(c.Start())
	w.proxies[name] = c
	_, err = poll.Until("oauth2-proxy "+name, patience, func() (bool, any) {
		a, err := http.Get("http://" + addr + ":4180/ping")
		if err != nil {
			return false, err
		}
		_ = a.Body.Close()
		return a.StatusCode == 200, a.Status
	})
	w.must(err)
}

func (w *world) kill(name string) {
	c := w.proxies[name]
	w.must(c.Process.Kill())
	_ = c.Wait()
	delete(w.proxies, name)
}

// manifests writes the objects.
func (w *world) manifests() {
	var b bytes.Buffer
	service := func(ns, name, addr string, port int) {
		fmt.Fprintf(&b, `---
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: %[2]s}
spec: {ports: [{port: %[4]d}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: %[1]s-1
  namespace: %[2]s
  labels: {kubernetes.io/service-name: %[1]s}
addressType: IPv4
endpoints: [{addresses: ["%[3]s"], conditions: {ready: true}}]
ports: [{port: %[4]d}]
`, name, ns, addr, port)
	}
	ingress := func(ns, name, host, path, service string, port int, tls string,
		annotations ...string) {
		fmt.Fprintf(&b, `---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: %s
  namespace: %s
  annotations:
    nginx.ingress.kubernetes.io/proxy-buffer-size: 16k
`, name, ns)
		for i := 0; i+1 < len(annotations); i += 2 {
			fmt.Fprintf(&b, "    nginx.ingress.kubernetes.io/%s: %q\n",
				annotations[i], annotations[i+1])
		}
		fmt.Fprintf(&b, "spec:\n  ingressClassName: nginx\n")
		if tls != "" {
			fmt.Fprintf(&b, "  tls: [{hosts: [%s], secretName: %s}]\n", host,
				tls)
		}
		fmt.Fprintf(&b, `  rules:
  - host: %s
    http:
      paths:
      - path: %s
        pathType: Prefix
        backend: {service: {name: %s, port: {number: %d}}}
`, host, path, service, port)
	}

	fmt.Fprint(&b, `apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
`)
	crt, key, err := w.ca.Issue("example", "*.example.com")
	w.must(err)
	fmt.Fprintf(&b, `---
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {name: tls, namespace: default}
data: {tls.crt: %s, tls.key: %s}
`, base64.StdEncoding.EncodeToString(crt),
		base64.StdEncoding.EncodeToString(key))

	service("default", "app", appAddr, 8080)
	service("sso", "oauth2-proxy", proxyAddr, 4180)
	service("sso", "brief", briefAddr, 4180)
	service("sso", "open", openAddr, 4180)
	service("sso", "wide", wideAddr, 4180)

	for _, f := range forms {
		secret := "tls"
		if strings.HasPrefix(f.page, "http:") {
			secret = ""
		}
		a := []string{"proxy-body-size", "64m", "proxy-read-timeout", "3600"}
		if f.url != "" {
			a = append(a, "auth-url", f.url, "auth-signin", f.signin,
				"auth-response-headers", told)
		}
		ingress("default", f.name, f.host(), "/", "app", 8080, secret, a...)
		if f.proxy != "" {
			at := f.at
			if at == "" {
				at = f.host()
			}
			ingress("sso", f.name+"-oauth2", at, "/oauth2", f.proxy, 4180, "",
				"enable-global-auth", "false")
		}
	}
	ingress("default", "auth", "auth.example.com", "/tls", "app", 8080, "tls")

	w.must(api.WriteFile(filepath.Join(w.dir, "manifests/all.yaml"), b.Bytes()))
	w.configMap()
}

// configMap writes that of nginx: keys and values.
func (w *world) configMap(data ...string) {
	s := "apiVersion: v1\nkind: ConfigMap\n" +
		"metadata: {name: nginx, namespace: system}\ndata:\n"
	for i := 0; i+1 < len(data); i += 2 {
		s += fmt.Sprintf("  %s: %q\n", data[i], data[i+1])
	}
	w.must(api.WriteFile(filepath.Join(w.dir, "manifests/nginx.yaml"),
		[]byte(s)))
}

// nginx starts nginx, and without a resolver, as in a Pod.
func (w *world) nginx() {
	load := ""
	if *module != "" {
		load = "load_module " + *module + ";\n"
	}
	dir := w.dir + "/nginx"
	var err error
	w.ng, err = nginx.Start(nginx.Config{Binary: *server, Dir: dir,
		Conf: load + fmt.Sprintf(`user root;
worker_processes 2;
daemon off;
pid %[1]s/pid;
error_log %[1]s/error.log info;
events { worker_connections 1024; }
http {
    access_log %[1]s/access.log;
    client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p;
    fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u;
    scgi_temp_path %[1]s/s;
    k8s_ingress {
        source manifests %[2]s/manifests;
        zone 8m;
        config_map system/nginx;
    }
    server {
        listen %[3]s:80;
        listen %[3]s:443 ssl;
        http2 on;
        k8s_ingress_pass;
    }
}
`, dir, w.dir, nginxAddr)})
	w.must(err)
}

// tls is the configuration of clients.
func (w *world) tls() *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.ca.PEM)
	return &tls.Config{RootCAs: pool}
}

// requests counts those that nginx has answered, with a text in their line.
func (w *world) requests(text string) int {
	b, _ := os.ReadFile(w.dir + "/nginx/access.log")
	return strings.Count(string(b), text)
}

// clean ends nginx, and sees to its log.
func (w *world) clean() {
	w.must(w.ng.Stop())
	alarms := w.ng.Alarms()
	w.check(alarms == "", "%s", alarms)
}

func (w *world) logs() {
	l, _ := filepath.Glob(w.dir + "/*.log")
	more, _ := filepath.Glob(w.dir + "/nginx/*.log")
	for _, f := range append(l, more...) {
		b, _ := os.ReadFile(f)
		fmt.Printf("# %s\n#   %s\n", filepath.Base(f),
			strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", "\n#   "))
	}
}

func (w *world) stop() {
	var err error
	for _, c := range w.proxies {
		err = errors.Join(err, c.Process.Kill())
		_ = c.Wait()
	}
	err = errors.Join(err, w.ng.Stop(), os.RemoveAll(w.dir))
	if err != nil {
		fmt.Println("#", err)
	}
}

// within waits for what comes with time.
func (w *world) within(what string, f func() (bool, any)) {
	_, err := poll.Until(what, patience+5*time.Second, f)
	w.must(err)
}
