package bed_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	authn "k8s.io/api/authentication/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"ngx_k8s_test/cluster/bed"
	"ngx_k8s_test/cluster/bed/bedtest"
	"ngx_k8s_test/cluster/netns"
	"ngx_k8s_test/cluster/plane"
)

var (
	b   *bed.Bed
	ctx = context.Background()
)

func TestMain(m *testing.M) {
	bin := bedtest.Bin()
	netns.Enter()
	var err error
	var o bed.Options
	o.Bin, o.LeaseFast, o.Proxy = bin, true, true
	o.Kubelet.Images, _ = bed.Images(filepath.Dir(bin), "")
	begin := time.Now()
	if b, err = bed.Up(ctx, o); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	took := time.Since(begin)
	fmt.Printf("# ready after %.1f s\n", took.Seconds())
	code := m.Run()
	if l := b.Plane.Panics(); len(l) > 0 {
		fmt.Println("FAIL: panics:", l)
		code = 1
	}
	b.Close()
	os.Exit(code)
}

// account makes a ServiceAccount and a client with a token of this request.
func account(t *testing.T, name string, r authn.TokenRequestSpec) (
	kubernetes.Interface, string) {
	t.Helper()
	bedtest.Apply(t, b, fmt.Sprintf(`{apiVersion: v1, kind: ServiceAccount,
		metadata: {name: %s}}`, name))
	got, err := b.Client.CoreV1().ServiceAccounts("default").CreateToken(ctx,
		name, &authn.TokenRequest{Spec: r}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := rest.AnonymousClientConfig(b.Plane.Config())
	c.BearerToken = got.Status.Token
	k, err := kubernetes.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	return k, got.Status.Token
}

func TestRBACAndTokens(t *testing.T) {
	ten := int64(600)
	k, _ := account(t, "reader", authn.TokenRequestSpec{ExpirationSeconds: &ten})
	who, err := k.AuthenticationV1().SelfSubjectReviews().Create(ctx,
		&authn.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || who.Status.UserInfo.Username !=
		"system:serviceaccount:default:reader" {
		t.Errorf("the token is of %v, %v", who.Status.UserInfo, err)
	}
	list := func() error {
		_, err := k.CoreV1().Secrets("default").List(ctx, metav1.ListOptions{})
		return err
	}
	if err := list(); !apierrors.IsForbidden(err) {
		t.Errorf("without a Role: %v", err)
	}
	bedtest.Apply(t, b, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [secrets], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: default}]
`)
	bedtest.Until(t, 5*time.Second, list)
	_, err = k.CoreV1().Secrets("kube-system").List(ctx, metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("in another namespace: %v", err)
	}
}

// A token ends with the object that it is bound to.
func TestBoundToken(t *testing.T) {
	bedtest.Apply(t, b, `{apiVersion: v1, kind: Secret, metadata: {name: anchor}}`)
	s, err := b.Client.CoreV1().Secrets("default").Get(ctx, "anchor",
		metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	k, _ := account(t, "bound", authn.TokenRequestSpec{
		BoundObjectRef: &authn.BoundObjectReference{Kind: "Secret",
			APIVersion: "v1", Name: "anchor", UID: s.UID}})
	review := func() error {
		_, err := k.AuthenticationV1().SelfSubjectReviews().Create(ctx,
			&authn.SelfSubjectReview{}, metav1.CreateOptions{})
		return err
	}
	if err := review(); err != nil {
		t.Fatal(err)
	}
	if err := b.Client.CoreV1().Secrets("default").Delete(ctx, "anchor",
		metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	bedtest.Until(t, 30*time.Second, func() error {
		if err := review(); !apierrors.IsUnauthorized(err) {
			return fmt.Errorf("after the Secret's end: %v", err)
		}
		return nil
	})
}

func TestPodSecurity(t *testing.T) {
	bedtest.Apply(t, b, `{apiVersion: v1, kind: Namespace, metadata: {name: strict,
		labels: {pod-security.kubernetes.io/enforce: restricted}}}`)
	bedtest.Until(t, 10*time.Second, func() error {
		_, err := b.Client.CoreV1().ServiceAccounts("strict").Get(ctx,
			"default", metav1.GetOptions{})
		return err
	})
	pod := &core.Pod{ObjectMeta: metav1.ObjectMeta{Name: "root"},
		Spec: core.PodSpec{Containers: []core.Container{{Name: "c",
			Image: "backend"}}}}
	_, err := b.Client.CoreV1().Pods("strict").Create(ctx, pod,
		metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("an unrestricted pod: %v", err)
	}
}

// A Service's address leads to its pod, from a pod and from the node, and the
// pod sees who calls.
func TestService(t *testing.T) {
	server, err := netns.NewPod("10.244.9.1")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	caller, err := netns.NewPod("10.244.9.2")
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	var l net.Listener
	if err := server.Do(func() (err error) {
		l, err = net.Listen("tcp", ":8080")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, c.RemoteAddr().(*net.TCPAddr).IP.String())
			c.Close()
		}
	}()
	bedtest.Apply(t, b, `
apiVersion: v1
kind: Service
metadata: {name: greeter}
spec: {clusterIP: 10.96.7.7, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: greeter-1
  labels: {kubernetes.io/service-name: greeter}
addressType: IPv4
ports: [{name: "", port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.244.9.1], conditions: {ready: true}}]
`)
	ask := func() error {
		c, err := net.DialTimeout("tcp", "10.96.7.7:80", time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		got, err := io.ReadAll(c)
		if string(got) != "10.244.9.2" {
			return fmt.Errorf("answer %q, %v", got, err)
		}
		return nil
	}
	bedtest.Until(t, 20*time.Second, func() error { return caller.Do(ask) })
	c, err := net.DialTimeout("tcp", "10.96.7.7:80", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// revision is the cluster's resource version.
func revision(t *testing.T) int {
	t.Helper()
	l, err := b.Client.CoreV1().ConfigMaps("default").List(ctx,
		metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(l.ResourceVersion)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The pods of the examples run, and are reached by the name of their Service.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../../../examples/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		bedtest.Apply(t, b, string(text))
	}
	bedtest.Until(t, 30*time.Second, func() error {
		c := http.Client{Timeout: 2 * time.Second}
		r, err := c.Get("http://web.demo/")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		got, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(got), `"pod":"web-`) {
			return fmt.Errorf("answer %q, %v", got, err)
		}
		return nil
	})
	if err := b.Client.CoreV1().Namespaces().Delete(ctx, "demo",
		metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	bedtest.Until(t, 60*time.Second, func() error {
		_, err := b.Client.CoreV1().Namespaces().Get(ctx, "demo",
			metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("namespace demo: %v", err)
		}
		return nil
	})
}

