package answer

import "testing"

func TestParseBad(t *testing.T) {
	for _, bad := range []string{"a", "a b", "a 1 A", "a 1 A x", "a x A 192.0.2.1",
		"a 1 AAAA 192.0.2.1", "a 1 MX b", "a 1 SRV b", "a 1 A 192.0.2.1 5"} {
		if _, err := parse(bad); err == nil {
			t.Error(bad)
		}
	}
}
