package kubelet_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"ngx_k8s_test/cluster/bed/bedtest"
	"ngx_k8s_test/cluster/plane"
)

// server is a pod's program that answers by HTTP as it is told: GET /set/NAME/0
// makes /NAME fail. SIGTERM is printed, and ends it after "linger" seconds.
const server = `
import http.server, os, signal, sys, threading, time
state = {}
linger = float(os.environ.get('LINGER', '0'))
print('start', flush=True)
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        part = self.path.split('/')
        code = 200
        if part[1] == 'set':
            state[part[2]] = part[3]
        elif state.get(part[1], os.environ.get(part[1], '1')) == '0':
            code = 503
        if part[1] == 'hook':
            print('hook', flush=True)
        body = (os.environ.get('HOSTNAME') + '\n').encode()
        self.send_response(code)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
def term(*a):
    print('signal', a[0], flush=True)
    threading.Thread(target=lambda: (time.sleep(linger), os._exit(0))).start()
signal.signal(signal.SIGTERM, term)
http.server.ThreadingHTTPServer(('', 8080), H).serve_forever()
`

// serverPod is a manifest of one; more is further lines of the container.
func serverPod(name, spec, more string) string {
	return pod(name, spec+`  containers:
  - name: c
    image: python
    ports: [{name: web, containerPort: 8080}]
    args:
    - |
`+strings.ReplaceAll(server, "\n", "\n      ")+"\n"+more)
}

// ask asks a pod, from the node.
func ask(p *v1.Pod, path string) (int, string, error) {
	c := http.Client{Timeout: 2 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get("http://" + p.Status.PodIP + ":8080" + path)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	return r.StatusCode, strings.TrimSpace(string(text)), err
}

// waitAnswer waits until a pod listens.
func waitAnswer(t *testing.T, p *v1.Pod) {
	t.Helper()
	bedtest.Until(t, 20*time.Second, func() error {
		_, _, err := ask(p, "/")
		return err
	})
}

func tell(t *testing.T, p *v1.Pod, path string) {
	t.Helper()
	if code, _, err := ask(p, path); err != nil || code != 200 {
		t.Fatalf("%s: %d %v; events:\n%s", path, code, err, events(p.Name))
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, serverPod("probes", "  terminationGracePeriodSeconds: 1\n", `
    env: [{name: started, value: "0"}]
    startupProbe: {httpGet: {path: /started, port: 8080}, periodSeconds: 1, failureThreshold: 30}
    readinessProbe: {httpGet: {path: /ready, port: web, httpHeaders: [{name: X, value: z}]},
      periodSeconds: 1, failureThreshold: 1}
    livenessProbe: {exec: {command: [python3, -c, "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/live')"]},
      periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 5}
`))
	p := waitFor(t, "probes", func(p *v1.Pod) bool {
		return p.Status.Phase == v1.PodRunning
	})
	bedtest.Until(t, 10*time.Second, func() error {
		_, _, err := ask(p, "/started")
		return err
	})
	if s := get(t, "probes").Status.ContainerStatuses[0]; *s.Started || s.Ready {
		t.Errorf("started before its probe: %+v", s)
	}
	tell(t, p, "/set/started/1")
	waitFor(t, "probes", ready)
	tell(t, p, "/set/ready/0")
	waitFor(t, "probes", func(p *v1.Pod) bool { return !ready(p) })
	tell(t, p, "/set/ready/1")
	waitFor(t, "probes", ready)
	if n := get(t, "probes").Status.ContainerStatuses[0].RestartCount; n != 0 {
		t.Errorf("%d restarts", n)
	}
	tell(t, p, "/set/live/0")
	waitFor(t, "probes", func(p *v1.Pod) bool {
		s := p.Status.ContainerStatuses[0]
		return s.RestartCount == 1 && s.State.Running != nil &&
			s.LastTerminationState.Terminated != nil
	})
	remove(t, "probes", 1)
	waitGone(t, "probes")
}

func TestTCPProbe(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, serverPod("tcp", "  terminationGracePeriodSeconds: 1\n", `
    readinessProbe: {tcpSocket: {port: web}, periodSeconds: 1}
`))
	bedtest.Apply(t, b, serverPod("tcp-closed", "  terminationGracePeriodSeconds: 1\n", `
    readinessProbe: {tcpSocket: {port: 8081}, periodSeconds: 1}
`))
	waitFor(t, "tcp", ready)
	if p := waitFor(t, "tcp-closed", func(p *v1.Pod) bool {
		return p.Status.Phase == v1.PodRunning
	}); ready(p) {
		t.Error("a closed port is ready")
	}
	remove(t, "tcp", 1)
	remove(t, "tcp-closed", 1)
	waitGone(t, "tcp")
	waitGone(t, "tcp-closed")
}

