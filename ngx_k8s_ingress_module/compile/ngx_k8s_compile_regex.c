
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A host of which some object says that its paths are regular expressions: all
 * of them are, whoever has them, and take what begins as they say, in either
 * case.  They are tried in the order that ingress-nginx gives its locations:
 * by the length of the path, then by its bytes, then by age.  Those of claims
 * that are apart are none, and before them, and so are the challenges of others
 * then.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


#define NGX_K8S_REGEX_CLAIMS   64    /* looked at to name one */

#define ngx_k8s_regex_plain(item)                                             \
    (ngx_k8s_path_literal(&(item)->match->path) == (item)->match->path.len)


static ngx_int_t ngx_k8s_regex_items(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_array_t *items, ngx_array_t *apart);
static ngx_int_t ngx_k8s_regex_item(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_array_t *items, ngx_k8s_item_t *item);
static ngx_uint_t ngx_k8s_regex_over(ngx_k8s_compile_t *c,
    ngx_k8s_item_t *item, ngx_uint_t n);
static int ngx_libc_cdecl ngx_k8s_regex_cmp(const void *one, const void *two);
static int ngx_libc_cdecl ngx_k8s_regex_apart_cmp(const void *one,
    const void *two);
static ngx_int_t ngx_k8s_regex_challenges(ngx_array_t *items,
    ngx_array_t *apart);
static ngx_int_t ngx_k8s_regex_apart(ngx_k8s_making_t *m, ngx_array_t *apart);
static ngx_int_t ngx_k8s_regex_path(ngx_k8s_making_t *m,
    ngx_k8s_item_t **items, ngx_uint_t n);
static ngx_int_t ngx_k8s_regex_text(ngx_k8s_making_t *m,
    ngx_k8s_item_t *item, ngx_str_t *text);
static ngx_int_t ngx_k8s_regex_below(ngx_k8s_making_t *m,
    ngx_k8s_item_t *item, ngx_str_t *path, ngx_uint_t rewrite);
static ngx_int_t ngx_k8s_regex_place(ngx_k8s_making_t *m,
    ngx_k8s_item_t *item, ngx_uint_t type, ngx_str_t *text,
    ngx_uint_t rewrite);


