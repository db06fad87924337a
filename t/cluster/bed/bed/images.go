package bed

import (
	"os"
	"path/filepath"

	"ngx_k8s_test/cluster/kubelet"
)

// Images are the images of the examples.  tools is the folder with "backend",
// which stands for what answers; nginx is one with an nginx and the module, as
// util/build makes it, and "" for none.
func Images(tools, nginx string) map[string]kubelet.Image {
	backend := kubelet.Image{
		Command: []string{filepath.Join(tools, "backend")},
		Root:    []string{filepath.Join(tools, "backend")}}
	l := map[string]kubelet.Image{"backend": backend,
		"registry.k8s.io/gateway-api/echo-basic": backend}
	if nginx == "" {
		return l
	}
	// the command is "nginx"; modules are in a folder of its prefix
	n := kubelet.Image{Command: []string{"nginx"},
		Root: []string{nginx + "/nginx:/opt/nginx/nginx"},
		Env: []string{"PATH=/opt/nginx:/usr/sbin:/usr/bin:/sbin:/bin",
			"ASAN_OPTIONS=detect_leaks=0"}}
	module := nginx + "/ngx_k8s_ingress_module.so"
	if _, err := os.Stat(module); err == nil {
		n.Root = append(n.Root, module+":"+nginx+
			"/prefix/modules/ngx_k8s_ingress_module.so")
	}
	l["nginx-k8s-ingress"] = n
	l["registry.example/nginx-k8s-ingress"] = n
	return l
}
