package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ngx_k8s_test/cluster/plane"
)

func init() {
	add(test{name: "least-privilege", group: "pod", bed: "pod", ci: true,
		alone: true,
		what: "each verb of the documented ClusterRole, and what " +
			"watch_namespace_selector needs beside, is taken away, alone: " +
			"something breaks", run: func(e *env) { leastPrivilege(e, "cluster") }})
	add(test{name: "least-privilege-role", group: "pod", bed: "pod",
		alone: true, what: "the same with the Role of one namespace",
		run: func(e *env) { leastPrivilege(e, "one-namespace") }})
	add(test{name: "plain-lists", group: "pod", bed: "lists",
		what: "an API server without streaming lists: plain ones, and each " +
			"right to list is needed from the start", run: plainLists})
}

// ofSelector is what watch_namespace_selector needs.
var ofSelector = []right{{"", "namespaces", "list"},
	{"", "namespaces", "watch"}}

const selected = "e2e-selected"

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
	all     []right
	name    string
	more    string // for its k8s_ingress block
	pod, ip string
}

// variants starts an nginx for each right that there is, without it, and one
// that has all.
func (e *env) variants(dir string, all []right) []*variant {
	l := e.lacking(all)
	if dir == "cluster" {
		more := slices.Concat(all, ofSelector)
		for _, r := range append([]right{{}}, ofSelector...) {
			v := &variant{e: e, lacks: r, all: more, name: "selector",
				more: "watch_namespace_selector " + selected + ";"}
			if r.verb != "" {
				v.name = r.verb + "-" + r.resource
			}
			l = append(l, v)
		}
	}
	e.startAll(dir, l)
	return l
}

// lacking is a variant that has all rights, and one for each that it lacks.
func (e *env) lacking(all []right) []*variant {
	l := []*variant{{e: e, name: "all", all: all}}
	for _, r := range all {
		l = append(l, &variant{e: e, lacks: r, all: all,
			name: r.verb + "-" + r.resource})
	}
	return l
}

