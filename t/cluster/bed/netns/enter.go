// Package netns is the network of a test bed: namespaces of its own, in which
// a program runs itself again, and one network namespace for each pod.
//
// The node is the network namespace that Enter makes.  It has no way to the
// outside: what goes there is lost.  Its addresses are on the bridge br0, on
// which nobody else is: every pod is joined to the node by a pair of interfaces
// and a route of its own, so that all that pods send passes the node, and with
// it the rules of kube-proxy in both directions.  Who calls an address that no
// pod has waits for an answer to ARP, as in a cluster.
package netns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Node is the first address of the node, and where pods send what they send.
const Node = "10.244.0.1"

// stage says in the environment how far Enter has come.
const stage = "NGX_K8S_BED_STAGE"

const (
	mapped = "mapped" // root, or made root by a user namespace
	isInit = "init"   // process 1 of the new namespaces
	inside = "inside" // the program itself
)

// Enter runs this program again, with the same arguments, as root in network,
// mount and process namespaces of its own, and returns in that run only.  The
// first run waits for it, hands on signals, and ends with its exit status; all
// processes of the bed die with it.  Without root a user namespace is used.
// Where neither is to be had it calls Skip.
func Enter() {
	var err error
	switch os.Getenv(stage) {
	case "":
		if os.Geteuid() == 0 {
			err = start()
		} else {
			err = becomeRoot()
		}
	case mapped:
		err = start()
	case isInit:
		err = reap()
	case inside:
		os.Unsetenv(stage)
		if err = prepare(); err == nil {
			return
		}
		fmt.Fprintln(os.Stderr, "netns:", err)
		os.Exit(1)
	}
	Skip(err.Error())
}

// Skip ends the program because the machine cannot run a bed.  It says so in
// TAP.  Where CI is set that is a failure.
func Skip(reason string) {
	fmt.Println("1..0 # SKIP", reason)
	if os.Getenv("CI") != "" {
		fmt.Println("0 passed, 1 failed (a skip, where CI is set)")
		os.Exit(1)
	}
	fmt.Println("0 passed, 0 failed, 1 skipped")
	os.Exit(0)
}

// becomeRoot replaces this process by a run of the program in a user namespace
// that has all the user ids that the system gives to this user.
func becomeRoot() error {
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return err
	}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		return errors.New("neither root nor newuidmap (package uidmap)")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"unshare", "--user", "--map-root-user", "--map-auto"}
	if out, err := exec.Command(unshare, append(args[1:], "--net", "true")...).
		CombinedOutput(); err != nil {
		return fmt.Errorf("no user namespace: %s",
			strings.TrimSpace(string(out)))
	}
	args = append(args, self)
	return syscall.Exec(unshare, append(args, os.Args[1:]...),
		append(os.Environ(), stage+"="+mapped))
}

// start runs process 1 of the new namespaces and ends with it.  It returns only
// if the namespaces are not to be had.
func start() error {
	runtime.LockOSThread() // Pdeathsig is about this thread
	c := self(isInit)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS |
			syscall.CLONE_NEWPID}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if err := c.Start(); err != nil {
		return fmt.Errorf("no right to make namespaces: %w", err)
	}
	go func() {
		for s := range signals {
			c.Process.Signal(s)
		}
	}()
	os.Exit(status(c.Wait()))
	return nil
}

// reap is process 1: it starts the program, hands on signals and collects
// every process that loses its parent.
func reap() error {
	runtime.LockOSThread()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if err := mounts(); err != nil {
		return err
	}
	c := self(inside)
	if err := c.Start(); err != nil {
		return err
	}
	go func() {
		for s := range signals {
			c.Process.Signal(s)
		}
	}()
	for {
		var w syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &w, 0, nil)
		if err == nil && pid == c.Process.Pid {
			if w.Signaled() {
				os.Exit(128 + int(w.Signal()))
			}
			os.Exit(w.ExitStatus())
		}
	}
}

func self(next string) *exec.Cmd {
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Args[0] = os.Args[0]
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Env = append(os.Environ(), stage+"="+next)
	return c
}

func status(err error) int {
	var x *exec.ExitError
	if errors.As(err, &x) {
		if x.ExitCode() < 0 {
			return 128 + int(x.Sys().(syscall.WaitStatus).Signal())
		}
		return x.ExitCode()
	}
	if err != nil {
		return 1
	}
	return 0
}

// mounts makes /proc show the new processes, and /run a place of this bed.
func mounts() error {
	for _, m := range []struct{ from, to, kind, data string }{
		{"", "/", "", ""},
		{"proc", "/proc", "proc", ""},
		{"tmpfs", "/run", "tmpfs", "mode=755"}} {
		flags := uintptr(0)
		if m.kind == "" {
			flags = syscall.MS_REC | syscall.MS_PRIVATE
		}
		if err := syscall.Mount(m.from, m.to, m.kind, flags,
			m.data); err != nil {
			return fmt.Errorf("mount %s: %w", m.to, err)
		}
	}
	return nil
}

// prepare sets up the node.
func prepare() error {
	// nft and others, which are not in every user's PATH
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	if err := IP("link set lo up", "link add br0 type bridge",
		"addr add "+Node+"/16 dev br0", "link set br0 up",
		"route add default dev br0 src "+Node); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"ip_forward": "1", "conf/all/rp_filter": "0",
		"conf/default/rp_filter": "0", "conf/all/send_redirects": "0",
		"conf/default/send_redirects": "0"} {
		if err := sysctl(name, value); err != nil {
			return err
		}
	}
	return nil
}

// sysctl sets a value of the network namespace of the calling thread.
func sysctl(name, value string) error {
	return os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0)
}

// Address gives the node one more address, as 10.244.0.2.
func Address(ip string) error { return IP("addr replace " + ip + "/32 dev br0") }

// Resolver makes a DNS server, and the names of the namespace "default" before
// others, those of the node's programs that start from now on.
func Resolver(address string) error {
	const file = "/run/resolv.conf"
	if err := os.WriteFile(file, []byte("nameserver "+address+
		"\nsearch default.svc.cluster.local svc.cluster.local cluster.local"+
		"\noptions ndots:5\n"), 0o644); err != nil {
		return err
	}
	// a link may lead to /run, which is empty here
	to, err := os.Readlink("/etc/resolv.conf")
	if err != nil {
		to = "/etc/resolv.conf"
	} else if !filepath.IsAbs(to) {
		to = filepath.Join("/etc", to)
	}
	if strings.HasPrefix(to, "/run/") {
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.Symlink(file, to)
	}
	if _, err := os.Stat(to); err != nil {
		return nil // a machine without one
	}
	return syscall.Mount(file, to, "", syscall.MS_BIND, "")
}

// IP runs the lines of a batch by ip(8) in the network namespace of the
// calling thread.
func IP(lines ...string) error {
	c := exec.Command("ip", "-batch", "-")
	c.Stdin = strings.NewReader(strings.Join(lines, "\n"))
	return run(c, lines)
}

func run(c *exec.Cmd, lines []string) error {
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %s%w", strings.Join(lines, "; "), out, err)
	}
	return nil
}
