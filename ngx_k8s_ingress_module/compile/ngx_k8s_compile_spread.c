
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * How requests are spread over the endpoints of a port: as the oldest object
 * says that leads to it and says so.  A canary has the affinity of the object
 * whose requests it gets.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>
#include <ngx_k8s_tree.h>


/* an object, or a version of it, by which a port has a spread; malloc()ed */

struct ngx_k8s_spreader_s {
    ngx_rbtree_node_t        node;       /* port->spreaders[] */
    ngx_uint_t               refs;       /* matches */
    ngx_k8s_object_t         age;        /* what ngx_k8s_age_cmp() reads */
    ngx_k8s_spread_t         spread;
};


static ngx_k8s_spreader_t *ngx_k8s_spread_first(ngx_k8s_port_t *port,
    ngx_uint_t n);
static ngx_k8s_model_t *ngx_k8s_spread_claim(ngx_k8s_claim_t *claim);
static ngx_int_t ngx_k8s_spread_use(ngx_k8s_compile_t *c,
    ngx_k8s_held_t *held, ngx_k8s_model_t *model, ngx_uint_t n);
static ngx_uint_t ngx_k8s_spread_known(ngx_k8s_compile_t *c, ngx_str_t text);
static void ngx_k8s_spread_put(ngx_k8s_compile_t *c, ngx_k8s_held_t *held,
    ngx_uint_t n);
static ngx_k8s_spreader_t *ngx_k8s_spreader(ngx_k8s_compile_t *c,
    ngx_k8s_model_t *model, ngx_uint_t n);
static u_char *ngx_k8s_spread_copy(u_char *p, ngx_str_t *dst, ngx_str_t *src);
static void ngx_k8s_spread_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_int_t ngx_k8s_spread_cmp(ngx_rbtree_node_t *one,
    ngx_rbtree_node_t *two);
static void ngx_k8s_spread_changed(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_uint_t n);


/* whose values they are */

static ngx_str_t  ngx_k8s_spread_names[NGX_K8S_SPREADS] = {
    ngx_string("affinity"),
    ngx_string("upstream-hash-by"),
    ngx_string("load-balance")
};


void
ngx_k8s_spread_init(ngx_k8s_port_t *port)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_K8S_SPREADS; i++) {
        ngx_rbtree_init(&port->spreaders[i], &port->sentinel,
                        ngx_k8s_spread_insert);
    }
}


/* the sentinel is the port's own, so a copy would lead to another one */

ngx_k8s_spread_t *
ngx_k8s_port_spread(ngx_k8s_port_t *port, ngx_uint_t n)
{
    ngx_k8s_spreader_t  *first;

    first = ngx_k8s_spread_first(port, n);

    return first ? &first->spread : NULL;
}


static ngx_k8s_spreader_t *
ngx_k8s_spread_first(ngx_k8s_port_t *port, ngx_uint_t n)
{
    ngx_rbtree_t  *tree;

    tree = &port->spreaders[n];

    return (tree->root == tree->sentinel) ? NULL
           : (ngx_k8s_spreader_t *) ngx_rbtree_min(tree->root, tree->sentinel);
}


