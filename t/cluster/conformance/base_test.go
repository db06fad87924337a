package conformance

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/features"
)

// The base manifests of this version of the suite.
const (
	baseDeployments = 14
	basePods        = 23
	baseServices    = 14
)

var baseNamespaces = []string{suite.InfrastructureNamespace,
	suite.AppBackendNamespace, suite.WebBackendNamespace}

// TestBase runs the suite's setup and no test: every pod of the base manifests
// becomes Ready, every Service has the endpoints of its pods, and these answer.
func TestBase(t *testing.T) {
	o := options(t)
	o.SupportedFeatures = gatewayFeatures(features.FeatureChannelStandard)
	s, err := suite.NewConformanceTestSuite(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Setup(t, nil)
	c := o.Clientset
	ctx := t.Context()
	deployments, pods, services := 0, 0, 0
	for _, ns := range baseNamespaces {
		d, err := c.AppsV1().Deployments(ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range d.Items {
			deployments++
			pods += deployment(t, c, &d.Items[i])
		}
		l, err := c.CoreV1().Services(ns).List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range l.Items {
			if len(l.Items[i].Spec.Selector) > 0 {
				services++
				service(t, c, &l.Items[i])
			}
		}
	}
	if deployments != baseDeployments || pods != basePods || services != baseServices {
		t.Errorf("%d Deployments, %d pods, %d Services; want %d, %d, %d", deployments,
			pods, services, baseDeployments, basePods, baseServices)
	}
	t.Logf("%d pods of %d Deployments are ready, behind %d Services", pods,
		deployments, services)
}

// selected lists the pods that labels select.
func selected(t *testing.T, c kubernetes.Interface, ns string,
	labels map[string]string) []corev1.Pod {
	t.Helper()
	l, err := c.CoreV1().Pods(ns).List(t.Context(), metav1.ListOptions{
		LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{
			MatchLabels: labels})})
	if err != nil {
		t.Fatal(err)
	}
	return l.Items
}

// deployment checks a Deployment's pods and returns how many are ready.
func deployment(t *testing.T, c kubernetes.Interface, d *appsv1.Deployment) int {
	t.Helper()
	n := 0
	for _, p := range selected(t, c, d.Namespace, d.Spec.Selector.MatchLabels) {
		ready := false
		for _, x := range p.Status.Conditions {
			ready = ready || x.Type == corev1.PodReady && x.Status == corev1.ConditionTrue
		}
		// the suite's weight tests take the name of a pod apart
		parts := strings.Split(strings.TrimPrefix(p.Name, d.Name+"-"), "-")
		if !ready || p.Status.PodIP == "" || len(parts) != 2 {
			t.Errorf("pod %s/%s: %v", p.Namespace, p.Name, p.Status)
			continue
		}
		n++
	}
	if n != int(*d.Spec.Replicas) {
		t.Errorf("%s/%s: %d pods of %d are ready", d.Namespace, d.Name, n,
			*d.Spec.Replicas)
	}
	return n
}

// service waits until a Service has an endpoint for each of its pods and port,
// and checks that all of them answer.
func service(t *testing.T, c kubernetes.Interface, s *corev1.Service) {
	t.Helper()
	pods := selected(t, c, s.Namespace, s.Spec.Selector)
	want := map[string]bool{}
	for _, p := range pods {
		for _, port := range s.Spec.Ports {
			want[fmt.Sprintf("%s:%d/%s", p.Status.PodIP, port.TargetPort.IntValue(),
				port.Protocol)] = true
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var missing []string
	for {
		has := endpoints(t, c, s)
		missing = missing[:0]
		for e := range want {
			if !has[e] {
				missing = append(missing, e)
			}
		}
		if len(want) > 0 && len(missing) == 0 && len(has) == len(want) {
			break
		}
		select {
		case <-ctx.Done():
			t.Errorf("%s/%s has %v, not %v", s.Namespace, s.Name, has, missing)
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	for _, p := range pods {
		for _, port := range s.Spec.Ports {
			// without a probe a pod is ready before it listens
			limit := time.Now().Add(10 * time.Second)
			err := answers(t, c, &p, &port)
			for err != nil && time.Now().Before(limit) {
				time.Sleep(50 * time.Millisecond)
				err = answers(t, c, &p, &port)
			}
			if err != nil {
				t.Errorf("%s/%s: pod %s, port %v: %v", s.Namespace, s.Name, p.Name,
					port.TargetPort.IntValue(), err)
			}
		}
	}
}

// endpoints are the ready ones of a Service, ADDRESS:PORT/PROTOCOL.
func endpoints(t *testing.T, c kubernetes.Interface, s *corev1.Service) map[string]bool {
	t.Helper()
	l, err := c.DiscoveryV1().EndpointSlices(s.Namespace).List(t.Context(),
		metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + s.Name})
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	for _, slice := range l.Items {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || !*e.Conditions.Ready {
				continue
			}
			for _, a := range e.Addresses {
				for _, p := range slice.Ports {
					has[fmt.Sprintf("%s:%d/%s", a, *p.Port, *p.Protocol)] = true
				}
			}
		}
	}
	return has
}

// answers asks a pod at a port of a Service.
func answers(t *testing.T, c kubernetes.Interface, p *corev1.Pod,
	port *corev1.ServicePort) error {
	addr := net.JoinHostPort(p.Status.PodIP, strconv.Itoa(port.TargetPort.IntValue()))
	env := map[string]string{}
	for _, e := range p.Spec.Containers[0].Env {
		env[e.Name] = e.Value
	}
	switch {
	case port.Protocol == corev1.ProtocolUDP:
		r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (
			net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "udp", addr)
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := r.LookupHost(ctx, "foo.bar.com.")
		return err
	case port.TargetPort.IntValue() == 3000 && env["GRPC_ECHO_SERVER"] == "" &&
		env["TCP_ECHO_SERVER"] == "":
		return echoes(t, c, p, addr)
	}
	d := &net.Dialer{Timeout: 5 * time.Second}
	if port.TargetPort.IntValue() == 8443 {
		// the certificate is in a Secret that the suite makes after the pods
		conn, err := tls.DialWithDialer(d, "tcp", addr,
			&tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return err
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].VerifyHostname(
			"abc.example.com")
	}
	conn, err := d.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// echoes asks echo-basic who it is, and finds the request in the pod's log, as
// the suite's mirror tests do.
func echoes(t *testing.T, c kubernetes.Interface, p *corev1.Pod, addr string) error {
	path := "/base/" + p.Name
	r, err := (&http.Client{Timeout: 5 * time.Second}).Get("http://" + addr + path)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	var echo struct{ Pod, Namespace, Path string }
	if err := json.NewDecoder(r.Body).Decode(&echo); err != nil {
		return err
	}
	if echo.Pod != p.Name || echo.Namespace != p.Namespace || echo.Path != path {
		return fmt.Errorf("answer of %+v", echo)
	}
	line := "Echoing back request made to " + path + " to client"
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		body, err := c.CoreV1().Pods(p.Namespace).GetLogs(p.Name,
			&corev1.PodLogOptions{Container: p.Spec.Containers[0].Name,
				SinceTime: &metav1.Time{Time: time.Now().Add(-time.Minute)}}).Stream(ctx)
		if err != nil {
			return fmt.Errorf("log: %w", err)
		}
		found := has(body, line)
		_ = body.Close()
		if found {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the log has no line %q", line)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// has tells whether a line of a text begins with another.
func has(r io.Reader, line string) bool {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), line) {
			return true
		}
	}
	return false
}
