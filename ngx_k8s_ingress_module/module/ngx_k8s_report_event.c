
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Events for problems, errors and warnings, as "kubectl describe" shows them:
 * one for an object and a code.  Its name is made of both, so whoever leads
 * meets the Event of a predecessor.  One that comes again is counted, and told
 * once in five minutes at most; one that stands is renewed before the API
 * server forgets it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_report.h>


#define NGX_K8S_EVENT_WALK           32       /* records of one turn */
#define NGX_K8S_EVENT_ITEMS          2000
#define NGX_K8S_EVENT_NAME           230      /* bytes of the object's name */
#define NGX_K8S_EVENT_MESSAGE        1024     /* bytes, as of an API server */
#define NGX_K8S_EVENT_TIME           10000    /* milliseconds of a request */
#define NGX_K8S_EVENT_AGAIN          300000   /* between two of one */
#define NGX_K8S_EVENT_RENEW          3000000  /* of one that stands */
#define NGX_K8S_EVENT_FORGET         3600000  /* of one that is gone */

#define NGX_K8S_EVENT_COMPONENT      "nginx-ingress-controller"


static void ngx_k8s_report_events_come(ngx_k8s_report_t *r,
    ngx_k8s_problem_rec_t *rec);
static void ngx_k8s_report_events_go(ngx_k8s_report_t *r,
    ngx_k8s_problem_rec_t *rec, ngx_k8s_problem_rec_t *now);
static ngx_uint_t ngx_k8s_report_event_has(ngx_k8s_problem_rec_t *rec,
    ngx_uint_t code);
static ngx_k8s_report_item_t *ngx_k8s_report_item(ngx_k8s_report_t *r,
    ngx_k8s_problem_rec_t *rec, ngx_uint_t code, ngx_uint_t create);
static ngx_uint_t ngx_k8s_report_item_room(ngx_k8s_report_t *r);
static void ngx_k8s_report_item_due(ngx_k8s_report_t *r,
    ngx_k8s_report_item_t *item);
static void ngx_k8s_report_item_told(ngx_k8s_report_t *r,
    ngx_k8s_report_item_t *item);
static void ngx_k8s_report_item_free(ngx_k8s_report_t *r,
    ngx_k8s_report_item_t *item);
static ngx_k8s_object_t *ngx_k8s_report_object(ngx_k8s_report_t *r,
    ngx_k8s_report_item_t *item);
static size_t ngx_k8s_report_message(ngx_k8s_report_t *r,
    ngx_k8s_report_item_t *item, u_char *text);
static json_t *ngx_k8s_report_event(ngx_k8s_report_t *r,
    ngx_k8s_report_item_t *item, ngx_k8s_object_t *object, char *name,
    char *ns, ngx_uint_t patch);
static void ngx_k8s_report_time(char *buf, time_t sec);


#define ngx_k8s_report_items(rec)                                             \
    ((ngx_k8s_problem_item_t *) ((u_char *) (rec) + (rec)->items.offset))


void
ngx_k8s_report_events_init(ngx_k8s_report_t *r)
{
    ngx_rbtree_init(&r->tree, &r->sentinel, ngx_str_rbtree_insert_value);
    ngx_queue_init(&r->due);
    ngx_queue_init(&r->told);
    ngx_queue_init(&r->gone);
    ngx_queue_init(&r->later);
}


/* who leads next begins anew */

void
ngx_k8s_report_events_done(ngx_k8s_report_t *r)
{
    ngx_uint_t              i;
    ngx_k8s_report_item_t  *item;

    for (i = 0; i < NGX_K8S_REPORT_PARALLEL; i++) {
        item = r->writes[i].item;

        if (item && r->writes[i].ask.call) {
            r->source->unask(&r->writes[i].ask);
            item->flying = 0;
            ngx_k8s_report_item_told(r, item);
        }

        r->writes[i].item = NULL;
    }

    while (r->tree.root != r->tree.sentinel) {
        ngx_k8s_report_item_free(r, (ngx_k8s_report_item_t *) r->tree.root);
    }
}


ngx_int_t
ngx_k8s_report_events_walk(ngx_k8s_report_t *r)
{
    ngx_uint_t              n;
    ngx_k8s_problem_rec_t  *rec;

    for (n = 0; n < NGX_K8S_EVENT_WALK; n++) {
        rec = ngx_k8s_table_next(r->table, NGX_K8S_INDEX_PROBLEM, &r->cursor);

        if (rec == NULL) {
            return NGX_OK;
        }

        ngx_k8s_report_events_come(r, rec);
    }

    return NGX_AGAIN;
}


