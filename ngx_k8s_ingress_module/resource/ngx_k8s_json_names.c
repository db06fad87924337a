
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_resource.h>


/* what the containers on the way to the names are in */
#define NGX_K8S_JSON_NAMES_EVENT      1
#define NGX_K8S_JSON_NAMES_OBJECT     2
#define NGX_K8S_JSON_NAMES_METADATA   3


struct ngx_k8s_json_member_s {
    ngx_uint_t               level;      /* NGX_K8S_JSON_NAMES_* */
    ngx_str_t                name;
    ngx_uint_t               way;        /* an object on the way */
    size_t                   offset;     /* of the string in
                                            ngx_k8s_json_names_t */
};


static void ngx_k8s_json_names_word(ngx_k8s_json_names_t *n, u_char ch);
static void ngx_k8s_json_names_open(ngx_k8s_json_names_t *n, u_char ch);
static void ngx_k8s_json_names_close(ngx_k8s_json_names_t *n);
static void ngx_k8s_json_names_colon(ngx_k8s_json_names_t *n);
static void ngx_k8s_json_names_value(ngx_k8s_json_names_t *n);


static ngx_k8s_json_member_t  ngx_k8s_json_names_members[] = {

    { NGX_K8S_JSON_NAMES_EVENT, ngx_string("type"), 0,
      offsetof(ngx_k8s_json_names_t, type) },

    { NGX_K8S_JSON_NAMES_EVENT, ngx_string("object"), 1, 0 },
    { NGX_K8S_JSON_NAMES_OBJECT, ngx_string("metadata"), 1, 0 },

    { NGX_K8S_JSON_NAMES_METADATA, ngx_string("name"), 0,
      offsetof(ngx_k8s_json_names_t, name) },

    { NGX_K8S_JSON_NAMES_METADATA, ngx_string("namespace"), 0,
      offsetof(ngx_k8s_json_names_t, namespace) },

    { NGX_K8S_JSON_NAMES_METADATA, ngx_string("resourceVersion"), 0,
      offsetof(ngx_k8s_json_names_t, version) },

    { 0, ngx_null_string, 0, 0 }
};


void
ngx_k8s_json_names_init(ngx_k8s_json_names_t *n, ngx_uint_t event)
{
    ngx_memzero(n, offsetof(ngx_k8s_json_names_t, buffer));

    n->above = event ? 0 : 1;
    n->event = event;
}


void
ngx_k8s_json_names_feed(ngx_k8s_json_names_t *n, u_char *p, u_char *last)
{
    u_char  ch;

    while (p < last && !n->done) {

        if (n->string && !n->take && !n->escape) {
            while (p < last && *p != '"' && *p != '\\') {
                p++;
            }

            if (p == last) {
                return;
            }
        }

        ch = *p++;

        if (n->string) {
            ngx_k8s_json_names_word(n, ch);
            continue;
        }

        switch (ch) {

        case '"':
            n->string = 1;

            /* a name, or the value of one that is looked for */

            n->take = (n->depth && n->depth == n->way
                       && (!n->value || (n->member && !n->member->way)));

            if (n->take) {
                n->len = 0;
            }

            break;

        case '{':
        case '[':
            ngx_k8s_json_names_open(n, ch);
            break;

        case '}':
        case ']':
            ngx_k8s_json_names_close(n);
            break;

        case ':':
            if (n->depth == n->way) {
                ngx_k8s_json_names_colon(n);
            }
            break;

        case ',':
            if (n->depth == n->way) {
                n->value = 0;
                n->member = NULL;
            }
            break;
        }
    }
}


/* a byte of a string; with an escape, or too long, it counts as none */

static void
ngx_k8s_json_names_word(ngx_k8s_json_names_t *n, u_char ch)
{
    if (n->escape) {
        n->escape = 0;
        return;
    }

    if (ch == '\\') {
        n->escape = 1;
        n->len = 0;
        n->take = 0;
        return;
    }

    if (ch == '"') {
        n->string = 0;

        if (n->take && n->value) {
            ngx_k8s_json_names_value(n);
        }

        return;
    }

    if (!n->take) {
        return;
    }

    if (n->len == sizeof(n->word)) {
        n->len = 0;
        n->take = 0;
        return;
    }

    n->word[n->len++] = ch;
}


static void
ngx_k8s_json_names_open(ngx_k8s_json_names_t *n, u_char ch)
{
    ngx_uint_t  on;

    on = (ch == '{' && n->depth == n->way
          && (n->depth == 0 || (n->member && n->member->way)));

    n->depth++;

    if (on) {
        n->way++;
        n->value = 0;
        n->member = NULL;
    }
}


static void
ngx_k8s_json_names_close(ngx_k8s_json_names_t *n)
{
    if (n->depth == 0) {
        return;
    }

    if (n->depth == n->way) {

        if (n->way + n->above == NGX_K8S_JSON_NAMES_METADATA) {
            n->over = 1;
        }

        n->way--;
    }

    n->depth--;
    n->value = 1;
    n->member = NULL;

    n->done = (n->depth == 0 || (n->over && (n->type.len || !n->event)));
}


static void
ngx_k8s_json_names_colon(ngx_k8s_json_names_t *n)
{
    ngx_k8s_json_member_t  *m;

    n->value = 1;
    n->member = NULL;

    for (m = ngx_k8s_json_names_members; m->level; m++) {

        if (m->level == n->way + n->above
            && m->name.len == n->len
            && ngx_memcmp(m->name.data, n->word, n->len) == 0)
        {
            n->member = (m->way && n->over) ? NULL : m;
            return;
        }
    }
}


/* of a member that comes twice the first one counts */

static void
ngx_k8s_json_names_value(ngx_k8s_json_names_t *n)
{
    u_char     *p;
    ngx_str_t  *s;

    s = (ngx_str_t *) ((u_char *) n + n->member->offset);

    n->member = NULL;

    if (s->data) {
        return;
    }

    p = n->buffer + n->used;

    if (n->len > sizeof(n->buffer) - n->used) {
        return;
    }

    ngx_memcpy(p, n->word, n->len);
    n->used += n->len;

    s->data = p;
    s->len = n->len;

    n->done = (n->name.data && n->namespace.data && n->version.data
               && (n->type.data || !n->event));
}
