package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
		c := exec.Command(filepath.Join(out, "cluster"),
			append([]string{"-dir", s.dir}, args...)...)
		b, err := c.CombinedOutput()
		if strings.Contains(string(b), "# SKIP") && os.Getenv("CI") == "" {
			t.Skip(string(b))
		}
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, b)
		}
		return string(b)
	}
	t.Cleanup(func() { s.down() })
	return s, run
}

// members are the processes in a network namespace, as seen from outside.
func members(t *testing.T, namespace string) []string {
	t.Helper()
	l, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range l {
		if n, err := os.Readlink(f); err == nil && n == namespace {
			found = append(found, f)
		}
	}
	return found
}

func up(t *testing.T, s *state, run func(...string) string) (space string) {
	t.Helper()
	if got := run("up"); !strings.Contains(got, "the cluster is up") {
		t.Fatal(got)
	}
	pid, err := child(s.pid())
	if err != nil {
		t.Fatal(err)
	}
	if space, err = os.Readlink(fmt.Sprintf("/proc/%s/ns/net",
		pid)); err != nil {
		t.Fatal(err)
	}
	// the first process, the cluster, and its programs
	if l := members(t, space); len(l) < 5 {
		t.Fatalf("only %v are in the cluster", l)
	}
	return space
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
	space := up(t, s, run)
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
	run("down")
	if l := members(t, space); len(l) > 0 {
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
	space := up(t, s, run)
	syscall.Kill(s.pid(), syscall.SIGKILL)
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		l := members(t, space)
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
