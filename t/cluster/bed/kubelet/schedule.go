package kubelet

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	corev1 "k8s.io/client-go/informers/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// cache is what the informers have.
func (k *Kubelet) cache() corev1.Interface {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.watch.factory.Core().V1()
}

// schedule binds pods without a node to the nodes that may have them, in turn.
// It looks at all of them whenever a pod or a node changes.
func (k *Kubelet) schedule() {
	for {
		select {
		case <-k.ctx.Done():
			return
		case <-k.bind:
		}
		f := k.cache()
		pods, _ := f.Pods().Lister().List(labels.Everything())
		nodes, _ := f.Nodes().Lister().List(labels.Everything())
		for _, pod := range pods {
			if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil ||
				len(pod.Spec.SchedulingGates) > 0 || terminal(pod.Status.Phase) {
				continue
			}
			node, ok := k.choose(pod, nodes)
			switch {
			case node != "":
				k.work.Go(func() { k.bindTo(pod, node) })
			case !ok:
				k.events.Event(pod, v1.EventTypeWarning, "FailedScheduling",
					"no node is ready, without taints and as wanted")
			}
		}
	}
}

// choose takes the next node in turn that fits, and marks the pod as being
// bound. It is "" with ok for a pod that is marked, and without if none fits.
func (k *Kubelet) choose(pod *v1.Pod, nodes []*v1.Node) (node string, ok bool) {
	byName := map[string]*v1.Node{}
	for _, n := range nodes {
		byName[n.Name] = n
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.binding[pod.UID] {
		return "", true
	}
	for range k.o.Nodes {
		k.turn++
		name := k.o.Nodes[k.turn%len(k.o.Nodes)].Name
		if n := byName[name]; n != nil && fits(pod, n) {
			k.binding[pod.UID] = true
			return name, true
		}
	}
	return "", false
}

func fits(pod *v1.Pod, n *v1.Node) bool {
	if !isReady(n) || n.Spec.Unschedulable {
		return false
	}
	for i := range n.Spec.Taints {
		t := &n.Spec.Taints[i]
		if t.Effect != v1.TaintEffectPreferNoSchedule && !tolerates(pod, t) {
			return false
		}
	}
	ok, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(n)
	return ok && err == nil
}

func tolerates(pod *v1.Pod, t *v1.Taint) bool {
	for i := range pod.Spec.Tolerations {
		if pod.Spec.Tolerations[i].ToleratesTaint(klog.Background(), t, false) {
			return true
		}
	}
	return false
}

func (k *Kubelet) bindTo(pod *v1.Pod, node string) {
	err := k.client.CoreV1().Pods(pod.Namespace).Bind(k.ctx, &v1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name,
			UID: pod.UID},
		Target: v1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{})
	if err == nil {
		k.events.Event(pod, v1.EventTypeNormal, "Scheduled",
			fmt.Sprintf("Successfully assigned %s/%s to %s", pod.Namespace,
				pod.Name, node))
		return
	}
	// in most cases the pod is gone or bound; if not, it is tried again
	k.mu.Lock()
	delete(k.binding, pod.UID)
	k.mu.Unlock()
	if sleep(k.ctx, retry) {
		k.wake()
	}
}
