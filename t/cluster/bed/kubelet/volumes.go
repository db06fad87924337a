package kubelet

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"ngx_k8s_test/cluster/kubelet/podinit"
)

// volumes of a pod: folders of the host. Those made from objects of the API
// follow them.
type volumes struct {
	p     *pod
	dir   string
	dirty chan struct{}   // something that is in a volume may have changed
	refs  map[string]bool // objects that are, as "Secret/name"

	mu     sync.Mutex
	shown  map[string]map[string]file // by volume, what is there
	tokens map[string]*token          // by volume and path
}

type file struct {
	text string
	mode fs.FileMode
	uid  int
}

type token struct {
	text  string
	renew time.Time
}

func newVolumes(p *pod) *volumes {
	v := &volumes{p: p, dir: filepath.Join(p.k.dir(p.uid), "volumes"),
		dirty: make(chan struct{}, 1), shown: map[string]map[string]file{},
		tokens: map[string]*token{}, refs: map[string]bool{}}
	for i := range p.spec.Volumes {
		sources, _ := projections(&p.spec.Volumes[i])
		for _, s := range sources {
			switch {
			case s.Secret != nil:
				v.refs["Secret/"+s.Secret.Name] = true
			case s.ConfigMap != nil:
				v.refs["ConfigMap/"+s.ConfigMap.Name] = true
			}
		}
	}
	return v
}

// setUp makes all volumes, or fails if something they need is missing.
func (v *volumes) setUp() error {
	for i := range v.p.spec.Volumes {
		if err := v.make(&v.p.spec.Volumes[i]); err != nil {
			return fmt.Errorf("MountVolume.SetUp failed for volume %q: %w",
				v.p.spec.Volumes[i].Name, err)
		}
	}
	return nil
}

// keep follows changes, and renews tokens, until the pod stops.
func (v *volumes) keep() {
	for {
		t := time.NewTimer(v.untilRenewal())
		select {
		case <-v.p.ctx.Done():
			t.Stop()
			return
		case <-t.C:
		case <-v.dirty:
			if !sleep(v.p.ctx, v.p.k.o.Sync) {
				return
			}
		}
		t.Stop()
		v.p.n.wait(v.p.ctx)
		if err := v.setUp(); err != nil && !v.p.stopped() {
			v.p.event(v1.EventTypeWarning, "FailedMount", err.Error())
			if !apierrors.IsNotFound(err) {
				wake(v.dirty)
			}
		}
	}
}

func (v *volumes) untilRenewal() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	d := time.Hour
	for _, t := range v.tokens {
		d = min(d, time.Until(t.renew))
	}
	return max(d, retry)
}

func (v *volumes) path(name string) string { return filepath.Join(v.dir, name) }

func (v *volumes) make(vol *v1.Volume) error {
	sources, mode := projections(vol)
	if sources == nil {
		switch {
		case vol.HostPath != nil:
			return v.hostPath(vol.HostPath)
		case vol.EmptyDir != nil:
			return v.emptyDir(v.path(vol.Name))
		}
		return fmt.Errorf("this kind of volume is not supported")
	}
	files := map[string]file{}
	for i := range sources {
		if err := v.project(files, vol.Name, &sources[i], mode); err != nil {
			return err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if old, ok := v.shown[vol.Name]; ok && maps.Equal(old, files) {
		return nil
	}
	if err := writeVolume(v.path(vol.Name), files, v.fsGroup()); err != nil {
		return err
	}
	v.shown[vol.Name] = files
	return nil
}

func (v *volumes) hostPath(h *v1.HostPathVolumeSource) error {
	if h.Type != nil && *h.Type == v1.HostPathDirectoryOrCreate {
		return os.MkdirAll(h.Path, 0o755)
	}
	_, err := os.Stat(h.Path)
	return err
}

func (v *volumes) emptyDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o777)
	if g := v.fsGroup(); g >= 0 {
		mode |= fs.ModeSetgid
		if err := os.Chown(dir, -1, g); err != nil {
			return err
		}
	}
	return os.Chmod(dir, mode)
}

// fsGroup is the group of the files, -1: none.
func (v *volumes) fsGroup() int {
	if c := v.p.spec.SecurityContext; c != nil && c.FSGroup != nil {
		return int(*c.FSGroup)
	}
	return -1
}

