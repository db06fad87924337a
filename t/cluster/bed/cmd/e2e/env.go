package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ngx_k8s_test/internal/poll"
)

// env is what one test has: namespaces and a class of its own on a bed, nginxes
// and a load.
type env struct {
	*testBed
	t     test
	ns    string // its first namespace
	class string // its IngressClass, with a controller of the same name
	dir   string
	all   []*nginx
	loads []*load
	track *tracker

	records *records // nil: not kept
	off     string   // the node that the test has switched off
	killed  string   // the pod that the test has killed

	mu     sync.Mutex
	bad    string
	skip   string
	notes  []string
	logs   []string
	spaces []string
	stops  []func()
}

// done ends a test.
type done struct{}

func newEnv(b *testBed, t test) *env {
	dir, err := os.MkdirTemp("/run", "e2e")
	if err == nil {
		err = os.Chmod(dir, 0755)
	}
	if err != nil {
		panic(err)
	}
	return &env{testBed: b, t: t, ns: t.name, class: t.name, dir: dir}
}

// fatal ends the test as failed.
func (e *env) fatal(f string, args ...any) {
	e.fail(f, args...)
	panic(done{})
}

// fail marks the test as failed, and goes on.
func (e *env) fail(f string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bad == "" {
		e.bad = fmt.Sprintf(f, args...)
	}
}

func (e *env) check(ok bool, f string, args ...any) {
	if !ok {
		e.fatal(f, args...)
	}
}

func (e *env) must(err error) {
	if err != nil {
		e.fatal("%v", err)
	}
}

// note is printed with the result.
func (e *env) note(f string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notes = append(e.notes, fmt.Sprintf(f, args...))
}

// skipped ends the test as one that cannot run.
func (e *env) skipped(why string) {
	e.skip = why
	panic(done{})
}

// await polls until f is true, and fails the test after a while.
func (e *env) await(what string, limit time.Duration, f func() bool) time.Duration {
	return e.sees(what, limit, func() (bool, any) { return f(), nil })
}

// sees is await with what was seen last.
func (e *env) sees(what string, limit time.Duration,
	f func() (bool, any)) time.Duration {
	d, err := poll.Until(what, limit, f)
	e.must(err)
	return d
}

// step notes how long a part of the test takes.
func (e *env) step(what string, f func()) {
	begin := time.Now()
	f()
	e.note("%-40s %5.1f s", what, time.Since(begin).Seconds())
}

// close ends all that the test has started and removes its objects.
func (e *env) close() {
	for _, l := range e.loads {
		l.abandon()
	}
	for i := len(e.stops) - 1; i >= 0; i-- {
		e.stops[i]()
	}
	for _, g := range e.all {
		if err := g.Stop(); err != nil {
			e.fail("%v", err)
		}
		if a := g.Alarms(); a != "" {
			e.fail("nginx's log:\n%s", a)
		}
		if e.bad != "" || *keep {
			e.logs = append(e.logs, g.Tail(*keep)...)
		}
	}
	if e.track != nil {
		e.track.stop()
		if e.bad != "" || *keep {
			e.logs = append(e.logs, e.track.story()...)
			e.logs = append(e.logs, e.events()...)
		}
	}
	zero := int64(0)
	for _, ns := range e.spaces {
		_ = e.Client.CoreV1().Namespaces().Delete(e.ctx, ns,
			metav1.DeleteOptions{GracePeriodSeconds: &zero})
	}
	_ = os.RemoveAll(e.dir)
}

// tails are the ends of the logs of all nginxes.
func (e *env) tails() []string {
	var l []string
	for _, g := range e.all {
		l = append(l, g.Tail(false)...)
	}
	return l
}

// events are the warnings of the test's namespaces.
func (e *env) events() []string {
	var s []string
	for _, ns := range e.spaces {
		l, err := e.Client.CoreV1().Events(ns).List(e.ctx, metav1.ListOptions{
			FieldSelector: "type=Warning"})
		if err != nil {
			return append(s, err.Error())
		}
		for _, x := range l.Items {
			s = append(s, fmt.Sprintf("event %.3f %s %s: %s %s",
				x.LastTimestamp.Sub(e.track.begin).Seconds(),
				x.InvolvedObject.Kind, x.InvolvedObject.Name, x.Reason,
				x.Message))
		}
	}
	return s
}

// apply writes objects in YAML.
func (e *env) apply(text string, args ...any) {
	if len(args) > 0 {
		text = fmt.Sprintf(text, args...)
	}
	if err := e.Apply(e.ctx, text); err != nil {
		e.fatal("apply: %v", err)
	}
}

// kubectl runs it as the administrator, for a minute at most; its output.
func (e *env) kubectl(stdin string, args ...string) string {
	ctx, cancel := context.WithTimeoutCause(e.ctx, time.Minute,
		errors.New("it takes more than a minute"))
	defer cancel()
	c := exec.CommandContext(ctx, filepath.Join(*bin, "kubectl"), append([]string{
		"--kubeconfig", e.Plane.Kubeconfig()}, args...)...)
	c.Stdin = strings.NewReader(stdin)
	c.Env = append(os.Environ(), "HOME="+e.dir)
	c.WaitDelay = time.Second
	out, err := c.CombinedOutput()
	e.check(err == nil, "kubectl %s: %v, %v\n%s", strings.Join(args, " "), err,
		context.Cause(ctx), out)
	return string(out)
}

// namespace makes one, in which pods can be made at once.
func (e *env) namespace(name string) string {
	e.apply("{apiVersion: v1, kind: Namespace, metadata: {name: %s}}", name)
	e.await("ServiceAccount of "+name, 20*time.Second, func() bool {
		_, err := e.Client.CoreV1().ServiceAccounts(name).Get(e.ctx, "default",
			metav1.GetOptions{})
		return err == nil
	})
	e.spaces = append(e.spaces, name)
	return name
}

// begin makes the test's namespace and class and follows its pods.
func (e *env) begin() {
	e.namespace(e.ns)
	e.ingressClass()
	e.track = e.follow(e.ns)
}

func (e *env) ingressClass() {
	e.apply(`{apiVersion: networking.k8s.io/v1, kind: IngressClass,
  metadata: {name: %s}, spec: {controller: %s}}`, e.class, e.controller())
}

// controller is that of the test's class.
func (e *env) controller() string { return "e2e.test/" + e.class }

// ready counts the Ready pods of an app.
func (e *env) ready(ns, name string) int {
	n := 0
	for _, p := range e.list(ns, name) {
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue &&
				p.DeletionTimestamp == nil {
				n++
			}
		}
	}
	return n
}

// list are the pods of an app.
func (e *env) list(ns, name string) []corev1.Pod {
	l, err := e.Client.CoreV1().Pods(ns).List(e.ctx, metav1.ListOptions{
		LabelSelector: "app=" + name})
	e.must(err)
	return l.Items
}
