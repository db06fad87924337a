// Command conformance runs the Gateway API project's conformance suite, or
// tests of it by name, in a bed of its own.  Prints TAP, a line for each test.
//
// Without -controller a stand-in accepts the GatewayClass and its Gateways and
// forwards nothing: the suite gets as far as its tests, which mostly fail.
//
// The judgement is that of the suite's exit status and output.  Its own report
// (v1.6.1) is written before its parallel tests have run, and tells of those
// nothing but success.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ngx_k8s_test/cluster/bed"
	"ngx_k8s_test/cluster/kubelet"
	"ngx_k8s_test/cluster/netns"
)

const class = "gateway-conformance"

// usable is an address of the node that a Gateway may ask for.
const usable = "10.100.255.1"

type options struct {
	bin, suite, tools, crds, out, controller string

	base, verbose bool
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "", "where the control plane's programs are")
	flag.StringVar(&o.tools, "tools", "", "where the bed's own programs are")
	flag.StringVar(&o.suite, "suite", "", "where conformance.test and echo-basic are")
	flag.StringVar(&o.crds, "crds", "", "folder of the CRDs")
	flag.StringVar(&o.out, "out", "", "folder for log, report.yaml and kubeconfig")
	flag.StringVar(&o.controller, "controller", "", "controller of the GatewayClass, "+
		"whose status tells the features; empty: a stand-in")
	flag.BoolVar(&o.base, "base", false, "only the base manifests: pods and Services")
	flag.BoolVar(&o.verbose, "v", false, "print the suite's output")
	flag.Parse()
	netns.Enter()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT,
		syscall.SIGTERM)
	defer stop()
	ok, err := o.run(ctx, flag.Args())
	if err != nil {
		fmt.Println("not ok -", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// images are what the suite's container images are here.
func (o *options) images() map[string]kubelet.Image {
	return map[string]kubelet.Image{
		"registry.k8s.io/gateway-api/echo-basic": {
			Command: []string{"/echo-basic"},
			Root:    []string{filepath.Join(o.suite, "echo-basic") + ":/echo-basic"}},
		// any answer will do; its arguments are CoreDNS's own
		"registry.k8s.io/coredns/coredns": {
			Command: []string{"/backend", "HTTP_PORT=off", "H2C_PORT=off",
				"TCP_PORT=off", "UDP_PORT=off", "DNS_PORT=53"},
			Root: []string{filepath.Join(o.tools, "backend") + ":/backend"}},
	}
}

// run brings all up, runs the tests, and tells whether they passed.
func (o *options) run(ctx context.Context, names []string) (bool, error) {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return false, err
	}
	begin := time.Now()
	var b bed.Options
	b.Bin, b.Kubelet.Images = o.bin, o.images()
	up, err := bed.Up(ctx, b)
	if err != nil {
		return false, err
	}
	defer up.Close()
	fmt.Printf("# the bed was up after %.1f s\n", time.Since(begin).Seconds())
	begin = time.Now()
	if err := installCRDs(ctx, up, o.crds); err != nil {
		return false, err
	}
	fmt.Printf("# the CRDs were there after %.1f s\n", time.Since(begin).Seconds())
	if err := netns.Address(usable); err != nil {
		return false, err
	}
	controller := o.controller
	if controller == "" {
		controller = standinName
		s := &standin{bed: up}
		go s.run(ctx)
	}
	if err := up.Apply(ctx, fmt.Sprintf(`
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: %s}
spec: {controllerName: %s}
`, class, controller)); err != nil {
		return false, err
	}
	return o.tests(ctx, up, names)
}

// installCRDs applies a folder's CRDs and waits until they are served.
func installCRDs(ctx context.Context, b *bed.Bed, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "gateway.networking.*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no CRDs in %s", dir)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if !strings.Contains(string(text), "kind: CustomResourceDefinition") {
			continue // a policy against older versions
		}
		if err := b.Apply(ctx, string(text)); err != nil {
			return err
		}
	}
	return bed.Until(ctx, 30*time.Second, func() error {
		_, err := b.Client.Discovery().ServerResourcesForGroupVersion(
			"gateway.networking.k8s.io/v1")
		if err != nil {
			return err
		}
		return established(ctx, b)
	})
}

// arguments of the suite.
func (o *options) arguments(names []string) []string {
	if o.base {
		return []string{"-test.v", "-test.timeout=10m", "-test.run=^TestBase$",
			"--cleanup-base-resources=false",
			"--timeout-config-overrides=NamespacesMustBeReady:60"}
	}
	l := []string{"-test.v", "-test.timeout=2h", "-test.run=^TestConformance$",
		"--cleanup-base-resources=false", "--gateway-class=" + class,
		"--conformance-profiles=GATEWAY-HTTP,GATEWAY-GRPC,GATEWAY-TLS," +
			"GATEWAY-TCP,GATEWAY-UDP",
		"--report-output=" + filepath.Join(o.out, "report.yaml"),
		"--organization=none", "--project=ngx_k8s_ingress_module",
		"--url=none", "--version=none", "--contact=none",
		"--usable-address=" + usable, "--unusable-address=203.0.113.9"}
	if len(names) > 0 {
		l = append(l, "-tests="+strings.Join(names, ","))
	}
	if o.controller == "" {
		// nothing that fails now would succeed later
		l = append(l, "-claim=standard", "--timeout-config-overrides="+short)
	}
	return l
}

// tests runs the suite and tells whether it passed.
func (o *options) tests(ctx context.Context, b *bed.Bed, names []string) (bool, error) {
	log, err := os.Create(filepath.Join(o.out, "log"))
	if err != nil {
		return false, err
	}
	defer log.Close()
	c := exec.CommandContext(ctx, filepath.Join(o.suite, "conformance.test"),
		o.arguments(names)...)
	c.Env = append(os.Environ(), "KUBECONFIG="+b.Plane.Kubeconfig())
	out, err := c.StdoutPipe()
	if err != nil {
		return false, err
	}
	c.Stderr = c.Stdout
	if err := c.Start(); err != nil {
		return false, err
	}
	var r results
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		_, _ = io.WriteString(log, line)
		if o.verbose {
			fmt.Print("# ", line)
		}
		r.line(line)
		if err != nil {
			break
		}
	}
	err = c.Wait()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		return false, err
	}
	switch {
	case err != nil && len(r.bad) == 0:
		r.failed++
		fmt.Printf("not ok - the suite ended with %v; see %s\n", err, log.Name())
	case r.passed+r.failed+r.skipped == 0:
		r.failed++
		fmt.Printf("not ok - the suite ran no test; see %s\n", log.Name())
	}
	o.compare(&r)
	fmt.Printf("%d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
	return r.failed == 0 && err == nil, nil
}

// compare tells which failed tests the suite's report takes for passed.
func (o *options) compare(r *results) {
	if o.base {
		return
	}
	report, err := os.ReadFile(filepath.Join(o.out, "report.yaml"))
	if err != nil {
		fmt.Println("not ok - no report:", err)
		r.failed++
		return
	}
	var missing []string
	for _, n := range r.bad {
		if !strings.Contains(string(report), "- "+n+"\n") {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		fmt.Println("# failed, but not in the report:", strings.Join(missing, " "))
	}
}
