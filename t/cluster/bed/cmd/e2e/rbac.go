package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ngx_k8s_test/cluster/plane"
)

func init() {
	add(test{name: "least-privilege", group: "pod", bed: "pod", alone: true,
		what: "each verb of the documented ClusterRole is taken away, alone: " +
			"something breaks", run: leastPrivilege})
}

// right is one verb of a resource.
type right struct {
	group, resource, verb string
}

func (r right) String() string { return r.verb + " " + r.resource }

// rights are all that a ClusterRole gives.
func rights(rules []rbacv1.PolicyRule) []right {
	var l []right
	for _, p := range rules {
		for _, g := range p.APIGroups {
			for _, r := range p.Resources {
				for _, v := range p.Verbs {
					l = append(l, right{g, r, v})
				}
			}
		}
	}
	return l
}

// without are the rules that give all but one right.
func without(all []right, one right) []rbacv1.PolicyRule {
	var l []rbacv1.PolicyRule
	for _, r := range all {
		if r != one {
			l = append(l, rbacv1.PolicyRule{APIGroups: []string{r.group},
				Resources: []string{r.resource}, Verbs: []string{r.verb}})
		}
	}
	return l
}

// variant is an nginx without one right.
type variant struct {
	e       *env
	lacks   right // the zero value: nothing
	name    string
	pod, ip string
}

// variants starts an nginx for each right that there is, without it, and one
// that has all.
func (e *env) variants(all []right) []*variant {
	l := []*variant{{e: e, name: "all"}}
	for _, r := range all {
		l = append(l, &variant{e: e, lacks: r, name: r.verb + "-" + r.resource})
	}
	for _, v := range l {
		s := e.example("cluster")
		s.mine()
		s.drop("Namespace", "PodDisruptionBudget", "Service")
		s.get("ServiceAccount").SetName(v.name)
		change(s, "ClusterRole", func(c *rbacv1.ClusterRole) {
			c.Name = e.ns + "-" + v.name
			c.Rules = without(all, v.lacks)
		})
		change(s, "ClusterRoleBinding", func(b *rbacv1.ClusterRoleBinding) {
			b.Name = e.ns + "-" + v.name
			b.RoleRef.Name = b.Name
			b.Subjects[0].Name = v.name
		})
		s.conf("nginx.conf", "zone 64m;", "zone 4m;\n        backoff 1s;")
		s.deployment(func(d *appsv1.Deployment) {
			one := int32(1)
			d.Name, d.Spec.Replicas = v.name, &one
			d.Spec.Selector.MatchLabels["variant"] = v.name
			d.Spec.Template.Labels["variant"] = v.name
			p := &d.Spec.Template.Spec
			p.ServiceAccountName = v.name
			p.Containers[0].Args[len(p.Containers[0].Args)-1] =
				"worker_processes 1;"
			p.Containers[0].Lifecycle = nil
		})
		e.apply(s.text())
	}
	for _, v := range l {
		v.find()
	}
	return l
}

// find waits until the nginx answers at all.
func (v *variant) find() {
	v.e.await("nginx "+v.name, 60*time.Second, func() bool {
		l, err := v.e.Client.CoreV1().Pods(v.e.ns).List(v.e.ctx,
			metav1.ListOptions{LabelSelector: "variant=" + v.name})
		v.e.must(err)
		for _, p := range l.Items {
			if p.DeletionTimestamp == nil && p.Status.PodIP != "" {
				v.pod, v.ip = p.Name, p.Status.PodIP
			}
		}
		return v.ip != "" && fetch(v.ip+":10254", "", "/healthz").status == 200
	})
}

// readyz is what it says of itself.
func (v *variant) readyz() string {
	return fetch(v.ip+":10254", "", "/readyz").body
}

// refused waits until it says that its kind is refused; the rest of the line.
func (v *variant) refused() string {
	line := ""
	v.e.await(v.name+" says what is refused", 60*time.Second, func() bool {
		for _, l := range strings.Split(v.readyz(), "\n") {
			if strings.HasPrefix(l, "  "+v.lacks.resource+" are refused") {
				line = strings.TrimSpace(l)
			}
		}
		return line != ""
	})
	return line
}

// probe is something to see of an nginx from outside.
type probe struct {
	what string
	see  func(v *variant) bool
}

// routed is an answer by a Service.
func routed(what, host, svc string) probe {
	return probe{what, func(v *variant) bool {
		a := fetch(v.ip+":80", host, "/x")
		return a.status == 200 && a.svc == svc
	}}
}

// sees checks that an nginx sees all probes, but those named.
func (v *variant) sees(probes []probe, not ...string) {
	e := v.e
	for _, p := range probes {
		if !slices.Contains(not, p.what) {
			e.await(v.name+": "+p.what, 30*time.Second, func() bool {
				return p.see(v)
			})
		}
	}
	// that was long enough for the others
	for _, p := range probes {
		if slices.Contains(not, p.what) {
			e.check(!p.see(v), "%s: %s, without the right", v.name, p.what)
		}
	}
}

