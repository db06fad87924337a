package kubelet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"ngx_k8s_test/cluster/kubelet/podinit"
)

// What programs of the host need of its /etc.
var hostFiles = []string{"/etc/alternatives", "/etc/ld.so.cache",
	"/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ssl", "/etc/ca-certificates",
	"/etc/ca-certificates.conf", "/etc/localtime", "/etc/services",
	"/etc/protocols"}

var capabilityNames = []string{"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH",
	"FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN",
	"NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
	"SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT",
	"SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
	"AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN",
	"SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE"}

// What containerd gives where nothing is said.
var defaultCapabilities = []v1.Capability{"CHOWN", "DAC_OVERRIDE", "FSETID",
	"FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
	"NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"}

// makeSpec resolves all that a container refers to. Its errors are of type
// reason: they pass when what is missing comes.
func (c *container) makeSpec(image Image) (*podinit.Spec, error) {
	env, err := c.environment(image)
	if err != nil {
		return nil, reason{"CreateContainerConfigError", err}
	}
	s := &podinit.Spec{
		Root:     filepath.Join(c.p.k.dir(c.p.uid), c.c.Name, "root"),
		Hostname: c.p.hostname(), Dir: "/", Sysctls: map[string]string{},
		Args: slices.Concat(image.Command, image.Args)}
	if len(c.c.Command) > 0 {
		s.Args = expandAll(slices.Concat(c.c.Command, c.c.Args), env.values)
	} else if len(c.c.Args) > 0 {
		s.Args = slices.Concat(image.Command, expandAll(c.c.Args, env.values))
	}
	if c.c.WorkingDir != "" {
		s.Dir = c.c.WorkingDir
	}
	if err := c.secure(s, image); err != nil {
		return nil, reason{"CreateContainerConfigError", err}
	}
	home := "/"
	if s.UID == 0 {
		home = "/root"
	}
	if _, ok := env.values["HOME"]; !ok {
		env.set("HOME", home)
	}
	s.Env = env.list()
	s.Files = c.files(s)
	if err := c.binds(s, image, env); err != nil {
		return nil, reason{"CreateContainerConfigError", err}
	}
	return s, nil
}

// secure applies the security context of the pod and of the container.
func (c *container) secure(s *podinit.Spec, image Image) error {
	pod, own := c.p.spec.SecurityContext, c.c.SecurityContext
	if pod == nil {
		pod = &v1.PodSecurityContext{}
	}
	if own == nil {
		own = &v1.SecurityContext{}
	}
	first := func(d int, list ...*int64) int {
		for _, v := range list {
			if v != nil {
				return int(*v)
			}
		}
		return d
	}
	s.UID = first(image.User, own.RunAsUser, pod.RunAsUser)
	s.GID = first(0, own.RunAsGroup, pod.RunAsGroup)
	s.Groups = []int{s.GID}
	for _, g := range pod.SupplementalGroups {
		s.Groups = append(s.Groups, int(g))
	}
	if pod.FSGroup != nil {
		s.Groups = append(s.Groups, int(*pod.FSGroup))
	}
	nonRoot := ptr.Deref(pod.RunAsNonRoot, false)
	if ptr.Deref(own.RunAsNonRoot, nonRoot) && s.UID == 0 {
		return errors.New("container has runAsNonRoot and image will run as root")
	}
	for _, v := range pod.Sysctls {
		s.Sysctls[v.Name] = v.Value
	}
	s.NoNewPrivs = !ptr.Deref(own.AllowPrivilegeEscalation, true)
	s.ReadOnly = ptr.Deref(own.ReadOnlyRootFilesystem, false)

	if ptr.Deref(own.Privileged, false) {
		s.Caps = 1<<len(capabilityNames) - 1
		return nil
	}
	if err := capabilities(&s.Caps, defaultCapabilities, true); err != nil {
		return err
	}
	if own.Capabilities == nil {
		return nil
	}
	// as containerd: ALL first, then what is added, then what is dropped
	add, drop := own.Capabilities.Add, own.Capabilities.Drop
	if slices.Contains(add, "ALL") {
		s.Caps = 1<<len(capabilityNames) - 1
	}
	if slices.Contains(drop, "ALL") {
		s.Caps = 0
	}
	if err := capabilities(&s.Caps, add, true); err != nil {
		return err
	}
	return capabilities(&s.Caps, drop, false)
}

func capabilities(set *uint64, names []v1.Capability, on bool) error {
	for _, name := range names {
		if name == "ALL" {
			continue
		}
		i := slices.Index(capabilityNames,
			strings.TrimPrefix(string(name), "CAP_"))
		if i < 0 {
			return fmt.Errorf("unknown capability %q", name)
		}
		if on {
			*set |= 1 << i
		} else {
			*set &^= 1 << i
		}
	}
	return nil
}

