package main

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// tracker remembers what the API server said of the pods of a namespace.
type tracker struct {
	mu     sync.Mutex
	pods   map[string]*life // by UID
	slices map[string]*discovery.EndpointSlice
	quit   chan struct{}
	begin  time.Time
	hook   func(p life)
}

// life is that of one pod.  Times are those at which it was heard of; zero:
// not yet.
type life struct {
	ns, name, app, ip string
	node              string
	made              time.Time
	addressed         time.Time // ip was told: from then on it is its own
	ready             time.Time // first
	doomed            time.Time // deletionTimestamp
	gone              time.Time
	restarts          int32
	failedReady       int // from Ready to not Ready
	isReady           bool
	crash             string
}

// follow begins with a namespace.
func (e *env) follow(ns string) *tracker {
	t := &tracker{pods: map[string]*life{}, quit: make(chan struct{}),
		slices: map[string]*discovery.EndpointSlice{}, begin: time.Now()}
	f := informers.NewSharedInformerFactoryWithOptions(e.Client, 0,
		informers.WithNamespace(ns))
	gone := func(o any) any {
		if d, ok := o.(cache.DeletedFinalStateUnknown); ok {
			return d.Obj
		}
		return o
	}
	pods := f.Core().V1().Pods().Informer()
	_, _ = pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { t.pod(o.(*corev1.Pod), false) },
		UpdateFunc: func(_, o any) { t.pod(o.(*corev1.Pod), false) },
		DeleteFunc: func(o any) {
			if p, ok := gone(o).(*corev1.Pod); ok {
				t.pod(p, true)
			}
		}})
	slices := f.Discovery().V1().EndpointSlices().Informer()
	_, _ = slices.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { t.slice(o.(*discovery.EndpointSlice), false) },
		UpdateFunc: func(_, o any) { t.slice(o.(*discovery.EndpointSlice), false) },
		DeleteFunc: func(o any) {
			if s, ok := gone(o).(*discovery.EndpointSlice); ok {
				t.slice(s, true)
			}
		}})
	f.Start(t.quit)
	ctx, cancel := context.WithTimeout(e.ctx, 30*time.Second)
	defer cancel()
	for k, ok := range f.WaitForCacheSync(ctx.Done()) {
		e.check(ok, "no list of %v in 30 s", k)
	}
	return t
}

// onReady calls f, on a goroutine of its own, for each pod that is Ready for the
// first time.
func (t *tracker) onReady(f func(p life)) {
	t.mu.Lock()
	t.hook = f
	t.mu.Unlock()
}

func (t *tracker) stop() { close(t.quit) }

func (t *tracker) pod(p *corev1.Pod, gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	l := t.pods[string(p.UID)]
	if l == nil {
		l = &life{ns: p.Namespace, name: p.Name, app: p.Labels["app"], made: now}
		t.pods[string(p.UID)] = l
	}
	if p.Status.PodIP != "" && p.Status.PodIP != l.ip {
		l.ip, l.addressed = p.Status.PodIP, now
	}
	l.node = p.Spec.NodeName
	is := false
	for _, c := range p.Status.Conditions {
		is = is || c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	}
	if is && l.ready.IsZero() {
		l.ready = now
		if t.hook != nil {
			go t.hook(*l)
		}
	}
	if l.isReady && !is {
		l.failedReady++
	}
	l.isReady = is
	if p.DeletionTimestamp != nil && l.doomed.IsZero() {
		l.doomed = now
	}
	for _, c := range p.Status.ContainerStatuses {
		l.restarts = max(l.restarts, c.RestartCount)
		if w := c.State.Waiting; w != nil && w.Reason == "CrashLoopBackOff" {
			l.crash = w.Reason
		}
	}
	if gone {
		l.gone = now
		if l.doomed.IsZero() {
			l.doomed = now
		}
	}
}

func (t *tracker) slice(s *discovery.EndpointSlice, gone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := s.Namespace + "/" + s.Name
	if gone {
		delete(t.slices, key)
	} else {
		t.slices[key] = s
	}
}

// endpoints are the addresses of a Service that are ready.
func (t *tracker) endpoints(svc string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var l []string
	for _, s := range t.slices {
		if s.Labels[discovery.LabelServiceName] != svc {
			continue
		}
		for _, p := range s.Endpoints {
			if p.Conditions.Ready == nil || *p.Conditions.Ready {
				l = append(l, p.Addresses...)
			}
		}
	}
	sort.Strings(l)
	return l
}

// lives are those of an app's pods, "": of all.
func (t *tracker) lives(app string) []life {
	t.mu.Lock()
	defer t.mu.Unlock()
	var l []life
	for _, p := range t.pods {
		if app == "" || p.app == app {
			l = append(l, *p)
		}
	}
	sort.Slice(l, func(i, j int) bool { return l[i].made.Before(l[j].made) })
	return l
}

// at finds the pod that had an address at a time.
func (t *tracker) at(ip string, when time.Time) (life, bool) {
	var best life
	for _, p := range t.lives("") {
		if p.ip == ip && p.addressed.Before(when) &&
			p.addressed.After(best.addressed) {
			best = p
		}
	}
	return best, best.name != ""
}

// named finds a pod by its name.
func (t *tracker) named(name string) (life, bool) {
	for _, p := range t.lives("") {
		if p.name == name {
			return p, true
		}
	}
	return life{}, false
}

// ended counts the pods of an app that were deleted.
func (t *tracker) ended(app string) int {
	n := 0
	for _, p := range t.lives(app) {
		if !p.gone.IsZero() {
			n++
		}
	}
	return n
}

// story tells the lives of all pods.
func (t *tracker) story() []string {
	since := func(x time.Time) string {
		if x.IsZero() {
			return "-"
		}
		return fmt.Sprintf("%.3f", x.Sub(t.begin).Seconds())
	}
	var s []string
	for _, p := range t.lives("") {
		s = append(s, strings.TrimSpace(fmt.Sprintf(
			"pod %s %s: made %s ready %s doomed %s gone %s restarts %d %s",
			p.name, p.ip, since(p.made), since(p.ready), since(p.doomed),
			since(p.gone), p.restarts, p.crash)))
	}
	return s
}

// adopt adds a pod that another tracker followed.
func (t *tracker) adopt(p life) {
	t.mu.Lock()
	t.pods[p.ns+"/"+p.name] = &p
	t.mu.Unlock()
}
