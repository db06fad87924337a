
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>


#define NGX_K8S_OBJECT_PROBLEMS  32
#define NGX_K8S_MESSAGE_MAX      1024


/* severity, condition, reason */

#define ngx_k8s_problem_error(condition, reason)                              \
    NGX_K8S_SEVERITY_ERROR, NGX_K8S_CONDITION_##condition,                    \
    NGX_K8S_REASON_##reason

#define ngx_k8s_problem_warning(condition, reason)                            \
    NGX_K8S_SEVERITY_WARNING, NGX_K8S_CONDITION_##condition,                  \
    NGX_K8S_REASON_##reason

#define ngx_k8s_problem_note(condition, reason)                               \
    NGX_K8S_SEVERITY_NOTE, NGX_K8S_CONDITION_##condition,                     \
    NGX_K8S_REASON_##reason


static void ngx_k8s_problem_clean(u_char *p, u_char *last);


/* in the order of the enum in ngx_k8s_problem.h */

ngx_str_t  ngx_k8s_states[NGX_K8S_STATES] = {
    ngx_string("pending"),
    ngx_string("served"),
    ngx_string("no_route"),
    ngx_string("no_class"),
    ngx_string("other_class"),
    ngx_string("unknown_class"),
    ngx_string("invalid_class"),
    ngx_string("other_namespace"),
    ngx_string("namespace_limit"),
    ngx_string("table_full"),
    ngx_string("unreadable")
};


ngx_str_t  ngx_k8s_severities[NGX_K8S_SEVERITIES] = {
    ngx_string("error"),
    ngx_string("warning"),
    ngx_string("note")
};


