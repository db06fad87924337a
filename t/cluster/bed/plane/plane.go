// Package plane runs a control plane: etcd, kube-apiserver,
// kube-controller-manager and kube-proxy, the real programs, as processes.
// Call it in the network of a bed (package netns).
package plane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"ngx_k8s_test/cluster/netns"
)

// The names of the processes, in the order in which they start.
const (
	Etcd       = "etcd"
	APIServer  = "kube-apiserver"
	Controller = "kube-controller-manager"
	Proxy      = "kube-proxy"
)

// Addresses of the cluster.
const (
	Pods     = "10.244.0.0/16"
	Services = "10.96.0.0/16"
	Server   = "https://" + netns.Node + ":16443"
)

// Options say how to run a control plane.
type Options struct {
	Dir string // where all files go; must exist
	Bin string // where the programs are

	// Batch is for how long the controller manager collects changes before it
	// writes EndpointSlices.
	Batch time.Duration

	// LeaseFast makes a node without news unreachable in 4 seconds, and its
	// pods deleted 2 seconds later, instead of 50 seconds and 5 minutes.
	LeaseFast bool

	Proxy bool // run kube-proxy too, as node n1

	// further arguments, which win over the ones here
	APIServerArgs, ControllerArgs, ProxyArgs []string
}

// Plane is a running control plane.
type Plane struct {
	o      Options
	config *rest.Config

	mu    sync.Mutex
	procs map[string]*process
}

