
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What policies ask of Secrets: a record for each use, made while a policy asks
 * for it and there is something good to make it of.  Without one what it
 * protects is closed.  The texts are a tenant's: whatever they hold is a
 * problem at worst.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_data.h>

#include <openssl/evp.h>


static ngx_uint_t ngx_k8s_data_ask_users(ngx_k8s_values_t *values);
static ngx_uint_t ngx_k8s_data_ask_tls(ngx_k8s_values_t *values);
static void ngx_k8s_data_adopt(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_uint_t n);
static ngx_int_t ngx_k8s_data_make(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_uint_t n, ngx_k8s_secret_t *secret);
static ngx_int_t ngx_k8s_data_put(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_uint_t n, ngx_k8s_secret_t *secret);
static ngx_int_t ngx_k8s_data_record(ngx_k8s_builder_t *b,
    ngx_k8s_node_t *node, ngx_uint_t n, ngx_k8s_secret_t *secret);
static void ngx_k8s_data_remove(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_k8s_data_state_t *d);
static void ngx_k8s_data_drop(ngx_k8s_data_state_t *d);


ngx_k8s_data_use_t  ngx_k8s_data_uses[NGX_K8S_SECRET_USES] = {
    { NGX_K8S_DATA_USERS, ngx_string("auth"), 1, ngx_k8s_compile_data_users },
    { NGX_K8S_DATA_USER_MAP, ngx_null_string, 1,
      ngx_k8s_compile_data_user_map },
    { NGX_K8S_DATA_CA, ngx_string("ca.crt"), 0, ngx_k8s_compile_data_ca },
    { NGX_K8S_DATA_CRL, ngx_string("ca.crl"), 0, ngx_k8s_compile_data_crl },
    { NGX_K8S_DATA_DIGESTS, ngx_string("auth"), 1,
      ngx_k8s_compile_data_digests },
    { NGX_K8S_DATA_DIGEST_MAP, ngx_null_string, 1,
      ngx_k8s_compile_data_digest_map }
};


/* of auth-secret one, by auth-type and auth-secret-type */

static ngx_k8s_data_ask_t  ngx_k8s_data_asks[] = {
    { ngx_string("auth-secret"), NGX_K8S_ASK_USERS|NGX_K8S_ASK_USER_MAP
                                 |NGX_K8S_ASK_DIGESTS|NGX_K8S_ASK_DIGEST_MAP,
      0, 0 },
    { ngx_string("auth-tls-secret"), NGX_K8S_ASK_CA, NGX_K8S_ASK_CRL, 0 },
    { ngx_string("proxy-ssl-secret"), 0, NGX_K8S_ASK_CA|NGX_K8S_ASK_CRL, 1 },
    { ngx_null_string, 0, 0, 0 }
};


static ngx_str_t  ngx_k8s_data_no_item = ngx_null_string;


ngx_int_t
ngx_k8s_compile_data_ask(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_k8s_row_t *row, ngx_k8s_values_t *values, ngx_uint_t *uses)
{
    ngx_uint_t               n, all;
    ngx_k8s_data_ask_t      *ask;
    ngx_k8s_data_state_t    *d;
    ngx_k8s_secret_state_t  *state;

    static ngx_str_t  verify = ngx_string("proxy-ssl-verify");

    ask = ngx_k8s_compile_data_row(row);
    all = ask->needs | ask->may;

    if (all & NGX_K8S_ASK_USERS) {
        all = ngx_k8s_data_ask_users(values);
    }

    state = ngx_k8s_compile_secret_state(c, node);
    if (state == NULL) {
        return NGX_ERROR;
    }

    if (state->data == NULL) {
        state->data = ngx_calloc(NGX_K8S_SECRET_USES
                                 * sizeof(ngx_k8s_data_state_t), c->log);
        if (state->data == NULL) {
            return NGX_ERROR;
        }
    }

    for (n = 0; n < NGX_K8S_SECRET_USES; n++) {

        if (!(all & ((ngx_uint_t) 1 << n))) {
            continue;
        }

        d = &state->data[n];
        d->refs++;

        if (!d->known) {
            ngx_k8s_data_adopt(c, node, n);
            ngx_k8s_node_mark(c->store, node);
        }
    }

    if (ask->pair && ngx_k8s_values_on(values, &verify)) {
        all |= NGX_K8S_ASK_VERIFY;
    }

    if (ask->pair && !ngx_k8s_data_ask_tls(values)) {
        all |= NGX_K8S_ASK_PLAIN;
    }

    *uses = all;

    return NGX_OK;
}


