
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The k8s_ingress block: its directives, their checks and defaults.  Runs at
 * configuration time in the master, and touches nothing of a running instance.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_k8s_conf.h>


static char *ngx_k8s_conf_directive(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static ngx_k8s_directive_t *ngx_k8s_conf_find(ngx_str_t *name);
static ngx_uint_t ngx_k8s_conf_nargs(ngx_uint_t type, ngx_uint_t n);

#if (NGX_DEBUG)
static char *ngx_k8s_conf_row_off(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
#endif
static char *ngx_k8s_conf_source(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_k8s_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_k8s_conf_object(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_k8s_conf_text(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_k8s_conf_limit(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_k8s_conf_ownership(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_k8s_conf_healthz(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_conf_enum_t  ngx_k8s_conf_defaults[] = {
    { ngx_string("ingress-nginx"), NGX_K8S_DEFAULTS_INGRESS_NGINX },
    { ngx_string("nginx"), NGX_K8S_DEFAULTS_NGINX },
    { ngx_null_string, 0 }
};


/*
 * All directives of the product: those of the block are read from here, the
 * others (with no setter) are listed for the documentation.
 */

ngx_k8s_directive_t  ngx_k8s_directives[] = {

    { { ngx_string("k8s_ingress"), 0, NULL, 0, 0, NULL },
      "k8s_ingress [name] { ... }", "", "http",
      "Routes the Ingresses of one source and class; it may stand more than "
      "once, each time with another name." },

    { { ngx_string("source"), NGX_CONF_TAKE123,
        ngx_k8s_conf_source, 0, 0, NULL },
      "source in_cluster | kubeconfig file [context] | manifests directory;",
      "in_cluster", "k8s_ingress",
      "Where objects come from: the API server of the cluster in which nginx "
      "runs as a Pod, the API server that a kubeconfig names, or a folder of "
      "YAML and JSON files whose changes are followed." },

    { { ngx_string("controller"), NGX_CONF_TAKE1,
        ngx_k8s_conf_text, 0,
        offsetof(ngx_k8s_conf_t, class.controller), NULL },
      "controller name;", "k8s.io/ingress-nginx", "k8s_ingress",
      "The spec.controller of the IngressClasses whose Ingresses are served." },

    { { ngx_string("ingress_class"), NGX_CONF_TAKE1,
        ngx_k8s_conf_text, 0,
        offsetof(ngx_k8s_conf_t, class.class_name), NULL },
      "ingress_class name;", "nginx", "k8s_ingress",
      "Ingresses whose annotation kubernetes.io/ingress.class has this value "
      "are served; it is also the class that ingress_class_by_name means." },

    { { ngx_string("annotations_prefix"), NGX_CONF_TAKE1,
        ngx_k8s_conf_text, 0,
        offsetof(ngx_k8s_conf_t, class.gate.prefix), NULL },
      "annotations_prefix name;", "nginx.ingress.kubernetes.io", "k8s_ingress",
      "What stands before the slash in the names of annotations." },

    { { ngx_string("enable_annotation_validation"), NGX_CONF_FLAG,
        ngx_conf_set_flag_slot, 0,
        offsetof(ngx_k8s_conf_t, annotation_validation), NULL },
      "enable_annotation_validation on | off;", "on", "k8s_ingress",
      "Refuses in annotations what ingress-nginx does with "
      "--enable-annotation-validation.  With \"off\" URLs may have all "
      "characters that URLs have, as \"#\" and \"%\", and "
      "permanent-redirect and temporal-redirect may have variables; what "
      "cannot be read is refused in any case." },

    { { ngx_string("ingress_class_by_name"), NGX_CONF_FLAG,
        ngx_conf_set_flag_slot, 0,
        offsetof(ngx_k8s_conf_t, class_by_name), NULL },
      "ingress_class_by_name on | off;", "off", "k8s_ingress",
      "Serves Ingresses of the class named by ingress_class as well, whatever "
      "its controller." },

    { { ngx_string("watch_ingress_without_class"), NGX_CONF_FLAG,
        ngx_conf_set_flag_slot, 0,
        offsetof(ngx_k8s_conf_t, without_class), NULL },
      "watch_ingress_without_class on | off;", "off", "k8s_ingress",
      "Serves Ingresses that name no class as well." },

    { { ngx_string("watch_namespace"), NGX_CONF_1MORE,
        ngx_k8s_conf_namespaces, 0, 0, NULL },
      "watch_namespace namespace ...;", "all", "k8s_ingress",
      "Only objects of these namespaces are read; may stand more than once." },

    { { ngx_string("watch_namespace_selector"), NGX_CONF_TAKE1,
        ngx_k8s_conf_selector, 0, 0, NULL },
      "watch_namespace_selector selector;", "", "k8s_ingress",
      "Only Ingresses in namespaces whose labels match the selector are "
      "served, as in \"team=shop,stage in (live, test),!closed\"; changed "
      "labels count at once. Not beside watch_namespace." },

    { { ngx_string("zone"), NGX_CONF_TAKE1,
        ngx_k8s_conf_zone, 0, 0, NULL },
      "zone size;", "64m", "k8s_ingress",
      "The size of the shared memory that holds the routes, at least 1m; a "
      "simple route needs about 1k. A reload with another size copies the "
      "routes, and is refused when they do not fit." },

    { { ngx_string("limits"), NGX_CONF_TAKE1,
        ngx_conf_set_size_slot, 0,
        offsetof(ngx_k8s_conf_t, limits_size), NULL },
      "limits size;", "16m", "k8s_ingress",
      "The size of the shared memory in which requests and connections of "
      "clients are counted, at least 256k; a client of an Ingress with a limit "
      "needs 16 bytes for each. It is kept over a reload, and empty after one "
      "with another size." },

    { { ngx_string("auth_cache"), NGX_CONF_TAKE1,
        ngx_conf_set_size_slot, 0,
        offsetof(ngx_k8s_conf_t, answers_size), NULL },
      "auth_cache size;", "8m", "k8s_ingress",
      "The size of the shared memory in which answers of auth servers are "
      "kept, where auth-cache-key says so, at least 256k; 1m has room for "
      "about 480. It is kept over a reload, and empty after one with another "
      "size." },

    { { ngx_string("snapshot"), NGX_CONF_TAKE123,
        ngx_k8s_conf_snapshot, 0, 0, NULL },
      "snapshot file [keys=on | off] [max_age=time];", "", "k8s_ingress",
      "The file in which the routes are kept for a start while the source "
      "cannot be reached, and for a binary upgrade; private keys are left out "
      "unless keys=on, and a file older than max_age, 24h by default, is not "
      "loaded." },

    { { ngx_string("default_backend"), NGX_CONF_TAKE1,
        ngx_k8s_conf_object, 0,
        offsetof(ngx_k8s_conf_t, compile.default_backend),
        "namespace/service or namespace/service:port" },
      "default_backend namespace/service[:port];", "", "k8s_ingress",
      "The Service that serves requests which match no Ingress; without it "
      "they are answered with 404." },

    { { ngx_string("topology_zone"), NGX_CONF_TAKE1,
        ngx_conf_set_str_slot, 0,
        offsetof(ngx_k8s_conf_t, compile.topology_zone), NULL },
      "topology_zone name;", "", "k8s_ingress",
      "The zone of the node on which this nginx runs, as "
      "topology.kubernetes.io/zone has it.  Of a Service whose endpoints all "
      "have hints, by trafficDistribution or topology-mode, those for this "
      "zone are used, if there is one that is ready." },

    { { ngx_string("default_certificate"), NGX_CONF_TAKE1,
        ngx_k8s_conf_object, 0,
        offsetof(ngx_k8s_conf_t, compile.default_certificate),
        "namespace/secret" },
      "default_certificate namespace/secret;", "a generated certificate",
      "k8s_ingress",
      "The Secret whose certificate is presented where no Ingress names one." },

    { { ngx_string("config_map"), NGX_CONF_TAKE1,
        ngx_k8s_conf_object, 0,
        offsetof(ngx_k8s_conf_t, compile.config_map), "namespace/name" },
      "config_map namespace/name;", "", "k8s_ingress",
      "The ConfigMap of the controller, in the namespaces that are watched or "
      "not. It is followed: what its keys say holds without a reload." },

    { { ngx_string("defaults"), NGX_CONF_TAKE1,
        ngx_conf_set_enum_slot, 0,
        offsetof(ngx_k8s_conf_t, defaults), ngx_k8s_conf_defaults },
      "defaults ingress-nginx | nginx;", "ingress-nginx", "k8s_ingress",
      "Whose defaults hold for what no Ingress says: those of the ingress-"
      "nginx controller, or those that nginx.conf sets. With the first, "
      "nginx -t names the directives of nginx.conf that have no effect." },

    { { ngx_string("namespace_limit"), NGX_CONF_TAKE12,
        ngx_k8s_conf_limit, 0, 0, NULL },
      "namespace_limit [routes=number] [bytes=size];", "no limit",
      "k8s_ingress",
      "Bounds the routes, and the bytes in the zone, of any one namespace." },

    { { ngx_string("host_ownership"), NGX_CONF_TAKE12,
        ngx_k8s_conf_ownership, 0, 0, NULL },
      "host_ownership shared | namespace [acme];", "shared", "k8s_ingress",
      "Who may have a host: with shared, as with ingress-nginx, Ingresses of "
      "any namespace, of which for each path the oldest one counts; with "
      "namespace only those of the namespace of the oldest object that has "
      "the host, or a wildcard host that takes it. Paths, certificates, "
      "aliases and annotations of others do not count there; with acme they "
      "may still answer below /.well-known/acme-challenge/, by Ingresses that "
      "have no other paths for the host. Such paths are letters, digits, -, _ "
      "and /, never expressions, and come after the same path of the owner; "
      "other requests go on as without them, to a wildcard host for one. So "
      "with acme every namespace can answer the HTTP-01 challenges of any "
      "host, and have certificates issued for it." },

    { { ngx_string("external_names"), NGX_CONF_FLAG,
        ngx_conf_set_flag_slot, 0,
        offsetof(ngx_k8s_conf_t, external_names), NULL },
      "external_names on | off;", "on", "k8s_ingress",
      "Whether Services of type ExternalName are served. With off, as with "
      "--disable-svc-external-name of ingress-nginx, their paths answer 503, "
      "and no name of a tenant's is looked up for them." },

    { { ngx_string("healthz"), NGX_CONF_TAKE1,
        ngx_k8s_conf_healthz, 0, 0, NULL },
      "healthz path | off;", "/healthz", "k8s_ingress",
      "The path that is answered with 200 on the catch-all host while routes "
      "are served, for load balancers in front, with all paths that begin with "
      "it, but for those that an Ingress without a host names." },

    { { ngx_string("publish_service"), NGX_CONF_TAKE1,
        ngx_k8s_conf_publish_service, 0, 0, NULL },
      "publish_service [namespace/]service;", "", "k8s_ingress",
      "The addresses of this Service, in the namespace of the Pod unless "
      "another one is given, are "
      "written into the status of all Ingresses that are served: those of its "
      "load balancer and its externalIPs, of a NodePort Service its "
      "externalIPs, else its clusterIP, of an ExternalName Service the name. "
      "While it has none statuses stay as they are." },

    { { ngx_string("publish_address"), NGX_CONF_1MORE,
        ngx_k8s_conf_publish_address, 0, 0, NULL },
      "publish_address address ...;", "", "k8s_ingress",
      "These addresses and host names are written into the status of all "
      "Ingresses that are served." },

    { { ngx_string("publish_nodes"), NGX_CONF_TAKE1,
        ngx_k8s_conf_publish_nodes, 0, 0, NULL },
      "publish_nodes external | internal;", "", "k8s_ingress",
      "The addresses of the nodes that run ready Pods with the labels of this "
      "one are written into the status of all Ingresses that are served: the "
      "ExternalIP of each, where it has one, else its InternalIP; or always "
      "the latter." },

    { { ngx_string("update_status"), NGX_CONF_FLAG,
        ngx_conf_set_flag_slot, 0,
        offsetof(ngx_k8s_conf_t, report.status), NULL },
      "update_status on | off;", "on", "k8s_ingress",
      "Writes the status of Ingresses, where one of the directives above says "
      "which addresses. With \"off\" none is touched, as beside a controller "
      "that still writes them." },

    { { ngx_string("update_status_on_shutdown"), NGX_CONF_FLAG,
        ngx_conf_set_flag_slot, 0,
        offsetof(ngx_k8s_conf_t, report.shutdown), NULL },
      "update_status_on_shutdown on | off;", "off", "k8s_ingress",
      "With \"on\" who writes takes the addresses back at a graceful "
      "shutdown, for 20s at most, unless the Service of publish_service has a "
      "ready endpoint still. Names that external-dns has made of them are "
      "deleted then. Needs publish_service, in a namespace that is watched." },

    { { ngx_string("events"), NGX_CONF_FLAG,
        ngx_conf_set_flag_slot, 0,
        offsetof(ngx_k8s_conf_t, report.told), NULL },
      "events on | off;", "on with source in_cluster, else off", "k8s_ingress",
      "Writes an Event for each problem of an object, if it is an error or a "
      "warning, as \"kubectl describe\" shows them." },

    { { ngx_string("election_id"), NGX_CONF_TAKE1,
        ngx_k8s_conf_election, 0, 0, NULL },
      "election_id [namespace/]name | off;", "ingress-nginx-leader",
      "k8s_ingress",
      "The Lease by which one of several replicas is chosen that writes "
      "statuses and Events, by default in the namespace of the Pod. "
      "Those that share a Lease have one writer, so each class needs its own. "
      "With \"off\" this one writes whoever else does." },

    { { ngx_string("election_ttl"), NGX_CONF_TAKE1,
        ngx_conf_set_msec_slot, 0,
        offsetof(ngx_k8s_conf_t, report.lease.duration), NULL },
      "election_ttl time;", "30s", "k8s_ingress",
      "How long a Lease is another one's that is not renewed any more. It is "
      "renewed each quarter of this time, and who has not done so for half of "
      "it stops to write." },

    { { ngx_string("write_rate"), NGX_CONF_TAKE1,
        ngx_conf_set_num_slot, 0,
        offsetof(ngx_k8s_conf_t, report.rate), NULL },
      "write_rate number;", "50", "k8s_ingress",
      "How many statuses and Events are written in a second, at most 1000." },

    { { ngx_string("request_builder"), NGX_CONF_FLAG,
        ngx_conf_set_flag_slot, 0,
        offsetof(ngx_k8s_conf_t, request_builder), NULL },
      "request_builder on | off;", "on", "k8s_ingress",
      "Writes requests to backends in one pass, which costs less than nginx's "
      "own way; the backend gets the same bytes. Left to nginx are HEAD, "
      "error pages, bodies that are passed on while they are read, gRPC, and "
      "other HTTP versions than 1.1: $k8s_request_builder says which." },

    { { ngx_string("connect_timeout"), NGX_CONF_TAKE1,
        ngx_conf_set_msec_slot, 0,
        offsetof(ngx_k8s_conf_t, source.connect_timeout), NULL },
      "connect_timeout time;", "5s", "k8s_ingress",
      "The longest time that a connection to the API server may take." },

    { { ngx_string("watch_timeout"), NGX_CONF_TAKE1,
        ngx_conf_set_msec_slot, 0,
        offsetof(ngx_k8s_conf_t, source.watch_timeout), NULL },
      "watch_timeout time;", "5m", "k8s_ingress",
      "The shortest time after which a watch is renewed; the longest is twice "
      "that, so that not all are renewed at once." },

    { { ngx_string("list_timeout"), NGX_CONF_TAKE1,
        ngx_conf_set_msec_slot, 0,
        offsetof(ngx_k8s_conf_t, source.list_timeout), NULL },
      "list_timeout time;", "60s", "k8s_ingress",
      "A list during which no byte comes for this time is begun anew." },

    { { ngx_string("list_time"), NGX_CONF_TAKE1,
        ngx_conf_set_msec_slot, 0,
        offsetof(ngx_k8s_conf_t, source.list_time), NULL },
      "list_time time;", "10m", "k8s_ingress",
      "The longest time that a list may take as a whole, all its pages, or a "
      "streaming list up to the end of the initial events. It is begun anew "
      "then, with twice the time, at most eight times." },

    { { ngx_string("backoff"), NGX_CONF_TAKE1,
        ngx_conf_set_msec_slot, 0,
        offsetof(ngx_k8s_conf_t, source.backoff_max), NULL },
      "backoff time;", "30s", "k8s_ingress",
      "The longest pause between two tries after errors of the API server." },

    { { ngx_string("client_check"), NGX_CONF_TAKE1,
        ngx_conf_set_msec_slot, 0,
        offsetof(ngx_k8s_conf_t, client_check), NULL },
      "client_check time;", "10m", "k8s_ingress",
      "After each such time it is a problem when all requests had one address, "
      "and 100 or more name other clients: a balancer is taken for all of "
      "them. 0: it is not looked for." },

    { { ngx_string("list_page"), NGX_CONF_TAKE1,
        ngx_conf_set_num_slot, 0,
        offsetof(ngx_k8s_conf_t, page), NULL },
      "list_page number;", "500", "k8s_ingress",
      "How many objects are asked for in one page of a list." },

    { { ngx_string("object_max"), NGX_CONF_TAKE1,
        ngx_conf_set_size_slot, 0,
        offsetof(ngx_k8s_conf_t, source.object_max), NULL },
      "object_max size;", "4m", "k8s_ingress",
      "Larger objects are refused and become a problem; at most 4m.  So are "
      "those with more than 65536 rules, paths, tls entries or endpoints in a "
      "list, with more than 8192 other values, or with one of more than 1m, "
      "or of 256k with escapes.  Annotations have 256k in all, names and "
      "values, and the values of a Secret or ConfigMap 1m, as the API server "
      "has it." },

    { { ngx_string("problems"), NGX_CONF_TAKE1,
        ngx_conf_set_num_slot, 0,
        offsetof(ngx_k8s_conf_t, problems), NULL },
      "problems number;", "1000", "k8s_ingress",
      "How many objects with problems are kept in the zone; the number of "
      "those left out is shown." },

#if (NGX_DEBUG)

    { { ngx_string("test_row_off"), NGX_CONF_TAKE2, ngx_k8s_conf_row_off, 0, 0,
        NULL },
      "test_row_off name value | field | token;", "", "k8s_ingress",
      "Takes this part of what an annotation or key does away, for tests." },

#endif

    { { ngx_string("k8s_ingress_pass"), 0, NULL, 0, 0, NULL },
      "k8s_ingress_pass [name];", "", "server, location",
      "Passes requests as the Ingresses of the k8s_ingress block of that name "
      "say." },

    { { ngx_string("k8s_ingress_admin"), 0, NULL, 0, 0, NULL },
      "k8s_ingress_admin [health] [metrics] [status];", "", "server, location",
      "Serves /healthz and /readyz, /metrics and /status; all of them when "
      "none is named." },

    { { ngx_string("k8s_ingress_core_backported"), 0, NULL, 0, 0, NULL },
      "k8s_ingress_core_backported on | off;", "off", "http",
      "Says that this nginx, though older than 1.30.4 or 1.31.3, has their "
      "security fixes from its distributor; the start does not warn then." },

    { { ngx_string("k8s_ingress_drain_file"), 0, NULL, 0, 0, NULL },
      "k8s_ingress_drain_file file;", "", "http",
      "Once this file exists, connections of clients are closed after their "
      "next answer: for the graceful shutdown of a Pod." },

    { { ngx_null_string, 0, NULL, 0, 0, NULL }, NULL, NULL, NULL, NULL }
};


/*
 * Reads one block into kcf->block; cf stands behind its "{".  Strings live in
 * cf->pool.
 */

char *
ngx_k8s_conf_block(ngx_conf_t *cf, ngx_k8s_block_t *block)
{
    char            *rv;
    ngx_conf_t       save;
    ngx_k8s_conf_t   kcf;

    ngx_memzero(&kcf, sizeof(ngx_k8s_conf_t));

    kcf.block = block;
    kcf.class_by_name = NGX_CONF_UNSET;
    kcf.without_class = NGX_CONF_UNSET;
    kcf.external_names = NGX_CONF_UNSET;
    kcf.annotation_validation = NGX_CONF_UNSET;
    kcf.request_builder = NGX_CONF_UNSET;
    kcf.defaults = NGX_CONF_UNSET_UINT;
    kcf.page = NGX_CONF_UNSET;
    kcf.client_check = NGX_CONF_UNSET_MSEC;
    kcf.problems = NGX_CONF_UNSET;
    kcf.compile.ownership = NGX_CONF_UNSET_UINT;
    kcf.source.type = NGX_CONF_UNSET_UINT;
    kcf.source.connect_timeout = NGX_CONF_UNSET_MSEC;
    kcf.source.watch_timeout = NGX_CONF_UNSET_MSEC;
    kcf.source.list_timeout = NGX_CONF_UNSET_MSEC;
    kcf.source.list_time = NGX_CONF_UNSET_MSEC;
    kcf.source.backoff_max = NGX_CONF_UNSET_MSEC;
    kcf.source.object_max = NGX_CONF_UNSET_SIZE;
    kcf.report.status = NGX_CONF_UNSET;
    kcf.report.shutdown = NGX_CONF_UNSET;
    kcf.report.told = NGX_CONF_UNSET;
    kcf.report.rate = NGX_CONF_UNSET;
    kcf.report.lease.duration = NGX_CONF_UNSET_MSEC;
    kcf.limits_size = NGX_CONF_UNSET_SIZE;
    kcf.answers_size = NGX_CONF_UNSET_SIZE;

#if (NGX_DEBUG)
    (void) ngx_k8s_row_off(NULL, NULL);
#endif

    save = *cf;
    cf->handler = ngx_k8s_conf_directive;
    cf->handler_conf = (void *) &kcf;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_k8s_conf_finish(cf, &kcf);
}


static char *
ngx_k8s_conf_directive(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    char                 *rv;
    ngx_str_t            *value;
    ngx_k8s_directive_t  *d;

    value = cf->args->elts;

    if (ngx_strcmp(value[0].data, "include") == 0) {
        if (cf->args->nelts != 2) {
            return "invalid number of arguments in \"include\" directive";
        }

        return ngx_conf_include(cf, dummy, conf);
    }

    d = ngx_k8s_conf_find(&value[0]);

    if (d == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown directive \"%V\" in a k8s_ingress block, "
                           "see docs/directives.md, and docs/migration.md for "
                           "flags of ingress-nginx", &value[0]);
        return NGX_CONF_ERROR;
    }

    if (!ngx_k8s_conf_nargs(d->command.type, cf->args->nelts)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments in \"%V\" directive, "
                           "write \"%s\"", &value[0], d->syntax);
        return NGX_CONF_ERROR;
    }

    rv = d->command.set(cf, &d->command, conf);

    if (rv == NGX_CONF_OK || rv == NGX_CONF_ERROR) {
        return rv;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" directive %s, write \"%s\"",
                       &value[0], rv, d->syntax);

    return NGX_CONF_ERROR;
}


static ngx_k8s_directive_t *
ngx_k8s_conf_find(ngx_str_t *name)
{
    ngx_k8s_directive_t  *d;

    for (d = ngx_k8s_directives; d->command.name.len; d++) {

        if (d->command.set
            && d->command.name.len == name->len
            && ngx_strncmp(d->command.name.data, name->data, name->len) == 0)
        {
            return d;
        }
    }

    return NULL;
}


/* whether a directive of this type takes n words, its name among them */

static ngx_uint_t
ngx_k8s_conf_nargs(ngx_uint_t type, ngx_uint_t n)
{
    if (type & NGX_CONF_FLAG) {
        return n == 2;
    }

    if (type & NGX_CONF_1MORE) {
        return n >= 2;
    }

    if (n > NGX_CONF_MAX_ARGS) {
        return 0;
    }

    return (type & (NGX_CONF_NOARGS << (n - 1))) != 0;
}


#if (NGX_DEBUG)

static char *
ngx_k8s_conf_row_off(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    return (ngx_k8s_row_off(&value[1], &value[2]) == NGX_OK)
           ? NGX_CONF_OK : "names no row, or no part of it";
}

#endif


static char *
ngx_k8s_conf_source(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_k8s_conf_t *kcf = conf;

    ngx_str_t   *value;
    ngx_uint_t   n;

    if (kcf->source.type != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = cf->args->nelts;

    if (ngx_strcmp(value[1].data, "in_cluster") == 0) {

        if (n != 2) {
            return "has too many arguments";
        }

        kcf->source.type = NGX_K8S_SOURCE_IN_CLUSTER;

        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "kubeconfig") == 0) {

        if (n < 3) {
            return "needs the name of a kubeconfig file";
        }

        kcf->source.type = NGX_K8S_SOURCE_KUBECONFIG;

        if (n == 4) {
            kcf->source.context = value[3];
        }

    } else if (ngx_strcmp(value[1].data, "manifests") == 0) {

        if (n != 3) {
            return "needs one folder of manifests";
        }

        kcf->source.type = NGX_K8S_SOURCE_MANIFESTS;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown source \"%V\", write \"source "
                           "in_cluster\", \"source kubeconfig FILE "
                           "[CONTEXT]\" or \"source manifests FOLDER\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    kcf->source.path = value[2];

    if (ngx_conf_full_name(cf->cycle, &kcf->source.path, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_k8s_conf_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_k8s_conf_t *kcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (kcf->zone_size) {
        return "is duplicate";
    }

    value = cf->args->elts;
    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size \"%V\" in \"zone\" directive, write "
                           "a number of bytes, as in \"zone 64m;\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    if (size < NGX_K8S_ZONE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "size \"%V\" in \"zone\" directive is too small, "
                           "the least is 1m", &value[1]);
        return NGX_CONF_ERROR;
    }

    if ((uint64_t) size > NGX_K8S_ZONE_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "size \"%V\" in \"zone\" directive is too large, "
                           "the most is 16g", &value[1]);
        return NGX_CONF_ERROR;
    }

    kcf->zone_size = size;

    return NGX_CONF_OK;
}


/* "namespace/name", and ":port" where cmd->post, how it is written, has one */

static char *
ngx_k8s_conf_object(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    u_char      *last, *slash, *colon;
    ngx_int_t    port;
    ngx_str_t   *value, *field, ns, name;

    field = (ngx_str_t *) (p + cmd->offset);

    if (field->data) {
        return "is duplicate";
    }

    value = cf->args->elts;
    last = value[1].data + value[1].len;

    slash = ngx_strlchr(value[1].data, last, '/');

    if (slash == NULL) {
        goto invalid;
    }

    ns.data = value[1].data;
    ns.len = slash - ns.data;

    name.data = slash + 1;
    colon = ngx_strchr(cmd->post, ':') ? ngx_strlchr(name.data, last, ':')
                                       : NULL;
    name.len = (colon ? colon : last) - name.data;

    if (ngx_k8s_dns_label(&ns) != NGX_OK
        || ngx_k8s_dns_subdomain(&name) != NGX_OK)
    {
        goto invalid;
    }

    if (colon) {
        name.data = colon + 1;
        name.len = last - name.data;

        port = ngx_atoi(name.data, name.len);

        if (port == NGX_ERROR ? ngx_k8s_dns_label(&name) != NGX_OK
                              : (port < 1 || port > 65535))
        {
            goto invalid;
        }
    }

    *field = value[1];

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive, write %s",
                       &value[1], &cmd->name, cmd->post);
    return NGX_CONF_ERROR;
}


static char *
ngx_k8s_conf_text(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_str_t  *value, *field;

    field = (ngx_str_t *) (p + cmd->offset);

    if (field->data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0 || value[1].len > 253) {
        return "needs a name of 1 to 253 characters";
    }

    *field = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_k8s_conf_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_k8s_conf_t *kcf = conf;

    ssize_t      size;
    ngx_int_t    n;
    ngx_str_t   *value, s;
    ngx_uint_t   i;

    if (kcf->compile.limit_routes || kcf->compile.limit_bytes) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strncmp(value[i].data, "routes=", 7) == 0) {
            n = ngx_atoi(value[i].data + 7, value[i].len - 7);

            if (n == NGX_ERROR || n == 0) {
                goto invalid;
            }

            kcf->compile.limit_routes = n;
            continue;
        }

        if (ngx_strncmp(value[i].data, "bytes=", 6) == 0) {
            s.data = value[i].data + 6;
            s.len = value[i].len - 6;
            size = ngx_parse_size(&s);

            if (size == NGX_ERROR || size == 0) {
                goto invalid;
            }

            kcf->compile.limit_bytes = size;
            continue;
        }

        goto invalid;
    }

    return NGX_CONF_OK;

invalid:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"namespace_limit\" "
                       "directive, write routes=NUMBER or bytes=SIZE, above 0",
                       &value[i]);
    return NGX_CONF_ERROR;
}


static char *
ngx_k8s_conf_ownership(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_k8s_conf_t *kcf = conf;

    ngx_str_t  *value;

    if (kcf->compile.ownership != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "shared") == 0) {

        if (cf->args->nelts != 2) {
            return "has too many arguments";
        }

        kcf->compile.ownership = 0;

        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "namespace") != 0
        || (cf->args->nelts == 3 && ngx_strcmp(value[2].data, "acme") != 0))
    {
        return "has an invalid value";
    }

    kcf->compile.ownership = 1;
    kcf->compile.acme = (cf->args->nelts == 3);

    return NGX_CONF_OK;
}


static char *
ngx_k8s_conf_healthz(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_k8s_conf_t *kcf = conf;

    ngx_str_t  *value;

    if (kcf->healthz.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        ngx_str_set(&kcf->healthz, "");
        return NGX_CONF_OK;
    }

    if (value[1].len == 0 || value[1].data[0] != '/') {
        return "needs a path that begins with \"/\", or \"off\"";
    }

    kcf->healthz = value[1];

    return NGX_CONF_OK;
}
