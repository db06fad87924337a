package kubelet_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"ngx_k8s_test/cluster/bed"
	"ngx_k8s_test/cluster/bed/bedtest"
	"ngx_k8s_test/cluster/kubelet"
	"ngx_k8s_test/cluster/netns"
)

var (
	b   *bed.Bed
	bin string // programs of the control plane
	ctx = context.Background()
)

// The pods of these tests are shells; no cluster beside the bed's is touched.
func TestMain(m *testing.M) {
	bin = bedtest.Bin()
	netns.Enter()
	// most tests wait most of the time; the others are alone, and first
	_ = flag.Set("test.parallel", "6")
	const capable = "/run/capable" // a shell that may bind low ports
	if err := bed.Capable("/bin/sh", capable); err != nil {
		netns.Skip(err.Error())
	}
	var o bed.Options
	o.Bin, o.LeaseFast = bin, true
	o.Kubelet = kubelet.Options{DNS: "10.96.0.10",
		Backoff: time.Second, Sync: 50 * time.Millisecond,
		Token: 2 * time.Second,
		Images: map[string]kubelet.Image{
			"sh": {Command: []string{"/bin/sh", "-c"}, Args: []string{"exit 7"}},
			"user": {Command: []string{"/bin/sh", "-c"}, User: 101,
				StopSignal: "SIGUSR1", Env: []string{"FROM=image"}},
			"capable": {Command: []string{"/capable", "-c"},
				Root: []string{capable + ":/capable"}},
			"python": {Command: []string{"/usr/bin/python3", "-c"}},
		}}
	var err error
	if b, err = bed.Up(ctx, o); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code := m.Run()
	b.Close()
	if left := leftOver(); left != "" {
		fmt.Println("FAIL: left over:", left)
		code = 1
	}
	os.Exit(code)
}

// leftOver is what a closed bed should not leave: interfaces of pods, mounts
// and processes. The process of the test and the one above it are alone.
func leftOver() string {
	links, _ := net.Interfaces()
	for _, l := range links {
		if l.Name != "lo" && l.Name != "br0" {
			return "interface " + l.Name
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	if strings.Contains(string(mounts), "/run/kubelet") {
		return string(mounts)
	}
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		pid, _ := strconv.Atoi(filepath.Base(p))
		if pid != 1 && pid != os.Getpid() {
			line, _ := os.ReadFile(p + "/cmdline")
			return fmt.Sprintf("process %d %q", pid, line)
		}
	}
	if _, err := os.Stat("/run/kubelet"); err == nil {
		return "/run/kubelet"
	}
	return ""
}

// split takes a name as namespace/name, or one of the default namespace.
func split(name string) (string, string) {
	if ns, rest, ok := strings.Cut(name, "/"); ok {
		return ns, rest
	}
	return "default", name
}

func pods(name string) (typedv1.PodInterface, string) {
	ns, name := split(name)
	return b.Client.CoreV1().Pods(ns), name
}

func get(t *testing.T, name string) *v1.Pod {
	t.Helper()
	in, name := pods(name)
	p, err := in.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// waitFor waits for a pod that is as ok says.
func waitFor(t *testing.T, name string, ok func(*v1.Pod) bool) *v1.Pod {
	t.Helper()
	var p *v1.Pod
	in, short := pods(name)
	if err := bed.Until(ctx, 30*time.Second, func() (err error) {
		p, err = in.Get(ctx, short, metav1.GetOptions{})
		if err == nil && !ok(p) {
			err = fmt.Errorf("pod %s: %+v", name, p.Status)
		}
		return err
	}); err != nil {
		t.Fatalf("%v; events:\n%s", err, events(name))
	}
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
	in, name := pods(name)
	text, err := in.GetLogs(name, &o).DoRaw(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// output runs a pod with a script to its end and returns what it wrote.
func output(t *testing.T, spec string) string {
	t.Helper()
	return outputOf(t, strings.ToLower(t.Name()), spec)
}

func outputOf(t *testing.T, name, spec string) string {
	t.Helper()
	bedtest.Apply(t, b, pod(name, spec))
	waitFor(t, name, terminated)
	return logs(t, name, v1.PodLogOptions{Container: "c"})
}

// pod is a manifest; spec is indented by two.
func pod(name, spec string) string {
	ns, name := split(name)
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name +
		", namespace: " + ns + ", labels: {app: test, pod: " + name + "}}\nspec:\n" + spec
}

func wantLines(t *testing.T, got string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains("\n"+got+"\n", "\n"+l+"\n") {
			t.Errorf("no line %q in:\n%s", l, got)
		}
	}
}

func remove(t *testing.T, name string, grace int64) {
	t.Helper()
	in, name := pods(name)
	if err := in.Delete(ctx, name,
		metav1.DeleteOptions{GracePeriodSeconds: &grace}); err != nil {
		t.Fatal(err)
	}
}

// events are what the kubelet told of a pod.
func events(name string) string {
	ns, name := split(name)
	l, err := b.Client.CoreV1().Events(ns).List(ctx, metav1.ListOptions{
		FieldSelector: "involvedObject.name=" + name})
	if err != nil {
		return err.Error()
	}
	var text strings.Builder
	for _, e := range l.Items {
		fmt.Fprintf(&text, "%s: %s\n", e.Reason, e.Message)
	}
	return text.String()
}

func waitGone(t *testing.T, name string) {
	t.Helper()
	in, name := pods(name)
	bedtest.Until(t, 30*time.Second, func() error {
		_, err := in.Get(ctx, name, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("pod %s is there: %v", name, err)
		}
		return nil
	})
}

// waitLog waits for a text in the log.
func waitLog(t *testing.T, name, text string) string {
	t.Helper()
	var got string
	bedtest.Until(t, 30*time.Second, func() error {
		in, name := pods(name)
		raw, err := in.GetLogs(name, &v1.PodLogOptions{}).DoRaw(ctx)
		got = string(raw)
		if err != nil {
			return err
		}
		if !strings.Contains(got, text) {
			return fmt.Errorf("no %q in the log of %s: %s", text, name,
				got[max(0, len(got)-4096):])
		}
		return nil
	})
	return got
}
