// Package kubelet runs the pods of a cluster as processes: it does what
// kubelets, container runtimes and a scheduler do, for one or several nodes,
// in the network of package netns. It is no kinder than a real kubelet: a
// deleted pod gets its signal at once, whoever still sends to it, and its
// address goes to the next pod.
//
// What it does not do: seccomp and other security modules, resource limits
// (they are only shown, in /sys/fs/cgroup), overlay file systems (what an image
// takes from the host is read-only), persistent volumes, host ports, kubectl
// attach and port-forward, terminals, and authorization of those who ask it for
// logs.
package kubelet

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"ngx_k8s_test/cluster/netns"
)

// Image is what a container image is here: programs of the host.
type Image struct {
	Command    []string // ENTRYPOINT
	Args       []string // CMD
	StopSignal string   // as "SIGQUIT"; "": SIGTERM
	Root       []string // host paths seen read-only, "from" or "from:to"
	Env        []string
	User       int
}

// Node is a node to register.
type Node struct {
	Name    string
	Zone    string
	Address string // on the bridge; the log server listens there
}

// Options of Start. Config, Nodes, Images and Dir must be set.
type Options struct {
	Config *rest.Config
	Nodes  []Node
	// Images by the beginning of the image name without tag or digest; the
	// longest one counts.
	Images map[string]Image
	Dir    string // for volumes and logs
	DNS    string // address of the cluster DNS
	Domain string // "": cluster.local

	FirstIP string        // of pods; "": 10.244.1.1
	Renew   time.Duration // of node Leases; 0: 1 s
	Backoff time.Duration // of the second restart, doubled up to 30 times; 0: 10 s
	Sync    time.Duration // until a changed Secret is in its volume; 0: 1 s
	Token   time.Duration // renews tokens at this age; 0: at 80 % of their life
}

// Kubelet runs pods. Close ends it.
type Kubelet struct {
	o      Options
	client kubernetes.Interface
	events record.EventRecorder
	ips    *netns.Pool
	nodes  map[string]*node
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	bind   chan struct{} // there may be pods to bind

	mu      sync.Mutex
	pods    map[types.UID]*pod
	watch   *watch
	binding map[types.UID]bool
	turn    int
}

// watch is one run of the informers.
type watch struct {
	factory informers.SharedInformerFactory
	cancel  context.CancelFunc
}

// Start registers the nodes and begins to run pods. The caller is in the
// bed's namespaces.
func Start(ctx context.Context, o Options) (*Kubelet, error) {
	setDefault(&o.Domain, "cluster.local")
	setDefault(&o.FirstIP, "10.244.1.1")
	setDefault(&o.Renew, time.Second)
	setDefault(&o.Backoff, 10*time.Second)
	setDefault(&o.Sync, time.Second)
	if len(o.Nodes) == 0 || o.Dir == "" {
		return nil, errors.New("kubelet: no node or no folder")
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	config := rest.CopyConfig(o.Config)
	config.QPS, config.Burst = -1, -1
	config.UserAgent = "process-kubelet"
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}

	k := &Kubelet{o: o, client: client, nodes: map[string]*node{},
		ips: netns.NewPool(o.FirstIP), bind: make(chan struct{}, 1),
		pods: map[types.UID]*pod{}, binding: map[types.UID]bool{}}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	b := record.NewBroadcaster(record.WithContext(k.ctx))
	b.StartRecordingToSink(&typedv1.EventSinkImpl{
		Interface: client.CoreV1().Events("")})
	k.events = b.NewRecorder(scheme.Scheme,
		v1.EventSource{Component: "process-kubelet"})

	for _, n := range o.Nodes {
		if err := k.addNode(ctx, n); err != nil {
			k.Close()
			return nil, err
		}
	}
	k.Relist()
	k.work.Go(k.schedule)
	for _, n := range k.nodes {
		k.work.Go(n.keep)
	}
	return k, nil
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Relist forgets what was read from the API server and reads it again. Call it
// when the server went back to older data, as real kubelets are restarted then.
func (k *Kubelet) Relist() {
	ctx, cancel := context.WithCancel(k.ctx)
	f := informers.NewSharedInformerFactory(k.client, 0)
	w := &watch{f, cancel}
	k.mu.Lock()
	if k.watch != nil {
		k.watch.cancel()
	}
	k.watch = w
	k.binding = map[types.UID]bool{}
	k.mu.Unlock()

	handle := func(i cache.SharedIndexInformer, fn func(any)) {
		i.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    fn,
			UpdateFunc: func(_, o any) { fn(o) },
		})
	}
	pods := f.Core().V1().Pods().Informer()
	pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { k.updated(o.(*v1.Pod)) },
		UpdateFunc: func(_, o any) { k.updated(o.(*v1.Pod)) },
		DeleteFunc: func(o any) {
			if t, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = t.Obj
			}
			k.removed(o.(*v1.Pod))
		},
	})
	f.Core().V1().Services().Informer()
	handle(f.Core().V1().Nodes().Informer(), func(any) { k.wake() })
	handle(f.Core().V1().Secrets().Informer(), func(o any) {
		s := o.(*v1.Secret)
		k.changed(s.Namespace, "Secret/"+s.Name)
	})
	handle(f.Core().V1().ConfigMaps().Informer(), func(o any) {
		m := o.(*v1.ConfigMap)
		k.changed(m.Namespace, "ConfigMap/"+m.Name)
	})
	f.StartWithContext(ctx)
	k.work.Go(func() {
		if cache.WaitForCacheSync(ctx.Done(), pods.HasSynced) {
			k.compare("")
		}
	})
}

