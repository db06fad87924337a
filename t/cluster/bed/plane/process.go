package plane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"ngx_k8s_test/internal/poll"
)

// process is one run of a program.
type process struct {
	cmd  *exec.Cmd
	log  string
	from int64         // where its part of the log begins
	done chan struct{} // closed at its end
	err  error         // its exit status, when done
}

func start(program string, args []string, log string) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	at, err := f.Seek(0, 2)
	if err != nil {
		return nil, err
	}
	x := &process{cmd: exec.Command(program, args...), log: log, from: at,
		done: make(chan struct{})}
	x.cmd.Stdout, x.cmd.Stderr = f, f
	if err := x.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		x.err = x.cmd.Wait()
		close(x.done)
	}()
	return x, nil
}

// stop sends SIGTERM, and SIGKILL to what is still there 20 seconds later.
func (x *process) stop() error {
	x.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-x.done:
		return nil
	case <-time.After(20 * time.Second):
		return errors.Join(fmt.Errorf("%s did not end by SIGTERM", x.cmd.Path),
			x.kill())
	}
}

func (x *process) kill() error {
	x.cmd.Process.Kill()
	select {
	case <-x.done:
		return nil
	case <-time.After(20 * time.Second):
		return fmt.Errorf("%s did not end by SIGKILL", x.cmd.Path)
	}
}

// freeze returns when no thread of the process runs any more.
func (x *process) freeze() error {
	if err := x.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	_, err := poll.Until(x.cmd.Path+" stands still", 5*time.Second,
		func() (bool, any) { return x.still(), nil })
	if err != nil {
		x.thaw()
	}
	return err
}

// still tells whether all threads of the process are stopped.
func (x *process) still() bool {
	l, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat",
		x.cmd.Process.Pid))
	for _, f := range l {
		b, err := os.ReadFile(f)
		if os.IsNotExist(err) {
			continue // a thread that has ended
		}
		if _, state, ok := bytes.Cut(b, []byte(") ")); !ok || state[0] != 'T' {
			return false
		}
	}
	return len(l) > 0
}

func (x *process) thaw() { x.cmd.Process.Signal(syscall.SIGCONT) }

// tail is the end of what this run wrote, for error messages.
func (x *process) tail() string {
	b, err := os.ReadFile(x.log)
	if err != nil || int64(len(b)) < x.from {
		return ""
	}
	b = b[x.from:]
	if len(b) > 2000 {
		b = b[len(b)-2000:]
	}
	return "\n" + string(b)
}

func get(ctx context.Context, url string) error {
	q, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	r.Body.Close()
	if r.StatusCode != 200 {
		return fmt.Errorf("%s: %s", url, r.Status)
	}
	return nil
}
