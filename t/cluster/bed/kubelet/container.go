package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A container that ran this long starts anew with the shortest back-off, in
// multiples of the longest.
const backoffReset = 2

// container of a pod. Its goroutine is loop.
type container struct {
	p       *pod
	c       *v1.Container
	init    bool
	sidecar bool
	ctx     context.Context    // ends when the container is to stop
	failed  chan time.Duration // by a probe, with the grace period
	backoff time.Duration      // before the next start

	// under the lock of the pod
	state, last    v1.ContainerState
	ready, started bool
	restarts       int32
	id             string
	run            *run // the last one
}

func newContainer(p *pod, c *v1.Container) *container {
	reason := "ContainerCreating"
	if len(p.spec.InitContainers) > 0 {
		reason = "PodInitializing"
	}
	n := &container{p: p, c: c, failed: make(chan time.Duration, 1)}
	n.state.Waiting = &v1.ContainerStateWaiting{Reason: reason}
	return n
}

// set changes what the status shows.
func (c *container) set(f func()) {
	c.p.mu.Lock()
	f()
	c.p.mu.Unlock()
	wake(c.p.dirty)
}

func (c *container) wait(reason, message string) {
	c.set(func() {
		c.state = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{
			Reason: reason, Message: message}}
	})
}

// reason is an error that has a name in the status.
type reason struct {
	name string
	err  error
}

func (r reason) Error() string { return r.err.Error() }

// loop runs the container, again if the restart policy says so, until it has
// ended for good, and says whether its last run succeeded.
func (c *container) loop() bool {
	for n := 0; ; n++ {
		if c.ctx.Err() != nil {
			return false
		}
		r, err := c.begin(n)
		var why reason
		if errors.As(err, &why) {
			c.wait(why.name, why.Error())
			c.event(v1.EventTypeWarning, "Failed", why.Error())
			sleep(c.ctx, max(retry, c.p.k.o.Backoff/10))
			n--
			continue
		}
		ok := c.supervise(r)
		if c.ctx.Err() != nil || !c.again(ok) {
			return ok
		}
		if time.Since(r.start) > backoffReset*30*c.p.k.o.Backoff {
			c.backoff = 0
		}
		if c.backoff > 0 {
			c.wait("CrashLoopBackOff", fmt.Sprintf(
				"back-off %s restarting failed container=%s pod=%s_%s(%s)",
				c.backoff, c.c.Name, c.p.name, c.p.namespace, c.p.uid))
			c.event(v1.EventTypeWarning, "BackOff",
				"Back-off restarting failed container "+c.c.Name)
			sleep(c.ctx, c.backoff)
		}
		c.backoff = min(max(2*c.backoff, c.p.k.o.Backoff),
			30*c.p.k.o.Backoff)
	}
}

// again says whether the restart policy wants another run.
func (c *container) again(ok bool) bool {
	switch {
	case c.sidecar:
		return true
	case c.p.spec.RestartPolicy == v1.RestartPolicyNever:
		return false
	case c.p.spec.RestartPolicy == v1.RestartPolicyAlways && !c.init:
		return true
	}
	return !ok
}

// begin starts run n. An error of type reason is shown, and tried again; any
// other is as if the program had ended at once.
func (c *container) begin(n int) (*run, error) {
	image, ok := c.p.k.image(c.c.Image)
	if !ok {
		c.wait("ErrImagePull", "no such image: "+c.c.Image)
		sleep(c.ctx, retry)
		return nil, reason{"ImagePullBackOff", fmt.Errorf(
			"Back-off pulling image %q: not in the table of images", c.c.Image)}
	}
	s, err := c.makeSpec(image)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(c.p.k.dir(c.p.uid), c.c.Name)
	if err := os.MkdirAll(filepath.Join(dir, "root"), 0o755); err != nil {
		return nil, reason{"CreateContainerError", err}
	}
	message := filepath.Join(dir, "message")
	if err := os.WriteFile(message, nil, 0o666); err == nil {
		err = os.Chmod(message, 0o666)
	}
	if err != nil {
		return nil, reason{"CreateContainerError", err}
	}

	r := &run{c: c, number: n, spec: s, message: message,
		stopSignal: c.stopSignal(image), done: make(chan struct{})}
	err = r.execute(filepath.Join(dir, strconv.Itoa(n)+".log"))
	now := metav1.Now().Rfc3339Copy()
	c.set(func() {
		c.restarts = int32(n)
		c.id = fmt.Sprintf("process://%s-%s-%d", c.p.uid, c.c.Name, n)
		r.previous = c.run
		if r.previous != nil {
			r.previous.previous = nil
		}
		c.run = r
		if c.state.Terminated != nil {
			c.last = c.state
		}
		if err == nil {
			c.state = v1.ContainerState{Running: &v1.ContainerStateRunning{
				StartedAt: now}}
			c.started = c.c.StartupProbe == nil
			c.ready = c.started && c.c.ReadinessProbe == nil
		}
	})
	if err != nil {
		c.event(v1.EventTypeWarning, "Failed", "Error: "+err.Error())
		return r, err
	}
	c.event(v1.EventTypeNormal, "Started", "Started container "+c.c.Name)
	return r, nil
}

