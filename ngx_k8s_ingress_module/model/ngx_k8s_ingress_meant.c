
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What an Ingress says that is valid, and is seldom what its author meant.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_model.h>


/* "- host:" and "- http:"; a default backend would give it a meaning */

ngx_int_t
ngx_k8s_ingress_meant_rule(ngx_k8s_model_t *model, ngx_uint_t i)
{
    ngx_k8s_field_t          field;
    ngx_k8s_ingress_t       *ing;
    ngx_k8s_ingress_rule_t  *rule;

    ing = (ngx_k8s_ingress_t *) model->object;
    rule = &ing->rules[i];

    if (ing->default_backend || i + 1 >= ing->nrules
        || rule[0].host.len == 0 || rule[0].npaths
        || rule[1].host.len || rule[1].no_host || rule[1].npaths == 0)
    {
        return NGX_OK;
    }

    field.format = "spec.rules[%uD]";
    field.index[0] = i + 1;

    return ngx_k8s_model_problem(model, NGX_K8S_PROBLEM_ENTRY_SPLIT,
                                 &rule[0].host, &field, "the rule before has "
                                 "host \"%V\" and no paths, this one has paths "
                                 "and no host: they are served for all hosts",
                                 &rule[0].host);
}


/* "- hosts:" and "- secretName:" */

ngx_int_t
ngx_k8s_ingress_meant_tls(ngx_k8s_model_t *model, ngx_uint_t i)
{
    ngx_k8s_field_t         field;
    ngx_k8s_ingress_t      *ing;
    ngx_k8s_ingress_tls_t  *tls;

    ing = (ngx_k8s_ingress_t *) model->object;
    tls = &ing->tls[i];

    if (i + 1 >= ing->ntls
        || tls[0].nhosts == 0 || tls[0].secret.len
        || tls[1].nhosts || tls[1].secret.len == 0)
    {
        return NGX_OK;
    }

    field.format = "spec.tls[%uD]";
    field.index[0] = i + 1;

    return ngx_k8s_model_problem(model, NGX_K8S_PROBLEM_ENTRY_SPLIT, NULL,
                                 &field, "the entry before has hosts and no "
                                 "secretName, this one has secretName \"%V\" "
                                 "and no hosts", &tls[1].secret);
}


ngx_uint_t
ngx_k8s_ingress_pattern(ngx_str_t *path)
{
    u_char  *p, *last;

    last = path->data + path->len;

    for (p = path->data; p < last; p++) {

        switch (*p) {

        case '(':
        case '[':
        case '|':
        case '^':
        case '\\':
            return 1;

        case '.':
            if (p + 1 < last && (p[1] == '*' || p[1] == '+')) {
                return 1;
            }

            break;

        case '*':
            if (p + 1 == last && p > path->data && p[-1] == '/') {
                return 1;
            }

            break;

        case '$':
            if (p + 1 == last) {
                return 1;
            }

            break;
        }
    }

    return 0;
}


ngx_uint_t
ngx_k8s_ingress_groups(ngx_str_t *path)
{
    u_char      *p, *last, *begin;
    ngx_uint_t   n;

    n = 0;
    begin = NULL;
    last = path->data + path->len;

    for (p = path->data; p < last; p++) {

        if (*p == '\\') {
            p++;
            continue;
        }

        /* of a set, whose first "]" stands for itself */

        if (begin) {
            if (*p == ']' && p > begin) {
                begin = NULL;
            }

            continue;
        }

        if (*p == '[') {
            begin = (p + 1 < last && p[1] == '^') ? p + 2 : p + 1;
            continue;
        }

        if (*p != '(' || (p + 1 < last && p[1] == '*')) {
            continue;
        }

        if (p + 1 >= last || p[1] != '?') {
            n++;
            continue;
        }

        /* of "(?" those with a name have a number too */

        p += (p + 2 < last && p[2] == 'P') ? 3 : 2;

        n += (p < last && (*p == '\''
                           || (*p == '<' && p + 1 < last
                               && p[1] != '=' && p[1] != '!')));
    }

    return n;
}
