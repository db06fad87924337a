
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Host records: services and rules first, then the record that leads to them,
 * then what the former record led to is given back.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_state.h>


static size_t ngx_k8s_compile_host_size(ngx_k8s_compile_t *c, uint32_t slot);
static ngx_k8s_host_state_t *ngx_k8s_compile_host_state(ngx_k8s_compile_t *c,
    ngx_k8s_node_t *node);
static ngx_int_t ngx_k8s_compile_attach(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
static void ngx_k8s_compile_detach(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);
static ngx_int_t ngx_k8s_compile_users(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m);
static ngx_int_t ngx_k8s_compile_fallback(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m);
static ngx_int_t ngx_k8s_compile_acquire(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m);
static ngx_k8s_port_t *ngx_k8s_compile_take(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_str_t *ns, ngx_str_t *name, ngx_str_t *port);
static ngx_int_t ngx_k8s_compile_target(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_target_t *target, ngx_k8s_port_t **port);
static uint32_t ngx_k8s_compile_seen(ngx_k8s_making_t *m, ngx_uint_t n);
static uint32_t ngx_k8s_compile_label(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, ngx_k8s_user_t *user, ngx_str_t *path,
    ngx_k8s_port_t *port);
static ngx_int_t ngx_k8s_compile_commit(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m, uint32_t slot);
static int ngx_libc_cdecl ngx_k8s_compile_slot_cmp(const void *one,
    const void *two);
static void ngx_k8s_compile_release(ngx_k8s_compile_t *c,
    ngx_k8s_port_t **ports, ngx_uint_t nports, uint32_t *rules,
    ngx_uint_t nrules, uint32_t *keep, ngx_uint_t nkeep);
static ngx_int_t ngx_k8s_compile_refuse(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m);
static ngx_k8s_entry_t *ngx_k8s_compile_youngest(ngx_k8s_making_t *m);
static ngx_int_t ngx_k8s_compile_notes(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m);
static void ngx_k8s_compile_tls_done(ngx_k8s_compile_t *c,
    ngx_k8s_making_t *m);
static void ngx_k8s_compile_host_remove(ngx_k8s_compile_t *c,
    ngx_k8s_host_state_t *state);


static ngx_str_t  ngx_k8s_no_host = ngx_null_string;
static ngx_str_t  ngx_k8s_root_path = ngx_string("/");


ngx_int_t
ngx_k8s_compile_host(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    u_char            *p;
    uint32_t           slot;
    ngx_int_t          rc;
    ngx_k8s_making_t   m;

    ngx_memzero(&m, sizeof(ngx_k8s_making_t));

    m.node = node;
    m.host = node->name;

    if (m.host.len && m.host.data[0] == '.') {
        p = ngx_pnalloc(c->pool, m.host.len + 1);
        if (p == NULL) {
            return NGX_ERROR;
        }

        m.host.data = p;
        *p++ = '*';
        ngx_memcpy(p, node->name.data, m.host.len);
        m.host.len++;
    }

    if (ngx_k8s_compile_users(c, &m) != NGX_OK) {
        return NGX_ERROR;
    }

    m.state = node->data;

    if (m.users.nelts == 0
        && (node != c->root || c->default_service.len == 0))
    {
        if (m.state && m.state->slot) {
            ngx_k8s_compile_smaller(c, node, NULL);
        }

        if (m.state) {
            ngx_k8s_compile_host_remove(c, m.state);
        }

        return ngx_k8s_compile_notes(c, &m);
    }

    if (m.state == NULL || !m.state->attached) {
        m.state = ngx_k8s_compile_host_state(c, node);
        if (m.state == NULL) {
            return NGX_ERROR;
        }
    }

    if (ngx_k8s_compile_paths(c, &m) != NGX_OK
        || ngx_k8s_compile_fallback(c, &m) != NGX_OK
        || ngx_k8s_compile_tls(c, &m) != NGX_OK)
    {
        return NGX_ERROR;
    }

    m.taken = ngx_k8s_writer_taken(c->writer);
    m.size = ngx_k8s_compile_host_size(c, m.state->slot);

    rc = ngx_k8s_compile_acquire(c, &m);

    slot = (rc == NGX_OK) ? ngx_k8s_compile_host_record(c, &m) : 0;

    m.large = (rc == NGX_OK
               && c->builder.len > ngx_k8s_writer_largest(c->writer));

    if (slot && ngx_k8s_compile_commit(c, &m, slot) == NGX_OK) {

        if (ngx_k8s_compile_host_size(c, slot) < m.size) {
            ngx_k8s_compile_smaller(c, node, NULL);
        }

        return ngx_k8s_compile_notes(c, &m);
    }

    ngx_k8s_compile_release(c, m.ports.elts, m.ports.nelts, m.rules.elts,
                            m.rules.nelts, m.state->rules, m.state->nrules);

    if (rc == NGX_ERROR || slot) {
        return NGX_ERROR;
    }

    return ngx_k8s_compile_refuse(c, &m);
}


static size_t
ngx_k8s_compile_host_size(ngx_k8s_compile_t *c, uint32_t slot)
{
    ngx_k8s_host_t  *rec;

    rec = ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_HOST, slot);

    return rec ? rec->header.size : 0;
}


