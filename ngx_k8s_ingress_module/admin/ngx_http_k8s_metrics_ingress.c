
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Metrics that ingress-nginx exports too: names and labels are its own, since
 * dashboards, alerts and progressive delivery read them.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_metrics.h>


#define NGX_HTTP_K8S_METRIC_STEP  64


static void ngx_http_k8s_metric_rule(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m, char *suffix, ngx_k8s_rule_rec_t *rule,
    uint64_t key);
static void ngx_http_k8s_metric_controller(ngx_http_k8s_admin_t *a);
static void ngx_http_k8s_metric_orphan_sample(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m, char *type);


ngx_int_t
ngx_http_k8s_metric_requests(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    ngx_uint_t           i;
    ngx_k8s_rule_rec_t  *rule;
    ngx_k8s_counted_t    counted;

    for (i = 0; i < NGX_HTTP_K8S_METRIC_STEP; i++) {

        if (ngx_k8s_count_next(a->table, &a->item, &counted) != NGX_OK) {
            return NGX_OK;
        }

        rule = ngx_k8s_slot_record(a->table, NGX_K8S_INDEX_RULE,
                                   ngx_k8s_cell_rule(counted.key));
        if (rule == NULL) {
            continue;
        }

        ngx_http_k8s_metric_rule(a, m, "", rule, counted.key);
        ngx_http_k8s_printf(a, "} %uL\n", counted.count);
    }

    return NGX_AGAIN;
}


/* one bucket, and what rates and averages are made of */

ngx_int_t
ngx_http_k8s_metric_durations(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m)
{
    ngx_uint_t           i;
    ngx_k8s_rule_rec_t  *rule;
    ngx_k8s_counted_t    counted;

    for (i = 0; i < NGX_HTTP_K8S_METRIC_STEP / 2; i++) {

        if (ngx_k8s_count_next(a->table, &a->item, &counted) != NGX_OK) {
            return NGX_OK;
        }

        rule = ngx_k8s_slot_record(a->table, NGX_K8S_INDEX_RULE,
                                   ngx_k8s_cell_rule(counted.key));

        if (rule == NULL || counted.answered == 0) {
            continue;
        }

        ngx_http_k8s_metric_rule(a, m, "_bucket", rule, counted.key);
        ngx_http_k8s_printf(a, ",le=\"+Inf\"} %uL\n", counted.answered);

        ngx_http_k8s_metric_rule(a, m, "_sum", rule, counted.key);
        ngx_http_k8s_printf(a, "} %uL.%03uL\n", counted.msec / 1000,
                            counted.msec % 1000);

        ngx_http_k8s_metric_rule(a, m, "_count", rule, counted.key);
        ngx_http_k8s_printf(a, "} %uL\n", counted.answered);
    }

    return NGX_AGAIN;
}


/* name and labels of what was counted for a rule */

static void
ngx_http_k8s_metric_rule(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m,
    char *suffix, ngx_k8s_rule_rec_t *rule, uint64_t key)
{
    ngx_str_t  s;

    ngx_http_k8s_printf(a, "%V%s{", &m->name, suffix);
    ngx_http_k8s_metric_controller(a);

    ngx_http_k8s_printf(a, ",status=\"%ui\",method=\"%V\"",
                        ngx_k8s_cell_status(key),
                        &ngx_k8s_methods[ngx_k8s_cell_method(key)
                                         % NGX_K8S_METHODS]);

    s = ngx_http_k8s_str(rule, &rule->path);
    ngx_http_k8s_metric_label(a, ",path", &s);
    s = ngx_http_k8s_str(rule, &rule->namespace);
    ngx_http_k8s_metric_label(a, ",namespace", &s);
    s = ngx_http_k8s_str(rule, &rule->name);
    ngx_http_k8s_metric_label(a, ",ingress", &s);
    s = ngx_http_k8s_str(rule, &rule->service);
    ngx_http_k8s_metric_label(a, ",service", &s);
    s = ngx_http_k8s_str(rule, &rule->rule);
    ngx_http_k8s_metric_label(a, ",canary", &s);

    s = ngx_http_k8s_str(rule, &rule->host);
    if (s.len == 0) {
        ngx_str_set(&s, "_");
    }

    ngx_http_k8s_metric_label(a, ",host", &s);
}


