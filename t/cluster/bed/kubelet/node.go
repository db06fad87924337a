package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"ngx_k8s_test/cluster/netns"
)

const serverPort = 10250

// nodeResources are what each node says it has.
var nodeResources = v1.ResourceList{
	v1.ResourceCPU:    resource.MustParse("64"),
	v1.ResourceMemory: resource.MustParse("64Gi"),
	v1.ResourcePods:   resource.MustParse("1000")}

type node struct {
	Node
	k      *Kubelet
	server *http.Server

	mu   sync.Mutex
	back chan struct{} // closed when a lost node is back; nil: not lost
}

// addNode registers a node.
func (k *Kubelet) addNode(ctx context.Context, o Node) error {
	n := &node{Node: o, k: k}
	k.nodes[o.Name] = n
	if o.Address != netns.Node {
		if err := netns.Address(o.Address); err != nil {
			return err
		}
	}
	if err := n.listen(); err != nil {
		return err
	}
	if err := n.register(ctx); err != nil {
		return fmt.Errorf("register node %s: %w", o.Name, err)
	}
	return nil
}

func (n *node) labels() map[string]string {
	l := map[string]string{v1.LabelHostname: n.Name, v1.LabelOSStable: "linux",
		v1.LabelArchStable: runtime.GOARCH}
	if n.Zone != "" {
		l[v1.LabelTopologyZone] = n.Zone
	}
	return l
}

// register makes the Node, or takes over one that is there.
func (n *node) register(ctx context.Context) error {
	nodes := n.k.client.CoreV1().Nodes()
	_, err := nodes.Create(ctx, &v1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: n.Name, Labels: n.labels()}}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		patch, _ := json.Marshal(map[string]any{
			"metadata": map[string]any{"labels": n.labels()}})
		_, err = nodes.Patch(ctx, n.Name, types.StrategicMergePatchType, patch,
			metav1.PatchOptions{})
	}
	if err != nil {
		return err
	}
	if err := n.status(ctx); err != nil {
		return err
	}
	return n.lease(ctx)
}

func (n *node) status(ctx context.Context) error {
	now := metav1.Now().Rfc3339Copy()
	ready := v1.NodeCondition{Type: v1.NodeReady, Status: v1.ConditionTrue,
		Reason: "KubeletReady", Message: "kubelet is posting ready status",
		LastHeartbeatTime: now, LastTransitionTime: now}
	old, err := n.k.client.CoreV1().Nodes().Get(ctx, n.Name,
		metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, c := range old.Status.Conditions {
		if c.Type == ready.Type && c.Status == ready.Status {
			ready.LastTransitionTime = c.LastTransitionTime
		}
	}
	status := v1.NodeStatus{
		Capacity: nodeResources, Allocatable: nodeResources,
		Addresses: []v1.NodeAddress{
			{Type: v1.NodeInternalIP, Address: n.Address},
			{Type: v1.NodeHostName, Address: n.Name}},
		DaemonEndpoints: v1.NodeDaemonEndpoints{
			KubeletEndpoint: v1.DaemonEndpoint{Port: serverPort}},
		NodeInfo: v1.NodeSystemInfo{OperatingSystem: "linux",
			Architecture: runtime.GOARCH, KubeletVersion: "v1.36.3",
			ContainerRuntimeVersion: "process://1", OSImage: "process"},
		Conditions: []v1.NodeCondition{ready}}
	patch, _ := json.Marshal(map[string]any{"status": status})
	_, err = n.k.client.CoreV1().Nodes().Patch(ctx, n.Name,
		types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

func (n *node) lease(ctx context.Context) error {
	leases := n.k.client.CoordinationV1().Leases(v1.NamespaceNodeLease)
	now := metav1.NowMicro()
	spec := coordinationv1.LeaseSpec{HolderIdentity: &n.Name,
		LeaseDurationSeconds: ptr.To[int32](40), RenewTime: &now}
	patch, _ := json.Marshal(map[string]any{"spec": spec})
	_, err := leases.Patch(ctx, n.Name, types.MergePatchType, patch,
		metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		_, err = leases.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: n.Name,
				Namespace: v1.NamespaceNodeLease}, Spec: spec},
			metav1.CreateOptions{})
	}
	return err
}

// keep renews the Lease, and now and then the status. A Node that was deleted
// or that an older snapshot does not have is registered again.
func (n *node) keep() {
	for i := 1; sleep(n.k.ctx, n.k.o.Renew); i++ {
		if n.isLost() {
			i = 0
			continue
		}
		ctx, cancel := context.WithTimeout(n.k.ctx, 5*time.Second)
		err := n.lease(ctx)
		if err == nil && (i%10 == 1 || n.notReady()) {
			err = n.status(ctx)
		}
		if apierrors.IsNotFound(err) {
			_ = n.register(ctx)
		}
		cancel()
	}
}

// notReady says whether the control plane gave the node up, or forgot it.
func (n *node) notReady() bool {
	obj, err := n.k.cache().Nodes().Lister().Get(n.Name)
	return err != nil || !isReady(obj)
}

func isReady(obj *v1.Node) bool {
	for _, c := range obj.Status.Conditions {
		if c.Type == v1.NodeReady {
			return c.Status == v1.ConditionTrue
		}
	}
	return false
}

func (n *node) isLost() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.back != nil
}

// wait waits while the node is lost.
func (n *node) wait(ctx context.Context) {
	n.mu.Lock()
	back := n.back
	n.mu.Unlock()
	if back == nil {
		return
	}
	select {
	case <-back:
	case <-ctx.Done():
	}
}

// Lose cuts a node off from the API server: no Lease, no status, no deletion.
// Its pods run on and are reached.
func (k *Kubelet) Lose(name string) {
	n := k.nodes[name]
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.back == nil {
		n.back = make(chan struct{})
	}
}

// Regain ends Lose: what was deleted meanwhile is ended.
func (k *Kubelet) Regain(name string) {
	n := k.nodes[name]
	n.mu.Lock()
	if n.back != nil {
		close(n.back)
		n.back = nil
	}
	n.mu.Unlock()
	k.compare(name)
	k.cut(n, false)
}

// PowerOff is Lose of a node whose pods are no longer reached either: what is
// sent to them is lost without an error. Regain ends it; they did not end.
func (k *Kubelet) PowerOff(name string) {
	k.Lose(name)
	k.cut(k.nodes[name], true)
}

// cut takes the pods of a node off the network, or puts them back.
func (k *Kubelet) cut(n *node, off bool) {
	for _, p := range k.running() {
		p.mu.Lock()
		if p.n == n && p.net != nil {
			_ = p.net.Cut(off)
		}
		p.mu.Unlock()
	}
}

func (n *node) close() {
	if n.server != nil {
		n.server.Close()
	}
}

// dir is where a pod has its volumes and logs.
func (k *Kubelet) dir(uid types.UID) string {
	return filepath.Join(k.o.Dir, string(uid))
}

func (k *Kubelet) cleanUp(uid types.UID) { os.RemoveAll(k.dir(uid)) }
