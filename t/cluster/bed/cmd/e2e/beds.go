package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"time"

	"ngx_k8s_test/cluster/bed"
	"ngx_k8s_test/cluster/plane"
)

// beds are the control planes that tests run on.
var beds = map[string]struct {
	why      string
	parallel int // tests at a time
	options  func(o *bed.Options)
}{
	"main": {"for all that does it no harm", 2, func(o *bed.Options) {
		o.Proxy = true
		o.Kubelet.Backoff = 2 * time.Second
	}},
	"batch": {"EndpointSlices are written once a second; a silent node is " +
		"lost after seconds", 2, func(o *bed.Options) {
		o.Batch = time.Second
		o.LeaseFast = true
	}},
	"pod": {"nginx as a Pod, as documented", 2, func(o *bed.Options) {
		o.Proxy = true
	}},
	"lists": {"an API server without streaming lists", 1,
		func(o *bed.Options) {
			o.Proxy = true
			o.APIServerArgs = []string{"--feature-gates=WatchList=false"}
		}},
	"outage": {"its API server and its etcd are killed", 1,
		func(o *bed.Options) {}},
}

func bedNames() []string {
	var l []string
	for n := range beds {
		l = append(l, n)
	}
	sort.Strings(l)
	return l
}

// testBed is a bed with what all of its tests need.
type testBed struct {
	*bed.Bed
	ctx     context.Context
	notes   []string
	capable error // why there is no capableImage
}

func bedUp(name string) (*testBed, error) {
	begin := time.Now()
	var o bed.Options
	o.Bin = *bin
	var err error
	o.Kubelet.Images, err = bed.Images(*tools, filepath.Dir(*binary))
	if err != nil {
		return nil, err
	}
	t := &testBed{ctx: context.Background()}
	t.capable = capable(o.Kubelet.Images)
	beds[name].options(&o)
	if t.Bed, err = bed.Up(t.ctx, o); err != nil {
		return nil, err
	}
	took := time.Since(begin)
	for _, file := range []string{"namespace", "rbac"} {
		text, err := os.ReadFile(filepath.Join(*tree, "examples/cluster",
			file+".yaml"))
		if err == nil {
			err = t.Apply(t.ctx, string(text))
		}
		if err != nil {
			t.Close()
			return nil, err
		}
	}
	t.notes = append(t.notes, fmt.Sprintf("%s; up in %.1f s", beds[name].why,
		took.Seconds()))
	return t, nil
}

// recover makes what waits for long after a failure of the API server, the
// controllers and the kubelet, ask it at once.
func (b *testBed) recover() error {
	if err := b.Plane.Kill(plane.Controller); err != nil {
		return err
	}
	if err := b.Plane.Run(b.ctx, plane.Controller); err != nil {
		return err
	}
	b.Kubelet.Relist()
	return nil
}
