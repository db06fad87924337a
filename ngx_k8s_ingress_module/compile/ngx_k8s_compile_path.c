
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The paths of one host, of all the Ingresses that name it: in the order in
 * which they are tried, each once, the older Ingress first.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static ngx_int_t ngx_k8s_compile_rule(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_user_t *user, ngx_k8s_model_rule_t *rule);
static ngx_int_t ngx_k8s_compile_conflicts(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m);
static ngx_int_t ngx_k8s_compile_slashes(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m);
static ngx_k8s_item_t *ngx_k8s_compile_item(ngx_k8s_item_t *items,
    ngx_uint_t n, ngx_uint_t type, ngx_str_t *text);
static int ngx_libc_cdecl ngx_k8s_compile_item_cmp(const void *one,
    const void *two);


ngx_int_t
ngx_k8s_compile_paths(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_uint_t             i, n;
    ngx_k8s_user_t        *users;
    ngx_k8s_model_host_t  *host;

    users = m->users.elts;

    for (i = 0; i < m->users.nelts; i++) {
        host = users[i].link->host;

        for (n = 0; host && n < host->nrules; n++) {
            if (ngx_k8s_compile_rule(c, m, &users[i],
                                     &users[i].model->rules[host->rule + n])
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    ngx_qsort(m->items.elts, m->items.nelts, sizeof(ngx_k8s_item_t),
              ngx_k8s_compile_item_cmp);

    if (ngx_k8s_compile_conflicts(c, m) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_k8s_compile_slashes(c, m);
}


static ngx_int_t
ngx_k8s_compile_rule(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_user_t *user, ngx_k8s_model_rule_t *rule)
{
    ngx_uint_t              i;
    ngx_k8s_item_t         *item;
    ngx_k8s_model_match_t  *match;

    for (i = 0; i < rule->nmatches; i++) {
        match = &rule->matches[i];

        item = ngx_array_push(&m->items);
        if (item == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(item, sizeof(ngx_k8s_item_t));

        item->path = match->path;
        item->text = match->text;
        item->type = match->type;
        item->slash = match->slash;
        item->seq = m->items.nelts;
        item->user = user;
        item->match = match;
        item->target = rule->targets;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_conflicts(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_str_t          field, other;
    ngx_uint_t         i, n;
    ngx_k8s_item_t    *items, *won;
    ngx_k8s_object_t  *object;

    items = m->items.elts;
    n = 0;

    for (i = 0; i < m->items.nelts; i++) {

        if (n == 0
            || ngx_k8s_path_cmp(items[n - 1].type, &items[n - 1].text,
                                items[i].type, &items[i].text)
               != 0)
        {
            items[n++] = items[i];
            continue;
        }

        if (items[i].match->order == 0) {
            continue;
        }

        won = &items[n - 1];
        object = won->user->model->object;

        field = ngx_k8s_field_text(&items[i].match->field, c->pool);
        other = ngx_k8s_field_text(&won->match->field, c->pool);

        if (ngx_k8s_compile_note(c, &items[i].user->notes,
                                 NGX_K8S_PROBLEM_PATH_CONFLICT, &m->host,
                                 &field,
                                 "the path \"%V\" of host \"%V\" is that of "
                                 "%V of Ingress %V/%V, which %s",
                                 &items[i].path, &m->host, &other,
                                 &object->namespace, &object->name,
                                 won->user == items[i].user ? "comes first"
                                                            : "is older")
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    m->items.nelts = n;

    return NGX_OK;
}


/*
 * As ingress-nginx has it, a path that ends in a slash answers 301 to its name
 * without the slash, unless another path takes just that.
 */

static ngx_int_t
ngx_k8s_compile_slashes(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_str_t        text;
    ngx_uint_t       i, n, k;
    ngx_k8s_item_t  *items, *item, *found;

    if (!c->conf.add_slash) {
        return NGX_OK;
    }

    n = m->items.nelts;

    for (i = 0; i < n; i++) {
        items = m->items.elts;

        if (!items[i].slash) {
            continue;
        }

        text = items[i].path;
        text.len--;

        if (ngx_k8s_compile_item(items, n, NGX_K8S_PATH_EXACT, &text)) {
            continue;
        }

        found = ngx_k8s_compile_item(items, n, NGX_K8S_PATH_PREFIX, &text);

        if (found && !found->slash) {
            continue;
        }

        item = ngx_array_push(&m->items);
        if (item == NULL) {
            return NGX_ERROR;
        }

        items = m->items.elts;

        *item = items[i];
        item->type = NGX_K8S_PATH_EXACT;
        item->text = text;
        item->redirect = 1;
    }

    if (m->items.nelts == n) {
        return NGX_OK;
    }

    items = m->items.elts;

    ngx_qsort(items, m->items.nelts, sizeof(ngx_k8s_item_t),
              ngx_k8s_compile_item_cmp);

    k = 1;

    for (i = 1; i < m->items.nelts; i++) {
        if (ngx_k8s_path_cmp(items[k - 1].type, &items[k - 1].text,
                             items[i].type, &items[i].text)
            != 0)
        {
            items[k++] = items[i];
        }
    }

    m->items.nelts = k;

    return NGX_OK;
}


static ngx_k8s_item_t *
ngx_k8s_compile_item(ngx_k8s_item_t *items, ngx_uint_t n, ngx_uint_t type,
    ngx_str_t *text)
{
    ngx_int_t   rc;
    ngx_uint_t  low, high, mid;

    low = 0;
    high = n;

    while (low < high) {
        mid = (low + high) / 2;

        rc = ngx_k8s_path_cmp(type, text, items[mid].type, &items[mid].text);

        if (rc == 0) {
            return &items[mid];
        }

        if (rc < 0) {
            high = mid;

        } else {
            low = mid + 1;
        }
    }

    return NULL;
}


static int ngx_libc_cdecl
ngx_k8s_compile_item_cmp(const void *one, const void *two)
{
    ngx_int_t        rc;
    ngx_k8s_item_t  *a, *b;

    a = (ngx_k8s_item_t *) one;
    b = (ngx_k8s_item_t *) two;

    rc = ngx_k8s_path_cmp(a->type, &a->text, b->type, &b->text);

    if (rc == 0) {
        rc = (a->match->order < b->match->order)
             - (a->match->order > b->match->order);
    }

    if (rc == 0) {
        rc = (a->seq > b->seq) - (a->seq < b->seq);
    }

    return rc;
}