func leastPrivilege(e *env) {
	e.restricted(e.ns)
	e.ingressClass()
	e.track = e.follow(e.ns)
	web := e.namespace(e.ns + "-web")
	e.ns, web = web, e.ns // backends are elsewhere, for their label
	b := e.backends(e.class)
	svc := b.app.svc(e)
	e.ns, web = web, e.ns

	var all []right
	s := e.example("cluster")
	change(s, "ClusterRole", func(c *rbacv1.ClusterRole) { all = rights(c.Rules) })
	e.check(len(all) > 8, "the ClusterRole gives %v", all)
	var l []*variant
	e.step(fmt.Sprintf("%d nginxes", len(all)+1), func() { l = e.variants(all) })

	probes := []probe{
		{"ready", func(v *variant) bool {
			return fetch(v.ip+":10254", "", "/readyz").status == 200
		}},
		routed("class by name", b.named, svc),
		routed("class by annotation", b.noted, svc),
		{"certificate", func(v *variant) bool {
			s, err := serial(v.ip, b.tls)
			return err == nil && s == b.serial
		}}}
	routes := []string{"ready", "class by name", "class by annotation"}
	broken := map[right]string{}
	begin := func(v *variant, not ...string) {
		broken[v.lacks] = v.refused() + "; not seen: " + strings.Join(not, ", ")
		v.sees(probes, not...)
	}
	for _, v := range l {
		switch v.name {
		case "watch-ingresses", "watch-services", "watch-endpointslices":
			// with no route of its own it takes the default certificate too
			begin(v, append(routes, "certificate")...)
		case "watch-secrets":
			begin(v, "certificate")
		case "get-secrets":
			v.sees(probes, "certificate")
			broken[v.lacks] = "not seen: certificate"
		case "watch-ingressclasses":
			begin(v, "class by name")
		default:
			v.sees(probes)
			r := v.readyz()
			e.check(!strings.Contains(r, "refused"), "%s: %s", v.name, r)
		}
	}

	// what "list" is for is seen after a lost connection
	e.step("API server killed and started", func() {
		e.Plane.Kill(plane.APIServer)
		e.must(e.Plane.Run(e.ctx, plane.APIServer))
	})
	late := e.changes(b, web)
	for _, v := range l {
		not := map[string][]string{
			"list-ingresses":      {"new Ingress", "new Service", "new class"},
			"list-services":       {"new Service"},
			"list-endpointslices": {"new Service"},
			"list-secrets":        {"new certificate"},
			"list-ingressclasses": {"new class"}}[v.name]
		if v.lacks.verb == "list" {
			if not == nil {
				continue
			}
			broken[v.lacks] = "after a lost connection " + v.refused() +
				"; not seen: " + strings.Join(not, ", ")
		}
		if v.lacks.verb == "list" || v.lacks.verb == "" {
			v.sees(late, not...)
		}
	}
	for _, r := range all {
		why, ok := broken[r]
		if !ok {
			e.fail("nothing is lost without %q", r)
			continue
		}
		e.note("without %-22s %s", r.String()+":", why)
	}
}

// changes makes one of each kind, after which an nginx that follows all of
// them sees what is returned.
func (e *env) changes(b *backends, web string) []probe {
	old := e.ns
	e.ns = web
	defer func() { e.ns = old }()
	svc := b.app.svc(e)
	e.await("the API server takes writes", 30*time.Second, func() bool {
		_, err := e.Client.CoreV1().Namespaces().Get(e.ctx, web,
			metav1.GetOptions{})
		return err == nil
	})
	b.rotate(e)
	more := b.app
	more.name = "web2"
	e.apply(strings.Replace(more.serviceText(e), "service: web2",
		"service: web", 1))
	e.apply(`{apiVersion: networking.k8s.io/v1, kind: IngressClass,
  metadata: {name: %s-late}, spec: {controller: %s}}`, e.class, e.controller())
	host := "late." + web + ".test"
	e.ingress("late", path{host: host, path: "/", svc: "web"},
		path{host: "svc." + host, path: "/", svc: "web2"})
	e.apply(strings.Replace(e.ingressText(web, "class", "",
		path{host: "class." + host, path: "/", svc: "web"}),
		"ingressClassName: "+e.class, "ingressClassName: "+e.class+"-late", 1))
	serialNow := b.serial
	return []probe{
		routed("new Ingress", host, svc),
		routed("new Service", "svc."+host, svc),
		routed("new class", "class."+host, svc),
		{"new certificate", func(v *variant) bool {
			s, err := serial(v.ip, b.tls)
			return err == nil && s == serialNow
		}}}
}
