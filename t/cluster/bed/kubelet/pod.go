package kubelet

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"ngx_k8s_test/cluster/netns"
)

// retry is the pause after an error that may pass.
const retry = 200 * time.Millisecond

// pod is one that runs here. Its goroutine is run.
type pod struct {
	k               *Kubelet
	n               *node
	namespace, name string
	uid             types.UID
	spec            *v1.PodSpec
	ctx             context.Context // ends when the pod is to stop
	cancel          context.CancelFunc
	volumes         *volumes
	inits, mains    []*container
	dirty           chan struct{} // the status is to be sent

	mu          sync.Mutex
	obj         *v1.Pod    // as last seen
	net         *netns.Pod // nil: the node's network, or none yet
	ip          string
	started     metav1.Time
	initialized bool
	ended       bool      // all containers are, and none will start
	deadline    time.Time // of the grace period, once the pod is to stop
	moved       chan struct{}
	absent      bool // from the API
	conditions  map[v1.PodConditionType]v1.PodCondition
	sent        *v1.PodStatus
}

func newPod(k *Kubelet, n *node, obj *v1.Pod) *pod {
	p := &pod{k: k, n: n, namespace: obj.Namespace, name: obj.Name,
		uid: obj.UID, spec: &obj.Spec, obj: obj,
		dirty: make(chan struct{}, 1), moved: make(chan struct{}),
		started:    metav1.Now().Rfc3339Copy(),
		conditions: map[v1.PodConditionType]v1.PodCondition{}}
	p.ctx, p.cancel = context.WithCancel(k.ctx)
	p.volumes = newVolumes(p)
	for i := range obj.Spec.InitContainers {
		c := newContainer(p, &obj.Spec.InitContainers[i])
		c.init = true
		c.sidecar = c.c.RestartPolicy != nil &&
			*c.c.RestartPolicy == v1.ContainerRestartPolicyAlways
		p.inits = append(p.inits, c)
	}
	for i := range obj.Spec.Containers {
		p.mains = append(p.mains, newContainer(p, &obj.Spec.Containers[i]))
	}
	return p
}

func (p *pod) container(name string) *container {
	for _, c := range slices.Concat(p.inits, p.mains) {
		if c.c.Name == name {
			return c
		}
	}
	return nil
}

// update takes what the API server says of the pod.
func (p *pod) update(obj *v1.Pod) {
	p.mu.Lock()
	old := p.obj
	p.obj = obj
	p.mu.Unlock()
	if !maps.Equal(old.Labels, obj.Labels) ||
		!maps.Equal(old.Annotations, obj.Annotations) {
		wake(p.volumes.dirty)
	}
	if obj.DeletionTimestamp != nil {
		p.stop(obj)
	}
	wake(p.dirty)
}

// gone is called when the pod is no longer in the API, as after a deletion
// with --force.
func (p *pod) gone(obj *v1.Pod) {
	p.mu.Lock()
	p.absent = true
	p.mu.Unlock()
	p.stop(obj)
}

// stop begins the end of the pod, or makes it come sooner.
func (p *pod) stop(obj *v1.Pod) {
	grace := int64(v1.DefaultTerminationGracePeriodSeconds)
	if g := obj.DeletionGracePeriodSeconds; g != nil {
		grace = *g
	} else if g := obj.Spec.TerminationGracePeriodSeconds; g != nil {
		grace = *g
	}
	at := time.Now().Add(time.Duration(max(grace, 1)) * time.Second)
	p.mu.Lock()
	if p.deadline.IsZero() || at.Before(p.deadline) {
		p.deadline = at
		close(p.moved)
		p.moved = make(chan struct{})
	}
	p.mu.Unlock()
	p.cancel()
}

func (p *pod) stopped() bool { return p.ctx.Err() != nil }

// limit is when the grace period ends, and a channel that is closed when that
// changes.
func (p *pod) limit() (time.Time, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.deadline, p.moved
}

func (p *pod) object() *v1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.obj
}

