// Package bed is a whole cluster for tests: its network, its control plane and
// what runs pods, in one process's namespaces.
package bed

import (
	"context"
	"fmt"
	"io"
	"net"
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
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"

	"ngx_k8s_test/cluster/dns"
	"ngx_k8s_test/cluster/kubelet"
	"ngx_k8s_test/cluster/netns"
	"ngx_k8s_test/cluster/plane"
)

// DNS is the address of the cluster's DNS.
const DNS = "10.96.0.10"

// Options say what to run.  Dir is made where it is missing; without one it is
// /run/bed, which goes with the namespaces.  Without Proxy, Services have no
// addresses that work, but for the one of the DNS.
type Options struct {
	plane.Options

	// Kubelet's Config and Dir are set here, and DNS where there is none.
	// Without nodes there are n1, n2 and n3, each in a zone of its own, "a" to
	// "c".
	Kubelet kubelet.Options
}

// Bed is a running cluster.
type Bed struct {
	Plane   *plane.Plane
	Kubelet *kubelet.Kubelet
	DNS     *dns.Server
	Client  kubernetes.Interface
	Dynamic dynamic.Interface

	mapper *restmapper.DeferredDiscoveryRESTMapper
	log    *os.File
}

// Up starts all of it and returns when it can be used: nodes are ready, and the
// DNS answers.  The program must be in its namespaces already (netns.Enter).
func Up(ctx context.Context, o Options) (*Bed, error) {
	if o.Dir == "" {
		o.Dir = "/run/bed"
	}
	b := &Bed{}
	if err := b.logs(o.Dir); err != nil {
		return nil, err
	}
	if err := b.start(ctx, o); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// logs keeps what client-go and the kubelet have to say in a file.
func (b *Bed) logs(dir string) (err error) {
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
		return err
	}
	if b.log, err = os.Create(filepath.Join(dir, "logs", "bed.log")); err != nil {
		return err
	}
	klog.SetLogger(textlogger.NewLogger(textlogger.NewConfig(
		textlogger.Output(b.log))))
	return nil
}

func (b *Bed) start(ctx context.Context, o Options) (err error) {
	proxy := o.Proxy
	o.Proxy = false // once there is a node
	if b.Plane, err = plane.Start(ctx, o.Options); err != nil {
		return err
	}
	if err := b.clients(); err != nil {
		return err
	}
	k := o.Kubelet
	k.Config, k.Dir = b.Plane.Config(), "/run/kubelet"
	if k.DNS == "" {
		k.DNS = DNS
	}
	if len(k.Nodes) == 0 {
		k.Nodes = []kubelet.Node{{Name: "n1", Zone: "a", Address: netns.Node},
			{Name: "n2", Zone: "b", Address: "10.244.0.2"},
			{Name: "n3", Zone: "c", Address: "10.244.0.3"}}
	}
	if b.Kubelet, err = kubelet.Start(ctx, k); err != nil {
		return err
	}
	if proxy {
		if err := b.Plane.Run(ctx, plane.Proxy); err != nil {
			return err
		}
	}
	return b.names(ctx, proxy)
}

// names starts the DNS, as a Service or, without kube-proxy, at an address of
// the node.
func (b *Bed) names(ctx context.Context, proxy bool) (err error) {
	o := dns.Options{Client: b.Client, Listen: netns.Node}
	if !proxy {
		o.Listen = DNS
		if err := netns.Address(DNS); err != nil {
			return err
		}
	}
	if b.DNS, err = dns.Start(ctx, o); err != nil {
		return err
	}
	if proxy {
		if err := b.DNS.Publish(ctx, DNS); err != nil {
			return err
		}
	}
	if err := netns.Resolver(DNS); err != nil {
		return err
	}
	r := net.Resolver{PreferGo: true}
	err = Until(ctx, 30*time.Second, func() error {
		c, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		_, err := r.LookupHost(c, "kubernetes.default.svc.cluster.local.")
		return err
	})
	if err != nil && proxy {
		err = fmt.Errorf("the DNS has no address (see %s): %w",
			b.Plane.Log(plane.Proxy), err)
	}
	return err
}

// Restore is plane.Restore, after which the kubelet reads all anew.
func (b *Bed) Restore(ctx context.Context, snapshot string) error {
	if err := b.Plane.Restore(ctx, snapshot); err != nil {
		return err
	}
	b.Kubelet.Relist()
	return nil
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
	if b.DNS != nil {
		b.DNS.Close()
	}
	if b.Plane != nil {
		b.Plane.Close()
	}
}

// Log is the file with what the bed's own parts wrote.
func (b *Bed) Log() string { return b.log.Name() }

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
