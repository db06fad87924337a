
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Profiles built and released at run time, in a process that has read a
 * configuration as a worker has: what is refused, what stays as it was, and
 * that memory does not grow.
 */


#include "unit_nginx.h"
#include <ngx_http_k8s_profile.h>
#include <ngx_k8s_policy.h>

#include <malloc.h>


#define PROFILE_BUILDS  2000


typedef struct {
    ngx_cycle_t                    *cycle;
    ngx_http_conf_ctx_t            *parent;
    ngx_http_core_main_conf_t      *cmcf;
    ngx_http_upstream_main_conf_t  *umcf;
    ngx_str_t                       error;
    u_char                          buf[NGX_HTTP_K8S_PROFILE_ERROR + 1];
} profile_t;


size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));


static ngx_uint_t  profile_freed;


/* bytes that are allocated at this moment */

static size_t
profile_memory(void)
{
    if (__sanitizer_get_current_allocated_bytes) {
        return __sanitizer_get_current_allocated_bytes();
    }

    return mallinfo2().uordblks;
}


static void
profile_start(profile_t *t, char **argv)
{
    char                       text[1024], *dir;
    ngx_http_k8s_pass_t       *pass;
    ngx_http_conf_ctx_t       *ctx;
    ngx_http_k8s_main_conf_t  *kmcf;

    dir = unit_nginx_folder();

    snprintf(text, sizeof(text), UNIT_NGINX_HTTP
             "k8s_ingress { source manifests %1$s; zone 1m; }\n"
             "server { listen unix:%1$s/s; k8s_ingress_pass;\n"
             "client_max_body_size 5m; } }\n", dir);

    t->cycle = unit_nginx(text, argv);

    ctx = (ngx_http_conf_ctx_t *)
              ngx_get_conf(t->cycle->conf_ctx, ngx_http_module);
    kmcf = ctx->main_conf[ngx_http_k8s_module.ctx_index];
    pass = kmcf->passes.elts;

    t->parent = pass->ctx;
    t->cmcf = ctx->main_conf[ngx_http_core_module.ctx_index];
    t->umcf = ctx->main_conf[ngx_http_upstream_module.ctx_index];
    t->error.data = t->buf;
}


/* a profile with a pass and one more directive, or with the base of Ingresses
   where it is NULL */

static ngx_http_k8s_profile_t *
profile_make(profile_t *t, char *pass, char *name, char *arguments)
{
    ngx_str_t                s, args;
    ngx_pool_t              *pool;
    ngx_array_t             *tokens;
    ngx_http_k8s_profile_t  *profile;

    pool = ngx_create_pool(4096, &unit_log);
    tokens = ngx_array_create(pool, 8, sizeof(ngx_array_t *));

    ngx_str_set(&s, "proxy_pass");
    args.data = (u_char *) pass;
    args.len = ngx_strlen(pass);
    ngx_k8s_tokens_add(pool, tokens, &s, &args);

    if (name) {
        s.data = (u_char *) name;
        s.len = ngx_strlen(name);
        args.data = (u_char *) arguments;
        args.len = ngx_strlen(arguments);
        ngx_k8s_tokens_add(pool, tokens, &s, &args);

    } else {
        ngx_k8s_policy_tokens(pool, tokens, NGX_K8S_API_INGRESS, NULL);
    }

    t->error.len = 0;

    profile = ngx_http_k8s_profile_create(t->parent, tokens, &t->error);

    t->buf[t->error.len] = '\0';

    ngx_destroy_pool(pool);

    return profile;
}


/* the next turn of the event loop */

static void
profile_turn(profile_t *t)
{
    ngx_event_process_posted(t->cycle, &ngx_posted_next_events);
}


/* whether a profile is refused, for this reason, and nothing else changed */