ngx_k8s_problem_code_t  ngx_k8s_problem_codes[NGX_K8S_PROBLEMS] = {

    { ngx_string("InvalidObject"),
      ngx_k8s_problem_error(ACCEPTED, UNSUPPORTED_VALUE),
      ngx_string("The object cannot be read at all: it has no usable name, or "
                 "is not the JSON of its kind."),
      ngx_string("Correct the object and apply it again.") },

    { ngx_string("InvalidField"),
      ngx_k8s_problem_error(ACCEPTED, UNSUPPORTED_VALUE),
      ngx_string("A field has a wrong type or value, or is missing.  What it "
                 "decides is closed: its path answers 503, its port or "
                 "endpoint gets no requests.  The rest of the object is "
                 "used."),
      ngx_string("Correct the field.") },

    { ngx_string("ObjectTooLarge"),
      ngx_k8s_problem_error(ACCEPTED, UNSUPPORTED_VALUE),
      ngx_string("The object is larger, or has more values, than what is read "
                 "of one object; its last good version is served, if there is "
                 "any."),
      ngx_string("Split the object.") },

    { ngx_string("FileInvalid"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("A manifest file cannot be read or parsed; the objects of "
                 "its last good version stay in force."),
      ngx_string("Correct the file at the line that the message names, or let "
                 "the user of nginx's worker processes read it.") },

    { ngx_string("HostInvalid"),
      ngx_k8s_problem_error(ACCEPTED, UNSUPPORTED_VALUE),
      ngx_string("A host is neither a DNS name nor a wildcard of the form "
                 "*.name; its rule is left out."),
      ngx_string("Write a lower-case DNS name, or *. and one; for all hosts "
                 "leave the host out.") },

    { ngx_string("PathInvalid"),
      ngx_k8s_problem_error(PARTIALLY_INVALID, UNSUPPORTED_VALUE),
      ngx_string("A path does not begin with a slash, holds characters that "
                 "no request path can have, or is no regular expression where "
                 "it has to be one; it is left out."),
      ngx_string("Write an absolute path.") },

    { ngx_string("PathConflict"),
      ngx_k8s_problem_error(NONE, NONE),
      ngx_string("Another, older object has the same host, path and path "
                 "type; this path is not used."),
      ngx_string("Remove the path here or from the object that has it.") },

    { ngx_string("DefaultConflict"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The host already has the default backend of an older "
                 "object; this one is not used."),
      ngx_string("Leave spec.defaultBackend to one object for each host.") },

    { ngx_string("BackendResource"),
      ngx_k8s_problem_error(RESOLVED_REFS, INVALID_KIND),
      ngx_string("A backend names a resource instead of a Service; its path "
                 "answers 503."),
      ngx_string("Name a Service as the backend.") },

    { ngx_string("ServiceNotFound"),
      ngx_k8s_problem_error(RESOLVED_REFS, BACKEND_NOT_FOUND),
      ngx_string("A backend's Service does not exist; its path answers 503."),
      ngx_string("Create the Service in the namespace of the object.") },

    { ngx_string("PortNotFound"),
      ngx_k8s_problem_error(RESOLVED_REFS, BACKEND_NOT_FOUND),
      ngx_string("A backend's Service has no port of this number or name; "
                 "its path answers 503."),
      ngx_string("Name one of the Service's ports.") },

    { ngx_string("NoEndpoints"),
      ngx_k8s_problem_error(NONE, NONE),
      ngx_string("A backend's Service has no endpoint that could serve; its "
                 "path answers 503."),
      ngx_string("Check the Service's selector and the readiness of its "
                 "Pods.") },

    { ngx_string("AddressRefused"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("An endpoint's address is a loopback, link-local, multicast "
                 "or unspecified one, one on which this nginx listens, or no "
                 "address; it is left out."),
      ngx_string("Use an address of a Pod or of a host.") },

    { ngx_string("SecretNotFound"),
      ngx_k8s_problem_warning(RESOLVED_REFS, INVALID_CERTIFICATE_REF),
      ngx_string("A Secret that is referenced does not exist; the default "
                 "certificate is used."),
      ngx_string("Create the Secret in the namespace of the object.") },

    { ngx_string("SecretInvalid"),
      ngx_k8s_problem_warning(RESOLVED_REFS, INVALID_CERTIFICATE_REF),
      ngx_string("A Secret holds no usable certificate and key; its last "
                 "good version is used, else the default certificate."),
      ngx_string("Store a certificate chain as tls.crt and its key as "
                 "tls.key.") },

    { ngx_string("CertificateMismatch"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The certificate does not cover the host; the default "
                 "certificate is used there."),
      ngx_string("Use a certificate that names the host.") },

    { ngx_string("CertificateExpired"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The certificate is past its end, or not yet valid."),
      ngx_string("Renew the certificate.") },

    { ngx_string("CertificateExpires"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The certificate ends within ten days."),
      ngx_string("Renew the certificate.") },

    { ngx_string("CertificateConflict"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The host already has the certificate of an older object; "
                 "this one is not used for it."),
      ngx_string("Name the Secret of a host in one object.") },

    { ngx_string("TableFull"),
      ngx_k8s_problem_error(PROGRAMMED, NO_RESOURCES),
      ngx_string("The zone has no room for the object; it is left out, and "
                 "what is served already goes on."),
      ngx_string("Raise the size in the zone directive.") },

    { ngx_string("NamespaceLimit"),
      ngx_k8s_problem_error(PROGRAMMED, NO_RESOURCES),
      ngx_string("The namespace has used up its share of routes or bytes; "
                 "the object is left out."),
      ngx_string("Remove routes of the namespace, or raise "
                 "namespace_limit.") },

    { ngx_string("Unsupported"),
      ngx_k8s_problem_error(ACCEPTED, UNSUPPORTED_VALUE),
      ngx_string("Something that this version cannot do is asked for."),
      ngx_string("See the documentation for what is supported.") },

    { ngx_string("DuplicateObject"),
      ngx_k8s_problem_error(NONE, NONE),
      ngx_string("An object stands twice in the manifests; the first by path "
                 "and place is used."),
      ngx_string("Keep one of the two.") },

    { ngx_string("SnapshotRefused"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The snapshot file is damaged, not this user's own, or made "
                 "of something else; it is not loaded."),
      ngx_string("Correct what the message names, or remove the file.") },

    { ngx_string("SnapshotUnwritten"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The snapshot file cannot be written; the last one stays, "
                 "and it is tried again."),
      ngx_string("Give the user of the workers a folder that they can write "
                 "to.") },

    { ngx_string("SnapshotIncomplete"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("Routes come from a snapshot that lacks something: private "
                 "keys, so that the default certificate is presented, or room "
                 "for all of it."),
      ngx_string("It ends with the first list of the source; keys=on keeps "
                 "keys in the file.") },

    { ngx_string("ApiVersion"),
      ngx_k8s_problem_error(NONE, NONE),
      ngx_string("A manifest's object has an apiVersion that is not read, "
                 "often one that Kubernetes has removed; it is left out."),
      ngx_string("Write it for the version that the message names; \"kubectl "
                 "convert\" does so.") },

    { ngx_string("UnknownField"),
      ngx_k8s_problem_error(NONE, NONE),
      ngx_string("A field does not exist in this version of the kind, where "
                 "a known one is not set and seems to be meant.  Where that "
                 "decides where requests go, its path answers 503."),
      ngx_string("Write the field that the message names.") },

    { ngx_string("ClassNotFound"),
      ngx_k8s_problem_error(NONE, NONE),
      ngx_string("The Ingress names a class that no IngressClass has, so no "
                 "controller can tell whose it is; it is not served."),
      ngx_string("Name the class of an IngressClass in "
                 "spec.ingressClassName, or create it.") },

    { ngx_string("ClassMissing"),
      ngx_k8s_problem_error(NONE, NONE),
      ngx_string("The Ingress has no spec.ingressClassName.  The default "
                 "class is set only when an Ingress is created, and the "
                 "annotation takes no name but that of \"ingress_class\"; it "
                 "is not served."),
      ngx_string("Set spec.ingressClassName.") },

    { ngx_string("TlsHostUnused"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("No rule of the Ingress, nor of another one, has a host of "
                 "spec.tls, or none has a host at all; the certificate is not "
                 "used there."),
      ngx_string("Add a rule with the host, or take it out of spec.tls.  The "
                 "certificate of all other hosts is that of "
                 "\"default_certificate\".") },

    { ngx_string("ObjectForbidden"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The API server does not allow an object to be read that is "
                 "named.  What is known of it is used; without that it counts "
                 "as not there, but for a ConfigMap of keys: they may protect, "
                 "so a start serves nothing before it is read."),
      ngx_string("Allow \"get\", \"list\" and \"watch\" of it in its "
                 "namespace.") },

    { ngx_string("AnnotationUnknown"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("There is no annotation of that name, so it does nothing; "
                 "or it would protect, and another controller reads it."),
      ngx_string("See the list in docs/annotations.md.") },

    { ngx_string("AnnotationInvalid"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The value of an annotation cannot be read; what the "
                 "message says holds instead."),
      ngx_string("Write the value as the message says.") },

    { ngx_string("AnnotationClosed"),
      ngx_k8s_problem_error(NONE, NONE),
      ngx_string("An annotation that protects cannot be honoured, so the "
                 "paths of the Ingress answer 503, or 403 where it is about "
                 "certificates of clients; or keys of the ConfigMap do not "
                 "let an Ingress with it through, so they answer 404."),
      ngx_string("Correct the annotation, or take it out.") },

    { ngx_string("AnnotationUnserved"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("This version does not serve the annotation yet; it does "
                 "nothing."),
      ngx_string("Take it out where that is no harm, or wait for a version "
                 "that serves it.") },

    { ngx_string("AnnotationRefused"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The annotation is never served."),
      ngx_string("Take it out.") },

    { ngx_string("AnnotationNoted"),
      ngx_k8s_problem_note(NONE, NONE),
      ngx_string("The annotation has nothing to do here."),
      ngx_string("It can be taken out.") },

    { ngx_string("AnnotationNoEffect"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The annotation, or a part of it, does nothing without "
                 "something else."),
      ngx_string("Add what is missing, or take it out.") },

    { ngx_string("AnnotationForeign"),
      ngx_k8s_problem_note(NONE, NONE),
      ngx_string("The annotation is one of another controller; it is not "
                 "read here."),
      ngx_string("If it should hold here too, look in the list of annotations "
                 "for one that does the same.") },

    { ngx_string("ConfigMapNotFound"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The ConfigMap that the directive config_map, or an "
                 "IngressClass, names does not exist, so the defaults hold; "
                 "or it has not come."),
      ngx_string("Create the ConfigMap, or correct its name.") },

    { ngx_string("KeyUnknown"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The ConfigMap has a key that does not exist; it does "
                 "nothing."),
      ngx_string("See the list in docs/configmap.md; what was a flag of the "
                 "controller is a directive: docs/migration.md.") },

    { ngx_string("KeyInvalid"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The value of a key of the ConfigMap cannot be read, or nginx "
                 "refuses it; what the message says holds instead. The other "
                 "keys are in force."),
      ngx_string("Write the value as the message says.") },

    { ngx_string("KeyClosed"),
      ngx_k8s_problem_error(NONE, NONE),
      ngx_string("A key of the ConfigMap that protects cannot be honoured, so "
                 "all that would go to a backend answers 503."),
      ngx_string("Correct the key, or take it out.") },

    { ngx_string("KeyUnserved"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("This version does not serve the key of the ConfigMap yet; "
                 "the default holds."),
      ngx_string("Take it out where that is no harm, or wait for a version "
                 "that serves it.") },

    { ngx_string("KeyRefused"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The key of the ConfigMap is never served."),
      ngx_string("Take it out.") },

    { ngx_string("KeyNoted"),
      ngx_k8s_problem_note(NONE, NONE),
      ngx_string("The key of the ConfigMap has nothing to do here."),
      ngx_string("It can be taken out.") },

    { ngx_string("KeyNoEffect"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The key of the ConfigMap does nothing without something "
                 "else."),
      ngx_string("Add what is missing, or take it out.") },

    { ngx_string("PathRegex"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("Another object makes the paths of the host regular "
                 "expressions, so an Exact path or a Prefix takes all that "
                 "begins with it, in either case."),
      ngx_string("Give the paths that need regular expressions a host of "
                 "their own.") },

    { ngx_string("EntrySplit"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("What seems to be one rule is written as two, a host without "
                 "paths and paths without a host, which are served for all "
                 "hosts; or one entry of spec.tls as two."),
      ngx_string("Take out the dash before \"http\", or \"secretName\".") },

    { ngx_string("PathLiteral"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("A path looks like a pattern, and is none: it takes requests "
                 "for just these characters."),
      ngx_string("For all paths below one write it without the star, with "
                 "pathType Prefix; for a regular expression add the "
                 "annotation use-regex.") },

    { ngx_string("CanaryWithoutPrimary"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("A canary has a path that no other object has with this host "
                 "and path type, so it gets no requests there."),
      ngx_string("Write host, path and path type as the Ingress has them whose "
                 "requests it is to get a share of.") },

    { ngx_string("AliasConflict"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("Another name of a host, by server-alias or "
                 "from-to-www-redirect, is a host of its own or an older "
                 "object's; it does not lead to this one."),
      ngx_string("Remove the name here or from the object that has it.") },

    { ngx_string("PathLimit"),
      ngx_k8s_problem_error(NONE, NONE),
      ngx_string("A path, or its canary, is left out, as its host has regular "
                 "expressions, and more of them, or more paths, than a "
                 "request may try; or as its namespace has as many expressions "
                 "as it leaves to others."),
      ngx_string("Spread the paths over several hosts, or write them without "
                 "regular expressions.") },

    { ngx_string("KeyNginx"),
      ngx_k8s_problem_note(NONE, NONE),
      ngx_string("The key of the ConfigMap is one that only nginx.conf can "
                 "say, and it says something else, or what it says is not "
                 "known."),
      ngx_string("Write the directive in nginx.conf that the message "
                 "quotes.") },

    { ngx_string("HostOwned"),
      ngx_k8s_problem_error(NONE, NONE),
      ngx_string("With \"host_ownership namespace\" a host, and the hosts that "
                 "a wildcard takes, belong to the namespace of the oldest "
                 "object that has it; nothing of another namespace is served "
                 "for it."),
      ngx_string("Use another host, or move this object to the namespace that "
                 "has the host, or remove it there.") },

    { ngx_string("OneClient"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("All requests of some time came from one address, and some "
                 "of them name other clients: it seems to be that of a "
                 "balancer before nginx, which limits, lists and logs take for "
                 "all clients."),
      ngx_string("Set use-forwarded-headers in the ConfigMap, with the address "
                 "in proxy-real-ip-cidr; or, where the balancer speaks it, "
                 "use-proxy-protocol, with \"listen ... proxy_protocol\" in "
                 "nginx.conf.") },

    { ngx_string("AnnotationConflict"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("A host, or a Service, has the annotation once, and another "
                 "object of it says something else, which holds."),
      ngx_string("Write the same in all objects of the host or Service, or "
                 "take it out of all but one.") },

    { ngx_string("WriteRefused"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The API server does not let nginx write: the Lease by which "
                 "one replica is chosen, the status of Ingresses, or Events.  "
                 "What is not allowed is left out; all routes are served.  It "
                 "is tried again once a minute."),
      ngx_string("Allow get, create and update of leases in the namespace of "
                 "the Lease, patch of ingresses/status, and create and patch "
                 "of events, as examples/cluster/rbac.yaml does; or switch it "
                 "off with update_status and events.") },

    { ngx_string("AddressNotFound"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("No address is known for the status of Ingresses, which stay "
                 "as they are."),
      ngx_string("Name a Service that has an address, and that nginx may get, "
                 "with publish_service, or addresses with "
                 "publish_address.") },

    { ngx_string("RedirectLoop"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("An annotation redirects requests to the URL that they are "
                 "for, so clients never get an answer."),
      ngx_string("Redirect to another host or path.") },

    { ngx_string("HeaderName"),
      ngx_k8s_problem_note(NONE, NONE),
      ngx_string("A header for backends is sent under a name that many "
                 "servers, nginx among them, drop where they are not told "
                 "otherwise."),
      ngx_string("Write the name with hyphens, or have the backend take it; "
                 "in nginx that is \"underscores_in_headers on\", and for "
                 "dots \"ignore_invalid_headers off\".") },

    { ngx_string("HostWide"),
      ngx_k8s_problem_note(NONE, NONE),
      ngx_string("Another object of the host has an annotation that holds for "
                 "all of it, so for the paths of this one too."),
      ngx_string("Where that is not meant, give it a host of its own.") },

    { ngx_string("AppProtocolUnserved"),
      ngx_k8s_problem_warning(NONE, NONE),
      ngx_string("The appProtocol of a Service's port is one that this nginx "
                 "does not speak to backends, which are asked by HTTP/1.1."),
      ngx_string("Take nginx 1.29.4 or newer, built with "
                 "--with-http_v2_module; or set backend-protocol to GRPC, if "
                 "it is gRPC; or take the appProtocol away.") }
};


void ngx_cdecl
ngx_k8s_object_problem(ngx_k8s_object_t *object, ngx_uint_t code,
    char *field, const char *fmt, ...)
{
    u_char             *p, buf[NGX_K8S_MESSAGE_MAX];
    size_t              len;
    va_list             args;
    ngx_k8s_problem_t  *problem;

    if (object->problems == NULL) {
        object->problems = ngx_array_create(object->pool, 1,
                                            sizeof(ngx_k8s_problem_t));
        if (object->problems == NULL) {
            return;
        }
    }

    if (object->problems->nelts >= NGX_K8S_OBJECT_PROBLEMS) {
        return;
    }

    va_start(args, fmt);
    p = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args);
    va_end(args);

    ngx_k8s_problem_clean(buf, p);

    len = ngx_strlen(field);

    problem = ngx_array_push(object->problems);
    if (problem == NULL) {
        return;
    }

    ngx_memzero(problem, sizeof(ngx_k8s_problem_t));

    problem->code = code;

    problem->field.data = ngx_pnalloc(object->pool, len + (p - buf));
    if (problem->field.data == NULL) {
        object->problems->nelts--;
        return;
    }

    problem->field.len = len;
    problem->message.len = p - buf;
    problem->message.data = ngx_cpymem(problem->field.data, field, len);

    ngx_k8s_problem_clean(problem->field.data, problem->message.data);
    ngx_memcpy(problem->message.data, buf, p - buf);
}


/* object's text goes to logs and pages: nothing but printable characters */

static void
ngx_k8s_problem_clean(u_char *p, u_char *last)
{
    for ( /* void */ ; p < last; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }
}