// run is the life of the pod.
func (p *pod) run() {
	defer p.cancel()
	reporting, end := context.WithCancel(p.k.ctx)
	var work sync.WaitGroup
	work.Go(func() { p.report(reporting) })

	if p.prepare() {
		p.containers()
	}
	p.detach()
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	wake(p.dirty)
	<-p.ctx.Done() // one that ended by itself stays until it is deleted

	end()
	work.Wait()
	p.remove()
	p.k.cleanUp(p.uid)
	p.k.mu.Lock()
	delete(p.k.pods, p.uid)
	p.k.mu.Unlock()
}

// prepare makes the network and the volumes. It returns false if the pod was
// stopped before.
func (p *pod) prepare() bool {
	for _, step := range []func() error{p.attach, p.volumes.setUp} {
		for {
			if p.stopped() {
				return false
			}
			err := step()
			if err == nil {
				break
			}
			p.event(v1.EventTypeWarning, "FailedMount", err.Error())
			sleep(p.ctx, retry)
		}
	}
	p.k.work.Go(p.volumes.keep)
	return true
}

func (p *pod) attach() error {
	if p.spec.HostNetwork {
		p.setNet(nil, p.n.Address)
		return nil
	}
	ip := p.k.ips.Take()
	net, err := netns.NewPod(ip)
	if err != nil {
		p.k.ips.Free(ip)
		return err
	}
	p.setNet(net, ip)
	return nil
}

func (p *pod) setNet(net *netns.Pod, ip string) {
	p.mu.Lock()
	p.net, p.ip = net, ip
	p.mu.Unlock()
	wake(p.dirty)
}

// detach frees the network. The address goes to the next pod, while others may
// still take it for this one's.
func (p *pod) detach() {
	p.mu.Lock()
	net := p.net
	p.net = nil
	p.mu.Unlock()
	if net != nil {
		net.Close()
		p.k.ips.Free(net.Address)
	}
}

// containers runs them all, and returns when none runs any more.
func (p *pod) containers() {
	// sidecars end after the others
	var sidecars sync.WaitGroup
	ctx, cancel := context.WithCancel(p.k.ctx)
	defer sidecars.Wait()
	defer cancel()

	for _, c := range p.inits {
		c.ctx = p.ctx
		if c.sidecar {
			c.ctx = ctx
			sidecars.Go(func() { c.loop() })
			if !c.waitStarted(p.ctx) {
				return
			}
		} else if !c.loop() || p.stopped() {
			return
		}
	}
	p.mu.Lock()
	p.initialized = true
	p.mu.Unlock()
	wake(p.dirty)

	var work sync.WaitGroup
	for _, c := range p.mains {
		c.ctx = p.ctx
		work.Go(func() { c.loop() })
	}
	work.Wait()
}

// report sends the status whenever it changes.
func (p *pod) report(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.dirty:
		}
		p.n.wait(ctx)
		if err := p.send(ctx); err != nil && !apierrors.IsNotFound(err) {
			wake(p.dirty)
			sleep(ctx, retry)
		}
	}
}

// remove sends the last status and deletes the pod from the API.
func (p *pod) remove() {
	ctx := p.k.ctx
	grace := metav1.DeleteOptions{GracePeriodSeconds: new(int64),
		Preconditions: &metav1.Preconditions{UID: &p.uid}}
	steps := []func() error{
		func() error { return p.send(ctx) },
		func() error {
			return p.k.client.CoreV1().Pods(p.namespace).Delete(ctx, p.name,
				grace)
		},
	}
	for _, step := range steps {
		for {
			p.n.wait(ctx)
			p.mu.Lock()
			absent := p.absent
			p.mu.Unlock()
			if absent || ctx.Err() != nil {
				return
			}
			err := step()
			if err == nil || apierrors.IsNotFound(err) ||
				apierrors.IsConflict(err) {
				break
			}
			sleep(ctx, retry)
		}
	}
}

func (p *pod) event(kind, reason, message string) {
	if !p.n.isLost() && p.k.ctx.Err() == nil {
		p.k.events.Event(p.object(), kind, reason, message)
	}
}
