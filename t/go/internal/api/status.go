package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// failure is an answer other than 200, as a Status object.
type failure struct {
	code    int
	reason  string
	message string
	details Map
	retry   int // seconds for Retry-After
	text    string
	cont    string // a new continue token, with 410
}

func (f *failure) status() Map {
	meta := Map{}
	if f.cont != "" {
		meta["continue"] = f.cont
	}
	m := Map{"kind": "Status", "apiVersion": "v1", "metadata": meta,
		"status": "Failure", "message": f.message, "reason": f.reason,
		"code": f.code}
	if f.details != nil {
		m["details"] = f.details
	}
	return m
}

func (f *failure) json() []byte {
	b, _ := json.Marshal(f.status())
	return append(b, '\n')
}

func (f *failure) send(w http.ResponseWriter, o *out) {
	if f.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.retry))
	}
	if f.text != "" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		o.head(f.code)
		o.write([]byte(f.text + "\n"))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache, private")
	o.head(f.code)
	o.write(f.json())
}

func details(k *Kind, name string) Map {
	m := Map{}
	if name != "" {
		m["name"] = name
	}
	if k.Group != "" {
		m["group"] = k.Group
	}
	m["kind"] = k.Plural
	return m
}

func errUnauthorized() *failure {
	return &failure{code: 401, reason: "Unauthorized", message: "Unauthorized"}
}

func errForbidden(k *Kind, verb, ns, name string) *failure {
	where := "at the cluster scope"
	if ns != "" {
		where = fmt.Sprintf("in the namespace %q", ns)
	}
	q := ""
	if name != "" {
		q = fmt.Sprintf(" %q", name)
	}
	return &failure{code: 403, reason: "Forbidden", details: details(k, name),
		message: fmt.Sprintf("%s%s is forbidden: User %q cannot %s resource "+
			"%q in API group %q %s", k.resource(), q,
			"system:serviceaccount:ingress-nginx:ingress-nginx", verb,
			k.Plural, k.Group, where)}
}

func errNotFound(k *Kind, name string) *failure {
	return &failure{code: 404, reason: "NotFound", details: details(k, name),
		message: fmt.Sprintf("%s %q not found", k.resource(), name)}
}

func errNoResource() *failure {
	return &failure{code: 404, text: "404 page not found"}
}

func errTooMany(retry int) *failure {
	return &failure{code: 429, retry: retry,
		text: "Too many requests, please try again later."}
}

func errBad(message string) *failure {
	return &failure{code: 400, reason: "BadRequest", message: message}
}

func errInvalidOptions(field, message string) *failure {
	return &failure{code: 422, reason: "Invalid",
		message: fmt.Sprintf("ListOptions.meta.k8s.io \"\" is invalid: "+
			"%s: Forbidden: %s", field, message),
		details: Map{"group": "meta.k8s.io", "kind": "ListOptions",
			"causes": []Map{{"reason": "FieldValueForbidden",
				"message": "Forbidden: " + message, "field": field}}}}
}

func errNoWatchList() *failure {
	return errInvalidOptions("sendInitialEvents", "sendInitialEvents is "+
		"forbidden for watch unless the WatchList feature gate is enabled")
}

func errExpired(message string) *failure {
	return &failure{code: 410, reason: "Expired", message: message}
}

func errTooOld(rv, oldest uint64) *failure {
	return errExpired(fmt.Sprintf("too old resource version: %d (%d)", rv,
		oldest))
}

func errContinueExpired(token string) *failure {
	f := errExpired("The provided continue parameter is too old to display " +
		"a consistent list result. You can start a new list without the " +
		"continue parameter, or use the continue token in this response to " +
		"retrieve the remainder of the results. Continuing with the " +
		"provided token results in an inconsistent list - objects that were " +
		"created, modified, or deleted between the time the first chunk was " +
		"returned and now may show up in the list.")
	f.cont = token
	return f
}

func errTooLarge(rv, current uint64) *failure {
	return &failure{code: 504, reason: "Timeout",
		message: fmt.Sprintf("Timeout: Too large resource version: %d, "+
			"current: %d", rv, current),
		details: Map{"retryAfterSeconds": 1, "causes": []Map{{
			"reason":  "ResourceVersionTooLarge",
			"message": "Too large resource version"}}}, retry: 1}
}

func errGeneric(code, retry int) *failure {
	switch code {
	case 429:
		return errTooMany(retry)
	case 401:
		return errUnauthorized()
	case 410:
		return errExpired("The resourceVersion for the provided watch is " +
			"too old.")
	case 500:
		return &failure{code: 500, reason: "InternalError", retry: retry,
			message: "Internal error occurred: etcdserver: request timed out",
			details: Map{"causes": []Map{{
				"message": "etcdserver: request timed out"}}}}
	case 503:
		return &failure{code: 503, reason: "ServiceUnavailable", retry: retry,
			message: "the server is currently unable to handle the request"}
	case 504:
		return &failure{code: 504, reason: "Timeout", retry: retry,
			message: "Timeout: request did not complete within the allotted " +
				"timeout", details: Map{}}
	case 400:
		return errBad("the server rejected our request for an unknown reason")
	}
	return &failure{code: code, reason: "Unknown", retry: retry,
		message: fmt.Sprintf("an error of status %d", code)}
}