// The order of a deletion: hook, signal, kill; all of it without waiting for
// anybody else.
func TestDeletion(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, serverPod("deletion", "", `
    lifecycle: {preStop: {httpGet: {path: /hook, port: web}}}
    readinessProbe: {httpGet: {path: /ready, port: web}, periodSeconds: 1, failureThreshold: 1}
    env: [{name: LINGER, value: "1000"}]
`))
	p := waitFor(t, "deletion", ready)
	logs := follow(t, "deletion")
	remove(t, "deletion", 8)
	begin := time.Now()
	for _, want := range []string{"start", "hook", "signal 15"} {
		if got := line(t, logs); got != want {
			t.Errorf("log %q, want %q", got, want)
		}
	}
	// its readiness is still probed
	tell(t, p, "/set/ready/0")
	waitFor(t, "deletion", func(p *v1.Pod) bool { return !ready(p) })
	if d := time.Since(begin); d > 6*time.Second {
		t.Fatalf("too slow a machine for this test: %s", d)
	}
	waitGone(t, "deletion")
	if d := time.Since(begin); d < 7*time.Second {
		t.Errorf("killed after %s of 8 s", d)
	}
	if got := line(t, logs); got != "" {
		t.Errorf("the log goes on: %q", got)
	}
}

// follow gives the lines of a log as they come.
func follow(t *testing.T, name string) <-chan string {
	t.Helper()
	in, name := pods(name)
	s, err := in.GetLogs(name, &v1.PodLogOptions{Follow: true}).Stream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		defer s.Close()
		for r := bufio.NewScanner(s); r.Scan(); {
			lines <- r.Text()
		}
	}()
	return lines
}

// line is the next one of a log, "" after the last one.
func line(t *testing.T, log <-chan string) string {
	t.Helper()
	const limit = 30 * time.Second
	select {
	case l := <-log:
		return l
	case <-time.After(limit):
		t.Fatalf("neither a further line of the log nor its end in %v", limit)
		return ""
	}
}

// A hook that takes the whole grace period leaves two seconds after it; a
// second deletion makes the end come sooner.
func TestGrace(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, serverPod("hook", "", `
    lifecycle: {preStop: {exec: {command: [sleep, "1000"]}}}
    env: [{name: LINGER, value: "1"}]
`))
	bedtest.Apply(t, b, serverPod("sooner", "", `
    lifecycle: {preStop: {sleep: {seconds: 25}}}
`))
	waitFor(t, "hook", ready)
	waitFor(t, "sooner", ready)
	hook, sooner := follow(t, "hook"), follow(t, "sooner")
	waitLog(t, "hook", "start")
	waitLog(t, "sooner", "start")
	begin := time.Now()
	remove(t, "hook", 1)
	remove(t, "sooner", 600)
	for _, want := range []string{"start", "signal 15"} {
		if got := line(t, hook); got != want {
			t.Errorf("log %q, want %q", got, want)
		}
	}
	if d := time.Since(begin); d < 900*time.Millisecond {
		t.Errorf("the signal came after %s, before the hook's end: %s", d,
			events("hook"))
	}
	line(t, sooner)
	select {
	case got := <-sooner:
		t.Errorf("log %q before the hook's end", got)
	default:
	}
	begin = time.Now()
	remove(t, "sooner", 1)
	if got := line(t, sooner); got != "signal 15" {
		t.Errorf("log %q", got)
	}
	if d := time.Since(begin); d > 15*time.Second {
		t.Errorf("the second deletion worked only after %s", d)
	}
	waitGone(t, "hook")
	waitGone(t, "sooner")
}

func TestStopSignalOfImage(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, pod("usr1", `
  containers:
  - {name: c, image: user, args: ["trap 'echo usr1; exit 0' USR1; trap 'echo term' TERM; echo on; while :; do sleep 0.05; done"]}
`))
	waitFor(t, "usr1", ready)
	log := follow(t, "usr1")
	line(t, log)
	remove(t, "usr1", 20)
	if got := line(t, log); got != "usr1" {
		t.Errorf("log %q", got)
	}
	waitGone(t, "usr1")
}

