package proc

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// state is the letter in /proc/PID/stat, "" without the process.
func state(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

func find(t *testing.T, pid int) *os.Process {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestChild(t *testing.T) {
	c := exec.Command("sleep", "100")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pid := c.Process.Pid
	p := find(t, pid)
	if err := Wait(p, 20*time.Millisecond); err == nil ||
		!strings.Contains(err.Error(), "does not end in 20ms") {
		t.Error(err)
	}
	_ = p.Signal(syscall.SIGKILL)
	if err := Wait(p, 10*time.Second); err != nil {
		t.Error(err)
	}
	if s := state(pid); s != "" {
		t.Errorf("it is left in state %s", s)
	}
	if err := Wait(p, 0); err != nil {
		t.Error("again:", err)
	}
	if err := Wait(find(t, pid), 0); err != nil {
		t.Error("found anew:", err)
	}
	_ = c.Wait()
}

// a process whose parent is another one, and that is left to this one
func TestGrandchild(t *testing.T) {
	if err := Adopt(); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("sh", "-c", "sleep 100 >/dev/null & echo $!; read x")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	p := find(t, pid)
	_ = p.Signal(syscall.SIGKILL)
	// nobody reaps it yet
	if err := Wait(p, 10*time.Second); err != nil {
		t.Error(err)
	}
	_, _ = io.WriteString(in, "x\n")
	if err := c.Wait(); err != nil {
		t.Error(err)
	}

	c = exec.Command("sh", "-c", "sleep 100 >/dev/null 2>&1 & echo $!")
	b, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(b), &pid); err != nil {
		t.Fatal(err)
	}
	p = find(t, pid)
	_ = p.Signal(syscall.SIGKILL)
	if err := Wait(p, 10*time.Second); err != nil {
		t.Error(err)
	}
	if s := state(pid); s != "" {
		t.Errorf("the orphan is left in state %s", s)
	}
}
