
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Asks for the addresses: one request at a time, in rounds.
 */


#include <ngx_k8s_publish.h>


/* milliseconds between two rounds, and the longest time of a request */

#define NGX_K8S_PUBLISH_SERVICE_TIME  10000
#define NGX_K8S_PUBLISH_NODES_TIME    30000
#define NGX_K8S_PUBLISH_FIRST_TIME    2000   /* while there is no address */
#define NGX_K8S_PUBLISH_ASK_TIME      10000

#define NGX_K8S_PUBLISH_PODS          10     /* in one page */
#define NGX_K8S_PUBLISH_NODES_MAX     256

#define NGX_K8S_PUBLISH_GET_SERVICE   0
#define NGX_K8S_PUBLISH_GET_POD       1
#define NGX_K8S_PUBLISH_LIST_PODS     2
#define NGX_K8S_PUBLISH_GET_NODE      3


static void ngx_k8s_publish_timer(ngx_event_t *ev);
static ngx_int_t ngx_k8s_publish_begin(ngx_k8s_publish_t *p);
static void ngx_k8s_publish_end(ngx_k8s_publish_t *p);
static ngx_int_t ngx_k8s_publish_ask(ngx_k8s_publish_t *p);
static void ngx_k8s_publish_done(ngx_k8s_ask_t *ask);
static ngx_int_t ngx_k8s_publish_take(ngx_k8s_publish_t *p, json_t *json);
static ngx_int_t ngx_k8s_publish_pod(ngx_k8s_publish_t *p, json_t *pod);
static ngx_int_t ngx_k8s_publish_pods(ngx_k8s_publish_t *p, json_t *list);
static ngx_uint_t ngx_k8s_publish_ready(json_t *pod);
static ngx_int_t ngx_k8s_publish_result(ngx_k8s_publish_t *p);
static void ngx_k8s_publish_why(ngx_k8s_publish_t *p, ngx_uint_t code,
    ngx_str_t *text);


static char  *ngx_k8s_publish_what[] = {
    "get the Service", "get the Pod of nginx", "list the Pods of nginx",
    "get a node of nginx"
};


void
ngx_k8s_publish_start(ngx_k8s_publish_t *p, ngx_k8s_publish_conf_t *conf,
    ngx_k8s_publish_events_t *events, ngx_k8s_source_t *source,
    ngx_log_t *log)
{
    ngx_memzero(p, sizeof(ngx_k8s_publish_t));

    p->conf = conf;
    p->events = events;
    p->source = source;
    p->log = log;
    p->ident = -1;
    p->started = 1;

    p->timer.handler = ngx_k8s_publish_timer;
    p->timer.data = p;
    p->timer.log = log;
    p->timer.cancelable = 1;

    p->ask.data = p;
    p->ask.done = ngx_k8s_publish_done;

    ngx_add_timer(&p->timer, 1);
}


void
ngx_k8s_publish_stop(ngx_k8s_publish_t *p)
{
    if (!p->started) {
        return;
    }

    p->started = 0;

    if (p->timer.timer_set) {
        ngx_del_timer(&p->timer);
    }

    p->source->unask(&p->ask);

    if (p->pool) {
        ngx_destroy_pool(p->pool);
        p->pool = NULL;
    }

    if (p->status.data) {
        ngx_free(p->status.data);
        ngx_str_null(&p->status);
    }
}


/* a round begins */

static void
ngx_k8s_publish_timer(ngx_event_t *ev)
{
    ngx_uint_t          i;
    ngx_str_t          *given;
    ngx_int_t           rc;
    ngx_k8s_publish_t  *p;

    p = ev->data;

    p->events->enter(p->events->data);

    rc = ngx_k8s_publish_begin(p);

    if (rc == NGX_OK && p->conf->type == NGX_K8S_PUBLISH_GIVEN) {
        given = p->conf->given->elts;

        for (i = 0; i < p->conf->given->nelts && rc == NGX_OK; i++) {
            rc = ngx_k8s_publish_add(&p->addrs, &given[i]);
        }

        if (rc == NGX_OK) {
            rc = ngx_k8s_publish_result(p);
        }

    } else if (rc == NGX_OK) {
        rc = ngx_k8s_publish_ask(p);
    }

    if (rc != NGX_AGAIN) {
        ngx_k8s_publish_end(p);
    }

    p->events->leave(p->events->data);
}


