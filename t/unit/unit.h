
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Unit tests: ok(condition, "name"), and done() at the end of main().  The
 * program links with all of nginx but its main(); unit_init() sets up what
 * pools, logs and times need.  Messages of the code go to stderr.
 */


#ifndef _UNIT_H_INCLUDED_
#define _UNIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


static ngx_uint_t      unit_n, unit_failed;
static ngx_log_t       unit_log;
static ngx_open_file_t unit_file;
static ngx_cycle_t     unit_cycle;


#define ok(cond, ...)  unit_ok((cond) != 0, __FILE__, __LINE__, __VA_ARGS__)


static ngx_inline void
unit_ok(ngx_uint_t cond, char *file, int line, const char *fmt, ...)
{
    va_list  args;

    unit_n++;

    if (!cond) {
        unit_failed++;
    }

    printf("%sok %u - ", cond ? "" : "not ", (unsigned) unit_n);

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    if (!cond) {
        printf(" (%s:%d)", file, line);
    }

    printf("\n");
}


static ngx_inline void
unit_init(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);

    unit_file.fd = STDERR_FILENO;
    unit_log.file = &unit_file;
    unit_log.log_level = NGX_LOG_WARN;

    ngx_pagesize = getpagesize();
    ngx_cacheline_size = NGX_CPU_CACHE_LINE;
    for (unit_n = ngx_pagesize; unit_n >>= 1; ngx_pagesize_shift++) {
        /* void */
    }
    unit_n = 0;

    ngx_pid = ngx_getpid();
    ngx_time_init();

    unit_cycle.log = &unit_log;
    ngx_cycle = &unit_cycle;
    ngx_crc32_table_init();
}


/* of a round of a test at random: UNIT_SEED makes it another one */

static ngx_inline uint32_t
unit_seed(uint32_t seed)
{
    return seed + (getenv("UNIT_SEED") ? 15485863 * atoi(getenv("UNIT_SEED"))
                                       : 0);
}


/* how many rounds of a test are done: fewer where they are very slow */

static ngx_inline ngx_uint_t
unit_rounds(ngx_uint_t n)
{
    return getenv("UNIT_SHORT") ? (n + 9) / 10 : n;
}


static ngx_inline int
done(void)
{
    printf("1..%u\n", (unsigned) unit_n);

    return unit_failed ? 1 : 0;
}


#endif /* _UNIT_H_INCLUDED_ */
