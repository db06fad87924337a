
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_source.h>


ngx_uint_t
ngx_k8s_source_scopes(ngx_k8s_source_conf_t *conf, ngx_uint_t kind,
    ngx_str_t **scopes)
{
    static ngx_str_t  all = ngx_null_string;

    if (conf->only[kind].name.len) {
        *scopes = conf->only[kind].scopes;
        return conf->only[kind].nscopes;
    }

    if (conf->namespaces && conf->namespaces->nelts
        && ngx_k8s_kinds[kind].namespaced)
    {
        *scopes = conf->namespaces->elts;
        return conf->namespaces->nelts;
    }

    *scopes = &all;

    return 1;
}


ngx_uint_t
ngx_k8s_source_reads(ngx_k8s_source_conf_t *conf, ngx_uint_t kind,
    ngx_str_t *ns, ngx_str_t *name)
{
    ngx_str_t              *scopes;
    ngx_uint_t              i, n;
    ngx_k8s_source_only_t  *only;

    if (conf->skip & (1 << kind)) {
        return 0;
    }

    only = &conf->only[kind];

    n = ngx_k8s_source_scopes(conf, kind, &scopes);

    if (only->name.len) {

        if (only->name.len == name->len
            && ngx_memcmp(only->name.data, name->data, name->len) == 0
            && only->namespace.len == ns->len
            && ngx_memcmp(only->namespace.data, ns->data, ns->len) == 0)
        {
            return 1;
        }

        scopes++;
        n--;
    }

    for (i = 0; i < n; i++) {
        if (scopes[i].len == 0
            || (scopes[i].len == ns->len
                && ngx_memcmp(scopes[i].data, ns->data, ns->len) == 0))
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_k8s_seed_free(ngx_k8s_seed_t *seed)
{
    ngx_free(seed->feed.text);
    ngx_free(seed);
}


void
ngx_k8s_source_feed_name(ngx_k8s_sink_t *sink, ngx_k8s_feed_t *feed,
    ngx_str_t *ns, ngx_str_t *name, ngx_log_t *log)
{
    feed->len = sizeof("{\"metadata\":{\"namespace\":\"\",\"name\":\"\"}}") - 1
                + ns->len + name->len;

    feed->text = ngx_alloc(feed->len, log);

    if (feed->text == NULL) {
        feed->op = NGX_K8S_FEED_LOST;
        feed->len = 0;

    } else {
        (void) ngx_sprintf(feed->text, "{\"metadata\":{\"namespace\":\"%V\","
                           "\"name\":\"%V\"}}", ns, name);
    }

    sink->feed(sink->data, feed);
}
