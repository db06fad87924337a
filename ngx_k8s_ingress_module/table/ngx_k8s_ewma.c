
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_ewma.h>


/* milliseconds in which a weight halves: 10 s * ln 2 */
#define NGX_K8S_EWMA_HALF     6931

#define NGX_K8S_EWMA_ONE      65536
#define NGX_K8S_EWMA_UNIT     64
#define NGX_K8S_EWMA_MAX      (NGX_MAX_INT32_VALUE / NGX_K8S_EWMA_UNIT)


static uint32_t ngx_k8s_ewma_weight(ngx_atomic_uint_t word, ngx_msec_t now);


void
ngx_k8s_ewma_add(ngx_atomic_t *ewma, ngx_msec_t now, ngx_msec_t took)
{
    uint64_t           value, sample;
    uint32_t           weight;
    ngx_atomic_uint_t  word;

    word = *ewma;

    sample = ngx_min(took, NGX_K8S_EWMA_MAX) * NGX_K8S_EWMA_UNIT;
    weight = word ? ngx_k8s_ewma_weight(word, now) : 0;

    value = ((word >> 32) * weight + sample * (NGX_K8S_EWMA_ONE - weight))
            / NGX_K8S_EWMA_ONE;

    (void) ngx_atomic_cmp_set(ewma, word, value << 32 | (uint32_t) now | 1);
}


uint32_t
ngx_k8s_ewma_score(ngx_atomic_uint_t word, ngx_msec_t now)
{
    return (word >> 32) * ngx_k8s_ewma_weight(word, now) / NGX_K8S_EWMA_ONE;
}


/* 2 to the power of minus ms/HALF; between its whole powers by a parabola that
   is wrong by less than 1 percent */

static uint32_t
ngx_k8s_ewma_weight(ngx_atomic_uint_t word, ngx_msec_t now)
{
    int32_t   ms;
    uint32_t  n;
    uint64_t  f;

    /* workers' clocks differ a little */

    ms = (int32_t) ((uint32_t) now - (uint32_t) word);

    if (ms <= 0) {
        return NGX_K8S_EWMA_ONE;
    }

    n = ms / NGX_K8S_EWMA_HALF;

    if (n > 16) {
        return 0;
    }

    f = (uint64_t) (ms % NGX_K8S_EWMA_HALF) * NGX_K8S_EWMA_ONE
        / NGX_K8S_EWMA_HALF;

    return (NGX_K8S_EWMA_ONE - (f * 43003 >> 16)
            + ((f * f >> 16) * 10235 >> 16))
           >> n;
}
