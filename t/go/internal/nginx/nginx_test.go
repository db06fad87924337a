package nginx

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ngx_k8s_test/internal/poll"
)

// start starts a shell script in place of nginx: $2 is its folder.
func start(t *testing.T, script string, c Config) (*Process, error) {
	t.Helper()
	dir := t.TempDir()
	c.Binary = filepath.Join(dir, "nginx")
	c.Dir = filepath.Join(dir, "run")
	if err := os.WriteFile(c.Binary, []byte("#!/bin/sh\n"+script),
		0755); err != nil {
		t.Fatal(err)
	}
	p, err := Start(c)
	t.Cleanup(func() { _ = p.Stop() })
	return p, err
}

func started(t *testing.T, script string, c Config) *Process {
	t.Helper()
	p, err := start(t, script, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := poll.Until("it runs", patience, func() (bool, any) {
		return p.Logged("up\n") == 1, p.Tail(true)
	}); err != nil {
		t.Fatal(err)
	}
	return p
}

const serve = `: > "$2/error.log"; echo up >> "$2/error.log"
while :; do sleep 0.01; done`

func want(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%v, not %q", err, text)
	}
}

func TestStop(t *testing.T) {
	p := started(t, serve, Config{Wrap: []string{"sh", "-c",
		`WRAPPED=yes exec "$@"`, "sh"}})
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.Pid))
	if err != nil || !strings.Contains(string(b), "WRAPPED=yes") {
		t.Errorf("not wrapped: %v", err)
	}
	for range 2 {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}
	if !p.Ended() {
		t.Error("it runs on")
	}
}

func TestStopOfNone(t *testing.T) {
	var none *Process
	for _, p := range []*Process{none, {}} {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}
	p := &Process{}
	want(t, p.Signal(syscall.SIGTERM), "not started")
	want(t, p.Kill(0, syscall.SIGTERM), "no worker")
	want(t, p.Ends(0), "does not end")
	if _, err := p.Upgrade(); err == nil {
		t.Error("an upgrade of nothing")
	}
}

func TestEndsByItself(t *testing.T) {
	p, err := start(t, "exit 3", Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Ends(patience); err != nil {
		t.Fatal(err)
	}
	want(t, p.Stop(), "has ended by itself: exit status 3")
	want(t, p.Signal(syscall.SIGHUP), "already finished")
}

func TestEndedByTheTest(t *testing.T) {
	p := started(t, serve, Config{})
	if err := p.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	if err := p.Ends(patience); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func TestIgnoresSIGTERM(t *testing.T) {
	p := started(t, "trap '' TERM\n"+serve, Config{})
	want(t, p.Stop(), "did not end at SIGTERM")
	if !p.Ended() {
		t.Error("it runs on")
	}
}

// what a master does that is asked to write its pid, or to upgrade
const daemon = `[ -z "$AGAIN" ] || mv "$2/pid" "$2/pid.oldbin"
(
    trap 'AGAIN=1 sh "$0" "$@"' USR2
    sleep 0.05; sh -c 'echo $PPID' > "$2/pid"
    ` + serve + `
) &`

func TestDaemon(t *testing.T) {
	p := started(t, daemon, Config{Daemon: true})
	if p.Pid != p.PidFile("") || p.Pid == 0 || p.Ended() {
		t.Errorf("pid %d, in the file %d", p.Pid, p.PidFile(""))
	}
	n, err := p.Upgrade()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	if n.Pid == p.Pid || n.Dir != p.Dir || n.Ended() {
		t.Errorf("%d after %d", n.Pid, p.Pid)
	}
	// another one's child, then this one's
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if err := n.Kill(n.Pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	if err := n.Ends(patience); err != nil {
		t.Error(err)
	}
	want(t, n.Stop(), "by itself")
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", n.Pid)); err == nil {
		t.Error("it is not reaped")
	}
}

func TestDaemonFails(t *testing.T) {
	_, err := start(t, "echo why; exit 1", Config{Daemon: true})
	want(t, err, "exit status 1: why")
	p, err := start(t, `sh -c 'while :; do sleep 0.01; done' "$6" &
echo $! > "$2/lost"`, Config{Daemon: true})
	want(t, err, "not seen: the pid file")
	lost := pids(p.Dir + "/lost")
	if len(lost) != 1 {
		t.Fatal(lost)
	}
	if _, err := poll.Until("its end", patience, func() (bool, any) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", lost[0]))
		return err != nil || len(b) == 0, string(b)
	}); err != nil {
		t.Error(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func TestAlarms(t *testing.T) {
	p := started(t, serve, Config{})
	add := func(file, text string) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(p.Dir, file),
			os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0644)
		if err == nil {
			_, err = f.WriteString(text + "\n")
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	p.deeds.killed[7] = syscall.SIGKILL
	p.deeds.killed[8] = syscall.SIGSEGV
	segv := fmt.Sprintf("SEGV on unknown address 0x%012x (pc", os.Getpid())
	add("error.log", "[error] no route\n[alert] worker process 7 exited on signal 9")
	add("asan.8", segv)
	if a := p.Alarms(); a != "" {
		t.Error(a)
	}
	lines := []string{"[alert] worker process 70 exited on signal 9",
		"[alert] open socket #3 left in connection 4", "[alert] aborting",
		"[crit] c", "[emerg] e", "SEGV on unknown address 0x000000000000 (pc",
		segv + " of 7"}
	for _, l := range lines[:5] {
		add("error.log", l)
	}
	add("asan.9", lines[5])
	add("asan.7", lines[6])
	add("asan.8", "runtime error: overflow")
	a := p.Alarms()
	for _, l := range append(lines, "runtime error: overflow") {
		if !strings.Contains(a, l) {
			t.Errorf("%q is no alarm among:\n%s", l, a)
		}
	}
}

func TestSameTable(t *testing.T) {
	n := 0
	text, err := SameTable(patience, func() string { n++; return "ab"[:min(n, 2)] },
		func() string { return "ab" })
	if text != "ab" || err != nil {
		t.Error(text, err)
	}
	_, err = SameTable(0, func() string { return "same one" },
		func() string { return "same" })
	want(t, err, "same one\nand fresh:\nsame")
}
