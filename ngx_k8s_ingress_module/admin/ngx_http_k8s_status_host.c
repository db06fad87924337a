
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* /status: hosts, their paths, and what each path does */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_policy.h>
#include <ngx_http_k8s_ssl.h>
#include <ngx_http_k8s_status.h>


static ngx_uint_t ngx_http_k8s_status_next(ngx_http_k8s_admin_t *a,
    ngx_k8s_host_t *part);
static void ngx_http_k8s_status_paths(ngx_http_k8s_admin_t *a,
    ngx_k8s_host_t *part, ngx_uint_t first, ngx_uint_t n);
static void ngx_http_k8s_status_host_head(ngx_http_k8s_admin_t *a,
    ngx_k8s_host_t *rec);
static void ngx_http_k8s_status_regex(ngx_http_k8s_admin_t *a,
    ngx_k8s_host_t *rec);
static ngx_uint_t ngx_http_k8s_status_ours(ngx_http_k8s_admin_t *a,
    ngx_k8s_host_t *rec, ngx_uint_t first, ngx_uint_t n);
static void ngx_http_k8s_status_path(ngx_http_k8s_admin_t *a,
    ngx_k8s_host_t *rec, ngx_k8s_path_t *path);
static void ngx_http_k8s_status_match(ngx_http_k8s_admin_t *a,
    ngx_k8s_host_t *rec, ngx_k8s_match_t *match);
static void ngx_http_k8s_status_predicates(ngx_http_k8s_admin_t *a,
    ngx_k8s_host_t *rec, ngx_k8s_match_t *match);
static void ngx_http_k8s_status_action(ngx_http_k8s_admin_t *a,
    ngx_k8s_host_t *rec, ngx_k8s_action_t *action);
static void ngx_http_k8s_status_backends(ngx_http_k8s_admin_t *a,
    ngx_k8s_host_t *rec, ngx_k8s_action_t *action);
static void ngx_http_k8s_status_closed(ngx_http_k8s_admin_t *a,
    ngx_k8s_policy_t *policy, ngx_k8s_action_t *action);
static void ngx_http_k8s_status_seen(ngx_http_k8s_admin_t *a,
    ngx_array_t *slots, uint32_t slot);
static void ngx_http_k8s_status_name(ngx_http_k8s_admin_t *a,
    ngx_str_t *name, ngx_uint_t wildcard);


ngx_int_t
ngx_http_k8s_status_host(ngx_http_k8s_admin_t *a)
{
    ngx_uint_t           n, ours;
    ngx_k8s_host_t      *rec, *shard;
    ngx_k8s_match_t     *match;
    ngx_k8s_slot_ref_t  *ref;

    rec = a->record;
    match = ngx_k8s_record_at(rec, rec->matches.offset);

    if (a->item == 0 && a->shard == 0 && a->namespace.len == 0) {
        ngx_http_k8s_status_host_head(a, rec);
    }

    if (a->item < rec->paths.n) {
        n = ngx_min(rec->paths.n - a->item, NGX_HTTP_K8S_STATUS_ITEMS);

        ngx_http_k8s_status_paths(a, rec, a->item, n);
        a->item += n;

        if (a->item < rec->paths.n || rec->shards.n) {
            return NGX_AGAIN;
        }
    }

    /* a shard is short; one that has gone is not shown */

    if (a->shard < rec->shards.n) {
        ref = ngx_k8s_record_at(rec, rec->shards.offset);

        shard = ngx_k8s_slot_record_gen(a->table, NGX_K8S_INDEX_PATHS,
                                        ref[a->shard].slot,
                                        ref[a->shard].generation);
        if (shard) {
            ngx_http_k8s_status_paths(a, shard, 0, shard->paths.n);
        }

        if (++a->shard < rec->shards.n) {
            return NGX_AGAIN;
        }
    }

    ours = (rec->fallback < rec->matches.n
            && ngx_http_k8s_status_ours(a, rec, rec->fallback, 1));

    if (ours && !a->opened) {
        ngx_http_k8s_status_host_head(a, rec);
    }

    if (a->opened) {
        ngx_http_k8s_puts(a, "]");

        if (ours) {
            ngx_http_k8s_puts(a, ",\"default\":");
            ngx_http_k8s_status_match(a, rec, &match[rec->fallback]);
        }

        ngx_http_k8s_puts(a, "}");
    }

    return NGX_OK;
}


