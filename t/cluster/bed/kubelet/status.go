package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func terminal(p v1.PodPhase) bool {
	return p == v1.PodSucceeded || p == v1.PodFailed
}

// send patches the status, unless the API server has it already.
func (p *pod) send(ctx context.Context) error {
	p.mu.Lock()
	s := p.status()
	same := p.sent != nil && equality.Semantic.DeepEqual(*p.sent, s) &&
		agrees(&p.obj.Status, &s)
	p.mu.Unlock()
	if same {
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": p.uid}, "status": s})
	if err != nil {
		return err
	}
	_, err = p.k.client.CoreV1().Pods(p.namespace).Patch(ctx, p.name,
		types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.sent = &s
	p.mu.Unlock()
	return nil
}

// agrees says whether the API server has what was sent: it may have gone back
// to older data.
func agrees(old, s *v1.PodStatus) bool {
	for _, c := range s.Conditions {
		if !slices.ContainsFunc(old.Conditions, func(o v1.PodCondition) bool {
			return o.Type == c.Type && o.Status == c.Status
		}) {
			return false
		}
	}
	return old.Phase == s.Phase && old.PodIP == s.PodIP &&
		len(old.ContainerStatuses) == len(s.ContainerStatuses)
}

// status is what is known of the pod now; p.mu is held.
func (p *pod) status() v1.PodStatus {
	s := v1.PodStatus{ObservedGeneration: p.obj.Generation,
		HostIP: p.n.Address, HostIPs: []v1.HostIP{{IP: p.n.Address}},
		StartTime: &p.started}
	if p.ip != "" {
		s.PodIP = p.ip
		s.PodIPs = []v1.PodIP{{IP: p.ip}}
	}
	for _, c := range p.inits {
		s.InitContainerStatuses = append(s.InitContainerStatuses, c.status())
	}
	for _, c := range p.mains {
		s.ContainerStatuses = append(s.ContainerStatuses, c.status())
	}
	s.Phase = p.phase(s.InitContainerStatuses, s.ContainerStatuses)
	p.setConditions(&s)
	return s
}

// phase follows the rules of the kubelet.
func (p *pod) phase(inits, mains []v1.ContainerStatus) v1.PodPhase {
	var waiting, running, failed int
	for _, c := range mains {
		switch {
		case c.State.Running != nil:
			running++
		case c.State.Terminated != nil:
			if c.State.Terminated.ExitCode != 0 {
				failed++
			}
		case c.LastTerminationState.Terminated == nil:
			waiting++
		default:
			running++ // it will start again
		}
	}
	if p.ended {
		for _, c := range inits {
			if t := c.State.Terminated; t != nil && t.ExitCode != 0 {
				failed++
			}
		}
		if failed > 0 || waiting > 0 {
			return v1.PodFailed
		}
		return v1.PodSucceeded
	}
	if !p.initialized || waiting > 0 {
		return v1.PodPending
	}
	return v1.PodRunning
}

func (p *pod) setConditions(s *v1.PodStatus) {
	var unready []string
	for _, c := range s.ContainerStatuses {
		if !c.Ready {
			unready = append(unready, c.Name)
		}
	}
	for i, c := range s.InitContainerStatuses {
		if p.inits[i].sidecar && !c.Ready {
			unready = append(unready, c.Name)
		}
	}
	ready, reason, message := v1.ConditionTrue, "", ""
	if len(unready) > 0 {
		ready, reason = v1.ConditionFalse, "ContainersNotReady"
		message = fmt.Sprintf("containers with unready status: [%s]",
			strings.Join(unready, " "))
	}
	if terminal(s.Phase) {
		ready, reason, message = v1.ConditionFalse, "PodFailed", ""
		if s.Phase == v1.PodSucceeded {
			reason = "PodCompleted"
		}
	}
	p.setCondition(s, v1.ContainersReady, ready, reason, message)
	for _, g := range p.spec.ReadinessGates {
		if !slices.ContainsFunc(p.obj.Status.Conditions,
			func(c v1.PodCondition) bool {
				return c.Type == g.ConditionType && c.Status == v1.ConditionTrue
			}) && ready == v1.ConditionTrue {
			ready, reason = v1.ConditionFalse, "ReadinessGatesNotReady"
			message = fmt.Sprintf("condition %q is not True", g.ConditionType)
		}
	}
	p.setCondition(s, v1.PodReady, ready, reason, message)
	p.setCondition(s, v1.PodInitialized, condition(p.initialized), "", "")
	p.setCondition(s, v1.PodScheduled, v1.ConditionTrue, "", "")
	p.setCondition(s, v1.PodReadyToStartContainers,
		condition(p.ip != "" && !p.ended), "", "")
}

func condition(b bool) v1.ConditionStatus {
	if b {
		return v1.ConditionTrue
	}
	return v1.ConditionFalse
}

func (p *pod) setCondition(s *v1.PodStatus, t v1.PodConditionType,
	status v1.ConditionStatus, reason, message string) {
	c := v1.PodCondition{Type: t, Status: status, Reason: reason,
		Message: message, ObservedGeneration: p.obj.Generation,
		LastTransitionTime: metav1.Now().Rfc3339Copy()}
	if old := p.conditions[t]; old.Status == status {
		c.LastTransitionTime = old.LastTransitionTime
	}
	p.conditions[t] = c
	s.Conditions = append(s.Conditions, c)
}

// status is the container's; the pod's lock is held.
func (c *container) status() v1.ContainerStatus {
	started := c.started
	return v1.ContainerStatus{Name: c.c.Name, State: c.state,
		LastTerminationState: c.last, Ready: c.ready, Started: &started,
		RestartCount: c.restarts, Image: c.c.Image,
		ImageID: "process://" + c.c.Image, ContainerID: c.id}
}