// updated takes a pod from the API server.
func (k *Kubelet) updated(obj *v1.Pod) {
	if obj.Spec.NodeName == "" {
		k.wake()
		return
	}
	n := k.nodes[obj.Spec.NodeName]
	if n == nil || n.isLost() {
		return
	}
	k.mu.Lock()
	delete(k.binding, obj.UID)
	p := k.pods[obj.UID]
	if p == nil && k.ctx.Err() == nil &&
		(obj.DeletionTimestamp != nil || !terminal(obj.Status.Phase)) {
		p = newPod(k, n, obj)
		k.pods[obj.UID] = p
		p.update(obj)
		k.work.Go(p.run)
	}
	k.mu.Unlock()
	if p != nil {
		p.update(obj)
	}
}

// removed takes a pod that is no longer in the API.
func (k *Kubelet) removed(obj *v1.Pod) {
	k.mu.Lock()
	delete(k.binding, obj.UID)
	p := k.pods[obj.UID]
	k.mu.Unlock()
	if p != nil && !p.n.isLost() {
		p.gone(obj)
	}
}

// compare goes through all pods of the API, and through those that run here,
// for one node or all.
func (k *Kubelet) compare(node string) {
	k.mu.Lock()
	lister := k.watch.factory.Core().V1().Pods().Lister()
	k.mu.Unlock()
	list, err := lister.List(labels.Everything())
	if err != nil {
		return
	}
	there := map[types.UID]bool{}
	for _, obj := range list {
		there[obj.UID] = true
		if node == "" || obj.Spec.NodeName == node {
			k.updated(obj)
		}
	}
	for _, p := range k.running() {
		if obj := p.object(); !there[obj.UID] {
			k.removed(obj)
		}
	}
}

func (k *Kubelet) running() []*pod {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []*pod
	for _, p := range k.pods {
		list = append(list, p)
	}
	return list
}

// changed tells the pods that have an object in their volumes to look again.
func (k *Kubelet) changed(namespace, ref string) {
	for _, p := range k.running() {
		if p.namespace == namespace && p.volumes.refs[ref] {
			wake(p.volumes.dirty)
		}
	}
}

func (k *Kubelet) find(namespace, name string) *pod {
	var found *pod
	for _, p := range k.running() {
		if p.namespace == namespace && p.name == name &&
			(found == nil || found.stopped()) {
			found = p
		}
	}
	return found
}

func (k *Kubelet) image(name string) (Image, bool) {
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	best, found := "", false
	for prefix := range k.o.Images {
		if strings.HasPrefix(name, prefix) && len(prefix) >= len(best) {
			best, found = prefix, true
		}
	}
	return k.o.Images[best], found
}

// Close kills all containers, and takes away their networks and files. The API
// is left as it is.
func (k *Kubelet) Close() {
	k.mu.Lock()
	k.cancel()
	k.mu.Unlock()
	k.work.Wait()
	for _, n := range k.nodes {
		n.close()
	}
	os.RemoveAll(k.o.Dir)
}

// wake puts a token into a channel that holds one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (k *Kubelet) wake() { wake(k.bind) }

// sleep waits, and says whether the time passed before the context ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
