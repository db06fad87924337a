
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>
#include <ngx_k8s_snippet.h>


/* of a value, and of one that says who may pass */
#define NGX_K8S_VALUE_MAX            16384
#define NGX_K8S_GUARD_MAX            131072

/* unknown names of one object that are compared with all known ones */
#define NGX_K8S_NEAREST_MAX          16


typedef struct {
    ngx_k8s_values_t        *values;
    ngx_str_t               *namespace;
    ngx_k8s_gate_t          *gate;       /* NULL: of keys */
    ngx_uint_t               class;      /* of those of a class */
    ngx_k8s_running_pt       running;    /* NULL: nothing is known */
    ngx_k8s_say_pt           say;
    void                    *data;
    ngx_uint_t               rows;       /* NGX_K8S_ROW_*: which are meant, */
    ngx_uint_t               later;      /* and not served yet */
    ngx_array_t             *texts;      /* ngx_keyval_t, all of them */
    ngx_uint_t               nearest;
    ngx_str_t                prefix;     /* a wrong one, which is said once */
} ngx_k8s_annotations_t;


static ngx_int_t ngx_k8s_annotations_read(ngx_k8s_annotations_t *a,
    ngx_pool_t *pool, ngx_array_t *texts);
static ngx_int_t ngx_k8s_annotation(ngx_k8s_annotations_t *a,
    ngx_keyval_t *kv);
static ngx_int_t ngx_k8s_annotation_all(ngx_k8s_annotations_t *a,
    ngx_str_t *why);
static ngx_int_t ngx_k8s_annotation_empty(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row);
static ngx_int_t ngx_k8s_annotation_canary(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row);
static ngx_uint_t ngx_k8s_annotation_ours(ngx_k8s_gate_t *gate,
    ngx_str_t *key, ngx_str_t *name);
static ngx_int_t ngx_k8s_annotation_other(ngx_k8s_annotations_t *a,
    ngx_keyval_t *kv);
static ngx_uint_t ngx_k8s_annotation_like(ngx_str_t *prefix);
static ngx_uint_t ngx_k8s_annotation_bare(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_str_t *name);
static ngx_int_t ngx_k8s_annotation_unknown(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_str_t *name);
static ngx_str_t *ngx_k8s_annotation_nearest(ngx_k8s_annotations_t *a,
    ngx_str_t *name, ngx_uint_t rows);
static ngx_uint_t ngx_k8s_annotation_needs(ngx_k8s_annotations_t *a,
    ngx_k8s_row_t *row);
static ngx_uint_t ngx_k8s_annotation_bad(ngx_k8s_annotations_t *a,
    ngx_str_t *name);
static ngx_int_t ngx_k8s_annotation_row(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *text);
static ngx_int_t ngx_k8s_annotation_snippet(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *text);
static ngx_int_t ngx_k8s_annotation_invalid(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *why);
static ngx_int_t ngx_k8s_annotation_take(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *text);
static ngx_int_t ngx_k8s_annotation_whole(ngx_k8s_annotations_t *a,
    ngx_str_t *value);
static ngx_int_t ngx_k8s_annotation_literal(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *text);
static ngx_int_t ngx_k8s_annotation_nginx(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *text);
static void ngx_k8s_annotations_refuse(ngx_k8s_values_t *values);
static char *ngx_k8s_annotation_long(ngx_k8s_row_t *row, ngx_str_t *value);
static ngx_int_t ngx_k8s_annotations_effect(ngx_k8s_annotations_t *a);
static ngx_int_t ngx_k8s_annotations_users(ngx_k8s_annotations_t *a);
static ngx_int_t ngx_k8s_annotation_unless(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *value);
static ngx_int_t ngx_k8s_annotation_close(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *why, ngx_str_t *remedy);
static ngx_int_t ngx_cdecl ngx_k8s_annotation_say(ngx_k8s_annotations_t *a,
    ngx_uint_t what, ngx_str_t *name, ngx_str_t *remedy, const char *fmt, ...);


static ngx_str_t  ngx_k8s_no_remedy = ngx_null_string;
static ngx_str_t  ngx_k8s_later_remedy =
    ngx_string("Take it out where it does not protect, or wait for a version "
               "that serves it.");


