package client

import (
	"testing"
	"time"

	"ngx_k8s_test/internal/pods"
	"ngx_k8s_test/internal/poll"
)

func until(t *testing.T, what string, f func() (bool, any)) {
	t.Helper()
	if _, err := poll.Until(what, 20*time.Second, f); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, service string, during func(*pods.Set, *Load)) Result {
	t.Helper()
	s := pods.NewSet()
	t.Cleanup(s.StopAll)
	p, err := s.Start(pods.Options{Name: "p", Service: "svc",
		Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	l := Start(Config{Addr: p.Addr, Conns: 3, Sockets: 2, Upload: true,
		LongPoll: true, Pause: time.Millisecond, Posts: 5 * time.Millisecond,
		Targets: []Target{{"a.test", "/x", service}}})
	until(t, "load", func() (bool, any) {
		r := l.Snapshot()
		return r.Requests > 20 && (r.Failed > 0 ||
			r.Messages > 0 && r.Posts > 0), r
	})
	if during != nil {
		during(s, l)
	}
	return l.Stop(s.Release)
}

func TestGood(t *testing.T) {
	r := run(t, "svc", nil)
	if r.Requests == 0 || r.Messages == 0 || r.Posts == 0 || r.Failed != 0 ||
		r.Foreign != 0 || r.Uploaded == 0 || !r.Polled || r.Retries != 0 {
		t.Fatalf("%+v", r)
	}
}

func TestForeign(t *testing.T) {
	if r := run(t, "other", nil); r.Foreign == 0 || r.Failed < r.Foreign {
		t.Fatalf("%+v", r)
	}
}

func TestLost(t *testing.T) {
	r := run(t, "svc", func(s *pods.Set, l *Load) {
		s.Stop("p", false)
		until(t, "failures", func() (bool, any) {
			r := l.Snapshot()
			return r.Failed > 0 && r.Retries > 0, r
		})
	})
	if r.Failed == 0 || r.Retries == 0 {
		t.Fatalf("%+v", r)
	}
}

// a poll that nobody ends does not hold the load up
func TestPollStays(t *testing.T) {
	s := pods.NewSet()
	t.Cleanup(s.StopAll)
	p, err := s.Start(pods.Options{Name: "p", Service: "svc",
		Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	l := Start(Config{Addr: p.Addr, LongPoll: true,
		Timeout: 2 * time.Second,
		Targets: []Target{{"a.test", "/x", "svc"}}})
	until(t, "the poll", func() (bool, any) { return p.InFlight() > 0, nil })
	if r := l.Stop(nil); r.FailedBy["poll"] != 1 || r.Polled {
		t.Fatalf("%+v", r)
	}
}
