// Command e2e runs nginx with the module against a real control plane and real
// pods, changes both under steady load, and checks every answer.  It prints
// TAP.  Tests that can share a control plane do; each bed runs as a process in
// namespaces of its own.
//
//	e2e -nginx FILE -module FILE -bin DIR [-ci] [-list] [-jobs N] [NAME...]
//
// A NAME is that of a test, of a group of them, or a part of a name.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"ngx_k8s_test/cluster/netns"
)

// test is one scenario.
type test struct {
	name    string // also of its namespace, its class and its load
	group   string
	what    string // one line for the documentation
	bed     string // one of beds; "": main
	ci      bool
	alone   bool      // not beside others of its bed
	records bool      // the pods write down each request
	allowed []allowed // failures; without a line for a kind: none
	run     func(e *env)
}

// allowed are the failures of one kind that a scenario cannot do without.
type allowed struct {
	kind string // one of client.Kinds
	text string // which ones
	ok   func(e *env, f failure) bool
}

var tests []test

func add(t test) {
	if t.bed == "" {
		t.bed = "main"
	}
	tests = append(tests, t)
}

var (
	binary = flag.String("nginx", "", "nginx")
	module = flag.String("module", "", "the module; none: built in")
	bin    = flag.String("bin", "", "folder of the programs of the cluster")
	tools  = flag.String("tools", "", "folder of the programs of the bed")
	tree   = flag.String("tree", "", "the source tree, for its examples")
	crds   = flag.String("crds", "", "folder of the Gateway API's CRDs")
	jobs   = flag.Int("jobs", 2, "beds at a time")
	ciOnly = flag.Bool("ci", false, "only the selection for CI, with short outages")
	list   = flag.Bool("list", false, "print the tests")
	doc    = flag.String("doc", "", "check that this page has the table of tests")
	write  = flag.Bool("write", false, "write the table of tests into the page")
	keep   = flag.Bool("keep", false, "print the logs of all tests whole")
	inBed  = flag.String("bed", "", "internal: run the tests of this bed")
)

// result is what the process of a bed says of a test, as a line of JSON.
type result struct {
	Name  string
	Bad   string
	Skip  string
	Notes []string
	Logs  []string
	Took  time.Duration
}

// chosen are the tests of these names, all without one.  A name that no test
// has is an error, in whatever selection.
func chosen(names []string) ([]test, error) {
	var l []test
	for _, n := range names {
		if !slices.ContainsFunc(tests, func(t test) bool { return t.is(n) }) {
			return nil, fmt.Errorf("no test is named %q; -list prints them", n)
		}
	}
	for _, t := range tests {
		if *ciOnly && !t.ci {
			continue
		}
		ok := len(names) == 0
		for _, n := range names {
			ok = ok || t.is(n)
		}
		if ok {
			l = append(l, t)
		}
	}
	sort.SliceStable(l, func(i, j int) bool {
		return !l[i].alone && l[j].alone
	})
	if len(l) == 0 {
		return nil, errors.New("none of these tests is in the selection for CI")
	}
	return l, nil
}

// is tells whether a name on the command line means the test.
func (t test) is(name string) bool {
	return t.group == name || strings.Contains(t.name, name)
}

