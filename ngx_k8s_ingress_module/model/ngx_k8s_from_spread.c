
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_model.h>
#include <ngx_k8s_ring.h>


static ngx_uint_t ngx_k8s_from_spread_word(ngx_k8s_model_t *model,
    ngx_str_t *name, ngx_uint_t *word);
static uint32_t ngx_k8s_from_spread_subset(ngx_k8s_model_t *model);


static ngx_str_t  ngx_k8s_spread_affinity = ngx_string("affinity");
static ngx_str_t  ngx_k8s_spread_mode = ngx_string("affinity-mode");
static ngx_str_t  ngx_k8s_spread_canary
                                     = ngx_string("affinity-canary-behavior");
static ngx_str_t  ngx_k8s_spread_cookie = ngx_string("session-cookie-name");
static ngx_str_t  ngx_k8s_spread_hash = ngx_string("upstream-hash-by");
static ngx_str_t  ngx_k8s_spread_subset
                                     = ngx_string("upstream-hash-by-subset");
static ngx_str_t  ngx_k8s_spread_size
                                = ngx_string("upstream-hash-by-subset-size");
static ngx_str_t  ngx_k8s_spread_balance = ngx_string("load-balance");


void
ngx_k8s_from_spread(ngx_k8s_model_t *model)
{
    ngx_str_t         *text;
    ngx_uint_t         word;
    ngx_k8s_row_t     *row;
    ngx_k8s_spread_t  *spread;

    if (model->values.refused) {
        return;
    }

    model->legacy = (ngx_k8s_from_spread_word(model, &ngx_k8s_spread_canary,
                                              &word)
                     && word);

    if (ngx_k8s_values_get(&model->values, &ngx_k8s_spread_affinity)) {
        spread = &model->spreads[NGX_K8S_SPREAD_AFFINITY];

        spread->number = (ngx_k8s_from_spread_word(model, &ngx_k8s_spread_mode,
                                                   &word)
                          && word) ? NGX_K8S_AFFINITY_PERSISTENT
                                   : NGX_K8S_AFFINITY_BALANCED;

        text = ngx_k8s_values_get(&model->values, &ngx_k8s_spread_cookie);

        if (text == NULL) {
            row = ngx_k8s_row(&ngx_k8s_spread_cookie, NGX_K8S_ROW_ANNOTATION);
            text = &row->value;
        }

        spread->text = *text;
    }

    text = ngx_k8s_values_get(&model->values, &ngx_k8s_spread_hash);

    if (text && text->len) {
        spread = &model->spreads[NGX_K8S_SPREAD_HASH];

        spread->text = *text;
        spread->number = ngx_k8s_from_spread_subset(model);
    }

    if (ngx_k8s_from_spread_word(model, &ngx_k8s_spread_balance, &word)) {
        model->spreads[NGX_K8S_SPREAD_BALANCE].number = word;
    }
}


/* the number of a word; 0: it is not said */

static ngx_uint_t
ngx_k8s_from_spread_word(ngx_k8s_model_t *model, ngx_str_t *name,
    ngx_uint_t *word)
{
    ngx_k8s_value_t    *value;
    ngx_k8s_grammar_t  *grammar;

    value = ngx_k8s_values_find(&model->values, name);

    if (value == NULL) {
        return 0;
    }

    grammar = value->row->grammar;

    return grammar->decode(grammar, &value->value, word) == NGX_OK;
}


static uint32_t
ngx_k8s_from_spread_subset(ngx_k8s_model_t *model)
{
    ngx_int_t   n;
    ngx_str_t  *text;
    ngx_uint_t  on;

    if (!ngx_k8s_from_spread_word(model, &ngx_k8s_spread_subset, &on) || !on) {
        return 0;
    }

    text = ngx_k8s_values_get(&model->values, &ngx_k8s_spread_size);
    n = text ? ngx_atoi(text->data, text->len) : 3;

    return (n < 1) ? 1 : ngx_min(n, NGX_K8S_SUBSET_MAX);
}


ngx_int_t
ngx_k8s_spread_regex(ngx_k8s_model_t *model)
{
    ngx_k8s_value_t  *value;

    static ngx_str_t  path = ngx_string("session-cookie-path");
    static ngx_str_t  text = ngx_string("the Path of the cookie is that of the "
                                        "rule, a regular expression, which no "
                                        "URL begins with, so it is not sent "
                                        "back");
    static ngx_str_t  remedy = ngx_string("Set \"session-cookie-path\".");

    value = ngx_k8s_values_find(&model->values, &ngx_k8s_spread_affinity);

    if (value == NULL
        || ngx_k8s_values_find(&model->values, &path)
        || !(model->regex
             || (model->target.len
                 && ngx_strlchr(model->target.data,
                                model->target.data + model->target.len, '$'))))
    {
        return NGX_OK;
    }

    return ngx_k8s_from_annotations_say(model, NGX_K8S_SAY_NO_EFFECT,
                                        &value->key, &text, &remedy);
}


ngx_uint_t
ngx_k8s_spread_own(ngx_str_t *field)
{
    ngx_uint_t  i;

    static ngx_str_t  *names[] = {
        &ngx_k8s_spread_canary,
        &ngx_k8s_spread_hash,
        &ngx_k8s_spread_subset,
        &ngx_k8s_spread_size,
        &ngx_k8s_spread_balance
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (ngx_strnstr(field->data, (char *) names[i]->data, field->len)) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_k8s_spread_equal(ngx_k8s_spread_t *one, ngx_k8s_spread_t *two)
{
    return one->number == two->number
           && ngx_k8s_str_cmp(&one->text, &two->text) == 0;
}


ngx_uint_t
ngx_k8s_spreads_equal(ngx_k8s_model_t *one, ngx_k8s_model_t *two)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_K8S_SPREADS; i++) {
        if (!ngx_k8s_spread_equal(&one->spreads[i], &two->spreads[i])) {
            return 0;
        }
    }

    return one->legacy == two->legacy;
}