// A node without news is unreachable, and its pods are deleted, after seconds;
// others are not.
func TestNodeLost(t *testing.T) {
	bedtest.Apply(t, b, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: spread}
spec:
  replicas: 6
  selector: {matchLabels: {app: spread}}
  template:
    metadata: {labels: {app: spread}}
    spec: {containers: [{name: c, image: backend}]}
`)
	// on counts the pods on n2, and those elsewhere, that nobody deleted
	on := func() (lost, kept int) {
		l, err := b.Client.CoreV1().Pods("default").List(ctx,
			metav1.ListOptions{LabelSelector: "app=spread"})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range l.Items {
			switch {
			case p.DeletionTimestamp != nil || p.Status.Phase != core.PodRunning:
			case p.Spec.NodeName == "n2":
				lost++
			default:
				kept++
			}
		}
		return lost, kept
	}
	bedtest.Until(t, 30*time.Second, func() error {
		if lost, kept := on(); lost == 0 || lost+kept != 6 {
			return fmt.Errorf("%d pods run on n2, %d elsewhere", lost, kept)
		}
		return nil
	})
	begin := time.Now()
	b.Kubelet.Lose("n2")
	bedtest.Until(t, 30*time.Second, func() error {
		if lost, kept := on(); lost != 0 || kept != 6 {
			return fmt.Errorf("%d pods run on n2, %d elsewhere", lost, kept)
		}
		return nil
	})
	t.Logf("others run after %.1f s", time.Since(begin).Seconds())
	n, err := b.Client.CoreV1().Nodes().Get(ctx, "n2", metav1.GetOptions{})
	if err != nil || len(n.Spec.Taints) == 0 {
		t.Errorf("taints of the lost node: %v, %v", n.Spec.Taints, err)
	}
	b.Kubelet.Regain("n2")
	bedtest.Until(t, 30*time.Second, func() error {
		n, err := b.Client.CoreV1().Nodes().Get(ctx, "n2", metav1.GetOptions{})
		if err != nil || len(n.Spec.Taints) > 0 {
			return fmt.Errorf("taints: %v, %v", n.Spec.Taints, err)
		}
		return nil
	})
}

func TestRestore(t *testing.T) {
	get := func(name string) error {
		_, err := b.Client.CoreV1().ConfigMaps("default").Get(ctx, name,
			metav1.GetOptions{})
		return err
	}
	make := func(name string) {
		bedtest.Apply(t, b, fmt.Sprintf(
			`{apiVersion: v1, kind: ConfigMap, metadata: {name: %s}}`, name))
	}
	make("before")
	old := revision(t)
	dir := filepath.Join(t.TempDir(), "snapshot")
	if err := b.Plane.Snapshot(dir); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		make(fmt.Sprintf("after-%d", i))
	}
	late := revision(t)
	if late < old+200 {
		t.Fatalf("revision %d, then %d", old, late)
	}
	begin := time.Now()
	if err := b.Restore(ctx, dir); err != nil {
		t.Fatal(err)
	}
	t.Logf("restored in %.1f s", time.Since(begin).Seconds())
	if now := revision(t); now < old || now >= late {
		t.Errorf("revision %d, then %d, restored to %d", old, late, now)
	}
	if err := get("before"); err != nil {
		t.Error(err)
	}
	if err := get("after-0"); !apierrors.IsNotFound(err) {
		t.Errorf("what was made after the snapshot: %v", err)
	}
}

func TestKillAndRun(t *testing.T) {
	if err := b.Plane.Kill(plane.APIServer); err != nil {
		t.Fatal(err)
	}
	if err := b.Plane.Kill(plane.APIServer); err == nil {
		t.Error("killed twice")
	}
	if _, err := b.Client.Discovery().ServerVersion(); err == nil {
		t.Error("the API server is there after its end")
	}
	if err := b.Plane.Run(ctx, plane.APIServer); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Client.Discovery().ServerVersion(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{plane.Proxy, plane.Controller} {
		if err := b.Plane.Stop(name); err != nil {
			t.Error(err)
		}
		if err := b.Plane.Run(ctx, name); err != nil {
			t.Error(err)
		}
	}
}
