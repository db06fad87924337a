// Package answertest is what tests of DNS servers share.
package answertest

import (
	"io"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"ngx_k8s_test/cluster/dns/answer"
	"ngx_k8s_test/internal/poll"
)

// Server is one under test.
type Server interface {
	io.Closer
	Addr() string
}

// Started gives a server that has just been started, until the test's end.
func Started[S Server](t *testing.T, s S, err error) S {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Ask sends a query and gives the answer; nil: none came.
func Ask(s Server, network, name string, kind dnsmessage.Type,
	limit time.Duration) *dnsmessage.Message {
	m, _ := answer.Ask(network, s.Addr(), name, kind, limit)
	return m
}

// Await asks for addresses until the answer's records are these.
func Await(t *testing.T, s Server, name, want string) {
	t.Helper()
	if _, err := poll.Until(name+" is "+want, 20*time.Second,
		func() (bool, any) {
			m := Ask(s, "udp", name, dnsmessage.TypeA, 5*time.Second)
			return m != nil && answer.Words(m) == want, m
		}); err != nil {
		t.Fatal(err)
	}
}
