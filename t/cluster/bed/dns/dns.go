// Package dns is the DNS of a cluster of tests: names of Services from the API,
// records and faults that tests set (see package answer).
package dns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"ngx_k8s_test/cluster/dns/answer"
)

// ConfigMap of kube-system that holds further records: the text under each of
// its keys is as answer.Server's Load takes it.
const ConfigMap = "dns-records"

// Options of a server.
type Options struct {
	// Client gives the cluster's names.
	Client kubernetes.Interface
	// Listen is an address, or address:port; the port is 53 without one.
	Listen string
	// Domain of the cluster, "cluster.local" without one.
	Domain string
	// TTL of the cluster's records in seconds, 5 without one.
	TTL uint32
}

// Server is a DNS server that has the cluster's names.
type Server struct {
	*answer.Server
	client kubernetes.Interface
	stop   context.CancelFunc
}

// Start starts a server; it has the cluster's names when Start returns.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Domain == "" {
		o.Domain = "cluster.local"
	}
	if o.TTL == 0 {
		o.TTL = 5
	}
	ctx, stop := context.WithCancel(ctx)
	c := newCluster(o)
	s, err := answer.Start(ctx, answer.Options{Listen: o.Listen,
		Domain: o.Domain, TTL: o.TTL, Source: c.records})
	if err == nil {
		if err = c.start(ctx, o.Client, s); err == nil {
			return &Server{s, o.Client, stop}, nil
		}
		_ = s.Close()
	}
	stop()
	return nil, err
}

// Close ends it; there is never an error.
func (s *Server) Close() error {
	s.stop()
	return s.Server.Close()
}

// cluster has the names of the cluster, from informers' caches.
type cluster struct {
	domain     string
	ttl        uint32
	factory    informers.SharedInformerFactory
	services   corelisters.ServiceLister
	namespaces corelisters.NamespaceLister
	slices     cache.Indexer // of EndpointSlices, by "service"
}

func newCluster(o Options) *cluster {
	f := informers.NewSharedInformerFactory(o.Client, 0)
	return &cluster{domain: o.Domain, ttl: o.TTL, factory: f,
		services:   f.Core().V1().Services().Lister(),
		namespaces: f.Core().V1().Namespaces().Lister(),
		slices:     f.Discovery().V1().EndpointSlices().Informer().GetIndexer()}
}

// start starts the informers and waits until they have all.
func (c *cluster) start(ctx context.Context, client kubernetes.Interface,
	s *answer.Server) error {
	if err := c.slices.AddIndexers(cache.Indexers{"service": byService}); err != nil {
		return err
	}
	own := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithNamespace("kube-system"),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.FieldSelector = "metadata.name=" + ConfigMap
		}))
	handle, err := own.Core().V1().ConfigMaps().Informer().AddEventHandler(
		cache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { load(s, o) },
			UpdateFunc: func(_, o any) { load(s, o) },
			DeleteFunc: func(any) { _ = s.Load("") },
		})
	if err != nil {
		return err
	}
	c.factory.Start(ctx.Done())
	own.Start(ctx.Done())
	for _, ok := range c.factory.WaitForCacheSync(ctx.Done()) {
		if !ok {
			return errors.New("dns: the API gives no Services")
		}
	}
	if !cache.WaitForCacheSync(ctx.Done(), handle.HasSynced) {
		return errors.New("dns: the API gives no ConfigMaps")
	}
	return nil
}

// load takes the records of the ConfigMap.
func load(s *answer.Server, o any) {
	m, ok := o.(*corev1.ConfigMap)
	if !ok || m.Name != ConfigMap {
		return
	}
	var text strings.Builder
	for _, v := range m.Data {
		text.WriteString(v + "\n")
	}
	if err := s.Load(text.String()); err != nil {
		klog.Errorf("dns: ConfigMap %s: %v", ConfigMap, err)
	}
}

func byService(o any) ([]string, error) {
	s, ok := o.(*discoveryv1.EndpointSlice)
	if !ok {
		return nil, nil
	}
	return []string{s.Namespace + "/" + s.Labels[discoveryv1.LabelServiceName]}, nil
}

// records of a name within the cluster's domain.
func (c *cluster) records(name string) ([]answer.Record, bool) {
	rest, ok := strings.CutSuffix(name, "."+c.domain)
	if !ok {
		return nil, name == c.domain
	}
	l := strings.Split(rest, ".")
	n := len(l)
	switch l[n-1] {
	case "svc":
	case "pod":
		return c.pod(l)
	default:
		return nil, false
	}
	if n == 1 {
		return nil, true
	}
	if n == 2 {
		_, err := c.namespaces.Get(l[0])
		return nil, err == nil
	}
	s, err := c.services.Services(l[n-2]).Get(l[n-3])
	if err != nil {
		return nil, false
	}
	switch sub := l[:n-3]; {
	case len(sub) == 0:
		return c.service(s)
	case s.Spec.Type == corev1.ServiceTypeExternalName:
		return nil, false
	case len(sub) == 2 && strings.HasPrefix(sub[0], "_") &&
		strings.HasPrefix(sub[1], "_"):
		return c.srv(s, sub[0][1:], sub[1][1:])
	case len(sub) == 1 && s.Spec.ClusterIP == corev1.ClusterIPNone:
		var l []answer.Record
		c.endpoints(s, func(host string, a netip.Addr, _ *discoveryv1.EndpointSlice) {
			if host == sub[0] {
				l = append(l, answer.Address(a, c.ttl))
			}
		})
		return l, l != nil
	}
	return nil, false
}

