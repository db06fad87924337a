// Command backend runs pods: one for each -pod NAME,SERVICE,ADDRESS:PORT, and
// those that the control port is told to start.  It prints one line of JSON
// and runs until its standard input ends (-stdin) or it gets a signal.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"ngx_k8s_test/internal/pods"
)

type list []string

func (l *list) String() string     { return "" }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

func main() {
	var names list
	flag.Var(&names, "pod", "NAME,SERVICE,ADDRESS:PORT; may stand many times")
	control := flag.String("control", "127.0.0.1:0", "control address")
	stdin := flag.Bool("stdin", false, "end when standard input ends")
	flag.Parse()

	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "backend:", err)
			os.Exit(1)
		}
	}
	s := pods.NewSet()
	addrs := map[string]string{}
	for _, n := range names {
		f := strings.Split(n, ",")
		if len(f) != 3 {
			fail(fmt.Errorf("-pod %s: NAME,SERVICE,ADDRESS:PORT", n))
		}
		p, err := s.Start(pods.Options{Name: f[0], Service: f[1], Addr: f[2]})
		fail(err)
		addrs[f[0]] = p.Addr
	}
	ln, err := net.Listen("tcp", *control)
	fail(err)
	go func() { _ = http.Serve(ln, s.Control()) }()
	_ = json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"control": "http://" + ln.Addr().String(), "pods": addrs})

	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	if *stdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			ch <- syscall.SIGTERM
		}()
	}
	<-ch
	s.StopAll()
}