ngx_int_t
ngx_k8s_annotations(ngx_k8s_values_t *values, ngx_pool_t *pool,
    ngx_str_t *namespace, ngx_array_t *annotations, ngx_k8s_gate_t *gate,
    ngx_k8s_say_pt say, void *data)
{
    ngx_k8s_annotations_t  a;

    a.values = values;
    a.namespace = namespace;
    a.gate = gate;
    a.class = 0;
    a.running = NULL;
    a.say = say;
    a.data = data;
    a.rows = NGX_K8S_ROW_ANNOTATION;
    a.later = NGX_K8S_ROW_LATER;

    return ngx_k8s_annotations_read(&a, pool, annotations);
}


ngx_int_t
ngx_k8s_keys(ngx_k8s_values_t *values, ngx_pool_t *pool, ngx_array_t *data,
    ngx_uint_t class, ngx_k8s_running_pt running, ngx_k8s_say_pt say,
    void *context)
{
    ngx_k8s_annotations_t  a;

    static ngx_str_t  none = ngx_null_string;

    a.values = values;
    a.namespace = &none;
    a.gate = NULL;
    a.class = class;
    a.running = running;
    a.say = say;
    a.data = context;
    a.rows = NGX_K8S_ROW_KEY;
    a.later = NGX_K8S_ROW_LATER|NGX_K8S_ROW_KEY_LATER;

    return ngx_k8s_annotations_read(&a, pool, data);
}


