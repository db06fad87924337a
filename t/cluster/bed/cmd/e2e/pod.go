package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"ngx_k8s_test/cluster/bed"
	"ngx_k8s_test/cluster/kubelet"
	"ngx_k8s_test/internal/ws"
)

// ownImage is the image's name in examples/cluster, capableImage one in whose
// nginx has the capability to open low ports.
const (
	ownImage     = "registry.example/nginx-k8s-ingress"
	capableImage = "nginx-with-capability"
)

// example is a set of objects of examples/, to be changed before it is applied.
type example struct {
	e    *env
	objs []*unstructured.Unstructured
}

// kustomized is a set as text, for this nginx.
func (e *env) kustomized(dir string) string {
	text := e.kubectl("", "kustomize", filepath.Join(*tree, "examples", dir))
	if *module == "" { // it is built in
		text = strings.ReplaceAll(text,
			"load_module modules/ngx_k8s_ingress_module.so;", "")
	}
	return text
}

func (e *env) example(dir string) *example {
	s := &example{e: e}
	d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(e.kustomized(dir)), 4096)
	for {
		u := &unstructured.Unstructured{}
		err := d.Decode(u)
		if err == io.EOF {
			return s
		}
		e.must(err)
		s.objs = append(s.objs, u)
	}
}

// get is the object of a kind.
func (s *example) get(kind string) *unstructured.Unstructured {
	for _, u := range s.objs {
		if u.GetKind() == kind {
			return u
		}
	}
	s.e.fatal("the example has no %s", kind)
	return nil
}

// drop leaves objects of these kinds out.
func (s *example) drop(kinds ...string) {
	var l []*unstructured.Unstructured
	for _, u := range s.objs {
		keep := true
		for _, k := range kinds {
			keep = keep && u.GetKind() != k
		}
		if keep {
			l = append(l, u)
		}
	}
	s.objs = l
}

// conf changes a text of the ConfigMap.
func (s *example) conf(file, from, to string) {
	c := s.get("ConfigMap")
	text, _, err := unstructured.NestedString(c.Object, "data", file)
	s.e.must(err)
	s.e.check(strings.Contains(text, from), "%s has no %q", file, from)
	s.e.must(unstructured.SetNestedField(c.Object,
		strings.ReplaceAll(text, from, to), "data", file))
}

// change gives an object as its type, and takes back what f made of it.
func change[T any](s *example, kind string, f func(*T)) {
	u, o := s.get(kind), new(T)
	c := runtime.DefaultUnstructuredConverter
	s.e.must(c.FromUnstructured(u.Object, o))
	f(o)
	var err error
	u.Object, err = c.ToUnstructured(o)
	s.e.must(err)
	unstructured.RemoveNestedField(u.Object, "status")
}

func (s *example) deployment(f func(d *appsv1.Deployment)) {
	change(s, "Deployment", f)
}

// container changes that of nginx.
func (s *example) container(f func(p *corev1.PodSpec, c *corev1.Container)) {
	s.deployment(func(d *appsv1.Deployment) {
		p := &d.Spec.Template.Spec
		f(p, &p.Containers[0])
	})
}

// mine moves a set to the test's namespace and class, with a name of its own
// for what belongs to no namespace.
func (s *example) mine() {
	e := s.e
	for _, u := range s.objs {
		switch u.GetKind() {
		case "Namespace":
			u.SetName(e.ns)
			if !slices.Contains(e.spaces, e.ns) {
				e.spaces = append(e.spaces, e.ns)
			}
		case "IngressClass":
			u.SetName(e.class)
			e.must(unstructured.SetNestedField(u.Object, e.controller(), "spec",
				"controller"))
		case "ClusterRole":
			u.SetName(e.mineOf(u.GetName()))
		case "ClusterRoleBinding":
			u.SetName(e.mineOf(u.GetName()))
			e.must(unstructured.SetNestedField(u.Object, u.GetName(), "roleRef",
				"name"))
			subject(e, u)
		case "RoleBinding":
			subject(e, u)
			u.SetNamespace(e.ns)
		default:
			u.SetNamespace(e.ns)
		}
	}
	s.conf("nginx.conf", "controller k8s.io/ingress-nginx;",
		"controller "+e.controller()+";")
	s.conf("nginx.conf", "ingress_class nginx;", "ingress_class "+e.class+";")
}

