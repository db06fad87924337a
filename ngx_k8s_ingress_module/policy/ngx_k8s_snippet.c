
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_snippet.h>


#define NGX_K8S_SNIPPET_ERROR        160  /* bytes of one */


typedef struct {
    ngx_k8s_snippet_t       *snippet;
    ngx_k8s_lexer_t          lexer;
    ngx_uint_t               n;          /* of statements, read or not */
    ngx_uint_t               entries;
    unsigned                 unsafe:1;   /* what is wrong may refuse requests,
                                            as nobody knows what it is */
    unsigned                 control:1;  /* or may decide whether others do */
} ngx_k8s_snippet_reader_t;


static ngx_int_t ngx_k8s_snippet_block(ngx_k8s_snippet_reader_t *r,
    ngx_uint_t context, ngx_uint_t inner);
static ngx_int_t ngx_k8s_snippet_read(ngx_k8s_snippet_reader_t *r,
    ngx_uint_t context, ngx_uint_t block);
static char *ngx_k8s_snippet_wrong(ngx_k8s_snippet_reader_t *r,
    ngx_k8s_directive_t *directive, ngx_uint_t context, ngx_uint_t block);
static char *ngx_k8s_snippet_words(ngx_k8s_directive_t *directive,
    ngx_str_t *word, ngx_uint_t n);
static ngx_int_t ngx_k8s_snippet_take(ngx_k8s_snippet_reader_t *r,
    ngx_k8s_directive_t *directive, ngx_uint_t context, ngx_uint_t block);
static ngx_int_t ngx_k8s_snippet_table(ngx_k8s_snippet_reader_t *r,
    ngx_uint_t i);
static ngx_int_t ngx_k8s_snippet_skip(ngx_k8s_snippet_reader_t *r,
    ngx_k8s_directive_t *of);
static ngx_k8s_directive_t *ngx_k8s_snippet_directive(ngx_str_t *name);
static void ngx_k8s_snippet_guard(ngx_k8s_snippet_reader_t *r,
    ngx_k8s_directive_t *directive);
static ngx_int_t ngx_k8s_snippet_error(ngx_k8s_snippet_reader_t *r,
    ngx_uint_t line, ngx_str_t *name, char *why);


