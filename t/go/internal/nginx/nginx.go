// Package nginx runs an nginx as a child of a test, and tells what it did wrong.
package nginx

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"ngx_k8s_test/internal/poll"
	"ngx_k8s_test/internal/proc"
)

// patience is how long a process may take to do what it is told.
const patience = 10 * time.Second

// Config of a process.
type Config struct {
	Binary string
	Dir    string   // of nginx.conf, logs, output and reports of sanitizers
	Conf   string   // text of nginx.conf, with the "daemon" of Daemon
	Env    []string // beside this process' own
	Wrap   []string // a command that becomes the one that follows it
	Daemon bool     // it leaves its parent, as Upgrade needs; "pid DIR/pid"
}

// Process is a running nginx.  That of no started one can be stopped too.
type Process struct {
	Dir  string
	Pid  int           // of the master
	Dead chan struct{} // closed when the master has ended

	master *os.Process
	deeds  *deeds
	mu     sync.Mutex
	over   bool   // the master was told to end
	how    string // it ended, where that is known
}

// deeds are what the test has done to the processes of a folder.
type deeds struct {
	mu     sync.Mutex
	killed map[int]syscall.Signal // workers
}

// Start starts one; it is not yet ready.
func Start(c Config) (*Process, error) {
	if err := os.MkdirAll(c.Dir, 0755); err != nil {
		return nil, err
	}
	conf := filepath.Join(c.Dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(c.Conf), 0644); err != nil {
		return nil, err
	}
	out, err := os.Create(filepath.Join(c.Dir, "output"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	args := append(append([]string{}, c.Wrap...), c.Binary, "-p", c.Dir, "-e",
		c.Dir+"/error.log", "-c", conf)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(append(os.Environ(), "ASAN_OPTIONS=detect_leaks=0:"+
		"verify_asan_link_order=0:abort_on_error=1:log_path="+c.Dir+"/asan",
		"UBSAN_OPTIONS=print_stacktrace=1:log_path="+c.Dir+"/asan"), c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	p := &Process{Dir: c.Dir, Dead: make(chan struct{}),
		deeds: &deeds{killed: map[int]syscall.Signal{}}}
	if c.Daemon {
		return p, p.daemon(cmd)
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.Pid, p.master = cmd.Process.Pid, cmd.Process
	go func() {
		_ = cmd.Wait()
		p.how = ": " + cmd.ProcessState.String()
		close(p.Dead)
	}()
	return p, nil
}

// daemon starts one that leaves its parent.  The pid file is written after the
// parent has ended.
func (p *Process) daemon(cmd *exec.Cmd) error {
	if err := proc.Adopt(); err != nil {
		return err
	}
	_ = os.Remove(p.Dir + "/pid")
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var err error
	select {
	case err = <-ended:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		err = fmt.Errorf("no daemon in %v", patience)
	}
	if err == nil {
		_, err = poll.Until("the pid file of the daemon", patience,
			func() (bool, any) { return p.PidFile("") > 0, nil })
	}
	if err != nil {
		p.orphans()
		return fmt.Errorf("nginx ended: %w: %s", err,
			strings.Join(p.Tail(true), "\n"))
	}
	return p.follow(p.PidFile(""))
}

// orphans ends the daemon whose pid is not known.
func (p *Process) orphans() {
	l, _ := filepath.Glob("/proc/self/task/*/children")
	for _, f := range l {
		for _, pid := range pids(f) {
			b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if strings.Contains(string(b), p.Dir+"/nginx.conf") {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// follow makes p that of a master that this process has not started itself.
func (p *Process) follow(pid int) error {
	master, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	p.Pid, p.master = pid, master
	go func() {
		const day = 24 * time.Hour // more than any test
		_ = proc.Wait(master, day)
		close(p.Dead)
	}()
	return nil
}

// Upgrade starts a new master from this one, a daemon, by SIGUSR2.  Both have
// the same folder, logs and alarms.
func (p *Process) Upgrade() (*Process, error) {
	if pid := p.PidFile(""); pid != p.Pid {
		return nil, fmt.Errorf("the pid file says %d, not %d", pid, p.Pid)
	}
	if err := p.Signal(syscall.SIGUSR2); err != nil {
		return nil, err
	}
	n := &Process{Dir: p.Dir, Dead: make(chan struct{}), deeds: p.deeds}
	pid := 0
	_, err := poll.Until("a new master", patience, func() (bool, any) {
		pid = p.PidFile("")
		old := p.PidFile(".oldbin")
		return pid > 0 && pid != p.Pid && old == p.Pid, fmt.Sprintf(
			"%d in the pid file, %d in that of the old one", pid, old)
	})
	if err != nil {
		return nil, err
	}
	return n, n.follow(pid)
}

// Ended tells whether the master has.
func (p *Process) Ended() bool {
	select {
	case <-p.Dead:
		return true
	default:
		return false
	}
}

// Ends waits for the master's end.
func (p *Process) Ends(limit time.Duration) error {
	select {
	case <-p.Dead:
		return nil
	case <-time.After(limit):
		return fmt.Errorf("nginx %d does not end in %v", p.Pid, limit)
	}
}

// Signal sends the master one.  Its end by one that ends it is then no error.
func (p *Process) Signal(sig syscall.Signal) error {
	if p.master == nil {
		return errors.New("nginx was not started")
	}
	switch sig {
	case syscall.SIGINT, syscall.SIGKILL, syscall.SIGQUIT, syscall.SIGTERM:
		p.mu.Lock()
		p.over = true
		p.mu.Unlock()
	}
	return p.master.Signal(sig)
}

// Stop ends it by SIGTERM, and by SIGKILL after 10 seconds, which is an error,
// as it is if it has ended without being told to.  It returns in any case.
func (p *Process) Stop() error {
	if p == nil || p.master == nil {
		return nil
	}
	if p.Ended() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.over {
			return nil
		}
		return fmt.Errorf("nginx has ended by itself%s", p.how)
	}
	workers := p.Children()
	_ = p.Signal(syscall.SIGTERM)
	if p.Ends(patience) == nil {
		return nil
	}
	_ = p.Signal(syscall.SIGKILL)
	for _, w := range workers {
		_ = syscall.Kill(w, syscall.SIGKILL)
	}
	return errors.Join(errors.New("nginx did not end at SIGTERM"),
		p.Ends(patience))
}

// Kill sends a worker a signal; its end by it is then no alarm.
func (p *Process) Kill(pid int, sig syscall.Signal) error {
	if pid <= 0 {
		return fmt.Errorf("%d is no worker", pid)
	}
	p.deeds.mu.Lock()
	p.deeds.killed[pid] = sig
	p.deeds.mu.Unlock()
	return syscall.Kill(pid, sig)
}

// PidFile is what the pid file says whose name ends so: "", or ".oldbin" while
// there is a new master; 0 without one.
func (p *Process) PidFile(suffix string) int {
	b, _ := os.ReadFile(p.Dir + "/pid" + suffix)
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

// Children are the pids of the workers, those that are leaving as well.
func (p *Process) Children() []int {
	return pids(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.Pid))
}

// Workers are the pids of those that take requests.
func (p *Process) Workers() []int {
	var l []int
	for _, pid := range p.Children() {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.Contains(string(b), "worker process") &&
			!strings.Contains(string(b), "shutting down") {
			l = append(l, pid)
		}
	}
	return l
}

// pids are the numbers in a file.
func pids(file string) []int {
	b, _ := os.ReadFile(file)
	var l []int
	for _, f := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(f); err == nil {
			l = append(l, n)
		}
	}
	return l
}
