package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ngx_k8s_test/internal/api"
)

// execute runs a command, for half a minute at most.
func execute(name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.WaitDelay = time.Second
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %s%w", name, strings.Join(args, " "), out,
			errors.Join(err, ctx.Err()))
	}
	return nil
}

// rss is the resident memory of a process in KB.
func rss(pid int) int {
	return field(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:")
}

// private is what only this process has, in KB.
func private(pid int) int {
	f := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	return field(f, "Private_Dirty:") + field(f, "Private_Clean:")
}

func field(file, name string) int {
	b, _ := os.ReadFile(file)
	for _, l := range strings.Split(string(b), "\n") {
		f := strings.Fields(l)
		if len(f) > 1 && f[0] == name {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	return 0
}

// selfSigned makes a key pair for a name.
func selfSigned(name string) (crt, key []byte, err error) {
	ca, err := api.NewCA("issuer of " + name)
	if err != nil {
		return nil, nil, err
	}
	return ca.Issue(name, name)
}

// shim shifts the wall clock of a program by as many seconds as a file says.
const shim = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long *shift;

__attribute__((constructor)) static void start(void)
{
    char *file = getenv("CLOCK_SHIFT");
    int   fd = file ? open(file, O_RDONLY) : -1;

    if (fd != -1) {
        void *p = mmap(NULL, sizeof(long), PROT_READ, MAP_SHARED, fd, 0);

        if (p != MAP_FAILED) {
            shift = p;
        }

        close(fd);
    }
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
    int rc = syscall(SYS_clock_gettime, id, ts);

    if (rc == 0 && shift
        && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
    {
        ts->tv_sec += *shift;
    }

    return rc;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *t)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    if (t) {
        *t = ts.tv_sec;
    }

    return ts.tv_sec;
}
`

func clockJump(e *env) {
	c := filepath.Join(e.dir, "clock.c")
	so := filepath.Join(e.dir, "clock.so")
	e.must(os.WriteFile(c, []byte(shim), 0644))
	e.must(execute("cc", "-shared", "-fPIC", "-O", "-o", so, c))
	file := filepath.Join(e.dir, "shift")
	set := func(s int64) {
		var b [8]byte
		for i := range b {
			b[i] = byte(uint64(s) >> (8 * uint(i)))
		}
		f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0644)
		e.must(err)
		_, err = f.WriteAt(b[:], 0)
		e.must(err)
		e.must(f.Close())
	}
	set(0)
	preload := so
	if l := os.Getenv("LD_PRELOAD"); l != "" {
		preload = l + ":" + so
	}
	g := e.basic(false, options{env: []string{"LD_PRELOAD=" + preload,
		"CLOCK_SHIFT=" + file}})
	e.watched()
	date := func() time.Time {
		t, _ := time.Parse(time.RFC1123,
			g.adminGet("/healthz").header.Get("Date"))
		return t
	}
	for i, s := range []int64{3600, -3600, 0} {
		set(s)
		e.await("nginx's clock has jumped", 5*time.Second, func() bool {
			d := date().Sub(time.Now().Add(time.Duration(s) * time.Second))
			return d < 5*time.Second && d > -5*time.Second
		})
		e.change(g, fmt.Sprintf("c%d", i))
		e.api.Cut(false)
		e.change(g, fmt.Sprintf("d%d", i))
		e.watched()
		e.api.EndWatches("")
		e.change(g, fmt.Sprintf("e%d", i))
		g.still("a.test", "/", "a")
		e.check(g.adminGet("/readyz").status == 200, "not ready")
		e.check(len(g.Workers()) == 2, "a worker died")
	}
	n := e.api.LogLen()
	e.during(time.Second, func() { g.still("b.test", "/", "b") })
	e.check(e.api.LogLen()-n < 40, "%d requests in a second", e.api.LogLen()-n)
}