func main() {
	flag.Parse()
	l, err := chosen(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(2)
	}
	switch {
	case *list:
		for _, t := range l {
			fmt.Print(describe(t))
		}
		return
	case *inBed != "":
		netns.Enter()
		runBed(*inBed, l)
		return
	case *write:
		if err := writeTable(*doc); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(runAll(l))
}

// runAll starts the beds and prints what they say.
func runAll(l []test) int {
	n := map[string]int{}
	for _, t := range l {
		n[t.bed]++
	}
	extra := 0
	if *doc != "" {
		extra = 1
	}
	fmt.Printf("1..%d\n", len(l)+extra)
	begin := time.Now()
	t := &tap{}
	if *doc != "" {
		r := result{Name: "the documentation has the table of tests"}
		if err := checkTable(*doc); err != nil {
			r.Bad = err.Error()
		}
		t.print(r)
	}
	var wg sync.WaitGroup
	slots := make(chan bool, *jobs)
	for _, name := range bedNames() {
		if n[name] == 0 {
			continue
		}
		slots <- true
		wg.Add(1)
		go func() {
			defer wg.Done()
			t.bed(name, l)
			<-slots
		}()
	}
	wg.Wait()
	fmt.Printf("# all in %.0f s\n", time.Since(begin).Seconds())
	fmt.Printf("%d passed, %d failed, %d skipped\n", t.passed, t.failed,
		t.skipped)
	if t.failed > 0 || t.skipped > 0 && os.Getenv("CI") != "" {
		return 1
	}
	return 0
}

// tap prints results and counts them.
type tap struct {
	mu                         sync.Mutex
	n, passed, failed, skipped int
}

func (t *tap) print(r result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	word := "ok"
	switch {
	case r.Bad != "":
		word = "not ok"
		t.failed++
	case r.Skip != "":
		t.skipped++
		r.Name += " # skip " + r.Skip
	default:
		t.passed++
	}
	fmt.Printf("%s %d - %s (%.1f s)\n", word, t.n, r.Name, r.Took.Seconds())
	for _, n := range r.Notes {
		fmt.Println("#", n)
	}
	if r.Bad != "" {
		fmt.Println("# FAILED:", strings.ReplaceAll(r.Bad, "\n", "\n#   "))
	}
	for _, n := range r.Logs {
		fmt.Println("#  ", n)
	}
}

// bed runs the tests of one bed in a process of its own.
func (t *tap) bed(name string, l []test) {
	left := map[string]bool{}
	for _, x := range l {
		if x.bed == name {
			left[x.name] = true
		}
	}
	skip, bad := "", "its bed ended before it"
	runtime.LockOSThread() // Pdeathsig is about this thread
	c := exec.Command("/proc/self/exe", append([]string{"-bed", name},
		os.Args[1:]...)...)
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		bad = err.Error()
	} else {
		r := bufio.NewReader(out)
		for {
			line, err := r.ReadString('\n')
			var x result
			switch {
			case line == "":
			case strings.HasPrefix(line, "1..0"):
				skip = strings.TrimSpace(strings.TrimPrefix(line, "1..0 # SKIP"))
			case json.Unmarshal([]byte(line), &x) != nil:
				fmt.Printf("# bed %s: %s", name, line)
			case x.Name == "":
				for _, n := range x.Notes {
					fmt.Printf("# bed %s: %s\n", name, n)
				}
			default:
				delete(left, x.Name)
				t.print(x)
			}
			if err != nil {
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
		if err := c.Wait(); err != nil {
			bad += ": " + err.Error()
			if len(left) == 0 {
				t.print(result{Name: "end of bed " + name, Bad: err.Error()})
			}
		}
	}
	for _, x := range l {
		if left[x.name] {
			r := result{Name: x.name, Skip: skip}
			if skip == "" {
				r.Bad = bad
			}
			t.print(r)
		}
	}
}

// runBed brings a bed up and runs its tests, in the bed's namespaces.
func runBed(name string, l []test) {
	debug.SetGCPercent(200)
	quiet := flag.NewFlagSet("", flag.ContinueOnError)
	klog.InitFlags(quiet) // what is wrong shows in the tests
	_ = quiet.Parse([]string{"-logtostderr=false", "-stderrthreshold=4"})
	klog.SetOutput(io.Discard)
	out := json.NewEncoder(os.Stdout)
	var mu sync.Mutex
	say := func(r result) {
		mu.Lock()
		defer mu.Unlock()
		_ = out.Encode(r)
	}
	up := watch("bed "+name+" comes up", say, nil)
	b, err := bedUp(name)
	up()
	if err != nil {
		for _, t := range l {
			if t.bed == name {
				say(result{Name: t.name, Bad: "the bed does not come up: " +
					err.Error()})
			}
		}
		os.Exit(1)
	}
	say(result{Notes: b.notes})
	par := beds[name].parallel
	slots := make(chan bool, par)
	var wg sync.WaitGroup
	for _, t := range l {
		if t.bed != name {
			continue
		}
		n := 1
		if t.alone {
			n = par
		}
		for i := 0; i < n; i++ {
			slots <- true
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			e := newEnv(b, t)
			done := watch(t.name, say, e.tails)
			r := run(e)
			if name == "outage" {
				if err := b.recover(); err != nil && r.Bad == "" {
					r.Bad = err.Error()
				}
			}
			done()
			say(r)
			for i := 0; i < n; i++ {
				<-slots
			}
		}()
	}
	wg.Wait()
	begin := time.Now()
	bad := strings.Join(b.Plane.Panics(), "\n")
	down := watch("bed "+name+" goes down", say, nil)
	b.Close()
	down()
	if bad != "" {
		say(result{Name: "the control plane of bed " + name, Bad: bad})
	}
	say(result{Notes: []string{fmt.Sprintf("down in %.1f s",
		time.Since(begin).Seconds())}})
}

// limit of a test, of a bed that comes up, and of one that goes down.
const limit = 5 * time.Minute

// watch ends this process unless what it returns is called within the limit.
// It says then where every goroutine stands, with the end of more logs.
func watch(name string, say func(result), logs func() []string) (done func()) {
	t := time.AfterFunc(limit, func() {
		b := make([]byte, 1<<20)
		b = b[:runtime.Stack(b, true)]
		r := result{Name: name, Bad: fmt.Sprintf("does not end in %v", limit),
			Took: limit}
		if logs != nil {
			r.Logs = logs()
		}
		r.Logs = append(r.Logs, strings.Split(string(b), "\n")...)
		say(r)
		os.Exit(1)
	})
	return func() { t.Stop() }
}

// run is one test.
func run(e *env) (r result) {
	begin := time.Now()
	part := func(f func()) {
		defer func() {
			switch v := recover().(type) {
			case nil, done:
			default:
				e.fail("%v\n%s", v, debug.Stack())
			}
		}()
		f()
	}
	part(func() { e.t.run(e) })
	took := time.Since(begin)
	part(e.close)
	return result{Name: e.t.name, Bad: e.bad, Skip: e.skip, Notes: e.notes,
		Logs: e.logs, Took: took}
}

// describe is the text of -list.
func describe(t test) string {
	s := fmt.Sprintf("%s  [%s, bed %s%s]\n    %s\n", t.name, t.group, t.bed,
		map[bool]string{true: ", ci"}[t.ci], t.what)
	for _, a := range t.allowed {
		s += fmt.Sprintf("    may fail: %s: %s\n", a.kind, a.text)
	}
	return s
}

const (
	tableBegin = "<!-- table of tests: made by util/e2e -w -->\n"
	tableEnd   = "<!-- end of the table -->\n"
)

// table is that of the documentation.
func table() string {
	s := tableBegin + "\n| test | what happens | may fail | CI |\n" +
		"|---|---|---|---|\n"
	for _, t := range tests {
		may := "nothing"
		for i, a := range t.allowed {
			if i == 0 {
				may = ""
			} else {
				may += "; "
			}
			may += a.kind + ": " + a.text
		}
		s += fmt.Sprintf("| `%s` | %s | %s | %s |\n", t.name, t.what, may,
			map[bool]string{true: "yes"}[t.ci])
	}
	return s + "\n" + tableEnd
}

// split gives what a page has before, in and after the table.
func split(page string) (before, in, after string, err error) {
	i, j := strings.Index(page, tableBegin), strings.Index(page, tableEnd)
	if i < 0 || j < i {
		return "", "", "", fmt.Errorf("no marks of the table")
	}
	j += len(tableEnd)
	return page[:i], page[i:j], page[j:], nil
}

func checkTable(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	_, in, _, err := split(string(b))
	if err == nil && in != table() {
		err = fmt.Errorf("%s: not the table of tests; run util/e2e -w",
			filepath.Base(file))
	}
	return err
}

func writeTable(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, _, after, err := split(string(b))
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(before+table()+after), 0644)
}