/*
 * Paths of a host record or of a shard.  Shards follow each other by the hash
 * of their paths, so in this order the same is written for any number of them.
 */

static void
ngx_http_k8s_status_paths(ngx_http_k8s_admin_t *a, ngx_k8s_host_t *part,
    ngx_uint_t first, ngx_uint_t n)
{
    ngx_uint_t       i;
    ngx_k8s_path_t  *path;

    if (first == 0) {
        a->order = 0;
    }

    for (i = first; i < first + n; i++) {

        path = ngx_k8s_record_at(part, part->paths.offset);
        path += a->canonical ? ngx_http_k8s_status_next(a, part) : i;

        if (!ngx_http_k8s_status_ours(a, part, path->match, path->nmatches)) {
            continue;
        }

        if (!a->opened) {
            ngx_http_k8s_status_host_head(a, a->record);
        }

        if (a->listed) {
            ngx_http_k8s_puts(a, ",");
        }

        a->listed = 1;

        ngx_http_k8s_status_path(a, part, path);
    }
}


/* the path behind the last one by hash; expressions are first, as they are */

static ngx_uint_t
ngx_http_k8s_status_next(ngx_http_k8s_admin_t *a, ngx_k8s_host_t *part)
{
    uint64_t         key, next;
    ngx_uint_t       i;
    ngx_k8s_path_t  *path;

    path = ngx_k8s_record_at(part, part->paths.offset);
    next = (uint64_t) -1;

    for (i = 0; i < part->paths.n; i++) {

        key = (path[i].type == NGX_K8S_PATH_REGEX) ? 0 : path[i].hash;
        key = key << 32 | i;

        if (key >= a->order && key < next) {
            next = key;
        }
    }

    a->order = next + 1;

    return (uint32_t) next;
}


static void
ngx_http_k8s_status_host_head(ngx_http_k8s_admin_t *a, ngx_k8s_host_t *rec)
{
    ngx_k8s_slot_ref_t          *refs;
    ngx_str_t               name;
    ngx_uint_t              i, n;
    ngx_k8s_certificate_t  *cert;

    name = ngx_http_k8s_str(rec, &rec->name);

    ngx_http_k8s_status_open(a);
    ngx_http_k8s_puts(a, "{\"host\":");
    ngx_http_k8s_status_name(a, &name, rec->flags & NGX_K8S_HOST_WILDCARD);
    ngx_http_k8s_printf(a, ",\"route_set\":%uD,\"tls\":%s,\"certificates\":[",
                        rec->route_set,
                        (rec->flags & NGX_K8S_HOST_TLS) ? "true" : "false");

    refs = ngx_k8s_record_at(rec, rec->certificates.offset);
    n = 0;

    for (i = 0; i < rec->certificates.n; i++) {

        cert = ngx_k8s_slot_record_gen(a->table, NGX_K8S_INDEX_CERTIFICATE,
                                       refs[i].slot, refs[i].generation);
        if (cert == NULL) {
            continue;
        }

        if (n++) {
            ngx_http_k8s_puts(a, ",");
        }

        ngx_http_k8s_status_member(a, "{\"namespace\":", cert,
                                   &cert->namespace);
        ngx_http_k8s_status_member(a, ",\"name\":", cert, &cert->name);
        ngx_http_k8s_puts(a, "}");

        ngx_http_k8s_status_seen(a, &a->certificates, refs[i].slot);
    }

    ngx_http_k8s_puts(a, "]");

    ngx_http_k8s_status_regex(a, rec);

    ngx_http_k8s_puts(a, ",\"paths\":[");

    a->opened = 1;
}


/* which object makes all paths of the host regular expressions; of very many
   paths it may not be known */

