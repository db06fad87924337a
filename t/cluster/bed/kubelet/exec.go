package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// Exec runs a command in a container of a pod, as kubectl exec does, without
// the API server. "" is the first container. It returns the exit status; an
// error is about the start of the command, or the end of the context.
func (k *Kubelet) Exec(ctx context.Context, namespace, pod, container string,
	in io.Reader, out, errOut io.Writer, args ...string) (int, error) {
	p := k.find(namespace, pod)
	if p == nil {
		return 0, fmt.Errorf("pod %s/%s does not run here", namespace, pod)
	}
	r, err := p.running(container)
	if err != nil {
		return 0, err
	}
	return r.exec(ctx, args, in, out, errOut)
}

// running is the run of a container that goes on now.
func (p *pod) running(container string) (*run, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.mains[0]
	if container != "" {
		if c = p.container(container); c == nil {
			return nil, fmt.Errorf("no container %q", container)
		}
	}
	if c.state.Running == nil {
		return nil, fmt.Errorf("container %q does not run", c.c.Name)
	}
	return c.run, nil
}

// serveExec serves kubectl exec; there is no terminal, so that -t does nothing.
func (n *node) serveExec(w http.ResponseWriter, r *http.Request) {
	if n.isLost() {
		panic(http.ErrAbortHandler)
	}
	p := n.k.find(r.PathValue("namespace"), r.PathValue("pod"))
	if p == nil || p.n != n {
		http.Error(w, "no such pod here", http.StatusNotFound)
		return
	}
	run, err := p.running(r.PathValue("container"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if _, err := httpstream.Handshake(r, w, []string{
		remotecommand.StreamProtocolV4Name}); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q := r.URL.Query()
	wanted := map[string]bool{v1.StreamTypeError: true,
		v1.StreamTypeStdin:  isTrue(q.Get(v1.ExecStdinParam)),
		v1.StreamTypeStdout: isTrue(q.Get(v1.ExecStdoutParam)),
		v1.StreamTypeStderr: isTrue(q.Get(v1.ExecStderrParam)) &&
			!isTrue(q.Get(v1.ExecTTYParam))}
	arrived := make(chan httpstream.Stream, 8)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r,
		func(s httpstream.Stream, _ <-chan struct{}) error {
			arrived <- s
			return nil
		})
	if conn == nil {
		return // the answer is sent
	}
	defer conn.Close()
	streams := map[string]httpstream.Stream{}
	for late := time.After(10 * time.Second); len(wanted) > 0; {
		for name, want := range wanted {
			if !want {
				delete(wanted, name)
			}
		}
		if len(wanted) == 0 {
			break
		}
		select {
		case s := <-arrived:
			name := s.Headers().Get(v1.StreamType)
			delete(wanted, name)
			streams[name] = s
		case <-late:
			return
		}
	}
	ctx, cancel := context.WithCancel(n.k.ctx)
	defer cancel()
	go func() {
		<-conn.CloseChan()
		cancel()
	}()
	status := run.stream(ctx, q[v1.ExecCommandParam], streams)
	text, _ := json.Marshal(status)
	_, _ = streams[v1.StreamTypeError].Write(text)
}

// stream runs a command with these streams, and tells its end as kubectl wants
// it.
func (r *run) stream(ctx context.Context, args []string,
	streams map[string]httpstream.Stream) metav1.Status {
	var in io.Reader
	out, errOut := io.Discard, io.Discard
	if s := streams[v1.StreamTypeStdin]; s != nil {
		in = s
	}
	if s := streams[v1.StreamTypeStdout]; s != nil {
		out = s
	}
	if s := streams[v1.StreamTypeStderr]; s != nil {
		errOut = s
	}
	code, err := r.exec(ctx, args, in, out, errOut)
	switch {
	case err != nil:
		return metav1.Status{Status: metav1.StatusFailure,
			Message: "exec: " + err.Error(),
			Reason:  metav1.StatusReasonInternalError}
	case code != 0:
		return metav1.Status{Status: metav1.StatusFailure,
			Message: fmt.Sprintf("command terminated with exit code %d", code),
			Reason:  remotecommand.NonZeroExitCodeReason,
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{
				Type:    remotecommand.ExitCodeCauseType,
				Message: strconv.Itoa(code)}}}}
	}
	return metav1.Status{Status: metav1.StatusSuccess}
}