func (e *env) startAll(dir string, l []*variant) {
	for _, v := range l {
		s := e.example(dir)
		s.mine()
		s.drop("Namespace", "PodDisruptionBudget", "Service")
		s.get("ServiceAccount").SetName(v.name)
		v.bind(s, dir)
		s.conf("nginx.conf", "error_log stderr notice;",
			"error_log stderr info;")
		s.conf("nginx.conf", "zone 64m;", "zone 4m;\n        backoff 1s;\n"+
			v.more)
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
}

// bind gives the variant's ServiceAccount its rights.
func (v *variant) bind(s *example, dir string) {
	rules := without(v.all, v.lacks)
	if dir == "one-namespace" {
		s.conf("ingress-namespace.conf", "watch_namespace shop;",
			"watch_namespace "+v.e.ns+";")
		change(s, "Role", func(c *rbacv1.Role) {
			c.Name, c.Rules = v.name, rules
		})
		change(s, "RoleBinding", func(b *rbacv1.RoleBinding) {
			b.Name, b.RoleRef.Name, b.Subjects[0].Name = v.name, v.name, v.name
		})
		return
	}
	name := v.e.ns + "-" + v.name
	change(s, "ClusterRole", func(c *rbacv1.ClusterRole) {
		c.Name, c.Rules = name, rules
	})
	change(s, "ClusterRoleBinding", func(b *rbacv1.ClusterRoleBinding) {
		b.Name, b.RoleRef.Name, b.Subjects[0].Name = name, name, v.name
	})
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

// listed waits until it has all of its kind.
func (v *variant) listed() {
	v.e.sees(v.name+" has a list", 30*time.Second, func() (bool, any) {
		text := fetch(v.ip+":10254", "", "/metrics").body
		return regexp.MustCompile(`nginx_ingress_k8s_synced\{[^}]*kind="` +
			v.lacks.resource + `"[^}]*\} 1\n`).MatchString(text), text
	})
}

// refused waits until it says that its kind is refused; the rest of the line.
func (v *variant) refused() string {
	line := ""
	v.e.sees(v.name+" says what is refused", 60*time.Second, func() (bool, any) {
		text := v.readyz()
		for _, l := range strings.Split(text, "\n") {
			if strings.HasPrefix(l, "  "+v.lacks.resource+" are refused") {
				line = strings.TrimSpace(l)
			}
		}
		return line != "", text
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

// rightsOf are those that an example gives.
func (e *env) rightsOf(dir string) []right {
	var all []right
	s := e.example(dir)
	if dir == "cluster" {
		change(s, "ClusterRole", func(c *rbacv1.ClusterRole) {
			all = rights(c.Rules)
		})
	} else {
		change(s, "Role", func(c *rbacv1.Role) { all = rights(c.Rules) })
	}
	e.check(len(all) > 8, "%s gives %v", dir, all)
	return all
}

// label gives a namespace the selected label.
func (e *env) label(ns string) {
	e.apply(`{apiVersion: v1, kind: Namespace, metadata: {name: %s,
  labels: {%s: ""}}}`, ns, selected)
}

// ingressOf writes an Ingress of the test's class by annotation.
func (e *env) ingressOf(ns, name, host, svc string) {
	e.apply(`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: %s,
  namespace: %s, annotations: {kubernetes.io/ingress.class: %s}}, spec: {rules: [{
  host: %s, http: {paths: [{path: /, pathType: Prefix, backend: {service: {
  name: %s, port: {number: 80}}}}]}}]}}`, name, ns, e.class, host, svc)
}

func leastPrivilege(e *env, dir string) {
	wide := dir == "cluster"
	e.namespace(e.ns)
	e.ingressClass()
	e.track = e.follow(e.ns)
	e.label(e.ns)
	b := e.backends(e.class)
	if wide {
		e.ingressOf(e.namespace(e.ns+"-other"), "other",
			"other."+e.ns+".test", "none")
	}
	all := e.rightsOf(dir)
	var l []*variant
	e.step("all nginxes", func() { l = e.variants(dir, all) })
	e.note("%d nginxes", len(l))
	lost := map[right]string{}
	e.atStart(b, l, wide, lost)

	// what "list" is for is seen after a lost connection: of a kind that has
	// been listed, for the first time needs "watch" alone
	for _, v := range l {
		if v.lacks.verb == "list" {
			v.listed()
		}
	}
	e.step("API server killed and started", func() {
		e.must(e.Plane.Kill(plane.APIServer))
		e.must(e.Plane.Run(e.ctx, plane.APIServer))
	})
	late := e.changes(b, wide)
	for _, v := range l {
		not := map[string][]string{
			"list-ingresses":      {"new Ingress", "new Service", "new class"},
			"list-services":       {"new Service"},
			"list-endpointslices": {"new Service"},
			"list-secrets":        {"new certificate"},
			"list-ingressclasses": {"new class"},
			"list-namespaces":     {"new namespace"}}[v.name]
		if !wide {
			not = slices.DeleteFunc(not, func(s string) bool {
				return s == "new class"
			})
		}
		if v.lacks.verb == "list" && not != nil {
			lost[v.lacks] = "after a lost connection " + v.refused() +
				"; not seen: " + strings.Join(not, ", ")
		}
		if not != nil || v.lacks.verb == "" {
			v.sees(late, not...)
		}
	}
	(&gateway{e: e, ns: e.ns}).quiet()
	if wide {
		all = slices.Concat(all, ofSelector)
	}
	for _, r := range all {
		why, ok := lost[r]
		if !ok {
			e.fail("nothing is lost without %q", r)
			continue
		}
		e.note("without %-22s %s", r.String()+":", why)
	}
}

// atStart looks at what each nginx serves that has just started.
func (e *env) atStart(b *backends, l []*variant, wide bool,
	lost map[right]string) {
	svc := b.app.svc(e)
	probes := []probe{
		{"ready", func(v *variant) bool {
			return fetch(v.ip+":10254", "", "/readyz").status == 200
		}},
		routed("class by annotation", b.noted, svc),
		{"certificate", func(v *variant) bool {
			s, err := serial(v.ip, b.tls)
			return err == nil && s == b.serial
		}}}
	everything := []string{"ready", "class by annotation", "certificate"}
	if wide {
		probes = append(probes, routed("class by name", b.named, svc))
		everything = append(everything, "class by name")
	}
	not := map[string][]string{
		"watch-ingresses": everything, "watch-services": everything,
		"watch-endpointslices": everything, "watch-namespaces": everything,
		"watch-secrets": {"certificate"}, "get-secrets": {"certificate"},
		"watch-ingressclasses": {"class by name"}}
	if e.t.bed == "lists" { // to list comes before to watch
		for k, n := range maps.Clone(not) {
			if kind, ok := strings.CutPrefix(k, "watch-"); ok {
				not["list-"+kind] = n
			}
		}
	}
	for _, v := range l {
		n, ok := not[v.name]
		if !ok {
			v.sees(probes)
			if r := v.readyz(); wide && strings.Contains(r, "refused") {
				e.fail("%s: %s", v.name, r)
			}
			continue
		}
		why := ""
		if v.lacks.verb != "get" {
			why = v.refused() + "; "
		}
		v.sees(probes, n...)
		lost[v.lacks] = why + "not seen: " + strings.Join(n, ", ")
	}
}

func plainLists(e *env) {
	e.namespace(e.ns)
	e.ingressClass()
	e.track = e.follow(e.ns)
	b := e.backends(e.class)
	l := slices.DeleteFunc(e.lacking(e.rightsOf("cluster")),
		func(v *variant) bool { return v.lacks.verb == "watch" })
	e.startAll("cluster", l)
	lost := map[right]string{}
	e.atStart(b, l, true, lost)
	for _, v := range l {
		if v.lacks.verb != "" {
			e.note("without %-22s %s", v.lacks.String()+":", lost[v.lacks])
			e.check(lost[v.lacks] != "", "nothing is lost without %q", v.lacks)
		}
	}
	said := e.podLogs(e.ns, l[0].pod)
	e.check(strings.Contains(said, "has no streaming lists"),
		"nginx did not fall back:\n%s", said)
	(&gateway{e: e, ns: e.ns}).quiet()
}

// changes makes one of each kind, after which an nginx that follows all of
// them sees what is returned.
func (e *env) changes(b *backends, wide bool) []probe {
	svc := b.app.svc(e)
	e.await("the API server takes writes", 30*time.Second, func() bool {
		_, err := e.Client.CoreV1().Namespaces().Get(e.ctx, e.ns,
			metav1.GetOptions{})
		return err == nil
	})
	b.rotate(e)
	more := b.app
	more.name = "web2"
	e.apply(strings.Replace(more.serviceText(e), "service: web2",
		"service: web", 1))
	host := "late." + e.ns + ".test"
	e.ingressOf(e.ns, "late", host, "web")
	e.ingressOf(e.ns, "late2", "svc."+host, "web2")
	now := b.serial
	l := []probe{
		routed("new Ingress", host, svc),
		routed("new Service", "svc."+host, svc),
		{"new certificate", func(v *variant) bool {
			s, err := serial(v.ip, b.tls)
			return err == nil && s == now
		}}}
	if !wide {
		return l
	}
	e.label(e.ns + "-other")
	e.apply(`{apiVersion: networking.k8s.io/v1, kind: IngressClass,
  metadata: {name: %s-late}, spec: {controller: %s}}`, e.class, e.controller())
	e.apply(strings.Replace(e.ingressText(e.ns, "class", "",
		path{host: "class." + host, path: "/", svc: "web"}),
		"ingressClassName: "+e.class, "ingressClassName: "+e.class+"-late", 1))
	return append(l, routed("new class", "class."+host, svc),
		probe{"new namespace", func(v *variant) bool {
			// there is no Service
			a := fetch(v.ip+":80", "other."+e.ns+".test", "/x")
			return a.status == 503
		}})
}
