
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Where a reflector stands: its phase, its list, its version, its troubles.
 */


#include <ngx_k8s_client.h>


/* the ways from one phase to others */

static ngx_uint_t  ngx_k8s_reflector_ways[] = {
    1 << NGX_K8S_PHASE_STREAM | 1 << NGX_K8S_PHASE_PAGES,  /* LIST */
    1 << NGX_K8S_PHASE_WATCH | 1 << NGX_K8S_PHASE_LIST,    /* STREAM */
    1 << NGX_K8S_PHASE_WATCH | 1 << NGX_K8S_PHASE_LIST,    /* PAGES */
    1 << NGX_K8S_PHASE_PROBE | 1 << NGX_K8S_PHASE_LIST,    /* WATCH */
    1 << NGX_K8S_PHASE_WATCH | 1 << NGX_K8S_PHASE_LIST     /* PROBE */
};


void
ngx_k8s_reflector_enter(ngx_k8s_reflector_t *r, ngx_uint_t phase)
{
    if (r->phase == phase) {
        return;
    }

    if (!(ngx_k8s_reflector_ways[r->phase] & (1 << phase))) {
        ngx_log_error(NGX_LOG_ALERT, r->client->log, 0,
                      "%V%s%V: no way from phase %ui to %ui, a new list is "
                      "begun", &r->info->plural, r->scope.len ? " in " : "",
                      &r->scope, r->phase, phase);
        phase = NGX_K8S_PHASE_LIST;
    }

    r->phase = phase;
}


void
ngx_k8s_reflector_schedule(ngx_k8s_reflector_t *r, ngx_msec_t delay)
{
    if (r->client->closed) {
        return;
    }

    if (r->timer.timer_set) {
        ngx_del_timer(&r->timer);
    }

    ngx_add_timer(&r->timer, ngx_max(delay, 1));
}


void
ngx_k8s_reflector_retry(ngx_k8s_reflector_t *r, ngx_msec_t max,
    ngx_msec_t least)
{
    ngx_msec_t  delay;

    r->errors++;

    delay = ngx_k8s_client_backoff(r->client, &r->attempts, &r->failed, max);

    /* a list goes on with the page that failed */

    if (!(r->phase == NGX_K8S_PHASE_PAGES && r->token.len && r->attempts < 5)) {
        ngx_k8s_reflector_abort(r);
    }

    ngx_k8s_reflector_uncut(r);

    ngx_k8s_client_report(r->client, r->kind);
    ngx_k8s_reflector_schedule(r, ngx_max(delay, least));
}


void
ngx_k8s_reflector_cancel(ngx_k8s_reflector_t *r)
{
    if (r->call) {
        ngx_k8s_call_cancel(r->call);
        r->call = NULL;
    }

    r->connected = 0;
}


void
ngx_k8s_reflector_begin(ngx_k8s_reflector_t *r)
{
    if (!r->begun) {
        r->begun = 1;
        r->ops->begin(r);
    }
}


void
ngx_k8s_reflector_end(ngx_k8s_reflector_t *r)
{
    ngx_k8s_reflector_begin(r);

    r->begun = 0;
    r->how = r->usual;
    r->misses = 0;
    r->overdue = 0;
    r->state = NGX_K8S_SYNC_LISTED;

    ngx_k8s_reflector_enter(r, NGX_K8S_PHASE_WATCH);

    r->ops->end(r);

    ngx_k8s_reflector_well(r);
    ngx_k8s_client_report(r->client, r->kind);
}


void
ngx_k8s_reflector_abort(ngx_k8s_reflector_t *r)
{
    ngx_str_t  none;

    ngx_str_null(&none);
    ngx_k8s_reflector_token(r, &none);

    if (r->phase == NGX_K8S_PHASE_STREAM || r->phase == NGX_K8S_PHASE_PAGES) {
        ngx_k8s_reflector_enter(r, NGX_K8S_PHASE_LIST);
    }

    if (r->begun) {
        r->begun = 0;
        r->ops->abort(r);
    }
}


void
ngx_k8s_reflector_missed(ngx_k8s_reflector_t *r, ngx_uint_t max)
{
    if (r->phase == NGX_K8S_PHASE_STREAM && ++r->misses >= max) {
        r->how = NGX_K8S_LIST_PAGES;
    }
}


void
ngx_k8s_reflector_uncut(ngx_k8s_reflector_t *r)
{
    if (r->cutter.max) {
        ngx_k8s_list_cutter_done(&r->cutter);
        r->cutter.max = 0;
    }
}


void
ngx_k8s_reflector_version(ngx_k8s_reflector_t *r, ngx_str_t *version)
{
    ngx_k8s_client_t  *client;

    if (version->len == 0 || version->len > NGX_K8S_VERSION_MAX) {
        return;
    }

    ngx_memcpy(r->buffer, version->data, version->len);
    r->version.len = version->len;

    client = r->client;

    if (!ngx_k8s_api_older(version, &client->newest)) {
        client->newest.data = client->buffer;
        client->newest.len = version->len;
        ngx_memcpy(client->buffer, version->data, version->len);
    }
}


void
ngx_k8s_reflector_token(ngx_k8s_reflector_t *r, ngx_str_t *token)
{
    if (r->token.data) {
        ngx_free(r->token.data);
        ngx_str_null(&r->token);
    }

    if (token->len == 0) {
        return;
    }

    r->token.data = ngx_alloc(token->len, r->client->log);

    if (r->token.data) {
        ngx_memcpy(r->token.data, token->data, token->len);
        r->token.len = token->len;
    }
}


void ngx_cdecl
ngx_k8s_reflector_reason(ngx_k8s_reflector_t *r, const char *fmt, ...)
{
    u_char   *last;
    va_list   args;

    va_start(args, fmt);
    last = ngx_vslprintf(r->reason, r->reason + NGX_K8S_REASON_MAX, fmt, args);
    va_end(args);

    r->reason_len = last - r->reason;
}


void
ngx_k8s_reflector_trouble(ngx_k8s_reflector_t *r, ngx_uint_t level,
    ngx_uint_t trouble)
{
    if (r->trouble == trouble) {
        return;
    }

    r->trouble = trouble;

    ngx_log_error(level, r->client->log, 0, "%V%s%V: %*s", &r->info->plural,
                  r->scope.len ? " in " : "", &r->scope, r->reason_len,
                  r->reason);
}


void
ngx_k8s_reflector_well(ngx_k8s_reflector_t *r)
{
    r->lost = 0;
    r->renewed = 0;
    r->reason_len = 0;

    if (r->trouble) {
        r->trouble = 0;
        ngx_log_error(NGX_LOG_NOTICE, r->client->log, 0,
                      "%V%s%V: watched again", &r->info->plural,
                      r->scope.len ? " in " : "", &r->scope);
    }
}
