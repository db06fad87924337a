
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What annotations are let through, as keys of the ConfigMap have it.  An
 * object with one that is not is not served at all, as in ingress-nginx.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_policy.h>


static ngx_str_t *ngx_k8s_gate_key(ngx_array_t *data, ngx_str_t *name);
static ngx_uint_t ngx_k8s_gate_risk(ngx_str_t *value);
static ngx_str_t *ngx_k8s_gate_level(ngx_uint_t flags);
static ngx_uint_t ngx_k8s_gate_flag(ngx_str_t *value);
static ngx_uint_t ngx_k8s_gate_snippet(ngx_str_t *name);
static ngx_uint_t ngx_k8s_gate_blocked(ngx_str_t *words, ngx_str_t *value);
static ngx_uint_t ngx_k8s_gate_has(ngx_str_t *value, ngx_str_t *word);


static ngx_str_t  ngx_k8s_gate_all = ngx_string("");
static ngx_str_t  ngx_k8s_gate_risk_key = ngx_string("annotations-risk-level");
static ngx_str_t  ngx_k8s_gate_words_key
                              = ngx_string("annotation-value-word-blocklist");
static ngx_str_t  ngx_k8s_gate_snippets_key
                                    = ngx_string("allow-snippet-annotations");
static ngx_str_t  ngx_k8s_gate_foreign_key
                              = ngx_string("allow-cross-namespace-resources");
static ngx_str_t  ngx_k8s_gate_cluster_key = ngx_string("service-upstream");


ngx_int_t
ngx_k8s_gate_keys(ngx_k8s_gate_t *gate, ngx_array_t *data, ngx_pool_t *pool)
{
    ngx_str_t  *words, list;

    gate->risk = ngx_k8s_gate_risk(ngx_k8s_gate_key(data,
                                                    &ngx_k8s_gate_risk_key));

    if (ngx_k8s_gate_key(data, &ngx_k8s_gate_all)) {
        gate->risk = NGX_K8S_RISK_LOW;
    }

    gate->snippets = ngx_k8s_gate_flag(ngx_k8s_gate_key(data,
                                                &ngx_k8s_gate_snippets_key));

    gate->foreign = ngx_k8s_gate_flag(ngx_k8s_gate_key(data,
                                                &ngx_k8s_gate_foreign_key));

    gate->cluster = ngx_k8s_gate_flag(ngx_k8s_gate_key(data,
                                                &ngx_k8s_gate_cluster_key));

    words = ngx_k8s_gate_key(data, &ngx_k8s_gate_words_key);

    ngx_str_null(&gate->words);

    if (words == NULL) {
        return NGX_OK;
    }

    list = *words;
    ngx_k8s_trim(&list);

    if (ngx_k8s_list_line(&ngx_k8s_grammar_blocklist, &list, pool) != NGX_OK) {
        return NGX_ERROR;
    }

    /* one that is too long closes all paths */

    (void) ngx_k8s_grammar_blocklist.decode(&ngx_k8s_grammar_blocklist, &list,
                                            &gate->words);

    return NGX_OK;
}


static ngx_str_t *
ngx_k8s_gate_key(ngx_array_t *data, ngx_str_t *name)
{
    ngx_uint_t     i;
    ngx_keyval_t  *kv;

    if (data == NULL || ngx_k8s_row_is_off(name, NGX_K8S_PART_VALUE)) {
        return NULL;
    }

    kv = data->elts;

    for (i = 0; i < data->nelts; i++) {
        if (kv[i].key.len == name->len
            && ngx_strncmp(kv[i].key.data, name->data, name->len) == 0)
        {
            return &kv[i].value;
        }
    }

    return NULL;
}


/* what is no level is the lowest one */

static ngx_uint_t
ngx_k8s_gate_risk(ngx_str_t *value)
{
    ngx_str_t   text;
    ngx_uint_t  risk;

    if (value == NULL) {
        return NGX_K8S_RISK_HIGH;
    }

    text = *value;
    ngx_k8s_trim(&text);

    risk = NGX_K8S_RISK_LOW;

    (void) ngx_k8s_grammar_risk.decode(&ngx_k8s_grammar_risk, &text, &risk);

    return risk;
}


