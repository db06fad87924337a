
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Canonical dump of a table: the same objects give the same bytes, whatever
 * the history of the table.  No slot numbers, statistics, sync state or key
 * material, and of the default certificate nothing.
 */


#ifndef _NGX_K8S_DUMP_H_INCLUDED_
#define _NGX_K8S_DUMP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_table.h>


/*
 * Any process, under a pin.  Text lines in *out, from pool: a line for each
 * record and, indented, for each of its parts.  NGX_ERROR: no memory.
 */
ngx_int_t ngx_k8s_table_dump(ngx_k8s_table_t *table, ngx_pool_t *pool,
    ngx_str_t *out);


#endif /* _NGX_K8S_DUMP_H_INCLUDED_ */