// supervise watches over a run until it has ended, and records how.
func (c *container) supervise(r *run) bool {
	select {
	case <-c.failed: // left from the run before
	default:
	}
	if r.err == nil {
		ctx, cancel := context.WithCancel(c.p.k.ctx)
		c.probes(ctx, r)
		if err := c.postStart(r); err != nil {
			c.event(v1.EventTypeWarning, "FailedPostStartHook", err.Error())
			c.fail(c.grace())
		}
		select {
		case <-r.done:
		case <-c.ctx.Done():
			c.end(r, c.limit)
		case grace := <-c.failed:
			at := time.Now().Add(grace)
			c.end(r, func() (time.Time, <-chan struct{}) { return at, nil })
		}
		<-r.done
		cancel()
	}
	t := r.terminated()
	c.set(func() {
		c.state = v1.ContainerState{Terminated: t}
		c.ready = c.init && !c.sidecar && t.ExitCode == 0
		c.started = false
	})
	return t.ExitCode == 0
}

// limit is the end of the grace period of the pod. Sidecars may be stopped in
// a pod that goes on.
func (c *container) limit() (time.Time, <-chan struct{}) {
	at, moved := c.p.limit()
	if at.IsZero() {
		at = time.Now().Add(c.grace())
	}
	return at, moved
}

func (c *container) grace() time.Duration {
	s := int64(v1.DefaultTerminationGracePeriodSeconds)
	if g := c.p.spec.TerminationGracePeriodSeconds; g != nil {
		s = *g
	}
	return time.Duration(s) * time.Second
}

// fail makes the container end, and start again if it may.
func (c *container) fail(grace time.Duration) {
	select {
	case c.failed <- grace:
	default:
	}
}

// end runs the preStop hook, sends the stop signal, and kills what is left
// when the limit has come, but never sooner than two seconds after the signal.
func (c *container) end(r *run, limit func() (time.Time, <-chan struct{})) {
	c.event(v1.EventTypeNormal, "Killing", "Stopping container "+c.c.Name)
	if c.c.Lifecycle != nil && c.c.Lifecycle.PreStop != nil {
		ctx, cancel := context.WithCancel(c.p.k.ctx)
		hook := make(chan struct{})
		go func() {
			defer close(hook)
			err := c.hook(ctx, r, c.c.Lifecycle.PreStop)
			if err != nil && ctx.Err() == nil {
				c.event(v1.EventTypeWarning, "FailedPreStopHook", err.Error())
			}
		}()
		until(c.p.k.ctx, limit, r.done, hook)
		cancel()
		<-hook
	}
	r.signal(r.stopSignal)
	least := time.Now().Add(2 * time.Second)
	until(c.p.k.ctx, func() (time.Time, <-chan struct{}) {
		at, moved := limit()
		if at.Before(least) {
			at = least
		}
		return at, moved
	}, r.done, nil)
	r.signal(unix.SIGKILL)
}

// until waits for one of the channels, or for a limit that may move.
func until(ctx context.Context, limit func() (time.Time, <-chan struct{}),
	a, b <-chan struct{}) {
	for {
		at, moved := limit()
		t := time.NewTimer(time.Until(at))
		select {
		case <-moved:
			t.Stop()
			continue
		case <-a:
		case <-b:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
		return
	}
}

// stopSignal is the Pod's, or the image's, or SIGTERM.
func (c *container) stopSignal(image Image) syscall.Signal {
	name := image.StopSignal
	if l := c.c.Lifecycle; l != nil && l.StopSignal != nil {
		name = string(*l.StopSignal)
	}
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if s := unix.SignalNum(name); s != 0 {
		return s
	}
	return unix.SIGTERM
}

// waitStarted waits until a sidecar has started.
func (c *container) waitStarted(ctx context.Context) bool {
	for sleep(ctx, 20*time.Millisecond) {
		c.p.mu.Lock()
		started := c.started
		c.p.mu.Unlock()
		if started {
			return true
		}
	}
	return false
}

func (c *container) event(kind, reason, message string) {
	c.p.event(kind, reason, message)
}