func TestBackOff(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, pod("crash", `
  terminationGracePeriodSeconds: 1
  containers:
  - {name: c, image: sh, args: ["echo run; echo why >/dev/termination-log; exit 9"]}
`))
	p := waitFor(t, "crash", func(p *v1.Pod) bool {
		return len(p.Status.ContainerStatuses) == 1 &&
			p.Status.ContainerStatuses[0].RestartCount == 3
	})
	p = waitFor(t, "crash", func(p *v1.Pod) bool {
		w := p.Status.ContainerStatuses[0].State.Waiting
		return w != nil && w.Reason == "CrashLoopBackOff"
	})
	s := p.Status.ContainerStatuses[0]
	if l := s.LastTerminationState.Terminated; l == nil || l.ExitCode != 9 ||
		l.Message != "why\n" {
		t.Errorf("last state %+v", l)
	}
	if ready(p) || p.Status.Phase != v1.PodRunning {
		t.Errorf("status %+v", p.Status)
	}
	if got := logs(t, "crash", v1.PodLogOptions{Previous: true}); got != "run\n" {
		t.Errorf("previous log %q", got)
	}
	// restarts at once, after one back-off, after a doubled one
	if w := s.State.Waiting; !strings.Contains(w.Message, "back-off 4s") {
		t.Errorf("waiting: %s", w.Message)
	}
	remove(t, "crash", 1)
	waitGone(t, "crash")
}

// The address of the pod that ended last is the next one's, of another
// namespace.
func TestAddressGivenAgain(t *testing.T) {
	bedtest.Apply(t, b, pod("zero", "  containers: [{name: c, image: sh, "+
		"args: [exec sleep 1000]}]\n"))
	waitFor(t, "zero", ready)
	bedtest.Apply(t, b, serverPod("first", "", ""))
	p := waitFor(t, "first", ready)
	remove(t, "zero", 1)
	waitGone(t, "zero")
	waitAnswer(t, p)
	if _, who, err := ask(p, "/"); err != nil || who != "first" {
		t.Fatalf("%q answers, %v", who, err)
	}
	remove(t, "first", 1)
	waitGone(t, "first")
	if _, _, err := ask(p, "/"); err == nil {
		t.Error("a pod answers after its end")
	}
	bedtest.Apply(t, b, `{apiVersion: v1, kind: Namespace, metadata: {name: other}}`)
	bedtest.Until(t, 10*time.Second, func() error {
		_, err := b.Client.CoreV1().ServiceAccounts("other").Get(ctx, "default",
			metav1.GetOptions{})
		return err
	})
	bedtest.Apply(t, b, serverPod("other/second", "", ""))
	q := waitFor(t, "other/second", ready)
	if q.Status.PodIP != p.Status.PodIP {
		t.Errorf("address %s, then %s", p.Status.PodIP, q.Status.PodIP)
	}
	bedtest.Until(t, 10*time.Second, func() error {
		_, who, err := ask(p, "/")
		if who != "second" {
			return fmt.Errorf("%q answers, %v", who, err)
		}
		return nil
	})
	remove(t, "other/second", 1)
	waitGone(t, "other/second")
}

func TestEviction(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, serverPod("evicted", "", ""))
	waitFor(t, "evicted", ready)
	in, name := pods("evicted")
	grace := int64(2)
	if err := in.EvictV1(ctx, &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Name: name},
		DeleteOptions: &metav1.DeleteOptions{GracePeriodSeconds: &grace},
	}); err != nil {
		t.Fatal(err)
	}
	waitGone(t, "evicted")
}

func TestForcedDeletion(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, serverPod("forced", "", ""))
	p := waitFor(t, "forced", ready)
	waitAnswer(t, p)
	remove(t, "forced", 0)
	waitGone(t, "forced")
	bedtest.Until(t, 20*time.Second, func() error {
		if _, _, err := ask(p, "/"); err == nil {
			return fmt.Errorf("it still answers")
		}
		return nil
	})
}

