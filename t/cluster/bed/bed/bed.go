// Package bed is a whole cluster for tests: its network, its control plane and
// what runs pods, in one process's namespaces.
package bed

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"

	"ngx_k8s_test/cluster/kubelet"
	"ngx_k8s_test/cluster/netns"
	"ngx_k8s_test/cluster/plane"
)

// Options say what to run.  Dir is made where it is missing; without one it is
// /run/bed, which goes with the namespaces.
type Options struct {
	plane.Options

	// Kubelet's Config and Dir are set here.  Without nodes there are n1, n2
	// and n3, each in a zone of its own, "a" to "c".
	Kubelet kubelet.Options
}

// Bed is a running cluster.
type Bed struct {
	Plane   *plane.Plane
	Kubelet *kubelet.Kubelet
	Client  kubernetes.Interface
	Dynamic dynamic.Interface

	mapper *restmapper.DeferredDiscoveryRESTMapper
}

// Up starts all of it and returns when it can be used.  The program must be in
// its namespaces already (netns.Enter).
func Up(ctx context.Context, o Options) (*Bed, error) {
	if o.Dir == "" {
		o.Dir = "/run/bed"
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	b := &Bed{}
	var err error
	if b.Plane, err = plane.Start(ctx, o.Options); err != nil {
		return nil, err
	}
	if err := b.clients(); err != nil {
		b.Close()
		return nil, err
	}
	k := o.Kubelet
	k.Config, k.Dir = b.Plane.Config(), filepath.Join(o.Dir, "pods")
	if len(k.Nodes) == 0 {
		k.Nodes = []kubelet.Node{{Name: "n1", Zone: "a", Address: netns.Node},
			{Name: "n2", Zone: "b", Address: "10.244.0.2"},
			{Name: "n3", Zone: "c", Address: "10.244.0.3"}}
	}
	if b.Kubelet, err = kubelet.Start(ctx, k); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Bed) clients() (err error) {
	c := b.Plane.Config()
	if b.Client, err = kubernetes.NewForConfig(c); err != nil {
		return err
	}
	if b.Dynamic, err = dynamic.NewForConfig(c); err != nil {
		return err
	}
	b.mapper = restmapper.NewDeferredDiscoveryRESTMapper(
		memory.NewMemCacheClient(b.Client.Discovery()))
	return nil
}

// Close ends all of it.
func (b *Bed) Close() {
	if b.Kubelet != nil {
		b.Kubelet.Close()
	}
	if b.Plane != nil {
		b.Plane.Close()
	}
}

// Apply writes all objects of a text in YAML by server-side apply, in their
// order.  An object without a namespace goes to "default".
func (b *Bed) Apply(ctx context.Context, text string) error {
	d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		var u unstructured.Unstructured
		if err := d.Decode(&u); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if len(u.Object) == 0 {
			continue
		}
		if err := b.apply(ctx, &u); err != nil {
			return fmt.Errorf("%s %s: %w", u.GetKind(), u.GetName(), err)
		}
	}
}

func (b *Bed) apply(ctx context.Context, u *unstructured.Unstructured) error {
	k := u.GroupVersionKind()
	m, err := b.mapper.RESTMapping(k.GroupKind(), k.Version)
	if err != nil {
		// the kind may have come since the last look
		b.mapper.Reset()
		if m, err = b.mapper.RESTMapping(k.GroupKind(), k.Version); err != nil {
			return err
		}
	}
	r := dynamic.ResourceInterface(b.Dynamic.Resource(m.Resource))
	if m.Scope.Name() == "namespace" {
		ns := u.GetNamespace()
		if ns == "" {
			ns = "default"
		}
		r = b.Dynamic.Resource(m.Resource).Namespace(ns)
	}
	_, err = r.Apply(ctx, u.GetName(), u,
		metav1.ApplyOptions{FieldManager: "bed", Force: true})
	return err
}

// Until calls f every 20 ms until it returns nil, for at most this long, and
// returns its last error.
func Until(ctx context.Context, limit time.Duration, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", limit, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
