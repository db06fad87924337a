package kubelet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ngx_k8s_test/cluster/kubelet/podinit"
)

// run is one run of a container: a process that is the first of its process
// namespace, so that all others end with it.
type run struct {
	c          *container
	number     int
	previous   *run
	spec       *podinit.Spec
	message    string // file of the termination message
	stopSignal syscall.Signal
	start      time.Time
	done       chan struct{} // closed when it has ended and all is read
	err        error         // it did not start
	cmd        *exec.Cmd
	log        *logFile
}

// command is the init step with this spec, to be started by p.start.
func command(ctx context.Context, s *podinit.Spec, files ...*os.File) (
	start func() error, cmd *exec.Cmd, err error) {
	spec, specW, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	fail, failW, err := os.Pipe()
	if err != nil {
		spec.Close()
		specW.Close()
		return nil, nil, err
	}
	cmd = exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{podinit.Name}
	cmd.ExtraFiles = append([]*os.File{spec, failW}, files...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	start = func() error {
		err := cmd.Start()
		spec.Close()
		failW.Close()
		if err == nil {
			err = json.NewEncoder(specW).Encode(s)
		}
		specW.Close()
		defer fail.Close()
		if err != nil {
			return err
		}
		if text, _ := io.ReadAll(fail); len(text) > 0 {
			return errors.New(string(text))
		}
		return nil
	}
	return start, cmd, nil
}

// inside calls f on a thread in the pod's network namespace.
func (p *pod) inside(f func() error) error {
	p.mu.Lock()
	net, ip := p.net, p.ip
	p.mu.Unlock()
	if net != nil {
		return net.Do(f)
	}
	if ip == "" || !p.spec.HostNetwork {
		return errors.New("the pod has ended")
	}
	return f()
}

// execute starts the program. Afterwards, done is closed when it has ended; on
// an error it already is.
func (r *run) execute(log string) error {
	r.start = time.Now()
	r.err = r.launch(log)
	if r.err != nil {
		if r.log != nil {
			r.log.close()
		}
		close(r.done)
	}
	return r.err
}

func (r *run) launch(log string) error {
	var err error
	if r.log, err = newLog(log); err != nil {
		return err
	}
	start, cmd, err := command(context.Background(), r.spec)
	if err != nil {
		return err
	}
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWPID | unix.CLONE_NEWNS |
		unix.CLONE_NEWUTS | unix.CLONE_NEWIPC
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	r.cmd = cmd
	var readers sync.WaitGroup
	var ends []*os.File
	for _, stream := range []struct {
		name string
		to   *io.Writer
	}{{"stdout", &cmd.Stdout}, {"stderr", &cmd.Stderr}} {
		in, out, err := os.Pipe()
		if err != nil {
			return err
		}
		*stream.to = out
		ends = append(ends, out)
		readers.Go(func() { r.log.copy(stream.name, in) })
	}
	err = r.c.p.inside(start)
	for _, f := range ends {
		f.Close()
	}
	if err != nil {
		if cmd.Process != nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
		readers.Wait()
		return err
	}
	go func() {
		cmd.Wait()
		readers.Wait()
		r.log.close()
		close(r.done)
	}()
	return nil
}

func (r *run) signal(s syscall.Signal) { _ = r.cmd.Process.Signal(s) }

// terminated is how the run ended.
func (r *run) terminated() *v1.ContainerStateTerminated {
	t := &v1.ContainerStateTerminated{Reason: "Completed",
		StartedAt:  metav1.NewTime(r.start).Rfc3339Copy(),
		FinishedAt: metav1.Now().Rfc3339Copy(),
		ContainerID: fmt.Sprintf("process://%s-%s-%d", r.c.p.uid, r.c.c.Name,
			r.number)}
	if r.err != nil {
		t.Reason, t.Message, t.ExitCode = "StartError", r.err.Error(), 128
		return t
	}
	w := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
	t.ExitCode = int32(w.ExitStatus())
	if w.Signaled() {
		t.ExitCode = 128 + int32(w.Signal())
	}
	if t.ExitCode != 0 {
		t.Reason = "Error"
	}
	text, _ := os.ReadFile(r.message)
	if len(text) == 0 && t.ExitCode != 0 && r.c.c.TerminationMessagePolicy ==
		v1.TerminationMessageFallbackToLogsOnError {
		text = r.log.tail(80, 2048)
	}
	t.Message = string(text[:min(len(text), 4096)])
	return t
}

// exec runs a command in the container and returns its exit status. The
// process ends with the context.
func (r *run) exec(ctx context.Context, args []string, in io.Reader,
	out, errOut io.Writer) (int, error) {
	s := *r.spec
	s.Enter, s.Args = true, args
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for _, ns := range []string{"mnt", "uts", "ipc", "pid"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", r.cmd.Process.Pid, ns))
		if err != nil {
			return 0, fmt.Errorf("the container has ended: %w", err)
		}
		files = append(files, f)
	}
	start, cmd, err := command(ctx, &s, files[:3]...)
	if err != nil {
		return 0, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errOut
	cmd.WaitDelay = time.Second // a child may keep the output open
	err = r.c.p.inside(func() error { return inPID(files[3], start) })
	if err != nil {
		if cmd.Process != nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
		return 0, err
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) &&
		!errors.Is(err, exec.ErrWaitDelay) {
		return 0, err
	}
	return cmd.ProcessState.ExitCode(), nil
}

// check runs a command for a probe or hook.
func (r *run) check(ctx context.Context, args []string) error {
	var out bytes.Buffer
	code, err := r.exec(ctx, args, nil, &out, &out)
	if err == nil && code != 0 {
		text := strings.TrimSpace(out.String())
		err = fmt.Errorf("command %q ended with %d: %s", args, code,
			text[:min(len(text), 1024)])
	}
	return err
}

// inPID calls f on a thread whose children are in a process namespace.
func inPID(ns *os.File, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, err := os.Open("/proc/thread-self/ns/pid")
	if err != nil {
		return err
	}
	defer own.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWPID); err != nil {
		return fmt.Errorf("process namespace: %w", err)
	}
	err = f()
	if e := unix.Setns(int(own.Fd()), unix.CLONE_NEWPID); e != nil {
		panic(e) // this thread must not be used again
	}
	return err
}
