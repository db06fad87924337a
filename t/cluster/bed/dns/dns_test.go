package dns

import (
	"context"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"ngx_k8s_test/cluster/dns/answer"
	"ngx_k8s_test/cluster/dns/answer/answertest"
)

func ptr[T any](v T) *T { return &v }

func service(ns, name, ip string, kind corev1.ServiceType) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
	s.Spec.Type, s.Spec.ClusterIP = kind, ip
	if kind == corev1.ServiceTypeExternalName {
		s.Spec.ClusterIP, s.Spec.ExternalName = "", ip
		return s
	}
	s.Spec.ClusterIPs = []string{ip}
	s.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80,
		Protocol: corev1.ProtocolTCP}}
	return s
}

// objects of a little cluster.
func cluster1() *fake.Clientset {
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "pods-1",
			Labels: map[string]string{discoveryv1.LabelServiceName: "pods"}},
		Endpoints: []discoveryv1.Endpoint{
			{Addresses: []string{"10.244.1.1"}, Hostname: ptr("zero"),
				Conditions: discoveryv1.EndpointConditions{Ready: ptr(true)}},
			{Addresses: []string{"10.244.1.2"}},
			{Addresses: []string{"10.244.1.3"},
				Conditions: discoveryv1.EndpointConditions{Ready: ptr(false)}},
		},
		Ports: []discoveryv1.EndpointPort{{Name: ptr("http"), Port: ptr(int32(8080)),
			Protocol: ptr(corev1.ProtocolTCP)}}}
	return fake.NewClientset(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a"}},
		service("default", "kubernetes", "10.96.0.1", corev1.ServiceTypeClusterIP),
		service("a", "web", "10.96.0.7", corev1.ServiceTypeClusterIP),
		service("a", "pods", "None", corev1.ServiceTypeClusterIP),
		service("a", "out", "far.test", corev1.ServiceTypeExternalName),
		service("a", "self", "web.a.svc.cluster.local", corev1.ServiceTypeExternalName),
		service("a", "loop", "loop.a.svc.cluster.local", corev1.ServiceTypeExternalName),
		slice)
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	s, err := Start(t.Context(), o)
	return answertest.Started(t, s, err)
}

const (
	a     = dnsmessage.TypeA
	aaaa  = dnsmessage.TypeAAAA
	srv   = dnsmessage.TypeSRV
	cname = dnsmessage.TypeCNAME
	ok    = dnsmessage.RCodeSuccess
	nx    = dnsmessage.RCodeNameError
)

func TestNames(t *testing.T) {
	s := start(t, Options{Client: cluster1()})
	if err := s.SetAddress("far.test", "192.0.2.1", 60); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name  string
		kind  dnsmessage.Type
		rcode dnsmessage.RCode
		want  string
	}{
		{"kubernetes.default.svc.cluster.local", a, ok, "10.96.0.1"},
		{"web.a.svc.cluster.local", a, ok, "10.96.0.7"},
		{"WEB.a.svc.Cluster.local", a, ok, "10.96.0.7"},
		{"web.a.svc.cluster.local", aaaa, ok, ""},
		{"web.b.svc.cluster.local", a, nx, ""},
		{"web.a.svc.cluster.local.a.svc.cluster.local", a, nx, ""},
		{"other.a.svc.cluster.local", aaaa, nx, ""},
		{"pods.a.svc.cluster.local", a, ok, "10.244.1.1 10.244.1.2"},
		{"zero.pods.a.svc.cluster.local", a, ok, "10.244.1.1"},
		{"10-244-1-2.pods.a.svc.cluster.local", a, ok, "10.244.1.2"},
		{"10-244-1-3.pods.a.svc.cluster.local", a, nx, ""},
		{"x.web.a.svc.cluster.local", a, nx, ""},
		{"out.a.svc.cluster.local", a, ok, "->far.test 192.0.2.1"},
		{"out.a.svc.cluster.local", cname, ok, "->far.test"},
		{"x.out.a.svc.cluster.local", a, nx, ""},
		{"self.a.svc.cluster.local", a, ok, "->web.a.svc.cluster.local 10.96.0.7"},
		{"_http._tcp.web.a.svc.cluster.local", srv, ok, "web.a.svc.cluster.local:80"},
		{"_http._udp.web.a.svc.cluster.local", srv, nx, ""},
		{"_http._udp.pods.a.svc.cluster.local", srv, nx, ""},
		{"_http._tcp.pods.a.svc.cluster.local", srv, ok,
			"10-244-1-2.pods.a.svc.cluster.local:8080 " +
				"zero.pods.a.svc.cluster.local:8080"},
		{"a.svc.cluster.local", a, ok, ""},
		{"b.svc.cluster.local", a, nx, ""},
		{"svc.cluster.local", a, ok, ""},
		{"cluster.local", a, ok, ""},
		{"nothing.cluster.local", a, nx, ""},
		{"10-244-1-9.a.pod.cluster.local", a, ok, "10.244.1.9"},
		{"10-244-1.a.pod.cluster.local", a, nx, ""},
		{"far.test", a, ok, "192.0.2.1"},
		{"other.test", a, nx, ""},
	} {
		for _, network := range []string{"udp", "tcp"} {
			m := answertest.Ask(s, network, x.name, x.kind, 5*time.Second)
			if m == nil || m.RCode != x.rcode || answer.Words(m) != x.want ||
				(x.want == "") != (len(m.Authorities) == 1) {
				t.Errorf("%s %s %s: %v", network, x.name, x.kind, m)
			}
		}
	}
	if m := answertest.Ask(s, "udp", "loop.a.svc.cluster.local", a, 5*time.Second); m == nil ||
		len(m.Answers) > 8 {
		t.Error("loop", m)
	}
	if n := s.Asked("Far.test"); n != 2 {
		t.Error("asked", n)
	}
	l, err := s.Resolver().LookupHost(t.Context(), "out.a.svc.cluster.local.")
	if err != nil || len(l) != 1 || l[0] != "192.0.2.1" {
		t.Error(l, err)
	}
}

