
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* /status: problems */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_status.h>


static ngx_uint_t ngx_http_k8s_status_shown(ngx_http_k8s_admin_t *a,
    ngx_k8s_problem_rec_t *rec, ngx_k8s_problem_item_t *item);
static ngx_str_node_t *ngx_http_k8s_status_noted(ngx_http_k8s_admin_t *a,
    void *rec, ngx_k8s_str_t *namespace, ngx_k8s_str_t *name, ngx_str_t *key,
    uint32_t *hash);


ngx_int_t
ngx_http_k8s_status_problem(ngx_http_k8s_admin_t *a)
{
    ngx_str_t                ns;
    ngx_uint_t               n;
    ngx_k8s_problem_rec_t   *rec;
    ngx_k8s_problem_item_t  *item;

    rec = a->record;
    ns = ngx_http_k8s_str(rec, &rec->namespace);

    if (a->namespace.len && !ngx_http_k8s_str_eq(&ns, &a->namespace)) {
        return NGX_OK;
    }

    for (n = 0; n < NGX_HTTP_K8S_STATUS_ITEMS; n++) {

        if (a->item == rec->items.n) {

            if (a->opened) {
                ngx_http_k8s_puts(a, "]}");
            }

            return NGX_OK;
        }

        item = ngx_k8s_record_at(rec, rec->items.offset);
        item += a->item++;

        if (a->by_host && !ngx_http_k8s_status_shown(a, rec, item)) {
            continue;
        }

        /* these are of this instance, and of no object */

        if (a->canonical && (item->code == NGX_K8S_PROBLEM_WRITE_REFUSED
                             || item->code == NGX_K8S_PROBLEM_NO_ADDRESS))
        {
            continue;
        }

        if (!a->opened) {
            ngx_http_k8s_status_open(a);
            ngx_http_k8s_status_member(a, "{\"kind\":", rec, &rec->kind);
            ngx_http_k8s_status_member(a, ",\"namespace\":", rec,
                                       &rec->namespace);
            ngx_http_k8s_status_member(a, ",\"name\":", rec, &rec->name);
            ngx_http_k8s_puts(a, ",\"problems\":[");
            a->opened = 1;

        } else {
            ngx_http_k8s_puts(a, ",");
        }

        ngx_http_k8s_printf(a, "\n  {\"code\":\"%V\",\"severity\":\"%V\"",
                   &ngx_k8s_problem_codes[item->code % NGX_K8S_PROBLEMS].name,
                   &ngx_k8s_severities[item->severity % NGX_K8S_SEVERITIES]);
        ngx_http_k8s_status_member(a, ",\"field\":", rec, &item->field);
        ngx_http_k8s_status_member(a, ",\"message\":", rec, &item->message);
        ngx_http_k8s_status_member(a, ",\"remedy\":", rec, &item->remedy);
        ngx_http_k8s_status_member(a, ",\"host\":", rec, &item->host);
        ngx_http_k8s_puts(a, "}");
    }

    return NGX_AGAIN;
}


static ngx_uint_t
ngx_http_k8s_status_shown(ngx_http_k8s_admin_t *a, ngx_k8s_problem_rec_t *rec,
    ngx_k8s_problem_item_t *item)
{
    uint32_t   hash;
    ngx_str_t  host, kind, key;

    static ngx_str_t  ingress = ngx_string("Ingress");

    host = ngx_http_k8s_str(rec, &item->host);

    if (host.len || a->host.len == 0) {
        return ngx_http_k8s_str_eq(&host, &a->host);
    }

    if (item->code == NGX_K8S_PROBLEM_KEY_CLOSED) {
        return 1;
    }

    kind = ngx_http_k8s_str(rec, &rec->kind);

    return ngx_http_k8s_str_eq(&kind, &ingress)
           && ngx_http_k8s_status_noted(a, rec, &rec->namespace, &rec->name,
                                        &key, &hash)
              != NULL;
}


void
ngx_http_k8s_status_note(ngx_http_k8s_admin_t *a, ngx_k8s_rule_rec_t *rule)
{
    uint32_t         hash;
    ngx_str_t        key;
    ngx_str_node_t  *node;

    if (!a->by_host
        || ngx_http_k8s_status_noted(a, rule, &rule->namespace, &rule->name,
                                     &key, &hash))
    {
        return;
    }

    node = ngx_palloc(a->request->pool, sizeof(ngx_str_node_t) + key.len);

    if (node == NULL) {
        a->failed = 1;
        return;
    }

    node->node.key = hash;
    node->str.len = key.len;
    node->str.data = (u_char *) node + sizeof(ngx_str_node_t);
    ngx_memcpy(node->str.data, key.data, key.len);

    ngx_rbtree_insert(&a->ingresses, &node->node);
}


/* the key is in a buffer of its own until the next call */

static ngx_str_node_t *
ngx_http_k8s_status_noted(ngx_http_k8s_admin_t *a, void *rec,
    ngx_k8s_str_t *namespace, ngx_k8s_str_t *name, ngx_str_t *key,
    uint32_t *hash)
{
    ngx_str_t  ns, n;

    ns = ngx_http_k8s_str(rec, namespace);
    n = ngx_http_k8s_str(rec, name);

    key->data = a->name;
    key->len = ngx_snprintf(a->name, NGX_HTTP_K8S_ADMIN_NAME, "%V/%V", &ns, &n)
               - a->name;

    *hash = ngx_crc32_short(key->data, key->len);

    return ngx_str_rbtree_lookup(&a->ingresses, key, *hash);
}
