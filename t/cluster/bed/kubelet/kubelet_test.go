package kubelet_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ngx_k8s_test/cluster/bed"
	"ngx_k8s_test/cluster/kubelet"
	"ngx_k8s_test/cluster/netns"
	"ngx_k8s_test/cluster/plane"
)

var (
	b   *bed.Bed
	ctx = context.Background()
)

// The pods of these tests are shells; no cluster beside the bed's is touched.
func TestMain(m *testing.M) {
	bin, err := filepath.Abs("../../../../build/cluster/bin")
	if err == nil {
		_, err = os.Stat(filepath.Join(bin, plane.APIServer))
	}
	if err != nil {
		fmt.Println("util/cluster-build first:", err)
		os.Exit(1)
	}
	netns.Enter()
	var o bed.Options
	o.Bin, o.LeaseFast = bin, true
	o.Kubelet = kubelet.Options{DNS: "10.96.0.10",
		Backoff: time.Second, Sync: 50 * time.Millisecond,
		Token: 2 * time.Second,
		Images: map[string]kubelet.Image{
			"sh":     {Command: []string{"/bin/sh", "-c"}, Args: []string{"exit 7"}},
			"sh-usr": {Command: []string{"/bin/sh", "-c"}, User: 101, StopSignal: "USR1"},
		}}
	if b, err = bed.Up(ctx, o); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code := m.Run()
	b.Close()
	os.Exit(code)
}

func apply(t *testing.T, text string) {
	t.Helper()
	if err := b.Apply(ctx, text); err != nil {
		t.Fatal(err)
	}
}

// until waits for what f asks for.
func until(t *testing.T, limit time.Duration, f func() error) {
	t.Helper()
	if err := bed.Until(ctx, limit, f); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, name string) *v1.Pod {
	t.Helper()
	p, err := b.Client.CoreV1().Pods("default").Get(ctx, name,
		metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// waitFor waits for a pod that is as ok says.
func waitFor(t *testing.T, name string, ok func(*v1.Pod) bool) *v1.Pod {
	t.Helper()
	var p *v1.Pod
	until(t, 20*time.Second, func() (err error) {
		p, err = b.Client.CoreV1().Pods("default").Get(ctx, name,
			metav1.GetOptions{})
		if err == nil && !ok(p) {
			err = fmt.Errorf("pod %s: %+v", name, p.Status)
		}
		return err
	})
	return p
}

func condition(p *v1.Pod, t v1.PodConditionType) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == t {
			return c.Status == v1.ConditionTrue
		}
	}
	return false
}

func ready(p *v1.Pod) bool { return condition(p, v1.PodReady) }

func terminated(p *v1.Pod) bool {
	return p.Status.Phase == v1.PodSucceeded || p.Status.Phase == v1.PodFailed
}

func logs(t *testing.T, name string, o v1.PodLogOptions) string {
	t.Helper()
	text, err := b.Client.CoreV1().Pods("default").GetLogs(name, &o).DoRaw(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// output runs a pod with a script to its end and returns what it wrote.
func output(t *testing.T, spec string) string {
	t.Helper()
	name := strings.ToLower(t.Name())
	apply(t, pod(name, spec))
	waitFor(t, name, terminated)
	return logs(t, name, v1.PodLogOptions{})
}

// pod is a manifest; spec is indented by two.
func pod(name, spec string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name +
		", labels: {app: test, pod: " + name + "}}\nspec:\n" + spec
}

func wantLines(t *testing.T, got string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains("\n"+got+"\n", "\n"+l+"\n") {
			t.Errorf("no line %q in:\n%s", l, got)
		}
	}
}

func TestRunsToItsEnd(t *testing.T) {
	got := output(t, `
  restartPolicy: Never
  containers:
  - name: c
    image: sh:1
    args: ["echo hello; echo error >&2; cat /etc/resolv.conf; id -u; exit 3"]
`)
	wantLines(t, got, "hello", "error", "nameserver 10.96.0.10",
		"search default.svc.cluster.local svc.cluster.local cluster.local",
		"options ndots:5", "0")
	p := get(t, "testrunstoitsend")
	s := p.Status.ContainerStatuses[0].State.Terminated
	if p.Status.Phase != v1.PodFailed || s == nil || s.ExitCode != 3 {
		t.Errorf("status %+v", p.Status)
	}
	if !strings.HasPrefix(p.Status.PodIP, "10.244.") || ready(p) {
		t.Errorf("status %+v", p.Status)
	}
}
