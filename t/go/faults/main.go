// Command faults runs nginx with the module against a fake API server and
// pods, causes faults, and shows that they do no harm.  It prints TAP.  All
// runs in a network namespace of its own, in which every address of
// 10.244.0.0/16 is local, so that pods have addresses as in a cluster.
//
//	faults [-nginx FILE] [-module FILE] [-jobs N] [-list] [NAME...]
//
// A NAME is an id (T-A4), a group of them (T-A) or a part of a test's name.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"

	"ngx_k8s_test/internal/netns"
)

// test is one scenario.  It first proves that its fault happened.
type test struct {
	name  string
	run   func(e *env)
	alone bool // not beside others
}

var tests []test

func add(name string, run func(e *env)) {
	tests = append(tests, test{name: name, run: run})
}

func addAlone(name string, run func(e *env)) {
	tests = append(tests, test{name: name, run: run, alone: true})
}

var (
	binary = flag.String("nginx", "", "nginx")
	module = flag.String("module", "", "the module; none: built in")
	jobs   = flag.Int("jobs", 3, "tests at a time")
	asan   = flag.Bool("asan", false, "nginx is built with sanitizers")
	list   = flag.Bool("list", false, "print the names of the tests")
	keep   = flag.Bool("keep", false, "print the logs of all tests whole")
	long   = flag.Bool("long", os.Getenv("K8S_LONG") != "",
		"full length: a minute without API server, 100,000 changes")
)

func prepare() error {
	err := netns.Prepare("10.244.0.0/16")
	for _, args := range []string{"addr add fd00:244::1/64 dev lo nodad",
		"route add local fd00:244::/64 dev lo"} {
		err = errors.Join(err, execute("ip", strings.Fields(args)...))
	}
	if err != nil {
		return err
	}
	// files of the tests, and the service account of in_cluster
	return syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
}

// is tells whether a name on the command line means the test.
func (t test) is(name string) bool {
	id := strings.Fields(t.name)[0]
	return id == name || len(name) == 3 && strings.HasPrefix(id, name) ||
		!strings.HasPrefix(name, "T-") && strings.Contains(t.name, name)
}

// chosen are the tests of these names, all without one.  A name that no test
// has is an error.
func chosen(names []string) ([]test, error) {
	if len(names) == 0 {
		return tests, nil
	}
	for _, n := range names {
		if !slices.ContainsFunc(tests, func(t test) bool { return t.is(n) }) {
			return nil, fmt.Errorf("no test is named %q; -list prints them", n)
		}
	}
	var l []test
	for _, t := range tests {
		if slices.ContainsFunc(names, t.is) {
			l = append(l, t)
		}
	}
	return l, nil
}

func main() {
	flag.Parse()
	sort.SliceStable(tests, func(i, j int) bool {
		return !tests[i].alone && tests[j].alone
	})
	if *scaleRun {
		tests = []test{{name: "scale", run: scale, alone: true}}
	}
	if *handshakesRun {
		tests = []test{{name: "handshakes", run: handshakes, alone: true}}
	}
	l, err := chosen(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(2)
	}
	if *list {
		for _, t := range l {
			fmt.Println(t.name)
		}
		return
	}
	if !netns.Inside() {
		os.Exit(netns.Again())
	}
	if err := prepare(); err != nil {
		fmt.Println("Bail out!", err)
		os.Exit(1)
	}
	debug.SetGCPercent(200)
	if *long {
		*jobs = 2
	}

	fmt.Printf("1..%d\n", len(l))
	results := make([]chan *env, len(l))
	for i := range l {
		results[i] = make(chan *env, 1)
	}
	slots := make(chan bool, *jobs)
	go func() {
		for i := range l {
			n := 1
			if l[i].alone {
				n = *jobs
			}
			for j := 0; j < n; j++ {
				slots <- true
			}
			go func(i, n int) {
				results[i] <- run(l[i], i)
				for j := 0; j < n; j++ {
					<-slots
				}
			}(i, n)
		}
	}()

	passed, failed, skipped := 0, 0, 0
	for i := range l {
		e := <-results[i]
		word := "ok"
		switch {
		case e.bad != "":
			word = "not ok"
			failed++
		case e.skip != "":
			skipped++
			e.name += " # skip " + e.skip
		default:
			passed++
		}
		fmt.Printf("%s %d - %s (%.1f s)\n", word, i+1, e.name,
			e.took.Seconds())
		for _, n := range e.notes {
			fmt.Println("#", n)
		}
		if e.bad != "" {
			fmt.Println("# FAILED:", strings.ReplaceAll(e.bad, "\n", "\n#   "))
		}
		for _, n := range e.logs {
			fmt.Println("#  ", n)
		}
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	if failed > 0 {
		os.Exit(1)
	}
}

// hung ends all when a test does not end: with the stack of every goroutine,
// and the log of its nginxes.
func (e *env) hung() {
	b := make([]byte, 1<<20)
	b = b[:runtime.Stack(b, true)]
	for _, g := range e.all {
		fmt.Println("#  ", strings.Join(g.Tail(false), "\n#   "))
	}
	fmt.Printf("# %s\nBail out! %s did not end\n",
		strings.ReplaceAll(string(b), "\n", "\n# "), e.name)
	os.Exit(1)
}

func run(t test, n int) (e *env) {
	e = newEnv(t.name, n)
	begin := time.Now()
	limit := 4 * time.Minute
	if *long {
		limit = 20 * time.Minute
	}
	defer time.AfterFunc(limit, e.hung).Stop()
	defer func() {
		x := recover()
		switch v := x.(type) {
		case nil, done:
		case error:
			e.bad = v.Error() + "\n" + string(debug.Stack())
		default:
			e.bad = fmt.Sprint(v) + "\n" + string(debug.Stack())
		}
		e.took = time.Since(begin)
		e.close()
	}()
	t.run(e)
	return e
}
