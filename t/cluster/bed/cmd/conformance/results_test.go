package main

import (
	"slices"
	"testing"
)

func TestResults(t *testing.T) {
	var r results
	for _, s := range []string{
		"=== RUN   TestConformance/HTTPRouteWeight\n",
		"    --- PASS: TestConformance/HTTPRouteWeight (0.10s)\n",
		"        --- PASS: TestConformance/HTTPRouteWeight/inner (0.10s)\n",
		"    --- FAIL: TestConformance/TCPRoute (3.00s)\n",
		"        --- FAIL: TestConformance/TCPRoute/inner (3.00s)\n",
		"    --- SKIP: TestConformance/UDPRoute (0.00s)\n",
		"    --- FAIL: TestConformance/TCPRoute (3.00s)\n",
		"--- FAIL: TestConformance (9.00s)\n",
		"--- PASS: TestBase (1.00s)",
	} {
		r.line(s)
	}
	if r.passed != 2 || r.failed != 1 || r.skipped != 1 ||
		!slices.Equal(r.bad, []string{"TCPRoute"}) {
		t.Fatal(r)
	}
}
