
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * ConfigMaps of headers, which annotations and keys name: what is wrong with
 * them, and their text in policy records, a line for each header.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


/* of all names and values */
#define NGX_K8S_HEADERS_SIZE         16384
#define NGX_K8S_HEADERS_SHOWN        128
/* of a parameter of FastCGI, whose length is a byte */
#define NGX_K8S_HEADERS_PARAM        127


typedef struct {
    ngx_k8s_row_t           *row;
    ngx_uint_t               n;
    ngx_uint_t               variables;
    size_t                   size;
} ngx_k8s_headers_t;


static char *ngx_k8s_header_check(ngx_k8s_headers_t *h, ngx_keyval_t *kv);
static ngx_uint_t ngx_k8s_header_chars(ngx_str_t *text, char *chars);
static ngx_uint_t ngx_k8s_header_is(ngx_str_t *name, ngx_str_t *names);
static ngx_uint_t ngx_k8s_header_sent(ngx_str_t *name);


/* what ingress-nginx takes of values of custom-headers, beside letters and
   digits */

static char  ngx_k8s_header_value_chars[] =
    "_ :;.,\\/\"'?!(){}[]@<>=-+*#$&`|~^%";


/* a backend, or a client, would end a message elsewhere than nginx */

static ngx_str_t  ngx_k8s_header_framings[] = {
    ngx_string("Content-Length"),
    ngx_string("Transfer-Encoding"),
    ngx_null_string
};


/* an auth server is told of certificates, and a request to one from another */

static ngx_str_t  ngx_k8s_header_claims[] = {
    ngx_string("X-Sent-From"),
    ngx_string("ssl-client-cert"),
    ngx_string("ssl-client-verify"),
    ngx_string("ssl-client-subject-dn"),
    ngx_string("ssl-client-issuer-dn"),
    ngx_null_string
};


static ngx_str_t  ngx_k8s_header_hosts[] = {
    ngx_string("Host"),
    ngx_null_string
};