func TestChanges(t *testing.T) {
	c := cluster1()
	s := start(t, Options{Client: c})
	ctx := context.Background()
	e, _ := c.DiscoveryV1().EndpointSlices("a").Get(ctx, "pods-1", metav1.GetOptions{})
	e.Endpoints = e.Endpoints[1:2]
	_, _ = c.DiscoveryV1().EndpointSlices("a").Update(ctx, e, metav1.UpdateOptions{})
	answertest.Await(t, s, "pods.a.svc.cluster.local", "10.244.1.2")
	_ = c.CoreV1().Services("a").Delete(ctx, "web", metav1.DeleteOptions{})
	answertest.Await(t, s, "web.a.svc.cluster.local", "")

	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system",
		Name: ConfigMap}, Data: map[string]string{"zone": "# a test's\n" +
		"a.test 1 A 192.0.2.1\na.test 1 A 192.0.2.2\n*.b.test 1 CNAME a.test\n"}}
	maps := c.CoreV1().ConfigMaps("kube-system")
	_, _ = maps.Create(ctx, m, metav1.CreateOptions{})
	answertest.Await(t, s, "a.test", "192.0.2.1 192.0.2.2")
	answertest.Await(t, s, "x.y.b.test", "->a.test 192.0.2.1 192.0.2.2")
	m.Data["zone"] = "a.test 1 A 192.0.2.3\n"
	_, _ = maps.Update(ctx, m, metav1.UpdateOptions{})
	answertest.Await(t, s, "a.test", "192.0.2.3")
	m.Data["zone"] = "a.test A 192.0.2.3\n"
	_, _ = maps.Update(ctx, m, metav1.UpdateOptions{})
	answertest.Await(t, s, "a.test", "")
	if m := answertest.Ask(s, "udp", "a.test", a, 5*time.Second); m == nil ||
		m.RCode != dnsmessage.RCodeServerFailure {
		t.Error(m)
	}
	_ = maps.Delete(ctx, ConfigMap, metav1.DeleteOptions{})
	answertest.Await(t, s, "pods.a.svc.cluster.local", "10.244.1.2")
}

// TestShort: names that are nearly right do no harm.
func TestShort(t *testing.T) {
	s := start(t, Options{Client: cluster1()})
	for _, n := range []string{"svc.cluster.local", "_.svc.cluster.local",
		"_._.web.a.svc.cluster.local", "pod.cluster.local", "a.pod.cluster.local"} {
		if m := answertest.Ask(s, "udp", n, srv, 5*time.Second); m == nil || len(m.Answers) > 0 {
			t.Error(n, m)
		}
	}
}

func TestPublish(t *testing.T) {
	c := cluster1()
	s := start(t, Options{Client: c})
	for range 2 {
		if err := s.Publish(t.Context(), "10.96.0.10"); err != nil {
			t.Fatal(err)
		}
	}
	answertest.Await(t, s, "kube-dns.kube-system.svc.cluster.local", "10.96.0.10")
	e, err := c.DiscoveryV1().EndpointSlices("kube-system").Get(t.Context(),
		"kube-dns", metav1.GetOptions{})
	if err != nil || e.Endpoints[0].Addresses[0] != "127.0.0.1" || len(e.Ports) != 2 {
		t.Fatal(e, err)
	}
}