static void
ngx_http_k8s_status_regex(ngx_http_k8s_admin_t *a, ngx_k8s_host_t *rec)
{
    ngx_uint_t           i;
    ngx_k8s_match_t     *match;
    ngx_k8s_rule_rec_t  *rule;

    match = ngx_k8s_record_at(rec, rec->matches.offset);

    for (i = 0; i < rec->matches.n; i++) {

        if (!(match[i].flags & NGX_K8S_MATCH_REGEX)) {
            continue;
        }

        rule = ngx_k8s_slot_record(a->table, NGX_K8S_INDEX_RULE,
                                   match[i].rule);
        if (rule) {
            ngx_http_k8s_status_member(a, ",\"regex_by\":{\"namespace\":", rule,
                                       &rule->namespace);
            ngx_http_k8s_status_member(a, ",\"ingress\":", rule, &rule->name);
            ngx_http_k8s_puts(a, "}");
        }

        return;
    }
}


/* whether one of the matches is of the namespace that is asked for */

static ngx_uint_t
ngx_http_k8s_status_ours(ngx_http_k8s_admin_t *a, ngx_k8s_host_t *rec,
    ngx_uint_t first, ngx_uint_t n)
{
    ngx_str_t            ns;
    ngx_uint_t           i;
    ngx_k8s_match_t     *match;
    ngx_k8s_rule_rec_t  *rule;

    if (a->namespace.len == 0) {
        return 1;
    }

    match = ngx_k8s_record_at(rec, rec->matches.offset);

    for (i = first; i < first + n && i < rec->matches.n; i++) {

        rule = ngx_k8s_slot_record(a->table, NGX_K8S_INDEX_RULE,
                                   match[i].rule);
        if (rule == NULL) {
            continue;
        }

        ns = ngx_http_k8s_str(rule, &rule->namespace);

        if (ngx_http_k8s_str_eq(&ns, &a->namespace)) {
            return 1;
        }
    }

    return 0;
}


static void
ngx_http_k8s_status_path(ngx_http_k8s_admin_t *a, ngx_k8s_host_t *rec,
    ngx_k8s_path_t *path)
{
    ngx_str_t         text;
    ngx_uint_t        i;
    ngx_k8s_match_t  *match;

    static char  *types[] = { "Exact", "Prefix", "Regex" };

    text = ngx_http_k8s_str(rec, &path->text);

    if (text.len == 0) {
        ngx_str_set(&text, "/");
    }

    ngx_http_k8s_puts(a, "\n  {\"path\":");
    ngx_http_k8s_json(a, &text);
    ngx_http_k8s_printf(a, ",\"type\":\"%s\",\"matches\":[",
                        types[ngx_min(path->type, 2)]);

    match = ngx_k8s_record_at(rec, rec->matches.offset);

    for (i = 0; i < path->nmatches && path->match + i < rec->matches.n; i++) {

        if (i) {
            ngx_http_k8s_puts(a, ",");
        }

        ngx_http_k8s_status_match(a, rec, &match[path->match + i]);
    }

    ngx_http_k8s_puts(a, "]}");
}


static void
ngx_http_k8s_status_match(ngx_http_k8s_admin_t *a, ngx_k8s_host_t *rec,
    ngx_k8s_match_t *match)
{
    ngx_k8s_action_t    *action;
    ngx_k8s_policy_t    *policy;
    ngx_k8s_rule_rec_t  *rule;

    ngx_http_k8s_puts(a, "{");

    rule = ngx_k8s_slot_record(a->table, NGX_K8S_INDEX_RULE, match->rule);

    if (rule) {
        ngx_http_k8s_status_member(a, "\"namespace\":", rule,
                                   &rule->namespace);
        ngx_http_k8s_status_member(a, ",\"ingress\":", rule, &rule->name);
        ngx_http_k8s_status_member(a, ",\"rule\":", rule, &rule->path);
        ngx_http_k8s_puts(a, ",");

        ngx_http_k8s_status_note(a, rule);
    }

    ngx_http_k8s_printf(a, "\"default\":%s%s",
                        (match->flags & NGX_K8S_MATCH_DEFAULT)
                        ? "true" : "false",
                        (match->flags & NGX_K8S_MATCH_TURNED)
                        ? ",\"turned\":true" : "");

    if (match->npredicates) {
        ngx_http_k8s_status_predicates(a, rec, match);
    }

    policy = ngx_k8s_slot_record(a->table, NGX_K8S_INDEX_POLICY,
                                 match->policy);
    if (policy) {
        ngx_http_k8s_puts(a, ",\"policy\":");
        ngx_http_k8s_status_policy_key(a, policy);
        ngx_http_k8s_status_seen(a, &a->policies, match->policy);
    }

    if (match->action < rec->actions.n) {
        action = ngx_k8s_record_at(rec, rec->actions.offset);
        action += match->action;

        ngx_http_k8s_status_closed(a, policy,
                                   (match->flags & NGX_K8S_MATCH_DEFAULT)
                                   ? NULL : action);

        ngx_http_k8s_puts(a, ",\"action\":");
        ngx_http_k8s_status_action(a, rec, action);
    }

    ngx_http_k8s_puts(a, "}");
}


