
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


static void ngx_k8s_row_names_init(void);
static int ngx_libc_cdecl ngx_k8s_row_name_cmp(const void *one,
    const void *two);
static ngx_uint_t ngx_k8s_row_is(ngx_str_t *one, ngx_str_t *two);
static ngx_int_t ngx_k8s_row_token(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_k8s_row_t *row, ngx_uint_t api, ngx_str_t *values, ngx_str_t *base);
static ngx_str_t *ngx_k8s_row_value(ngx_k8s_row_t *row, ngx_str_t *values,
    ngx_str_t *base);
static ngx_int_t ngx_k8s_row_pair(ngx_pool_t *pool, ngx_k8s_row_t *row,
    ngx_str_t *values, ngx_str_t *base, ngx_str_t *arguments);
static ngx_uint_t ngx_k8s_row_on(ngx_str_t *value);
static ngx_uint_t ngx_k8s_row_refers(ngx_k8s_row_t *row, ngx_str_t *values);
static ngx_k8s_row_t *ngx_k8s_row_reference(u_char **p, u_char *last);
static size_t ngx_k8s_row_room(ngx_k8s_row_t *row, ngx_str_t *value,
    ngx_str_t *values, ngx_str_t *base);
static ngx_int_t ngx_k8s_row_arguments(ngx_pool_t *pool, ngx_k8s_row_t *row,
    ngx_str_t *values, ngx_str_t *base, ngx_str_t *arguments);


