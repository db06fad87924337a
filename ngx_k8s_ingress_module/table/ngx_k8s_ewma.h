
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The time that an endpoint takes to answer, as an exponentially weighted
 * moving average: after ten seconds an answer counts 1/e of what it did.  It is
 * one word of the statistics, with the time of the last answer, so that any
 * worker may be killed at any instruction; 0: there was none.
 */


#ifndef _NGX_K8S_EWMA_H_INCLUDED_
#define _NGX_K8S_EWMA_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/* any worker, under a pin: an answer took so many milliseconds; that of another
   worker at the same instant may be lost */
void ngx_k8s_ewma_add(ngx_atomic_t *ewma, ngx_msec_t now, ngx_msec_t took);

/* of a word that was read, in 1/64 milliseconds: what it is now */
uint32_t ngx_k8s_ewma_score(ngx_atomic_uint_t word, ngx_msec_t now);


#endif /* _NGX_K8S_EWMA_H_INCLUDED_ */