static ngx_uint_t
ngx_k8s_gate_flag(ngx_str_t *value)
{
    ngx_str_t   text;
    ngx_uint_t  flag;

    flag = 0;

    if (value) {
        text = *value;
        ngx_k8s_trim(&text);

        (void) ngx_k8s_grammar_flag.decode(&ngx_k8s_grammar_flag, &text,
                                           &flag);
    }

    return flag;
}


ngx_uint_t
ngx_k8s_gate_same(ngx_k8s_gate_t *one, ngx_k8s_gate_t *two)
{
    return one->risk == two->risk
           && one->snippets == two->snippets
           && one->foreign == two->foreign
           && one->cluster == two->cluster
           && one->words.len == two->words.len
           && (one->words.len == 0
               || ngx_memcmp(one->words.data, two->words.data, one->words.len)
                  == 0);
}


u_char *
ngx_k8s_gate_why(u_char *buf, size_t size, ngx_k8s_gate_t *gate,
    ngx_k8s_row_t *row, ngx_str_t *name, ngx_str_t *value)
{
    char  *later;

    later = (row && (row->flags & NGX_K8S_ROW_LATER))
            ? ", and it is not served yet" : "";

    if (row && (row->flags & NGX_K8S_RISK_CRITICAL) > gate->risk) {
        return ngx_snprintf(buf, size, "its risk is \"%V\", and "
                            "annotations-risk-level allows \"%V\" at most%s",
                            ngx_k8s_gate_level(row->flags),
                            ngx_k8s_gate_level(gate->risk), later);
    }

    if (!gate->snippets && ngx_k8s_gate_snippet(name)) {
        return ngx_snprintf(buf, size, "allow-snippet-annotations does not "
                            "allow it%s", later);
    }

    if (gate->words.len && ngx_k8s_gate_blocked(&gate->words, value)) {
        return ngx_snprintf(buf, size, "it has a word that "
                            "annotation-value-word-blocklist forbids");
    }

    return NULL;
}


/* the name of a level, as the key has it */

static ngx_str_t *
ngx_k8s_gate_level(ngx_uint_t flags)
{
    static ngx_str_t  levels[] = {
        ngx_string("Low"),
        ngx_string("Medium"),
        ngx_string("High"),
        ngx_string("Critical")
    };

    return &levels[(flags & NGX_K8S_RISK_CRITICAL) / NGX_K8S_RISK_MEDIUM];
}


ngx_uint_t
ngx_k8s_gate_names(ngx_k8s_gate_t *gate, ngx_k8s_row_t *row,
    ngx_str_t *namespace, ngx_str_t *value)
{
    ngx_str_t  ns, name;

    if (gate->foreign || row->grammar != &ngx_k8s_grammar_object) {
        return 1;
    }

    ngx_k8s_object_split(value, &ns, &name);

    return ns.len == 0
           || (ns.len == namespace->len
               && ngx_memcmp(ns.data, namespace->data, ns.len) == 0);
}


static ngx_uint_t
ngx_k8s_gate_snippet(ngx_str_t *name)
{
    size_t  len;

    len = sizeof("-snippet") - 1;

    return name->len >= len
           && ngx_strncmp(name->data + name->len - len, "-snippet", len) == 0;
}


static ngx_uint_t
ngx_k8s_gate_blocked(ngx_str_t *words, ngx_str_t *value)
{
    ngx_str_t  list, word;

    list = *words;

    while (ngx_k8s_item(&list, &word) == NGX_OK) {

        ngx_k8s_trim(&word);

        if (word.len && ngx_k8s_gate_has(value, &word)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_k8s_gate_has(ngx_str_t *value, ngx_str_t *word)
{
    u_char  *p, *last;

    if (value->len < word->len) {
        return 0;
    }

    p = value->data;
    last = p + value->len - word->len + 1;

    while ((p = memchr(p, word->data[0], last - p)) != NULL) {

        if (ngx_memcmp(p, word->data, word->len) == 0) {
            return 1;
        }

        if (++p == last) {
            break;
        }
    }

    return 0;
}
