package kubelet_test

import (
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"ngx_k8s_test/cluster/bed/bedtest"
)

func TestRunsToItsEnd(t *testing.T) {
	t.Parallel()
	got := output(t, `
  restartPolicy: Never
  containers:
  - name: c
    image: sh:1
    args: ["echo hello; echo error >&2; cat /etc/resolv.conf; id -u; exit 3"]
`)
	wantLines(t, got, "hello", "error", "nameserver 10.96.0.10",
		"search default.svc.cluster.local svc.cluster.local cluster.local",
		"options ndots:5", "0")
	p := get(t, "testrunstoitsend")
	s := p.Status.ContainerStatuses[0].State.Terminated
	if p.Status.Phase != v1.PodFailed || s == nil || s.ExitCode != 3 {
		t.Errorf("status %+v", p.Status)
	}
	if !strings.HasPrefix(p.Status.PodIP, "10.244.") || ready(p) {
		t.Errorf("status %+v", p.Status)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spec, reason string
		code         int32
		phase        v1.PodPhase
	}{
		"exit-0":    {`image: sh, args: ["exit 0"]`, "Completed", 0, "Succeeded"},
		"exit-args": {`image: sh`, "Error", 7, "Failed"},
		// the first process of a container gets no signal from inside
		"exit-immune": {`image: sh, args: ["kill -9 $$$$; exit 6"]`, "Error", 6,
			"Failed"},
		"exit-command": {`image: sh, command: [/bin/sh, -c, 'exit $0', "5"]`,
			"Error", 5, "Failed"},
		"exit-none": {`image: sh, command: [/no/such]`, "StartError", 128, "Failed"},
		"exit-signal": {`image: python, args: ["import ctypes; ctypes.string_at(0)"]`,
			"Error", 139, "Failed"},
		"exit-forked": {`image: python, args: ["import os\nif os.fork(): os.wait()\nelse: os._exit(3)\nos._exit(4)"]`, "Error", 4, "Failed"},
	} {
		bedtest.Apply(t, b, pod(name, "  restartPolicy: Never\n  containers:\n  - {name: c, "+
			c.spec+"}\n"))
		p := waitFor(t, name, terminated)
		s := p.Status.ContainerStatuses[0].State.Terminated
		if s == nil || s.ExitCode != c.code || s.Reason != c.reason ||
			p.Status.Phase != c.phase {
			t.Errorf("%s: %s %+v", name, p.Status.Phase, s)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, `
apiVersion: v1
kind: Secret
metadata: {name: env}
stringData: {password: hidden, other: more}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: env}
data: {colour: blue}
---
apiVersion: v1
kind: Service
metadata: {name: some-service}
spec: {clusterIP: 10.96.9.9, ports: [{name: web, port: 81}]}
`)
	got := output(t, `
  restartPolicy: Never
  containers:
  - name: c
    image: user:v1@sha256:0
    command: [/usr/bin/env, "A=$(PLAIN) $(NONE) $$(PLAIN)"]
    resources: {limits: {cpu: 1500m, memory: 64Mi}}
    envFrom:
    - {prefix: P_, secretRef: {name: env}}
    - {configMapRef: {name: env}}
    - {configMapRef: {name: absent, optional: true}}
    env:
    - {name: PLAIN, value: plain}
    - {name: NESTED, value: "$(PLAIN)-$(P_password)"}
    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: NS, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: HOST, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
    - {name: LABEL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    - {name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    - {name: SECRET, valueFrom: {secretKeyRef: {name: env, key: other}}}
    - {name: CONFIG, valueFrom: {configMapKeyRef: {name: env, key: colour}}}
    - {name: GONE, valueFrom: {configMapKeyRef: {name: env, key: x, optional: true}}}
`)
	p := get(t, "testenvironment")
	wantLines(t, got, "A=plain $(NONE) $(PLAIN)", "PLAIN=plain",
		"NESTED=plain-hidden", "NAME=testenvironment", "NS=default",
		"NODE="+p.Spec.NodeName, "IP="+p.Status.PodIP,
		"HOST="+p.Status.HostIP, "LABEL=test", "CPU=2", "MEM=64",
		"SECRET=more", "CONFIG=blue", "P_password=hidden", "colour=blue",
		"FROM=image", "HOSTNAME=testenvironment",
		"KUBERNETES_SERVICE_HOST=10.96.0.1", "KUBERNETES_SERVICE_PORT=443",
		"SOME_SERVICE_SERVICE_HOST=10.96.9.9",
		"SOME_SERVICE_SERVICE_PORT_WEB=81")
	if strings.Contains(got, "GONE") {
		t.Errorf("a variable that is not there: %s", got)
	}
}

// What is missing is waited for, and then the pod runs.
func TestMissing(t *testing.T) {
	t.Parallel()
	waiting := func(name, reason string) {
		waitFor(t, name, func(p *v1.Pod) bool {
			return len(p.Status.ContainerStatuses) == 1 &&
				p.Status.ContainerStatuses[0].State.Waiting != nil &&
				p.Status.ContainerStatuses[0].State.Waiting.Reason == reason &&
				p.Status.Phase == v1.PodPending
		})
	}
	bedtest.Apply(t, b, pod("no-secret", `
  containers:
  - {name: c, image: sh, args: [sleep 1000],
     env: [{name: A, valueFrom: {secretKeyRef: {name: later, key: a}}}]}
`))
	bedtest.Apply(t, b, pod("no-volume", `
  volumes: [{name: v, secret: {secretName: later}}]
  containers: [{name: c, image: sh, args: [sleep 1000],
    volumeMounts: [{name: v, mountPath: /v}]}]
`))
	bedtest.Apply(t, b, pod("no-image", `
  containers: [{name: c, image: nobody/has:this}]
`))
	bedtest.Apply(t, b, pod("no-root", `
  securityContext: {runAsNonRoot: true}
  containers: [{name: c, image: sh}]
`))
	waiting("no-secret", "CreateContainerConfigError")
	waiting("no-volume", "ContainerCreating")
	waiting("no-image", "ImagePullBackOff")
	waiting("no-root", "CreateContainerConfigError")
	bedtest.Apply(t, b, `{apiVersion: v1, kind: Secret, metadata: {name: later},
		stringData: {a: b}}`)
	waitFor(t, "no-secret", ready)
	waitFor(t, "no-volume", ready)
	for _, name := range []string{"no-secret", "no-volume", "no-image",
		"no-root"} {
		remove(t, name, 1)
		waitGone(t, name)
	}
}

func TestVolumes(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, `
apiVersion: v1
kind: Secret
metadata: {name: vol}
stringData: {crt: certificate, key: private, other: unused}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: vol}
data: {colour: blue, file: text}
`)
	bedtest.Apply(t, b, pod("volumes", `
  terminationGracePeriodSeconds: 1
  automountServiceAccountToken: false
  securityContext: {fsGroup: 82, runAsUser: 101}
  volumes:
  - name: secret
    secret: {secretName: vol, defaultMode: 0400, items: [{key: crt, path: a/crt},
      {key: key, path: key, mode: 0444}]}
  - {name: config, configMap: {name: vol}}
  - {name: none, configMap: {name: absent, optional: true}}
  - {name: empty, emptyDir: {}}
  - {name: down, downwardAPI: {items: [{path: labels,
      fieldRef: {fieldPath: metadata.labels}}]}}
  initContainers:
  - {name: i, image: sh, args: ["echo from-init >/e/i; exit 0"],
     volumeMounts: [{name: empty, mountPath: /e}]}
  containers:
  - name: c
    image: sh
    args:
    - |
      cat /s/a/crt; echo; cat /s/key; echo; ls /s/; cat /e/i; echo x >/e/o
      stat -Lc '%A %u %g %n' /s/a/crt /s/key /e/o; stat -c %g /e; ls /none | wc -l
      cat /sub; echo; touch /c/new 2>&1
      while :; do
        echo "now $(cat /c/colour) $(cat /sub) $(grep more /d/labels)"
        sleep 0.05
      done
    volumeMounts:
    - {name: secret, mountPath: /s}
    - {name: config, mountPath: /c}
    - {name: config, mountPath: /sub, subPath: colour}
    - {name: none, mountPath: /none}
    - {name: empty, mountPath: /e}
    - {name: down, mountPath: /d}
`))
	waitFor(t, "volumes", ready)
	got := waitLog(t, "volumes", "now blue")
	wantLines(t, got, "certificate", "private", "from-init", "82",
		"touch: cannot touch '/c/new': Read-only file system",
		"now blue blue ")
	for _, want := range []string{"-r--r----- 0 82 /s/a/crt",
		"-r--r--r-- 0 82 /s/key", "-rw-r--r-- 101 82 /e/o"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if strings.Contains(got, "unused") || strings.Contains(got, "other") {
		t.Errorf("a key that was not asked for: %s", got)
	}

	// the volume follows, the file under a subPath does not
	bedtest.Apply(t, b, `{apiVersion: v1, kind: ConfigMap, metadata: {name: vol},
		data: {colour: red}}`)
	waitLog(t, "volumes", "now red blue")
	if _, err := b.Client.CoreV1().Pods("default").Patch(ctx, "volumes",
		"application/merge-patch+json",
		[]byte(`{"metadata":{"labels":{"more":"yes"}}}`),
		metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	waitLog(t, "volumes", `now red blue more="yes"`)
	// replaced at once: never a time without the file
	if got := logs(t, "volumes", v1.PodLogOptions{}); strings.Contains(got,
		"No such file") {
		t.Error(got)
	}
	remove(t, "volumes", 1)
	waitGone(t, "volumes")
}

func TestToken(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, pod("token", `
  terminationGracePeriodSeconds: 1
  volumes: [{name: own, projected: {sources: [{serviceAccountToken:
    {audience: someone, expirationSeconds: 600, path: token}}]}}]
  containers:
  - name: c
    image: python
    args:
    - |
      import base64, json, time
      d = '/var/run/secrets/kubernetes.io/serviceaccount/'
      def claims(f):
          p = open(f).read().split('.')[1]
          return json.loads(base64.urlsafe_b64decode(p + '=='))
      c = claims('/own/token')
      print('audience', c['aud'], 'life', c['exp'] - c['iat'], flush=True)
      print('pod', c['kubernetes.io']['pod']['name'], flush=True)
      print('namespace', open(d + 'namespace').read(),
            'CERTIFICATE' in open(d + 'ca.crt').read(), flush=True)
      seen = set()
      while True:
          seen.add(claims(d + 'token')['jti'])
          print('tokens', len(seen), flush=True)
          time.sleep(0.1)
    volumeMounts: [{name: own, mountPath: /own}]
`))
	// the bed renews them each 2 seconds
	got := waitLog(t, "token", "tokens 3")
	wantLines(t, got, "audience ['someone'] life 600", "pod token",
		"namespace default True")
	remove(t, "token", 1)
	waitGone(t, "token")
}

// A pod of Pod Security "restricted". What it executes gets the capability that
// it may have only from the file.
func TestRestricted(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, `{apiVersion: v1, kind: Namespace, metadata: {name: strict,
		labels: {pod-security.kubernetes.io/enforce: restricted}}}`)
	got := outputOf(t, "strict/restricted", `
  restartPolicy: Never
  securityContext:
    {runAsNonRoot: true, runAsUser: 101, runAsGroup: 82, fsGroup: 83,
     supplementalGroups: [84], seccompProfile: {type: RuntimeDefault}}
  volumes:
  - {name: tmp, emptyDir: {}}
  containers:
  - name: c
    image: sh
    securityContext:
      {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true,
       capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}
    args:
    - |
      grep -E '^(Cap|NoNewPrivs|Uid|Gid|Groups)' /proc/self/status
      LANG=C; exec 2>&1
      touch /x /tmp/../etc/x
      echo 1 >/proc/sys/net/ipv4/ip_forward
      touch /tmp/x && echo tmp is writable
      echo again >/dev/stdout
    volumeMounts: [{name: tmp, mountPath: /tmp}]
  - name: capable
    image: capable
    securityContext: {allowPrivilegeEscalation: false,
      capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}
    args: [grep Cap /proc/$$$$/status; true]
`)
	wantLines(t, got, "Uid:\t101\t101\t101\t101", "Gid:\t82\t82\t82\t82",
		"NoNewPrivs:\t1", "CapInh:\t0000000000000000",
		"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
		"CapBnd:\t0000000000000400", "CapAmb:\t0000000000000000",
		"touch: cannot touch '/x': Read-only file system",
		"touch: cannot touch '/tmp/../etc/x': Read-only file system",
		"/bin/sh: 4: cannot create /proc/sys/net/ipv4/ip_forward: "+
			"Read-only file system",
		"tmp is writable", "again")
	if !strings.Contains(got, "Groups:\t82 83 84") {
		t.Errorf("groups: %s", got)
	}
	got = logs(t, "strict/restricted", v1.PodLogOptions{Container: "capable"})
	wantLines(t, got, "CapPrm:\t0000000000000400",
		"CapEff:\t0000000000000400", "CapBnd:\t0000000000000400")
}

