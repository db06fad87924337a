package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"ngx_k8s_test/internal/api"
	process "ngx_k8s_test/internal/nginx"
)

var handshakesRun = flag.Bool("handshakes", false, "measure, not test")

// handshakes measures full handshakes with many certificates by SNI, beside
// an nginx with a server for each.
func handshakes(e *env) {
	n := *scaleN
	e.begin(true)
	ca, err := api.NewCA("handshakes")
	e.must(err)
	dir := filepath.Join(e.dir, "static")
	e.must(os.MkdirAll(dir, 0755))
	var servers strings.Builder
	name := func(i int) string { return fmt.Sprintf("h%d.test", i) }
	size := 0
	for i := 0; i < n; i++ {
		crt, key, err := ca.Issue(name(i), name(i))
		e.must(err)
		size += len(crt) + len(key)
		e.api.Put("secrets", api.TLSSecret("default", name(i), crt, key))
		ing := api.Ingress("default", name(i), name(i), api.Path{Path: "/",
			Type: "Prefix", Service: "none", Port: 80})
		ing["spec"].(api.Map)["tls"] = []interface{}{api.Map{
			"hosts": []interface{}{name(i)}, "secretName": name(i)}}
		e.api.Put("ingresses", ing)
		file := filepath.Join(dir, name(i))
		e.must(os.WriteFile(file+".crt", crt, 0644))
		e.must(os.WriteFile(file+".key", key, 0600))
		fmt.Fprintf(&servers, "server { server_name %s; ssl_certificate "+
			"%[2]s.crt; ssl_certificate_key %[2]s.key; listen 127.0.0.1:PORT "+
			"ssl; return 204; }\n", name(i), file)
	}
	e.note("%d certificates, %d bytes of PEM each", n, size/n)

	begin := time.Now()
	g := e.start(options{zone: "256m", workers: 1, log: "notice"})
	e.note("module: %.2f s from the start to ready", time.Since(begin).Seconds())
	used := g.metricMatch(`table_bytes\{.*state="used"`)

	port := freePorts(1)[0]
	begin = time.Now()
	s, err := process.Start(process.Config{Binary: *binary, Dir: dir,
		Conf: fmt.Sprintf("user root; daemon off; pid %s/pid;\n"+
			"events { worker_connections 4096; }\nhttp { access_log off;\n"+
			"server_names_hash_max_size 65536; server_names_hash_bucket_size "+
			"64;\n%s}\n", dir, strings.ReplaceAll(servers.String(), "PORT",
			fmt.Sprint(port)))})
	e.must(err)
	defer func() { e.must(s.Stop()) }()

	shake := func(port int, name string) bool {
		c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port),
			&tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil {
			return false
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName == name
	}
	e.await("nginx with servers", 5*time.Minute, func() bool {
		return shake(port, name(n-1))
	})
	e.note("servers: %.2f s from the start to ready", time.Since(begin).Seconds())
	e.await("the last certificate", time.Minute, func() bool {
		return shake(g.tls, name(n-1))
	})

	const count = 4000
	cpu := map[string][]float64{}
	for round := 0; round < 5; round++ {
		for _, x := range []struct {
			what string
			port int
			pid  int
		}{{"servers", port, s.Workers()[0]}, {"module", g.tls,
			g.Workers()[0]}} {
			was := ticks(x.pid)
			for i := 0; i < count; i++ {
				h := name(rand.Intn(n))
				e.check(shake(x.port, h), "%s: not the certificate of %s",
					x.what, h)
			}
			cpu[x.what] = append(cpu[x.what],
				float64(ticks(x.pid)-was)*1000/count)
		}
	}
	for _, what := range []string{"servers", "module"} {
		sort.Float64s(cpu[what])
		e.note("%s: %.0f us of CPU a handshake (%.0f .. %.0f)", what,
			cpu[what][2], cpu[what][0], cpu[what][4])
	}
	e.note("servers: worker %d KB resident, master %d KB", rss(s.Workers()[0]),
		rss(s.Pid))
	e.note("module: worker, which watches as well, %d KB private, master %d "+
		"KB private, %.0f KB of the zone", private(g.Workers()[0]),
		private(g.Pid), used/1024)
}
