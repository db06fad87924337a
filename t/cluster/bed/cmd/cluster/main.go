// Command cluster runs a cluster of its own for tests and for contributors.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"ngx_k8s_test/cluster/bed"
	"ngx_k8s_test/cluster/netns"
)

func main() {
	var o bed.Options
	flag.StringVar(&o.Bin, "bin", "", "where the control plane's programs are")
	flag.StringVar(&o.Dir, "dir", "", "where files go")
	flag.Parse()
	netns.Enter()
	o.Proxy = true
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT,
		syscall.SIGTERM)
	defer stop()
	begin := time.Now()
	b, err := bed.Up(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("ready after %.1f s; Ctrl-C ends it\n", time.Since(begin).Seconds())
	<-ctx.Done()
	b.Close()
}
