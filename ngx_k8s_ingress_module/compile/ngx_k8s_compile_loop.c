
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Redirects of an object to the URL that they are of: nobody gets out of them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static ngx_uint_t ngx_k8s_loop_host(ngx_str_t *url, ngx_str_t *host);
static ngx_uint_t ngx_k8s_loop_path(ngx_k8s_claim_t *claim,
    ngx_k8s_item_t *item, ngx_str_t *path);
static ngx_uint_t ngx_k8s_loop_skip(ngx_str_t *s, char *text);


/* the one that wins is the first one */

static ngx_str_t  ngx_k8s_loop_rows[] = {
    ngx_string("temporal-redirect"),
    ngx_string("permanent-redirect"),
    ngx_null_string
};


/* of an object once */

ngx_int_t
ngx_k8s_hint_loop(ngx_k8s_compile_t *c, ngx_k8s_claim_t *claim,
    ngx_k8s_item_t *item)
{
    u_char            buf[NGX_K8S_HOST_NAME_MAX];
    ngx_str_t        *row, *name, url, host, twin, field, shown;
    ngx_uint_t        back;
    ngx_k8s_value_t  *value;

    value = NULL;

    for (row = ngx_k8s_loop_rows; row->len && value == NULL; row++) {
        value = ngx_k8s_values_find(&claim->model->values, row);
    }

    if (value == NULL || c->saying.looped) {
        return NGX_OK;
    }

    name = &claim->state->node->name;
    url = value->value;
    back = 0;

    if (!ngx_k8s_loop_host(&url, &host)) {
        return NGX_OK;
    }

    if (host.len && (host.len != name->len
                     || ngx_strncasecmp(host.data, name->data, host.len) != 0))
    {
        if (!claim->model->twins
            || ngx_k8s_host_twin(buf, name, &twin) != NGX_OK
            || host.len != twin.len
            || ngx_strncasecmp(host.data, twin.data, host.len) != 0)
        {
            return NGX_OK;
        }

        back = 1;
    }

    if (!ngx_k8s_loop_path(claim, item, &url)) {
        return NGX_OK;
    }

    c->saying.looped = 1;

    if (ngx_k8s_compile_value_field(&c->saying.problems, value, &field)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    shown = ngx_k8s_host_shown(name);

    return ngx_k8s_compile_note(c, &c->saying.problems,
                                NGX_K8S_PROBLEM_REDIRECT_LOOP, &shown, &field,
                                back ? "\"%*s\" leads requests for the path "
                                "\"%V\" of host \"%V\" to its other name, from "
                                "which from-to-www-redirect leads them back, "
                                "unless that is a host of its own"
                                : "\"%*s\" leads requests for the path \"%V\" "
                                "of host \"%V\" to where they are",
                                ngx_min(value->value.len, 128),
                                value->value.data, &item->match->path, &shown);
}


ngx_uint_t
ngx_k8s_hint_loop_root(ngx_str_t *root)
{
    return root->len && root->data[0] == '/'
           && (root->len == 1 || root->data[1] == '?' || root->data[1] == '#');
}


/* its host, empty where it is that of the request; url is what is behind it */

static ngx_uint_t
ngx_k8s_loop_host(ngx_str_t *url, ngx_str_t *host)
{
    u_char  *p, *last;

    ngx_str_null(host);

    if (!ngx_k8s_loop_skip(url, "http://")
        && !ngx_k8s_loop_skip(url, "https://")
        && !ngx_k8s_loop_skip(url, "$scheme://"))
    {
        return url->len && url->data[0] == '/'
               && (url->len == 1 || url->data[1] != '/');
    }

    if (ngx_k8s_loop_skip(url, "$host")
        || ngx_k8s_loop_skip(url, "$http_host"))
    {
        return 1;
    }

    last = url->data + url->len;

    for (p = url->data; p < last && !ngx_strchr("/?#$:", *p); p++) {
        /* void */
    }

    host->data = url->data;
    host->len = p - url->data;

    url->data = p;
    url->len = last - p;

    if (!ngx_k8s_loop_skip(url, ":443")) {
        (void) ngx_k8s_loop_skip(url, ":80");
    }

    return host->len && (url->len == 0 || url->data[0] != ':');
}


/* whether it is the path of an item, which takes it then */

static ngx_uint_t
ngx_k8s_loop_path(ngx_k8s_claim_t *claim, ngx_k8s_item_t *item,
    ngx_str_t *path)
{
    u_char     *p, *last;
    ngx_str_t   own;

    if (ngx_k8s_loop_skip(path, "$request_uri")
        || ngx_k8s_loop_skip(path, "$uri"))
    {
        return path->len == 0 || path->data[0] == '?';
    }

    own = item->match->path;

    if (claim->state->nregex && ngx_k8s_ingress_pattern(&own)) {
        return 0;
    }

    last = path->data + path->len;

    for (p = path->data; p < last && *p != '?' && *p != '#'; p++) {

        if (*p == '$') {
            return 0;
        }
    }

    path->len = p - path->data;

    if (path->len == 0) {
        ngx_str_set(path, "/");
    }

    if (own.len == 0) {
        ngx_str_set(&own, "/");
    }

    /* a Prefix takes it with a slash at its end and without */

    if (item->match->elements) {

        if (path->data[path->len - 1] == '/') {
            path->len--;
        }

        if (own.data[own.len - 1] == '/') {
            own.len--;
        }
    }

    return ngx_k8s_str_eq(path, &own);
}


/* whether it begins with a text, behind which it then begins */

static ngx_uint_t
ngx_k8s_loop_skip(ngx_str_t *s, char *text)
{
    size_t  len;

    len = ngx_strlen(text);

    if (s->len < len
        || ngx_strncasecmp(s->data, (u_char *) text, len) != 0)
    {
        return 0;
    }

    s->data += len;
    s->len -= len;

    return 1;
}
