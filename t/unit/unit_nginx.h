
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * A process that has read a configuration, as a worker of nginx has.
 */


#ifndef _UNIT_NGINX_H_INCLUDED_
#define _UNIT_NGINX_H_INCLUDED_


#include "unit.h"
#include <ngx_event.h>
#include <ngx_http.h>


static u_char  unit_nginx_dir[64];


/* makes a folder of the test's own, for the configuration to name */

static ngx_inline char *
unit_nginx_folder(void)
{
    char  *tmp;

    tmp = getenv("TMPDIR");

    (void) ngx_sprintf(unit_nginx_dir, "%s/unit.XXXXXX%Z", tmp ? tmp : "/tmp");

    if (mkdtemp((char *) unit_nginx_dir) == NULL) {
        printf("Bail out! no folder\n");
        exit(1);
    }

    return (char *) unit_nginx_dir;
}


/* the end, of the configuration as well */

static ngx_inline void
unit_nginx_done(void)
{
    u_char  cmd[96];

    ngx_destroy_pool(ngx_cycle->pool);

    (void) ngx_sprintf(cmd, "rm -rf %s%Z", unit_nginx_dir);

    if (system((char *) cmd) != 0) {
        printf("# %s stays\n", unit_nginx_dir);
    }
}


/* reads a configuration, which begins with "http" and may go on */

static ngx_inline ngx_cycle_t *
unit_nginx(char *text, char **argv)
{
    FILE                *f;
    ngx_cycle_t         *cycle;
    static u_char        conf[96];
    static ngx_cycle_t   init_cycle;

    (void) ngx_sprintf(conf, "%s/conf%Z", unit_nginx_dir);
    f = fopen((char *) conf, "w");

    fprintf(f, "daemon off; master_process off; pid %s/pid;\n"
            "error_log %s/error.log; events { }\n%s",
            unit_nginx_dir, unit_nginx_dir, text);
    fclose(f);

    init_cycle.log = &unit_log;
    init_cycle.pool = ngx_create_pool(1024, &unit_log);
    ngx_str_set(&init_cycle.prefix, "/");
    ngx_str_set(&init_cycle.conf_prefix, "/");
    ngx_str_set(&init_cycle.error_log, "stderr");
    init_cycle.conf_file.data = conf;
    init_cycle.conf_file.len = ngx_strlen(conf);

    ngx_cycle = &init_cycle;
    ngx_os_argv = argv;
    ngx_max_sockets = -1;
    ngx_pagesize_shift = 0;    /* unit_init() has set it */

    ngx_strerror_init();
    ngx_regex_init();
    ngx_ssl_init(&unit_log);
    ngx_os_init(&unit_log);
    ngx_slab_sizes_init();

    cycle = (ngx_preinit_modules() == NGX_OK) ? ngx_init_cycle(&init_cycle)
                                              : NULL;

    if (cycle == NULL) {
        printf("Bail out! no cycle\n");
        exit(1);
    }

    ngx_cycle = cycle;
    ngx_use_stderr = 0;
    ngx_queue_init(&ngx_posted_next_events);

    return cycle;
}


/* http's folders for temporary files, all of them the test's */

#define UNIT_NGINX_HTTP                                                       \
    "http { client_body_temp_path %1$s; proxy_temp_path %1$s;\n"              \
    "fastcgi_temp_path %1$s; uwsgi_temp_path %1$s; scgi_temp_path %1$s;\n"    \
    "access_log off; k8s_ingress_core_backported on;\n"


#endif /* _UNIT_NGINX_H_INCLUDED_ */