// projections sees every volume that is made of objects as a projected one;
// nil: it is another kind.
func projections(vol *v1.Volume) ([]v1.VolumeProjection, fs.FileMode) {
	mode := func(m *int32) fs.FileMode {
		return fs.FileMode(ptr.Deref(m, 0o644))
	}
	switch {
	case vol.Projected != nil:
		return append([]v1.VolumeProjection{}, vol.Projected.Sources...),
			mode(vol.Projected.DefaultMode)
	case vol.Secret != nil:
		s := vol.Secret
		return []v1.VolumeProjection{{Secret: &v1.SecretProjection{
			LocalObjectReference: v1.LocalObjectReference{Name: s.SecretName},
			Items:                s.Items, Optional: s.Optional}}}, mode(s.DefaultMode)
	case vol.ConfigMap != nil:
		c := vol.ConfigMap
		return []v1.VolumeProjection{{ConfigMap: &v1.ConfigMapProjection{
			LocalObjectReference: c.LocalObjectReference, Items: c.Items,
			Optional: c.Optional}}}, mode(c.DefaultMode)
	case vol.DownwardAPI != nil:
		d := vol.DownwardAPI
		return []v1.VolumeProjection{{DownwardAPI: &v1.DownwardAPIProjection{
			Items: d.Items}}}, mode(d.DefaultMode)
	}
	return nil, 0
}

// project adds the files of one source.
func (v *volumes) project(files map[string]file, volume string,
	s *v1.VolumeProjection, mode fs.FileMode) error {
	switch {
	case s.Secret != nil:
		o, err := v.p.secret(s.Secret.Name, s.Secret.Optional)
		if err != nil {
			return err
		}
		data := map[string]string{}
		for k, b := range o.Data {
			data[k] = string(b)
		}
		return items(files, data, s.Secret.Items, s.Secret.Optional, mode)
	case s.ConfigMap != nil:
		o, err := v.p.configMap(s.ConfigMap.Name, s.ConfigMap.Optional)
		if err != nil {
			return err
		}
		data := maps.Clone(o.Data)
		if data == nil {
			data = map[string]string{}
		}
		for k, b := range o.BinaryData {
			data[k] = string(b)
		}
		return items(files, data, s.ConfigMap.Items, s.ConfigMap.Optional, mode)
	case s.DownwardAPI != nil:
		for _, i := range s.DownwardAPI.Items {
			text, err := v.downward(&i)
			if err != nil {
				return err
			}
			files[i.Path] = file{text,
				fs.FileMode(ptr.Deref(i.Mode, int32(mode))), 0}
		}
		return nil
	case s.ServiceAccountToken != nil:
		text, err := v.token(volume, s.ServiceAccountToken)
		if err != nil {
			return err
		}
		owner, hasOwner := v.owner()
		if v.fsGroup() >= 0 || hasOwner {
			mode = 0o600
		}
		files[s.ServiceAccountToken.Path] = file{text, mode, owner}
		return nil
	}
	return fmt.Errorf("this kind of projection is not supported")
}

func (v *volumes) downward(i *v1.DownwardAPIVolumeFile) (string, error) {
	if i.FieldRef != nil {
		return v.p.field(i.FieldRef.FieldPath)
	}
	return v.p.resource(i.ResourceFieldRef, nil)
}

// owner is the user of a token file: the one that all containers run as.
func (v *volumes) owner() (uid int, found bool) {
	for i, c := range slices.Concat(v.p.spec.InitContainers,
		v.p.spec.Containers) {
		var own *int64
		if s := v.p.spec.SecurityContext; s != nil {
			own = s.RunAsUser
		}
		if s := c.SecurityContext; s != nil && s.RunAsUser != nil {
			own = s.RunAsUser
		}
		if own == nil || i > 0 && uid != int(*own) {
			return 0, false
		}
		uid = int(*own)
	}
	return uid, true
}

// items takes the keys that are wanted, or all.
func items(files map[string]file, data map[string]string, keys []v1.KeyToPath,
	optional *bool, mode fs.FileMode) error {
	if keys == nil {
		for k, text := range data {
			files[k] = file{text, mode, 0}
		}
	}
	for _, k := range keys {
		text, ok := data[k.Key]
		if !ok && ptr.Deref(optional, false) {
			continue
		}
		if !ok {
			return fmt.Errorf("references non-existent key: %s", k.Key)
		}
		files[k.Path] = file{text,
			fs.FileMode(ptr.Deref(k.Mode, int32(mode))), 0}
	}
	return nil
}