static ngx_k8s_host_state_t *
ngx_k8s_compile_host_state(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_k8s_host_state_t  *state;

    state = node->data;

    if (state == NULL) {
        state = ngx_calloc(sizeof(ngx_k8s_host_state_t), c->log);
        if (state == NULL) {
            return NULL;
        }

        state->node = node;
        ngx_queue_init(&state->children);
        node->data = state;
    }

    if (ngx_k8s_compile_attach(c, state) != NGX_OK) {
        return NULL;
    }

    return state;
}


/* an exact host takes TLS over from the wildcard host that covers it */

static ngx_int_t
ngx_k8s_compile_attach(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    u_char                *dot;
    ngx_str_t              name;
    ngx_k8s_node_t        *node;
    ngx_k8s_host_state_t  *parent;

    state->attached = 1;
    name = state->node->name;

    if (name.len == 0 || name.data[0] == '.') {
        return NGX_OK;
    }

    dot = ngx_strlchr(name.data, name.data + name.len, '.');

    if (dot == NULL) {
        return NGX_OK;
    }

    name.len -= dot - name.data;
    name.data = dot;

    node = ngx_k8s_node_get(c->store, NGX_K8S_NODE_HOST, &ngx_k8s_no_host,
                            &name);
    if (node == NULL) {
        state->attached = 0;
        return NGX_ERROR;
    }

    parent = node->data;

    if (parent == NULL) {
        parent = ngx_calloc(sizeof(ngx_k8s_host_state_t), c->log);
        if (parent == NULL) {
            ngx_k8s_node_check(c->store, node);
            state->attached = 0;
            return NGX_ERROR;
        }

        parent->node = node;
        ngx_queue_init(&parent->children);
        node->data = parent;
    }

    ngx_k8s_node_pin(c->store, node);

    state->parent = node;
    ngx_queue_insert_tail(&parent->children, &state->sibling);

    return NGX_OK;
}


static void
ngx_k8s_compile_detach(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_k8s_node_t        *node;
    ngx_k8s_host_state_t  *parent;

    node = state->parent;
    state->parent = NULL;
    state->attached = 0;

    if (node == NULL) {
        return;
    }

    ngx_queue_remove(&state->sibling);
    ngx_k8s_node_unpin(c->store, node);

    parent = node->data;

    if (parent->slot == 0 && ngx_queue_empty(&node->users)
        && ngx_queue_empty(&parent->children))
    {
        ngx_free(parent);
        node->data = NULL;
    }

    ngx_k8s_node_check(c->store, node);
}


