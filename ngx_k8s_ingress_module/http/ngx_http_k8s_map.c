
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_map.h>
#include <ngx_http_k8s_profile.h>
#include <ngx_http_k8s_regex.h>


typedef struct {
    ngx_str_t                text;       /* a pattern without its "~" or "~*" */
    ngx_uint_t               regex;
    ngx_uint_t               flags;      /* NGX_HTTP_K8S_REGEX_* */
} ngx_http_k8s_map_item_t;


static void ngx_http_k8s_map_item(ngx_str_t *text,
    ngx_http_k8s_map_item_t *item);


ngx_int_t
ngx_http_k8s_map(ngx_pool_t *pool, ngx_array_t **map, ngx_str_t *list)
{
    ngx_str_t                 rest, text;
    ngx_http_k8s_map_item_t  *item;

    *map = NULL;
    rest = *list;

    while (ngx_k8s_item(&rest, &text) == NGX_OK) {

        if (text.len == 0) {
            continue;
        }

        if (*map == NULL) {
            *map = ngx_array_create(pool, 4, sizeof(ngx_http_k8s_map_item_t));
            if (*map == NULL) {
                return NGX_ERROR;
            }
        }

        item = ngx_array_push(*map);
        if (item == NULL) {
            return NGX_ERROR;
        }

        ngx_http_k8s_map_item(&text, item);
    }

    return NGX_OK;
}


static void
ngx_http_k8s_map_item(ngx_str_t *text, ngx_http_k8s_map_item_t *item)
{
    ngx_memzero(item, sizeof(ngx_http_k8s_map_item_t));

    item->text = *text;

    if (text->data[0] != '~') {
        return;
    }

    item->regex = 1;
    item->text.data++;
    item->text.len--;

    if (item->text.len && item->text.data[0] == '*') {
        item->flags = NGX_HTTP_K8S_REGEX_CASELESS;
        item->text.data++;
        item->text.len--;
    }
}


ngx_int_t
ngx_http_k8s_map_find(ngx_array_t *map, ngx_str_t *text, ngx_log_t *log)
{
    int                       captures[NGX_HTTP_K8S_REGEX_SIZE];
    ngx_int_t                 n;
    ngx_uint_t                i;
    ngx_http_k8s_map_item_t  *item;

    item = map->elts;

    for (i = 0; i < map->nelts; i++) {

        if (item[i].regex) {

            n = ngx_http_k8s_regex(&item[i].text, item[i].flags, text,
                                   captures, log);
            if (n != 0) {
                return (n == NGX_ERROR) ? NGX_ERROR : NGX_OK;
            }

            continue;
        }

        if (item[i].text.len == text->len
            && ngx_strncasecmp(item[i].text.data, text->data, text->len) == 0)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_k8s_map_check(ngx_str_t *list, ngx_str_t *error)
{
    u_char                   buf[NGX_MAX_CONF_ERRSTR];
    ngx_int_t                rc;
    ngx_str_t                rest, text, why;
    ngx_http_k8s_map_item_t  item;

    why.data = buf;
    rest = *list;

    while (ngx_k8s_item(&rest, &text) == NGX_OK) {

        if (text.len == 0) {
            continue;
        }

        ngx_http_k8s_map_item(&text, &item);

        if (!item.regex) {
            continue;
        }

        rc = ngx_http_k8s_regex_check(&item.text, &why, ngx_cycle->log);

        if (rc == NGX_DECLINED) {
            error->len = ngx_snprintf(error->data, NGX_HTTP_K8S_PROFILE_ERROR,
                                      "%V", &why)
                         - error->data;
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}