// Start makes a new cluster in o.Dir and returns when it can be used: the API
// server is ready and ServiceAccounts are made.  kube-proxy may still wait for
// its node.  Close ends it.
func Start(ctx context.Context, o Options) (*Plane, error) {
	p := &Plane{o: o, procs: map[string]*process{}}
	if err := os.MkdirAll(filepath.Join(o.Dir, "logs"), 0o755); err != nil {
		return nil, err
	}
	if err := certificates(o.Dir, []string{"kubernetes", "kubernetes.default",
		"kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		"localhost"}, []string{netns.Node, "10.96.0.1",
		"127.0.0.1"}); err != nil {
		return nil, err
	}
	if err := p.configure(); err != nil {
		return nil, err
	}
	names := []string{Etcd, APIServer, Controller}
	if o.Proxy {
		names = append(names, Proxy)
	}
	for _, name := range names {
		if err := p.Run(ctx, name); err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

// configure writes the administrator's kubeconfig.
func (p *Plane) configure() error {
	k := api.NewConfig()
	k.Clusters["bed"] = &api.Cluster{Server: Server,
		CertificateAuthority: p.path("ca.crt")}
	k.AuthInfos["admin"] = &api.AuthInfo{ClientCertificate: p.path("admin.crt"),
		ClientKey: p.path("admin.key")}
	k.Contexts["bed"] = &api.Context{Cluster: "bed", AuthInfo: "admin"}
	k.CurrentContext = "bed"
	if err := clientcmd.WriteToFile(*k, p.Kubeconfig()); err != nil {
		return err
	}
	c, err := clientcmd.BuildConfigFromFlags("", p.Kubeconfig())
	if err != nil {
		return err
	}
	c.QPS, c.Burst = -1, -1
	p.config = c
	return nil
}

func (p *Plane) path(name string) string { return filepath.Join(p.o.Dir, name) }

// Config is the administrator's, without a limit of requests.
func (p *Plane) Config() *rest.Config { return rest.CopyConfig(p.config) }

// Kubeconfig is the administrator's file.
func (p *Plane) Kubeconfig() string { return p.path("kubeconfig") }

// Log is the file with all that a process wrote, over all its runs.
func (p *Plane) Log(name string) string {
	return p.path(filepath.Join("logs", name+".log"))
}

func (p *Plane) args(name string) []string {
	var a []string
	switch name {
	case Etcd:
		a = []string{"--data-dir=" + p.path("etcd"),
			"--listen-client-urls=http://127.0.0.1:2379",
			"--advertise-client-urls=http://127.0.0.1:2379",
			"--listen-peer-urls=http://127.0.0.1:2380",
			"--unsafe-no-fsync=true"}
	case APIServer:
		a = []string{"--etcd-servers=http://127.0.0.1:2379",
			"--bind-address=" + netns.Node, "--advertise-address=" + netns.Node,
			"--secure-port=16443",
			"--tls-cert-file=" + p.path("apiserver.crt"),
			"--tls-private-key-file=" + p.path("apiserver.key"),
			"--client-ca-file=" + p.path("ca.crt"),
			"--service-cluster-ip-range=" + Services,
			"--authorization-mode=RBAC", "--allow-privileged",
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + p.path("sa.pub"),
			"--service-account-signing-key-file=" + p.path("sa.key"),
			"--service-account-extend-token-expiration=false",
			"--kubelet-preferred-address-types=InternalIP",
			"--max-requests-inflight=2000",
			"--max-mutating-requests-inflight=1000"}
		if p.o.LeaseFast {
			a = append(a, "--default-not-ready-toleration-seconds=2",
				"--default-unreachable-toleration-seconds=2")
		}
		a = append(a, p.o.APIServerArgs...)
	case Controller:
		k := p.Kubeconfig()
		a = []string{"--kubeconfig=" + k, "--authentication-kubeconfig=" + k,
			"--authorization-kubeconfig=" + k, "--leader-elect=false",
			"--service-account-private-key-file=" + p.path("sa.key"),
			"--root-ca-file=" + p.path("ca.crt"),
			"--kube-api-qps=500", "--kube-api-burst=500",
			"--controllers=" + strings.Join(controllers, ",")}
		if p.o.Batch > 0 {
			a = append(a, fmt.Sprintf(
				"--endpointslice-updates-batch-period=%s", p.o.Batch))
		}
		if p.o.LeaseFast {
			a = append(a, "--node-monitor-grace-period=4s",
				"--node-monitor-period=500ms", "--node-eviction-rate=10",
				"--unhealthy-zone-threshold=1")
		}
		a = append(a, p.o.ControllerArgs...)
	case Proxy:
		a = []string{"--kubeconfig=" + p.Kubeconfig(), "--proxy-mode=nftables",
			"--hostname-override=n1", "--cluster-cidr=" + Pods,
			"--conntrack-max-per-core=0",
			"--conntrack-tcp-timeout-established=0",
			"--conntrack-tcp-timeout-close-wait=0"}
		a = append(a, p.o.ProxyArgs...)
	}
	return a
}

var controllers = []string{"clusterrole-aggregation-controller",
	"daemonset-controller", "deployment-controller", "disruption-controller",
	"endpoints-controller", "endpointslice-controller",
	"endpointslice-mirroring-controller", "garbage-collector-controller",
	"job-controller", "namespace-controller", "node-lifecycle-controller",
	"pod-garbage-collector-controller", "replicaset-controller",
	"root-ca-certificate-publisher-controller", "serviceaccount-controller",
	"serviceaccount-token-controller", "statefulset-controller",
	"taint-eviction-controller"}

// Run starts a process that does not run, and waits until it does its work.
func (p *Plane) Run(ctx context.Context, name string) error {
	p.mu.Lock()
	if p.procs[name] != nil {
		p.mu.Unlock()
		return fmt.Errorf("%s runs already", name)
	}
	x, err := start(filepath.Join(p.o.Bin, name), p.args(name), p.Log(name))
	if err == nil {
		p.procs[name] = x
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for last := error(nil); ; {
		if err := p.ready(ctx, name); err == nil {
			return nil
		} else if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-x.done:
			return fmt.Errorf("%s ended: %w%s", name, x.err, x.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w%s", name, last, x.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *Plane) ready(ctx context.Context, name string) error {
	switch name {
	case Etcd:
		return get(ctx, "http://127.0.0.1:2379/health")
	case Proxy:
		return nil
	}
	c, err := kubernetes.NewForConfig(p.config)
	if err != nil {
		return err
	}
	if name == APIServer {
		_, err = c.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err
	}
	a := c.CoreV1().ServiceAccounts("default")
	_, err = a.Get(ctx, "default", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return errors.New("no ServiceAccount default")
	}
	return err
}

// Stop ends a process by SIGTERM and waits for its end.
func (p *Plane) Stop(name string) error {
	x, err := p.take(name)
	if err != nil {
		return err
	}
	return x.stop()
}

// Kill ends a process by SIGKILL and waits for its end.
func (p *Plane) Kill(name string) error {
	x, err := p.take(name)
	if err != nil {
		return err
	}
	return x.kill()
}

func (p *Plane) take(name string) (*process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.procs[name]
	if x == nil {
		return nil, fmt.Errorf("%s does not run", name)
	}
	delete(p.procs, name)
	return x, nil
}

// Snapshot writes a copy of etcd's data, as it is at this moment, to a folder
// that must not exist.  etcd stands still meanwhile; what it wrote until then
// is what it would find after a kill.
func (p *Plane) Snapshot(dir string) error {
	p.mu.Lock()
	x := p.procs[Etcd]
	p.mu.Unlock()
	if x == nil {
		return os.CopyFS(dir, os.DirFS(p.path("etcd")))
	}
	if err := x.freeze(); err != nil {
		return err
	}
	defer x.thaw()
	return os.CopyFS(dir, os.DirFS(p.path("etcd")))
}

// Restore puts the data of a snapshot in place of etcd's, so that the cluster
// is as it was then, resource versions included.  As the manual of etcd asks
// for, all processes are ended first; they run again afterwards.
func (p *Plane) Restore(ctx context.Context, dir string) error {
	var again []string
	for _, name := range []string{Etcd, APIServer, Controller, Proxy} {
		if err := p.Kill(name); err == nil {
			again = append(again, name)
		}
	}
	if err := os.RemoveAll(p.path("etcd")); err != nil {
		return err
	}
	if err := os.CopyFS(p.path("etcd"), os.DirFS(dir)); err != nil {
		return err
	}
	if err := os.Chmod(p.path("etcd"), 0o700); err != nil {
		return err
	}
	for _, name := range again {
		if err := p.Run(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all processes.
func (p *Plane) Close() {
	for _, name := range []string{Proxy, Controller, APIServer, Etcd} {
		p.Kill(name)
	}
}

// Panics are the lines of all logs that tell of crashes; none is good.
func (p *Plane) Panics() []string {
	var l []string
	files, _ := filepath.Glob(p.path("logs/*.log"))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for _, line := range strings.Split(string(b), "\n") {
			if strings.HasPrefix(line, "panic:") ||
				strings.Contains(line, "Observed a panic") ||
				strings.HasPrefix(line, "fatal error:") {
				l = append(l, filepath.Base(f)+": "+line)
			}
		}
	}
	return l
}
