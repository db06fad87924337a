package api

import (
	"encoding/base64"
	"fmt"
	"math/rand"
)

// Gen says what is made in bulk.
type Gen struct {
	N          int      `json:"n"`          // Ingress, Service, EndpointSlice
	From       int      `json:"from"`       // number of the first
	Namespaces int      `json:"namespaces"` // they are spread over so many
	Class      string   `json:"class"`      // "" : nginx
	Addresses  []string `json:"addresses"`  // of endpoints, in turn
	Endpoints  int      `json:"endpoints"`  // of each Service, default 1
	Port       int      `json:"port"`       // targetPort, default 8080
	Helm       int      `json:"helm"`       // Secrets of Helm releases
	HelmSize   int      `json:"helmSize"`   // bytes of each
	Managed    bool     `json:"managed"`    // with managedFields
}

// Class makes an IngressClass.
func Class(name, controller string) Map {
	return Map{"metadata": Map{"name": name},
		"spec": Map{"controller": controller}}
}

// Namespace makes one.
func Namespace(name string) Map {
	return Map{"metadata": Map{"name": name, "labels": Map{
		"kubernetes.io/metadata.name": name}},
		"spec":   Map{"finalizers": []interface{}{"kubernetes"}},
		"status": Map{"phase": "Active"}}
}

// Path is one of an Ingress rule.
type Path struct {
	Path, Type, Service string
	Port                interface{} // number or name
}

func backend(svc string, port interface{}) Map {
	p := Map{"number": port}
	if _, ok := port.(string); ok {
		p = Map{"name": port}
	}
	return Map{"service": Map{"name": svc, "port": p}}
}

// Ingress makes one with one host.
func Ingress(ns, name, host string, paths ...Path) Map {
	var l []interface{}
	for _, p := range paths {
		m := Map{"backend": backend(p.Service, p.Port)}
		if p.Path != "" {
			m["path"] = p.Path
		}
		if p.Type != "" {
			m["pathType"] = p.Type
		}
		l = append(l, m)
	}
	rule := Map{"http": Map{"paths": l}}
	if host != "" {
		rule["host"] = host
	}
	return Map{"metadata": Map{"name": name, "namespace": ns,
		"generation": 1},
		"spec": Map{"ingressClassName": "nginx",
			"rules": []interface{}{rule}},
		"status": Map{"loadBalancer": Map{}}}
}

// Service makes one with one port, named http.
func Service(ns, name string, port, target interface{}) Map {
	return Map{"metadata": Map{"name": name, "namespace": ns},
		"spec": Map{"type": "ClusterIP", "clusterIP": "10.96.0.10",
			"clusterIPs":            []interface{}{"10.96.0.10"},
			"ipFamilies":            []interface{}{"IPv4"},
			"ipFamilyPolicy":        "SingleStack",
			"internalTrafficPolicy": "Cluster",
			"selector":              Map{"app": name},
			"sessionAffinity":       "None",
			"ports": []interface{}{Map{"name": "http", "port": port,
				"targetPort": target, "protocol": "TCP"}}},
		"status": Map{"loadBalancer": Map{}}}
}

// Endpoint makes one of an EndpointSlice.
func Endpoint(addr, pod string, ready, serving, terminating bool) Map {
	return Map{"addresses": []interface{}{addr},
		"conditions": Map{"ready": ready, "serving": serving,
			"terminating": terminating},
		"nodeName": "node-a", "zone": "zone-a",
		"targetRef": Map{"kind": "Pod", "name": pod, "namespace": "default",
			"uid": "pod-" + pod}}
}

// Slice makes an EndpointSlice with a port named http.
func Slice(ns, name, service string, port int, endpoints ...Map) Map {
	l := make([]interface{}, 0, len(endpoints))
	for _, e := range endpoints {
		l = append(l, e)
	}
	return Map{"metadata": Map{"name": name, "namespace": ns,
		"generateName": service + "-", "generation": 1,
		"labels": Map{
			"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
			"kubernetes.io/service-name":             service}},
		"addressType": "IPv4",
		"endpoints":   l,
		"ports": []interface{}{Map{"name": "http", "port": port,
			"protocol": "TCP"}}}
}