func (p *pod) hostname() string {
	if p.spec.Hostname != "" {
		return p.spec.Hostname
	}
	return p.name[:min(len(p.name), 63)]
}

// files are those that the kubelet and the image write.
func (c *container) files(s *podinit.Spec) map[string]string {
	var hosts, user strings.Builder
	hosts.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost\n")
	fmt.Fprintf(&hosts, "%s\t%s\n", c.p.address(), c.p.hostname())
	for _, a := range c.p.spec.HostAliases {
		fmt.Fprintf(&hosts, "%s\t%s\n", a.IP, strings.Join(a.Hostnames, "\t"))
	}
	if s.UID != 0 && s.UID != 65534 && s.UID != 33 {
		fmt.Fprintf(&user, "app:x:%d:%d::/:/sbin/nologin\n", s.UID, s.GID)
	}
	f := map[string]string{
		"/etc/hosts":         hosts.String(),
		"/etc/hostname":      c.p.hostname() + "\n",
		"/etc/resolv.conf":   c.p.resolvConf(),
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
		"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n" +
			"www-data:x:33:33::/var/www:/sbin/nologin\n" + user.String() +
			"nobody:x:65534:65534::/:/sbin/nologin\n",
		"/etc/group":                  "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n",
		"/sys/fs/cgroup/cpu.max":      "max 100000\n",
		"/sys/fs/cgroup/memory.max":   "max\n",
		"/sys/fs/cgroup/cgroup.procs": "1\n",
	}
	if q, ok := c.c.Resources.Limits[v1.ResourceCPU]; ok {
		f["/sys/fs/cgroup/cpu.max"] = fmt.Sprintf("%d 100000\n",
			q.MilliValue()*100)
	}
	if q, ok := c.c.Resources.Limits[v1.ResourceMemory]; ok {
		f["/sys/fs/cgroup/memory.max"] = fmt.Sprintf("%d\n", q.Value())
	}
	return f
}

func (p *pod) address() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ip
}

// resolvConf is that of dnsPolicy ClusterFirst, or of dnsConfig alone.
func (p *pod) resolvConf() string {
	var servers, search, options []string
	if p.spec.DNSPolicy != v1.DNSNone && p.k.o.DNS != "" {
		d := p.k.o.Domain
		servers = []string{p.k.o.DNS}
		search = []string{p.namespace + ".svc." + d, "svc." + d, d}
		options = []string{"ndots:5"}
	}
	if c := p.spec.DNSConfig; c != nil {
		servers = append(servers, c.Nameservers...)
		search = append(search, c.Searches...)
		for _, o := range c.Options {
			name := o.Name
			options = slices.DeleteFunc(options, func(s string) bool {
				return strings.HasPrefix(s, name+":")
			})
			if o.Value != nil {
				name += ":" + *o.Value
			}
			options = append(options, name)
		}
	}
	var b strings.Builder
	if len(search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(search, " "))
	}
	for _, s := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	if len(options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(options, " "))
	}
	return b.String()
}

// binds are the image's files and the volumes.
func (c *container) binds(s *podinit.Spec, image Image, env *variables) error {
	bind := func(from, to string) {
		s.Binds = append(s.Binds, podinit.Bind{From: from, To: to,
			ReadOnly: true, Optional: true})
	}
	bind("/usr", "/usr")
	for _, d := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64"} {
		if st, err := os.Lstat(d); err == nil && st.IsDir() {
			bind(d, d)
		}
	}
	for _, f := range hostFiles {
		bind(f, f)
	}
	for _, r := range image.Root {
		from, to, ok := strings.Cut(r, ":")
		if !ok {
			to = from
		}
		s.Binds = append(s.Binds, podinit.Bind{From: from, To: to,
			ReadOnly: true})
	}
	message := c.c.TerminationMessagePath
	if message == "" {
		message = v1.TerminationMessagePathDefault
	}
	s.Binds = append(s.Binds, podinit.Bind{To: message,
		From: filepath.Join(filepath.Dir(s.Root), "message")})

	mounts := slices.Clone(c.c.VolumeMounts)
	slices.SortStableFunc(mounts, func(a, b v1.VolumeMount) int {
		return len(filepath.Clean(a.MountPath)) -
			len(filepath.Clean(b.MountPath))
	})
	for i := range mounts {
		b, err := c.p.volumes.bind(&mounts[i], env)
		if err != nil {
			return fmt.Errorf("volume %s: %w", mounts[i].Name, err)
		}
		s.Binds = append(s.Binds, b)
	}
	return nil
}
