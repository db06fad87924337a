package netns

import (
	"os/exec"
	"syscall"
	"testing"
)

// TestThreads: a process that asks for a signal at its parent's death gets none
// because a namespace was made, by whatever thread of the parent.
func TestThreads(t *testing.T) {
	for range 30 {
		c := exec.Command("sleep", "60")
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := c.Process.Signal(syscall.Signal(0)); err != nil {
				t.Error("a process has ended:", err)
			}
			_ = c.Process.Kill()
		}()
		go func() { _ = c.Wait() }()
		f, err := newNamespace()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
}