ngx_int_t
ngx_http_k8s_metric_expire(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    ngx_k8s_slot_ref_t          *refs;
    ngx_str_t               host, s;
    ngx_uint_t              i, n;
    ngx_k8s_host_t         *rec;
    ngx_k8s_certificate_t  *cert;

    for (n = 0; n < NGX_HTTP_K8S_METRIC_STEP; n++) {

        rec = ngx_k8s_table_next(a->table, NGX_K8S_INDEX_HOST, &a->cursor);
        if (rec == NULL) {
            return NGX_OK;
        }

        host = ngx_http_k8s_str(rec, &rec->name);
        refs = ngx_k8s_record_at(rec, rec->certificates.offset);

        for (i = 0; i < rec->certificates.n; i++) {

            cert = ngx_k8s_slot_record_gen(a->table,
                                           NGX_K8S_INDEX_CERTIFICATE,
                                           refs[i].slot, refs[i].generation);
            if (cert == NULL) {
                continue;
            }

            ngx_http_k8s_metric_head(a, m);
            ngx_http_k8s_metric_controller(a);
            ngx_http_k8s_metric_label(a, ",class",
                                      &a->blocks[a->n]->class_name);

            ngx_http_k8s_puts(a, ",host=\"");
            if (rec->flags & NGX_K8S_HOST_WILDCARD) {
                ngx_http_k8s_puts(a, "*");
            }
            ngx_http_k8s_label(a, &host);

            s = ngx_http_k8s_str(cert, &cert->namespace);
            ngx_http_k8s_metric_label(a, "\",namespace", &s);
            s = ngx_http_k8s_str(cert, &cert->name);
            ngx_http_k8s_metric_label(a, ",secret_name", &s);
            s = ngx_http_k8s_str(cert, &cert->serial);
            ngx_http_k8s_metric_label(a, ",identifier", &s);

            ngx_http_k8s_printf(a, "} %L\n", (int64_t) cert->not_after);
        }
    }

    return NGX_AGAIN;
}


ngx_int_t
ngx_http_k8s_metric_orphan(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    ngx_int_t                rc;
    ngx_str_t                kind;
    ngx_uint_t               i, service, endpoint;
    ngx_k8s_problem_rec_t   *rec;
    ngx_k8s_problem_item_t  *item;

    rc = ngx_http_k8s_walk(a, NGX_K8S_INDEX_PROBLEM);

    if (rc == NGX_DONE) {
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return rc;
    }

    rec = a->record;
    kind = ngx_http_k8s_str(rec, &rec->kind);

    if (kind.len != sizeof("Ingress") - 1
        || ngx_strncmp(kind.data, "Ingress", kind.len) != 0)
    {
        return NGX_AGAIN;
    }

    item = ngx_k8s_record_at(rec, rec->items.offset);
    service = 0;
    endpoint = 0;

    for (i = 0; i < rec->items.n; i++) {

        switch (item[i].code) {

        case NGX_K8S_PROBLEM_SERVICE_NOT_FOUND:
            service = 1;
            break;

        case NGX_K8S_PROBLEM_PORT_NOT_FOUND:
        case NGX_K8S_PROBLEM_NO_ENDPOINTS:
            endpoint = 1;
            break;
        }
    }

    if (service) {
        ngx_http_k8s_metric_orphan_sample(a, m, "no-service");
    }

    if (endpoint) {
        ngx_http_k8s_metric_orphan_sample(a, m, "no-endpoint");
    }

    return NGX_AGAIN;
}


