// Package netns is for programs that need a network of their own.
package netns

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

const inside = "K8S_TEST_INSIDE"

// Inside tells whether this is the run that Again has started.
func Inside() bool { return os.Getenv(inside) != "" }

// Again runs this program again as root in network and mount namespaces of its
// own, and returns the exit status.  Where that is not allowed it prints TAP of
// a skip.
func Again() int {
	runtime.LockOSThread() // Pdeathsig is about this thread
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), inside+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL}
	if os.Getuid() != 0 {
		c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0,
			HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0,
			HostID: os.Getgid(), Size: 1}}
	}
	err := c.Run()
	if x, ok := err.(*exec.ExitError); ok {
		return x.ExitCode()
	}
	if err != nil {
		fmt.Printf("1..0 # skip no right to make a network namespace: %v\n", err)
		fmt.Println("0 passed, 0 failed, 1 skipped")
	}
	return 0
}

// Prepare sets up the loopback, makes all of these networks local, and keeps
// mounts inside.
func Prepare(networks ...string) error {
	commands := []string{"link set lo up"}
	for _, n := range networks {
		commands = append(commands, "route add local "+n+" dev lo")
	}
	for _, c := range commands {
		if out, err := exec.Command("ip",
			strings.Fields(c)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", c, err, out)
		}
	}
	return syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
}