static void
profile_refused(profile_t *t, char *pass, char *name, char *arguments,
    char *reason)
{
    ngx_uint_t               n[7];
    ngx_http_k8s_profile_t  *profile;

    n[0] = t->cmcf->variables.nelts;
    n[1] = t->cmcf->prefix_variables.nelts;
    n[2] = t->cmcf->ncaptures;
    n[3] = t->umcf->upstreams.nelts;
    n[4] = t->cycle->paths.nelts;
    n[5] = t->cycle->open_files.last->nelts;
    n[6] = t->cycle->shared_memory.last->nelts;

    profile = profile_make(t, pass, name, arguments);

    ok(profile == NULL
       && ngx_strncmp(t->buf, reason, ngx_strlen(reason) + 1) == 0,
       "%s %s; %s %s: %s", pass, name, name, arguments, t->buf);

    ok(n[0] == t->cmcf->variables.nelts
       && n[1] == t->cmcf->prefix_variables.nelts
       && n[2] == t->cmcf->ncaptures
       && n[3] == t->umcf->upstreams.nelts
       && n[4] == t->cycle->paths.nelts
       && n[5] == t->cycle->open_files.last->nelts
       && n[6] == t->cycle->shared_memory.last->nelts
       && t->cmcf->variables_keys == NULL,
       "and all is as it was");
}


static void
profile_settings(profile_t *t)
{
    ngx_http_core_loc_conf_t  *clcf, *parent;
    ngx_http_k8s_profile_t    *profile;

    parent = t->parent->loc_conf[ngx_http_core_module.ctx_index];

    profile = profile_make(t, "http://k8s_ingress", NULL, NULL);
    ok(profile != NULL, "the base of Ingresses: %s", t->buf);

    clcf = profile->loc_conf[ngx_http_core_module.ctx_index];
    ok(clcf->client_max_body_size == 1024 * 1024 && clcf->handler
       && clcf->handler != parent->handler, "is in it");
    ngx_http_k8s_profile_release(profile);

    profile = profile_make(t, "http://k8s_ingress", "client_max_body_size",
                           "3m");
    clcf = profile->loc_conf[ngx_http_core_module.ctx_index];
    ok(clcf->client_max_body_size == 3 * 1024 * 1024, "one directive");
    ngx_http_k8s_profile_release(profile);

    profile = profile_make(t, "http://k8s_ingress", "proxy_buffering", "off");
    clcf = profile->loc_conf[ngx_http_core_module.ctx_index];
    ok(clcf->client_max_body_size == 5 * 1024 * 1024
       && parent->client_max_body_size == 5 * 1024 * 1024,
       "the parent's, which stay");
    ngx_http_k8s_profile_release(profile);

    profile = profile_make(t, "http://k8s_ingress", "proxy_redirect",
                           "~^(a)(b)(c)(d)(e)(f)(g)(h)(i) /$9");
    ok(profile != NULL && t->cmcf->ncaptures >= 30,
       "an expression with nine groups: %s", t->buf);
    ngx_http_k8s_profile_release(profile);

    profile_turn(t);
}