static ngx_int_t
ngx_k8s_compile_users(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_int_t        rc;
    ngx_queue_t     *q;
    ngx_k8s_link_t  *link;
    ngx_k8s_node_t  *node;
    ngx_k8s_user_t  *user;

    node = m->node;

    if (ngx_array_init(&m->users, c->pool, node->nusers + 1,
                       sizeof(ngx_k8s_user_t))
        != NGX_OK
        || ngx_array_init(&m->items, c->pool, 8, sizeof(ngx_k8s_item_t))
           != NGX_OK
        || ngx_array_init(&m->ports, c->pool, 8, sizeof(ngx_k8s_port_t *))
           != NGX_OK
        || ngx_array_init(&m->rules, c->pool, 8, sizeof(uint32_t)) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (q = ngx_queue_head(&node->users);
         q != ngx_queue_sentinel(&node->users);
         q = ngx_queue_next(q))
    {
        link = ngx_queue_data(q, ngx_k8s_link_t, queue);

        rc = ngx_k8s_compile_ask(c, link->entry);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc != NGX_OK) {

            if (link->notes) {
                ngx_free(link->notes);
                link->notes = NULL;
            }

            continue;
        }

        user = ngx_array_push(&m->users);

        user->link = link;
        user->entry = link->entry;
        user->model = link->entry->model;

        if (ngx_array_init(&user->notes, c->pool, 1,
                           sizeof(ngx_k8s_problem_t))
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_qsort(m->users.elts, m->users.nelts, sizeof(ngx_k8s_user_t),
              ngx_k8s_compile_user_cmp);

    return NGX_OK;
}


/*
 * The backend of what no path takes: that of the Ingress which first made the
 * host; for the empty host, which nobody makes, that of the oldest Ingress
 * that is nothing but a default backend; else the controller's.
 */

static ngx_int_t
ngx_k8s_compile_fallback(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_str_t          field;
    ngx_uint_t         i, root;
    ngx_k8s_user_t    *users;
    ngx_k8s_target_t  *target;

    users = m->users.elts;
    root = (m->node->name.len == 0);

    for (i = 0; i < m->users.nelts; i++) {

        if (root ? !users[i].model->catchall : i != 0) {
            continue;
        }

        target = users[i].model->fallback;

        if (target == NULL) {
            continue;
        }

        if (m->fallback == NULL) {
            m->fallback = target;
            m->fallback_user = &users[i];
            continue;
        }

        field = ngx_k8s_field_text(&target->ref.field, c->pool);

        if (ngx_k8s_compile_note(c, &users[i].notes,
                                 NGX_K8S_PROBLEM_DEFAULT_CONFLICT,
                                 &m->host, &field,
                                 "Ingress %V/%V, which is older, has the "
                                 "default backend of all hosts",
                                 &m->fallback_user->model->object->namespace,
                                 &m->fallback_user->model->object->name)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* service and rule records of all paths; NGX_DECLINED: no room */

static ngx_int_t
ngx_k8s_compile_acquire(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_uint_t       i, size;
    ngx_k8s_item_t  *items;

    c->stamp++;
    items = m->items.elts;

    for (size = 8; size < 2 * m->items.nelts; size *= 2) { /* void */ }

    m->seen = ngx_pcalloc(c->pool, size * sizeof(ngx_uint_t));
    if (m->seen == NULL) {
        return NGX_ERROR;
    }

    m->mask = size - 1;

    for (i = 0; i < m->items.nelts; i++) {
        if (ngx_k8s_compile_target(c, m, items[i].target, &items[i].port)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

        items[i].slot = ngx_k8s_compile_seen(m, i);

        if (items[i].slot == 0) {
            items[i].slot = ngx_k8s_compile_label(c, m, items[i].user,
                                               &items[i].path, items[i].port);
            if (items[i].slot == 0) {
                return NGX_DECLINED;
            }
        }
    }

    if (m->fallback) {
        if (ngx_k8s_compile_target(c, m, m->fallback, &m->fallback_port)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

    } else if (c->default_service.len) {
        m->fallback_port = ngx_k8s_compile_take(c, m, &c->default_namespace,
                                                &c->default_service,
                                                &c->default_port);

        if (m->fallback_port == NULL) {
            return NGX_DECLINED;
        }

    } else {
        return NGX_OK;
    }

    m->fallback_rule = ngx_k8s_compile_label(c, m, m->fallback_user,
                                             &ngx_k8s_root_path,
                                             m->fallback_port);

    return m->fallback_rule ? NGX_OK : NGX_DECLINED;
}


/* the service record of a target, NULL when it leads nowhere */

static ngx_int_t
ngx_k8s_compile_target(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_target_t *target, ngx_k8s_port_t **port)
{
    *port = NULL;

    if (target->ref.name.len == 0) {
        return NGX_OK;
    }

    *port = ngx_k8s_compile_take(c, m, &target->ref.namespace,
                                 &target->ref.name, &target->port);

    return *port ? NGX_OK : NGX_DECLINED;
}


/* the rule record of an item with the same labels, 0 when it is the first */

static uint32_t
ngx_k8s_compile_seen(ngx_k8s_making_t *m, ngx_uint_t n)
{
    ngx_uint_t       i;
    ngx_k8s_item_t  *items, *item, *other;

    items = m->items.elts;
    item = &items[n];

    i = ngx_murmur_hash2(item->path.data, item->path.len)
        + (uintptr_t) item->user / sizeof(ngx_k8s_user_t);

    for (i &= m->mask; m->seen[i]; i = (i + 1) & m->mask) {
        other = &items[m->seen[i] - 1];

        if (other->user == item->user
            && ngx_k8s_str_eq(&other->path, &item->path)
            && ngx_k8s_str_eq(&other->target->ref.name,
                              &item->target->ref.name))
        {
            return other->slot;
        }
    }

    m->seen[i] = n + 1;

    return 0;
}


/* a service record, referenced once by the host */

static ngx_k8s_port_t *
ngx_k8s_compile_take(ngx_k8s_compile_t *c, ngx_k8s_making_t *m, ngx_str_t *ns,
    ngx_str_t *name, ngx_str_t *text)
{
    ngx_k8s_port_t  *port, **p;

    port = ngx_k8s_compile_port_find(c, ns, name, text);

    if (port && port->stamp == c->stamp) {
        return port;
    }

    p = ngx_array_push(&m->ports);
    if (p == NULL) {
        return NULL;
    }

    port = ngx_k8s_compile_port(c, ns, name, text);

    if (port == NULL) {
        m->ports.nelts--;
        return NULL;
    }

    port->stamp = c->stamp;
    port->index = m->ports.nelts - 1;
    *p = port;

    return port;
}


/* the rule record with the labels of a path; 0: no room */

static uint32_t
ngx_k8s_compile_label(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    ngx_k8s_user_t *user, ngx_str_t *path, ngx_k8s_port_t *port)
{
    uint32_t            slot, *rule;
    ngx_str_t           none, *names[7];
    ngx_k8s_builder_t  *b;

    b = &c->builder;

    rule = ngx_array_push(&m->rules);
    if (rule == NULL) {
        return 0;
    }

    ngx_str_null(&none);

    names[0] = user ? &ngx_k8s_kinds[user->entry->kind].name : &none;
    names[1] = user ? &user->model->object->namespace : &port->node->namespace;
    names[2] = user ? &user->model->object->name : &none;
    names[3] = &none;
    names[4] = &m->host;
    names[5] = path;
    names[6] = port ? &port->node->name : &none;

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_RULE, sizeof(ngx_k8s_rule_rec_t));

    ngx_k8s_builder_names(b, 7, names);

    if (port) {
        ngx_k8s_builder_set(b, ngx_k8s_rule_rec_t, port, &port->port);
    }

    slot = ngx_k8s_builder_put(b, c->writer, NGX_K8S_WRITE_OBJECT);

    if (slot == 0) {
        m->rules.nelts--;
        return 0;
    }

    *rule = slot;

    return slot;
}


/* what the record leads to now is kept, what it led to before is given back */

static ngx_int_t
ngx_k8s_compile_commit(ngx_k8s_compile_t *c, ngx_k8s_making_t *m,
    uint32_t slot)
{
    size_t                 size;
    uint32_t              *rules, *oldrules;
    ngx_uint_t             i, nports, nrules;
    ngx_k8s_user_t        *users;
    ngx_k8s_port_t       **ports, **oldports;
    ngx_k8s_host_state_t  *state;

    state = m->state;

    size = m->ports.nelts * sizeof(ngx_k8s_port_t *);

    ports = ngx_alloc(size + m->rules.nelts * sizeof(uint32_t) + 1, c->log);

    if (ports == NULL) {
        return NGX_ERROR;
    }

    rules = (uint32_t *) ((u_char *) ports + size);

    ngx_memcpy(ports, m->ports.elts, size);
    ngx_memcpy(rules, m->rules.elts, m->rules.nelts * sizeof(uint32_t));

    oldports = state->ports;
    oldrules = state->rules;
    nports = state->nports;
    nrules = state->nrules;

    state->slot = slot;
    state->ports = ports;
    state->nports = m->ports.nelts;
    state->rules = rules;
    state->nrules = m->rules.nelts;
    state->stuck = 0;

    m->node->gone = 0;
    users = m->users.elts;

    for (i = 0; i < m->users.nelts; i++) {
        users[i].link->kept = 1;
    }

    ngx_k8s_compile_release(c, oldports, nports, oldrules, nrules, rules,
                            m->rules.nelts);

    if (oldports) {
        ngx_free(oldports);
    }

    ngx_k8s_compile_tls_done(c, m);

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_k8s_compile_slot_cmp(const void *one, const void *two)
{
    uint32_t  a, b;

    a = *(uint32_t *) one;
    b = *(uint32_t *) two;

    return (a > b) - (a < b);
}


/* gives services back, and rules unless they are in "keep" */

static void
ngx_k8s_compile_release(ngx_k8s_compile_t *c, ngx_k8s_port_t **ports,
    ngx_uint_t nports, uint32_t *rules, ngx_uint_t nrules, uint32_t *keep,
    ngx_uint_t nkeep)
{
    ngx_uint_t  i;

    for (i = 0; i < nports; i++) {
        ngx_k8s_compile_port_put(c, ports[i]);
    }

    if (nrules == 0) {
        return;
    }

    ngx_qsort(rules, nrules, sizeof(uint32_t), ngx_k8s_compile_slot_cmp);

    if (nkeep) {
        ngx_qsort(keep, nkeep, sizeof(uint32_t), ngx_k8s_compile_slot_cmp);
    }

    for (i = 0; i < nrules; i++) {

        if (i && rules[i] == rules[i - 1]) {
            continue;
        }

        if (nkeep
            && bsearch(&rules[i], keep, nkeep, sizeof(uint32_t),
                       ngx_k8s_compile_slot_cmp))
        {
            continue;
        }

        ngx_k8s_writer_remove(c->writer, rules[i]);
    }
}


/* siblings below a wildcard host follow its TLS */

static void
ngx_k8s_compile_tls_done(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_queue_t           *q;
    ngx_k8s_host_state_t  *state, *child;

    state = m->state;

    if (state->tls == m->tls && state->ncerts == m->ncerts
        && ngx_memcmp(state->certs, m->certs, sizeof(m->certs)) == 0)
    {
        return;
    }

    state->tls = m->tls;
    state->ncerts = m->ncerts;
    ngx_memcpy(state->certs, m->certs, sizeof(m->certs));

    for (q = ngx_queue_head(&state->children);
         q != ngx_queue_sentinel(&state->children);
         q = ngx_queue_next(q))
    {
        child = ngx_queue_data(q, ngx_k8s_host_state_t, sibling);
        ngx_k8s_node_mark(c->store, child->node);
    }
}


/*
 * The record does not fit: the youngest Ingress that is not yet served is left
 * out.  Where all are served the record stays as it was, but not when it has
 * routes of one that has gone: then the youngest that was edited is left out.
 */

static ngx_int_t
ngx_k8s_compile_refuse(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    size_t            need, missing;
    ngx_str_t         field;
    ngx_k8s_user_t   *users;
    ngx_k8s_entry_t  *entry;

    users = m->users.elts;

    /* what has been put for it is given back */

    missing = ngx_max(ngx_k8s_writer_missing(c->writer), NGX_K8S_GRANULE);

    need = m->large ? NGX_K8S_NEVER
           : ngx_k8s_writer_room(c->writer)
             + ngx_k8s_writer_taken(c->writer) - m->taken + missing;

    entry = ngx_k8s_compile_youngest(m);

    if (entry) {
        ngx_k8s_node_mark(c->store, m->node);

        if (m->large) {
            ngx_k8s_compile_smaller(c, m->node, entry);
        }

        return ngx_k8s_compile_leave(c, entry, need, missing);
    }

    m->state->stuck = 1;

    if (!m->large) {
        ngx_k8s_compile_stuck(c, need);
    }

    ngx_str_null(&field);

    if (m->users.nelts
        && ngx_k8s_compile_note(c, &users[m->users.nelts - 1].notes,
                                NGX_K8S_PROBLEM_TABLE_FULL, &m->host, &field,
                                "%uz bytes are missing for a change of host "
                                "\"%V\", which is served as it was",
                                missing, &m->host)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_k8s_compile_notes(c, m);
}


/* the one to leave out, NULL: none */

static ngx_k8s_entry_t *
ngx_k8s_compile_youngest(ngx_k8s_making_t *m)
{
    ngx_uint_t       i;
    ngx_k8s_user_t  *users;

    users = m->users.elts;

    for (i = m->users.nelts; i > 0; i--) {
        if (!users[i - 1].entry->served) {
            return users[i - 1].entry;
        }
    }

    for (i = m->users.nelts; i > 0 && m->node->gone; i--) {
        if (!users[i - 1].link->kept) {
            return users[i - 1].entry;
        }
    }

    return NULL;
}


/* keeps on each link what was said, for the problems of its Ingress */

static ngx_int_t
ngx_k8s_compile_notes(ngx_k8s_compile_t *c, ngx_k8s_making_t *m)
{
    ngx_uint_t       i;
    ngx_k8s_user_t  *users;

    users = m->users.elts;

    for (i = 0; i < m->users.nelts; i++) {
        if (ngx_k8s_compile_keep(c, &users[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_k8s_compile_host_remove(ngx_k8s_compile_t *c, ngx_k8s_host_state_t *state)
{
    ngx_k8s_node_t    *node;
    ngx_k8s_making_t   m;

    node = state->node;

    if (state->slot) {
        ngx_k8s_writer_remove(c->writer, state->slot);
    }

    ngx_k8s_compile_release(c, state->ports, state->nports, state->rules,
                            state->nrules, NULL, 0);

    if (state->ports) {
        ngx_free(state->ports);
    }

    node->gone = 0;

    state->slot = 0;
    state->ports = NULL;
    state->nports = 0;
    state->rules = NULL;
    state->nrules = 0;
    state->stuck = 0;

    ngx_memzero(&m, sizeof(ngx_k8s_making_t));
    m.state = state;
    ngx_k8s_compile_tls_done(c, &m);

    ngx_k8s_compile_detach(c, state);

    if (ngx_queue_empty(&state->children)) {
        ngx_free(state);
        node->data = NULL;
    }
}


void
ngx_k8s_compile_host_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_k8s_host_state_t  *state;

    state = node->data;

    if (state->ports) {
        ngx_free(state->ports);
    }

    ngx_free(state);
    node->data = NULL;
}