ngx_int_t
ngx_k8s_compile_regexes(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_uint_t        i, n;
    ngx_array_t       items, apart;
    ngx_k8s_item_t  **item;

    if (ngx_array_init(&items, m->places.pool, 16, sizeof(ngx_k8s_item_t *))
        != NGX_OK
        || ngx_array_init(&apart, m->places.pool, 1, sizeof(ngx_k8s_item_t *))
           != NGX_OK
        || ngx_k8s_regex_items(c, m, &items, &apart) != NGX_OK
        || ngx_k8s_regex_challenges(&items, &apart) != NGX_OK
        || ngx_k8s_regex_apart(m, &apart) != NGX_OK)
    {
        return NGX_ERROR;
    }

    item = items.elts;

    for (i = 0; i < items.nelts; i += n) {

        for (n = 1; i + n < items.nelts; n++) {
            if (!ngx_k8s_str_eq(&item[i]->match->path,
                                &item[i + n]->match->path))
            {
                break;
            }
        }

        if (ngx_k8s_regex_path(m, &item[i], n) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * As a location of ingress-nginx has it before all others: whose path is the
 * first one in their order.
 */

ngx_k8s_claim_t *
ngx_k8s_compile_root(ngx_k8s_host_state_t *state)
{
    ngx_uint_t          i, looked;
    ngx_k8s_item_t     *first;
    ngx_k8s_claim_t    *claim, *root;
    ngx_rbtree_node_t  *node;

    node = ngx_rbtree_min(state->roots.root, &state->sentinel);
    root = ngx_rbtree_data(node, ngx_k8s_claim_t, redirects);

    if (state->nroot == 1) {
        return root;
    }

    first = NULL;
    looked = 0;

    for ( /* void */ ; node; node = ngx_rbtree_next(&state->roots, node)) {
        claim = ngx_rbtree_data(node, ngx_k8s_claim_t, redirects);

        for (i = 0; i < claim->nitems; i++) {

            if (looked++ == NGX_K8S_ROOT_LOOK) {
                return root;
            }

            if (claim->items[i]->wins
                && (first == NULL
                    || ngx_k8s_regex_cmp(&claim->items[i], &first) < 0))
            {
                first = claim->items[i];
                root = claim;
            }
        }
    }

    return root;
}


ngx_k8s_claim_t *
ngx_k8s_compile_regex_claim(ngx_k8s_host_state_t *state)
{
    ngx_uint_t          n;
    ngx_k8s_claim_t    *claim;
    ngx_rbtree_node_t  *node;

    node = ngx_rbtree_min(state->claims.root, &state->sentinel);

    for (n = 0; node && n < NGX_K8S_REGEX_CLAIMS; n++) {
        claim = (ngx_k8s_claim_t *) node;

        if (claim->regex) {
            return claim;
        }

        node = ngx_rbtree_next(&state->claims, node);
    }

    return NULL;
}


/*
 * Those of the oldest objects, as many as one record may have, and as a request
 * may try.
 */

static ngx_int_t
ngx_k8s_regex_items(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_array_t *items, ngx_array_t *apart)
{
    ngx_uint_t             n, looked, nclaims;
    ngx_k8s_claim_t       *claim;
    ngx_rbtree_node_t     *node;
    ngx_k8s_host_state_t  *state;

    state = m->state;
    state->walks++;

    n = 0;
    looked = 0;
    nclaims = 0;

    for (node = ngx_rbtree_min(state->claims.root, &state->sentinel);
         node;
         node = ngx_rbtree_next(&state->claims, node))
    {
        claim = (ngx_k8s_claim_t *) node;
        nclaims++;

        for (n = 0; n < claim->nitems; n++) {

            if (looked++ == NGX_K8S_REGEX_LOOK
                || items->nelts + apart->nelts == NGX_K8S_REGEX_PATHS)
            {
                break;
            }

            if (ngx_k8s_regex_item(c, m, claim->apart ? apart : items,
                                   claim->items[n])
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        claim->walked = state->walks;
        claim->nwalked = n;

        if (n < claim->nitems) {
            break;
        }
    }

    if (node == NULL) {
        nclaims = 0;
        n = 0;
    }

    if (nclaims != state->cut_claims || n != state->cut_items) {
        state->cut_claims = nclaims;
        state->cut_items = n;
        state->saying = (ngx_k8s_claim_t *) ngx_rbtree_min(state->claims.root,
                                                           &state->sentinel);
    }

    ngx_qsort(items->elts, items->nelts, sizeof(ngx_k8s_item_t *),
              ngx_k8s_regex_cmp);

    return NGX_OK;
}


/*
 * None adds a slash here.  What is no expression is aside, but where another
 * object makes it one: then it stands for itself.
 */

static ngx_int_t
ngx_k8s_regex_item(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_array_t *items, ngx_k8s_item_t *item)
{
    ngx_uint_t       out, over;
    ngx_k8s_item_t  **p;

    if (item->canary || item->aside || ngx_k8s_item_skip(item)) {
        return NGX_OK;
    }

    out = item->claim->apart && ngx_k8s_item_shadow(item);

    if (!item->claim->apart) {
        (void) ngx_k8s_compile_regex_bad(c, item, NULL);
    }

    over = !out && !item->claim->apart
           && ngx_k8s_regex_over(c, item, m->nexprs);

    if (over != item->over) {
        item->over = over;

        if (item->claim->link) {
            ngx_k8s_entry_mark(c->store, item->claim->entry);
        }
    }

    if (out || over) {
        return NGX_OK;
    }

    m->nexprs += !item->claim->apart && !ngx_k8s_regex_plain(item);

    p = ngx_array_push(items);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *p = item;

    return NGX_OK;
}


/* whether it is one expression more than the host, or all, may have */

static ngx_uint_t
ngx_k8s_regex_over(ngx_k8s_compile_t *c, ngx_k8s_item_t *item, ngx_uint_t n)
{
    if (ngx_k8s_regex_plain(item)) {
        return 0;
    }

    if (n == NGX_K8S_REGEX_EXPRS) {
        return 1;
    }

    if (ngx_k8s_expr_room(c, item)) {
        return 0;
    }

    ngx_k8s_expr_over(c, item->claim->state, 1);

    return 1;
}


static int ngx_libc_cdecl
ngx_k8s_regex_cmp(const void *one, const void *two)
{
    ngx_int_t        rc;
    ngx_k8s_item_t  *a, *b;

    a = *(ngx_k8s_item_t **) one;
    b = *(ngx_k8s_item_t **) two;

    rc = ngx_k8s_path_cmp(NGX_K8S_PATH_REGEX, &a->match->path,
                          NGX_K8S_PATH_REGEX, &b->match->path);

    return rc ? rc : ngx_k8s_match_cmp(a->claim->model->object, a->rule,
                                       a->match, b->claim->model->object,
                                       b->rule, b->match);
}


static int ngx_libc_cdecl
ngx_k8s_regex_apart_cmp(const void *one, const void *two)
{
    ngx_int_t        rc;
    ngx_k8s_item_t  *a, *b;

    a = *(ngx_k8s_item_t **) one;
    b = *(ngx_k8s_item_t **) two;

    rc = ngx_k8s_path_cmp(a->match->type, &a->match->text,
                          b->match->type, &b->match->text);

    return rc ? rc : ngx_k8s_match_cmp(a->claim->model->object, a->rule,
                                       a->match, b->claim->model->object,
                                       b->rule, b->match);
}


/* beside what is apart the owner's challenges are no expressions either: else
   the shorter path would take the longer one's */

static ngx_int_t
ngx_k8s_regex_challenges(ngx_array_t *items, ngx_array_t *apart)
{
    ngx_uint_t        i, n;
    ngx_k8s_item_t  **item, **p;

    if (apart->nelts == 0) {
        return NGX_OK;
    }

    item = items->elts;
    n = 0;

    for (i = 0; i < items->nelts; i++) {

        if (!ngx_k8s_owner_challenge(&item[i]->match->path)) {
            item[n++] = item[i];
            continue;
        }

        p = ngx_array_push(apart);
        if (p == NULL) {
            return NGX_ERROR;
        }

        *p = item[i];
    }

    items->nelts = n;

    return NGX_OK;
}


/* each path once, as the first of those that have it leads */

static ngx_int_t
ngx_k8s_regex_apart(ngx_k8s_making_t *m, ngx_array_t *apart)
{
    ngx_uint_t        i;
    ngx_k8s_item_t  **item;

    item = apart->elts;

    ngx_qsort(item, apart->nelts, sizeof(ngx_k8s_item_t *),
              ngx_k8s_regex_apart_cmp);

    for (i = 0; i < apart->nelts; i++) {

        if (i && item[i]->match->type == item[i - 1]->match->type
            && ngx_k8s_str_eq(&item[i]->match->text, &item[i - 1]->match->text))
        {
            continue;
        }

        if (ngx_k8s_regex_place(m, item[i], item[i]->match->type,
                                &item[i]->match->text,
                                !item[i]->claim->apart
                                && item[i]->match->rewrite)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/*
 * All that have one path.  A Prefix is two locations there, of which the one
 * without a slash at its end is left out beside an Exact path.
 */

static ngx_int_t
ngx_k8s_regex_path(ngx_k8s_making_t *m, ngx_k8s_item_t **items, ngx_uint_t n)
{
    ngx_str_t               text;
    ngx_uint_t              i, exact, below, closed;
    ngx_k8s_item_t         *item;
    ngx_k8s_model_match_t  *match;

    exact = 0;
    below = 0;
    closed = 0;

    for (i = 0; i < n; i++) {
        exact |= (items[i]->match->type == NGX_K8S_PATH_EXACT);
    }

    for (i = 0; i < n; i++) {

        item = items[i];
        match = item->match;

        if (closed || (below && match->elements && exact)) {
            continue;
        }

        if (ngx_k8s_regex_text(m, item, &text) != NGX_OK) {
            return NGX_ERROR;
        }

        if (match->elements && !below
            && (exact || item->claim->model->target.len)
            && ngx_k8s_regex_below(m, item, &text,
                                   item->claim->model->target.len)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (match->elements && exact) {
            below = (match->npredicates == 0);
            continue;
        }

        if (ngx_k8s_regex_place(m, item, NGX_K8S_PATH_REGEX, &text,
                                match->rewrite)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        closed = (match->npredicates == 0);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_regex_text(ngx_k8s_making_t *m, ngx_k8s_item_t *item, ngx_str_t *text)
{
    u_char     *p;
    size_t      i;
    ngx_str_t  *path;

    path = &item->match->path;
    *text = *path;

    if (!item->bad) {
        return NGX_OK;
    }

    p = ngx_pnalloc(m->places.pool, 2 * path->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;

    for (i = 0; i < path->len; i++) {

        if (ngx_strchr("\\^$.[]|()*+?{}", path->data[i])) {
            *p++ = '\\';
        }

        *p++ = path->data[i];
    }

    text->len = p - text->data;

    return NGX_OK;
}


/* what is below a Prefix */

static ngx_int_t
ngx_k8s_regex_below(ngx_k8s_making_t *m, ngx_k8s_item_t *item,
    ngx_str_t *path, ngx_uint_t rewrite)
{
    ngx_str_t  text;

    text.len = path->len + 1;
    text.data = ngx_pnalloc(m->places.pool, text.len);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    *ngx_cpymem(text.data, path->data, path->len) = '/';

    return ngx_k8s_regex_place(m, item, NGX_K8S_PATH_REGEX, &text, rewrite);
}


static ngx_int_t
ngx_k8s_regex_place(ngx_k8s_making_t *m, ngx_k8s_item_t *item,
    ngx_uint_t type, ngx_str_t *text, ngx_uint_t rewrite)
{
    ngx_k8s_item_t   **p;
    ngx_k8s_place_t   *place;

    place = ngx_array_push(&m->places);
    p = ngx_array_push(&m->items);

    if (place == NULL || p == NULL) {
        return NGX_ERROR;
    }

    *p = item;

    place->type = type;
    place->text = *text;
    place->first = m->items.nelts - 1;
    place->n = 1;
    place->rewrite = (rewrite != 0);

    m->npredicates += item->match->npredicates;

    return NGX_OK;
}