// mineOf is the name of this test for what an example calls "ingress-nginx..." in
// all of the cluster.
func (e *env) mineOf(name string) string {
	return e.ns + strings.TrimPrefix(name, "ingress-nginx")
}

func subject(e *env, u *unstructured.Unstructured) {
	l, _, err := unstructured.NestedSlice(u.Object, "subjects")
	e.must(err)
	l[0].(map[string]any)["namespace"] = e.ns
	e.must(unstructured.SetNestedSlice(u.Object, l, "subjects"))
}

// text is the set as documents of JSON.
func (s *example) text() string {
	var b bytes.Buffer
	for _, u := range s.objs {
		t, err := json.Marshal(u.Object)
		s.e.must(err)
		fmt.Fprintf(&b, "---\n%s\n", t)
	}
	return b.String()
}

// gateway is a running Deployment of examples/.
type gateway struct {
	e        *env
	ns, name string
	ip       string // of its Service
}

// up applies a set and waits until its Service answers.
func (s *example) up() *gateway {
	s.e.apply(s.text())
	return s.e.gateway(s.get("Deployment").GetNamespace())
}

// gateway waits until all of a Deployment's Pods are Ready and its Service
// answers.
func (e *env) gateway(ns string) *gateway {
	g := &gateway{e: e, ns: ns, name: ownApp}
	e.stops = append(e.stops, func() { e.tail(ns) })
	e.await("Deployment of nginx available", 40*time.Second, func() bool {
		d, err := e.Client.AppsV1().Deployments(ns).Get(e.ctx, g.name,
			metav1.GetOptions{})
		e.must(err)
		return d.Status.ObservedGeneration >= d.Generation &&
			d.Status.AvailableReplicas == *d.Spec.Replicas &&
			d.Status.UpdatedReplicas == *d.Spec.Replicas
	})
	svc, err := e.Client.CoreV1().Services(ns).Get(e.ctx, g.name,
		metav1.GetOptions{})
	e.must(err)
	g.ip = svc.Spec.ClusterIP
	e.await("Service of nginx answers", 30*time.Second, func() bool {
		return fetch(g.ip+":80", "none.test", "/healthz").status == 200
	})
	return g
}

// get asks as a client of a host.
func (g *gateway) get(host, path string) answer {
	return fetch(g.ip+":80", host, path)
}

// serves waits until a route is answered by a pod of "namespace/service" in
// every one of nginx's Pods.
func (g *gateway) serves(host, path, svc string) {
	for _, p := range g.pods() {
		g.e.becomes(p.Status.PodIP+":80", host, path, 200, svc)
	}
}

// becomes waits until a route is answered at an address with a status, by a
// pod of a Service, "" for none.
func (e *env) becomes(addr, host, path string, status int,
	svc string) time.Duration {
	return e.sees(fmt.Sprintf("%s%s at %s: status %d of %q", host, path, addr,
		status, svc), 30*time.Second, func() (bool, any) {
		a := fetch(addr, host, path)
		return a.status == status && a.svc == svc, a
	})
}

// pods are nginx's that are not to end; there must be one.
func (g *gateway) pods() []corev1.Pod {
	l, err := g.e.Client.CoreV1().Pods(g.ns).List(g.e.ctx, metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/name=ingress-nginx"})
	g.e.must(err)
	var pods []corev1.Pod
	for _, p := range l.Items {
		if p.DeletionTimestamp == nil {
			pods = append(pods, p)
		}
	}
	g.e.check(len(pods) > 0, "namespace %s has no Pod of nginx", g.ns)
	return pods
}

// client speaks to every host through the Service, with the port of the URL.
func (g *gateway) client(roots *x509.CertPool) *http.Client {
	return &http.Client{Timeout: 20 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{RootCAs: roots},
			DialContext: func(ctx context.Context, network,
				addr string) (net.Conn, error) {
				_, port, err := net.SplitHostPort(addr)
				if err != nil {
					return nil, err
				}
				var d net.Dialer
				return d.DialContext(ctx, network, net.JoinHostPort(g.ip, port))
			}}}
}

