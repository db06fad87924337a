// Command cluster runs a cluster of its own for contributors: a real control
// plane, and pods that are processes, in namespaces that end with it.
//
//	cluster up           starts it in the background, unless it runs
//	cluster down         ends it and removes all that it left
//	cluster kubectl ...  kubectl as its administrator
//	cluster shell [...]  a shell, or a command, on its node
//	cluster status       what runs
//	cluster run          in the foreground
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ngx_k8s_test/cluster/bed"
	"ngx_k8s_test/cluster/netns"
	"ngx_k8s_test/internal/proc"
)

func main() {
	var s state
	home, err := os.Executable()
	check(err)
	home = filepath.Dir(home)
	flag.StringVar(&s.bin, "bin", filepath.Join(home, "bin"),
		"where the control plane's programs are")
	flag.StringVar(&s.dir, "dir", filepath.Join(home, "bed"),
		"where the cluster's files go; down removes it")
	flag.StringVar(&s.nginx, "nginx", "",
		"folder with nginx and the module; none: no such image")
	flag.Parse()
	s.tools = home
	s.dir, err = filepath.Abs(s.dir)
	check(err)

	switch flag.Arg(0) {
	case "up":
		s.up()
	case "down":
		check(s.down())
	case "run":
		netns.Enter()
		check(s.run())
	case "shell":
		args := flag.Args()[1:]
		if len(args) == 0 {
			args = []string{"bash"}
		}
		check(s.exec(args))
	case "kubectl":
		check(s.exec(flag.Args()))
	case "status":
		fmt.Println(s.say())
	default:
		fmt.Fprintln(os.Stderr,
			"usage: cluster up | down | status | shell [...] | kubectl ...")
		os.Exit(2)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// state is a cluster's folder.  The file "pid" names the process that all
// others end with, the file "ready" exists when the cluster can be used.
type state struct{ dir, bin, tools, nginx string }

func (s *state) path(name string) string { return filepath.Join(s.dir, name) }

// run is the cluster itself.
func (s *state) run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT,
		syscall.SIGTERM)
	defer stop()
	begin := time.Now()
	var o bed.Options
	o.Dir, o.Bin, o.Proxy = s.dir, s.bin, true
	var err error
	if o.Kubelet.Images, err = bed.Images(s.tools, s.nginx); err != nil {
		return err
	}
	b, err := bed.Up(ctx, o)
	if err != nil {
		return err
	}
	defer b.Close()
	took := fmt.Sprintf("%.1f s", time.Since(begin).Seconds())
	fmt.Println("ready after", took)
	if err := os.WriteFile(s.path("ready"), []byte(took), 0o644); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// up starts run as a daemon and waits for it.
func (s *state) up() {
	if pid := s.pid(); pid != 0 {
		s.await(pid) // another one may be starting it
		return
	}
	check(os.RemoveAll(s.dir))
	check(os.MkdirAll(s.dir, 0o755))
	log, err := os.Create(s.path("log"))
	check(err)
	c := exec.Command("/proc/self/exe", "-dir", s.dir, "-bin", s.bin,
		"-nginx", s.nginx, "run")
	c.Args[0] = "cluster"
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	check(c.Start())
	pid := c.Process.Pid
	check(os.WriteFile(s.path("pid"),
		[]byte(fmt.Sprintf("%d %s", pid, born(pid))), 0o644))
	s.await(pid)
}

// await waits until the cluster of this process is ready, and says so, or why
// it has ended, or that it takes too long.
func (s *state) await(pid int) {
	const limit = 3 * time.Minute
	begin := time.Now()
	for at := born(pid); ; time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > limit {
			check(fmt.Errorf("the cluster is not ready in %v (logs in %s)",
				limit, s.path("logs")))
		}
		if _, err := os.Stat(s.path("ready")); err == nil {
			fmt.Println(s.say())
			return
		}
		if at == "" || born(pid) != at {
			break
		}
	}
	b, err := os.ReadFile(s.path("log"))
	check(err)
	if _, why, ok := strings.Cut(string(b), "# SKIP "); ok {
		why, _, _ = strings.Cut(why, "\n")
		check(fmt.Errorf("this machine cannot run a cluster: %s; it needs root, "+
			"or a user with ids in /etc/subuid and the package uidmap", why))
	}
	os.Stderr.Write(b)
	check(fmt.Errorf("the cluster has ended (logs in %s)", s.path("logs")))
}

func (s *state) say() string {
	took, err := os.ReadFile(s.path("ready"))
	if s.pid() == 0 || err != nil {
		return "no cluster runs; util/cluster up starts one"
	}
	return fmt.Sprintf("the cluster is up (ready after %s); next: "+
		"util/cluster kubectl apply -f examples/", took)
}

// down ends the cluster's processes, which end its namespaces and mounts, and
// removes its folder.
func (s *state) down() error {
	if pid := s.pid(); pid != 0 {
		p, err := os.FindProcess(pid)
		if err == nil && s.pid() == pid { // p is no later one of this number
			err = end(p)
		}
		if err != nil {
			return err
		}
	}
	return os.RemoveAll(s.dir)
}

// end ends a process, by force if need be.
func end(p *os.Process) error {
	p.Signal(syscall.SIGTERM)
	if proc.Wait(p, 10*time.Second) == nil {
		return nil
	}
	p.Kill()
	return proc.Wait(p, 10*time.Second)
}

// exec becomes a command on the node, as the cluster's administrator.
func (s *state) exec(args []string) error {
	if _, err := os.Stat(s.path("ready")); err != nil || s.pid() == 0 {
		return fmt.Errorf("%s", s.say())
	}
	pid, err := child(s.pid())
	if err != nil {
		return err
	}
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	line := []string{"nsenter", "-t", pid, "-m", "-n", "-p", "-r"}
	if os.Geteuid() != 0 {
		line = append(line, "-U", "--preserve-credentials")
	}
	line = append(line, "sh", "-c", `cd "$0" && exec "$@"`, wd)
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		return err
	}
	os.Setenv("KUBECONFIG", s.path("kubeconfig"))
	os.Setenv("PATH", s.bin+":"+os.Getenv("PATH"))
	return syscall.Exec(nsenter, append(line, args...), os.Environ())
}

// pid is the process of a cluster that runs, or 0.
func (s *state) pid() int {
	var pid int
	var at string
	b, err := os.ReadFile(s.path("pid"))
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscan(string(b), &pid, &at); err != nil || born(pid) != at {
		return 0
	}
	return pid
}

// born is when a process began, in ticks since boot; "" if there is none.
// Together with its number it names a process for all times.
func born(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 20 || f[0] == "Z" {
		return ""
	}
	return f[19]
}

// child is the first process in the cluster's namespaces.
func child(pid int) (string, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return "", err
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && len(b) > 0 {
			return strings.Fields(string(b))[0], nil
		}
	}
	return "", fmt.Errorf("process %d has no child", pid)
}
