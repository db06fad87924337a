package kubelet_test

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ngx_k8s_test/cluster/bed/bedtest"
)

func TestLogs(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, pod("logs", `
  terminationGracePeriodSeconds: 1
  volumes: [{name: v, emptyDir: {}}]
  containers:
  - name: c
    image: sh
    args: ["for i in 1 2 3; do echo line $i; done; head -c 60000 /dev/zero | tr '\\0' x; echo; sleep 2; echo late; exec sleep 1000"]
`))
	waitFor(t, "logs", ready)
	var got []string
	for line := range follow(t, "logs") {
		got = append(got, line)
		if line == "late" {
			break
		}
	}
	if len(got) != 5 || got[0] != "line 1" || len(got[3]) != 60000 {
		t.Errorf("%d lines, begin %q", len(got), got[:min(3, len(got))])
	}
	get := func(o v1.PodLogOptions) string { return logs(t, "logs", o) }
	one := int64(1)
	if got := get(v1.PodLogOptions{TailLines: &one}); got != "late\n" {
		t.Errorf("the last line: %q", got)
	}
	got = strings.Split(get(v1.PodLogOptions{Timestamps: true}), "\n")
	stamp, text, _ := strings.Cut(got[0], " ")
	if _, err := time.Parse(time.RFC3339Nano, stamp); err != nil ||
		text != "line 1" {
		t.Errorf("with a time: %q", got[0])
	}
	six := int64(6)
	if got := get(v1.PodLogOptions{LimitBytes: &six}); got != "line 1" {
		t.Errorf("six bytes: %q", got)
	}
	if got := get(v1.PodLogOptions{SinceSeconds: &one}); strings.Contains(got,
		"line") {
		t.Errorf("the last second: %q", got)
	}
	var late string
	for _, l := range got {
		if strings.HasSuffix(l, " late") {
			late, _, _ = strings.Cut(l, " ")
		}
	}
	at, err := time.Parse(time.RFC3339Nano, late)
	if err != nil {
		t.Fatal(err)
	}
	since := metav1.NewTime(at)
	if got := get(v1.PodLogOptions{SinceTime: &since}); got != "late\n" {
		t.Errorf("since %s: %q", late, got)
	}
	in, name := pods("logs")
	if _, err := in.GetLogs(name, &v1.PodLogOptions{Previous: true}).
		DoRaw(ctx); err == nil {
		t.Error("a log of a run that never was")
	}
	remove(t, "logs", 1)
	waitGone(t, "logs")
}

// kubectl runs it as the administrator.
func kubectl(t *testing.T, in string, args ...string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, filepath.Join(bin, "kubectl"), args...)
	c.WaitDelay = time.Second
	c.Env = []string{"KUBECONFIG=" + b.Plane.Kubeconfig(), "HOME=" + t.TempDir()}
	c.Stdin = strings.NewReader(in)
	out, err := c.CombinedOutput()
	if c.ProcessState == nil || ctx.Err() != nil {
		t.Fatalf("kubectl %v: %v, %v\n%s", args, err, ctx.Err(), out)
	}
	return string(out), c.ProcessState.ExitCode()
}

func TestKubectl(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, pod("kubectl", `
  terminationGracePeriodSeconds: 1
  containers:
  - {name: c, image: user, args: ["echo hello; exec sleep 1000"]}
`))
	waitFor(t, "kubectl", ready)
	waitLog(t, "kubectl", "hello")
	if got, code := kubectl(t, "", "logs", "kubectl"); got != "hello\n" ||
		code != 0 {
		t.Errorf("logs: %q, %d", got, code)
	}
	got, code := kubectl(t, "text", "exec", "-i", "kubectl", "--", "sh", "-c",
		"cat; echo; id -u; hostname; echo error >&2; exit 7")
	for _, want := range []string{"text\n", "101\n", "kubectl\n", "error\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("exec: no %q in %q", want, got)
		}
	}
	if code != 7 {
		t.Errorf("exec ended with %d: %s", code, got)
	}
	var out bytes.Buffer
	code, err := b.Kubelet.Exec(ctx, "default", "kubectl", "", nil, &out, &out,
		"sh", "-c", "grep NSpid /proc/self/status; exit 3")
	if err != nil || code != 3 || !strings.HasPrefix(out.String(), "NSpid:") {
		t.Errorf("Exec: %q, %d, %v", out.String(), code, err)
	}
	remove(t, "kubectl", 1)
	waitGone(t, "kubectl")
}