void
ngx_k8s_report_events_told(ngx_k8s_report_t *r, ngx_k8s_problem_rec_t *old,
    ngx_k8s_problem_rec_t *now)
{
    if (old) {
        ngx_k8s_report_events_go(r, old, now);
    }

    if (now) {
        ngx_k8s_report_events_come(r, now);
    }
}


static void
ngx_k8s_report_events_come(ngx_k8s_report_t *r, ngx_k8s_problem_rec_t *rec)
{
    ngx_uint_t               i;
    ngx_k8s_report_item_t   *item;
    ngx_k8s_problem_item_t  *items;

    items = ngx_k8s_report_items(rec);

    for (i = 0; i < rec->items.n; i++) {

        if (items[i].severity == NGX_K8S_SEVERITY_NOTE) {
            continue;
        }

        item = ngx_k8s_report_item(r, rec, items[i].code, 1);

        if (item == NULL || item->standing) {
            continue;
        }

        item->standing = 1;

        if (!item->posted) {
            ngx_k8s_report_item_due(r, item);
            continue;
        }

        if (item->count) {
            item->count++;
        }

        if (ngx_current_msec - item->sent >= NGX_K8S_EVENT_AGAIN) {
            ngx_k8s_report_item_due(r, item);

        } else if (!item->flying) {
            ngx_queue_remove(&item->queue);
            ngx_queue_insert_tail(&r->told, &item->queue);
        }
    }
}


static void
ngx_k8s_report_events_go(ngx_k8s_report_t *r, ngx_k8s_problem_rec_t *rec,
    ngx_k8s_problem_rec_t *now)
{
    ngx_uint_t               i;
    ngx_k8s_report_item_t   *item;
    ngx_k8s_problem_item_t  *items;

    items = ngx_k8s_report_items(rec);

    for (i = 0; i < rec->items.n; i++) {

        if (now && ngx_k8s_report_event_has(now, items[i].code)) {
            continue;
        }

        item = ngx_k8s_report_item(r, rec, items[i].code, 0);

        if (item == NULL || !item->standing) {
            continue;
        }

        item->standing = 0;

        if (!item->flying) {
            item->due = 0;
            ngx_queue_remove(&item->queue);
            ngx_queue_insert_tail(&r->gone, &item->queue);
        }
    }
}


static ngx_uint_t
ngx_k8s_report_event_has(ngx_k8s_problem_rec_t *rec, ngx_uint_t code)
{
    ngx_uint_t               i;
    ngx_k8s_problem_item_t  *items;

    items = ngx_k8s_report_items(rec);

    for (i = 0; i < rec->items.n; i++) {
        if (items[i].code == code) {
            return 1;
        }
    }

    return 0;
}


static ngx_k8s_report_item_t *
ngx_k8s_report_item(ngx_k8s_report_t *r, ngx_k8s_problem_rec_t *rec,
    ngx_uint_t code, ngx_uint_t create)
{
    u_char                  buf[NGX_K8S_KEY_MAX];
    uint32_t                hash;
    ngx_str_t               key, *names[4], kind, ns, name;
    ngx_k8s_report_item_t  *item;

    ngx_k8s_record_str(rec, &rec->kind, &kind);
    ngx_k8s_record_str(rec, &rec->namespace, &ns);
    ngx_k8s_record_str(rec, &rec->name, &name);

    names[0] = &kind;
    names[1] = &ns;
    names[2] = &name;
    names[3] = &ngx_k8s_problem_codes[code].name;

    key.data = buf;
    key.len = ngx_k8s_key_names(buf, 4, names);

    hash = ngx_crc32_long(key.data, key.len);

    item = (ngx_k8s_report_item_t *)
           ngx_str_rbtree_lookup(&r->tree, &key, hash);

    if (item || !create || !ngx_k8s_report_item_room(r)) {
        return item;
    }

    item = ngx_calloc(sizeof(ngx_k8s_report_item_t) + key.len + kind.len
                      + ns.len + name.len, r->log);
    if (item == NULL) {
        return NULL;
    }

    item->sn.node.key = hash;
    item->sn.str.len = key.len;
    item->sn.str.data = (u_char *) item + sizeof(ngx_k8s_report_item_t);
    item->kind.len = kind.len;
    item->kind.data = ngx_cpymem(item->sn.str.data, key.data, key.len);
    item->ns.len = ns.len;
    item->ns.data = ngx_cpymem(item->kind.data, kind.data, kind.len);
    item->name.len = name.len;
    item->name.data = ngx_cpymem(item->ns.data, ns.data, ns.len);
    ngx_memcpy(item->name.data, name.data, name.len);

    item->code = code;
    item->count = 1;
    item->first = ngx_time();

    ngx_rbtree_insert(&r->tree, &item->sn.node);
    r->nitems++;

    ngx_k8s_report_item_told(r, item);

    return item;
}


