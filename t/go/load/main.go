// Command load keeps requests and WebSockets going, checks every answer and
// prints a JSON summary.  It takes its configuration as JSON from standard
// input (see internal/client) and ends when the time given there is over, at
// a second line of input, or at a signal.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"ngx_k8s_test/internal/client"
)

func main() {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	var c client.Config
	if len(line) > 0 {
		err = json.Unmarshal(line, &c)
	}
	if err != nil || c.Addr == "" || len(c.Targets) == 0 {
		fmt.Fprintln(os.Stderr, "load: no configuration:", err)
		os.Exit(1)
	}
	c.LongPoll = false // nobody could end it
	l := client.Start(c)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		if _, err := in.ReadBytes('\n'); err == nil {
			close(done)
		}
	}()
	over := make(chan struct{})
	go func() {
		l.Wait()
		close(over)
	}()
	select {
	case <-ch:
	case <-done:
	case <-over:
	}
	r := l.Stop(nil)
	_ = json.NewEncoder(os.Stdout).Encode(r)
	if r.Foreign > 0 || r.Failed > 0 {
		os.Exit(1)
	}
}