static ngx_int_t
ngx_k8s_publish_begin(ngx_k8s_publish_t *p)
{
    p->pool = ngx_create_pool(1024, p->log);
    if (p->pool == NULL) {
        return NGX_ERROR;
    }

    p->node = 0;
    ngx_str_null(&p->labels);
    ngx_str_null(&p->token);

    p->step = (p->conf->type == NGX_K8S_PUBLISH_SERVICE)
              ? NGX_K8S_PUBLISH_GET_SERVICE : NGX_K8S_PUBLISH_GET_POD;

    if (ngx_array_init(&p->addrs, p->pool, 4, sizeof(ngx_str_t)) != NGX_OK
        || ngx_array_init(&p->nodes, p->pool, 4, sizeof(ngx_str_t)) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* a round ends, whatever has come of it */

static void
ngx_k8s_publish_end(ngx_k8s_publish_t *p)
{
    ngx_msec_t  time;

    if (p->pool) {
        ngx_destroy_pool(p->pool);
        p->pool = NULL;
    }

    if (p->conf->type == NGX_K8S_PUBLISH_GIVEN && p->status.len) {
        return;
    }

    time = (p->conf->type == NGX_K8S_PUBLISH_SERVICE)
           ? NGX_K8S_PUBLISH_SERVICE_TIME : NGX_K8S_PUBLISH_NODES_TIME;

    if (p->status.len == 0 && p->reason_len == 0) {
        time = NGX_K8S_PUBLISH_FIRST_TIME;
    }

    ngx_add_timer(&p->timer, time);
}


/* the request of this step: NGX_AGAIN, its answer is waited for; NGX_ERROR */

static ngx_int_t
ngx_k8s_publish_ask(ngx_k8s_publish_t *p)
{
    u_char             *path, *end;
    size_t              len;
    ngx_str_t          *node;
    ngx_k8s_request_t   req;

    ngx_memzero(&req, sizeof(ngx_k8s_request_t));

    req.accept = "Accept: application/json";
    node = p->nodes.elts;

    if (p->step == NGX_K8S_PUBLISH_GET_SERVICE) {
        req.kind = NGX_K8S_SERVICE;
        req.namespace = p->conf->namespace;
        req.name = p->conf->name;

    } else {
        len = sizeof("/api/v1/namespaces//pods?limit=&labelSelector="
                     "&continue=") + NGX_INT_T_LEN
              + p->conf->namespace.len + p->conf->name.len
              + 3 * (p->labels.len + p->token.len) + 254;

        path = ngx_pnalloc(p->pool, len);
        if (path == NULL) {
            return NGX_ERROR;
        }

        if (p->step == NGX_K8S_PUBLISH_GET_NODE) {
            end = ngx_sprintf(path, "/api/v1/nodes/%V", &node[p->node]);

        } else {
            end = ngx_sprintf(path, "/api/v1/namespaces/%V/pods",
                              &p->conf->namespace);
        }

        if (p->step == NGX_K8S_PUBLISH_GET_POD) {
            end = ngx_sprintf(end, "/%V", &p->conf->name);
        }

        if (p->step == NGX_K8S_PUBLISH_LIST_PODS) {
            end = ngx_sprintf(end, "?limit=%d&labelSelector=",
                              NGX_K8S_PUBLISH_PODS);
            end = (u_char *) ngx_escape_uri(end, p->labels.data, p->labels.len,
                                            NGX_ESCAPE_URI_COMPONENT);

            if (p->token.len) {
                end = ngx_sprintf(end, "&continue=");
                end = (u_char *) ngx_escape_uri(end, p->token.data,
                                                p->token.len,
                                                NGX_ESCAPE_URI_COMPONENT);
            }
        }

        *end = '\0';
        req.path = (char *) path;
    }

    return p->source->ask(p->source, &req, NGX_K8S_PUBLISH_ASK_TIME, &p->ask)
           == NGX_OK ? NGX_AGAIN : NGX_ERROR;
}


static void
ngx_k8s_publish_done(ngx_k8s_ask_t *ask)
{
    json_t             *json;
    ngx_int_t           rc;
    ngx_k8s_publish_t  *p;

    p = ask->data;

    if (ask->status != 200) {

        /* a node that has gone has no address */

        if (ask->status == 404 && p->step == NGX_K8S_PUBLISH_GET_NODE) {
            rc = ngx_k8s_publish_take(p, NULL);

        } else {
            ngx_k8s_publish_why(p, ask->status, &ask->text);
            rc = NGX_ERROR;
        }

    } else {
        json = json_loadb((char *) ask->text.data, ask->text.len,
                          JSON_ALLOW_NUL, NULL);

        rc = json ? ngx_k8s_publish_take(p, json) : NGX_ERROR;

        json_decref(json);
    }

    if (rc == NGX_OK) {
        rc = ngx_k8s_publish_ask(p);
    }

    if (rc != NGX_AGAIN) {
        ngx_k8s_publish_end(p);
    }
}


/* NGX_OK: the next step is set; NGX_DONE: the round is over */

static ngx_int_t
ngx_k8s_publish_take(ngx_k8s_publish_t *p, json_t *json)
{
    ngx_int_t  rc;

    rc = NGX_OK;

    switch (p->step) {

    case NGX_K8S_PUBLISH_GET_SERVICE:

        rc = ngx_k8s_publish_service(json, &p->addrs);
        return (rc == NGX_OK) ? ngx_k8s_publish_result(p) : rc;

    case NGX_K8S_PUBLISH_GET_POD:

        p->step = NGX_K8S_PUBLISH_LIST_PODS;
        return ngx_k8s_publish_pod(p, json);

    case NGX_K8S_PUBLISH_LIST_PODS:

        rc = ngx_k8s_publish_pods(p, json);

        if (rc != NGX_OK || p->token.len) {
            return rc;
        }

        p->step = NGX_K8S_PUBLISH_GET_NODE;
        break;

    default:

        if (json) {
            rc = ngx_k8s_publish_node(json,
                                      p->conf->type
                                      == NGX_K8S_PUBLISH_INTERNAL, &p->addrs);
        }

        p->node++;
    }

    if (rc == NGX_OK && p->node == p->nodes.nelts) {
        return ngx_k8s_publish_result(p);
    }

    return rc;
}


/* Pods with all labels of ours, but for those that tell versions apart */

static ngx_int_t
ngx_k8s_publish_pod(ngx_k8s_publish_t *p, json_t *pod)
{
    size_t       len;
    json_t      *labels, *value;
    u_char      *last;
    const char  *key;

    labels = json_object_get(json_object_get(pod, "metadata"), "labels");
    len = 0;

    json_object_foreach(labels, key, value) {
        len += ngx_strlen(key) + json_string_length(value) + 2;
    }

    last = ngx_pnalloc(p->pool, len + 1);
    if (last == NULL) {
        return NGX_ERROR;
    }

    p->labels.data = last;

    json_object_foreach(labels, key, value) {

        if (!json_is_string(value)
            || ngx_strcmp(key, "pod-template-hash") == 0
            || ngx_strcmp(key, "controller-revision-hash") == 0
            || ngx_strcmp(key, "pod-template-generation") == 0)
        {
            continue;
        }

        last = ngx_sprintf(last, "%s%s=%s", last == p->labels.data ? "" : ",",
                           key, json_string_value(value));
    }

    p->labels.len = last - p->labels.data;

    if (p->labels.len == 0) {

        /* it would select all Pods */

        ngx_k8s_publish_why(p, 0, NULL);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_publish_pods(ngx_k8s_publish_t *p, json_t *list)
{
    size_t       i;
    json_t      *pod, *token;
    ngx_str_t    name, *node;
    ngx_uint_t   n;

    json_array_foreach(json_object_get(list, "items"), i, pod) {

        if (!ngx_k8s_publish_ready(pod)
            || p->nodes.nelts == NGX_K8S_PUBLISH_NODES_MAX)
        {
            continue;
        }

        pod = json_object_get(json_object_get(pod, "spec"), "nodeName");

        name.data = (u_char *) json_string_value(pod);
        name.len = json_string_length(pod);

        if (name.len == 0 || ngx_k8s_dns_subdomain(&name) != NGX_OK) {
            continue;
        }

        node = p->nodes.elts;

        for (n = 0; n < p->nodes.nelts; n++) {
            if (node[n].len == name.len
                && ngx_memcmp(node[n].data, name.data, name.len) == 0)
            {
                break;
            }
        }

        if (n < p->nodes.nelts) {
            continue;
        }

        node = ngx_array_push(&p->nodes);
        if (node == NULL) {
            return NGX_ERROR;
        }

        node->len = name.len;
        node->data = ngx_pstrdup(p->pool, &name);

        if (node->data == NULL) {
            return NGX_ERROR;
        }
    }

    token = json_object_get(json_object_get(list, "metadata"), "continue");

    name.data = (u_char *) json_string_value(token);
    name.len = json_string_length(token);

    ngx_str_null(&p->token);

    if (name.len) {
        p->token.len = name.len;
        p->token.data = ngx_pstrdup(p->pool, &name);

        if (p->token.data == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_k8s_publish_ready(json_t *pod)
{
    size_t       i;
    json_t      *status, *entry;
    const char  *s;

    status = json_object_get(pod, "status");
    s = json_string_value(json_object_get(status, "phase"));

    if (s == NULL || ngx_strcmp(s, "Running") != 0) {
        return 0;
    }

    json_array_foreach(json_object_get(status, "conditions"), i, entry) {
        s = json_string_value(json_object_get(entry, "type"));

        if (s == NULL || ngx_strcmp(s, "Ready") != 0) {
            continue;
        }

        s = json_string_value(json_object_get(entry, "status"));

        return s && ngx_strcmp(s, "True") == 0;
    }

    return 0;
}


/* an address is never withdrawn because none is found */

static ngx_int_t
ngx_k8s_publish_result(ngx_k8s_publish_t *p)
{
    ngx_str_t  status;

    if (p->addrs.nelts == 0) {
        ngx_k8s_publish_why(p, 200, NULL);
        return NGX_DONE;
    }

    if (ngx_k8s_publish_status(&p->addrs, &status, p->log) != NGX_OK) {
        return NGX_ERROR;
    }

    if (status.len == p->status.len
        && ngx_memcmp(status.data, p->status.data, status.len) == 0)
    {
        ngx_free(status.data);

        if (p->reason_len) {
            p->reason_len = 0;
            p->events->changed(p->events->data);
        }

        return NGX_DONE;
    }

    if (p->status.data) {
        ngx_free(p->status.data);
    }

    p->status = status;
    p->naddrs = p->addrs.nelts;
    p->reason_len = 0;

    p->events->changed(p->events->data);

    return NGX_DONE;
}


/* an outage is no reason: the API client says so itself */

static void
ngx_k8s_publish_why(ngx_k8s_publish_t *p, ngx_uint_t code, ngx_str_t *text)
{
    size_t            len;
    u_char           *last, reason[NGX_K8S_PUBLISH_REASON];
    ngx_str_t        *name;
    ngx_k8s_status_t  st;

    last = reason + NGX_K8S_PUBLISH_REASON;
    name = &p->conf->name;

    if (text) {

        if (code < 400 || code >= 500 || code == 401 || code == 408
            || code == 429)
        {
            return;
        }

        ngx_k8s_api_status(text->data, text->len, &st);

        len = ngx_slprintf(reason, last, "to %s (%V/%V) is answered with "
                           "%ui%s%*s", ngx_k8s_publish_what[p->step],
                           &p->conf->namespace, name, code,
                           st.len ? ": " : "", st.len, st.message)
              - reason;

    } else if (code == 0) {
        len = ngx_slprintf(reason, last, "Pod \"%V/%V\" has no labels by which "
                           "others of its kind are found", &p->conf->namespace,
                           name)
              - reason;

    } else {
        len = ngx_slprintf(reason, last, "%s \"%V/%V\" has no address",
                           p->conf->type == NGX_K8S_PUBLISH_SERVICE
                           ? "Service" : "no node of a ready Pod like",
                           &p->conf->namespace, name)
              - reason;
    }

    if (len == p->reason_len && ngx_memcmp(reason, p->reason, len) == 0) {
        return;
    }

    ngx_memcpy(p->reason, reason, len);
    p->reason_len = len;

    p->events->changed(p->events->data);
}
