package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cluster is the program that util/cluster-build made, with a folder of its own.
func cluster(t *testing.T) (s *state, run func(args ...string) string) {
	t.Helper()
	out, err := filepath.Abs("../../../../../build/cluster")
	if err != nil {
		t.Fatal(err)
	}
	s = &state{dir: filepath.Join(t.TempDir(), "bed")}
	run = func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		c := exec.CommandContext(ctx, filepath.Join(out, "cluster"),
			append([]string{"-dir", s.dir}, args...)...)
		c.WaitDelay = time.Second // a child may keep the output open
		b, err := c.CombinedOutput()
		if strings.Contains(string(b), "# SKIP") && os.Getenv("CI") == "" {
			t.Skip(string(b))
		}
		if err != nil {
			t.Fatalf("%v: %v, %v\n%s", args, err, ctx.Err(), b)
		}
		return string(b)
	}
	t.Cleanup(func() { s.down() })
	return s, run
}

// family are a process and all that descend from it, each with its birth.
func family(t *testing.T, pid int) map[int]string {
	t.Helper()
	l, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]int{}
	for _, f := range l {
		var id, parent int
		var state string
		b, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		fmt.Sscan(filepath.Base(filepath.Dir(f)), &id)
		fmt.Sscan(rest, &state, &parent)
		children[parent] = append(children[parent], id)
	}
	found := map[int]string{}
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		found[queue[0]] = born(queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return found
}

// alive are those of a family that still run.
func alive(family map[int]string) (l []string) {
	for pid, at := range family {
		if at != "" && born(pid) == at {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			l = append(l, strings.TrimSpace(string(name)))
		}
	}
	return l
}

// up starts a cluster with a pod, and returns its processes.
func up(t *testing.T, s *state, run func(...string) string) map[int]string {
	t.Helper()
	if got := run("up"); !strings.Contains(got, "the cluster is up") {
		t.Fatal(got)
	}
	if got := run("kubectl", "get", "pods"); !strings.Contains(got, "web") {
		run("kubectl", "run", "web", "--image=backend")
		run("kubectl", "wait", "--for=condition=Ready", "pod/web",
			"--timeout=30s")
	}
	all := family(t, s.pid())
	l := strings.Join(alive(all), " ")
	for _, name := range []string{"etcd", "kube-apiserver",
		"kube-controller", "kube-proxy", "backend"} {
		if !strings.Contains(l, name) {
			t.Fatalf("no %s among %s", name, l)
		}
	}
	return all
}

func mounts(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDownLeavesNothing(t *testing.T) {
	before := mounts(t)
	s, run := cluster(t)
	all := up(t, s, run)
	pid := s.pid()
	up(t, s, run)
	if s.pid() != pid {
		t.Error("up twice made two clusters")
	}
	if got := run("kubectl", "auth", "whoami"); !strings.Contains(got, "admin") {
		t.Error(got)
	}
	if got := run("shell", "ip", "addr"); !strings.Contains(got, "10.244.0.1") {
		t.Error(got)
	}
	// what a shell leaves behind ends too
	run("shell", "sh", "-c", "sleep 600 >/dev/null 2>&1 &")
	for pid, at := range family(t, s.pid()) {
		all[pid] = at
	}
	if l := alive(all); !slices.Contains(l, "sleep") {
		t.Errorf("no sleep among %v", l)
	}
	run("down")
	if l := alive(all); len(l) > 0 {
		t.Errorf("%v outlived the cluster", l)
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Error("the folder is still there:", err)
	}
	if after := mounts(t); after != before {
		t.Errorf("mounts before:\n%safter:\n%s", before, after)
	}
	if got := run("status"); !strings.Contains(got, "no cluster runs") {
		t.Error(got)
	}
	run("down")
}

func TestKilledLeavesNoProcess(t *testing.T) {
	s, run := cluster(t)
	all := up(t, s, run)
	syscall.Kill(s.pid(), syscall.SIGKILL)
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		l := alive(all)
		if len(l) == 0 {
			break
		}
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("%v outlived the cluster", l)
		}
	}
	if got := run("status"); !strings.Contains(got, "no cluster runs") {
		t.Error(got)
	}
	up(t, s, run)
	run("down")
}
