// Command fakeapi is a fake kube-apiserver.  It prints one line of JSON with
// its addresses and files once it listens, and runs until its standard input
// ends (-stdin) or it gets a signal.
//
//	fakeapi [-listen 127.0.0.1:0] [-control 127.0.0.1:0] [-tls] [-dir DIR]
//	        [-user token|inline|cert] [-token T] [-h2=false] [-stdin]
//	        [-objects FILE]
//
// The control port takes JSON: see internal/api/control.go.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"ngx_k8s_test/internal/api"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	control := flag.String("control", "127.0.0.1:0", "control address")
	useTLS := flag.Bool("tls", false, "TLS, with a CA of its own")
	h2 := flag.Bool("h2", true, "offer HTTP/2 over TLS")
	dir := flag.String("dir", "", "folder for ca.crt, token and kubeconfig")
	user := flag.String("user", "token", "kubeconfig: token, inline or cert")
	token := flag.String("token", "", "the only good bearer token")
	stdin := flag.Bool("stdin", false, "end when standard input ends")
	objects := flag.String("objects", "", "JSON array of objects to load")
	watchList := flag.Bool("watchlist", true, "streaming lists are known")
	flag.Parse()

	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "fakeapi:", err)
			os.Exit(1)
		}
	}

	s := api.New()
	s.HTTP2 = *h2
	s.WatchList = *watchList
	var ca *api.CA
	var err error
	if *useTLS {
		ca, err = api.NewCA("fakeapi")
		fail(err)
	}
	if *token != "" {
		s.SetTokens(*token)
	}
	fail(s.Start(*listen, ca))
	info := api.Map{"url": s.URL(), "address": s.Addr()}

	if *dir != "" {
		d, err := filepath.Abs(*dir)
		fail(err)
		fail(os.MkdirAll(d, 0700))
		info["kubeconfig"], err = s.WriteKubeconfig(d, *user, *token)
		fail(err)
	}

	h := s.Control()
	if *objects != "" {
		b, err := os.ReadFile(*objects)
		fail(err)
		r, err := http.NewRequest("POST", "/put", bytes.NewReader(b))
		fail(err)
		w := &recorder{code: 200}
		h.ServeHTTP(w, r)
		if w.code != 200 {
			fail(fmt.Errorf("%s: %s", *objects, w.b.String()))
		}
	}
	ln, err := net.Listen("tcp", *control)
	fail(err)
	info["control"] = "http://" + ln.Addr().String()
	go func() { _ = http.Serve(ln, h) }()
	_ = json.NewEncoder(os.Stdout).Encode(info)

	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	if *stdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			ch <- syscall.SIGTERM
		}()
	}
	<-ch
	s.Stop()
}

type recorder struct {
	h    http.Header
	b    bytes.Buffer
	code int
}

func (r *recorder) Header() http.Header {
	if r.h == nil {
		r.h = http.Header{}
	}
	return r.h
}
func (r *recorder) Write(p []byte) (int, error) { return r.b.Write(p) }
func (r *recorder) WriteHeader(code int)        { r.code = code }