ngx_int_t
ngx_k8s_policy_base(ngx_k8s_settings_t *settings, ngx_uint_t api)
{
    u_char         *p;
    ngx_k8s_row_t  *row;

    ngx_memzero(settings, sizeof(ngx_k8s_settings_t));

    for (row = ngx_k8s_rows; row->note.data; row++) {

        if (row->offset == NGX_K8S_NO_FIELD || !(row->flags & api)) {
            continue;
        }

        p = (u_char *) settings + row->offset;

        if (row->value.len
            && row->grammar->decode(row->grammar, &row->value, p) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


void
ngx_k8s_policy_settings(ngx_k8s_settings_t *settings, ngx_uint_t api,
    ngx_str_t *values)
{
    u_char         *p;
    ngx_uint_t      i;
    ngx_k8s_row_t  *row;

    for (i = 0; i < ngx_k8s_nrows; i++) {

        row = &ngx_k8s_rows[i];

        if (values[i].data == NULL || row->offset == NGX_K8S_NO_FIELD
            || !(row->flags & api)
            || ngx_k8s_row_is_off(&row->name, NGX_K8S_PART_FIELD))
        {
            continue;
        }

        p = (u_char *) settings + row->offset;

        if (row->flags & NGX_K8S_ROW_HEADERS) {
            *(ngx_str_t *) p = values[i];

        } else {
            (void) row->grammar->decode(row->grammar, &values[i], p);
        }
    }
}


ngx_int_t
ngx_k8s_policy_tokens(ngx_pool_t *pool, ngx_array_t *tokens, ngx_uint_t api,
    ngx_str_t *values)
{
    ngx_uint_t      i;
    ngx_k8s_row_t  *row;

    for (i = 0; i < ngx_k8s_nrows; i++) {

        row = &ngx_k8s_rows[i];

        if (ngx_k8s_row_token(pool, tokens, row, api, values, NULL)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_k8s_policy_delta(ngx_pool_t *pool, ngx_array_t *tokens, ngx_uint_t api,
    ngx_str_t *values, ngx_str_t *base)
{
    ngx_uint_t      i;
    ngx_k8s_row_t  *row;

    for (i = 0; i < ngx_k8s_nrows; i++) {

        row = &ngx_k8s_rows[i];

        if ((values[i].data || ngx_k8s_row_refers(row, values))
            && ngx_k8s_row_token(pool, tokens, row, api, values, base)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_k8s_row_token(ngx_pool_t *pool, ngx_array_t *tokens, ngx_k8s_row_t *row,
    ngx_uint_t api, ngx_str_t *values, ngx_str_t *base)
{
    ngx_int_t       rc;
    ngx_str_t       arguments, list, item, *value;
    ngx_k8s_row_t  *other;

    if (row->directive.len == 0 || !(row->flags & api)) {
        return NGX_OK;
    }

    value = ngx_k8s_row_value(row, values, base);

    if (((row->flags & NGX_K8S_ROW_SAID) && value == &row->value)
        || ((row->flags & NGX_K8S_ROW_ON) && !ngx_k8s_row_on(value))
        || ((row->flags & NGX_K8S_ROW_OFF) && ngx_k8s_row_on(value)))
    {
        return NGX_OK;
    }

    if (row->needs.len) {
        other = ngx_k8s_row(&row->needs, NGX_K8S_ROW_KEY);

        if (other && other->grammar == &ngx_k8s_grammar_flag
            && !ngx_k8s_row_on(ngx_k8s_row_value(other, values, base)))
        {
            return NGX_OK;
        }
    }

    if (row->flags & NGX_K8S_ROW_EACH) {

        list = *value;

        while (ngx_k8s_item(&list, &item) == NGX_OK) {

            if (item.len
                && ngx_k8s_tokens_add(pool, tokens, &row->directive, &item)
                   != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        return NGX_OK;
    }

    rc = (row->flags & NGX_K8S_ROW_PAIR)
         ? ngx_k8s_row_pair(pool, row, values, base, &arguments)
         : ngx_k8s_row_arguments(pool, row, values, base, &arguments);

    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? NGX_OK : NGX_ERROR;
    }

    return ngx_k8s_tokens_add(pool, tokens, &row->directive, &arguments);
}


/* whether a value is that of a flag that is on */

static ngx_uint_t
ngx_k8s_row_on(ngx_str_t *value)
{
    ngx_uint_t  on;

    return ngx_k8s_grammar_flag.decode(&ngx_k8s_grammar_flag, value, &on)
           == NGX_OK && on;
}


/* what is said of a row, or its default */

static ngx_str_t *
ngx_k8s_row_value(ngx_k8s_row_t *row, ngx_str_t *values, ngx_str_t *base)
{
    ngx_uint_t  i;

    i = row - ngx_k8s_rows;

    if (ngx_k8s_row_is_off(&row->name, NGX_K8S_PART_TOKEN)) {
        return &row->value;
    }

    if (values && values[i].data) {
        return &values[i];
    }

    return base && base[i].data ? &base[i] : &row->value;
}


/* NGX_DECLINED: it is no token */

static ngx_int_t
ngx_k8s_row_pair(ngx_pool_t *pool, ngx_k8s_row_t *row, ngx_str_t *values,
    ngx_str_t *base, ngx_str_t *arguments)
{
    u_char         *p;
    ngx_str_t      *value, *text;
    ngx_k8s_row_t  *other;

    static ngx_str_t  off = ngx_string("off");
    static ngx_str_t  def = ngx_string("default");

    value = ngx_k8s_row_value(row, values, base);

    if (ngx_k8s_row_is(value, &off) || ngx_k8s_row_is(value, &def)) {
        *arguments = *value;
        return NGX_OK;
    }

    p = ngx_strlchr(row->argument.data, row->argument.data + row->argument.len,
                    '$');
    other = ngx_k8s_row_reference(&p, row->argument.data + row->argument.len);
    text = ngx_k8s_row_value(other, values, base);

    if (ngx_k8s_row_is(text, &off)) {
        return NGX_DECLINED;
    }

    arguments->data = ngx_pnalloc(pool, value->len + 1 + text->len);
    if (arguments->data == NULL) {
        return NGX_ERROR;
    }

    arguments->len = ngx_sprintf(arguments->data, "%V %V", value, text)
                     - arguments->data;

    return NGX_OK;
}


/* whether its argument has the value of another row, which is said */

static ngx_uint_t
ngx_k8s_row_refers(ngx_k8s_row_t *row, ngx_str_t *values)
{
    u_char         *p, *last;
    ngx_k8s_row_t  *other;

    p = row->argument.data;
    last = p + row->argument.len;

    while (p < last) {

        other = ngx_k8s_row_reference(&p, last);

        if (other == NULL) {
            p++;
            continue;
        }

        if (values[other - ngx_k8s_rows].data) {
            return 1;
        }
    }

    return 0;
}


/* the row of a ${key} at *p, which is moved behind it; NULL: there is none */

static ngx_k8s_row_t *
ngx_k8s_row_reference(u_char **p, u_char *last)
{
    u_char         *end;
    ngx_str_t       name;
    ngx_k8s_row_t  *row;

    if (last - *p < 2 || (*p)[0] != '$' || (*p)[1] != '{') {
        return NULL;
    }

    name.data = *p + 2;
    end = ngx_strlchr(name.data, last, '}');

    if (end == NULL) {
        return NULL;
    }

    name.len = end - name.data;
    row = ngx_k8s_row(&name, NGX_K8S_ROW_KEY);

    if (row) {
        *p = end + 1;
    }

    return row;
}


ngx_uint_t
ngx_k8s_policy_directive(ngx_str_t *name)
{
    ngx_k8s_row_t  *row;

    for (row = ngx_k8s_rows; row->note.data; row++) {

        if (row->directive.len == name->len
            && ngx_strncmp(row->directive.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


ngx_k8s_row_t *
ngx_k8s_row(ngx_str_t *name, ngx_uint_t flags)
{
    ngx_uint_t           first, last, i;
    ngx_k8s_row_name_t  *names;

    names = ngx_k8s_row_names;

    if (ngx_k8s_nrow_names == 0) {
        ngx_k8s_row_names_init();
    }

    first = 0;
    last = ngx_k8s_nrow_names;

    while (first < last) {
        i = (first + last) / 2;

        if (ngx_memn2cmp(names[i].name.data, name->data, names[i].name.len,
                         name->len)
            < 0)
        {
            first = i + 1;

        } else {
            last = i;
        }
    }

    for (i = first;
         i < ngx_k8s_nrow_names && ngx_k8s_row_is(&names[i].name, name);
         i++)
    {
        if (names[i].row->flags & flags) {
            return names[i].row;
        }
    }

    return NULL;
}


static void
ngx_k8s_row_names_init(void)
{
    ngx_uint_t           i, n;
    ngx_str_t           *name;
    ngx_k8s_row_t       *row;
    ngx_k8s_row_name_t  *names;

    names = ngx_k8s_row_names;
    n = 0;

    for (row = ngx_k8s_rows; row->note.data; row++) {

        for (i = 0; i < 2; i++) {
            name = i ? &row->alias : &row->name;

            if (name->len) {
                names[n].name = *name;
                names[n++].row = row;
            }
        }
    }

    ngx_qsort(names, n, sizeof(ngx_k8s_row_name_t), ngx_k8s_row_name_cmp);

    ngx_k8s_nrow_names = n;
}


static int ngx_libc_cdecl
ngx_k8s_row_name_cmp(const void *one, const void *two)
{
    ngx_int_t                  rc;
    const ngx_k8s_row_name_t  *a, *b;

    a = one;
    b = two;

    rc = ngx_memn2cmp(a->name.data, b->name.data, a->name.len, b->name.len);

    return rc ? rc : (a->row > b->row) - (a->row < b->row);
}


static ngx_uint_t
ngx_k8s_row_is(ngx_str_t *one, ngx_str_t *two)
{
    return one->len == two->len
           && ngx_memcmp(one->data, two->data, one->len) == 0;
}


ngx_uint_t
ngx_k8s_row_built(ngx_k8s_row_t *row, ngx_str_t *value)
{
    return row->directive.len || (row->flags & NGX_K8S_ROW_PROFILE)
           || (value->len
               && ngx_strlchr(value->data, value->data + value->len, '$'));
}


ngx_int_t
ngx_k8s_row_check(ngx_k8s_row_t *row, ngx_str_t *value)
{
    u_char  field[16];

    return ngx_k8s_unread(value) ? NGX_DECLINED
           : row->grammar->decode(row->grammar, value, field);
}


/* bytes that its arguments may need */

static size_t
ngx_k8s_row_room(ngx_k8s_row_t *row, ngx_str_t *value, ngx_str_t *values,
    ngx_str_t *base)
{
    u_char         *p, *last;
    size_t          size;
    ngx_k8s_row_t  *other;

    p = row->argument.data;
    last = p + row->argument.len;
    size = row->argument.len;

    while (p < last) {

        other = ngx_k8s_row_reference(&p, last);

        if (other) {
            size += ngx_k8s_row_value(other, values, base)->len;
            continue;
        }

        if (*p++ == '%') {
            size += ngx_max(value->len, NGX_SIZE_T_LEN);
        }
    }

    return size;
}


u_char *
ngx_k8s_row_directive(u_char *buf, size_t size, ngx_k8s_row_t *row,
    ngx_str_t *value)
{
    u_char      *p, *last, *dst, *end;
    ngx_uint_t   on;

    on = ngx_k8s_row_on(value);
    dst = buf;
    end = buf + size;
    last = row->argument.data + row->argument.len;

    for (p = row->argument.data; p < last && dst < end; p++) {

        switch (*p) {

        case '%':
            p++;
            dst = (*p == 'V') ? ngx_slprintf(dst, end, "%V", value)
                              : ngx_slprintf(dst, end, on ? "on" : "off");
            break;

        case '[':
            while (!on && *p != ']') {
                p++;
            }

            /* fall through */

        case ']':
            break;

        default:
            *dst++ = *p;
        }
    }

    return dst;
}


/*
 * Replaces %V, %S, %!S, ${key}, %2${key}, %?${key}; a $name without braces
 * is a variable.
 */

static ngx_int_t
ngx_k8s_row_arguments(ngx_pool_t *pool, ngx_k8s_row_t *row, ngx_str_t *values,
    ngx_str_t *base, ngx_str_t *arguments)
{
    u_char         *p, *last, *end, *dst;
    size_t          size;
    ngx_str_t      *value, *text;
    ngx_uint_t      twice, only, on;
    ngx_k8s_row_t  *other;

    value = ngx_k8s_row_value(row, values, base);

    size = ngx_k8s_row_room(row, value, values, base);

    dst = ngx_pnalloc(pool, size);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    arguments->data = dst;
    end = dst + size;

    p = row->argument.data;
    last = p + row->argument.len;

    while (p < last) {

        if (last - p >= 2 && p[0] == '%' && p[1] == 'V') {
            dst = ngx_slprintf(dst, end, "%V", value);
            p += 2;
            continue;
        }

        if (last - p >= 2 && p[0] == '%' && (p[1] == 'S' || p[1] == '!')) {

            if (ngx_k8s_grammar_flag.decode(&ngx_k8s_grammar_flag, value, &on)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            dst = ngx_slprintf(dst, end, (on == (p[1] == 'S')) ? "on" : "off");
            p += (p[1] == 'S') ? 2 : 3;
            continue;
        }

        twice = (last - p >= 2 && p[0] == '%' && p[1] == '2');
        only = (last - p >= 2 && p[0] == '%' && p[1] == '?');

        if (twice || only) {
            p += 2;
        }

        other = ngx_k8s_row_reference(&p, last);

        if (other) {
            text = ngx_k8s_row_value(other, values, base);

            if (only) {
                while (!ngx_k8s_row_on(text) && p < last && *p != ' ') {
                    p++;
                }

            } else if (!twice) {
                dst = ngx_slprintf(dst, end, "%V", text);

            } else if (value == &row->value) {
                dst = ngx_slprintf(dst, end, "%z", 2 * ngx_parse_size(text));

            } else {
                dst = ngx_slprintf(dst, end, "%V", value);
            }

            continue;
        }

        *dst++ = *p++;
    }

    arguments->len = dst - arguments->data;

    return NGX_OK;
}


ngx_int_t
ngx_k8s_tokens_add(ngx_pool_t *pool, ngx_array_t *tokens,
    ngx_str_t *directive, ngx_str_t *arguments)
{
    u_char       *p, *last;
    ngx_str_t    *arg, s;
    ngx_array_t  *args, **token;

    args = ngx_array_create(pool, 4, sizeof(ngx_str_t));
    if (args == NULL) {
        return NGX_ERROR;
    }

    s = *directive;
    p = arguments->data;
    last = p + arguments->len;

    for ( ;; ) {

        arg = ngx_array_push(args);
        if (arg == NULL) {
            return NGX_ERROR;
        }

        /* setters may write to their arguments, and expect a final zero */

        arg->len = s.len;
        arg->data = ngx_pnalloc(pool, s.len + 1);
        if (arg->data == NULL) {
            return NGX_ERROR;
        }

        *ngx_cpymem(arg->data, s.data, s.len) = '\0';

        while (p < last && *p == ' ') {
            p++;
        }

        if (p == last) {
            break;
        }

        s.data = p;

        while (p < last && *p != ' ') {
            p++;
        }

        s.len = p - s.data;

        if (s.len == 2 && s.data[0] == '"' && s.data[1] == '"') {
            s.len = 0;
        }
    }

    token = ngx_array_push(tokens);
    if (token == NULL) {
        return NGX_ERROR;
    }

    *token = args;

    return NGX_OK;
}