// token asks for a token bound to the pod, or gives the one that is young
// enough.
func (v *volumes) token(volume string,
	s *v1.ServiceAccountTokenProjection) (string, error) {
	key := volume + "/" + s.Path
	v.mu.Lock()
	t := v.tokens[key]
	v.mu.Unlock()
	if t != nil && time.Now().Before(t.renew) {
		return t.text, nil
	}
	r := &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{
		ExpirationSeconds: s.ExpirationSeconds,
		BoundObjectRef: &authv1.BoundObjectReference{Kind: "Pod",
			APIVersion: "v1", Name: v.p.name, UID: v.p.uid}}}
	if s.Audience != "" {
		r.Spec.Audiences = []string{s.Audience}
	}
	now := time.Now()
	r, err := v.p.k.client.CoreV1().ServiceAccounts(v.p.namespace).CreateToken(
		v.p.ctx, v.p.spec.ServiceAccountName, r, metav1.CreateOptions{})
	if err != nil {
		if t != nil && !v.p.stopped() {
			return t.text, nil // the old one may still do
		}
		return "", err
	}
	age := v.p.k.o.Token
	if age == 0 {
		age = r.Status.ExpirationTimestamp.Sub(now) * 8 / 10
	}
	v.mu.Lock()
	v.tokens[key] = &token{r.Status.Token, now.Add(age)}
	v.mu.Unlock()
	return r.Status.Token, nil
}

// bind is where a volume is seen in a container. Files under a subPath do not
// follow changes, as in a cluster.
func (v *volumes) bind(m *v1.VolumeMount, env *variables) (podinit.Bind, error) {
	b := podinit.Bind{To: m.MountPath, ReadOnly: m.ReadOnly,
		From: v.path(m.Name)}
	i := slices.IndexFunc(v.p.spec.Volumes, func(vol v1.Volume) bool {
		return vol.Name == m.Name
	})
	if i < 0 {
		return b, fmt.Errorf("not found")
	}
	vol := &v.p.spec.Volumes[i]
	if s, _ := projections(vol); s != nil {
		b.ReadOnly = true
	}
	if vol.HostPath != nil {
		b.From = vol.HostPath.Path
	}
	sub := m.SubPath
	if m.SubPathExpr != "" {
		sub = expand(m.SubPathExpr, env.values)
	}
	if sub == "" {
		return b, nil
	}
	if !filepath.IsLocal(sub) {
		return b, fmt.Errorf("subPath %q leads out of the volume", sub)
	}
	b.From = filepath.Join(b.From, sub)
	if vol.EmptyDir != nil {
		if err := v.emptyDir(b.From); err != nil {
			return b, err
		}
	}
	from, err := filepath.EvalSymlinks(b.From)
	b.From = from
	return b, err
}

// writeVolume makes a folder show exactly these files, all at once: they are
// links into ..data, which is a link that is replaced.
func writeVolume(dir string, files map[string]file, group int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data := filepath.Join(dir, "..data")
	old, _ := os.Readlink(data)
	fresh, err := os.MkdirTemp(dir, time.Now().Format("..2006_01_02_15_04_05."))
	if err != nil {
		return err
	}
	names, err := writeFiles(fresh, files, group)
	if err == nil {
		err = os.Symlink(filepath.Base(fresh), data+"_tmp")
	}
	if err == nil {
		err = os.Rename(data+"_tmp", data)
	}
	if err != nil {
		os.RemoveAll(fresh)
		return err
	}
	for name := range names {
		err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name))
		if err != nil && !os.IsExist(err) {
			return err
		}
	}
	there, err := os.ReadDir(dir)
	for _, e := range there {
		if !strings.HasPrefix(e.Name(), "..") && !names[e.Name()] {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	if old != "" {
		os.RemoveAll(filepath.Join(dir, old))
	}
	return err
}

// writeFiles writes them, and returns the names of the highest level.
func writeFiles(dir string, files map[string]file,
	group int) (map[string]bool, error) {
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for path, f := range files {
		if !filepath.IsLocal(path) {
			return nil, fmt.Errorf("path %q", path)
		}
		name, _, _ := strings.Cut(path, "/")
		names[name] = true
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return nil, err
		}
		if group >= 0 {
			f.mode |= 0o440
		}
		if err := os.WriteFile(full, []byte(f.text), 0o600); err != nil {
			return nil, err
		}
		if err := os.Chown(full, f.uid, group); err != nil {
			return nil, err
		}
		if err := os.Chmod(full, f.mode.Perm()); err != nil {
			return nil, err
		}
	}
	return names, nil
}
