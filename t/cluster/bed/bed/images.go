package bed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ngx_k8s_test/cluster/kubelet"
)

// Images are the images of the examples.  tools is the folder with "backend",
// which stands for what answers; nginx is one with an nginx and the module, as
// util/build makes it, and "" for none.
func Images(tools, nginx string) (map[string]kubelet.Image, error) {
	backend := kubelet.Image{
		Command: []string{filepath.Join(tools, "backend")},
		Root:    []string{filepath.Join(tools, "backend")}}
	l := map[string]kubelet.Image{"backend": backend,
		"registry.k8s.io/gateway-api/echo-basic": backend}
	if nginx == "" {
		return l, nil
	}
	// the command is "nginx"; modules are in a folder of its prefix
	n := kubelet.Image{Command: []string{"nginx"},
		Root: []string{nginx + "/nginx:/opt/nginx/nginx"},
		Env: []string{"PATH=/opt/nginx:/usr/sbin:/usr/bin:/sbin:/bin",
			"ASAN_OPTIONS=detect_leaks=0"}}
	if _, err := os.Stat(nginx + "/ngx_k8s_ingress_module.so"); err == nil {
		p, err := prefix(nginx + "/nginx")
		if err != nil {
			return nil, err
		}
		n.Root = append(n.Root, nginx+"/objs:"+p+"/modules")
	}
	l["nginx-k8s-ingress"] = n
	l["registry.example/nginx-k8s-ingress"] = n
	return l, nil
}

// prefix is the folder that relative paths of an nginx begin at.
func prefix(nginx string) (string, error) {
	out, err := exec.Command(nginx, "-V").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s -V: %w: %s", nginx, err, out)
	}
	for _, f := range strings.Fields(string(out)) {
		if p, ok := strings.CutPrefix(f, "--prefix="); ok {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s -V: no --prefix", nginx)
}

// Capable copies a program, and gives the copy the capability to bind low
// ports.
func Capable(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, b, 0o755); err != nil {
		return err
	}
	// struct vfs_cap_data, revision 2: permitted and effective
	data := make([]byte, 20)
	copy(data, []byte{1, 0, 0, 2, 0, 1 << (unix.CAP_NET_BIND_SERVICE - 8)})
	if err := unix.Setxattr(to, "security.capability", data, 0); err != nil {
		return fmt.Errorf("capability of %s: %w", to, err)
	}
	return nil
}