static void
profile_bad(profile_t *t)
{
    char  *pass = "http://k8s_ingress";

#define refused(name, args)                                                   \
    profile_refused(t, pass, name, args,                                      \
                    "directive \"" name "\" cannot be set")

    refused("set", "$x 1");
    refused("if", "($x)");
    refused("types", "");
    refused("limit_except", "GET");
    refused("limit_req", "zone=none");
    refused("proxy_temp_path", "/nowhere");
    refused("client_body_temp_path", "/nowhere");
    refused("error_log", "/nowhere/log");
    refused("root", "/");
    refused("proxy_ssl_certificate", "/nowhere");
    refused("proxy_buffering", "");
    refused("proxy_buffering", "on off");
    profile_refused(t, "https://other", "proxy_buffering", "on",
                    "directive \"proxy_pass\" cannot be set");
    profile_refused(t, pass, "access_log", "/nowhere/log",
                    "it needs an open file, which cannot be had without a "
                    "reload");
    profile_refused(t, pass, "nonsense", "1",
                    "nginx has no directive \"nonsense\": build it with "
                    "the module");

    profile_refused(t, "http://unknown.example", "proxy_buffering", "on",
                    "it needs an upstream of its own, which cannot be had "
                    "without a reload");
    profile_refused(t, pass, "proxy_set_header", "X-A $cookie_seldom",
                    "it needs a variable that nothing else uses, which cannot "
                    "be had without a reload");
    profile_refused(t, pass, "proxy_redirect",
                    "~^(a)(b)(c)(d)(e)(f)(g)(h)(i)(j) /$9",
                    "it needs a regular expression with more than 9 groups, "
                    "which cannot be had without a reload");
    profile_refused(t, pass, "proxy_redirect", "~^(?<seldom>a) /$seldom",
                    "it needs a variable that nothing else uses, which cannot "
                    "be had without a reload");

    profile_refused(t, pass, "proxy_connect_timeout", "soon",
                    "directive \"proxy_connect_timeout\" invalid value");
    profile_refused(t, pass, "proxy_next_upstream", "never",
                    "invalid value \"never\"");
    profile_refused(t, pass, "proxy_busy_buffers_size", "1",
                    "\"proxy_busy_buffers_size\" must be equal to or greater "
                    "than the maximum of the value of \"proxy_buffer_size\" "
                    "and one of the \"proxy_buffers\"");

    profile_refused(t, pass, "proxy_hide_header",
                    "X-Longer-Than-A-Line-Of-The-Cache-Of-A-Processor-And-So-"
                    "Than-A-Bucket-Of-A-Hash-Of-Headers-Which-Nginx-Makes",
                    "could not build proxy_headers_hash, you should increase "
                    "proxy_headers_hash_bucket_size: 64");
}


static void
profile_count(void *data)
{
    profile_freed++;
}


static void
profile_requests(profile_t *t)
{
    ngx_http_request_t       r;
    ngx_http_k8s_profile_t  *profile, *base, *held;

    ngx_memzero(&r, sizeof(ngx_http_request_t));

    base = profile_make(t, "http://k8s_ingress", NULL, NULL);
    ngx_pool_cleanup_add(base->pool, 0)->handler = profile_count;

    profile = profile_make(t, "http://k8s_ingress", NULL, NULL);
    ngx_pool_cleanup_add(profile->pool, 0)->handler = profile_count;

    held = NULL;
    ngx_http_k8s_profile_use(&held, base, &r);
    ok(held == base && r.loc_conf == base->loc_conf, "used by a request");

    profile->base = base;
    ngx_http_k8s_profile_use(&held, profile, &r);
    ok(held == profile && r.loc_conf == profile->loc_conf,
       "another one in its place");

    ngx_http_k8s_profile_release(profile);
    profile_turn(t);
    ok(profile_freed == 0, "kept by the request, with its base");

    ngx_http_k8s_profile_release(held);
    ok(profile_freed == 0, "and in the turn that ends it");

    profile_turn(t);
    profile_turn(t);
    ok(profile_freed == 2, "no longer");
}


static void
profile_flat(profile_t *t)
{
    size_t                   before;
    ngx_uint_t               i, n;
    ngx_http_k8s_profile_t  *profile;

    before = 0;
    n = 0;

    for (i = 0; i < PROFILE_BUILDS + 10; i++) {

        if (i == 10) {
            before = profile_memory();
        }

        profile = profile_make(t, "http://k8s_ingress", NULL, NULL);

        if (profile) {
            n++;
            ngx_http_k8s_profile_release(profile);
        }

        n += (profile_make(t, "http://k8s_ingress", "proxy_set_header",
                           "X-A $cookie_seldom")
              == NULL);
        n += (profile_make(t, "http://k8s_ingress", "proxy_next_upstream",
                           "never")
              == NULL);

        profile_turn(t);
    }

    ok(n == 3 * (PROFILE_BUILDS + 10), "built and refused");
    ok(profile_memory() == before, "memory after %d: %zu, before: %zu",
       PROFILE_BUILDS, profile_memory(), before);
}


int
main(int argc, char **argv)
{
    profile_t  t;

    unit_init();

    ngx_memzero(&t, sizeof(profile_t));

    profile_start(&t, argv);

    profile_settings(&t);
    profile_bad(&t);
    profile_requests(&t);
    profile_flat(&t);

    unit_nginx_done();

    return done();
}