// cordon makes a node take no pods, or ends that.
func cordon(t *testing.T, node string, on bool) {
	t.Helper()
	if _, err := b.Client.CoreV1().Nodes().Patch(ctx, node,
		types.MergePatchType, fmt.Appendf(nil,
			`{"spec":{"unschedulable":%v}}`, on),
		metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestScheduling(t *testing.T) {
	spec := "  terminationGracePeriodSeconds: 1\n" +
		"  containers: [{name: c, image: sh, args: [sleep 1000]}]\n"
	bound := func(name string) string {
		return waitFor(t, name, func(p *v1.Pod) bool {
			return p.Spec.NodeName != ""
		}).Spec.NodeName
	}
	nodes := map[string]bool{}
	for i := range 3 {
		name := fmt.Sprintf("turn-%d", i)
		bedtest.Apply(t, b, pod(name, spec))
		nodes[bound(name)] = true
	}
	if len(nodes) != 3 {
		t.Errorf("three pods on %v", nodes)
	}
	bedtest.Apply(t, b, pod("zone", "  nodeSelector: {topology.kubernetes.io/zone: b}\n"+
		spec))
	if n := bound("zone"); n != "n2" {
		t.Errorf("zone b is on %s", n)
	}
	cordon(t, "n1", true)
	defer cordon(t, "n1", false)
	cordon(t, "n2", true)
	for i := range 3 {
		name := fmt.Sprintf("cordon-%d", i)
		bedtest.Apply(t, b, pod(name, spec))
		if n := bound(name); n != "n3" {
			t.Errorf("a pod on %s, which is cordoned", n)
		}
	}
	bedtest.Apply(t, b, pod("pending", "  nodeSelector: {kubernetes.io/hostname: n2}\n"+
		spec))
	bedtest.Apply(t, b, pod("after", spec))
	bound("after")
	if n := get(t, "pending").Spec.NodeName; n != "" {
		t.Errorf("a pod on %s, which is cordoned", n)
	}
	cordon(t, "n2", false)
	if n := bound("pending"); n != "n2" {
		t.Errorf("a pod for n2 is on %s", n)
	}
	list, err := b.Client.CoreV1().Pods("default").List(ctx,
		metav1.ListOptions{LabelSelector: "app=test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list.Items {
		remove(t, p.Name, 1)
	}
	for _, p := range list.Items {
		waitGone(t, p.Name)
	}
}

// A lost node's pods are given up and replaced elsewhere, while they run on;
// when the node is back they end.
func TestLostNode(t *testing.T) {
	bedtest.Apply(t, b, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: lost}
spec:
  replicas: 1
  selector: {matchLabels: {app: lost}}
  template:
    metadata: {labels: {app: lost}}
    spec:
`+strings.ReplaceAll("\n"+serverSpec, "\n", "\n    "))
	find := func(ok func(p *v1.Pod) bool) *v1.Pod {
		t.Helper()
		var found *v1.Pod
		bedtest.Until(t, 40*time.Second, func() error {
			l, err := b.Client.CoreV1().Pods("default").List(ctx,
				metav1.ListOptions{LabelSelector: "app=lost"})
			if err != nil {
				return err
			}
			for i := range l.Items {
				if ok(&l.Items[i]) {
					found = &l.Items[i]
					return nil
				}
			}
			return fmt.Errorf("%d pods, none as wanted", len(l.Items))
		})
		return found
	}
	p := find(ready)
	waitAnswer(t, p)
	b.Kubelet.Lose(p.Spec.NodeName)
	defer b.Kubelet.Regain(p.Spec.NodeName)
	q := find(func(q *v1.Pod) bool { return q.Name != p.Name && ready(q) })
	if q.Spec.NodeName == p.Spec.NodeName {
		t.Errorf("the new pod is on %s", q.Spec.NodeName)
	}
	old := get(t, p.Name)
	if old.DeletionTimestamp == nil || ready(old) {
		t.Errorf("the old pod: %+v", old.Status.Conditions)
	}
	if _, who, err := ask(p, "/"); err != nil || who != p.Name {
		t.Errorf("the old pod does not run on: %q %v", who, err)
	}
	b.Kubelet.Regain(p.Spec.NodeName)
	waitGone(t, p.Name)
	if _, _, err := ask(p, "/"); err == nil {
		t.Error("the old pod runs on after its node is back")
	}
	bedtest.Until(t, 20*time.Second, func() error {
		n, err := b.Client.CoreV1().Nodes().Get(ctx, p.Spec.NodeName,
			metav1.GetOptions{})
		if err == nil && len(n.Spec.Taints) > 0 {
			err = fmt.Errorf("taints %v", n.Spec.Taints)
		}
		return err
	})
	if err := b.Client.AppsV1().Deployments("default").Delete(ctx, "lost",
		metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	waitGone(t, q.Name)
}

// A node without power: nobody answers for its pods, not even with an error.
func TestPowerOff(t *testing.T) {
	bedtest.Apply(t, b, serverPod("dark", `  terminationGracePeriodSeconds: 1
  nodeSelector: {kubernetes.io/hostname: n3}
  tolerations: [{operator: Exists}]
`, ""))
	p := waitFor(t, "dark", ready)
	waitAnswer(t, p)
	b.Kubelet.PowerOff("n3")
	defer b.Kubelet.Regain("n3")
	_, err := net.DialTimeout("tcp", p.Status.PodIP+":8080", 4*time.Second)
	if e, ok := err.(net.Error); !ok || !e.Timeout() {
		t.Errorf("a call to a node without power: %v", err)
	}
	b.Kubelet.Regain("n3")
	if _, _, err := ask(p, "/"); err != nil {
		t.Error(err)
	}
	remove(t, "dark", 1)
	waitGone(t, "dark")
}

// Containers are started again while there is no API server, and the status
// follows when it is back.
func TestNoAPIServer(t *testing.T) {
	bedtest.Apply(t, b, `{apiVersion: v1, kind: Secret, metadata: {name: cached},
		stringData: {a: b}}`)
	bedtest.Apply(t, b, serverPod("alone", "  terminationGracePeriodSeconds: 1\n", `
    startupProbe: {tcpSocket: {port: web}, periodSeconds: 1, failureThreshold: 30}
    livenessProbe: {httpGet: {path: /live, port: web}, periodSeconds: 1, timeoutSeconds: 5}
    env: [{name: A, valueFrom: {secretKeyRef: {name: cached, key: a}}}]
`))
	p := waitFor(t, "alone", ready)
	waitAnswer(t, p)
	if err := b.Plane.Kill(plane.APIServer); err != nil {
		t.Fatal(err)
	}
	tell(t, p, "/set/live/0")
	bedtest.Until(t, 10*time.Second, func() error {
		if code, _, err := ask(p, "/live"); err == nil && code != 200 {
			return fmt.Errorf("not started again")
		} else {
			return err
		}
	})
	if err := b.Plane.Run(ctx, plane.APIServer); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "alone", func(p *v1.Pod) bool {
		return ready(p) && p.Status.ContainerStatuses[0].RestartCount == 1
	})
	remove(t, "alone", 1)
	bedtest.Until(t, 60*time.Second, func() error { // watches come back late
		_, _, err := ask(p, "/")
		if err == nil {
			return fmt.Errorf("it still answers")
		}
		return nil
	})
	waitGone(t, "alone")
}

// After the API server went back to older data, pods that it no longer has end,
// and the others run on.
func TestOlderData(t *testing.T) {
	bedtest.Apply(t, b, serverPod("kept", "  terminationGracePeriodSeconds: 1\n", ""))
	kept := waitFor(t, "kept", ready)
	waitAnswer(t, kept)
	snapshot := filepath.Join(t.TempDir(), "snapshot")
	if err := b.Plane.Snapshot(snapshot); err != nil {
		t.Fatal(err)
	}
	bedtest.Apply(t, b, serverPod("later", "  terminationGracePeriodSeconds: 1\n", ""))
	later := waitFor(t, "later", ready)
	waitAnswer(t, later)
	if err := b.Restore(ctx, snapshot); err != nil {
		t.Fatal(err)
	}
	bedtest.Until(t, 20*time.Second, func() error {
		if _, _, err := ask(later, "/"); err == nil {
			return fmt.Errorf("it still answers")
		}
		return nil
	})
	p := waitFor(t, "kept", ready)
	if n := p.Status.ContainerStatuses[0].RestartCount; n != 0 ||
		p.Status.PodIP != kept.Status.PodIP {
		t.Errorf("status %+v", p.Status)
	}
	tell(t, kept, "/")
	remove(t, "kept", 1)
	waitGone(t, "kept")
}

var serverSpec = func() string {
	_, spec, _ := strings.Cut(serverPod("lost",
		"  terminationGracePeriodSeconds: 2\n", ""), "spec:\n")
	return spec
}()

// Many pods start together.
func TestMany(t *testing.T) {
	const n = 60
	begin := time.Now()
	bedtest.Apply(t, b, fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: many}
spec:
  replicas: %d
  selector: {matchLabels: {app: many}}
  template:
    metadata: {labels: {app: many}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: c, image: sh, args: [exec sleep 1000]}]
`, n))
	bedtest.Until(t, time.Minute, func() error {
		d, err := b.Client.AppsV1().Deployments("default").Get(ctx, "many",
			metav1.GetOptions{})
		if err == nil && d.Status.ReadyReplicas != n {
			err = fmt.Errorf("%d are ready", d.Status.ReadyReplicas)
		}
		return err
	})
	t.Logf("%d pods ready after %.1f s", n, time.Since(begin).Seconds())
	list, err := b.Client.CoreV1().Pods("default").List(ctx,
		metav1.ListOptions{LabelSelector: "app=many"})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range list.Items {
		seen[p.Status.PodIP] = true
	}
	if len(seen) != n {
		t.Errorf("%d addresses of %d pods", len(seen), n)
	}
	// the last test leaves them to Close
}
