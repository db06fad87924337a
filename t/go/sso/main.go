// Command sso shows single sign-on as people run it: nginx with the module in
// front of an application, the real oauth2-proxy beside it, an OpenID Connect
// provider somewhere, a DNS that knows all of them, and a browser.  It prints
// TAP.  All runs in namespaces of its own, in which these addresses are local.
//
//	sso -proxy FILE [-nginx FILE] [-module FILE] [-keep] [NAME...]
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"ngx_k8s_test/internal/netns"
)

var (
	server = flag.String("nginx", "nginx", "nginx")
	module = flag.String("module", "", "the module; none: built in")
	proxy  = flag.String("proxy", "", "oauth2-proxy")
	keep   = flag.Bool("keep", false, "print all logs")
)

func main() {
	flag.Parse()
	if !netns.Inside() {
		os.Exit(netns.Again())
	}
	var l []test
	for _, t := range tests {
		if flag.NArg() == 0 || slices.ContainsFunc(flag.Args(),
			func(n string) bool { return strings.Contains(t.name, n) }) {
			l = append(l, t)
		}
	}
	if err := netns.Prepare("10.0.0.0/8", "192.0.2.0/24",
		"203.0.113.0/24"); err != nil {
		fmt.Println("Bail out!", err)
		os.Exit(1)
	}
	w := &world{}
	if bad := w.try(w.start); bad != "" {
		fmt.Println("Bail out!", bad)
		w.logs()
		w.stop()
		os.Exit(1)
	}

	fmt.Printf("1..%d\n", len(l)+1)
	failed := 0
	report := func(n int, name, bad string, took time.Duration) {
		word := "ok"
		if bad != "" {
			word = "not ok"
			failed++
		}
		fmt.Printf("%s %d - %s (%.1f s)\n", word, n, name, took.Seconds())
		if bad != "" {
			fmt.Println("# FAILED:", strings.ReplaceAll(bad, "\n", "\n#   "))
		}
	}
	for i, t := range l {
		begin := time.Now()
		report(i+1, t.name, w.try(func() { t.run(w) }), time.Since(begin))
	}
	report(len(l)+1, "nginx has nothing to say, and ends",
		w.try(w.clean), 0)
	if failed > 0 || *keep {
		w.logs()
	}
	w.stop()
	fmt.Printf("%d passed, %d failed, 0 skipped\n", len(l)+1-failed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}

// bad is what a test panics with.
type bad string

// try runs a function, and returns what is wrong.
func (w *world) try(f func()) (wrong string) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case bad:
			wrong = string(v)
		default:
			wrong = fmt.Sprint(v) + "\n" + string(debug.Stack())
		}
	}()
	f()
	return ""
}

func (w *world) must(err error) {
	if err != nil {
		panic(bad(err.Error() + "\n" + string(debug.Stack())))
	}
}

func (w *world) check(ok bool, format string, a ...any) {
	if !ok {
		panic(bad(fmt.Sprintf(format, a...)))
	}
}
