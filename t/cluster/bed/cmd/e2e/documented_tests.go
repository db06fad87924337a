package main

import (
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ngx_k8s_test/internal/api"
)

func init() {
	add(test{name: "documented-cluster", group: "pod", bed: "pod", ci: true,
		what: "examples/cluster applied as documented, under Pod Security " +
			"restricted: user, capabilities, files, token", run: clusterWide})
	add(test{name: "documented-namespace", group: "pod", bed: "pod", ci: true,
		what: "examples/one-namespace: a Role in one namespace, classes by " +
			"annotation alone", run: oneNamespace})
	add(test{name: "ports", group: "pod", bed: "pod",
		what: "ports 80 and 443 by sysctl alone, by the file's capability " +
			"alone, and by neither", run: lowPorts})
	add(test{name: "pod-end", group: "pod", bed: "pod", ci: true,
		what: "a Pod of nginx is deleted under load through kube-proxy, with " +
			"connections that stay open", run: podEnd})
}

// backends are a Service of two pods, and hosts for it: one whose Ingress
// names the class, one by annotation, one with TLS.
type backends struct {
	app               app
	named, noted, tls string
	ca                *api.CA
	serial            string
}

func (e *env) backends(class string) *backends {
	b := &backends{app: app{name: "web", replicas: 2},
		named: "named." + e.ns + ".test", noted: "noted." + e.ns + ".test",
		tls: "tls." + e.ns + ".test"}
	var err error
	b.ca, err = api.NewCA("e2e")
	e.must(err)
	e.run(b.app)
	b.rotate(e)
	note := fmt.Sprintf("{kubernetes.io/ingress.class: %s}", class)
	for _, i := range []struct{ name, meta, spec, host string }{
		{"named", "{}", "ingressClassName: " + class, b.named},
		{"noted", note, "", b.noted},
		{"tls", note, "tls: [{hosts: [" + b.tls + "], secretName: tls}]", b.tls},
	} {
		e.apply(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %s, namespace: %s, annotations: %s}
spec:
  %s
  rules:
  - host: %s
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
`, i.name, e.ns, i.meta, i.spec, i.host)
	}
	return b
}

// rotate gives the Secret a new certificate.
func (b *backends) rotate(e *env) {
	crt, key, err := b.ca.Issue(b.tls, b.tls)
	e.must(err)
	e.secret(e.ns, "tls", crt, key)
	b.serial = serialOf(e, crt)
}

func (b *backends) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(b.ca.PEM)
	return p
}

// restricted labels a namespace as the documentation's is.
func (e *env) restricted(name string) {
	e.namespace(name)
	e.apply(`{apiVersion: v1, kind: Namespace, metadata: {name: %s,
  labels: {pod-security.kubernetes.io/enforce: restricted}}}`, name)
}

func clusterWide(e *env) {
	e.namespace(e.ns)
	e.track = e.follow(e.ns)
	b := e.backends("nginx")
	var g *gateway
	e.step("two Pods Ready", func() {
		if *module != "" {
			e.kubectl("", "apply", "-k",
				filepath.Join(*tree, "examples/cluster"))
		} else {
			e.kubectl(e.kustomized("cluster"), "apply", "-f", "-")
		}
		e.spaces = append(e.spaces, ownNS)
		g = e.gateway(ownNS)
	})
	pods := g.pods()
	e.check(len(pods) == 2, "%d Pods, not 2", len(pods))
	g.serves(b.named, "/x", b.app.svc(e))
	g.serves(b.noted, "/x", b.app.svc(e))
	e.await("https by the Secret", 20*time.Second, func() bool {
		s, err := serial(g.ip, b.tls)
		return err == nil && s == b.serial
	})
	r, err := g.client(b.pool()).Get("http://" + b.tls + "/x")
	e.must(err)
	r.Body.Close()
	e.check(r.StatusCode == 200 && r.Request.URL.Scheme == "https",
		"http leads to %v with %d", r.Request.URL, r.StatusCode)

	e.refusedByPodSecurity()
	for _, p := range pods {
		e.confined(p)
		a := fetch(p.Status.PodIP+":10254", "", "/readyz")
		e.check(a.status == 200 && !strings.Contains(a.body, "refused"),
			"/readyz: %v %s", a, a.body)
		a = fetch(p.Status.PodIP+":10254", "", "/status")
		e.check(a.status == 404, "/status is served to others: %v", a)
	}
	g.quiet()
}

// refusedByPodSecurity shows that the namespace's label is in force: the
// documented Pod with one right more is not let in.
func (e *env) refusedByPodSecurity() {
	yes := true
	for name, f := range map[string]func(c *corev1.Container){
		"allowPrivilegeEscalation": func(c *corev1.Container) {
			c.SecurityContext.AllowPrivilegeEscalation = &yes
		},
		"capabilities": func(c *corev1.Container) {
			c.SecurityContext.Capabilities.Add = append(
				c.SecurityContext.Capabilities.Add, "SYS_ADMIN")
		},
		"": func(c *corev1.Container) {},
	} {
		s := e.example("cluster")
		var pod *corev1.Pod
		s.deployment(func(d *appsv1.Deployment) {
			pod = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "more",
				Namespace: ownNS}, Spec: d.Spec.Template.Spec}
			f(&pod.Spec.Containers[0])
		})
		_, err := e.Client.CoreV1().Pods(ownNS).Create(e.ctx, pod,
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if name == "" {
			e.must(err)
			continue
		}
		e.check(apierrors.IsForbidden(err) && strings.Contains(err.Error(),
			"violates PodSecurity") && strings.Contains(err.Error(), name),
			"a Pod with more of %s: %v", name, err)
	}
}

// confined checks what nginx's processes in a Pod may do.
func (e *env) confined(p corev1.Pod) {
	master := e.processes(p.Name, "nginx: master process")
	workers := e.processes(p.Name, "nginx: worker process")
	e.check(len(master) == 1 && len(workers) == 2,
		"%d masters and %d workers, not 1 and 2", len(master), len(workers))
	for _, x := range append(master, workers...) {
		for k, v := range map[string]string{
			"Uid": "101\t101\t101\t101", "Gid": "82\t82\t82\t82",
			"NoNewPrivs": "1",
			// NET_BIND_SERVICE is what could be had; nginx has not even that
			"CapBnd": "0000000000000400", "CapPrm": "0000000000000000",
			"CapEff": "0000000000000000", "CapInh": "0000000000000000",
			"CapAmb": "0000000000000000"} {
			e.check(x.status[k] == v, "%s: %s is %q, not %q", x.title, k,
				x.status[k], v)
		}
	}
	root := "/proc/" + master[0].pid + "/root"
	for _, dir := range []string{"", "etc", "etc/ingress", "opt/nginx", "tmp",
		"var/log", "run", "run/secrets/kubernetes.io/serviceaccount"} {
		f := filepath.Join(root, dir, "written")
		err := os.WriteFile(f, nil, 0644)
		e.check(err != nil && strings.Contains(err.Error(),
			syscall.EROFS.Error()), "/%s can be written to: %v", dir, err)
	}
	f := filepath.Join(root, "tmp/nginx/written")
	e.must(os.WriteFile(f, nil, 0644))
	e.must(os.Remove(f))
	e.writable(root, master[0].pid)

	sa := root + "/run/secrets/kubernetes.io/serviceaccount/"
	for _, name := range []string{"token", "ca.crt", "namespace"} {
		_, err := os.Stat(sa + name)
		e.must(err)
	}
}

// writable checks that no mount of a container but the emptyDir, and what every
// container has, can be written to.
func (e *env) writable(root, pid string) {
	b, err := os.ReadFile("/proc/" + pid + "/mounts")
	e.must(err)
	var l []string
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		f := strings.Fields(line)
		if slices.Contains(strings.Split(f[3], ","), "rw") {
			l = append(l, f[1])
		}
	}
	slices.Sort(l)
	for _, m := range l {
		ok := m == "/tmp/nginx" || m == "/proc" ||
			strings.HasPrefix(m, "/proc/") || m == "/dev" ||
			strings.HasPrefix(m, "/dev/") || m == "/sys/fs/cgroup"
		e.check(ok, "%s is mounted for writing", m)
	}
}

func oneNamespace(e *env) {
	e.ns = "shop"
	e.restricted("other")
	e.track = e.follow("other")
	e.namespace(e.ns)
	b := e.backends("nginx")
	e.apply(strings.ReplaceAll(e.ingressText("other", "other", "",
		path{host: "other.test", path: "/", svc: "web"}), e.class, "nginx"))
	e.apply(`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {
  name: noted, namespace: other, annotations: {kubernetes.io/ingress.class: nginx}},
  spec: {rules: [{host: other2.test}], defaultBackend: {service: {name: web, port: {number: 80}}}}}`)

	s := e.example("one-namespace")
	for _, u := range s.objs {
		e.check(u.GetNamespace() == "shop", "%s %s is of namespace %q",
			u.GetKind(), u.GetName(), u.GetNamespace())
	}
	// another one's namespace does not have the label, this one has
	e.apply(`{apiVersion: v1, kind: Namespace, metadata: {name: shop,
  labels: {pod-security.kubernetes.io/enforce: baseline}}}`)
	e.kubectl(e.kustomized("one-namespace"), "apply", "-f", "-")
	g := e.gateway(e.ns)
	g.serves(b.noted, "/x", b.app.svc(e))
	e.await("https by the Secret", 20*time.Second, func() bool {
		s, err := serial(g.ip, b.tls)
		return err == nil && s == b.serial
	})
	for _, host := range []string{b.named, "other.test", "other2.test"} {
		a := g.get(host, "/x")
		e.check(a.status == 404, "%s: %v, not 404", host, a)
	}
	for _, p := range g.pods() {
		a := fetch(p.Status.PodIP+":10254", "", "/readyz")
		e.check(a.status == 200 &&
			strings.Contains(a.body, "ingressclasses are refused, degraded"),
			"/readyz: %v %s", a, a.body)
		e.note("/readyz says: %s", strings.ReplaceAll(
			strings.TrimSpace(a.body), "\n", ";"))
		e.confined(p)
	}
	g.balance("192.0.2.20")
	e.sees("an address in kubectl get ingress", time.Minute,
		func() (bool, any) {
			return e.addresses("noted") == "192.0.2.20", e.addresses("noted")
		})
	e.check(e.addresses("named") == "<none>", "one that is not served is %s",
		e.addresses("named"))
	e.mayOnly("shop")
	g.quiet()
}

// mayOnly checks the rights of nginx's ServiceAccount against what the API
// server gives everybody.
func (e *env) mayOnly(ns string) {
	may := func(ns, group, resource, verb string) bool {
		r, err := e.Client.AuthorizationV1().SubjectAccessReviews().Create(
			e.ctx, &authv1.SubjectAccessReview{
				Spec: authv1.SubjectAccessReviewSpec{
					User: "system:serviceaccount:" + e.ns + ":ingress-nginx",
					ResourceAttributes: &authv1.ResourceAttributes{
						Namespace: ns, Group: group, Resource: resource,
						Verb: verb}}}, metav1.CreateOptions{})
		e.must(err)
		return r.Status.Allowed
	}
	for _, k := range []struct{ group, resource, verbs string }{
		{"networking.k8s.io", "ingresses", "list watch"},
		{"", "services", "list watch"}, {"", "secrets", "get list watch"},
		{"discovery.k8s.io", "endpointslices", "list watch"},
		{"networking.k8s.io", "ingressclasses", ""}, {"", "namespaces", ""},
		{"", "configmaps", ""}, {"", "pods", ""},
	} {
		for _, v := range []string{"get", "list", "watch", "create", "update",
			"patch", "delete"} {
			want := slices.Contains(strings.Fields(k.verbs), v)
			e.check(may(ns, k.group, k.resource, v) == want,
				"%s %s in %s: allowed is not %v", v, k.resource, ns, want)
			e.check(!may("default", k.group, k.resource, v),
				"%s %s is allowed in another namespace", v, k.resource)
		}
	}
}

func lowPorts(e *env) {
	if e.capable != nil {
		e.skipped(e.capable.Error())
	}
	e.namespace(e.ns)
	for _, v := range []struct {
		name, image     string
		sysctl, command string
		works           bool
	}{
		{"sysctl", ownImage, "0", "nginx", true},
		{"capability", capableImage, "", "nginx", true},
		{"both", capableImage, "0", "nginx", true},
		{"neither", ownImage, "", "nginx", false},
		{"shell-first", capableImage, "", "sh", false},
	} {
		s := e.example("cluster")
		s.mine()
		s.drop("Namespace", "PodDisruptionBudget", "Service")
		s.container(func(p *corev1.PodSpec, c *corev1.Container) {
			p.SecurityContext.Sysctls = nil
			if v.sysctl != "" {
				p.SecurityContext.Sysctls = []corev1.Sysctl{{
					Name: "net.ipv4.ip_unprivileged_port_start", Value: v.sysctl}}
			}
			c.Image = v.image
			if v.command == "sh" {
				c.Command = []string{"sh", "-c", `exec nginx "$@"`, "sh"}
			}
			c.Lifecycle = nil
		})
		s.deployment(func(d *appsv1.Deployment) {
			one := int32(1)
			d.Spec.Replicas = &one
			d.Name = v.name
			d.Spec.Selector.MatchLabels["variant"] = v.name
			d.Spec.Template.Labels["variant"] = v.name
		})
		e.apply(s.text())
		pod := func() (p corev1.Pod, ok bool) {
			l, err := e.Client.CoreV1().Pods(e.ns).List(e.ctx,
				metav1.ListOptions{LabelSelector: "variant=" + v.name})
			e.must(err)
			if len(l.Items) == 0 {
				return p, false
			}
			return l.Items[0], true
		}
		e.await("nginx with "+v.name, 60*time.Second, func() bool {
			p, ok := pod()
			if !ok {
				return false
			}
			if !v.works {
				return strings.Contains(e.podLogs(e.ns, p.Name),
					"bind() to 0.0.0.0:80 failed (13: Permission denied)")
			}
			return p.Status.PodIP != "" && fetch(p.Status.PodIP+":80",
				"none.test", "/healthz").status == 200
		})
		if v.name == "capability" {
			p, _ := pod()
			l := e.processes(p.Name, "nginx: ")
			e.check(len(l) > 1, "%d processes of nginx in %s", len(l), p.Name)
			for _, x := range l {
				e.check(x.status["CapEff"] == "0000000000000400" &&
					x.status["NoNewPrivs"] == "1", "%s has CapEff %s, NoNewPrivs %s",
					x.title, x.status["CapEff"], x.status["NoNewPrivs"])
			}
		}
		e.note("%-12s %s", v.name, map[bool]string{true: "listens",
			false: "is refused port 80"}[v.works])
		zero := int64(0)
		e.must(e.Client.AppsV1().Deployments(e.ns).Delete(e.ctx, v.name,
			metav1.DeleteOptions{GracePeriodSeconds: &zero}))
	}
}

func podEnd(e *env) {
	s := e.example("cluster")
	s.mine()
	const delay, timeout = 5, 6
	s.container(func(p *corev1.PodSpec, c *corev1.Container) {
		c.Env = append(c.Env, corev1.EnvVar{Name: "SHUTDOWN_DELAY",
			Value: fmt.Sprint(delay)})
	})
	s.conf("nginx.conf", "worker_shutdown_timeout 240s",
		fmt.Sprintf("worker_shutdown_timeout %ds", timeout))
	e.apply(s.text())
	e.track = e.follow(e.ns)
	b := app{name: "web", replicas: 2, ns: e.namespace(e.ns + "-web")}
	e.run(b)
	g := e.gateway(e.ns)
	e.apply(e.ingressText(b.ns, "web", "", path{host: "web.test", path: "/",
		svc: "web"}))
	g.serves("web.test", "/x", b.svc(e))

	// no WebSocket of the load may end with the Pod: they have one of their own
	c := steady
	c.Sockets = 0
	c.Conns = 6
	c.Dial = func() (net.Conn, error) {
		return net.DialTimeout("tcp", g.ip+":80", 5*time.Second)
	}
	l := e.load(nil, c, target("web.test", "/x", b.svc(e)))
	pods := g.pods()
	e.check(len(pods) == 2, "%d Pods, not 2", len(pods))
	w := e.socket(pods[0].Status.PodIP+":80", "web.test")
	before := time.Now()
	e.must(e.Client.CoreV1().Pods(g.ns).Delete(e.ctx, pods[0].Name,
		metav1.DeleteOptions{}))
	e.await("nginx was told to finish", 30*time.Second, func() bool {
		return strings.Contains(e.podLogs(g.ns, pods[0].Name),
			"gracefully shutting down")
	})
	told := time.Since(before)
	e.check(told >= (delay-1)*time.Second, "nginx was told after %v", told)
	e.check(w.echo(), "the WebSocket is gone %v after the deletion",
		time.Since(before))
	ended := e.await("the WebSocket ends", 30*time.Second, func() bool {
		return !w.echo()
	})
	e.note("SIGQUIT after %.1f s, the WebSocket lived %.1f s longer",
		told.Seconds(), ended.Seconds())
	e.check(ended >= (timeout-1)*time.Second, "it lived only %v", ended)
	e.await("the Pod is gone", 30*time.Second, func() bool {
		p, ok := e.track.named(pods[0].Name)
		return ok && !p.gone.IsZero()
	})
	l.more(300)
	r := l.finish()
	e.check(len(r.Retried) == 0, "%d requests met a closed connection",
		len(r.Retried))
	g.quiet()
}