// serial is that of the certificate that an address presents for a host.
func serial(ip, host string) (string, error) {
	d := &net.Dialer{Timeout: 5 * time.Second}
	c, err := tls.DialWithDialer(d, "tcp", ip+":443",
		&tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

// process of a Pod, as the node sees it.
type proc struct {
	pid    string
	title  string
	status map[string]string // of /proc/PID/status
}

// processes finds those of a Pod whose title begins with a text.
func (e *env) processes(pod, title string) []proc {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	e.must(err)
	var l []proc
	for _, d := range dirs {
		cmd, _ := os.ReadFile(d + "/cmdline")
		t := strings.TrimRight(strings.ReplaceAll(string(cmd), "\x00", " "), " ")
		host, _ := os.ReadFile(d + "/root/etc/hostname")
		if !strings.HasPrefix(t, title) || string(host) != pod+"\n" {
			continue
		}
		p := proc{pid: filepath.Base(d), title: t, status: map[string]string{}}
		f, err := os.Open(d + "/status")
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			k, v, _ := strings.Cut(s.Text(), ":")
			p.status[k] = strings.TrimSpace(v)
		}
		f.Close()
		l = append(l, p)
	}
	return l
}

// tail adds what nginx's Pods of a namespace wrote last to a failed test's logs.
func (e *env) tail(ns string) {
	if e.bad == "" {
		return
	}
	l, err := e.Client.CoreV1().Pods(ns).List(e.ctx, metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/name=ingress-nginx"})
	if err != nil {
		e.logs = append(e.logs, err.Error())
		return
	}
	for _, p := range l.Items {
		t := strings.Split(strings.TrimSpace(e.podLogs(ns, p.Name)), "\n")
		e.logs = append(e.logs, p.Name+":")
		e.logs = append(e.logs, t[max(0, len(t)-20):]...)
		e.logs = append(e.logs, fetch(p.Status.PodIP+":10254", "",
			"/readyz").body)
	}
}

// podLogs are what a container wrote.
func (e *env) podLogs(ns, pod string) string {
	b, err := e.Client.CoreV1().Pods(ns).GetLogs(pod,
		&corev1.PodLogOptions{}).DoRaw(e.ctx)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// quiet checks that the Pods of nginx have logged no alarm.
func (g *gateway) quiet() {
	for _, p := range g.pods() {
		for _, l := range strings.Split(g.e.podLogs(g.ns, p.Name), "\n") {
			for _, w := range []string{"[alert]", "[emerg]", "[crit]",
				"AddressSanitizer", "runtime error:"} {
				g.e.check(!strings.Contains(l, w), "%s: %s", p.Name, l)
			}
		}
		for _, c := range p.Status.ContainerStatuses {
			g.e.check(c.RestartCount == 0, "%s was started %d times", p.Name,
				c.RestartCount+1)
		}
	}
}

// capable adds the image of that name to a table.
func capable(images map[string]kubelet.Image) error {
	i := images[ownImage]
	from, to, _ := strings.Cut(i.Root[0], ":")
	file := filepath.Join("/run", capableImage)
	if err := bed.Capable(from, file); err != nil {
		return err
	}
	i.Root = append([]string{file + ":" + to}, i.Root[1:]...)
	images[capableImage] = i
	return nil
}

// socket is a WebSocket of a test.
type socket struct {
	net.Conn
	r *bufio.Reader
}

func (e *env) socket(addr, host string) *socket {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	e.must(err)
	e.stops = append(e.stops, func() { _ = c.Close() })
	s := &socket{c, bufio.NewReader(c)}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: %s\r\n\r\n", host, ws.NewKey())
	r, err := http.ReadResponse(s.r, nil)
	e.must(err)
	e.check(r.StatusCode == 101, "WebSocket: status %d", r.StatusCode)
	return s
}

// echo tells whether a message comes back.
func (s *socket) echo() bool {
	_ = s.SetDeadline(time.Now().Add(5 * time.Second))
	if ws.Write(s, ws.Text, []byte("ping"), true) != nil {
		return false
	}
	_, p, err := ws.Read(s.r)
	return err == nil && strings.HasSuffix(string(p), "ping")
}

// secret writes a Secret with a certificate.
func (e *env) secret(ns, name string, crt, key []byte) {
	e.apply(`{apiVersion: v1, kind: Secret, type: kubernetes.io/tls,
  metadata: {name: %s, namespace: %s}, data: {tls.crt: %s, tls.key: %s}}`,
		name, ns, base64.StdEncoding.EncodeToString(crt),
		base64.StdEncoding.EncodeToString(key))
}

// serialOf is that of a certificate in PEM.
func serialOf(e *env, crt []byte) string {
	b, _ := pem.Decode(crt)
	c, err := x509.ParseCertificate(b.Bytes)
	e.must(err)
	return c.SerialNumber.String()
}