// Privileges where nothing is said, and sysctls.
func TestPrivileges(t *testing.T) {
	t.Parallel()
	got := output(t, `
  restartPolicy: Never
  securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start,
    value: "80"}]}
  containers:
  - name: c
    image: sh
    resources: {limits: {cpu: 500m}}
    args:
    - |
      grep -E '^(CapEff|NoNewPrivs)' /proc/self/status
      echo low $(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)
      touch /x && echo root is writable
      echo me $$$$; hostname; cat /sys/fs/cgroup/cpu.max
      echo in /root /tmp /home: $(ls -A /root /tmp /home | grep -vc '^/.*:$\|^$')
      mount -t tmpfs x /mnt 2>/dev/null || echo no mounts
`)
	wantLines(t, got, "CapEff:\t00000000a80425fb", "NoNewPrivs:\t0", "low 80",
		"root is writable", "in /root /tmp /home: 0", "me 1", "testprivileges", "50000 100000",
		"no mounts")
	got = outputOf(t, "default-port", `
  restartPolicy: Never
  containers: [{name: c, image: user,
    args: [cat /proc/sys/net/ipv4/ip_unprivileged_port_start; id -u]}]
`)
	wantLines(t, got, "1024", "101")
}

func TestInitContainers(t *testing.T) {
	t.Parallel()
	bedtest.Apply(t, b, pod("inits", `
  terminationGracePeriodSeconds: 3
  volumes: [{name: v, emptyDir: {}}]
  initContainers:
  - {name: one, image: sh, args: ["echo one >>/v/f; test -e /v/again || { touch /v/again; exit 1; }"],
     volumeMounts: [{name: v, mountPath: /v}]}
  - {name: side, image: sh, restartPolicy: Always,
     startupProbe: {exec: {command: [grep, start, /v/f]}, periodSeconds: 1, failureThreshold: 30},
     args: ["trap 'echo side >>/v/f; exit 0' TERM; echo start >>/v/f; while :; do sleep 0.05; done"],
     volumeMounts: [{name: v, mountPath: /v}]}
  - {name: two, image: sh, args: ["echo two >>/v/f"],
     volumeMounts: [{name: v, mountPath: /v}]}
  containers:
  - {name: c, image: sh, args: ["tail -n 9 -F /v/f & trap 'exit 0' TERM; while :; do sleep 0.05; done"],
     volumeMounts: [{name: v, mountPath: /v}]}
`))
	p := waitFor(t, "inits", ready)
	if n := p.Status.InitContainerStatuses[0].RestartCount; n != 1 {
		t.Errorf("%d restarts of an init container", n)
	}
	got := waitLog(t, "inits", "two")
	if !strings.HasPrefix(got, "one\none\nstart\ntwo\n") {
		t.Errorf("order: %q", got)
	}
	remove(t, "inits", 30)
	waitGone(t, "inits")
}
