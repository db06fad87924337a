
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The watcher where there is no memory for what is compiled: it is tried again,
 * less and less often, until there is some.
 */


#include "unit_nginx.h"
#include <ngx_k8s_block.h>
#include <ngx_k8s_module.h>
#include <ngx_k8s_watcher.h>


ngx_int_t __real_ngx_k8s_compile_run(ngx_k8s_compile_t *c, ngx_uint_t usec);
ngx_int_t __wrap_ngx_k8s_compile_run(ngx_k8s_compile_t *c, ngx_uint_t usec);


#define TRIES  6


static ngx_uint_t  none, tries, enough, ends;
static ngx_msec_t  at[TRIES];


ngx_int_t
__wrap_ngx_k8s_compile_run(ngx_k8s_compile_t *c, ngx_uint_t usec)
{
    ngx_int_t  rc;

    if (tries < TRIES) {
        at[tries] = ngx_current_msec;
    }

    enough = (++tries >= TRIES);

    if (none) {
        return NGX_ERROR;
    }

    rc = __real_ngx_k8s_compile_run(c, usec);

    ends += (rc == NGX_OK);

    return rc;
}


/* a worker's loop, for some milliseconds, or until *n is not 0 */

static void
loop(ngx_msec_t msec, ngx_uint_t *n)
{
    ngx_msec_t  end;

    end = ngx_current_msec + msec;

    while ((ngx_msec_int_t) (end - ngx_current_msec) > 0 && !(n && *n)) {

        if (ngx_queue_empty(&ngx_posted_next_events)
            && ngx_event_find_timer() > 50)
        {
            usleep(1000);
        }

        ngx_process_events_and_timers((ngx_cycle_t *) ngx_cycle);
    }
}


int
main(int argc, char **argv)
{
    char                  text[1024], *dir;
    ngx_uint_t            i;
    ngx_cycle_t          *cycle;
    ngx_k8s_block_t      *block;
    ngx_k8s_watcher_t    *w;
    ngx_k8s_main_conf_t  *kmcf;

    unit_init();

    dir = unit_nginx_folder();

    snprintf(text, sizeof(text), UNIT_NGINX_HTTP
             "k8s_ingress { source manifests %1$s; zone 2m; }\n"
             "server { listen unix:%1$s/s; k8s_ingress_pass; } }\n", dir);

    cycle = unit_nginx(text, argv);

    ngx_process = NGX_PROCESS_SINGLE;

    for (i = 0; cycle->modules[i]; i++) {
        if (cycle->modules[i]->init_process
            && cycle->modules[i]->init_process(cycle) != NGX_OK)
        {
            printf("Bail out! module %s\n", cycle->modules[i]->name);
            return 1;
        }
    }

    kmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_k8s_ingress_module);
    block = *(ngx_k8s_block_t **) kmcf->blocks.elts;
    w = block->watcher;

    loop(20000, &ends);
    ok(ends && w->compiled, "the watcher is ready");

    loop(100, NULL);

    none = 1;
    tries = 0;
    enough = 0;
    ngx_k8s_watcher_post(w);

    loop(60000, &enough);
    ok(enough, "without memory it is tried %u times", (unsigned) tries);

    for (i = 1; i < TRIES; i++) {
        ok(at[i] - at[i - 1] >= ((ngx_msec_t) 90 << (i - 1)),
           "after %u ms", (unsigned) (at[i] - at[i - 1]));
    }

    none = 0;
    ends = 0;
    loop(20000, &ends);
    ok(ends && w->starved == 0, "memory is found by itself");

    /* what changes does not wait */

    loop(100, NULL);
    none = 1;
    tries = 0;
    ngx_k8s_watcher_post(w);
    loop(20000, &tries);
    none = 0;
    ends = 0;
    ngx_k8s_watcher_post(w);
    loop(20000, &ends);
    ok(ends, "what changes is compiled at once");

    for (i = 0; cycle->modules[i]; i++) {
        if (cycle->modules[i]->exit_process) {
            cycle->modules[i]->exit_process(cycle);
        }
    }

    ngx_free(cycle->connections);
    ngx_free(cycle->read_events);
    ngx_free(cycle->write_events);

    unit_nginx_done();

    return done();
}
