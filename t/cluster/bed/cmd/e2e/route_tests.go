package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ngx_k8s_test/internal/api"
	"ngx_k8s_test/internal/client"
)

func init() {
	add(test{name: "port-rename", group: "routes", ci: true,
		what: "the port of a Service gets another name; one Ingress refers to " +
			"it by number and one by name", run: portRename})
	add(test{name: "ingress-moved", group: "routes", ci: true,
		what: "an Ingress goes back and forth between two Services",
		run:  ingressMoved})
	add(test{name: "hosts-and-paths", group: "routes", ci: true,
		what: "hosts are added, and a path moves from one Ingress to another",
		run:  hostsAndPaths})
	add(test{name: "secret-rotated", group: "routes", ci: true,
		what: "a certificate is rotated, broken, and whole again, under " +
			"handshakes", run: secretRotated})
	add(test{name: "class-removed", group: "routes", ci: true,
		what: "the IngressClass is deleted and made again", run: classRemoved})
	add(test{name: "namespace-deleted", group: "routes", ci: true,
		what: "a namespace is deleted with all that is in it, and made again",
		run:  namespaceDeleted})
	add(test{name: "many-ingresses", group: "routes", ci: true,
		what: "300 Ingresses are created by one kubectl apply",
		run:  manyIngresses})
}

func portRename(e *env) {
	a := app{name: "web", replicas: 2}
	g, l := e.one(a, steady)
	e.ingress("named", path{host: "named.test", path: "/", svc: "web",
		port: "http"})
	g.serves("named.test", "/", a.svc(e))
	for _, name := range []string{"front", "http"} {
		a.port = name
		e.apply(a.serviceText(e))
		e.await("the slices have the new name", 20*time.Second, func() bool {
			s, err := e.Client.DiscoveryV1().EndpointSlices(e.ns).List(e.ctx,
				metav1.ListOptions{})
			e.must(err)
			for _, x := range s.Items {
				if len(x.Ports) == 0 || *x.Ports[0].Name != name {
					return false
				}
			}
			return len(s.Items) > 0
		})
		l.more(100)
		if name == "front" {
			g.becomes("named.test", "/", 503, "")
		} else {
			g.serves("named.test", "/", a.svc(e))
		}
	}
	l.finish()
	e.equal(g)
}

func ingressMoved(e *env) {
	a, b := app{name: "web", replicas: 2}, app{name: "new", replicas: 2}
	c := steady
	c.Sockets = 0
	g, l := e.one(a, c)
	e.run(b)
	names := []app{a, b}
	for i := range 6 {
		from, to := names[i%2], names[(i+1)%2]
		l.expect("web.test", "200 "+from.svc(e), "200 "+to.svc(e))
		e.ingress("web", path{host: "web.test", path: "/", svc: to.name})
		g.serves("web.test", "/", to.svc(e))
		l.expect("web.test", "200 "+to.svc(e))
		l.more(50)
	}
	r := l.finish()
	e.check(r.Judged["200 "+b.svc(e)] > 100, "the other Service: %v", r.Judged)
	e.equal(g)
}

func hostsAndPaths(e *env) {
	a, b := app{name: "web", replicas: 2}, app{name: "new", replicas: 2}
	g, l := e.one(a, steady)
	e.run(b)
	old, young := "200 "+a.svc(e), "200 "+b.svc(e)

	// hosts: 404 until they are there, then 200, and nothing between
	const n = 5
	host := func(i int) string { return fmt.Sprintf("added-%d.test", i) }
	var targets []client.Target
	for i := range n {
		targets = append(targets, target(host(i), "/x", a.svc(e)))
	}
	k := e.loadOf(g, gets, func(k *load) {
		for i := range n {
			k.expect(host(i), "404")
		}
	}, targets...)
	for i := range n {
		k.expect(host(i), "404", old)
		e.ingress(fmt.Sprintf("added-%d", i), path{host: host(i), path: "/",
			svc: "web"})
		g.serves(host(i), "/", a.svc(e))
		k.expect(host(i), old)
		k.more(50)
	}
	r := k.finish()
	e.check(r.Judged["404"] >= 50, "404: %v", r.Judged)

	// a path: the oldest Ingress has it; the other one gets it when that one
	// gives it up, and loses it when it is taken back
	moved := path{host: "moved.test", path: "/p", svc: "web"}
	stays := path{host: "moved.test", path: "/q", svc: "web"}
	e.ingress("first", moved, stays)
	g.serves("moved.test", "/p", a.svc(e))
	m := e.load(g, gets, target("moved.test", "/p/x", a.svc(e)))
	moved.svc = "new"
	first, err := e.Client.NetworkingV1().Ingresses(e.ns).Get(e.ctx, "first",
		metav1.GetOptions{})
	e.must(err)
	e.await("the next second: ages are in seconds", time.Minute, func() bool {
		return time.Since(first.CreationTimestamp.Time) > 1100*time.Millisecond
	})
	e.ingress("second", moved)
	e.await("the second Ingress is told of the conflict", time.Minute,
		func() bool { return g.problem("PathConflict") })
	m.more(50)
	for range 3 {
		m.expect("moved.test", old, young)
		e.ingress("first", stays)
		g.serves("moved.test", "/p", b.svc(e))
		m.expect("moved.test", young)
		m.more(50)
		m.expect("moved.test", old, young)
		e.ingress("first", path{host: "moved.test", path: "/p", svc: "web"},
			stays)
		g.serves("moved.test", "/p", a.svc(e))
		m.expect("moved.test", old)
		m.more(50)
	}
	m.finish()
	l.finish()
	e.equal(g)
}

