
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#ifndef _NGX_K8S_CLOCK_H_INCLUDED_
#define _NGX_K8S_CLOCK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* microseconds of a clock that never steps back; any thread */

static ngx_inline uint64_t
ngx_k8s_usec(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


#endif /* _NGX_K8S_CLOCK_H_INCLUDED_ */