/* of those that are gone the first one makes room */

static ngx_uint_t
ngx_k8s_report_item_room(ngx_k8s_report_t *r)
{
    ngx_k8s_report_item_t  *item;

    if (r->nitems < NGX_K8S_EVENT_ITEMS) {
        return 1;
    }

    if (ngx_queue_empty(&r->gone)) {
        return 0;
    }

    item = ngx_queue_data(ngx_queue_head(&r->gone), ngx_k8s_report_item_t,
                          queue);

    ngx_k8s_report_item_free(r, item);

    return 1;
}


static void
ngx_k8s_report_item_due(ngx_k8s_report_t *r, ngx_k8s_report_item_t *item)
{
    if (item->due || item->flying) {
        return;
    }

    item->due = 1;

    ngx_queue_remove(&item->queue);
    ngx_queue_insert_tail(&r->due, &item->queue);
}


/* it is in no queue */

static void
ngx_k8s_report_item_told(ngx_k8s_report_t *r, ngx_k8s_report_item_t *item)
{
    item->due = 0;
    item->sent = ngx_current_msec;

    ngx_queue_insert_tail(item->standing ? &r->told : &r->gone, &item->queue);
}


static void
ngx_k8s_report_item_free(ngx_k8s_report_t *r, ngx_k8s_report_item_t *item)
{
    ngx_rbtree_delete(&r->tree, &item->sn.node);
    ngx_queue_remove(&item->queue);
    r->nitems--;

    ngx_free(item);
}


void
ngx_k8s_report_events_look(ngx_k8s_report_t *r)
{
    ngx_uint_t              n;
    ngx_k8s_report_item_t  *item;

    for (n = 0; n < NGX_K8S_EVENT_WALK && !ngx_queue_empty(&r->told); n++) {

        item = ngx_queue_data(ngx_queue_head(&r->told), ngx_k8s_report_item_t,
                              queue);

        if (ngx_current_msec - item->sent < NGX_K8S_EVENT_RENEW) {
            break;
        }

        ngx_k8s_report_item_due(r, item);
    }

    for (n = 0; n < NGX_K8S_EVENT_WALK && !ngx_queue_empty(&r->later); n++) {

        item = ngx_queue_data(ngx_queue_head(&r->later), ngx_k8s_report_item_t,
                              queue);

        if (ngx_current_msec - item->sent < NGX_K8S_REPORT_REFUSED) {
            break;
        }

        ngx_k8s_report_item_due(r, item);
    }

    for (n = 0; n < NGX_K8S_EVENT_WALK && !ngx_queue_empty(&r->gone); n++) {

        item = ngx_queue_data(ngx_queue_head(&r->gone), ngx_k8s_report_item_t,
                              queue);

        if (ngx_current_msec - item->sent < NGX_K8S_EVENT_FORGET) {
            break;
        }

        ngx_k8s_report_item_free(r, item);
    }
}


