package kubelet

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// probes starts the probes of a run. Liveness ends with the first stop of the
// container; readiness goes on until the program has ended.
func (c *container) probes(ctx context.Context, r *run) {
	started := make(chan struct{})
	live, stop := context.WithCancel(ctx)
	context.AfterFunc(c.ctx, stop)
	if p := c.c.StartupProbe; p != nil {
		go c.probe(live, r, p, false, func(ok bool, why error) {
			if ok {
				c.set(func() {
					c.started = c.state.Running != nil
					c.ready = c.started && c.c.ReadinessProbe == nil
				})
				close(started)
				return
			}
			c.unhealthy("Startup", p, why)
		})
	} else {
		close(started)
	}
	go func() {
		select {
		case <-started:
		case <-ctx.Done():
			return
		}
		if p := c.c.LivenessProbe; p != nil {
			go c.probe(live, r, p, true, func(ok bool, why error) {
				if !ok {
					c.unhealthy("Liveness", p, why)
				}
			})
		}
		if p := c.c.ReadinessProbe; p != nil {
			c.probe(ctx, r, p, false, func(ok bool, why error) {
				c.set(func() {
					c.ready = ok && c.run == r && c.state.Running != nil
				})
				if !ok {
					c.event(v1.EventTypeWarning, "Unhealthy",
						"Readiness probe failed: "+why.Error())
				}
			})
		}
	}()
}

func (c *container) unhealthy(kind string, p *v1.Probe, why error) {
	c.event(v1.EventTypeWarning, "Unhealthy",
		kind+" probe failed: "+why.Error())
	grace := c.grace()
	if g := p.TerminationGracePeriodSeconds; g != nil {
		grace = time.Duration(*g) * time.Second
	}
	c.fail(grace)
}

// probe asks until the context ends, and tells each change of the result,
// which is good at first or not. A startup probe ends when it succeeds.
func (c *container) probe(ctx context.Context, r *run, p *v1.Probe, good bool,
	tell func(bool, error)) {
	seconds := func(n, d int32) time.Duration {
		if n <= 0 {
			n = d
		}
		return time.Duration(n) * time.Second
	}
	if !sleep(ctx, seconds(p.InitialDelaySeconds, 0)) {
		return
	}
	var successes, failures int32
	for told := false; ; {
		asked, cancel := context.WithTimeout(ctx, seconds(p.TimeoutSeconds, 1))
		err := c.ask(asked, r, &p.ProbeHandler)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			successes, failures = successes+1, 0
		} else {
			successes, failures = 0, failures+1
		}
		switch {
		case err == nil && !good && successes >= max(p.SuccessThreshold, 1):
			good, told = true, true
			tell(true, nil)
			if p == c.c.StartupProbe {
				return
			}
		case err != nil && (good || !told) &&
			failures >= max(p.FailureThreshold, 1):
			good, told = false, true
			tell(false, err)
		}
		if !sleep(ctx, seconds(p.PeriodSeconds, 10)) {
			return
		}
	}
}

// ask is one probe.
func (c *container) ask(ctx context.Context, r *run, h *v1.ProbeHandler) error {
	switch {
	case h.Exec != nil:
		return r.check(ctx, h.Exec.Command)
	case h.HTTPGet != nil:
		return c.httpGet(ctx, h.HTTPGet, "kube-probe/1.36")
	case h.TCPSocket != nil:
		addr, err := c.target(h.TCPSocket.Host, h.TCPSocket.Port)
		if err != nil {
			return err
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err
	case h.GRPC != nil:
		return c.grpc(ctx, h.GRPC)
	}
	return errors.New("no action")
}

// target is host:port, of the pod and by the name of a port where that is so.
func (c *container) target(host string, port intstr.IntOrString) (string,
	error) {
	if host == "" {
		host = c.p.address()
	}
	n := port.IntValue()
	if port.Type == intstr.String {
		for _, p := range c.c.Ports {
			if p.Name == port.StrVal {
				n = int(p.ContainerPort)
			}
		}
	}
	if n <= 0 {
		return "", fmt.Errorf("no port %q", port.String())
	}
	return net.JoinHostPort(host, strconv.Itoa(n)), nil
}

// fetch sends a request, on a connection of its own, and gives the answer with
// so many bytes of its body. It takes any certificate, and follows redirects
// within a host only.
func fetch(req *http.Request, protocols *http.Protocols, limit int64) (
	*http.Response, []byte, error) {
	client := &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true,
			DisableCompression: true, Protocols: protocols,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if r.URL.Hostname() != via[0].URL.Hostname() || len(via) > 10 {
				return http.ErrUseLastResponse
			}
			return nil
		}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	return resp, body, err
}

func (c *container) httpGet(ctx context.Context, h *v1.HTTPGetAction,
	agent string) error {
	addr, err := c.target(h.Host, h.Port)
	if err != nil {
		return err
	}
	u, err := url.Parse(h.Path)
	if err != nil {
		return err
	}
	u.Scheme, u.Host = strings.ToLower(string(h.Scheme)), addr
	if u.Scheme == "" {
		u.Scheme = "http"
	}
	req, err := http.NewRequestWithContext(ctx, "GET", u.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", agent)
	req.Header.Set("Accept", "*/*")
	for _, f := range h.HTTPHeaders {
		if strings.EqualFold(f.Name, "Host") {
			req.Host = f.Value
		}
		req.Header.Add(f.Name, f.Value)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	resp, _, err := fetch(req, &protocols, 10<<10)
	if err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode >= 400 {
		return fmt.Errorf("HTTP probe failed with statuscode: %d",
			resp.StatusCode)
	}
	return nil
}

// grpc asks grpc.health.v1.Health/Check, in plaintext.
func (c *container) grpc(ctx context.Context, g *v1.GRPCAction) error {
	var m []byte // field 1: name of the service
	if g.Service != nil && *g.Service != "" {
		m = append([]byte{0x0a}, binary.AppendUvarint(nil,
			uint64(len(*g.Service)))...)
		m = append(m, *g.Service...)
	}
	body := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m)))
	addr, err := c.target("", intstr.FromInt32(g.Port))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, "POST", "http://"+addr+
		"/grpc.health.v1.Health/Check", bytes.NewReader(append(body, m...)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	resp, answer, err := fetch(req, &protocols, 4096)
	if err != nil {
		return err
	}
	// field 1 of the answer: 1 is SERVING
	if len(answer) < 7 || answer[5] != 0x08 || answer[6] != 1 {
		return fmt.Errorf("gRPC probe failed: HTTP %d, grpc-status %q%q, %x",
			resp.StatusCode, resp.Header.Get("Grpc-Status"),
			resp.Trailer.Get("Grpc-Status"), answer)
	}
	return nil
}

// hook runs a preStop or postStart hook.
func (c *container) hook(ctx context.Context, r *run,
	h *v1.LifecycleHandler) error {
	switch {
	case h.Exec != nil:
		return r.check(ctx, h.Exec.Command)
	case h.HTTPGet != nil:
		return c.httpGet(ctx, h.HTTPGet, "kube-lifecycle/1.36")
	case h.Sleep != nil:
		sleep(ctx, time.Duration(h.Sleep.Seconds)*time.Second)
	}
	return nil
}

func (c *container) postStart(r *run) error {
	if c.c.Lifecycle == nil || c.c.Lifecycle.PostStart == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	go func() {
		select {
		case <-r.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	return c.hook(ctx, r, c.c.Lifecycle.PostStart)
}
