package main

import (
	"fmt"
	"regexp"
)

// results counts a run's tests.
type results struct {
	passed, failed, skipped int
	bad                     []string // names of those that failed
	seen                    map[string]bool
}

// verdict is a line of "go test -v" about a test of the suite, or about one
// of ours that is all of the run.
var verdict = regexp.MustCompile(
	`^(?:    )?--- (PASS|FAIL|SKIP): (?:TestConformance/([^/ ]+)|(TestBase)) \((.*)\)\n?$`)

// line takes a line of output, and prints a line of TAP if it is a verdict.
func (r *results) line(s string) {
	m := verdict.FindStringSubmatch(s)
	if m == nil {
		return
	}
	name := m[2] + m[3]
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	if r.seen[name] {
		return
	}
	r.seen[name] = true
	switch m[1] {
	case "PASS":
		r.passed++
		fmt.Printf("ok - %s (%s)\n", name, m[4])
	case "SKIP":
		r.skipped++
		fmt.Printf("ok - %s # skip not claimed\n", name)
	case "FAIL":
		r.failed++
		r.bad = append(r.bad, name)
		fmt.Printf("not ok - %s (%s)\n", name, m[4])
	}
}