ngx_int_t
ngx_k8s_report_events_send(ngx_k8s_report_t *r, ngx_k8s_report_write_t *w)
{
    char                   *body, name[254], ns[64], path[512];
    size_t                  len;
    json_t                 *json;
    ngx_int_t               rc;
    ngx_uint_t              n;
    ngx_k8s_object_t       *object;
    ngx_k8s_request_t       req;
    ngx_k8s_report_item_t  *item;

    object = NULL;
    item = NULL;

    for (n = 0; n < NGX_K8S_EVENT_WALK && object == NULL; n++) {

        if (ngx_queue_empty(&r->due)) {
            return NGX_DECLINED;
        }

        item = ngx_queue_data(ngx_queue_head(&r->due), ngx_k8s_report_item_t,
                              queue);

        object = ngx_k8s_report_object(r, item);

        if (object == NULL) {
            ngx_queue_remove(&item->queue);
            ngx_k8s_report_item_told(r, item);
        }
    }

    if (object == NULL) {
        return NGX_AGAIN;
    }

    len = ngx_min(item->name.len, NGX_K8S_EVENT_NAME);

    while (item->name.data[len - 1] == '.' || item->name.data[len - 1] == '-') {
        len--;
    }

    *ngx_sprintf((u_char *) name, "%*s.%08xd%08xd", len, item->name.data,
                 ngx_crc32_long(item->sn.str.data, item->sn.str.len),
                 ngx_murmur_hash2(object->uid.data, object->uid.len)
                 ^ ngx_murmur_hash2(item->sn.str.data, item->sn.str.len))
        = '\0';

    *ngx_sprintf((u_char *) ns, "%*s", item->ns.len ? item->ns.len : 7,
                 item->ns.len ? item->ns.data : (u_char *) "default")
        = '\0';

    *ngx_sprintf((u_char *) path, "/api/v1/namespaces/%s/events%s%s", ns,
                 item->posted ? "/" : "", item->posted ? name : "")
        = '\0';

    json = ngx_k8s_report_event(r, item, object, name, ns, item->posted);
    body = json ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);

    if (body == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&req, sizeof(ngx_k8s_request_t));

    req.method = item->posted ? "PATCH" : "POST";
    req.path = path;
    req.accept = "Accept: application/json";
    req.type = item->posted ? "Content-Type: application/merge-patch+json"
                            : "Content-Type: application/json";
    req.body.data = (u_char *) body;
    req.body.len = ngx_strlen(body);

    rc = r->source->ask(r->source, &req, NGX_K8S_EVENT_TIME, &w->ask);

    free(body);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_queue_remove(&item->queue);
    item->due = 0;
    item->flying = 1;

    w->item = item;
    w->patch = item->posted;

    return NGX_OK;
}


void
ngx_k8s_report_events_sent(ngx_k8s_report_t *r, ngx_k8s_report_write_t *w,
    ngx_uint_t again)
{
    ngx_k8s_report_item_t  *item;

    item = w->item;
    w->item = NULL;

    item->flying = 0;
    ngx_k8s_report_item_told(r, item);

    switch (w->ask.status) {

    case 200:
    case 201:
        item->posted = 1;
        return;

    case 409:

        /* a predecessor has written it */

        item->posted = 1;
        item->count = 0;
        return;

    case 404:

        /* the API server has forgotten it, or its namespace goes */

        item->posted = 0;
        again = w->patch;
    }

    if (!item->standing) {
        return;
    }

    if (again == NGX_K8S_REPORT_LATER) {
        ngx_queue_remove(&item->queue);
        ngx_queue_insert_tail(&r->later, &item->queue);

    } else if (again) {
        ngx_k8s_report_item_due(r, item);
    }
}


/* what the Event is about; NULL: there is none to be made, or none any more.
   Ingresses of others are left alone */

static ngx_k8s_object_t *
ngx_k8s_report_object(ngx_k8s_report_t *r, ngx_k8s_report_item_t *item)
{
    ngx_uint_t        kind;
    ngx_k8s_entry_t  *entry;

    for (kind = 0; kind < NGX_K8S_KINDS; kind++) {
        if (ngx_k8s_str_eq(&ngx_k8s_kinds[kind].name, &item->kind)) {
            break;
        }
    }

    if (kind == NGX_K8S_KINDS || !item->standing) {
        return NULL;
    }

    entry = ngx_k8s_entry_find(r->store, kind, &item->ns, &item->name);

    if (entry == NULL || entry->object->uid.len == 0
        || (kind == NGX_K8S_INGRESS && !entry->taken))
    {
        return NULL;
    }

    return entry->object;
}


/* the first problem of the code in the record of the object */

