package nginx

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

var exited = regexp.MustCompile(`worker process (\d+) exited on signal \d+`)

// Alarms are lines of the log that must not be there, and reports of
// sanitizers; "": none.  The end of a worker that the test has killed is none.
func (p *Process) Alarms() string {
	p.deeds.mu.Lock()
	defer p.deeds.mu.Unlock()
	var bad []string
	f, err := os.Open(p.Dir + "/error.log")
	if err != nil {
		bad = append(bad, err.Error())
	} else {
		s := bufio.NewScanner(f)
		s.Buffer(make([]byte, 1<<20), 1<<20)
		for s.Scan() && len(bad) < 10 {
			if l := s.Text(); isAlarm(l) && !p.deeds.excuse(l) {
				bad = append(bad, l)
			}
		}
		if err := s.Err(); err != nil {
			bad = append(bad, err.Error())
		}
		_ = f.Close()
	}
	reports, _ := filepath.Glob(p.Dir + "/asan*")
	for _, r := range reports {
		b, _ := os.ReadFile(r)
		if p.deeds.excuseReport(filepath.Base(r), string(b)) {
			continue
		}
		bad = append(bad, string(b[:min(len(b), 3000)]))
	}
	return strings.Join(bad, "\n")
}

func isAlarm(line string) bool {
	return strings.Contains(line, "[alert]") ||
		strings.Contains(line, "[emerg]") || strings.Contains(line, "[crit]")
}

// excuse tells whether a line is about a worker that the test has killed.
func (d *deeds) excuse(line string) bool {
	m := exited.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	pid, _ := strconv.Atoi(m[1])
	return d.killed[pid] != 0
}

// excuseReport tells whether a sanitizer's report, of a file named asan.PID, is
// about nothing but a SIGSEGV that the test has sent: where an address would
// be stands the sender's pid.
func (d *deeds) excuseReport(name, text string) bool {
	pid, _ := strconv.Atoi(strings.TrimPrefix(name, "asan."))
	return d.killed[pid] == syscall.SIGSEGV && strings.Contains(text,
		fmt.Sprintf("SEGV on unknown address 0x%012x ", os.Getpid())) &&
		!strings.Contains(text, "runtime error:")
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