/*
 * What requests get in place of the action, and by which annotation, where that
 * can be told without its problem.  action: of a rule, or NULL.
 */

static void
ngx_http_k8s_status_closed(ngx_http_k8s_admin_t *a, ngx_k8s_policy_t *policy,
    ngx_k8s_action_t *action)
{
    ngx_str_t         *by;
    ngx_uint_t         status;
    ngx_k8s_host_t    *host;
#if (NGX_HTTP_SSL)
    ngx_k8s_policy_t  *tls;

    static ngx_str_t  clients = ngx_string("auth-tls-secret");
#endif

    static ngx_str_t  other = ngx_string("");

    host = a->record;
    status = NGX_HTTP_FORBIDDEN;
    by = (host->flags & NGX_K8S_HOST_CLOSED) ? &other : NULL;

#if (NGX_HTTP_SSL)

    tls = ngx_k8s_slot_record(a->table, NGX_K8S_INDEX_POLICY, host->policy);

    if (by == NULL && tls
        && ngx_http_k8s_ssl_client_closed(a->blocks[a->n], tls))
    {
        by = &clients;
    }

#endif

    if (by == NULL && policy) {
        status = NGX_HTTP_SERVICE_UNAVAILABLE;
        by = ngx_http_k8s_policy_closed(a->blocks[a->n], policy);
    }

    if (by == NULL && action && action->kind == NGX_K8S_ACTION_STATUS) {
        status = action->status;
        by = &other;
    }

    if (by) {
        ngx_http_k8s_printf(a, ",\"closed\":{\"status\":%ui,\"by\":", status);
        ngx_http_k8s_json(a, by);
        ngx_http_k8s_puts(a, "}");
    }
}


static void
ngx_http_k8s_status_predicates(ngx_http_k8s_admin_t *a, ngx_k8s_host_t *rec,
    ngx_k8s_match_t *match)
{
    ngx_uint_t            i;
    ngx_k8s_predicate_t  *p;

    static char  *whats[] = { "method", "header", "query", "tail" };

    p = ngx_k8s_record_at(rec, rec->predicates.offset);

    ngx_http_k8s_puts(a, ",\"predicates\":[");

    for (i = match->predicate;
         i < match->predicate + match->npredicates && i < rec->predicates.n;
         i++)
    {
        ngx_http_k8s_printf(a, "%s{\"what\":\"%s\",\"how\":\"%s\"",
                            (i == match->predicate) ? "" : ",",
                            whats[ngx_min(p[i].what, 3)],
                            (p[i].how == NGX_K8S_PREDICATE_REGEX)
                            ? "regex" : "equal");
        ngx_http_k8s_status_member(a, ",\"name\":", rec, &p[i].name);
        ngx_http_k8s_status_member(a, ",\"value\":", rec, &p[i].value);
        ngx_http_k8s_puts(a, "}");
    }

    ngx_http_k8s_puts(a, "]");
}