static void
ngx_http_k8s_metric_orphan_sample(ngx_http_k8s_admin_t *a,
    ngx_http_k8s_metric_t *m, char *type)
{
    ngx_str_t               s;
    ngx_k8s_problem_rec_t  *rec;

    rec = a->record;

    ngx_http_k8s_metric_head(a, m);
    ngx_http_k8s_metric_controller(a);
    s = ngx_http_k8s_str(rec, &rec->namespace);
    ngx_http_k8s_metric_label(a, ",namespace", &s);
    s = ngx_http_k8s_str(rec, &rec->name);
    ngx_http_k8s_metric_label(a, ",ingress", &s);
    ngx_http_k8s_printf(a, ",type=\"%s\"} 1\n", type);
}


/* without a Lease there is no election */

ngx_int_t
ngx_http_k8s_metric_leader(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    ngx_str_t  *election;

    election = &a->blocks[a->n]->election;

    if (election->len == 0) {
        return NGX_OK;
    }

    ngx_http_k8s_metric_head(a, m);
    ngx_http_k8s_metric_controller(a);
    ngx_http_k8s_metric_label(a, ",name", election);
    ngx_http_k8s_printf(a, "} %uA\n", a->table->leader);

    return NGX_OK;
}


#if (NGX_STAT_STUB)

ngx_int_t
ngx_http_k8s_metric_stub(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    ngx_uint_t  i, first, last;

    struct {
        char          *state;
        ngx_atomic_t  *value;
    } values[] = {
        { "active", ngx_stat_active },
        { "reading", ngx_stat_reading },
        { "writing", ngx_stat_writing },
        { "waiting", ngx_stat_waiting },
        { "accepted", ngx_stat_accepted },
        { "handled", ngx_stat_handled },
        { NULL, ngx_stat_requests }
    };

    first = 6;
    last = 7;

    if (m->data == NGX_HTTP_K8S_STUB_STATES) {
        first = 0;
        last = 4;

    } else if (m->data == NGX_HTTP_K8S_STUB_TOTAL) {
        first = 4;
        last = 6;
    }

    for (i = first; i < last; i++) {
        ngx_http_k8s_metric_head(a, m);
        ngx_http_k8s_metric_controller(a);

        if (values[i].state) {
            ngx_http_k8s_printf(a, ",state=\"%s\"", values[i].state);
        }

        ngx_http_k8s_printf(a, "} %uA\n", *values[i].value);
    }

    return NGX_OK;
}

#endif


void
ngx_http_k8s_metric_head(ngx_http_k8s_admin_t *a, ngx_http_k8s_metric_t *m)
{
    ngx_http_k8s_out(a, m->name.data, m->name.len);
    ngx_http_k8s_puts(a, "{");
}


static void
ngx_http_k8s_metric_controller(ngx_http_k8s_admin_t *a)
{
    ngx_k8s_block_t  *block;

    block = a->blocks[a->n];

    ngx_http_k8s_metric_label(a, "controller_namespace", &a->conf->namespace);
    ngx_http_k8s_metric_label(a, ",controller_class", &block->controller);
    ngx_http_k8s_metric_label(a, ",controller_pod", &a->conf->pod);

    if (block->name.len) {
        ngx_http_k8s_puts(a, ",");
        ngx_http_k8s_metric_block(a);
    }
}


void
ngx_http_k8s_metric_block(ngx_http_k8s_admin_t *a)
{
    ngx_http_k8s_metric_label(a, "block", &a->blocks[a->n]->name);
}


void
ngx_http_k8s_metric_label(ngx_http_k8s_admin_t *a, char *name,
    ngx_str_t *value)
{
    ngx_http_k8s_out(a, (u_char *) name, ngx_strlen(name));
    ngx_http_k8s_puts(a, "=\"");
    ngx_http_k8s_label(a, value);
    ngx_http_k8s_puts(a, "\"");
}
