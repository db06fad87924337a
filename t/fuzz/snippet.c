
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Snippets: the first byte of the input is the context.  What is taken is of
 * the table, at a place where it may be, with as many words as it may have;
 * written anew it is read as the same; and nothing of it is longer than the
 * text.
 */


#include "unit.h"
#include <ngx_k8s_snippet.h>


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    unit_init();
    unit_log.log_level = NGX_LOG_EMERG;

    return 0;
}


static u_char *
fuzz_word(u_char *p, ngx_str_t *word)
{
    size_t  i;

    *p++ = '"';

    for (i = 0; i < word->len; i++) {

        switch (word->data[i]) {

        case '\n':
            p = ngx_cpymem(p, "\\n", 2);
            break;

        case '\r':
            p = ngx_cpymem(p, "\\r", 2);
            break;

        case '\t':
            p = ngx_cpymem(p, "\\t", 2);
            break;

        case '"':
        case '\\':
            *p++ = '\\';

            /* fall through */

        default:
            *p++ = word->data[i];
        }
    }

    *p++ = '"';
    *p++ = ' ';

    return p;
}


static u_char *
fuzz_write(ngx_k8s_snippet_t *s, ngx_uint_t first, ngx_uint_t last, u_char *p)
{
    ngx_uint_t            i, k, block;
    ngx_k8s_statement_t  *st;

    st = s->statements.elts;

    for (i = first; i < last; i++) {

        if (st[i].end <= i || st[i].end > last
            || st[i].n < st[i].directive->min
            || st[i].n > st[i].directive->max
            || st[i].directive->effect == NGX_K8S_SNIPPET_REFUSED)
        {
            abort();
        }

        if (st[i].directive->effect != NGX_K8S_SNIPPET_ENTRY) {
            p = ngx_sprintf(p, "%V ", &st[i].directive->name);
        }

        for (k = 0; k < st[i].n; k++) {

            if (st[i].words[k].data[st[i].words[k].len] != '\0') {
                abort();
            }

            p = fuzz_word(p, &st[i].words[k]);
        }

        block = (st[i].directive->effect == NGX_K8S_SNIPPET_IF
                 || st[i].directive->effect == NGX_K8S_SNIPPET_IN
                 || st[i].directive->effect == NGX_K8S_SNIPPET_MAP
                 || st[i].directive->effect == NGX_K8S_SNIPPET_GEO);

        *p++ = block ? '{' : ';';

        if (block) {
            p = fuzz_write(s, i + 1, st[i].end, p);
            *p++ = '}';

            i = st[i].end - 1;

        } else if (st[i].end != i + 1) {
            abort();
        }
    }

    return p;
}


/* a location is read once more, from the text of its block */

static void
fuzz_blocks(ngx_k8s_snippet_t *s, ngx_str_t *text, ngx_pool_t *pool)
{
    ngx_uint_t            i;
    ngx_k8s_snippet_t     inner;
    ngx_k8s_statement_t  *st;

    st = s->statements.elts;

    for (i = 0; i < s->statements.nelts; i++) {

        if (st[i].directive->effect != NGX_K8S_SNIPPET_IN) {
            continue;
        }

        if (st[i].text.data < text->data
            || st[i].text.data + st[i].text.len >= text->data + text->len
            || st[i].text.data[st[i].text.len] != '}')
        {
            abort();
        }

        if (ngx_k8s_snippet(&inner, pool, NGX_K8S_SNIPPET_INNER, &st[i].text)
            != NGX_OK
            || inner.statements.nelts != st[i].end - i - 1)
        {
            abort();
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char             *one, *two, *p;
    ngx_str_t           text;
    ngx_pool_t         *pool;
    ngx_uint_t          context;
    ngx_k8s_snippet_t   s, again;

    static ngx_uint_t  contexts[] = {
        NGX_K8S_SNIPPET_LOCATION, NGX_K8S_SNIPPET_SERVER, NGX_K8S_SNIPPET_AUTH,
        NGX_K8S_SNIPPET_INNER, NGX_K8S_SNIPPET_HTTP
    };

    if (size == 0) {
        return 0;
    }

    context = contexts[data[0] % 5];

    pool = ngx_create_pool(4096, &unit_log);

    text.len = size - 1;
    text.data = ngx_pnalloc(pool, size);
    ngx_memcpy(text.data, data + 1, size - 1);

    if (ngx_k8s_snippet(&s, pool, context, &text) != NGX_OK
        || (s.closes && !s.guards)
        || (s.closes && s.nerrors == 0)
        || s.statements.nelts > NGX_K8S_SNIPPET_STATEMENTS
                                + (context == NGX_K8S_SNIPPET_HTTP)
                                  * NGX_K8S_SNIPPET_ENTRIES)
    {
        abort();
    }

    fuzz_blocks(&s, &text, pool);

    one = ngx_pnalloc(pool, 16 * (size + 64));
    p = fuzz_write(&s, 0, s.statements.nelts, one);

    text.data = one;
    text.len = p - one;

    if (text.len <= NGX_K8S_SNIPPET_BYTES) {

        if (ngx_k8s_snippet(&again, pool, context, &text) != NGX_OK
            || again.nerrors || again.closes
            || again.statements.nelts != s.statements.nelts)
        {
            abort();
        }

        two = ngx_pnalloc(pool, 16 * (size + 64));
        p = fuzz_write(&again, 0, again.statements.nelts, two);

        if ((size_t) (p - two) != text.len
            || ngx_memcmp(one, two, text.len) != 0)
        {
            abort();
        }
    }

    ngx_destroy_pool(pool);

    return 0;
}
