// Package poll waits for what no event tells.
package poll

import (
	"fmt"
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