ngx_int_t
ngx_k8s_snippet(ngx_k8s_snippet_t *s, ngx_pool_t *pool, ngx_uint_t context,
    ngx_str_t *text)
{
    ngx_int_t                  rc;
    ngx_str_t                  name;
    ngx_k8s_snippet_reader_t  *r;

    ngx_memzero(s, sizeof(ngx_k8s_snippet_t));

    r = ngx_pcalloc(pool, sizeof(ngx_k8s_snippet_reader_t));

    if (r == NULL
        || ngx_array_init(&s->statements, pool, 8, sizeof(ngx_k8s_statement_t))
           != NGX_OK
        || ngx_array_init(&s->errors, pool, NGX_K8S_SNIPPET_ERRORS,
                          sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->snippet = s;

    ngx_k8s_lexer_init(&r->lexer, pool, text);

    if (context == NGX_K8S_SNIPPET_HTTP
        && text->len > NGX_K8S_SNIPPET_HTTP_BYTES)
    {
        r->lexer.error = "it is longer than "
                         ngx_value(NGX_K8S_SNIPPET_HTTP_BYTES) " bytes";
        rc = NGX_DECLINED;

    } else if (context != NGX_K8S_SNIPPET_HTTP
               && text->len > NGX_K8S_SNIPPET_BYTES)
    {
        r->lexer.error = "it is longer than "
                         ngx_value(NGX_K8S_SNIPPET_BYTES) " bytes";
        rc = NGX_DECLINED;

    } else {
        rc = ngx_k8s_snippet_block(r, context, 0);
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {

        /* where a statement ends is not known, so none is */

        s->statements.nelts = 0;
        s->errors.nelts = 0;
        s->nerrors = 0;
        r->unsafe = 1;

        ngx_str_null(&name);

        if (ngx_k8s_snippet_error(r, r->lexer.lines, &name, r->lexer.error)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    s->closes = (r->unsafe || (r->control && s->guards));
    s->guards |= r->unsafe;

    return NGX_OK;
}


/* statements up to the end of the text, or of a block */

static ngx_int_t
ngx_k8s_snippet_block(ngx_k8s_snippet_reader_t *r, ngx_uint_t context,
    ngx_uint_t inner)
{
    ngx_int_t  rc;

    for ( ;; ) {

        rc = ngx_k8s_lexer_next(&r->lexer);

        switch (rc) {

        case ';':
        case '{':
            break;

        case 0:

            if (inner) {
                r->lexer.error = "\"}\" is missing";
                return NGX_DECLINED;
            }

            return NGX_OK;

        case '}':

            if (!inner) {
                r->lexer.error = "unexpected \"}\"";
                return NGX_DECLINED;
            }

            return NGX_OK;

        default: /* NGX_DECLINED, NGX_ERROR */
            return rc;
        }

        if (++r->n > NGX_K8S_SNIPPET_STATEMENTS) {
            r->lexer.error = "it has more than "
                             ngx_value(NGX_K8S_SNIPPET_STATEMENTS)
                             " statements";
            return NGX_DECLINED;
        }

        rc = ngx_k8s_snippet_read(r, context, rc == '{');

        if (rc != NGX_OK) {
            return rc;
        }
    }
}


static ngx_int_t
ngx_k8s_snippet_read(ngx_k8s_snippet_reader_t *r, ngx_uint_t context,
    ngx_uint_t block)
{
    char                 *why;
    ngx_str_t            *word;
    ngx_k8s_directive_t  *directive;

    word = r->lexer.words;
    directive = ngx_k8s_snippet_directive(word);

    if (directive || context != NGX_K8S_SNIPPET_HTTP) {
        ngx_k8s_snippet_guard(r, directive);
    }

    why = ngx_k8s_snippet_wrong(r, directive, context, block);

    if (why == NULL) {
        return ngx_k8s_snippet_take(r, directive, context, block);
    }

    /* of http { } there is nothing that nobody knows: modules have their zones,
       formats and servers there */

    if ((directive == NULL && context != NGX_K8S_SNIPPET_HTTP)
        || (directive && (directive->flags & NGX_K8S_SNIPPET_GUARDS)))
    {
        r->unsafe = 1;

    } else if (directive && (directive->flags & NGX_K8S_SNIPPET_CONTROLS)) {
        r->control = 1;
    }

    if (ngx_k8s_snippet_error(r, r->lexer.line, word, why) != NGX_OK) {
        return NGX_ERROR;
    }

    return block ? ngx_k8s_snippet_skip(r, directive) : NGX_OK;
}


/* notes whether the statement may refuse requests */

static void
ngx_k8s_snippet_guard(ngx_k8s_snippet_reader_t *r,
    ngx_k8s_directive_t *directive)
{
    ngx_str_t   *word;
    ngx_uint_t   n, status;

    /* a backend may believe the headers that clients are not to send */

    if (directive == NULL
        || (directive->flags & NGX_K8S_SNIPPET_GUARDS)
        || directive->effect == NGX_K8S_SNIPPET_MORE_INPUT
        || directive->effect == NGX_K8S_SNIPPET_MORE_DROP)
    {
        r->snippet->guards = 1;
        return;
    }

    word = r->lexer.words;
    n = r->lexer.n;

    /* a redirect may be one to a page that asks for a password */

    if (directive->effect == NGX_K8S_SNIPPET_RETURN && n > 1) {
        status = ngx_k8s_snippet_status(&word[1]);

        if (status < 200 || status >= 300) {
            r->snippet->guards = 1;
        }
    }

    if (directive->effect == NGX_K8S_SNIPPET_REWRITE && n > 2
        && (ngx_k8s_snippet_url(&word[2])
            || (n > 3 && (word[3].data[0] == 'r' || word[3].data[0] == 'p'))))
    {
        r->snippet->guards = 1;
    }
}


static char *
ngx_k8s_snippet_wrong(ngx_k8s_snippet_reader_t *r,
    ngx_k8s_directive_t *directive, ngx_uint_t context, ngx_uint_t block)
{
    char        *why;
    ngx_uint_t   n;

    if (context == NGX_K8S_SNIPPET_HTTP
        && (directive == NULL || !(directive->contexts & context)))
    {
        return "is for nginx.conf, in http { }";
    }

    if (directive == NULL) {
        return "is no directive that is known";
    }

    if (directive->effect == NGX_K8S_SNIPPET_REFUSED) {
        return "is not read in snippets";
    }

    if (block != (directive->effect == NGX_K8S_SNIPPET_IF
                  || directive->effect == NGX_K8S_SNIPPET_IN
                  || directive->effect == NGX_K8S_SNIPPET_MAP
                  || directive->effect == NGX_K8S_SNIPPET_GEO))
    {
        return block ? "has no block" : "has no block behind it";
    }

    if (!(directive->contexts & context)) {
        return "has no effect there";
    }

    n = r->lexer.n - 1;

    if (n < directive->min || n > directive->max) {
        return "has another number of arguments";
    }

    why = ngx_k8s_snippet_words(directive, &r->lexer.words[1], n);
    if (why) {
        return why;
    }

    return directive->check ? directive->check(&r->lexer.words[1], n) : NULL;
}


static char *
ngx_k8s_snippet_words(ngx_k8s_directive_t *directive, ngx_str_t *word,
    ngx_uint_t n)
{
    u_char      c, field[16];
    size_t      j;
    ngx_uint_t  i, variables;

    for (i = 0; i < n; i++) {

        variables = 0;

        for (j = 0; j < word[i].len; j++) {

            c = word[i].data[j];
            variables |= (c == '$');

            if ((c < ' ' || c == 0x7f)
                && !(directive->effect == NGX_K8S_SNIPPET_RETURN
                     && (c == '\t' || c == CR || c == LF)))
            {
                return "has a control character";
            }
        }

        if (variables && (directive->flags & NGX_K8S_SNIPPET_VARIABLES)) {
            continue;
        }

        if (variables && directive->effect == NGX_K8S_SNIPPET_TOKEN) {
            return "has no variables";
        }

        if (directive->grammar
            && directive->grammar->decode(directive->grammar, &word[i], field)
               != NGX_OK)
        {
            return "has a bad argument";
        }
    }

    return NULL;
}


static ngx_int_t
ngx_k8s_snippet_take(ngx_k8s_snippet_reader_t *r,
    ngx_k8s_directive_t *directive, ngx_uint_t context, ngx_uint_t block)
{
    ngx_int_t             rc;
    ngx_uint_t            i, inner;
    ngx_array_t          *a;
    ngx_k8s_statement_t  *st;

    a = &r->snippet->statements;
    i = a->nelts;

    st = ngx_array_push(a);
    if (st == NULL) {
        return NGX_ERROR;
    }

    st->directive = directive;
    st->line = r->lexer.line;
    st->n = r->lexer.n - 1;
    st->text.data = r->lexer.pos;
    st->text.len = 0;
    st->words = ngx_palloc(a->pool, (st->n + 1) * sizeof(ngx_str_t));

    if (st->words == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(st->words, &r->lexer.words[1], st->n * sizeof(ngx_str_t));

    if (context == NGX_K8S_SNIPPET_HTTP) {
        return ngx_k8s_snippet_table(r, i);
    }

    if (block) {

        if (directive->effect == NGX_K8S_SNIPPET_IN) {
            inner = NGX_K8S_SNIPPET_INNER;

        } else if (context == NGX_K8S_SNIPPET_SERVER) {
            inner = NGX_K8S_SNIPPET_SIF;

        } else if (context == NGX_K8S_SNIPPET_INNER) {
            inner = NGX_K8S_SNIPPET_IIF;

        } else {
            inner = NGX_K8S_SNIPPET_LIF;
        }

        rc = ngx_k8s_snippet_block(r, inner, 1);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    st = a->elts;
    st[i].end = a->nelts;

    if (block) {
        st[i].text.len = r->lexer.pos - 1 - st[i].text.data;
    }

    return NGX_OK;
}


/* the entries of a map or geo, which is read as a whole or not at all */

static ngx_int_t
ngx_k8s_snippet_table(ngx_k8s_snippet_reader_t *r, ngx_uint_t i)
{
    char                 *why, *wrong;
    ngx_int_t             rc;
    ngx_uint_t            line;
    ngx_array_t          *a;
    ngx_k8s_directive_t  *of;
    ngx_k8s_statement_t  *st;

    static ngx_k8s_directive_t  entry = {
        ngx_string("entry"), NGX_K8S_SNIPPET_ENTRY, NGX_K8S_SNIPPET_HTTP, 1, 2,
        NULL, NULL, NGX_K8S_SNIPPET_VARIABLES
    };

    a = &r->snippet->statements;
    st = a->elts;
    of = st[i].directive;
    wrong = NULL;
    line = 0;

    for ( ;; ) {

        rc = ngx_k8s_lexer_next(&r->lexer);

        if (rc == '}') {
            break;
        }

        if (rc != ';') {

            if (rc == 0 || rc == '{') {
                r->lexer.error = rc ? "unexpected \"{\"" : "\"}\" is missing";
                rc = NGX_DECLINED;
            }

            return rc;
        }

        if (++r->entries > NGX_K8S_SNIPPET_ENTRIES) {
            r->lexer.error = "its tables have more than "
                             ngx_value(NGX_K8S_SNIPPET_ENTRIES) " entries";
            return NGX_DECLINED;
        }

        why = ngx_k8s_snippet_words(&entry, r->lexer.words, r->lexer.n);

        if (why == NULL) {
            why = ngx_k8s_snippet_entry(of->effect == NGX_K8S_SNIPPET_GEO,
                                        r->lexer.words, r->lexer.n);
        }

        if (why && wrong == NULL) {
            wrong = why;
            line = r->lexer.line;
        }

        if (wrong) {
            continue;
        }

        st = ngx_array_push(a);
        if (st == NULL) {
            return NGX_ERROR;
        }

        ngx_memzero(st, sizeof(ngx_k8s_statement_t));

        st->directive = &entry;
        st->line = r->lexer.line;
        st->n = r->lexer.n;
        st->end = a->nelts;
        st->words = ngx_palloc(a->pool, st->n * sizeof(ngx_str_t));

        if (st->words == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(st->words, r->lexer.words, st->n * sizeof(ngx_str_t));
    }

    if (wrong) {
        a->nelts = i;
        return ngx_k8s_snippet_error(r, line, &of->name, wrong);
    }

    st = a->elts;
    st[i].end = a->nelts;
    st[i].text.len = r->lexer.pos - 1 - st[i].text.data;

    return NGX_OK;
}


/* a block that is not read, whatever is in it; of a harmless one these are
   no directives */

static ngx_int_t
ngx_k8s_snippet_skip(ngx_k8s_snippet_reader_t *r, ngx_k8s_directive_t *of)
{
    ngx_int_t   rc;
    ngx_uint_t  depth;

    for (depth = 1; depth; /* void */ ) {

        rc = ngx_k8s_lexer_next(&r->lexer);

        switch (rc) {

        case ';':
            break;

        case '{':
            depth++;
            break;

        case '}':
            depth--;
            continue;

        case 0:
            r->lexer.error = "\"}\" is missing";
            return NGX_DECLINED;

        default: /* NGX_DECLINED, NGX_ERROR */
            return rc;
        }

        if (of && (of->flags & (NGX_K8S_SNIPPET_GUARDS
                                |NGX_K8S_SNIPPET_CONTROLS)))
        {
            ngx_k8s_snippet_guard(r,
                                  ngx_k8s_snippet_directive(r->lexer.words));
        }
    }

    return NGX_OK;
}


static ngx_k8s_directive_t *
ngx_k8s_snippet_directive(ngx_str_t *name)
{
    size_t                len;
    ngx_k8s_directive_t  *d;

    for (d = ngx_k8s_directives_read; d->name.len; d++) {
        if (d->name.len == name->len
            && ngx_memcmp(d->name.data, name->data, name->len) == 0)
        {
            return d;
        }
    }

    for (d = ngx_k8s_directives_refused; d->name.len; d++) {

        len = d->name.len;

        if (d->name.data[len - 1] == '*') {
            len--;

            if (name->len < len) {
                continue;
            }

        } else if (name->len != len) {
            continue;
        }

        if (ngx_memcmp(d->name.data, name->data, len) == 0) {
            return d;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_k8s_snippet_error(ngx_k8s_snippet_reader_t *r, ngx_uint_t line,
    ngx_str_t *name, char *why)
{
    u_char             *p;
    ngx_str_t          *error;
    ngx_k8s_snippet_t  *s;

    s = r->snippet;

    if (s->nerrors++ >= NGX_K8S_SNIPPET_ERRORS) {
        return NGX_OK;
    }

    error = ngx_array_push(&s->errors);
    p = ngx_pnalloc(s->errors.pool, NGX_K8S_SNIPPET_ERROR);

    if (error == NULL || p == NULL) {
        return NGX_ERROR;
    }

    error->data = p;

    p = name->len
        ? ngx_slprintf(p, p + NGX_K8S_SNIPPET_ERROR,
                       "line %ui: \"%*s%s\" %s", line,
                       ngx_min(name->len, 48), name->data,
                       name->len > 48 ? "..." : "", why)
        : ngx_slprintf(p, p + NGX_K8S_SNIPPET_ERROR, "line %ui: %s", line,
                       why);

    error->len = p - error->data;

    return NGX_OK;
}


u_char *
ngx_k8s_snippet_why(u_char *buf, size_t size, ngx_k8s_snippet_t *s)
{
    u_char      *p, *last;
    ngx_str_t   *error;
    ngx_uint_t   i;

    p = buf;
    last = buf + size;
    error = s->errors.elts;

    for (i = 0; i < s->errors.nelts; i++) {
        p = ngx_slprintf(p, last, "%s%V", i ? "; " : "", &error[i]);
    }

    return (s->nerrors > i) ? ngx_slprintf(p, last, "; and %ui more",
                                           s->nerrors - i)
                            : p;
}


ngx_uint_t
ngx_k8s_snippet_context(ngx_k8s_grammar_t *grammar)
{
    if (grammar == &ngx_k8s_grammar_snippet_location) {
        return NGX_K8S_SNIPPET_LOCATION;
    }

    if (grammar == &ngx_k8s_grammar_snippet_server) {
        return NGX_K8S_SNIPPET_SERVER;
    }

    if (grammar == &ngx_k8s_grammar_snippet_http) {
        return NGX_K8S_SNIPPET_HTTP;
    }

    return (grammar == &ngx_k8s_grammar_snippet_auth) ? NGX_K8S_SNIPPET_AUTH
                                                      : 0;
}


ngx_uint_t
ngx_k8s_value_closes(ngx_k8s_row_t *row, ngx_str_t *value)
{
    ngx_uint_t          context, closes;
    ngx_pool_t         *pool;
    ngx_k8s_snippet_t   s;

    context = ngx_k8s_snippet_context(row->grammar);

    if (context == 0) {
        return (row->flags & NGX_K8S_ROW_CLOSES_ROUTE) != 0;
    }

    if (!(row->flags & (NGX_K8S_ROW_CLOSES_ROUTE|NGX_K8S_ROW_CLOSES_HOST))) {
        return 0;
    }

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return 1;
    }

    closes = (ngx_k8s_snippet(&s, pool, context, value) != NGX_OK || s.guards);

    ngx_destroy_pool(pool);

    return closes;
}


ngx_uint_t
ngx_k8s_snippet_token(ngx_str_t *name)
{
    ngx_k8s_directive_t  *d;

    d = ngx_k8s_snippet_directive(name);

    return d && (d->effect == NGX_K8S_SNIPPET_TOKEN
                 || d->effect == NGX_K8S_SNIPPET_SET_HEADER);
}