static ngx_int_t
ngx_k8s_annotations_read(ngx_k8s_annotations_t *a, ngx_pool_t *pool,
    ngx_array_t *texts)
{
    ngx_uint_t         i;
    ngx_keyval_t      *kv;
    ngx_k8s_values_t  *values;

    values = a->values;
    a->texts = texts;
    a->nearest = 0;
    ngx_str_null(&a->prefix);

    ngx_memzero(values, sizeof(ngx_k8s_values_t));
    values->handshake = (a->gate == NULL);

    if (texts == NULL || texts->nelts == 0) {
        return NGX_OK;
    }

    if (ngx_array_init(&values->values, pool, 4, sizeof(ngx_k8s_value_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    kv = texts->elts;

    for (i = 0; i < texts->nelts; i++) {
        if (ngx_k8s_annotation(a, &kv[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_qsort(values->values.elts, values->values.nelts,
              sizeof(ngx_k8s_value_t), ngx_k8s_value_cmp);

    /* nothing of what is refused counts, so nothing in it is missed */

    if (!values->refused
        && (ngx_k8s_annotations_effect(a) != NGX_OK
            || ngx_k8s_annotations_users(a) != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (values->refused || values->canary) {
        ngx_k8s_annotations_refuse(values);
        return NGX_OK;
    }

    return ngx_k8s_values_digest(values, a->namespace, pool->log);
}


/* what is no canary would take the paths of others */

static void
ngx_k8s_annotations_refuse(ngx_k8s_values_t *values)
{
    ngx_k8s_value_t  *value, *first;

    static ngx_str_t  canary = ngx_string("canary");

    value = ngx_k8s_values_find(values, &canary);
    first = values->values.elts;

    values->values.nelts = (value != NULL);

    if (value) {
        *first = *value;
    }
}


static ngx_int_t
ngx_k8s_annotation(ngx_k8s_annotations_t *a, ngx_keyval_t *kv)
{
    u_char          buf[2 * NGX_K8S_SHOWN_MAX], *end;
    ngx_str_t       name, value;
    ngx_k8s_row_t  *row;

    name = kv->key;

    if (name.len == 0 && ngx_k8s_unread(&kv->value)) {
        return ngx_k8s_annotation_all(a, &kv->value);
    }

    if (a->gate && !ngx_k8s_annotation_ours(a->gate, &kv->key, &name)) {
        return ngx_k8s_annotation_other(a, kv);
    }

    row = ngx_k8s_row(&name, a->rows);

    end = a->gate ? ngx_k8s_gate_why(buf, sizeof(buf), a->gate, row, &name,
                                     &kv->value)
                  : NULL;
    if (end) {
        a->values->refused = 1;

        if (row && (row->flags & NGX_K8S_ROW_CANARY)
            && ngx_k8s_annotation_canary(a, &kv->key, row) != NGX_OK)
        {
            return NGX_ERROR;
        }

        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_CLOSED, &kv->key,
                                      &ngx_k8s_no_remedy, "%*s, so the "
                                      "Ingress is not served: its paths answer "
                                      "404", end - buf, buf);
    }

    if (row == NULL) {
        return ngx_k8s_annotation_unknown(a, &kv->key, &name);
    }

    value = kv->value;
    ngx_k8s_trim(&value);

    /* an empty list of addresses closes, as it does in ingress-nginx; one of
       paths is none, in place of the default */

    if (value.len == 0
        && !(row->flags & NGX_K8S_ROW_PARTS)
        && row->grammar != &ngx_k8s_grammar_texts
        && row->grammar != &ngx_k8s_grammar_risk
        && !(a->gate && (row->flags & NGX_K8S_ROW_CLOSES_ROUTE)
             && row->grammar == &ngx_k8s_grammar_cidrs))
    {
        return ngx_k8s_annotation_empty(a, &kv->key, row);
    }

    if (ngx_k8s_list(row->grammar)
        && !ngx_k8s_unread(&value)
        && ngx_k8s_list_line(row->grammar, &value, a->values->values.pool)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_k8s_annotation_row(a, &kv->key, row, &value);
}


/* whatever protects may be there */

static ngx_int_t
ngx_k8s_annotation_all(ngx_k8s_annotations_t *a, ngx_str_t *why)
{
    ngx_str_t  name, text;

    static ngx_str_t  remedy = ngx_string("Write names and values there, each "
                                          "value in quotes.");

    a->values->close_route = 1;
    a->values->close_host = (a->gate != NULL);

    ngx_str_set(&name, "");

    text.data = why->data + 1;
    text.len = why->len - 1;

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_CLOSED, &name, &remedy,
                                  "it %V, so what protects is not known: %s "
                                  "are closed", &text,
                                  a->gate ? "the hosts of the Ingress"
                                  : a->class ? "paths of all Ingresses of the "
                                               "class"
                                             : "paths of all Ingresses");
}


static ngx_int_t
ngx_k8s_annotation_empty(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row)
{
    if (!(row->flags & (NGX_K8S_ROW_CLOSES_ROUTE|NGX_K8S_ROW_CLOSES_HOST))) {
        return NGX_OK;
    }

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_NO_EFFECT, key,
                                  &ngx_k8s_no_remedy, "it is empty, so it "
                                  "protects nothing, as if it was not there");
}


/* one of which it cannot be read whether it is a canary takes nobody's path */

static ngx_int_t
ngx_k8s_annotation_canary(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row)
{
    static ngx_str_t  yes = ngx_string("true");

    a->values->canary = 1;

    return ngx_k8s_annotation_take(a, key, row, &yes);
}


static ngx_uint_t
ngx_k8s_annotation_ours(ngx_k8s_gate_t *gate, ngx_str_t *key, ngx_str_t *name)
{
    size_t  len;

    len = gate->prefix.len;

    if (key->len <= len + 1 || key->data[len] != '/'
        || ngx_strncmp(key->data, gate->prefix.data, len) != 0)
    {
        return 0;
    }

    name->len = key->len - len - 1;
    name->data = key->data + len + 1;

    return 1;
}


/* a known name behind a prefix that looks like ours, or another controller's */

static ngx_int_t
ngx_k8s_annotation_other(ngx_k8s_annotations_t *a, ngx_keyval_t *kv)
{
    u_char     *slash, buf[2 * NGX_K8S_SHOWN_MAX];
    ngx_str_t   name, prefix, remedy, *key;

    key = &kv->key;

    if (ngx_k8s_unread(&kv->value)) {
        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key,
                                      &ngx_k8s_no_remedy, "it %*s",
                                      ngx_min(kv->value.len - 1,
                                              NGX_K8S_SHOWN_MAX),
                                      kv->value.data + 1);
    }

    if (ngx_k8s_name_foreign(key, buf, sizeof(buf), &remedy)) {
        return ngx_k8s_name_protects(&remedy)
               ? ngx_k8s_annotation_say(a, NGX_K8S_SAY_UNKNOWN, key, &remedy,
                                        "another controller reads it, so it "
                                        "protects nothing here")
               : ngx_k8s_annotation_say(a, NGX_K8S_SAY_FOREIGN, key, &remedy,
                                        "another controller reads it");
    }

    slash = ngx_strlchr(key->data, key->data + key->len, '/');

    prefix.data = key->data;
    prefix.len = slash ? slash - key->data : 0;

    if (slash) {
        if (ngx_strlcasestrn(key->data, slash, (u_char *) "ingress", 7 - 1)
            == NULL
            && !ngx_k8s_name_near(&a->gate->prefix, &prefix)
            && !ngx_k8s_annotation_like(&prefix))
        {
            return NGX_OK;
        }

        name.data = slash + 1;
        name.len = key->data + key->len - name.data;

        /* the prefix twice, or two slashes */

        while ((slash = ngx_strlchr(name.data, name.data + name.len, '/'))) {
            name.len -= slash + 1 - name.data;
            name.data = slash + 1;
        }

    } else if (!ngx_k8s_annotation_bare(a, key, &name)) {
        return NGX_OK;
    }

    if (ngx_k8s_row(&name, NGX_K8S_ROW_ANNOTATION) == NULL
        || (prefix.len && prefix.len == a->prefix.len
            && ngx_memcmp(prefix.data, a->prefix.data, prefix.len) == 0))
    {
        return NGX_OK;
    }

    a->prefix = prefix;

    remedy.data = buf;
    remedy.len = ngx_snprintf(buf, sizeof(buf), "Use \"%V/%V\".",
                              &a->gate->prefix, &name)
                 - buf;

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_UNKNOWN, key, &remedy,
                                  "only names that begin with \"%V/\" are read",
                                  &a->gate->prefix);
}


/* a prefix with a part of ours left out */

static ngx_uint_t
ngx_k8s_annotation_like(ngx_str_t *prefix)
{
    ngx_str_t  *like;

    static ngx_str_t  likes[] = {
        ngx_string("kubernetes.io"),
        ngx_string("nginx.kubernetes.io"),
        ngx_null_string
    };

    for (like = likes; like->len; like++) {
        if (prefix->len == like->len
            && ngx_strncmp(prefix->data, like->data, like->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* without a prefix, or with a dot behind it; a word alone is somebody else's */

static ngx_uint_t
ngx_k8s_annotation_bare(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_str_t *name)
{
    size_t      len;
    ngx_str_t  *prefix;

    prefix = &a->gate->prefix;
    len = prefix->len + 1;

    *name = *key;

    if (key->len > len && key->data[prefix->len] == '.'
        && ngx_strncmp(key->data, prefix->data, prefix->len) == 0)
    {
        name->data += len;
        name->len -= len;

        return 1;
    }

    return ngx_strlchr(key->data, key->data + key->len, '-') != NULL;
}


static ngx_int_t
ngx_k8s_annotation_unknown(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_str_t *name)
{
    char       *message, *where;
    u_char      buf[NGX_K8S_SHOWN_MAX], *slash;
    ngx_str_t  *instead, remedy, rest;

    where = "";
    message = a->gate ? "there is no such annotation" : "there is no such key";

    instead = ngx_k8s_name_removed(name, 0);

    if (instead) {
        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_UNKNOWN, key, instead,
                                      "%s", message);
    }

    ngx_str_null(&remedy);

    if (ngx_k8s_row(name, NGX_K8S_ROW_KEY|NGX_K8S_ROW_ANNOTATION)) {

        if (a->gate) {
            message = "it is a key of the ConfigMap, not an annotation";
            ngx_str_set(&remedy, "Set it in the controller's ConfigMap, for "
                                 "all Ingresses.");

        } else {
            message = "it is an annotation of Ingresses, not a key";
            ngx_str_set(&remedy, "Set it in the annotations of an Ingress.");
        }

        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_UNKNOWN, key, &remedy,
                                      "%s", message);
    }

    rest = *name;

    while ((slash = ngx_strlchr(rest.data, rest.data + rest.len, '/'))) {
        rest.len -= slash + 1 - rest.data;
        rest.data = slash + 1;
    }

    instead = (rest.len < name->len && ngx_k8s_row(&rest, a->rows))
              ? &rest : ngx_k8s_annotation_nearest(a, name, a->rows);

    if (instead == NULL) {
        where = a->gate ? " It is a key of the ConfigMap." : "";
        instead = ngx_k8s_annotation_nearest(a, name,
                                             a->gate ? NGX_K8S_ROW_KEY
                                                     : NGX_K8S_ROW_ANNOTATION);
    }

    if (instead) {
        remedy.data = buf;
        remedy.len = ngx_snprintf(buf, sizeof(buf), "Did you mean \"%V\"?%s",
                                  instead, where)
                     - buf;

    } else {
        instead = ngx_k8s_name_removed(name, 1);

        if (instead) {
            remedy = *instead;
        }
    }

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_UNKNOWN, key, &remedy, "%s",
                                  message);
}


static ngx_str_t *
ngx_k8s_annotation_nearest(ngx_k8s_annotations_t *a, ngx_str_t *name,
    ngx_uint_t rows)
{
    return (a->nearest++ < NGX_K8S_NEAREST_MAX)
           ? ngx_k8s_name_nearest(name, rows) : NULL;
}


static ngx_int_t
ngx_k8s_annotation_row(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *text)
{
    char           *refused, *strange;
    u_char          buf[6 * NGX_K8S_SHOWN_MAX], put[2 * NGX_K8S_SHOWN_MAX], *p;
    ngx_int_t       rc;
    ngx_str_t       why, remedy, none;
    ngx_uint_t      list;
    ngx_k8s_bad_t   bad;

    if (row->flags & NGX_K8S_ROW_COMPARED) {

        rc = ngx_k8s_annotation_nginx(a, key, row, text);

        if (rc == NGX_DECLINED) {
            return NGX_OK;
        }

        return (rc == NGX_OK && !(row->flags & NGX_K8S_ROW_NOTED))
               ? ngx_k8s_annotation_take(a, key, row, text) : rc;
    }

    if (row->flags & (NGX_K8S_ROW_NOTED|NGX_K8S_ROW_REFUSED)) {
        return ngx_k8s_annotation_say(a, (row->flags & NGX_K8S_ROW_NOTED)
                                         ? NGX_K8S_SAY_NOTED
                                         : NGX_K8S_SAY_REFUSED,
                                      key, &row->note, "it does nothing here");
    }

    if (ngx_k8s_snippet_context(row->grammar)) {
        return ngx_k8s_annotation_snippet(a, key, row, text);
    }

    refused = a->gate ? ngx_k8s_annotation_long(row, text) : NULL;
    strange = "";
    remedy = ngx_k8s_no_remedy;

    list = ngx_k8s_list(row->grammar) & NGX_K8S_LIST_ITEMS;
    bad.n = 0;

    rc = NGX_DECLINED;

    if (refused == NULL && !ngx_k8s_unread(text)) {
        rc = list ? ngx_k8s_list_check(row, a->gate != NULL,
                                       a->values->values.pool, text, &bad)
                  : ngx_k8s_row_check(row, text);
    }

    if (rc == NGX_ABORT) {
        return NGX_ERROR;
    }

    if (rc == NGX_DONE) {
        return NGX_OK;
    }

    if (rc == NGX_OK && a->gate && !a->gate->loose
        && ngx_k8s_row_strange(row, text))
    {
        strange = ", unless nginx.conf has "
                  "\"enable_annotation_validation off;\"";
        rc = NGX_DECLINED;
    }

    if (rc == NGX_OK && a->gate
        && !ngx_k8s_gate_names(a->gate, row, a->namespace, text))
    {
        refused = "it names an object of another namespace, which "
                  "allow-cross-namespace-resources does not allow";
        rc = NGX_DECLINED;

        remedy.data = put;
        remedy.len = ngx_snprintf(put, sizeof(put), "Put the %s into namespace "
                                  "%V and name it alone, or set "
                                  "allow-cross-namespace-resources.",
                                  (row->flags & NGX_K8S_ROW_SECRET)
                                  ? "Secret" : "ConfigMap", a->namespace)
                     - put;
    }

    if (rc == NGX_OK) {
        return (ngx_k8s_annotation_take(a, key, row, text) == NGX_OK)
               ? ngx_k8s_annotation_literal(a, key, row, text) : NGX_ERROR;
    }

    p = refused ? ngx_snprintf(buf, sizeof(buf), "%s", refused)
                : ngx_k8s_row_why(buf, sizeof(buf), row, text, &bad);

    why.data = buf;
    why.len = ngx_slprintf(p, buf + sizeof(buf), "%s", strange) - buf;

    if (row->flags & (NGX_K8S_ROW_CLOSES_ROUTE|NGX_K8S_ROW_CLOSES_HOST)) {
        return ngx_k8s_annotation_close(a, key, row, &why, &remedy);
    }

    if ((row->flags & NGX_K8S_ROW_PARTS)
        || (list && a->gate == NULL && text->len && !ngx_k8s_unread(text)))
    {
        ngx_str_set(&none, "");

        if (ngx_k8s_annotation_take(a, key, row,
                                    (refused || ngx_k8s_unread(text))
                                    ? &none : text)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key,
                                      &ngx_k8s_no_remedy,
                                      "%V, so what is wrong is left out", &why);
    }

    return ngx_k8s_annotation_invalid(a, key, row, &why);
}


/* what cannot be read of it is left out, unless it may protect */

static ngx_int_t
ngx_k8s_annotation_snippet(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *text)
{
    u_char              buf[5 * NGX_K8S_SHOWN_MAX];
    ngx_int_t           rc;
    ngx_str_t           why;
    ngx_pool_t         *pool;
    ngx_k8s_snippet_t   s;

    static ngx_str_t  remedy = ngx_string("Take it out, or have the "
                                          "administrator write it in "
                                          "nginx.conf.");

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, a->values->values.pool->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_k8s_snippet(&s, pool, ngx_k8s_snippet_context(row->grammar),
                         text);

    why.data = buf;
    why.len = (rc == NGX_OK) ? ngx_k8s_snippet_why(buf, sizeof(buf), &s) - buf
                             : 0;

    ngx_destroy_pool(pool);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    if (s.closes) {
        return ngx_k8s_annotation_close(a, key, row, &why, &ngx_k8s_no_remedy);
    }

    if (ngx_k8s_annotation_take(a, key, row, text) != NGX_OK) {
        return NGX_ERROR;
    }

    return s.nerrors ? ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key,
                                              &remedy, "%V, so that is left "
                                              "out", &why)
                     : NGX_OK;
}


/* what holds in place of a value that cannot be read */

static ngx_int_t
ngx_k8s_annotation_invalid(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *why)
{
    char       *whose;
    ngx_str_t   value;

    whose = a->gate ? "" : "controller's ";
    value = row->value;

    if (row->flags & NGX_K8S_ROW_CANARY) {

        if (ngx_k8s_annotation_canary(a, key, row) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key,
                                      &ngx_k8s_no_remedy,
                                      "%V, so the Ingress is taken for a "
                                      "canary, and gets no requests", why);
    }

    if (row->grammar == &ngx_k8s_grammar_risk) {
        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key,
                                      &ngx_k8s_no_remedy,
                                      "%V, so \"Low\" holds", why);
    }

    if ((a->gate || a->class) && (row->flags & NGX_K8S_ROW_KEY)
        && !(row->flags & (NGX_K8S_ROW_LATER|NGX_K8S_ROW_KEY_LATER)))
    {
        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key,
                                      &ngx_k8s_no_remedy,
                                      value.len
                                      ? "%V, so the key of the %sConfigMap "
                                        "holds, or the default \"%V\" where "
                                        "there is none"
                                      : "%V, so the key of the %sConfigMap "
                                        "holds, where there is one",
                                      why, whose, &value);
    }

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key,
                                  &ngx_k8s_no_remedy,
                                  value.len ? "%V, so the default \"%V\" holds"
                                            : "%V, so it is not set",
                                  why, &value);
}


static ngx_int_t
ngx_k8s_annotation_take(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *text)
{
    ngx_k8s_value_t  *value;

    if (ngx_k8s_row_is_off(&row->name, NGX_K8S_PART_VALUE)) {
        return NGX_OK;
    }

    value = ngx_array_push(&a->values->values);
    if (value == NULL) {
        return NGX_ERROR;
    }

    value->row = row;
    value->key = *key;
    value->value = *text;

    return (row->flags & (NGX_K8S_ROW_SECRET|NGX_K8S_ROW_HEADERS))
           ? ngx_k8s_annotation_whole(a, &value->value) : NGX_OK;
}


/* a name alone is one of the object's namespace */

static ngx_int_t
ngx_k8s_annotation_whole(ngx_k8s_annotations_t *a, ngx_str_t *value)
{
    u_char     *p;
    ngx_str_t   ns, name;

    ngx_k8s_object_split(value, &ns, &name);

    if (ns.len) {
        return NGX_OK;
    }

    p = ngx_pnalloc(a->values->values.pool,
                    a->namespace->len + 1 + name.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;
    value->len = ngx_sprintf(p, "%V/%V", a->namespace, &name) - p;

    return NGX_OK;
}


/* an item that holds, and seems to be meant as something else */

static ngx_int_t
ngx_k8s_annotation_literal(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *text)
{
    ngx_str_t  item, remedy;

    if (!ngx_k8s_list_literal(row, text, &item)) {
        return NGX_OK;
    }

    ngx_str_set(&remedy, "Write \"~*\" before a regular expression, or \"~\" "
                         "where case matters.");

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key, &remedy,
                                  "the item \"%*s\"%s is compared as it "
                                  "stands, not as a regular expression",
                                  ngx_min(item.len, NGX_K8S_SHOWN_MAX),
                                  item.data,
                                  item.len > NGX_K8S_SHOWN_MAX ? "..." : "");
}


/* a key of what nginx reads at its start: nothing is said where nginx.conf says
   the same; NGX_DECLINED: the value is bad */

static ngx_int_t
ngx_k8s_annotation_nginx(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *text)
{
    u_char      buf[3 * NGX_K8S_SHOWN_MAX], *p;
    ngx_int_t   rc;
    ngx_str_t   why, remedy;

    if (ngx_k8s_row_check(row, text) != NGX_OK) {

        why.data = buf;
        why.len = ngx_k8s_row_why(buf, sizeof(buf), row, text, NULL)
                  - buf;

        rc = ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key,
                                    &ngx_k8s_no_remedy,
                                    "%V, so what nginx.conf says holds", &why);

        return (rc == NGX_OK) ? NGX_DECLINED : rc;
    }

    rc = a->running ? a->running(a->data, row, text) : NGX_DONE;

    if (rc == NGX_OK) {
        return NGX_OK;
    }

    p = ngx_cpymem(buf, "Write \"", sizeof("Write \"") - 1);
    p = ngx_k8s_row_directive(p, 2 * NGX_K8S_SHOWN_MAX, row, text);
    p = ngx_cpymem(p, ";\" in nginx.conf.", sizeof(";\" in nginx.conf.") - 1);

    remedy.data = buf;
    remedy.len = p - buf;

    /* what is read here too is without effect so long */

    return ngx_k8s_annotation_say(a, (rc == NGX_DONE
                                      || (row->flags & NGX_K8S_ROW_NOTED))
                                     ? NGX_K8S_SAY_NGINX
                                     : NGX_K8S_SAY_NO_EFFECT,
                                  key, &remedy, rc == NGX_DONE
                                  ? "only nginx.conf can say it"
                                  : "only nginx.conf can say it, and says "
                                    "something else");
}


/* whether a value is too long, in words; NULL: it is not */

static char *
ngx_k8s_annotation_long(ngx_k8s_row_t *row, ngx_str_t *value)
{
    if (row->flags & NGX_K8S_ROW_CLOSES_ROUTE) {
        return (value->len > NGX_K8S_GUARD_MAX) ? "it is longer than 128 KB"
                                                : NULL;
    }

    return (value->len > NGX_K8S_VALUE_MAX) ? "it is longer than 16 KB" : NULL;
}


/* what needs something else, and what is not served yet */

static ngx_int_t
ngx_k8s_annotations_effect(ngx_k8s_annotations_t *a)
{
    ngx_str_t        *key, why;
    ngx_uint_t        i, n;
    ngx_k8s_row_t    *row;
    ngx_k8s_value_t  *value;

    value = a->values->values.elts;
    n = 0;

    for (i = 0; i < a->values->values.nelts; i++) {

        row = value[i].row;
        key = &value[i].key;

        /* the name comes before its alias */

        if (n && value[n - 1].row == row) {

            if (ngx_k8s_annotation_say(a, NGX_K8S_SAY_NO_EFFECT, key,
                                       &ngx_k8s_no_remedy,
                                       "it does nothing beside \"%V\"",
                                       &value[n - 1].key)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            continue;
        }

        if (ngx_k8s_value_default(row, &value[i].value)) {

            if (a->gate || !(row->flags & a->later)) {
                value[n++] = value[i];
            }

            continue;
        }

        if (!ngx_k8s_annotation_needs(a, row)) {
            if (!ngx_k8s_annotation_bad(a, &row->needs)
                && ngx_k8s_annotation_say(a, NGX_K8S_SAY_NO_EFFECT, key,
                                          &ngx_k8s_no_remedy,
                                          "it does nothing without \"%V\"",
                                          &row->needs)
                   != NGX_OK)
            {
                return NGX_ERROR;
            }

            continue;
        }

        if (!(row->flags & a->later)) {

            if (ngx_k8s_annotation_unless(a, key, row, &value[i].value)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            value[n++] = value[i];
            continue;
        }

        ngx_str_set(&why, "it is not served yet");

        if ((row->flags & (NGX_K8S_ROW_CLOSES_ROUTE|NGX_K8S_ROW_CLOSES_HOST)
             ? ngx_k8s_annotation_close(a, key, row, &why,
                                        &ngx_k8s_later_remedy)
             : ngx_k8s_annotation_say(a, NGX_K8S_SAY_LATER, key,
                                      &ngx_k8s_no_remedy, "%V", &why))
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (a->gate) {
            value[n++] = value[i];
        }
    }

    a->values->values.nelts = n;

    return NGX_OK;
}


/* passwords of nobody */

static ngx_int_t
ngx_k8s_annotations_users(ngx_k8s_annotations_t *a)
{
    ngx_str_t         why;
    ngx_k8s_value_t  *value;

    static ngx_str_t  type = ngx_string("auth-type");
    static ngx_str_t  secret = ngx_string("auth-secret");

    value = ngx_k8s_values_find(a->values, &type);

    if (value == NULL || a->values->close_route
        || ngx_k8s_values_find(a->values, &secret))
    {
        return NGX_OK;
    }

    ngx_str_set(&why, "it needs \"auth-secret\"");

    return ngx_k8s_annotation_close(a, &value->key, value->row, &why,
                                    &ngx_k8s_no_remedy);
}


/* what does nothing unless the ConfigMap has what it needs; a pair is two */

static ngx_int_t
ngx_k8s_annotation_unless(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *value)
{
    ngx_str_t  *needs;

    static ngx_str_t  to = ngx_string("proxy-redirect-to");
    static ngx_str_t  remedy = ngx_string("Add it, where the ConfigMap does "
                                          "not have it.");

    needs = &row->needs;

    if ((row->flags & NGX_K8S_ROW_PAIR)
        && (value->len != sizeof("default") - 1
            || ngx_strncmp(value->data, "default", value->len) != 0))
    {
        needs = &to;
    }

    if (a->gate == NULL || needs->len == 0
        || ngx_k8s_values_on(a->values, needs)
        || ngx_k8s_annotation_bad(a, needs))
    {
        return NGX_OK;
    }

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_NOTED, key, &remedy,
                                  "it does nothing unless the ConfigMap has "
                                  "\"%V\"", needs);
}


/* what the other kind may say is not missed */

static ngx_uint_t
ngx_k8s_annotation_needs(ngx_k8s_annotations_t *a, ngx_k8s_row_t *row)
{
    return row->needs.len == 0
           || ngx_k8s_row(&row->needs, a->gate ? NGX_K8S_ROW_KEY
                                               : NGX_K8S_ROW_ANNOTATION)
           || ngx_k8s_values_on(a->values, &row->needs);
}


/* whether it is there, and its value is bad: that has been said */

static ngx_uint_t
ngx_k8s_annotation_bad(ngx_k8s_annotations_t *a, ngx_str_t *name)
{
    ngx_str_t       key, value;
    ngx_uint_t      i;
    ngx_keyval_t   *kv;
    ngx_k8s_row_t  *row;

    if (ngx_k8s_values_find(a->values, name)) {
        return 0;
    }

    kv = a->texts->elts;

    for (i = 0; i < a->texts->nelts; i++) {

        key = kv[i].key;

        if (a->gate && !ngx_k8s_annotation_ours(a->gate, &kv[i].key, &key)) {
            continue;
        }

        row = ngx_k8s_row(&key, a->rows);

        if (row && row->name.len == name->len
            && ngx_strncmp(row->name.data, name->data, name->len) == 0)
        {
            value = kv[i].value;
            ngx_k8s_trim(&value);

            return value.len != 0;
        }
    }

    return 0;
}


static ngx_int_t
ngx_k8s_annotation_close(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *why, ngx_str_t *remedy)
{
    if (row->flags & NGX_K8S_ROW_CLOSES_HOST) {
        a->values->close_host = 1;

    } else {
        a->values->close_route = 1;
    }

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_CLOSED, key, remedy,
                                  "%V, so the %s", why, a->class
                                  ? "paths of all Ingresses of the class are "
                                    "closed: they answer 503"
                                  : a->gate == NULL
                                  ? "paths of all Ingresses are closed: they "
                                    "answer 503"
                                  : (row->flags & NGX_K8S_ROW_CLOSES_HOST)
                                  ? "hosts of the Ingress are closed: they "
                                    "answer 403, to HTTP-01 challenges of "
                                    "ACME, too"
                                  : "paths of the Ingress are closed: they "
                                    "answer 503");
}


static ngx_int_t ngx_cdecl
ngx_k8s_annotation_say(ngx_k8s_annotations_t *a, ngx_uint_t what,
    ngx_str_t *name, ngx_str_t *remedy, const char *fmt, ...)
{
    u_char     buf[6 * NGX_K8S_SHOWN_MAX], advice[3 * NGX_K8S_SHOWN_MAX];
    va_list    args;
    ngx_str_t  message, text;

    message.data = buf;

    va_start(args, fmt);
    message.len = ngx_vslprintf(buf, buf + sizeof(buf), fmt, args) - buf;
    va_end(args);

    if (what != NGX_K8S_SAY_UNKNOWN && what != NGX_K8S_SAY_FOREIGN) {
        return a->say(a->data, what, name, &message, remedy);
    }

    text.data = advice;
    text.len = ngx_k8s_name_advice(advice, sizeof(advice), remedy, a->rows)
               - advice;

    return a->say(a->data, what, name, &message, &text);
}
