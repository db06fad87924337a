// Command backend is a pod of tests: one program that answers by HTTP, HTTPS,
// HTTP/2, gRPC, WebSocket, TCP, UDP and DNS, tells with each answer which pod
// it is, and can be made to do wrong.
//
// Settings come from the environment, and from arguments NAME=VALUE over it
// (other arguments are passed over).  What it is:
//
//	POD_NAME NAMESPACE SERVICE_NAME INGRESS_NAME
//
// Ports; empty is the default, "off" leaves it out, "0" takes a free one:
//
//	HTTP_PORT   3000  HTTP/1.1
//	H2C_PORT    3001  HTTP/2 without TLS, gRPC
//	HTTPS_PORT  8443  HTTP/1.1 and HTTP/2, gRPC; asks for a client
//	                  certificate where TLS_CLIENT_CACERTS is set
//	MTLS_PORT   8444  the same, and a client certificate is required
//	TCP_PORT    9000  a line "POD SERVICE", then an echo
//	TLS_PORT    9443  the same over TLS
//	UDP_PORT    9001  a datagram "POD SERVICE DATA"
//	DNS_PORT    off   the address of DNS_ANSWER (192.0.2.53) for any name
//	TLS_SERVER_CERT, TLS_SERVER_PRIVKEY (or TLS_SERVER_PRIV_KEY) and
//	TLS_CLIENT_CACERTS are files; without the first two nothing has TLS.
//
// Behaviour:
//
//	DEFAULTS       query taken for each request, under its own: "status=500",
//	               "hang"; package pods lists what a query can ask for
//	IDLE           closes idle connections after seconds
//	CLOSE_AFTER    closes a connection after N requests; CLOSE_QUIETLY=1
//	               without telling
//	REQUEST_LOG    file ("-": standard output) for a line of JSON at each
//	               request's begin and end
//	READY=0        not ready until told
//	START_DELAY    seconds before it listens
//	EXIT_AFTER     ends after seconds with EXIT_CODE (1)
//	IGNORE_TERM=1  SIGTERM does nothing
//	LINGER         seconds that it goes on listening after SIGTERM (0)
//	DRAIN          seconds that it waits for what it has (25)
//
// SIGTERM closes the listeners at once; requests, WebSockets and TCP
// connections that stand are finished, as long as DRAIN lasts, then it exits
// with 0.
//
// Control requests, on each HTTP port, under /-/ (none of them is counted):
//
//	/-/ready, /-/live    200 or 503; ?set=0 and ?set=1 change that
//	/-/pod               what it is, and how much it serves
//	/-/counts            requests by method: begun, with a whole body, bytes
//	/-/requests?id=ID    the last requests (X-Request-Id, or id in the query)
//	/-/defaults?QUERY    sets DEFAULTS
//	/-/release           ends the long polls
//	/-/exit?code=N       exits at once
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"ngx_k8s_test/internal/pods"
)

// settings are the environment and the arguments over it.
type settings map[string]string

func newSettings(env, args []string) settings {
	s := settings{}
	for _, l := range [][]string{env, args} {
		for _, kv := range l {
			if k, v, ok := strings.Cut(kv, "="); ok {
				s[k] = v
			}
		}
	}
	return s
}

// or is a setting, or what stands for none.
func (s settings) or(name, none string) string {
	if v := s[name]; v != "" {
		return v
	}
	return none
}

// seconds reads a length of time; 0 where there is none.
func (s settings) seconds(name, none string) (time.Duration, error) {
	f, err := strconv.ParseFloat(s.or(name, none), 64)
	if err != nil || f < 0 {
		return 0, fmt.Errorf("%s=%s: seconds", name, s[name])
	}
	return time.Duration(f * float64(time.Second)), nil
}

// requestLog writes records to the file that REQUEST_LOG names.
func requestLog(name string) (func(pods.Record), error) {
	var w io.Writer = os.Stdout
	switch name {
	case "":
		return nil, nil
	case "-":
	default:
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			return nil, err
		}
		w = f
	}
	var mu sync.Mutex
	return func(r pods.Record) {
		b, _ := json.Marshal(r)
		mu.Lock()
		_, _ = w.Write(append(b, '\n'))
		mu.Unlock()
	}, nil
}

// options of the pod from the settings.
func options(s settings) (o pods.Options, err error) {
	o = pods.Options{Name: s["POD_NAME"], Namespace: s["NAMESPACE"],
		Service: s["SERVICE_NAME"], Ingress: s["INGRESS_NAME"], Echo: true,
		Quiet: s["CLOSE_QUIETLY"] == "1"}
	if o.Name == "" {
		o.Name, _ = os.Hostname()
	}
	idle, err := s.seconds("IDLE", "0")
	if err != nil {
		return o, err
	}
	o.Idle = idle.Seconds()
	if o.CloseAfter, err = strconv.Atoi(s.or("CLOSE_AFTER", "0")); err != nil {
		return o, fmt.Errorf("CLOSE_AFTER=%s: a number", s["CLOSE_AFTER"])
	}
	o.Log, err = requestLog(s["REQUEST_LOG"])
	return o, err
}

func run(s settings) error {
	o, err := options(s)
	if err != nil {
		return err
	}
	var times [4]time.Duration
	for i, x := range [][2]string{{"START_DELAY", "0"}, {"EXIT_AFTER", "0"},
		{"LINGER", "0"}, {"DRAIN", "25"}} {
		if times[i], err = s.seconds(x[0], x[1]); err != nil {
			return err
		}
	}
	defaults, err := url.ParseQuery(s["DEFAULTS"])
	if err != nil {
		return fmt.Errorf("DEFAULTS: %w", err)
	}
	code, err := strconv.Atoi(s.or("EXIT_CODE", "1"))
	if err != nil {
		return fmt.Errorf("EXIT_CODE=%s: a number", s["EXIT_CODE"])
	}

	term := make(chan os.Signal, 4)
	signal.Notify(term, syscall.SIGTERM, syscall.SIGINT)
	if s["IGNORE_TERM"] == "1" {
		signal.Ignore(syscall.SIGTERM)
	}
	if times[1] > 0 {
		time.AfterFunc(times[1], func() { os.Exit(code) })
	}
	select {
	case <-time.After(times[0]):
	case <-term:
		return nil
	}

	b := newBackend(o, s["READY"] != "0")
	b.pod.SetDefaults(defaults)
	if err := b.listen(s); err != nil {
		return err
	}
	for _, l := range b.says {
		fmt.Println(l)
	}
	select {
	case sig := <-term:
		fmt.Println("got", sig)
	case err := <-b.failed:
		return err
	}
	time.Sleep(times[2])
	b.close(times[3])
	return nil
}

func main() {
	if err := run(newSettings(os.Environ(), os.Args[1:])); err != nil {
		fmt.Fprintln(os.Stderr, "backend:", err)
		os.Exit(1)
	}
}