static size_t
ngx_k8s_report_message(ngx_k8s_report_t *r, ngx_k8s_report_item_t *item,
    u_char *text)
{
    u_char                   buf[NGX_K8S_KEY_MAX], *p, *last;
    uint32_t                 slot;
    ngx_str_t               *names[3], field, message, remedy;
    ngx_uint_t               i, n;
    ngx_k8s_problem_rec_t   *rec;
    ngx_k8s_problem_item_t  *items, *first;

    names[0] = &item->kind;
    names[1] = &item->ns;
    names[2] = &item->name;

    rec = ngx_k8s_table_find(r->table, NGX_K8S_INDEX_PROBLEM, buf,
                             ngx_k8s_key_names(buf, 3, names), &slot);
    first = NULL;
    n = 0;

    items = rec ? ngx_k8s_report_items(rec) : NULL;

    for (i = 0; items && i < rec->items.n; i++) {
        if (items[i].code == item->code) {
            first = first ? first : &items[i];
            n++;
        }
    }

    p = text;
    last = text + NGX_K8S_EVENT_MESSAGE;

    if (first == NULL) {
        return ngx_slprintf(p, last, "%V",
                            &ngx_k8s_problem_codes[item->code].meaning)
               - text;
    }

    ngx_k8s_record_str(rec, &first->field, &field);
    ngx_k8s_record_str(rec, &first->message, &message);
    ngx_k8s_record_str(rec, &first->remedy, &remedy);

    p = ngx_slprintf(p, last, "%V%s%V: %V", &field, field.len ? ": " : "",
                     &message, &remedy);

    if (n > 1) {
        p = ngx_slprintf(p, last, " (and %ui more of these)", n - 1);
    }

    /* no part of a character */

    if (p == last) {
        while (p > text && (p[-1] & 0xc0) == 0x80) {
            p--;
        }

        if (p > text && p[-1] >= 0xc0) {
            p--;
        }
    }

    return p - text;
}


static json_t *
ngx_k8s_report_event(ngx_k8s_report_t *r, ngx_k8s_report_item_t *item,
    ngx_k8s_object_t *object, char *name, char *ns, ngx_uint_t patch)
{
    char                     version[128], first[32], now[32];
    size_t                   len;
    u_char                   text[NGX_K8S_EVENT_MESSAGE];
    json_t                  *message, *json;
    ngx_k8s_kind_t          *info;
    ngx_k8s_problem_code_t  *code;

    info = &ngx_k8s_kinds[object->kind];
    code = &ngx_k8s_problem_codes[item->code];

    len = ngx_k8s_report_message(r, item, text);
    message = json_stringn((char *) text, len);

    if (message == NULL) {

        /* it is no UTF-8 */

        message = json_stringn((char *) code->meaning.data,
                               code->meaning.len);
    }

    ngx_k8s_report_time(first, item->first);
    ngx_k8s_report_time(now, ngx_time());

    if (patch) {
        json = json_pack("{s:s, s:o}", "lastTimestamp", now,
                         "message", message);

        if (json && item->count
            && json_object_set_new(json, "count", json_integer(item->count))
               != 0)
        {
            json_decref(json);
            return NULL;
        }

        return json;
    }

    *ngx_sprintf((u_char *) version, "%V%s%V", &info->group,
                 info->group.len ? "/" : "", &info->version)
        = '\0';

    return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s%, s:s%, s:s%, s:s%, s:s},"
                     " s:s%, s:o, s:s, s:{s:s}, s:s, s:s, s:i, s:s, s:s%}",
                     "apiVersion", "v1",
                     "kind", "Event",
                     "metadata",
                         "name", name,
                         "namespace", ns,
                     "involvedObject",
                         "kind", info->name.data, info->name.len,
                         "namespace", object->namespace.len
                                      ? object->namespace.data
                                      : (u_char *) "", object->namespace.len,
                         "name", object->name.data, object->name.len,
                         "uid", object->uid.data, object->uid.len,
                         "apiVersion", version,
                     "reason", code->name.data, code->name.len,
                     "message", message,
                     "type", "Warning",
                     "source",
                         "component", NGX_K8S_EVENT_COMPONENT,
                     "firstTimestamp", first,
                     "lastTimestamp", now,
                     "count", (int) ngx_max(item->count, 1),
                     "reportingComponent", NGX_K8S_EVENT_COMPONENT,
                     "reportingInstance", r->conf->pod.data,
                     r->conf->pod.len);
}


static void
ngx_k8s_report_time(char *buf, time_t sec)
{
    ngx_tm_t  tm;

    ngx_gmtime(sec, &tm);

    *ngx_sprintf((u_char *) buf, "%4d-%02d-%02dT%02d:%02d:%02dZ",
                 tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                 tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec)
        = '\0';
}
