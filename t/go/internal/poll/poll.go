// Package poll waits for what no event tells.
package poll

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

const pause = 5 * time.Millisecond

// Until calls f every few milliseconds until it says true, and tells how long
// that took.  After the limit it is an error, which names what was awaited, and
// what f has seen last, unless that is nil.
func Until(what string, limit time.Duration,
	f func() (ok bool, seen any)) (time.Duration, error) {
	for begin := time.Now(); ; time.Sleep(pause) {
		ok, seen := f()
		took := time.Since(begin)
		switch {
		case ok:
			return took, nil
		case took <= limit:
		case seen == nil:
			return took, fmt.Errorf("in %v not seen: %s", limit, what)
		default:
			return took, fmt.Errorf("in %v not seen: %s, but: %v", limit, what,
				seen)
		}
	}
}

// Listen listens on an address:port.  One that was closed may be in use for some
// milliseconds more: children of this process have copies of its sockets until
// exec closes them.
func Listen(addr string) (net.Listener, error) {
	for begin := time.Now(); ; time.Sleep(pause) {
		ln, err := net.Listen("tcp", addr)
		if !errors.Is(err, syscall.EADDRINUSE) ||
			time.Since(begin) > 5*time.Second {
			return ln, err
		}
	}
}
