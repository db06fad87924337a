
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* What an annotation or a key says: its value, or what holds in its place. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_annotations_core.h>
#include <ngx_k8s_snippet.h>


/* of a value, and of one that says who may pass */
#define NGX_K8S_VALUE_MAX            16384
#define NGX_K8S_GUARD_MAX            131072


static ngx_int_t ngx_k8s_annotation_nginx(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *text);
static ngx_int_t ngx_k8s_annotation_snippet(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *text);
static ngx_int_t ngx_k8s_annotation_value(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *text);
static char *ngx_k8s_annotation_long(ngx_k8s_row_t *row, ngx_str_t *value);
static ngx_int_t ngx_k8s_annotation_parts(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *text, ngx_str_t *why);
static ngx_int_t ngx_k8s_annotation_invalid(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *why);
static ngx_int_t ngx_k8s_annotation_take(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *text);
static ngx_int_t ngx_k8s_annotation_whole(ngx_k8s_annotations_t *a,
    ngx_str_t *value);
static ngx_int_t ngx_k8s_annotation_literal(ngx_k8s_annotations_t *a,
    ngx_str_t *key, ngx_k8s_row_t *row, ngx_str_t *text);


ngx_int_t
ngx_k8s_annotation_row(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *text)
{
    ngx_int_t  rc;

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

    return ngx_k8s_snippet_context(row->grammar)
           ? ngx_k8s_annotation_snippet(a, key, row, text)
           : ngx_k8s_annotation_value(a, key, row, text);
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

        rc = ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key, NULL,
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
        return ngx_k8s_annotation_close(a, key, row, &why, NULL);
    }

    if (ngx_k8s_annotation_take(a, key, row, text) != NGX_OK) {
        return NGX_ERROR;
    }

    return s.nerrors ? ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key,
                                              &remedy, "%V, so that is left "
                                              "out", &why)
                     : NGX_OK;
}


static ngx_int_t
ngx_k8s_annotation_value(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *text)
{
    char           *refused, *strange;
    u_char          buf[6 * NGX_K8S_SHOWN_MAX], put[2 * NGX_K8S_SHOWN_MAX], *p;
    ngx_int_t       rc;
    ngx_str_t       why, remedy;
    ngx_uint_t      list;
    ngx_k8s_bad_t   bad;

    static ngx_str_t  none = ngx_string("");

    refused = a->gate ? ngx_k8s_annotation_long(row, text) : NULL;
    strange = "";
    ngx_str_null(&remedy);

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
        return ngx_k8s_annotation_parts(a, key, row,
                                        (refused || ngx_k8s_unread(text))
                                        ? &none : text, &why);
    }

    return ngx_k8s_annotation_invalid(a, key, row, &why);
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


static ngx_int_t
ngx_k8s_annotation_parts(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row, ngx_str_t *text, ngx_str_t *why)
{
    if (ngx_k8s_annotation_take(a, key, row, text) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key, NULL,
                                  "%V, so what is wrong is left out", why);
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

        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key, NULL,
                                      "%V, so the Ingress is taken for a "
                                      "canary, and gets no requests", why);
    }

    if (row->grammar == &ngx_k8s_grammar_risk) {
        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key, NULL,
                                      "%V, so \"Low\" holds", why);
    }

    if ((a->gate || a->class) && (row->flags & NGX_K8S_ROW_KEY)
        && !(row->flags & (NGX_K8S_ROW_LATER|NGX_K8S_ROW_KEY_LATER)))
    {
        return ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key, NULL,
                                      value.len
                                      ? "%V, so the key of the %sConfigMap "
                                        "holds, or the default \"%V\" where "
                                        "there is none"
                                      : "%V, so the key of the %sConfigMap "
                                        "holds, where there is one",
                                      why, whose, &value);
    }

    return ngx_k8s_annotation_say(a, NGX_K8S_SAY_INVALID, key, NULL,
                                  value.len ? "%V, so the default \"%V\" holds"
                                            : "%V, so it is not set",
                                  why, &value);
}


ngx_int_t
ngx_k8s_annotation_canary(ngx_k8s_annotations_t *a, ngx_str_t *key,
    ngx_k8s_row_t *row)
{
    static ngx_str_t  yes = ngx_string("true");

    a->values->canary = 1;

    return ngx_k8s_annotation_take(a, key, row, &yes);
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