// TLSSecret makes one of a key pair.
func TLSSecret(ns, name string, crt, key []byte) Map {
	return Map{"metadata": Map{"name": name, "namespace": ns},
		"type": "kubernetes.io/tls",
		"data": Map{"tls.crt": base64.StdEncoding.EncodeToString(crt),
			"tls.key": base64.StdEncoding.EncodeToString(key)}}
}

func managed(m Map) Map {
	m["metadata"].(Map)["managedFields"] = []interface{}{Map{
		"manager": "kubectl-client-side-apply", "operation": "Update",
		"apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
		"fieldsType": "FieldsV1", "fieldsV1": Map{
			"f:metadata": Map{"f:annotations": Map{".": Map{},
				"f:kubectl.kubernetes.io/last-applied-configuration": Map{}}},
			"f:spec": Map{"f:ingressClassName": Map{}, "f:rules": Map{},
				"f:ports": Map{"k:{\"port\":80,\"protocol\":\"TCP\"}": Map{
					".": Map{}, "f:name": Map{}, "f:port": Map{}}}}}}}
	return m
}

// GenNames are the names of generated object i.
func GenNames(g Gen, i int) (ns, ing, host, svc string) {
	ns = "default"
	if g.Namespaces > 0 {
		ns = fmt.Sprintf("ns-%03d", i%g.Namespaces)
	}
	return ns, fmt.Sprintf("ing-%05d", i), fmt.Sprintf("h%05d.example.test", i),
		fmt.Sprintf("svc-%05d", i)
}

// Generate makes objects in bulk.
func (s *Server) Generate(g Gen) {
	if g.Port == 0 {
		g.Port = 8080
	}
	if g.Endpoints == 0 {
		g.Endpoints = 1
	}
	mark := func(m Map) Map {
		if g.Managed {
			return managed(m)
		}
		return m
	}
	if g.N > 0 && s.Get("ingressclasses", "", "nginx") == nil {
		s.Put("ingressclasses", Class("nginx", "k8s.io/ingress-nginx"))
	}
	for n := 0; n == 0 || n < g.Namespaces; n++ {
		ns, _, _, _ := GenNames(g, n)
		if s.Get("namespaces", "", ns) == nil {
			s.Put("namespaces", Namespace(ns))
		}
	}
	addr := 0
	for i := g.From; i < g.From+g.N; i++ {
		ns, ing, host, svc := GenNames(g, i)
		x := Ingress(ns, ing, host, Path{"/", "Prefix", svc, 80})
		if g.Class != "" {
			x["spec"].(Map)["ingressClassName"] = g.Class
		}
		var eps []Map
		for e := 0; e < g.Endpoints; e++ {
			a := fmt.Sprintf("10.244.%d.%d", 1+(addr/250)%250, 1+addr%250)
			if len(g.Addresses) > 0 {
				a = g.Addresses[addr%len(g.Addresses)]
			}
			addr++
			eps = append(eps, Endpoint(a, fmt.Sprintf("%s-%d", svc, e), true,
				true, false))
		}
		s.Put("services", mark(Service(ns, svc, 80, g.Port)))
		s.Put("endpointslices", mark(Slice(ns, svc+"-0", svc, g.Port, eps...)))
		s.Put("ingresses", mark(x))
	}
	if g.Helm > 0 {
		// one text for all, so that they take no memory until they are sent
		b := make([]byte, g.HelmSize*3/4)
		rand.New(rand.NewSource(1)).Read(b)
		text := base64.StdEncoding.EncodeToString(b)
		s.Store.mu.Lock()
		for i := 0; i < g.Helm; i++ {
			_, _ = s.writeLocked("secrets", Map{
				"metadata": Map{"namespace": "default",
					"name":   fmt.Sprintf("sh.helm.release.v1.app-%04d.v1", i),
					"labels": Map{"owner": "helm", "version": "1"}},
				"type": "helm.sh/release.v1",
				"data": Map{"release": text}}, "put", true)
		}
		s.Store.mu.Unlock()
	}
}
