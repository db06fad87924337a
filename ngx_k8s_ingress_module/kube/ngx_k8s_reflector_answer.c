
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What follows from the end of a request, good or bad.
 */


#include <ngx_k8s_client.h>


/* longest wait that a server may ask for, seconds */
#define NGX_K8S_REFLECTOR_RETRY_MAX  300


static void ngx_k8s_reflector_expired(ngx_k8s_reflector_t *r,
    ngx_k8s_status_t *st);


/* a page is complete */

void
ngx_k8s_reflector_listed(ngx_k8s_reflector_t *r)
{
    u_char           *last;
    ngx_str_t         meta, token;
    ngx_k8s_event_t   event;

    last = r->cutter.rest + r->cutter.rest_len;

    ngx_k8s_api_metadata(r->cutter.rest, last, &event);
    ngx_str_null(&token);

    if (ngx_k8s_json_member(r->cutter.rest, last, "metadata", &meta) == NGX_OK
        && meta.len && meta.data[0] == '{'
        && ngx_k8s_json_member(meta.data, meta.data + meta.len, "continue",
                               &token) == NGX_OK
        && token.len > 2 && token.data[0] == '"')
    {
        token.data++;
        token.len -= 2;

    } else {
        token.len = 0;
    }

    if (event.version.len == 0) {
        ngx_k8s_reflector_odd(r, "the API server's list has no "
                              "resourceVersion");
        return;
    }

    ngx_k8s_reflector_token(r, &token);

    if (token.len && r->token.len == 0) {
        ngx_k8s_reflector_odd(r, "there is not enough memory");
        return;
    }

    if (r->token.len == 0) {
        r->version.len = 0;
        ngx_k8s_reflector_version(r, &event.version);
        ngx_k8s_reflector_end(r);
    }

    ngx_k8s_reflector_uncut(r);
    ngx_k8s_reflector_schedule(r, 0);
}


/* a list that is none */

void
ngx_k8s_reflector_odd(ngx_k8s_reflector_t *r, char *why)
{
    ngx_k8s_reflector_reason(r, "%s", why);
    ngx_k8s_reflector_trouble(r, NGX_LOG_ERR, NGX_K8S_TROUBLE_ODD);
    ngx_k8s_reflector_abort(r);
    ngx_k8s_reflector_retry(r, 0, 0);
}


/*
 * A restored etcd makes versions go backwards, and a watch from a version of
 * the future is silent.  All kinds have their versions from one counter: the
 * newest that was seen of any kind is what counts, for a kind that has not
 * changed for long would not notice.
 */

void
ngx_k8s_reflector_probed(ngx_k8s_reflector_t *r, ngx_k8s_call_t *call)
{
    ngx_uint_t            i;
    ngx_k8s_event_t       event;
    ngx_k8s_client_t     *client;
    ngx_k8s_reflector_t  *all;

    client = r->client;

    ngx_k8s_api_metadata(call->pos, call->last, &event);

    if (!ngx_k8s_api_older(&event.version, &client->newest)) {
        ngx_k8s_reflector_enter(r, NGX_K8S_PHASE_WATCH);
        ngx_k8s_reflector_schedule(r, 0);
        return;
    }

    ngx_log_error(NGX_LOG_WARN, client->log, 0,
                  "resource versions went back from %V to %V, as %V say: "
                  "all is listed anew", &client->newest, &event.version,
                  &r->info->plural);

    client->newest.len = 0;
    ngx_k8s_reflector_version(r, &event.version);

    all = client->reflectors.elts;

    for (i = 0; i < client->reflectors.nelts; i++) {

        /* a list that has begun is of the new time */

        if (all[i].phase == NGX_K8S_PHASE_WATCH
            || all[i].phase == NGX_K8S_PHASE_PROBE)
        {
            ngx_k8s_reflector_cancel(&all[i]);
            ngx_k8s_reflector_enter(&all[i], NGX_K8S_PHASE_LIST);
            ngx_k8s_reflector_schedule(&all[i], 0);
        }

        if (!all[i].begun) {
            all[i].version.len = 0;
        }
    }
}


/* a watch has ended in good order */

void
ngx_k8s_reflector_closed(ngx_k8s_reflector_t *r)
{
    if (r->phase == NGX_K8S_PHASE_STREAM) {
        ngx_k8s_reflector_reason(r, "the stream ended before the end of the "
                                 "initial events");
        ngx_k8s_reflector_trouble(r, NGX_LOG_ERR, NGX_K8S_TROUBLE_CUT);
        ngx_k8s_reflector_missed(r, 3);
        ngx_k8s_reflector_retry(r, 0, 0);
        return;
    }

    if (r->events == 0 && ngx_current_msec - r->started < 1000) {

        if (++r->shorts >= 2) {
            r->shorts = 0;
            ngx_k8s_reflector_enter(r, NGX_K8S_PHASE_LIST);
        }

        ngx_k8s_reflector_reason(r, "very short watch: it was closed at once");
        ngx_k8s_reflector_trouble(r, NGX_LOG_WARN, NGX_K8S_TROUBLE_SHORT);
        ngx_k8s_reflector_retry(r, 0, 0);
        return;
    }

    r->shorts = 0;

    ngx_k8s_client_report(r->client, r->kind);
    ngx_k8s_reflector_schedule(r, ngx_random() % 50);
}


/* an HTTP status other than 200, or an event of type ERROR */