func secretRotated(e *env) {
	a := app{name: "web", replicas: 2}
	g, l := e.one(a, gets)
	ca, err := api.NewCA("e2e")
	e.must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.PEM)
	secret := func(crt, key []byte) { e.secret(e.ns, "tls", crt, key) }
	const host = "tls.test"
	pair := func() (crt, key []byte, serial string) {
		crt, key, err := ca.Issue(host, host)
		e.must(err)
		return crt, key, serialOf(e, crt)
	}
	crt, key, serial := pair()
	secret(crt, key)
	e.apply(e.ingressText(e.ns, "tls", "\n  tls: [{hosts: ["+host+
		"], secretName: tls}]", path{host: host, path: "/", svc: "web"}))
	certs := &certificates{}
	c := certs.config(pool)
	e.await("the Secret's certificate", 20*time.Second, func() bool {
		conf := c.TLS.Clone()
		conf.ServerName = host
		d := &net.Dialer{Timeout: 5 * time.Second}
		x, err := tls.DialWithDialer(d, "tcp", fmt.Sprintf("127.0.0.1:%d",
			g.tls), conf)
		if err == nil {
			_ = x.Close()
		}
		return err == nil
	})
	k := e.load(g, c, target(host, "/x", a.svc(e)))
	for range 3 {
		old := serial
		e.check(certs.seen(old) > 0, "the certificate was not seen")
		crt, key, serial = pair()
		secret(crt, key)
		e.await("the new certificate", time.Minute, func() bool {
			return certs.seen(serial) > 0
		})
		k.more(20) // those that had begun
		n := certs.seen(old)
		k.more(200)
		e.check(certs.seen(old) == n, "the old certificate is still presented")
		e.note("%d handshakes with the old certificate, %d with the new one", n,
			certs.seen(serial))
	}
	secret([]byte("not a certificate\n"), key)
	e.await("a problem of the broken Secret", time.Minute, func() bool {
		return g.problem("SecretInvalid")
	})
	k.more(200)
	n := certs.seen(serial)
	crt, key, serial = pair()
	secret(crt, key)
	e.await("the last certificate", time.Minute, func() bool {
		return certs.seen(serial) > 0
	})
	e.note("%d handshakes with the certificate that was broken meanwhile", n)
	k.finish()
	l.finish()
	e.equal(g)
}

func classRemoved(e *env) {
	a := app{name: "web", replicas: 2}
	g, l := e.one(a, gets)
	ok := "200 " + a.svc(e)
	for range 2 {
		l.expect("web.test", ok, "404")
		e.must(e.Client.NetworkingV1().IngressClasses().Delete(e.ctx, e.class,
			metav1.DeleteOptions{}))
		g.becomes("web.test", "/", 404, "")
		l.expect("web.test", "404")
		l.more(50)
		l.expect("web.test", ok, "404")
		e.ingressClass()
		g.serves("web.test", "/", a.svc(e))
		l.expect("web.test", ok)
		l.more(50)
	}
	r := l.finish()
	e.check(r.Judged["404"] >= 100, "404: %v", r.Judged)
	e.equal(g)
}

func namespaceDeleted(e *env) {
	a := app{name: "web", replicas: 2}
	g, l := e.one(a, steady)
	other := e.ns + "-b"
	b := app{name: "two", ns: other, replicas: 2}
	ok := "200 " + b.svc(e)
	make := func() {
		e.namespace(other)
		e.run(b)
		e.apply(e.ingressText(other, "two", "", path{host: "two.test",
			path: "/", svc: "two"}))
		g.serves("two.test", "/", b.svc(e))
	}
	make()
	k := e.load(g, gets, target("two.test", "/x", b.svc(e)))
	e.step("namespace is deleted", func() {
		// its pods, slices and Ingress go in any order
		k.expect("two.test", ok, "502", "503", "404")
		e.must(e.Client.CoreV1().Namespaces().Delete(e.ctx, other,
			metav1.DeleteOptions{}))
		g.becomes("two.test", "/", 404, "")
		e.await("it is gone", 60*time.Second, func() bool {
			_, err := e.Client.CoreV1().Namespaces().Get(e.ctx, other,
				metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
	})
	k.expect("two.test", "404")
	k.more(50)
	e.step("namespace is made again", func() {
		k.expect("two.test", "404", "503", ok)
		make()
	})
	k.expect("two.test", ok)
	k.more(50)
	k.finish()
	l.finish()
	e.equal(g)
}

func manyIngresses(e *env) {
	a := app{name: "web", replicas: 2}
	g, l := e.one(a, steady)
	const n = 300
	var text []string
	for i := range n {
		text = append(text, e.ingressText(e.ns, fmt.Sprintf("many-%d", i), "",
			path{host: fmt.Sprintf("many-%d.test", i), path: "/", svc: "web"}))
	}
	var out string
	e.step(fmt.Sprintf("kubectl creates %d Ingresses", n), func() {
		out = e.kubectl(strings.Join(text, "\n---\n"), "apply", "-f", "-")
	})
	made := strings.Count(out, "created")
	e.check(made == n, "%d created:\n%s", made, out)
	e.step("the last of them is served", func() {
		g.serves(fmt.Sprintf("many-%d.test", n-1), "/", a.svc(e))
	})
	for i := range n {
		x := g.get(fmt.Sprintf("many-%d.test", i), "/")
		e.check(x.status == 200 && x.svc == a.svc(e), "many-%d: %v", i, x)
	}
	e.step("kubectl deletes them", func() {
		e.kubectl(strings.Join(text, "\n---\n"), "delete", "--wait=false", "-f",
			"-")
		g.becomes(fmt.Sprintf("many-%d.test", n-1), "/", 404, "")
	})
	l.finish()
	e.equal(g)
}