ngx_k8s_data_ask_t *
ngx_k8s_compile_data_row(ngx_k8s_row_t *row)
{
    ngx_k8s_data_ask_t  *ask;

    for (ask = ngx_k8s_data_asks; ask->name.len; ask++) {
        if (ngx_k8s_str_eq(&ask->name, &row->name)) {
            break;
        }
    }

    return ask;
}


static ngx_uint_t
ngx_k8s_data_ask_users(ngx_k8s_values_t *values)
{
    ngx_str_t   *type;
    ngx_uint_t   map;

    static ngx_str_t  auth_type = ngx_string("auth-type");
    static ngx_str_t  secret_type = ngx_string("auth-secret-type");
    static ngx_str_t  digest = ngx_string("digest");

    type = ngx_k8s_values_get(values, &auth_type);
    map = ngx_k8s_values_on(values, &secret_type);

    if (type && ngx_k8s_str_eq(type, &digest)) {
        return map ? NGX_K8S_ASK_DIGEST_MAP : NGX_K8S_ASK_DIGESTS;
    }

    return map ? NGX_K8S_ASK_USER_MAP : NGX_K8S_ASK_USERS;
}


/* whether the protocol of backends is, or may be, by TLS */

static ngx_uint_t
ngx_k8s_data_ask_tls(ngx_k8s_values_t *values)
{
    ngx_str_t   *protocol;
    ngx_uint_t   i;

    static ngx_str_t  name = ngx_string("backend-protocol");

    static ngx_str_t  tls[] = {
        ngx_string("HTTPS"),
        ngx_string("GRPCS"),
        ngx_string("AUTO_HTTP"),
        ngx_null_string
    };

    protocol = ngx_k8s_values_get(values, &name);

    for (i = 0; protocol && tls[i].len; i++) {
        if (protocol->len == tls[i].len
            && ngx_strncasecmp(protocol->data, tls[i].data, tls[i].len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* what a predecessor has left holds until the Secret has come */

static void
ngx_k8s_data_adopt(ngx_k8s_compile_t *c, ngx_k8s_node_t *node, ngx_uint_t n)
{
    u_char                   buf[NGX_K8S_KEY_MAX];
    size_t                   len;
    ngx_k8s_data_state_t    *d;
    ngx_k8s_secret_state_t  *state;

    state = node->data;
    d = &state->data[n];

    len = ngx_k8s_key_data(buf, ngx_k8s_data_uses[n].use, &node->namespace,
                           &node->name, &ngx_k8s_data_no_item);

    if (ngx_k8s_table_find(c->table, NGX_K8S_INDEX_DATA, buf, len, &d->slot)
        == NULL)
    {
        d->slot = 0;
    }
}


void
ngx_k8s_compile_data_unask(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_uint_t uses)
{
    ngx_uint_t               n;
    ngx_k8s_secret_state_t  *state;

    state = node->data;

    for (n = 0; n < NGX_K8S_SECRET_USES; n++) {

        if ((uses & ((ngx_uint_t) 1 << n)) && --state->data[n].refs == 0) {
            ngx_k8s_node_mark(c->store, node);
        }
    }
}


ngx_uint_t
ngx_k8s_compile_data_ready(ngx_k8s_node_t *node, ngx_uint_t uses)
{
    ngx_uint_t               n;
    ngx_k8s_secret_state_t  *state;

    state = node->data;

    for (n = 0; n < NGX_K8S_SECRET_USES; n++) {
        if ((uses & ((ngx_uint_t) 1 << n)) && !state->data[n].known) {
            return 0;
        }
    }

    return 1;
}


/* one use, or a piece of it, in one item of work */

ngx_int_t
ngx_k8s_compile_data(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_k8s_secret_t *secret)
{
    ngx_int_t                rc;
    ngx_uint_t               n, asked, marked;
    ngx_k8s_data_state_t    *d;
    ngx_k8s_secret_state_t  *state;

    state = node->data;

    if (state->data == NULL) {
        return NGX_OK;
    }

    marked = node->marked;
    node->marked = 0;
    asked = 0;

    for (n = 0; n < NGX_K8S_SECRET_USES; n++) {

        d = &state->data[n];
        asked += d->refs;

        if (d->made && (marked || secret == NULL || d->refs == 0)) {
            ngx_k8s_data_drop(d);
        }

        if (d->refs == 0) {
            ngx_k8s_data_remove(c, node, d);
            d->known = 0;
            continue;
        }

        if (secret == NULL) {

            if (ngx_k8s_compile_named_known(c, node)) {
                ngx_k8s_data_remove(c, node, d);
                d->state = NGX_K8S_DATA_MISSING;
            }

            d->known = 1;
            continue;
        }

        if (ngx_k8s_compile_secret_lost(secret)) {
            d->state = d->slot ? NGX_K8S_DATA_GOOD : NGX_K8S_DATA_MISSING;
            d->known = 1;
            continue;
        }

        if (d->read && d->state != NGX_K8S_DATA_FULL
            && ngx_memcmp(d->digest, secret->object.digest, NGX_K8S_DIGEST)
               == 0)
        {
            continue;
        }

        if (d->read && d->state == NGX_K8S_DATA_FULL && !marked) {
            continue;
        }

        rc = ngx_k8s_data_make(c, node, n, secret);

        if (rc == NGX_OK) {
            d->known = 1;
            d->read = 1;
            ngx_memcpy(d->digest, secret->object.digest, NGX_K8S_DIGEST);
        }

        return (rc == NGX_ERROR) ? NGX_ERROR : NGX_AGAIN;
    }

    if (asked == 0) {
        ngx_k8s_compile_data_free(state);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_data_make(ngx_k8s_compile_t *c, ngx_k8s_node_t *node, ngx_uint_t n,
    ngx_k8s_secret_t *secret)
{
    ngx_int_t                rc;
    ngx_str_t                text;
    ngx_k8s_data_use_t      *use;
    ngx_k8s_data_state_t    *d;
    ngx_k8s_secret_state_t  *state;

    state = node->data;
    d = &state->data[n];
    use = &ngx_k8s_data_uses[n];

    ngx_str_null(&text);

    if (d->made == NULL && d->reason.data) {
        ngx_free(d->reason.data);
        ngx_str_null(&d->reason);
    }

    if (use->key.len) {
        ngx_k8s_compile_secret_data(secret, &use->key, &text);

        if (text.data == NULL && use->users) {
            ngx_k8s_data_remove(c, node, d);
            d->state = NGX_K8S_DATA_MISSING;

            return NGX_OK;
        }
    }

    rc = (text.len > NGX_K8S_DATA_BYTES)
         ? ngx_k8s_compile_data_bad(c, d, "it has more than %d KB",
                                    NGX_K8S_DATA_BYTES / 1024)
         : use->make(c, d, secret, &text);

    if (rc == NGX_OK) {
        rc = ngx_k8s_data_put(c, node, n, secret);
    }

    if (rc == NGX_DECLINED) {
        ngx_k8s_data_remove(c, node, d);
        rc = NGX_OK;
    }

    if (rc != NGX_AGAIN) {
        ngx_k8s_data_drop(d);
    }

    return rc;
}


/* NGX_DECLINED: there is no room */

static ngx_int_t
ngx_k8s_data_put(ngx_k8s_compile_t *c, ngx_k8s_node_t *node, ngx_uint_t n,
    ngx_k8s_secret_t *secret)
{
    size_t                   bytes, need;
    uint32_t                 slot;
    ngx_int_t                rc;
    ngx_k8s_record_t        *old;
    ngx_k8s_builder_t       *b;
    ngx_k8s_data_state_t    *d;
    ngx_k8s_secret_state_t  *state;

    state = node->data;
    d = &state->data[n];
    b = &c->builder;

    d->state = d->len ? NGX_K8S_DATA_GOOD : NGX_K8S_DATA_EMPTY;

    if (ngx_k8s_data_record(b, node, n, secret) != NGX_OK) {
        return NGX_ERROR;
    }

    bytes = ngx_k8s_writer_cost(b->len);

    rc = ngx_k8s_compile_share_data(c, &node->namespace, bytes, d->bytes);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    need = ngx_k8s_writer_room(c->writer) + bytes;

    if (rc == NGX_OK) {

        old = ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_DATA, d->slot);

        slot = ngx_k8s_compile_put_spare(c, b, old, b->len / 8, 1);

        if (slot) {
            d->slot = slot;
            d->bytes = bytes;
            return NGX_OK;
        }

        need = ngx_k8s_writer_room(c->writer)
               + ngx_k8s_writer_missing(c->writer);

        (void) ngx_k8s_compile_share_data(c, &node->namespace, d->bytes, bytes);
    }

    d->state = NGX_K8S_DATA_FULL;

    ngx_k8s_compile_stuck(c, node, need);

    return NGX_DECLINED;
}


static ngx_int_t
ngx_k8s_data_record(ngx_k8s_builder_t *b, ngx_k8s_node_t *node, ngx_uint_t n,
    ngx_k8s_secret_t *secret)
{
    u_char                   buf[NGX_K8S_KEY_MAX];
    uint32_t                 at;
    ngx_str_t                key;
    ngx_k8s_str_t            s[3];
    ngx_k8s_data_t          *rec;
    ngx_k8s_data_state_t    *d;
    ngx_k8s_secret_state_t  *state;

    state = node->data;
    d = &state->data[n];

    key.data = buf;
    key.len = ngx_k8s_key_data(buf, ngx_k8s_data_uses[n].use, &node->namespace,
                               &node->name, &ngx_k8s_data_no_item);

    ngx_k8s_builder_begin(b, NGX_K8S_INDEX_DATA, sizeof(ngx_k8s_data_t));

    s[0] = ngx_k8s_builder_str(b, &key);
    s[1] = ngx_k8s_builder_str(b, &node->namespace);
    s[2] = ngx_k8s_builder_str(b, &node->name);
    at = ngx_k8s_builder_alloc(b, d->len);

    if (b->failed) {
        return NGX_ERROR;
    }

    rec = ngx_k8s_builder_ptr(b, 0);

    rec->header.key = s[0];
    rec->use = ngx_k8s_data_uses[n].use;
    rec->flags = NGX_K8S_DATA_SECRET;

    if (rec->use == NGX_K8S_DATA_CA
        && ngx_k8s_compile_data_halves(secret) == NGX_K8S_DATA_BOTH)
    {
        rec->flags |= NGX_K8S_DATA_PAIR;
    }

    rec->namespace = s[1];
    rec->name = s[2];
    rec->bytes.offset = at;
    rec->bytes.len = d->len;

    ngx_memcpy(ngx_k8s_builder_ptr(b, at), d->made, d->len);

    return EVP_Digest(d->made, d->len, rec->sha256, NULL, EVP_sha256(), NULL)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_k8s_data_remove(ngx_k8s_compile_t *c, ngx_k8s_node_t *node,
    ngx_k8s_data_state_t *d)
{
    if (d->slot) {
        ngx_k8s_writer_remove(c->writer, d->slot);
        d->slot = 0;
    }

    if (d->bytes) {
        (void) ngx_k8s_compile_share_data(c, &node->namespace, 0, d->bytes);
        d->bytes = 0;
    }

    d->read = 0;
}


static void
ngx_k8s_data_drop(ngx_k8s_data_state_t *d)
{
    if (d->made) {
        ngx_explicit_memzero(d->made, d->len);
        ngx_free(d->made);
        d->made = NULL;
    }
}


void
ngx_k8s_compile_data_free(ngx_k8s_secret_state_t *state)
{
    ngx_uint_t             n;
    ngx_k8s_data_state_t  *d;

    if (state->data == NULL) {
        return;
    }

    for (n = 0; n < NGX_K8S_SECRET_USES; n++) {
        d = &state->data[n];

        ngx_k8s_data_drop(d);

        if (d->reason.data) {
            ngx_free(d->reason.data);
        }
    }

    ngx_free(state->data);
    state->data = NULL;
}


ngx_uint_t
ngx_k8s_compile_data_known(ngx_k8s_compile_t *c, uint32_t slot, void *rec)
{
    ngx_str_t                ns, name;
    ngx_uint_t               n;
    ngx_k8s_data_t          *data = rec;
    ngx_k8s_node_t          *node;
    ngx_k8s_secret_state_t  *state;

    if (data->use == NGX_K8S_DATA_OBJECT) {
        return 1;
    }

    ngx_k8s_record_str(data, &data->namespace, &ns);
    ngx_k8s_record_str(data, &data->name, &name);

    node = ngx_k8s_node_find(c->store, NGX_K8S_NODE_SECRET, &ns, &name);
    state = node ? node->data : NULL;

    for (n = 0; state && state->data && n < NGX_K8S_SECRET_USES; n++) {
        if (state->data[n].slot == slot) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_k8s_compile_data_halves(ngx_k8s_secret_t *secret)
{
    ngx_str_t  crt, key;

    static ngx_str_t  crt_name = ngx_string("tls.crt");
    static ngx_str_t  key_name = ngx_string("tls.key");

    ngx_k8s_compile_secret_data(secret, &crt_name, &crt);
    ngx_k8s_compile_secret_data(secret, &key_name, &key);

    return (crt.data ? NGX_K8S_DATA_CRT : 0)
           | (key.data ? NGX_K8S_DATA_KEY : 0);
}


ngx_uint_t
ngx_k8s_compile_data_age(ngx_k8s_compile_t *c, ngx_k8s_secret_state_t *state)
{
    ngx_uint_t             n, ended, changed;
    ngx_k8s_data_state_t  *d;

    changed = 0;

    for (n = 0; n < NGX_K8S_SECRET_USES; n++) {

        d = &state->data[n];
        ended = (d->slot && d->ends && c->now > d->ends);

        changed |= (ended != d->ended);
        d->ended = ended;
    }

    return changed;
}
