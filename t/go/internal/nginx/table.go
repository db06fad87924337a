package nginx

import (
	"fmt"
	"time"

	"ngx_k8s_test/internal/poll"
)

// SameTable waits until an nginx shows the same table as one that has started
// fresh on the same objects, and returns it.
func SameTable(limit time.Duration, table, fresh func() string) (string, error) {
	var d difference
	_, err := poll.Until("the table of a fresh start", limit,
		func() (bool, any) {
			d = difference{table(), fresh()}
			return d.a == d.b, d
		})
	return d.a, err
}

type difference struct{ a, b string }

// String shows the first place where the texts differ.
func (d difference) String() string {
	i := 0
	for i < len(d.a) && i < len(d.b) && d.a[i] == d.b[i] {
		i++
	}
	cut := func(s string) string { return s[max(0, i-400):min(len(s), i+200)] }
	return fmt.Sprintf("\n%s\nand fresh:\n%s", cut(d.a), cut(d.b))
}