static void
ngx_http_k8s_status_action(ngx_http_k8s_admin_t *a, ngx_k8s_host_t *rec,
    ngx_k8s_action_t *action)
{
    ngx_str_t  host;

    static char  *kinds[] = { "keep", "full", "prefix" };

    switch (action->kind) {

    case NGX_K8S_ACTION_STATUS:
        ngx_http_k8s_printf(a, "{\"kind\":\"status\",\"status\":%ud}",
                            (ngx_uint_t) action->status);
        break;

    case NGX_K8S_ACTION_REDIRECT:
        ngx_http_k8s_printf(a, "{\"kind\":\"redirect\",\"status\":%ud"
                            ",\"port\":%ud,\"path_kind\":\"%s\"",
                            (ngx_uint_t) action->status,
                            (ngx_uint_t) action->port,
                            kinds[ngx_min(action->path_kind, 2)]);
        ngx_http_k8s_status_member(a, ",\"scheme\":", rec, &action->scheme);
        ngx_http_k8s_status_member(a, ",\"host\":", rec, &action->host);
        ngx_http_k8s_status_member(a, ",\"path\":", rec, &action->path);
        ngx_http_k8s_puts(a, "}");
        break;

    case NGX_K8S_ACTION_BACKENDS:
        ngx_http_k8s_status_backends(a, rec, action);
        break;

    case NGX_K8S_ACTION_TWIN:
    case NGX_K8S_ACTION_ALIAS:
        ngx_http_k8s_printf(a, "{\"kind\":\"%s\",\"host\":",
                            (action->kind == NGX_K8S_ACTION_TWIN) ? "twin"
                                                                  : "alias");
        host = ngx_http_k8s_str(rec, &action->host);
        ngx_http_k8s_status_name(a, &host, host.len && host.data[0] == '.');
        ngx_http_k8s_puts(a, "}");
        break;

    default: /* NGX_K8S_ACTION_ADD_SLASH */
        ngx_http_k8s_puts(a, "{\"kind\":\"add_slash\"}");
    }
}


static void
ngx_http_k8s_status_backends(ngx_http_k8s_admin_t *a, ngx_k8s_host_t *rec,
    ngx_k8s_action_t *action)
{
    ngx_uint_t              i, n;
    ngx_k8s_backend_rec_t  *backend;
    ngx_k8s_service_rec_t  *service;

    backend = ngx_k8s_record_at(rec, rec->backends.offset);
    n = 0;

    ngx_http_k8s_puts(a, "{\"kind\":\"backends\",\"backends\":[");

    for (i = action->backend;
         i < action->backend + action->nbackends && i < rec->backends.n;
         i++)
    {
        service = ngx_k8s_slot_record_gen(a->table, NGX_K8S_INDEX_SERVICE,
                                          backend[i].service,
                                          backend[i].generation);
        if (service == NULL) {
            continue;
        }

        if (n++) {
            ngx_http_k8s_puts(a, ",");
        }

        ngx_http_k8s_status_member(a, "{\"namespace\":", service,
                                   &service->namespace);
        ngx_http_k8s_status_member(a, ",\"service\":", service,
                                   &service->name);
        ngx_http_k8s_status_member(a, ",\"port\":", service, &service->port);
        ngx_http_k8s_printf(a, ",\"weight\":%uD}", backend[i].weight);

        ngx_http_k8s_status_seen(a, &a->services, backend[i].service);
    }

    ngx_http_k8s_puts(a, "]}");
}


/* notes what a host refers to, when only that is asked for */

static void
ngx_http_k8s_status_seen(ngx_http_k8s_admin_t *a, ngx_array_t *slots,
    uint32_t slot)
{
    uint32_t    *s;
    ngx_uint_t   i;

    if (!a->by_host) {
        return;
    }

    s = slots->elts;

    for (i = 0; i < slots->nelts; i++) {
        if (s[i] == slot) {
            return;
        }
    }

    s = ngx_array_push(slots);

    if (s == NULL) {
        a->failed = 1;
        return;
    }

    *s = slot;
}


/* ".example.com" of the table is "*.example.com" outside */

static void
ngx_http_k8s_status_name(ngx_http_k8s_admin_t *a, ngx_str_t *name,
    ngx_uint_t wildcard)
{
    u_char     buf[258];
    ngx_str_t  s;

    if (!wildcard || name->len > 256) {
        ngx_http_k8s_json(a, name);
        return;
    }

    buf[0] = '*';
    ngx_memcpy(buf + 1, name->data, name->len);

    s.len = name->len + 1;
    s.data = buf;

    ngx_http_k8s_json(a, &s);
}