void
ngx_k8s_reflector_refused(ngx_k8s_reflector_t *r, ngx_uint_t code,
    ngx_k8s_status_t *st, ngx_uint_t after)
{
    ngx_str_t   message;
    ngx_uint_t  changed;

    message.data = st->message;
    message.len = st->len;

    after = ngx_min(ngx_max(after, st->retry_after),
                    NGX_K8S_REFLECTOR_RETRY_MAX);

    /* a server that has just started may refuse what it grants soon after */

    if (r->lost) {
        r->lost = 0;
        r->attempts = 0;
    }

    if (code == 410 || st->expired || st->too_large) {
        ngx_k8s_reflector_expired(r, st);
        return;
    }

    ngx_k8s_reflector_reason(r, "the API server answered %ui%s%V", code,
                             st->len ? ": " : "", &message);

    if (code != 400 && code != 422) {
        ngx_k8s_reflector_trouble(r, code == 429 ? NGX_LOG_NOTICE
                                                 : NGX_LOG_ERR, code);
    }

    switch (code) {

    case 401:
        changed = ngx_k8s_credentials_refresh(&r->client->credentials, 1);

        if (changed || !r->renewed) {
            r->renewed = 1;
            r->errors++;
            ngx_k8s_reflector_abort(r);
            ngx_k8s_client_report(r->client, r->kind);
            ngx_k8s_reflector_schedule(r, changed ? 0 : 200);
            return;
        }

        break;

    case 403:
    case 404:
        r->state = NGX_K8S_SYNC_REFUSED;

        r->ops->refused(r);
        break;

    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        if (code != 429) {
            ngx_k8s_reflector_missed(r, 5);
        }

        break;

    default:

        switch (r->phase) {

        case NGX_K8S_PHASE_STREAM:
            ngx_log_error(NGX_LOG_INFO, r->client->log, 0,
                          "%V: the API server has no streaming lists (%ui)",
                          &r->info->plural, code);

            r->usual = NGX_K8S_LIST_PAGES;
            r->how = NGX_K8S_LIST_PAGES;

            ngx_k8s_reflector_abort(r);
            ngx_k8s_reflector_schedule(r, 0);
            return;

        case NGX_K8S_PHASE_PROBE:
            ngx_k8s_reflector_enter(r, NGX_K8S_PHASE_WATCH);
            break;

        default:
            r->version.len = 0;
            ngx_k8s_reflector_abort(r);
            ngx_k8s_reflector_enter(r, NGX_K8S_PHASE_LIST);
        }
    }

    ngx_k8s_reflector_retry(r, 0, after * 1000);
}


static void
ngx_k8s_reflector_expired(ngx_k8s_reflector_t *r, ngx_k8s_status_t *st)
{
    ngx_uint_t  any;

    any = (r->version.len == 0);

    ngx_k8s_reflector_reason(r, st->too_large
                                ? "the API server does not know this "
                                  "resource version yet"
                                : "the resource version has expired");

    ngx_log_error(NGX_LOG_INFO, r->client->log, 0, "%V%s%V: %*s",
                  &r->info->plural, r->scope.len ? " in " : "", &r->scope,
                  r->reason_len, r->reason);

    switch (r->phase) {

    case NGX_K8S_PHASE_PROBE:
        ngx_k8s_reflector_enter(r, NGX_K8S_PHASE_WATCH);
        break;

    case NGX_K8S_PHASE_PAGES:
        if (r->token.len) {
            r->how = NGX_K8S_LIST_WHOLE;
            any = 0;
        }

        r->version.len = 0;
        break;

    case NGX_K8S_PHASE_STREAM:
        r->version.len = 0;
        break;

    default: /* NGX_K8S_PHASE_WATCH */
        if (st->too_large) {
            r->version.len = 0;
        }

        ngx_k8s_reflector_enter(r, NGX_K8S_PHASE_LIST);
    }

    ngx_k8s_reflector_abort(r);

    if (ngx_current_msec - r->expired > NGX_K8S_REFLECTOR_WELL) {
        r->expiries = 0;
    }

    r->expired = ngx_current_msec;

    if (r->expiries++ < 2 && !any) {
        r->errors++;
        ngx_k8s_client_report(r->client, r->kind);
        ngx_k8s_reflector_schedule(r, 0);
        return;
    }

    ngx_k8s_reflector_retry(r, NGX_K8S_REFLECTOR_BROKEN, 0);
}


/* no answer, or not the end of it */

void
ngx_k8s_reflector_broken(ngx_k8s_reflector_t *r, ngx_k8s_call_t *call)
{
    ngx_uint_t  changed;

    ngx_k8s_reflector_reason(r, "the connection to the API server failed: %s",
                             call->error[0] ? call->error
                                            : curl_easy_strerror(call->code));

    if (r->phase == NGX_K8S_PHASE_WATCH) {
        ngx_k8s_reflector_enter(r, NGX_K8S_PHASE_PROBE);
    }

    changed = 0;

    switch (call->code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
        changed = ngx_k8s_credentials_refresh(&r->client->credentials, 1);
        break;

    default:
        break;
    }

    if (call->status == 0) {
        ngx_k8s_client_down(r->client, call);
        r->lost = 1;

    } else {
        ngx_k8s_reflector_missed(r, 3);
    }

    if (r->attempts == 0
        && (changed || (call->status && r->phase != NGX_K8S_PHASE_STREAM
                        && ngx_current_msec - r->started > 1000)))
    {
        r->attempts = 1;
        r->failed = ngx_current_msec;
        r->errors++;
        ngx_k8s_reflector_abort(r);
        ngx_k8s_client_report(r->client, r->kind);
        ngx_k8s_reflector_schedule(r, ngx_random() % 100);
        return;
    }

    ngx_k8s_reflector_retry(r, NGX_K8S_REFLECTOR_BROKEN, 0);
}
