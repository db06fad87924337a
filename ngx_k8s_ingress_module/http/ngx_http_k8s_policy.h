
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_HTTP_K8S_POLICY_H_INCLUDED_
#define _NGX_HTTP_K8S_POLICY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
#include <ngx_http_k8s_base.h>
#include <ngx_http_k8s_ctx.h>
#include <ngx_http_k8s_profile.h>


/*
 * Policies as a worker has them (ngx_http_k8s_policy.c): the record of a slot,
 * decoded, with the profile that is made of it over that of a pass.  A pass
 * keeps those that were used last, with NGX_HTTP_K8S_POLICIES profiles at most,
 * of policies and of their locations; a request keeps its own to its end.
 */

#define NGX_HTTP_K8S_POLICIES        1024


/* what holds for a routed request */
#define ngx_http_k8s_settings(ctx)   ((ctx)->profile->settings)


/* of a pass, in each worker; at configuration time */
ngx_int_t ngx_http_k8s_policies_init(ngx_conf_t *cf,
    ngx_http_k8s_loc_conf_t *klcf);

/*
 * Makes the policy of a slot, with the server-snippet of that of its host, that
 * of the request, over the base that it has: ctx->profile, and its location
 * configuration.  A slot is 0 where there is none, but not both.  Under the
 * caller's pin.  NGX_DECLINED: a record has gone.
 */
ngx_int_t ngx_http_k8s_policy(ngx_http_request_t *r, ngx_http_k8s_ctx_t *ctx,
    ngx_k8s_table_t *table, uint32_t slot, uint32_t host);


/*
 * Has a request ask its backend by HTTP/2, if its policy says nothing else of
 * the protocol and this nginx can: another location of the same profile, made
 * with the first such request.  Slots as for ngx_http_k8s_policy(), under the
 * same pin.  NGX_DECLINED: one of them is none any more; NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_k8s_policy_h2c(ngx_http_request_t *r,
    ngx_http_k8s_ctx_t *ctx, ngx_k8s_table_t *table, uint32_t slot,
    uint32_t host);

/*
 * What compile's conf.build() is for a block: profiles in all of its passes,
 * which are not used.  In the watcher.
 */
ngx_int_t ngx_http_k8s_policy_build(ngx_k8s_block_t *block, ngx_uint_t base,
    ngx_str_t *values, ngx_str_t *error);

/*
 * Whether routes with a record are closed: NULL, they are not; the annotation
 * whose Secret is of no use; or an empty string, something else protects and
 * cannot be honoured.  Static.  Under the caller's pin.
 */
ngx_str_t *ngx_http_k8s_policy_closed(ngx_k8s_block_t *block,
    ngx_k8s_policy_t *rec);


#endif /* _NGX_HTTP_K8S_POLICY_H_INCLUDED_ */
