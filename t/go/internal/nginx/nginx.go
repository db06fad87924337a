// Package nginx runs an nginx as a child of a test.
package nginx

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Config of a process.
type Config struct {
	Binary string
	Dir    string   // of nginx.conf, error.log, output and reports of sanitizers
	Conf   string   // text of nginx.conf, which must say "daemon off"
	Env    []string // beside this process' own
}

// Process is a running nginx.
type Process struct {
	Dir  string
	Cmd  *exec.Cmd
	Dead chan struct{} // closed when it has ended

	mu      sync.Mutex
	killed  map[string]bool
	stopped bool // by Stop
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
	p := &Process{Dir: c.Dir, Dead: make(chan struct{}),
		killed: map[string]bool{}}
	p.Cmd = exec.Command(c.Binary, "-p", c.Dir, "-e", c.Dir+"/error.log", "-c",
		conf)
	p.Cmd.Stdout, p.Cmd.Stderr = out, out
	p.Cmd.Env = append(append(os.Environ(), "ASAN_OPTIONS=detect_leaks=0:"+
		"abort_on_error=1:log_path="+c.Dir+"/asan", "UBSAN_OPTIONS="+
		"print_stacktrace=1:log_path="+c.Dir+"/asan"), c.Env...)
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := p.Cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.Cmd.Wait()
		close(p.Dead)
	}()
	return p, nil
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

// Stop ends it by SIGTERM, and by SIGKILL after 10 seconds, which is an error,
// as it is if it has ended by itself.
func (p *Process) Stop() error {
	p.mu.Lock()
	again := p.stopped
	p.stopped = true
	p.mu.Unlock()
	if p.Ended() {
		if again {
			return nil
		}
		return fmt.Errorf("nginx has ended by itself: %s", p.Cmd.ProcessState)
	}
	workers := p.Children()
	_ = p.Cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.Dead:
		return nil
	case <-time.After(10 * time.Second):
	}
	_ = p.Cmd.Process.Kill()
	<-p.Dead
	for _, w := range workers {
		_ = syscall.Kill(w, syscall.SIGKILL)
	}
	return fmt.Errorf("nginx did not end at SIGTERM")
}

// Kill sends a worker a signal; its end by it is then no alarm.
func (p *Process) Kill(pid int, sig syscall.Signal) error {
	p.mu.Lock()
	p.killed[strconv.Itoa(pid)] = true
	p.mu.Unlock()
	return syscall.Kill(pid, sig)
}

var exited = regexp.MustCompile(`worker process (\d+) exited on signal \d+`)

// what a worker says that is ended while connections are open
var left = regexp.MustCompile(`open socket #\d+ left in connection|aborting$`)

// Alarms are lines of the log that must not be there, and reports of
// sanitizers; "": none.
func (p *Process) Alarms() string {
	var bad []string
	f, err := os.Open(p.Dir + "/error.log")
	if err != nil {
		bad = append(bad, err.Error())
	} else {
		s := bufio.NewScanner(f)
		s.Buffer(make([]byte, 1<<20), 1<<20)
		for s.Scan() && len(bad) < 10 {
			l := s.Text()
			if !strings.Contains(l, "[alert]") &&
				!strings.Contains(l, "[emerg]") &&
				!strings.Contains(l, "[crit]") || left.MatchString(l) {
				continue
			}
			m := exited.FindStringSubmatch(l)
			p.mu.Lock()
			ours := m != nil && p.killed[m[1]]
			p.mu.Unlock()
			if !ours {
				bad = append(bad, l)
			}
		}
		_ = f.Close()
	}
	reports, _ := filepath.Glob(p.Dir + "/asan*")
	for _, r := range reports {
		b, _ := os.ReadFile(r)
		if len(b) > 3000 {
			b = b[:3000]
		}
		bad = append(bad, string(b))
	}
	return strings.Join(bad, "\n")
}

// Tail is the end of its output and log, or all of both.
func (p *Process) Tail(whole bool) []string {
	b, _ := os.ReadFile(p.Dir + "/output")
	c, _ := os.ReadFile(p.Dir + "/error.log")
	l := strings.Split(strings.TrimSpace(string(b)+string(c)), "\n")
	if len(l) > 30 && !whole {
		l = l[len(l)-30:]
	}
	return l
}

// Logged counts how often the log has a text.
func (p *Process) Logged(text string) int {
	c, _ := os.ReadFile(p.Dir + "/error.log")
	return strings.Count(string(c), text)
}

// Children are the pids of the workers, those that are leaving as well.
func (p *Process) Children() []int {
	pid := p.Cmd.Process.Pid
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var l []int
	for _, f := range strings.Fields(string(b)) {
		n, _ := strconv.Atoi(f)
		l = append(l, n)
	}
	return l
}
