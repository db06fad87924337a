
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * From annotations and keys to directives of nginx: each line of the input is
 * a name and a value with "=" between them ("\n" in it is a line feed, "#" and
 * a character the name of a row).  What is read must be as the row wants it,
 * also when it is read again; no argument of a directive has a control
 * character; and nginx either takes the directives or says what it refuses,
 * and is as it was.
 */


#include "unit_nginx.h"
#include <ngx_http_k8s_profile.h>
#include <ngx_k8s_policy.h>


#define FUZZ_LINES  64


typedef struct {
    ngx_http_conf_ctx_t            *parent;
    ngx_http_core_main_conf_t      *cmcf;
    ngx_http_upstream_main_conf_t  *umcf;
    ngx_cycle_t                    *cycle;
} fuzz_t;


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static fuzz_t  fuzz;


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char                       text[1024], *dir;
    ngx_http_k8s_pass_t       *pass;
    ngx_http_conf_ctx_t       *ctx;
    ngx_http_k8s_main_conf_t  *kmcf;

    unit_init();
    unit_log.log_level = NGX_LOG_EMERG;

    dir = unit_nginx_folder();

    snprintf(text, sizeof(text), UNIT_NGINX_HTTP
             "k8s_ingress { source manifests %1$s; zone 1m; }\n"
             "server { listen unix:%1$s/s; k8s_ingress_pass; } }\n", dir);

    fuzz.cycle = unit_nginx(text, *argv);

    ctx = (ngx_http_conf_ctx_t *)
              ngx_get_conf(fuzz.cycle->conf_ctx, ngx_http_module);
    kmcf = ctx->main_conf[ngx_http_k8s_module.ctx_index];
    pass = kmcf->passes.elts;

    fuzz.parent = pass->ctx;
    fuzz.cmcf = ctx->main_conf[ngx_http_core_module.ctx_index];
    fuzz.umcf = ctx->main_conf[ngx_http_upstream_module.ctx_index];

    (void) atexit(unit_nginx_done);

    return 0;
}


static ngx_array_t *
fuzz_lines(ngx_pool_t *pool, const uint8_t *data, size_t size,
    ngx_str_t *prefix)
{
    u_char         *q;
    ngx_str_t      *row;
    ngx_uint_t      n;
    ngx_array_t    *lines;
    ngx_keyval_t   *kv;
    const uint8_t  *p, *lf, *equal, *last;

    last = data + size;
    lines = ngx_array_create(pool, 8, sizeof(ngx_keyval_t));

    for (p = data, n = 0; p < last && n < FUZZ_LINES; p = lf + 1, n++) {
        lf = memchr(p, '\n', last - p);
        lf = lf ? lf : last;
        equal = memchr(p, '=', lf - p);

        if (equal == NULL) {
            continue;
        }

        kv = ngx_array_push(lines);
        kv->key.data = ngx_pnalloc(pool, prefix->len + 256 + (equal - p));
        q = ngx_cpymem(kv->key.data, prefix->data, prefix->len);

        if (*p == '#' && equal - p == 2) {
            row = &ngx_k8s_rows[p[1] % ngx_k8s_nrows].name;
            q = ngx_cpymem(q, row->data, row->len);

        } else {
            q = ngx_cpymem(q, p, equal - p);
        }

        kv->key.len = q - kv->key.data;
        kv->value.data = ngx_pnalloc(pool, lf - equal);
        q = kv->value.data;

        for (p = equal + 1; p < lf; p++) {
            if (*p == '\\' && p + 1 < lf && p[1] == 'n') {
                *q++ = LF;
                p++;

            } else {
                *q++ = *p;
            }
        }

        kv->value.len = q - kv->value.data;
    }

    return lines;
}


static ngx_int_t
fuzz_say(void *data, ngx_uint_t what, ngx_str_t *name, ngx_str_t *message,
    ngx_str_t *remedy)
{
    if (message->len == 0 || what > NGX_K8S_SAY_NGINX) {
        abort();
    }

    return NGX_OK;
}


static void
fuzz_tokens(ngx_array_t *tokens)
{
    size_t         i;
    ngx_str_t     *word;
    ngx_uint_t     n, k;
    ngx_array_t  **token;

    token = tokens->elts;

    for (n = 0; n < tokens->nelts; n++) {
        word = token[n]->elts;

        for (k = 0; k < token[n]->nelts; k++) {

            if (word[k].data[word[k].len] != '\0') {
                abort();
            }

            for (i = 0; i < word[k].len; i++) {
                if (word[k].data[i] < 0x20 || word[k].data[i] == 0x7f) {
                    abort();
                }
            }
        }
    }
}


static void
fuzz_counts(ngx_uint_t *n)
{
    n[0] = fuzz.cmcf->variables.nelts;
    n[1] = fuzz.cmcf->prefix_variables.nelts;
    n[2] = fuzz.umcf->upstreams.nelts;
    n[3] = fuzz.cycle->paths.nelts;
    n[4] = fuzz.cycle->open_files.last->nelts;
    n[5] = fuzz.cycle->shared_memory.last->nelts;
}


