package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"ngx_k8s_test/cluster/bed"
	"ngx_k8s_test/cluster/netns"
)

const standinName = "stand-in.test/none"

// short are the suite's times where all there is is the stand-in: what it does
// it does at once.
const short = "GatewayMustHaveAddress:3;GatewayMustHaveCondition:3;" +
	"GatewayStatusMustHaveListeners:3;GatewayListenersMustHaveConditions:3;" +
	"ListenerSetMustHaveCondition:3;ListenerSetListenersMustHaveConditions:3;" +
	"HTTPRouteMustNotHaveParents:3;HTTPRouteMustHaveCondition:3;" +
	"TLSRouteMustHaveCondition:3;TCPRouteMustHaveCondition:3;" +
	"UDPRouteMustHaveCondition:3;RouteMustHaveParents:3;MaxTimeToConsistency:3;" +
	"LatestObservedGenerationSet:5;DefaultTestTimeout:5"

func resource(name string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "gateway.networking.k8s.io",
		Version: "v1", Resource: name}
}

// standin is a controller that takes every GatewayClass and Gateway and says
// that all is well.
type standin struct {
	bed       *bed.Bed
	addresses map[string]string // by namespace and name
}

func (s *standin) run(ctx context.Context) {
	s.addresses = map[string]string{}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, kind := range []string{"gatewayclasses", "gateways"} {
			l, err := s.bed.Dynamic.Resource(resource(kind)).List(ctx,
				metav1.ListOptions{})
			if err != nil {
				continue // it may be better the next time
			}
			for i := range l.Items {
				if !settled(&l.Items[i]) {
					s.accept(ctx, kind, &l.Items[i])
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// settled tells whether the status is of this generation and ours.
func settled(u *unstructured.Unstructured) bool {
	l, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range l {
		m, _ := c.(map[string]any)
		if m["type"] == "Accepted" {
			return m["status"] == "True" && m["observedGeneration"] == u.GetGeneration()
		}
	}
	return false
}

func conditions(u *unstructured.Unstructured, types ...string) (l []any) {
	for _, t := range types {
		l = append(l, map[string]any{"type": t, "status": "True", "reason": t,
			"message": "stand-in", "observedGeneration": u.GetGeneration(),
			"lastTransitionTime": metav1.Now().UTC().Format(time.RFC3339)})
	}
	return l
}

// accept writes the status of an object.
func (s *standin) accept(ctx context.Context, kind string, u *unstructured.Unstructured) {
	status := map[string]any{"conditions": conditions(u, "Accepted")}
	if kind == "gateways" {
		status["conditions"] = conditions(u, "Accepted", "Programmed")
		a, err := s.address(u.GetNamespace() + "/" + u.GetName())
		if err != nil {
			fmt.Println("# stand-in:", err)
			return
		}
		status["addresses"] = []any{map[string]any{"type": "IPAddress", "value": a}}
		var listeners []any
		l, _, _ := unstructured.NestedSlice(u.Object, "spec", "listeners")
		for _, x := range l {
			m, _ := x.(map[string]any)
			listeners = append(listeners, map[string]any{"name": m["name"],
				"attachedRoutes": int64(0), "supportedKinds": []any{},
				"conditions": conditions(u, "Accepted", "Programmed", "ResolvedRefs")})
		}
		status["listeners"] = listeners
	}
	p := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": u.GetAPIVersion(), "kind": u.GetKind(), "status": status}}
	p.SetName(u.GetName())
	p.SetNamespace(u.GetNamespace())
	r := s.bed.Dynamic.Resource(resource(kind))
	// one that was deleted meanwhile, or changed, is seen the next time
	if u.GetNamespace() == "" {
		_, _ = r.ApplyStatus(ctx, u.GetName(), p,
			metav1.ApplyOptions{FieldManager: standinName, Force: true})
	} else {
		_, _ = r.Namespace(u.GetNamespace()).ApplyStatus(ctx, u.GetName(), p,
			metav1.ApplyOptions{FieldManager: standinName, Force: true})
	}
}

// address gives a Gateway an address of the node, where nobody listens.
func (s *standin) address(gateway string) (string, error) {
	if a := s.addresses[gateway]; a != "" {
		return a, nil
	}
	n := len(s.addresses) + 1
	a := fmt.Sprintf("10.100.%d.%d", n/250, n%250+1)
	if err := netns.Address(a); err != nil {
		return "", err
	}
	s.addresses[gateway] = a
	return a, nil
}

// established is nil once all CRDs are served.
func established(ctx context.Context, b *bed.Bed) error {
	l, err := b.Dynamic.Resource(schema.GroupVersionResource{
		Group: "apiextensions.k8s.io", Version: "v1",
		Resource: "customresourcedefinitions"}).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range l.Items {
		ok := false
		c, _, _ := unstructured.NestedSlice(l.Items[i].Object, "status", "conditions")
		for _, x := range c {
			m, _ := x.(map[string]any)
			ok = ok || m["type"] == "Established" && m["status"] == "True"
		}
		if !ok {
			return fmt.Errorf("CRD %s is not established", l.Items[i].GetName())
		}
	}
	return nil
}
