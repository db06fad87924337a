package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// change answers POST, PUT, PATCH and DELETE.
func (s *Server) change(q *query, o *out) *failure {
	body, err := io.ReadAll(io.LimitReader(o.r.Body, 16<<20))
	if err != nil {
		return errBad(err.Error())
	}
	p := q.kind.Plural
	code := 200
	var x *Object
	var m Map
	if o.r.Method != "DELETE" {
		if err := json.Unmarshal(body, &m); err != nil || m == nil {
			return errBad("the object provided is unrecognized (must be of " +
				"type " + q.kind.Kind + ")")
		}
	}
	switch o.r.Method {
	case "POST", "PUT":
		meta, _ := m["metadata"].(Map)
		if meta == nil {
			meta = Map{}
			m["metadata"] = meta
		}
		if q.kind.Namespaced {
			meta["namespace"] = q.ns
		}
		how := "create"
		if o.r.Method == "PUT" {
			how = "update"
			meta["name"] = q.name
		} else {
			code = 201
		}
		x, err = s.Store.write(p, m, how)
	case "PATCH":
		s.Store.mu.Lock()
		prev := s.tables[p].objs[q.ns+"/"+q.name]
		if prev == nil {
			s.Store.mu.Unlock()
			return errNotFound(q.kind, q.name)
		}
		x, err = s.patchLocked(q, prev, m)
		s.Store.mu.Unlock()
	case "DELETE":
		x, err = s.Store.Delete(p, q.ns, q.name)
	default:
		return &failure{code: 405, reason: "MethodNotAllowed",
			message: "the server does not allow this method on the requested " +
				"resource"}
	}
	name := q.name
	if meta, ok := m["metadata"].(Map); ok && name == "" {
		name, _ = meta["name"].(string)
	}
	switch err {
	case nil:
	case ErrNotFound:
		return errNotFound(q.kind, name)
	case ErrExists:
		return &failure{code: 409, reason: "AlreadyExists",
			details: details(q.kind, name),
			message: fmt.Sprintf("%s %q already exists", q.kind.resource(), name)}
	case ErrConflict:
		return &failure{code: 409, reason: "Conflict",
			details: details(q.kind, name),
			message: fmt.Sprintf("Operation cannot be fulfilled on %s %q: the "+
				"object has been modified; please apply your changes to the "+
				"latest version and try again", q.kind.resource(), name)}
	default:
		return errBad(err.Error())
	}
	o.w.Header().Set("Content-Type", "application/json")
	o.head(code)
	o.write(append(s.text(q, x, true), '\n'))
	return nil
}

// patchLocked merges a patch into an object, or into its status alone.  A
// version and a uid in it are what the object has to have.  What changes
// nothing makes no new version.
func (s *Server) patchLocked(q *query, prev *Object, m Map) (*Object, error) {
	old := prev.M["metadata"].(Map)
	meta, _ := m["metadata"].(Map)
	for _, f := range []string{"resourceVersion", "uid"} {
		if v, ok := meta[f]; ok && v != old[f] {
			return nil, ErrConflict
		}
	}
	n := clone(prev.M)
	if q.sub == "status" {
		merge(n, Map{"status": m["status"]})
	} else {
		merge(n, m)
	}
	if bytes.Equal((&Object{M: n}).marshal(), prev.marshal()) {
		return prev, nil
	}
	delete(n["metadata"].(Map), "resourceVersion")
	return s.Store.writeLocked(q.kind.Plural, n, "update", false)
}

// merge applies a JSON merge patch (RFC 7386).
func merge(to, patch Map) {
	for k, v := range patch {
		if v == nil {
			delete(to, k)
			continue
		}
		if pm, ok := v.(Map); ok {
			if tm, ok := to[k].(Map); ok {
				merge(tm, pm)
				continue
			}
			tm := Map{}
			merge(tm, pm)
			to[k] = tm
			continue
		}
		to[k] = v
	}
}