static void
fuzz_profile(ngx_array_t *tokens)
{
    u_char                   buf[NGX_HTTP_K8S_PROFILE_ERROR + 1];
    ngx_str_t                error;
    ngx_uint_t               before[6], after[6];
    ngx_http_k8s_profile_t  *profile;

    error.data = buf;
    error.len = 0;

    fuzz_counts(before);

    profile = ngx_http_k8s_profile_create(fuzz.parent, tokens, &error);

    if (profile) {
        ngx_http_k8s_profile_release(profile);
        ngx_event_process_posted(fuzz.cycle, &ngx_posted_next_events);

    } else if (error.len == 0) {
        abort();
    }

    fuzz_counts(after);

    if (ngx_memcmp(before, after, sizeof(before)) != 0) {
        abort();
    }
}


static void
fuzz_values(ngx_pool_t *pool, ngx_k8s_values_t *values, ngx_uint_t flags)
{
    ngx_str_t            pass, to, *texts;
    ngx_uint_t           i;
    ngx_array_t         *tokens;
    ngx_k8s_row_t       *row;
    ngx_k8s_value_t     *value;
    ngx_k8s_settings_t   settings;

    value = values->values.elts;
    texts = ngx_pcalloc(pool, ngx_k8s_nrows * sizeof(ngx_str_t));

    for (i = 0; i < values->values.nelts; i++) {
        row = value[i].row;

        if (!(row->flags & flags)
            || (i && row <= value[i - 1].row)
            || (!(row->flags & NGX_K8S_ROW_PARTS)
                && ngx_k8s_row_check(row, &value[i].value) != NGX_OK))
        {
            abort();
        }

        if (ngx_k8s_value_served(&value[i])) {
            texts[row - ngx_k8s_rows] = value[i].value;
        }
    }

    (void) ngx_k8s_policy_base(&settings, NGX_K8S_API_INGRESS);
    ngx_k8s_policy_settings(&settings, NGX_K8S_API_INGRESS, texts);

    tokens = ngx_array_create(pool, 64, sizeof(ngx_array_t *));
    ngx_str_set(&pass, "proxy_pass");
    ngx_str_set(&to, "http://k8s_ingress");
    (void) ngx_k8s_tokens_add(pool, tokens, &pass, &to);

    if (ngx_k8s_policy_tokens(pool, tokens, NGX_K8S_API_INGRESS, texts)
        != NGX_OK)
    {
        abort();
    }

    fuzz_tokens(tokens);
    fuzz_profile(tokens);
}


/* what was read, as it was written by the reader, is read so */

static void
fuzz_again(ngx_pool_t *pool, ngx_k8s_values_t *values, ngx_k8s_gate_t *gate)
{
    u_char            *p;
    ngx_str_t          ns;
    ngx_uint_t         i;
    ngx_array_t       *lines;
    ngx_keyval_t      *kv;
    ngx_k8s_value_t   *value;
    ngx_k8s_values_t   again;

    ngx_str_set(&ns, "default");
    lines = ngx_array_create(pool, 8, sizeof(ngx_keyval_t));
    value = values->values.elts;

    for (i = 0; i < values->values.nelts; i++) {
        kv = ngx_array_push(lines);
        kv->value = value[i].value;
        kv->key.len = gate->prefix.len + 1 + value[i].row->name.len;
        kv->key.data = ngx_pnalloc(pool, kv->key.len);
        p = ngx_cpymem(kv->key.data, gate->prefix.data, gate->prefix.len);
        *p++ = '/';
        ngx_memcpy(p, value[i].row->name.data, value[i].row->name.len);
    }

    if (ngx_k8s_annotations(&again, pool, &ns, lines, gate, fuzz_say, NULL)
        != NGX_OK
        || again.nserved != values->nserved
        || ngx_memcmp(again.digest, values->digest, NGX_K8S_POLICY_DIGEST) != 0)
    {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t         ns, prefix;
    ngx_pool_t       *pool;
    ngx_k8s_gate_t    gate;
    ngx_k8s_values_t  values;

    pool = ngx_create_pool(4096, &unit_log);

    ngx_str_set(&ns, "default");
    ngx_memzero(&gate, sizeof(ngx_k8s_gate_t));
    ngx_str_set(&gate.prefix, "nginx.ingress.kubernetes.io");
    gate.risk = NGX_K8S_RISK_CRITICAL;
    gate.snippets = 1;

    ngx_str_set(&prefix, "nginx.ingress.kubernetes.io/");

    if (ngx_k8s_annotations(&values, pool, &ns,
                            fuzz_lines(pool, data, size, &prefix), &gate,
                            fuzz_say, NULL)
        != NGX_OK)
    {
        abort();
    }

    fuzz_values(pool, &values, NGX_K8S_ROW_ANNOTATION);
    fuzz_again(pool, &values, &gate);

    ngx_str_set(&prefix, "");

    if (ngx_k8s_keys(&values, pool, fuzz_lines(pool, data, size, &prefix),
                     0, NULL, fuzz_say, NULL)
        != NGX_OK)
    {
        abort();
    }

    fuzz_values(pool, &values, NGX_K8S_ROW_KEY);

    ngx_destroy_pool(pool);

    return 0;
}
