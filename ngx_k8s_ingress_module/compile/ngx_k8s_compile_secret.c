
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Certificate records: of each Secret that a tls section names, and the
 * default one.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_data.h>


static ngx_int_t ngx_k8s_compile_secret_put(ngx_k8s_compile_t *c,
    ngx_k8s_secret_state_t *state, ngx_k8s_secret_t *secret);
static ngx_int_t ngx_k8s_compile_secret_default(ngx_k8s_compile_t *c,
    ngx_str_t *crt, ngx_str_t *key);
static ngx_int_t ngx_k8s_compile_secret_bad(ngx_k8s_compile_t *c,
    ngx_k8s_secret_state_t *state, ngx_k8s_problem_t *problem);
static uint32_t ngx_k8s_compile_secret_sum(ngx_k8s_compile_t *c,
    ngx_k8s_secret_state_t *state);
static void ngx_k8s_compile_secret_directive(ngx_k8s_compile_t *c,
    ngx_k8s_secret_state_t *state);


#define NGX_K8S_CERTIFICATE_RENEW    (30 * 24 * 60 * 60)   /* seconds */


static ngx_str_t  ngx_k8s_no_string = ngx_null_string;


ngx_int_t
ngx_k8s_compile_secret(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    uint32_t                 sum;
    ngx_int_t                rc;
    ngx_uint_t               was, known;
    ngx_k8s_secret_t        *secret;
    ngx_k8s_secret_state_t  *state;

    if (node->data == NULL && node->nusers + node->pins == 0) {
        return NGX_OK;
    }

    state = ngx_k8s_compile_secret_state(c, node);
    if (state == NULL) {
        return NGX_ERROR;
    }

    if (node->marked) {
        node->need = 0;
    }

    secret = (ngx_k8s_secret_t *) ngx_k8s_store_get(c->store, NGX_K8S_SECRET,
                                             &node->namespace, &node->name);

    rc = ngx_k8s_compile_data(c, node, secret);

    if (rc != NGX_OK) {
        return rc;
    }

    was = state->state;
    state->full = 0;

    if (secret == NULL || node->nusers + node->pins == 0) {
        state->state = NGX_K8S_SECRET_MISSING;

        if (!state->queued) {
            state->queued = 1;
            ngx_queue_insert_tail(&c->doomed, &state->doomed);
        }

    } else {

        if (state->queued) {
            state->queued = 0;
            ngx_queue_remove(&state->doomed);
        }

        rc = ngx_k8s_compile_secret_put(c, state, secret);
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (node == c->secret) {
        ngx_k8s_compile_secret_directive(c, state);
    }

    sum = ngx_k8s_compile_secret_sum(c, state);

    if (node == c->secret && sum != state->sum) {
        ngx_k8s_compile_alias_relend(c);
    }

    c->secrets += (sum != state->sum);

    /* problems of its Ingresses, and their hosts when these may change */

    known = ngx_k8s_compile_named_known(c, node);

    ngx_k8s_compile_tell(c, node, sum != state->sum || (node->asked && known));

    if (known) {
        ngx_k8s_compile_named_answered(node);
    }

    state->sum = sum;
    state->age = 0;
    ngx_k8s_compile_secret_age(c, node);

    if (was != state->state && c->store->log) {
        ngx_log_debug3(NGX_LOG_DEBUG_CORE, c->log, 0,
                       "k8s secret: %V/%V state:%ui", &node->namespace,
                       &node->name, state->state);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_secret_put(ngx_k8s_compile_t *c,
    ngx_k8s_secret_state_t *state, ngx_k8s_secret_t *secret)
{
    uint32_t                slot;
    ngx_int_t               rc;
    ngx_str_t               crt, key, text;
    ngx_k8s_node_t         *node;
    ngx_k8s_problem_t       problem;
    ngx_k8s_certificate_t  *rec;

    static ngx_str_t  crt_name = ngx_string("tls.crt");
    static ngx_str_t  key_name = ngx_string("tls.key");

    node = state->node;

    ngx_k8s_compile_secret_data(secret, &crt_name, &crt);
    ngx_k8s_compile_secret_data(secret, &key_name, &key);

    ngx_memzero(&problem, sizeof(ngx_k8s_problem_t));

    rc = ngx_k8s_certificate_build(&c->builder, &node->namespace, &node->name,
                                   &crt, &key, c->pool, &problem, c->log);

    if (rc == NGX_DECLINED) {

        /* what is wrong is not the Secret, of which nothing else is known */

        if (ngx_k8s_compile_secret_lost(secret)) {
            ngx_str_null(&problem.field);

            text = ngx_k8s_compile_secret_unread(c, secret);

            problem.message = ngx_k8s_compile_text(c, "%V%s", &text,
                                 state->slot
                                 ? ", the certificate of the last good "
                                   "version is served"
                                 : ", and nothing of it is known");
            problem.remedy = ngx_k8s_compile_secret_mend;
        }

        return ngx_k8s_compile_secret_bad(c, state, &problem);
    }

    if (rc != NGX_OK || c->builder.failed) {
        return NGX_ERROR;
    }

    slot = ngx_k8s_compile_put_spare(c, &c->builder,
                         ngx_k8s_slot_record(c->table,
                                             NGX_K8S_INDEX_CERTIFICATE,
                                             state->slot),
                         c->builder.len / 4, 1);

    if (slot == 0) {
        problem.message = ngx_k8s_compile_text(c, "%uz bytes are missing in "
                                            "the zone",
                                            ngx_k8s_writer_missing(c->writer));
        problem.remedy = ngx_k8s_problem_codes[NGX_K8S_PROBLEM_TABLE_FULL]
                             .remedy;
        ngx_k8s_compile_stuck(c, node, ngx_k8s_writer_room(c->writer)
                                       + ngx_k8s_writer_missing(c->writer));
        state->full = 1;

        return ngx_k8s_compile_secret_bad(c, state, &problem);
    }

    rec = ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_CERTIFICATE, slot);

    state->slot = slot;
    state->generation = ngx_k8s_slot(c->table, slot)->generation;
    state->state = NGX_K8S_SECRET_GOOD;
    state->key_type = rec->key_type;
    state->not_before = rec->not_before;
    state->not_after = rec->not_after;

    if (node == c->secret) {
        return ngx_k8s_compile_secret_default(c, &crt, &key);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_compile_secret_default(ngx_k8s_compile_t *c, ngx_str_t *crt,
    ngx_str_t *key)
{
    ngx_k8s_problem_t  problem;

    if (ngx_k8s_certificate_build(&c->builder, &ngx_k8s_no_string,
                                  &ngx_k8s_no_string, crt, key, c->pool,
                                  &problem, c->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    (void) ngx_k8s_builder_put(&c->builder, c->writer, NGX_K8S_WRITE_OWN);

    return NGX_OK;
}


/* what is wrong with the Secret that default_certificate names */

static void
ngx_k8s_compile_secret_directive(ngx_k8s_compile_t *c,
    ngx_k8s_secret_state_t *state)
{
    ngx_str_t          text;
    ngx_k8s_problem_t  problem;

    static ngx_str_t  directive = ngx_string("default_certificate");

    ngx_memzero(&problem, sizeof(ngx_k8s_problem_t));

    switch (state->state) {

    case NGX_K8S_SECRET_MISSING:
        problem.code = NGX_K8S_PROBLEM_SECRET_NOT_FOUND;
        text = ngx_k8s_compile_text(c, "there is no Secret %V/%V",
                                    &state->node->namespace,
                                    &state->node->name);
        break;

    case NGX_K8S_SECRET_BAD:
        problem.code = NGX_K8S_PROBLEM_SECRET_INVALID;
        text = ngx_k8s_compile_text(c, "Secret %V/%V: %V",
                                    &state->node->namespace,
                                    &state->node->name, &state->reason);
        break;

    default:
        ngx_k8s_compile_directive(c, &directive, NULL);
        return;
    }

    problem.field = state->field;
    problem.message = text;

    if (state->state == NGX_K8S_SECRET_BAD) {
        problem.remedy = state->remedy;
    }

    ngx_k8s_compile_directive(c, &directive, &problem);
}


/*
 * The default certificate is there from the start, generated if need be: anew
 * when a generated one ends within 30 days, or when a Secret's one is left by
 * a predecessor and no directive names a Secret any more.
 */

ngx_int_t
ngx_k8s_compile_default_certificate(ngx_k8s_compile_t *c)
{
    u_char                  buf[NGX_K8S_KEY_MAX];
    size_t                  len;
    ngx_str_t              *names[2];
    ngx_k8s_certificate_t  *rec;

    names[0] = &ngx_k8s_no_string;
    names[1] = &ngx_k8s_no_string;

    len = ngx_k8s_key_names(buf, 2, names);

    rec = ngx_k8s_table_find(c->table, NGX_K8S_INDEX_CERTIFICATE, buf, len,
                             NULL);

    if (rec) {

        if (rec->flags & NGX_K8S_CERTIFICATE_GENERATED) {

            if (rec->not_after - (int64_t) c->now > NGX_K8S_CERTIFICATE_RENEW) {
                return NGX_OK;
            }

        } else if (c->secret) {
            return NGX_OK;
        }
    }

    if (ngx_k8s_certificate_generate(&c->builder, c->log) != NGX_OK) {
        return NGX_ERROR;
    }

    (void) ngx_k8s_builder_put(&c->builder, c->writer, NGX_K8S_WRITE_OWN);

    return NGX_OK;
}


/* the last good record stays; the remedy is static */

static ngx_int_t
ngx_k8s_compile_secret_bad(ngx_k8s_compile_t *c,
    ngx_k8s_secret_state_t *state, ngx_k8s_problem_t *problem)
{
    u_char     *p;
    ngx_str_t  *field, *reason;

    field = &problem->field;
    reason = &problem->message;

    p = ngx_alloc(reason->len + field->len + 1, c->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (state->reason.data) {
        ngx_free(state->reason.data);
    }

    state->state = NGX_K8S_SECRET_BAD;
    state->remedy = problem->remedy;

    state->reason.data = p;
    state->reason.len = reason->len;
    p = ngx_cpymem(p, reason->data, reason->len);

    state->field.data = p;
    state->field.len = field->len;
    ngx_memcpy(p, field->data, field->len);

    return NGX_OK;
}


/* what hosts depend on: whether it is there, its key type and its names */

static uint32_t
ngx_k8s_compile_secret_sum(ngx_k8s_compile_t *c, ngx_k8s_secret_state_t *state)
{
    uint32_t                crc;
    ngx_str_t               name;
    ngx_uint_t              i;
    ngx_k8s_str_t          *names;
    ngx_k8s_certificate_t  *rec;

    rec = ngx_k8s_slot_record(c->table, NGX_K8S_INDEX_CERTIFICATE,
                              state->slot);

    if (rec == NULL || state->state == NGX_K8S_SECRET_MISSING) {
        return 0;
    }

    ngx_crc32_init(crc);
    ngx_crc32_update(&crc, (u_char *) &rec->key_type, sizeof(uint32_t));
    ngx_crc32_update(&crc, (u_char *) &state->slot, sizeof(uint32_t));
    ngx_crc32_update(&crc, (u_char *) &state->generation, sizeof(uint32_t));

    names = ngx_k8s_record_at(rec, rec->names.offset);

    for (i = 0; i < rec->names.n; i++) {
        ngx_k8s_record_str(rec, &names[i], &name);
        ngx_crc32_update(&crc, name.data, name.len);
        ngx_crc32_update(&crc, (u_char *) "", 1);
    }

    ngx_crc32_final(crc);

    return crc | 1;
}


/* notes when a certificate comes near its end, or gets there */

void
ngx_k8s_compile_secret_age(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_uint_t               age;
    ngx_k8s_secret_state_t  *state;

    state = node->data;

    if (state == NULL) {
        return;
    }

    if (state->data && ngx_k8s_compile_data_age(c, state)) {
        ngx_k8s_compile_tell(c, node, 0);
    }

    age = 0;

    if (state->slot && state->state != NGX_K8S_SECRET_MISSING) {

        if (c->now > state->not_after || c->now < state->not_before) {
            age = NGX_K8S_PROBLEM_CERTIFICATE_EXPIRED;

        } else if (c->now > state->not_after - NGX_K8S_EXPIRES) {
            age = NGX_K8S_PROBLEM_CERTIFICATE_EXPIRES;
        }
    }

    if (age != state->age) {
        state->age = age;
        ngx_k8s_compile_tell(c, node, 0);
    }
}


/* certificates go after the hosts that named them, one at a time */

ngx_int_t
ngx_k8s_compile_doomed(ngx_k8s_compile_t *c)
{
    ngx_queue_t             *q;
    ngx_k8s_node_t          *node;
    ngx_k8s_secret_state_t  *state;

    if (ngx_queue_empty(&c->doomed)) {
        return NGX_DONE;
    }

    q = ngx_queue_head(&c->doomed);
    state = ngx_queue_data(q, ngx_k8s_secret_state_t, doomed);

    ngx_queue_remove(q);
    state->queued = 0;

    if (state->slot) {
        ngx_k8s_writer_remove(c->writer, state->slot);
        state->slot = 0;
    }

    node = state->node;

    if (node->nusers + node->pins == 0) {
        ngx_k8s_compile_secret_free(c, node);
        ngx_k8s_node_check(c->store, node);
    }

    return NGX_OK;
}


void
ngx_k8s_compile_secret_free(ngx_k8s_compile_t *c, ngx_k8s_node_t *node)
{
    ngx_k8s_secret_state_t  *state;

    state = node->data;

    if (state->queued) {
        ngx_queue_remove(&state->doomed);
    }

    if (state->reason.data) {
        ngx_free(state->reason.data);
    }

    ngx_k8s_compile_data_free(state);

    ngx_free(state);
    node->data = NULL;
}
