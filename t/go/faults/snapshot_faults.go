package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ngx_k8s_test/internal/api"
	"ngx_k8s_test/internal/client"
)

// snapshot is the directive for a file of the test's own folder.
func (e *env) snapshot(name string) (file, directive string) {
	file = filepath.Join(e.dir, name)
	return file, "snapshot " + file + ";"
}

// written waits until the file holds the present table.
func (g *nginx) written(file string) {
	g.e.await("the snapshot is written", 20*time.Second, func() bool {
		st, err := os.Stat(file)
		return err == nil && st.Size() > 0
	})
}

// inode tells one file from the next of the same name.
func (e *env) inode(file string) uint64 {
	var st syscall.Stat_t
	if syscall.Stat(file, &st) != nil {
		return 0
	}
	return st.Ino
}

// aged makes a file an hour old, and tells whether it has been stamped since.
func (e *env) aged(file string) func() bool {
	old := time.Now().Add(-time.Hour)
	e.must(os.Chtimes(file, old, old))
	return func() bool {
		st, err := os.Stat(file)
		e.must(err)
		return time.Since(st.ModTime()) < 30*time.Minute
	}
}

func init() {
	add("snapshot: its time is that of the last news", func(e *env) {
		file, directive := e.snapshot("snap")
		g := e.basic(false, options{block: directive})
		g.written(file)
		e.api.Down()
		e.await("watches known as lost", 10*time.Second, func() bool {
			return g.metricMatch(`watch_connected\{`) == 0
		})
		lost := e.aged(file)
		// one that goes on with its source, and was started later
		folder := e.dir + "/manifests"
		e.must(os.Mkdir(folder, 0755))
		e.must(os.WriteFile(folder+"/a.yaml", []byte(`apiVersion: v1
kind: Service
metadata: {name: c, namespace: default}
spec: {ports: [{port: 80}]}
`), 0644))
		other, directive := e.snapshot("other")
		n := e.start(options{block: directive, source: "manifests " + folder})
		n.written(other)
		stands := e.aged(other)
		e.await("the other file is stamped", 90*time.Second, stands)
		e.check(!lost(), "it is stamped without an API server")
	})

	add("T-A1 snapshot: a cold start while the API server is down", func(e *env) {
		file, directive := e.snapshot("snap")
		g := e.basic(false, options{block: directive})
		g.written(file)
		e.change(g, "late")
		e.must(g.Stop())
		e.api.Down()
		// what happens while nobody looks
		_, _ = e.api.Delete("ingresses", "default", "b")
		e.ingress("new", "new.test", "/", "b")

		cold := e.start(options{down: true, block: directive})
		e.await("a failed attempt in the log", 10*time.Second, func() bool {
			return cold.Logged("onnection refused") > 0 ||
				cold.Logged("ould not connect") > 0 || cold.Logged("ailed to connect") > 0
		})
		a := cold.adminGet("/readyz")
		e.check(a.status == 200 && strings.Contains(a.body, "stale"),
			"/readyz %d: %s", a.status, a.body)
		m := cold.each()
		for _, host := range []string{"a.test", "late.test"} {
			cold.everywhere(m, host, "/", func(a answer) bool {
				e.check(a.status == 200 && a.svc == "a", "%s: %v", host, a)
				return true
			})
		}
		closeAll(m)
		cold.still("b.test", "/", "b")
		e.await("an age", 10*time.Second, func() bool {
			return cold.metricMatch(`snapshot_age_seconds`) > 0
		})

		l := e.load(cold, client.Target{Host: "a.test", Path: "/", Service: "a"})
		e.must(e.api.Up())
		e.note("a stale route lasts %v", cold.becomes("b.test", "/", 404, ""))
		cold.serves("new.test", "/", "b")
		e.await("not stale", 10*time.Second, func() bool {
			return cold.metricMatch(`snapshot_age_seconds`) == 0 &&
				!strings.Contains(cold.adminGet("/readyz").body, "stale")
		})
		e.quiet(l)
		e.equal(cold)
	})

	add("T-A1 snapshot: a cold start meets an API server that answers", func(e *env) {
		file, directive := e.snapshot("snap")
		g := e.basic(false, options{block: directive})
		for i := 0; i < 200; i++ {
			e.ingress(fmt.Sprintf("n%d", i), fmt.Sprintf("n%d.test", i), "/", "a")
		}
		g.serves("n199.test", "/", "a")
		g.written(file)
		e.must(g.Stop())
		cold := e.start(options{block: directive})
		e.await("in sync", 10*time.Second, func() bool {
			return cold.metricMatch(`snapshot_age_seconds`) == 0 &&
				cold.Logged("in sync") > 0
		})
		// 203 Ingresses; what did not differ was not swapped
		changes := cold.metricMatch(`table_changes_total`)
		e.equal(cold)
		e.note("%v records put for 200 Ingresses, by the load and the list",
			changes)
		hosts := 202.0
		e.check(changes < 2*hosts+60, "%v records put, the list has swapped them",
			changes)
	})

	add("T-A1 snapshot: not that of another API server", func(e *env) {
		file, directive := e.snapshot("snap")
		g := e.basic(false, options{block: directive})
		g.written(file)
		e.must(g.Stop())
		path, err := e.api.WriteKubeconfig(e.dir, "token", "token-one")
		e.must(err)
		b, err := os.ReadFile(path)
		e.must(err)
		e.check(strings.Contains(string(b), e.api.Addr()), "%s", b)
		e.must(os.WriteFile(path, []byte(strings.Replace(string(b), e.api.Addr(),
			"127.0.0.1:1", 1)), 0600))
		cold := e.start(options{down: true, block: directive,
			source: "kubeconfig " + path})
		e.check(cold.Logged("made of another source") > 0, "it is not refused")
		e.check(cold.adminGet("/readyz").status == 503, "ready")
		e.check(cold.get("a.test", "/").status == 503, "a.test is served")
		e.await("a problem", 10*time.Second, func() bool {
			return cold.problem("SnapshotRefused")
		})
		e.must(cold.Stop())
		// and as it was
		e.must(os.WriteFile(path, b, 0600))
		e.api.Down()
		cold = e.start(options{down: true, block: directive,
			source: "kubeconfig " + path})
		cold.still("a.test", "/", "a")
	})

	add("T-B1 snapshot: kill -9 while it is written", func(e *env) {
		file, directive := e.snapshot("snap")
		g := e.basic(false, options{block: directive, zone: "32m"})
		for i := 0; i < 3000; i++ {
			e.ingress(fmt.Sprintf("n%d", i), fmt.Sprintf("n%d.test", i), "/", "a")
		}
		g.serves("n2999.test", "/", "a")
		temp, half := file+".tmp", 0
		kills := 0
		for i := 0; i < 40 && half < 3; i++ {
			kills++
			was, w, ino := g.Workers(), g.watcher(), e.inode(file)
			var left time.Time
			if st, err := os.Stat(temp); err == nil {
				left = st.ModTime()
			}
			e.change(g, fmt.Sprintf("k%d", i))
			// a half-written one, or one just renamed
			end := time.Now().Add(20 * time.Second)
			for {
				st, err := os.Stat(temp)
				if err == nil && st.Size() > 0 && st.ModTime() != left {
					break
				}
				if e.inode(file) != ino {
					break
				}
				e.check(time.Now().Before(end), "it is never written")
			}
			e.must(syscall.Kill(w, syscall.SIGSTOP))
			g.strike(w, syscall.SIGKILL)
			if st, err := os.Stat(temp); err == nil && st.Size() > 0 {
				half++
			}
			g.respawned(was)
			e.await("a new watcher", 10*time.Second, func() bool {
				return g.watcher() != w
			})
			if e.inode(file) == 0 {
				continue
			}
			// what is there is whole: another nginx loads it
			b, err := os.ReadFile(file)
			e.must(err)
			copied := filepath.Join(e.dir, "copy"+strconv.Itoa(i))
			e.must(os.WriteFile(copied, b, 0600))
			other := e.start(options{zone: "32m", down: true,
				block: "snapshot " + copied + ";"})
			e.check(other.Logged("ready with") > 0, "the file is not whole")
			other.still("n7.test", "/", "a")
			e.must(other.Stop())
		}
		e.note("%d of %d kills left a half-written file beside", half, kills)
		e.check(half > 0, "no kill met a file that was being written")
		ino := e.inode(file)
		e.change(g, "end")
		e.await("written after all", 20*time.Second, func() bool {
			_, err := os.Stat(temp)
			return e.inode(file) != ino && os.IsNotExist(err)
		})
		l, _ := filepath.Glob(file + "*")
		e.check(len(l) == 1, "files are left: %v", l)
	})

	add("T-B4 snapshot: the disk is full", func(e *env) {
		disk := filepath.Join(e.dir, "disk")
		e.must(os.MkdirAll(disk, 0755))
		e.must(syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"))
		e.stops = append(e.stops, func() {
			_ = syscall.Unmount(disk, syscall.MNT_DETACH)
		})
		file, directive := e.snapshot("disk/snap")
		g := e.basic(false, options{block: directive})
		g.written(file)
		good, err := os.ReadFile(file)
		e.must(err)
		e.must(os.WriteFile(filepath.Join(disk, "ballast"),
			make([]byte, 250<<10), 0644))
		l := e.load(g, client.Target{Host: "a.test", Path: "/", Service: "a"})
		for i := 0; i < 20; i++ {
			e.ingress(fmt.Sprintf("n%d", i), fmt.Sprintf("n%d.test", i), "/", "a")
		}
		g.serves("n19.test", "/", "a")
		e.await("a problem", 20*time.Second, func() bool {
			return g.problem("SnapshotUnwritten")
		})
		e.check(g.Logged("No space left on device") > 0, "the reason is not said")
		now, err := os.ReadFile(file)
		e.must(err)
		e.check(string(now) == string(good), "the old file is not as it was")
		_, err = os.Stat(file + ".tmp")
		e.check(os.IsNotExist(err), "half a file is left")
		g.still("n19.test", "/", "a")
		e.must(os.Remove(filepath.Join(disk, "ballast")))
		e.await("no problem", 20*time.Second, func() bool {
			return !g.problem("SnapshotUnwritten")
		})
		e.quiet(l)
		e.check(e.inode(file) != 0, "the file is gone")
	})

	add("T-D1 snapshot: keys", func(e *env) {
		file, directive := e.snapshot("snap")
		e.begin(false)
		e.app("a", 1)
		crt, key, err := selfSigned("own.test")
		e.must(err)
		e.api.Put("secrets", api.TLSSecret("default", "own", crt, key))
		o := api.Ingress("default", "own", "own.test", api.Path{Path: "/",
			Type: "Prefix", Service: "a", Port: 80})
		o["spec"].(api.Map)["tls"] = []interface{}{api.Map{
			"hosts": []interface{}{"own.test"}, "secretName": "own"}}
		e.api.Put("ingresses", o)
		for _, keys := range []string{"off", "on"} {
			d := strings.Replace(directive, ";", " keys="+keys+";", 1)
			_ = os.Remove(file)
			g := e.start(options{block: d})
			e.await("the certificate", 10*time.Second, func() bool {
				return g.handshake("own.test") == "own.test"
			})
			g.written(file)
			e.must(g.Stop())
			e.api.Down()
			cold := e.start(options{block: d, down: true})
			cn := cold.handshake("own.test")
			e.check((cn == "own.test") == (keys == "on"), "keys=%s: %s", keys, cn)
			e.check(!strings.HasPrefix(cn, "error"), "keys=%s: %s", keys, cn)
			if keys == "off" {
				e.await("a problem", 10*time.Second, func() bool {
					return cold.problem("SnapshotIncomplete")
				})
			}
			e.must(e.api.Up())
			e.await("the certificate again", 15*time.Second, func() bool {
				return cold.handshake("own.test") == "own.test"
			})
			e.await("no problem", 15*time.Second, func() bool {
				return !cold.problem("SnapshotIncomplete")
			})
			e.must(cold.Stop())
		}
	})
}