// pod has the addresses that are written into its name: 10-244-1-2.NS.pod.
func (c *cluster) pod(l []string) ([]answer.Record, bool) {
	if len(l) == 1 {
		return nil, true
	}
	if _, err := c.namespaces.Get(l[len(l)-2]); err != nil || len(l) > 3 {
		return nil, false
	}
	if len(l) == 2 {
		return nil, true
	}
	a, err := netip.ParseAddr(strings.ReplaceAll(l[0], "-", "."))
	if err != nil {
		return nil, false
	}
	return []answer.Record{answer.Address(a, c.ttl)}, true
}

// service has its own addresses, its pods', or another name.
func (c *cluster) service(s *corev1.Service) (l []answer.Record, ok bool) {
	switch {
	case s.Spec.Type == corev1.ServiceTypeExternalName:
		if a, err := netip.ParseAddr(s.Spec.ExternalName); err == nil {
			return []answer.Record{answer.Address(a, c.ttl)}, true
		}
		return []answer.Record{{Type: dnsmessage.TypeCNAME, TTL: c.ttl,
			Target: s.Spec.ExternalName}}, true
	case s.Spec.ClusterIP == corev1.ClusterIPNone:
		c.endpoints(s, func(_ string, a netip.Addr, _ *discoveryv1.EndpointSlice) {
			l = append(l, answer.Address(a, c.ttl))
		})
		return l, true
	}
	for _, ip := range s.Spec.ClusterIPs {
		if a, err := netip.ParseAddr(ip); err == nil {
			l = append(l, answer.Address(a, c.ttl))
		}
	}
	return l, true
}

// endpoints calls f for each ready one with its host name: what the slice
// says, or its address with dashes.
func (c *cluster) endpoints(s *corev1.Service, f func(host string, a netip.Addr,
	slice *discoveryv1.EndpointSlice)) {
	l, err := c.slices.ByIndex("service", s.Namespace+"/"+s.Name)
	if err != nil {
		return
	}
	for _, o := range l {
		slice := o.(*discoveryv1.EndpointSlice)
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			for _, ip := range e.Addresses {
				a, err := netip.ParseAddr(ip)
				if err != nil {
					continue
				}
				host := strings.NewReplacer(".", "-", ":", "-").Replace(ip)
				if e.Hostname != nil && *e.Hostname != "" {
					host = *e.Hostname
				}
				f(host, a, slice)
			}
		}
	}
}

// srv has the named ports of a Service, or of its pods.
func (c *cluster) srv(s *corev1.Service, port, proto string) (l []answer.Record, ok bool) {
	name := fmt.Sprintf("%s.%s.svc.%s", s.Name, s.Namespace, c.domain)
	if s.Spec.ClusterIP != corev1.ClusterIPNone {
		for _, p := range s.Spec.Ports {
			if p.Name == port && strings.EqualFold(string(p.Protocol), proto) {
				l = append(l, answer.Record{Type: dnsmessage.TypeSRV, TTL: c.ttl,
					Target: name, Port: uint16(p.Port)})
			}
		}
		return l, l != nil
	}
	c.endpoints(s, func(host string, _ netip.Addr, slice *discoveryv1.EndpointSlice) {
		for _, p := range slice.Ports {
			if p.Name != nil && *p.Name == port && p.Port != nil &&
				p.Protocol != nil && strings.EqualFold(string(*p.Protocol), proto) {
				l = append(l, answer.Record{Type: dnsmessage.TypeSRV, TTL: c.ttl,
					Target: host + "." + name, Port: uint16(*p.Port)})
			}
		}
	})
	return l, l != nil
}

// Publish makes the Service kube-system/kube-dns with this address of the
// Service range, whose one endpoint is the server.
func (s *Server) Publish(ctx context.Context, clusterIP string) error {
	addr, err := netip.ParseAddrPort(s.Addr())
	if err != nil {
		return err
	}
	const ns, name = "kube-system", "kube-dns"
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}}
	svc.Spec.ClusterIP, svc.Spec.ClusterIPs = clusterIP, []string{clusterIP}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{addr.Addr().String()}}}}
	for _, p := range []struct {
		name  string
		proto corev1.Protocol
	}{{"dns", corev1.ProtocolUDP}, {"dns-tcp", corev1.ProtocolTCP}} {
		port := int32(addr.Port())
		svc.Spec.Ports = append(svc.Spec.Ports, corev1.ServicePort{Name: p.name,
			Port: 53, Protocol: p.proto, TargetPort: intstr.FromInt32(port)})
		slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &p.name,
			Port: &port, Protocol: &p.proto})
	}
	_, err = s.client.CoreV1().Services(ns).Create(ctx, svc, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	_, err = s.client.DiscoveryV1().EndpointSlices(ns).Create(ctx, slice,
		metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		_, err = s.client.DiscoveryV1().EndpointSlices(ns).Update(ctx, slice,
			metav1.UpdateOptions{})
	}
	return err
}
