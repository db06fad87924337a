package kubelet

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	listersv1 "k8s.io/client-go/listers/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

func (k *Kubelet) lister() listersv1.NodeLister {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.watch.factory.Core().V1().Nodes().Lister()
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
		k.mu.Lock()
		f := k.watch.factory.Core().V1()
		k.mu.Unlock()
		pods, _ := f.Pods().Lister().List(labels.Everything())
		nodes, _ := f.Nodes().Lister().List(labels.Everything())
		for _, pod := range pods {
			if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil ||
				len(pod.Spec.SchedulingGates) > 0 || terminal(pod.Status.Phase) {
				continue
			}
			if node := k.choose(pod, nodes); node != "" {
				k.work.Go(func() { k.bindTo(pod, node) })
			}
		}
	}
}

// choose takes the next node in turn that fits, and marks the pod as being
// bound; "": none, or the pod is marked.
func (k *Kubelet) choose(pod *v1.Pod, nodes []*v1.Node) string {
	byName := map[string]*v1.Node{}
	for _, n := range nodes {
		byName[n.Name] = n
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.binding[pod.UID] {
		return ""
	}
	for range k.o.Nodes {
		k.turn++
		name := k.o.Nodes[k.turn%len(k.o.Nodes)].Name
		if n := byName[name]; n != nil && fits(pod, n) {
			k.binding[pod.UID] = true
			return name
		}
	}
	return ""
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
