package kubelet

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// variables is an environment in the order of its making.
type variables struct {
	names  []string
	values map[string]string
}

func (v *variables) set(name, value string) {
	if _, ok := v.values[name]; !ok {
		v.names = append(v.names, name)
	}
	v.values[name] = value
}

func (v *variables) list() []string {
	var l []string
	for _, n := range v.names {
		l = append(l, n+"="+v.values[n])
	}
	return l
}

// environment is that of the image, of Services, and of the container.
func (c *container) environment(image Image) (*variables, error) {
	env := &variables{values: map[string]string{}}
	env.set("PATH",
		"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	env.set("HOSTNAME", c.p.hostname())
	for _, e := range image.Env {
		name, value, _ := strings.Cut(e, "=")
		env.set(name, value)
	}
	if err := c.p.services(env); err != nil {
		return nil, err
	}
	for i := range c.c.EnvFrom {
		if err := c.p.envFrom(env, &c.c.EnvFrom[i]); err != nil {
			return nil, err
		}
	}
	for i := range c.c.Env {
		e := &c.c.Env[i]
		value, found, err := expand(e.Value, env.values), true, error(nil)
		if e.ValueFrom != nil {
			value, found, err = c.valueFrom(e.ValueFrom)
		}
		if err != nil {
			return nil, err
		}
		if found {
			env.set(e.Name, value)
		}
	}
	return env, nil
}

// services sets the variables of the Services of the namespace, and of the API
// server.
func (p *pod) services(env *variables) error {
	set := func(s *v1.Service) {
		if s.Spec.ClusterIP == "" || s.Spec.ClusterIP == v1.ClusterIPNone ||
			len(s.Spec.Ports) == 0 {
			return
		}
		name := strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
		env.set(name+"_SERVICE_HOST", s.Spec.ClusterIP)
		env.set(name+"_SERVICE_PORT",
			strconv.Itoa(int(s.Spec.Ports[0].Port)))
		for _, port := range s.Spec.Ports {
			if port.Name != "" {
				env.set(name+"_SERVICE_PORT_"+strings.ToUpper(
					strings.ReplaceAll(port.Name, "-", "_")),
					strconv.Itoa(int(port.Port)))
			}
		}
	}
	cache := p.k.cache().Services()
	if p.spec.EnableServiceLinks == nil || *p.spec.EnableServiceLinks {
		list, err := cache.Lister().Services(p.namespace).List(
			labels.Everything())
		if err != nil {
			return err
		}
		for _, s := range list {
			set(s)
		}
	}
	api, err := read(p.ctx,
		p.k.client.CoreV1().Services(metav1.NamespaceDefault).Get,
		cache.Lister().Services(metav1.NamespaceDefault).Get, "kubernetes")
	if err != nil {
		return err
	}
	set(api)
	return nil
}

// read gets an object from the API server, or from what is known of it while
// there is no API server.
func read[T any](ctx context.Context,
	get func(context.Context, string, metav1.GetOptions) (*T, error),
	known func(string) (*T, error), name string) (*T, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	o, err := get(ctx, name, metav1.GetOptions{})
	if err != nil && apierrors.ReasonForError(err) ==
		metav1.StatusReasonUnknown {
		if o, e := known(name); e == nil {
			return o, nil
		}
	}
	return o, err
}

func (p *pod) envFrom(env *variables, from *v1.EnvFromSource) error {
	data := map[string]string{}
	switch {
	case from.ConfigMapRef != nil:
		r := from.ConfigMapRef
		m, err := p.configMap(r.Name, r.Optional)
		if err != nil {
			return err
		}
		data = m.Data
	case from.SecretRef != nil:
		r := from.SecretRef
		s, err := p.secret(r.Name, r.Optional)
		if err != nil {
			return err
		}
		for k, v := range s.Data {
			data[k] = string(v)
		}
	}
	var names []string
	for k := range data {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		env.set(from.Prefix+k, data[k])
	}
	return nil
}

// secret reads one; a missing one is empty where it is optional.
func (p *pod) secret(name string, optional *bool) (*v1.Secret, error) {
	s, err := read(p.ctx, p.k.client.CoreV1().Secrets(p.namespace).Get,
		p.k.cache().Secrets().Lister().Secrets(p.namespace).Get, name)
	if apierrors.IsNotFound(err) && optional != nil && *optional {
		return &v1.Secret{}, nil
	}
	return s, err
}

func (p *pod) configMap(name string, optional *bool) (*v1.ConfigMap, error) {
	m, err := read(p.ctx, p.k.client.CoreV1().ConfigMaps(p.namespace).Get,
		p.k.cache().ConfigMaps().Lister().ConfigMaps(p.namespace).Get, name)
	if apierrors.IsNotFound(err) && optional != nil && *optional {
		return &v1.ConfigMap{}, nil
	}
	return m, err
}

func (c *container) valueFrom(from *v1.EnvVarSource) (string, bool, error) {
	var value, kind, name, key string
	var found bool
	var optional *bool
	switch {
	case from.FieldRef != nil:
		value, err := c.p.field(from.FieldRef.FieldPath)
		return value, true, err
	case from.ResourceFieldRef != nil:
		value, err := c.p.resource(from.ResourceFieldRef, c.c)
		return value, true, err
	case from.SecretKeyRef != nil:
		r := from.SecretKeyRef
		s, err := c.p.secret(r.Name, r.Optional)
		if err != nil {
			return "", false, err
		}
		var b []byte
		b, found = s.Data[r.Key]
		value = string(b)
		kind, name, key, optional = "Secret", r.Name, r.Key, r.Optional
	case from.ConfigMapKeyRef != nil:
		r := from.ConfigMapKeyRef
		m, err := c.p.configMap(r.Name, r.Optional)
		if err != nil {
			return "", false, err
		}
		value, found = m.Data[r.Key]
		kind, name, key, optional = "ConfigMap", r.Name, r.Key, r.Optional
	default:
		return "", false, fmt.Errorf("unsupported source of a variable")
	}
	if !found && (optional == nil || !*optional) {
		return "", false, fmt.Errorf("couldn't find key %s in %s %s/%s", key,
			kind, c.p.namespace, name)
	}
	return value, found, nil
}

// field is a field of the pod for the downward API.
func (p *pod) field(path string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if name, rest, ok := strings.Cut(path, "['"); ok {
		key := strings.TrimSuffix(rest, "']")
		switch name {
		case "metadata.labels":
			return p.obj.Labels[key], nil
		case "metadata.annotations":
			return p.obj.Annotations[key], nil
		}
	}
	switch path {
	case "metadata.name":
		return p.name, nil
	case "metadata.namespace":
		return p.namespace, nil
	case "metadata.uid":
		return string(p.uid), nil
	case "metadata.labels":
		return formatMap(p.obj.Labels), nil
	case "metadata.annotations":
		return formatMap(p.obj.Annotations), nil
	case "spec.nodeName":
		return p.n.Name, nil
	case "spec.serviceAccountName":
		return p.spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs":
		return p.n.Address, nil
	case "status.podIP", "status.podIPs":
		return p.ip, nil
	}
	return "", fmt.Errorf("unsupported fieldPath: %s", path)
}

func formatMap(m map[string]string) string {
	var lines []string
	for k, v := range m {
		lines = append(lines, fmt.Sprintf("%s=%q", k, v))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// resource is a limit or request in units of its divisor, rounded up. Without
// a limit it is what the node has.
func (p *pod) resource(r *v1.ResourceFieldSelector,
	c *v1.Container) (string, error) {
	for i := range p.spec.Containers {
		if p.spec.Containers[i].Name == r.ContainerName {
			c = &p.spec.Containers[i]
		}
	}
	if c == nil {
		return "", fmt.Errorf("no container %q", r.ContainerName)
	}
	kind, name, _ := strings.Cut(r.Resource, ".")
	list := c.Resources.Requests
	if kind == "limits" {
		list = c.Resources.Limits
	}
	q, ok := list[v1.ResourceName(name)]
	if !ok && kind == "limits" {
		q = nodeResources[v1.ResourceName(name)]
	}
	divisor := r.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	return strconv.FormatInt(int64(math.Ceil(q.AsApproximateFloat64()/
		divisor.AsApproximateFloat64())), 10), nil
}

// expand replaces $(NAME) by the value of a variable; $$ is a dollar sign, and
// an unknown name stays as it is.
func expand(text string, vars map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		end := strings.IndexByte(text[i:], ')')
		switch {
		case text[i] == '$':
			b.WriteByte('$')
		case text[i] != '(' || end < 0:
			b.WriteByte('$')
			b.WriteByte(text[i])
		default:
			if v, ok := vars[text[i+1:i+end]]; ok {
				b.WriteString(v)
			} else {
				b.WriteString("$" + text[i:i+end+1])
			}
			i += end
		}
	}
	return b.String()
}

func expandAll(list []string, vars map[string]string) []string {
	var l []string
	for _, s := range list {
		l = append(l, expand(s, vars))
	}
	return l
}