ngx_int_t
ngx_k8s_headers(ngx_array_t *data, ngx_k8s_row_t *row, ngx_pool_t *pool,
    ngx_str_t *text, ngx_k8s_say_pt say, void *context)
{
    char               *why;
    u_char             *p, buf[2 * NGX_K8S_HEADERS_SHOWN];
    ngx_int_t           rc;
    ngx_str_t           message, none, unread;
    ngx_uint_t          i;
    ngx_keyval_t       *kv, header;
    ngx_k8s_headers_t   h;

    ngx_str_set(text, "");
    ngx_str_null(&none);

    if (data == NULL || data->nelts == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(pool, NGX_K8S_HEADERS_SIZE);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&h, sizeof(ngx_k8s_headers_t));
    h.row = row;

    text->data = p;
    kv = data->elts;
    rc = NGX_OK;

    for (i = 0; i < data->nelts; i++) {

        header = kv[i];
        ngx_k8s_trim(&header.value);

        why = ngx_k8s_header_check(&h, &header);

        if (why == NULL) {
            p = ngx_sprintf(p, "%V: %V\n", &header.key, &header.value);
            continue;
        }

        rc = NGX_DECLINED;

        unread.data = (u_char *) why;
        unread.len = ngx_strlen(why);

        if (ngx_k8s_unread(&kv[i].value)) {
            unread.data = kv[i].value.data + 1;
            unread.len = ngx_min(kv[i].value.len - 1, NGX_K8S_HEADERS_SHOWN);
        }

        message.data = buf;
        message.len = ngx_snprintf(buf, sizeof(buf), "\"%*s\" %V",
                                   ngx_min(kv[i].key.len,
                                           NGX_K8S_HEADERS_SHOWN),
                                   kv[i].key.data, &unread)
                      - buf;

        if (say && say(context, NGX_K8S_SAY_INVALID, &row->name, &message,
                       &none)
                   != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    text->len = p - text->data;

    return rc;
}


/* what is wrong with a header, NULL: nothing; bad ones count, too */

static char *
ngx_k8s_header_check(ngx_k8s_headers_t *h, ngx_keyval_t *kv)
{
    size_t      i, size;
    u_char      ch;
    ngx_uint_t  strict, asks, param, variables;

    /* first, as it bounds what is looked at */

    size = kv->key.len + kv->value.len + sizeof(": \n") - 1;

    if (h->n == NGX_K8S_HEADERS_MAX
        || size > NGX_K8S_HEADERS_SIZE - h->size)
    {
        return "is one too many: 64 are taken, with 16 KB together";
    }

    h->n++;
    h->size += size;

    strict = ngx_k8s_row_answer_headers(h->row);
    asks = (h->row->offset == offsetof(ngx_k8s_settings_t, auth_set_headers));

    param = ngx_k8s_row_params(h->row);

    if (!ngx_k8s_header_chars(&kv->key, strict || asks ? "-_" : "-_.")) {
        return param ? "is not the name of a parameter"
                     : "is not the name of a header";
    }

    if (param && kv->key.len > NGX_K8S_HEADERS_PARAM) {
        return "has a name of more than 127 characters";
    }

    if ((!param && ngx_k8s_header_is(&kv->key, ngx_k8s_header_framings))
        || (asks && ngx_k8s_header_is(&kv->key, ngx_k8s_header_claims)))
    {
        return "is not for others to set";
    }

    if ((h->row->flags & NGX_K8S_ROW_PROFILE)
        && ngx_k8s_header_sent(&kv->key))
    {
        return ngx_k8s_header_is(&kv->key, ngx_k8s_header_hosts)
               ? "is sent already: the annotation upstream-vhost sets it"
               : "is sent already, and is left as it is";
    }

    if (strict && !ngx_k8s_header_chars(&kv->value,
                                        ngx_k8s_header_value_chars))
    {
        return "has a value that is empty, or has characters that are not "
               "allowed";
    }

    variables = 0;

    for (i = 0; i < kv->value.len; i++) {
        ch = kv->value.data[i];

        if ((ch < ' ' && ch != '\t') || ch == 0x7f) {
            return "has a value with control characters";
        }

        if (ch == '$' && ++variables > NGX_K8S_VARIABLES_MAX) {
            return "has a value with more than 64 variables";
        }
    }

    if ((asks || (h->row->flags & NGX_K8S_ROW_PROFILE))
        && variables && h->variables == NGX_K8S_HEADERS_VARIABLES)
    {
        return "is one too many: values of 16 may have variables";
    }

    h->variables += (variables != 0);

    return NULL;
}


static ngx_uint_t
ngx_k8s_header_chars(ngx_str_t *text, char *chars)
{
    size_t  i;
    u_char  ch;

    for (i = 0; i < text->len; i++) {
        ch = text->data[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9')
              || (ch && ngx_strchr(chars, ch))))
        {
            return 0;
        }
    }

    return text->len != 0;
}


static ngx_uint_t
ngx_k8s_header_is(ngx_str_t *name, ngx_str_t *names)
{
    size_t  i;
    u_char  ch;

    for ( /* void */ ; names->len; names++) {

        if (names->len != name->len) {
            continue;
        }

        for (i = 0; i < name->len; i++) {

            /* CGI and what is like it have one name for both */

            ch = (name->data[i] == '_') ? '-' : ngx_tolower(name->data[i]);

            if (ch != ngx_tolower(names->data[i])) {
                break;
            }
        }

        if (i == name->len) {
            return 1;
        }
    }

    return 0;
}


/* whether a row sends it to backends anyway: nginx would send both */

static ngx_uint_t
ngx_k8s_header_sent(ngx_str_t *name)
{
    u_char         *end;
    ngx_k8s_row_t  *row;

    static ngx_str_t  directive = ngx_string("proxy_set_header");

    for (row = ngx_k8s_rows; row->note.data; row++) {

        if ((row->flags & NGX_K8S_ROW_ON)
            || row->directive.len != directive.len
            || row->argument.len <= name->len
            || ngx_strncmp(row->directive.data, directive.data, directive.len)
               != 0
            || ngx_strncasecmp(row->argument.data, name->data, name->len) != 0)
        {
            continue;
        }

        /* what is never passed on has an empty value */

        end = row->argument.data + name->len;

        if (end[0] == ' ' && end[1] != '"') {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_k8s_headers_next(ngx_str_t *text, ngx_str_t *name, ngx_str_t *value)
{
    u_char  *p, *last, *end;

    p = text->data;
    last = p + text->len;

    end = ngx_strlchr(p, last, '\n');
    if (end == NULL) {
        return NGX_DONE;
    }

    name->data = p;

    p = ngx_strlchr(p, end, ':');
    if (p == NULL || end - p < 2) {
        return NGX_DONE;
    }

    name->len = p - name->data;

    value->data = p + 2;
    value->len = end - value->data;

    text->data = end + 1;
    text->len = last - text->data;

    return NGX_OK;
}


ngx_uint_t
ngx_k8s_header_listed(ngx_str_t *list, ngx_str_t *name)
{
    ngx_str_t  rest, item;

    rest = *list;

    while (ngx_k8s_item(&rest, &item) == NGX_OK) {
        if (item.len == name->len
            && ngx_strncmp(item.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