ngx_int_t
ngx_k8s_spread_model(ngx_k8s_compile_t *c, ngx_k8s_held_t *held,
    ngx_k8s_model_t *model)
{
    ngx_uint_t  n;

    for (n = 0; n < NGX_K8S_SPREADS; n++) {

        if ((n != NGX_K8S_SPREAD_AFFINITY || model->canary == NULL)
            && ngx_k8s_spread_use(c, held, model, n) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_spread_canary(ngx_k8s_compile_t *c, ngx_k8s_held_t *held,
    ngx_k8s_item_t *canary, ngx_k8s_item_t *primary)
{
    return ngx_k8s_spread_use(c, held, canary->claim->model->legacy ? NULL
                                       : ngx_k8s_spread_claim(primary->claim),
                              NGX_K8S_SPREAD_AFFINITY);
}


ngx_uint_t
ngx_k8s_spread_sticky(ngx_k8s_item_t *item, ngx_k8s_item_t *canary)
{
    ngx_k8s_model_t  *model;

    model = ngx_k8s_spread_claim(item->claim);

    return model->spreads[NGX_K8S_SPREAD_AFFINITY].number
           && !canary->claim->model->legacy;
}


static ngx_k8s_model_t *
ngx_k8s_spread_claim(ngx_k8s_claim_t *claim)
{
    return claim->model ? claim->model : claim->next;
}


/* model NULL: nothing is said */

static ngx_int_t
ngx_k8s_spread_use(ngx_k8s_compile_t *c, ngx_k8s_held_t *held,
    ngx_k8s_model_t *model, ngx_uint_t n)
{
    ngx_rbtree_t        *tree;
    ngx_k8s_port_t      *port;
    ngx_k8s_spread_t    *spread;
    ngx_k8s_spreader_t  *spreader, *found, *was;

    port = held->ports[0];
    spread = model ? &model->spreads[n] : NULL;

    if (port == NULL || spread == NULL
        || (spread->number == 0 && spread->text.len == 0)
        || (n == NGX_K8S_SPREAD_HASH
            && !ngx_k8s_spread_known(c, spread->text)))
    {
        ngx_k8s_spread_put(c, held, n);
        return NGX_OK;
    }

    was = held->spreaders[n];

    if (was && ngx_k8s_age_cmp(&was->age, model->object) == 0
        && ngx_k8s_spread_equal(&was->spread, spread))
    {
        return NGX_OK;
    }

    spreader = ngx_k8s_spreader(c, model, n);
    if (spreader == NULL) {
        return NGX_ERROR;
    }

    tree = &port->spreaders[n];

    found = (ngx_k8s_spreader_t *) ngx_k8s_tree_find(tree, &spreader->node,
                                                     ngx_k8s_spread_cmp);

    if (found) {
        ngx_free(spreader);
        spreader = found;

    } else {
        ngx_rbtree_insert(tree, &spreader->node);
    }

    spreader->refs++;

    ngx_k8s_spread_put(c, held, n);

    held->spreaders[n] = spreader;

    ngx_k8s_spread_changed(c, port, n);

    return NGX_OK;
}


/* whether nginx knows the variables of a text: one that is always the same
   would lead all requests to one endpoint */

static ngx_uint_t
ngx_k8s_spread_known(ngx_k8s_compile_t *c, ngx_str_t text)
{
    ngx_str_t  name;

    if (c->conf.variable == NULL) {
        return 1;
    }

    while (ngx_k8s_variable_next(&text, &name) == NGX_OK) {
        if (!c->conf.variable(&name)) {
            return 0;
        }
    }

    return 1;
}


static void
ngx_k8s_spread_put(ngx_k8s_compile_t *c, ngx_k8s_held_t *held, ngx_uint_t n)
{
    ngx_k8s_spreader_t  *spreader;

    spreader = held->spreaders[n];

    if (spreader == NULL) {
        return;
    }

    held->spreaders[n] = NULL;

    if (--spreader->refs) {
        return;
    }

    ngx_rbtree_delete(&held->ports[0]->spreaders[n], &spreader->node);

    if (held->ports[0]->first[n] == spreader) {
        held->ports[0]->first[n] = NULL;
        ngx_k8s_compile_tell(c, held->ports[0]->node, 0);
    }

    ngx_free(spreader);

    ngx_k8s_spread_changed(c, held->ports[0], n);
}


void
ngx_k8s_spread_release(ngx_k8s_compile_t *c, ngx_k8s_held_t *held)
{
    ngx_uint_t  n;

    for (n = 0; n < NGX_K8S_SPREADS; n++) {
        ngx_k8s_spread_put(c, held, n);
    }
}


void
ngx_k8s_spread_free(ngx_k8s_port_t *port)
{
    ngx_uint_t          n;
    ngx_rbtree_t       *tree;
    ngx_rbtree_node_t  *node;

    for (n = 0; n < NGX_K8S_SPREADS; n++) {
        tree = &port->spreaders[n];

        while (tree->root != tree->sentinel) {
            node = ngx_rbtree_min(tree->root, tree->sentinel);
            ngx_rbtree_delete(tree, node);
            ngx_free(node);
        }
    }
}


static ngx_k8s_spreader_t *
ngx_k8s_spreader(ngx_k8s_compile_t *c, ngx_k8s_model_t *model, ngx_uint_t n)
{
    u_char              *p;
    ngx_k8s_object_t    *object;
    ngx_k8s_spread_t    *spread;
    ngx_k8s_spreader_t  *spreader;

    object = model->object;
    spread = &model->spreads[n];

    spreader = ngx_alloc(sizeof(ngx_k8s_spreader_t) + object->namespace.len
                         + object->name.len + object->origin.len
                         + spread->text.len, c->log);
    if (spreader == NULL) {
        return NULL;
    }

    ngx_memzero(spreader, sizeof(ngx_k8s_spreader_t));

    p = (u_char *) spreader + sizeof(ngx_k8s_spreader_t);

    spreader->age.kind = object->kind;
    spreader->age.created = object->created;
    spreader->age.document = object->document;
    p = ngx_k8s_spread_copy(p, &spreader->age.namespace, &object->namespace);
    p = ngx_k8s_spread_copy(p, &spreader->age.name, &object->name);
    p = ngx_k8s_spread_copy(p, &spreader->age.origin, &object->origin);

    spreader->spread.number = spread->number;
    (void) ngx_k8s_spread_copy(p, &spreader->spread.text, &spread->text);

    return spreader;
}


static u_char *
ngx_k8s_spread_copy(u_char *p, ngx_str_t *dst, ngx_str_t *src)
{
    dst->len = src->len;
    dst->data = p;

    return ngx_cpymem(p, src->data, src->len);
}


static void
ngx_k8s_spread_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
    ngx_rbtree_node_t *sentinel)
{
    ngx_k8s_tree_insert(temp, node, sentinel, ngx_k8s_spread_cmp);
}


/* an old version of an object stands beside the new one for a while */

static ngx_int_t
ngx_k8s_spread_cmp(ngx_rbtree_node_t *one, ngx_rbtree_node_t *two)
{
    ngx_int_t            rc;
    ngx_k8s_spreader_t  *a, *b;

    a = (ngx_k8s_spreader_t *) one;
    b = (ngx_k8s_spreader_t *) two;

    rc = ngx_k8s_age_cmp(&a->age, &b->age);

    if (rc == 0) {
        rc = (ngx_int_t) a->spread.number - (ngx_int_t) b->spread.number;
    }

    return rc ? rc : ngx_k8s_str_cmp(&a->spread.text, &b->spread.text);
}


/* the record says something else */

static void
ngx_k8s_spread_changed(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_uint_t n)
{
    ngx_k8s_spread_t    *spread, none;
    ngx_k8s_spreader_t  *first;

    spread = ngx_k8s_port_spread(port, n);

    if (spread == NULL) {
        ngx_memzero(&none, sizeof(ngx_k8s_spread_t));
        spread = &none;
    }

    if (port->begun
        && ngx_crc32_long(spread->text.data, spread->text.len)
           + spread->number != port->spread[n])
    {
        ngx_k8s_node_mark(c->store, port->node);
    }

    /* others than that of the oldest one are told */

    first = ngx_k8s_spread_first(port, n);

    if (first != port->first[n]) {
        port->first[n] = first;
        ngx_k8s_compile_tell(c, port->node, 0);
    }
}


ngx_int_t
ngx_k8s_spread_notes(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_model_t *model, ngx_k8s_port_t *port, ngx_str_t *host)
{
    ngx_str_t            field;
    ngx_uint_t           n;
    ngx_k8s_value_t     *value;
    ngx_k8s_spread_t    *spread;
    ngx_k8s_spreader_t  *older;

    for (n = 0; n < NGX_K8S_SPREADS; n++) {

        older = ngx_k8s_spread_first(port, n);
        spread = &model->spreads[n];

        if (older == NULL
            || (spread->number == 0 && spread->text.len == 0)
            || (n == NGX_K8S_SPREAD_AFFINITY && model->canary))
        {
            continue;
        }

        value = ngx_k8s_values_find(&model->values, &ngx_k8s_spread_names[n]);

        if (value == NULL
            || ngx_k8s_age_cmp(&older->age, model->object) >= 0
            || ngx_k8s_spread_equal(&older->spread, spread))
        {
            continue;
        }

        if (ngx_k8s_compile_value_field(a, value, &field) != NGX_OK
            || ngx_k8s_compile_note(c, a, NGX_K8S_PROBLEM_ANNOTATION_CONFLICT,
                                    host, &field, "of Service %V/%V that of "
                                    "%V %V/%V holds: it is older",
                                    &port->node->namespace, &port->node->name,
                                    &ngx_k8s_kinds[older->age.kind].name,
                                    &older->age.namespace, &older->age.name)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* what a predecessor's record says holds until all is compiled once */

void
ngx_k8s_spread_fixed(ngx_k8s_compile_t *c, ngx_k8s_port_t *port,
    ngx_k8s_service_rec_t *old, ngx_k8s_spread_t *spreads)
{
    ngx_uint_t         n;
    ngx_k8s_spread_t  *spread;

    ngx_memzero(spreads, NGX_K8S_SPREADS * sizeof(ngx_k8s_spread_t));

    port->begun = 1;

    for (n = 0; n < NGX_K8S_SPREADS; n++) {

        spread = ngx_k8s_port_spread(port, n);

        if (spread) {
            spreads[n] = *spread;
        }

        port->spread[n] = ngx_crc32_long(spreads[n].text.data,
                                         spreads[n].text.len)
                          + spreads[n].number;

        if (spread || old == NULL || c->swept || port->settled) {
            continue;
        }

        switch (n) {

        case NGX_K8S_SPREAD_AFFINITY:
            spreads[n].number = old->affinity;
            ngx_k8s_record_str(old, &old->cookie, &spreads[n].text);
            break;

        case NGX_K8S_SPREAD_HASH:
            spreads[n].number = old->subset;
            ngx_k8s_record_str(old, &old->hash_by, &spreads[n].text);
            break;

        default: /* NGX_K8S_SPREAD_BALANCE */
            spreads[n].number = old->balance;
        }

        if (spreads[n].number || spreads[n].text.len) {
            port->inherited = 1;
        }
    }
}


void
ngx_k8s_spread_settle(ngx_k8s_compile_t *c, ngx_k8s_port_t *port)
{
    port->settled = 1;

    if (port->inherited) {
        port->inherited = 0;
        ngx_k8s_node_mark(c->store, port->node);
    }
}
