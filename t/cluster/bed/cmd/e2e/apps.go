package main

import (
	"fmt"
	"sort"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// app is a Deployment of backends and a Service of the same name.  Each pod
// says with every answer that it is of Service "namespace/name".
type app struct {
	ns       string // "": the test's
	name     string
	replicas int
	service  string // of which the pods are; "": name
	port     string // name of the Service's port, "": http
	preStop  int    // seconds of sleep before SIGTERM; 0: no hook
	grace    int    // terminationGracePeriodSeconds, 0: 30
	minReady int    // minReadySeconds
	surge    string // of the rolling update, "": 25%, 25%
	env      map[string]string
	pod      string // more of the pod's spec, YAML in braces without them
}

// svc is how the answers name the Service.
func (a app) svc(e *env) string { return a.space(e) + "/" + a.of() }

func (a app) of() string {
	if a.service != "" {
		return a.service
	}
	return a.name
}

func (a app) space(e *env) string {
	if a.ns == "" {
		return e.ns
	}
	return a.ns
}

// deployment is the text of it.  A change of env is a change of the template.
func (a app) deployment(e *env) string {
	set := map[string]string{"SERVICE_NAME": a.svc(e), "DEFAULTS": "text",
		"DRAIN": "3"}
	if e.records != nil {
		set["REQUEST_LOG"] = "-"
	}
	for k, v := range a.env {
		set[k] = v
	}
	var names []string
	for k := range set {
		names = append(names, k)
	}
	sort.Strings(names)
	env := ""
	for _, k := range names {
		env += fmt.Sprintf("\n        - {name: %s, value: %q}", k, set[k])
	}
	hook, more, strategy := "", "", ""
	if a.preStop > 0 {
		hook = fmt.Sprintf("\n        lifecycle: {preStop: {sleep: "+
			"{seconds: %d}}}", a.preStop)
	}
	if a.pod != "" {
		more = "\n      " + a.pod
	}
	if a.surge != "" {
		strategy = "\n  strategy: {rollingUpdate: " + a.surge + "}"
	}
	grace := a.grace
	if grace == 0 {
		grace = 30
	}
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  replicas: %[3]d
  minReadySeconds: %[4]d%[5]s
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s, service: %[6]s}}
    spec:
      terminationGracePeriodSeconds: %[7]d%[8]s
      containers:
      - name: backend
        image: backend
        env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}%[9]s
        ports: [{name: http, containerPort: 3000}]
        readinessProbe: {httpGet: {path: /-/ready, port: 3000}, periodSeconds: 1}%[10]s
`, a.name, a.space(e), a.replicas, a.minReady, strategy, a.of(), grace, more,
		env, hook)
}

// serviceText is the Service's.
func (a app) serviceText(e *env) string {
	port := a.port
	if port == "" {
		port = "http"
	}
	return fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: %[2]s}
spec:
  selector: {service: %[1]s}
  ports: [{name: %[3]s, port: 80, targetPort: 3000}]
`, a.of(), a.space(e), port)
}

// deploy writes an app without waiting.
func (e *env) deploy(a app) {
	e.apply(a.deployment(e))
}

// run deploys apps with their Services and waits until all pods are Ready and
// in the EndpointSlices.
func (e *env) run(apps ...app) {
	for _, a := range apps {
		e.apply(a.serviceText(e))
		e.deploy(a)
	}
	for _, a := range apps {
		e.scaled(a, a.replicas)
	}
}

// scaled waits until an app has so many Ready pods, all in the slices, and no
// others.
func (e *env) scaled(a app, n int) {
	what := fmt.Sprintf("%d Ready pods of %s", n, a.name)
	e.await(what, 60*time.Second, func() bool {
		return e.ready(a.space(e), a.name) == n && e.sliced(a, n)
	})
}

// sliced tells whether the EndpointSlices have n ready endpoints.
func (e *env) sliced(a app, n int) bool {
	return len(e.endpoints(a.space(e), a.of())) == n
}

// endpoints are the ready addresses of a Service, as the API server has them.
func (e *env) endpoints(ns, svc string) []string {
	l, err := e.Client.DiscoveryV1().EndpointSlices(ns).List(e.ctx,
		metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + svc})
	e.must(err)
	var addrs []string
	for _, s := range l.Items {
		for _, p := range s.Endpoints {
			if p.Conditions.Ready == nil || *p.Conditions.Ready {
				addrs = append(addrs, p.Addresses...)
			}
		}
	}
	return addrs
}

// scale sets the replicas of a Deployment.
func (e *env) scale(a app, n int) {
	_, err := e.Client.AppsV1().Deployments(a.space(e)).Patch(e.ctx, a.name,
		types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n),
		metav1.PatchOptions{})
	e.must(err)
}

// rolled waits until a rolling update is complete: all pods are of the newest
// template, and the old ones are gone.
func (e *env) rolled(a app) {
	e.await("rolling update of "+a.name, 120*time.Second, func() bool {
		d, err := e.Client.AppsV1().Deployments(a.space(e)).Get(e.ctx, a.name,
			metav1.GetOptions{})
		e.must(err)
		s := d.Status
		return s.ObservedGeneration >= d.Generation &&
			s.UpdatedReplicas == *d.Spec.Replicas &&
			s.Replicas == *d.Spec.Replicas &&
			s.AvailableReplicas == *d.Spec.Replicas &&
			len(e.list(a.space(e), a.name)) == int(*d.Spec.Replicas)
	})
}

// path of an Ingress.
type path struct {
	host, path, svc, port string
}

// ingressText is an Ingress of the test's class.
func (e *env) ingressText(ns, name, more string, paths ...path) string {
	rules := ""
	for _, p := range paths {
		port := "{number: 80}"
		if p.port != "" {
			port = "{name: " + p.port + "}"
		}
		rules += fmt.Sprintf(`
  - host: %s
    http: {paths: [{path: %s, pathType: Prefix, backend: {service: {name: %s, port: %s}}}]}`,
			p.host, p.path, p.svc, port)
	}
	return strings.TrimLeft(fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %s, namespace: %s}
spec:
  ingressClassName: %s%s
  rules:%s
`, name, ns, e.class, more, rules), "\n")
}

// ingress writes one in the test's namespace.
func (e *env) ingress(name string, paths ...path) {
	e.apply(e.ingressText(e.ns, name, "", paths...))
}
