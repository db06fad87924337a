
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_k8s_teller.h>
#include <ngx_k8s_index.h>
#include <ngx_k8s_problem.h>


#define NGX_K8S_TELLER_TEXT          1024


static void ngx_k8s_teller_missing(ngx_k8s_teller_t *t,
    ngx_k8s_problem_rec_t *rec, ngx_k8s_problem_rec_t *in, ngx_uint_t gone);
static ngx_uint_t ngx_k8s_teller_has(ngx_k8s_problem_rec_t *rec,
    ngx_k8s_problem_rec_t *of, ngx_k8s_problem_item_t *item);
static ngx_uint_t ngx_k8s_teller_equal(void *rec, ngx_k8s_str_t *one,
    void *other, ngx_k8s_str_t *two);
static void ngx_k8s_teller_line(ngx_k8s_teller_t *t,
    ngx_k8s_problem_rec_t *rec, ngx_k8s_problem_item_t *item, ngx_uint_t gone);
static ngx_uint_t ngx_k8s_teller_limit(ngx_k8s_teller_t *t, ngx_uint_t level);


#define ngx_k8s_teller_level(item)                                            \
    ((item)->severity == NGX_K8S_SEVERITY_ERROR ? NGX_LOG_ERR : NGX_LOG_WARN)

#define ngx_k8s_teller_items(rec)                                             \
    ((ngx_k8s_problem_item_t *) ((u_char *) (rec) + (rec)->items.offset))


void
ngx_k8s_teller_init(ngx_k8s_teller_t *t, ngx_str_t *name, ngx_log_t *log)
{
    ngx_memzero(t, sizeof(ngx_k8s_teller_t));

    t->name = *name;
    t->log = log;
}


void
ngx_k8s_teller_told(ngx_k8s_teller_t *t, ngx_k8s_problem_rec_t *old,
    ngx_k8s_problem_rec_t *now)
{
    if (now) {
        ngx_k8s_teller_missing(t, now, old, 0);
    }

    if (old) {
        ngx_k8s_teller_missing(t, old, now, 1);
    }
}


void
ngx_k8s_teller_standing(ngx_k8s_teller_t *t, ngx_k8s_table_t *table,
    ngx_uint_t level)
{
    uint64_t                 cursor;
    ngx_uint_t               i;
    ngx_k8s_problem_rec_t   *rec;
    ngx_k8s_problem_item_t  *items;

    cursor = 0;

    while (t->left_out == 0) {
        rec = ngx_k8s_table_next(table, NGX_K8S_INDEX_PROBLEM, &cursor);

        if (rec == NULL) {
            return;
        }

        items = ngx_k8s_teller_items(rec);

        for (i = 0; i < rec->items.n; i++) {
            if (items[i].severity != NGX_K8S_SEVERITY_NOTE
                && ngx_k8s_teller_level(&items[i]) > level)
            {
                ngx_k8s_teller_line(t, rec, &items[i], 0);
            }
        }
    }
}


/* those of a record that the other one does not have */

static void
ngx_k8s_teller_missing(ngx_k8s_teller_t *t, ngx_k8s_problem_rec_t *rec,
    ngx_k8s_problem_rec_t *in, ngx_uint_t gone)
{
    ngx_uint_t               i;
    ngx_k8s_problem_item_t  *items;

    items = ngx_k8s_teller_items(rec);

    for (i = 0; i < rec->items.n; i++) {
        if (items[i].severity != NGX_K8S_SEVERITY_NOTE
            && (in == NULL || !ngx_k8s_teller_has(in, rec, &items[i])))
        {
            ngx_k8s_teller_line(t, rec, &items[i], gone);
        }
    }
}


/* the message may change with the numbers in it */

static ngx_uint_t
ngx_k8s_teller_has(ngx_k8s_problem_rec_t *rec, ngx_k8s_problem_rec_t *of,
    ngx_k8s_problem_item_t *item)
{
    ngx_uint_t               i;
    ngx_k8s_problem_item_t  *items;

    items = ngx_k8s_teller_items(rec);

    for (i = 0; i < rec->items.n; i++) {
        if (items[i].code == item->code
            && ngx_k8s_teller_equal(rec, &items[i].field, of, &item->field)
            && ngx_k8s_teller_equal(rec, &items[i].host, of, &item->host))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_k8s_teller_equal(void *rec, ngx_k8s_str_t *one, void *other,
    ngx_k8s_str_t *two)
{
    ngx_str_t  s1, s2;

    ngx_k8s_record_str(rec, one, &s1);
    ngx_k8s_record_str(other, two, &s2);

    return s1.len == s2.len
           && (s1.len == 0 || ngx_memcmp(s1.data, s2.data, s1.len) == 0);
}


static void
ngx_k8s_teller_line(ngx_k8s_teller_t *t, ngx_k8s_problem_rec_t *rec,
    ngx_k8s_problem_item_t *item, ngx_uint_t gone)
{
    u_char      *p, *last, text[NGX_K8S_TELLER_TEXT];
    ngx_str_t    kind, ns, name, field, message, remedy;
    ngx_uint_t   level;

    level = gone ? NGX_LOG_NOTICE : ngx_k8s_teller_level(item);

    if (t->log->log_level < level || ngx_k8s_teller_limit(t, level)) {
        return;
    }

    ngx_k8s_record_str(rec, &rec->kind, &kind);
    ngx_k8s_record_str(rec, &rec->namespace, &ns);
    ngx_k8s_record_str(rec, &rec->name, &name);
    ngx_k8s_record_str(rec, &item->field, &field);
    ngx_k8s_record_str(rec, &item->message, &message);
    ngx_k8s_record_str(rec, &item->remedy, &remedy);

    p = ngx_slprintf(text, text + NGX_K8S_TELLER_TEXT, "%V \"%V%s%V\": ",
                     &kind, &ns, ns.len ? "/" : "", &name);
    last = text + NGX_K8S_TELLER_TEXT;

    if (field.len) {
        p = ngx_slprintf(p, last, "%V: ", &field);
    }

    p = gone ? ngx_slprintf(p, last, "no longer: %V (%V)", &message,
                            &ngx_k8s_problem_codes[item->code].name)
             : ngx_slprintf(p, last, "%V (%V): %V", &message,
                            &ngx_k8s_problem_codes[item->code].name, &remedy);

    /* what tenants write stays on its line */

    for (last = text; last < p; last++) {
        if (*last < 0x20 || *last == 0x7f) {
            *last = '?';
        }
    }

    ngx_log_error(level, t->log, 0, "%V: %*s", &t->name, p - text, text);
}


static ngx_uint_t
ngx_k8s_teller_limit(ngx_k8s_teller_t *t, ngx_uint_t level)
{
    if (t->lines == 0 || ngx_current_msec - t->begun >= NGX_K8S_TELLER_TIME) {

        if (t->left_out) {
            ngx_log_error(t->level, t->log, 0,
                          "%V: %ui lines about problems were left out",
                          &t->name, t->left_out);
        }

        t->begun = ngx_current_msec;
        t->lines = 0;
        t->left_out = 0;
    }

    if (t->lines++ < NGX_K8S_TELLER_LINES) {
        return 0;
    }

    if (t->left_out++ == 0 || level < t->level) {
        t->level = level;

        ngx_log_error(level, t->log, 0,
                      "%V: there are more problems, which are not logged: "
                      "all are in /status", &t->name);
    }

    return 1;
}
