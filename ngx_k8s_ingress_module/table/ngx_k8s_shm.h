
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What the files of the table share among themselves: loads and stores of
 * words that another process sees, and addresses of parts.
 */


#ifndef _NGX_K8S_SHM_H_INCLUDED_
#define _NGX_K8S_SHM_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_table.h>


#define ngx_k8s_load(p)       __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define ngx_k8s_store(p, v)   __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define ngx_k8s_fence()       __atomic_thread_fence(__ATOMIC_SEQ_CST)

#define ngx_k8s_at(table, offset)                                             \
    ((void *) ((u_char *) (table) + (offset)))

#define ngx_k8s_word(table, n)                                                \
    ((ngx_k8s_word_t *) ngx_k8s_at(table, (table)->words) + (n))

/* "next" of a slot that no reader can reach and whose cells may be freed */
#define NGX_K8S_SLOT_DEAD            0xffffffff

#define ngx_k8s_granules(size)                                                \
    (((size) + NGX_K8S_GRANULE - 1) / NGX_K8S_GRANULE)


/* record at a granule when its header is sound, or NULL; any process */
ngx_k8s_record_t *ngx_k8s_record(ngx_k8s_table_t *table, uint32_t granule);

/*
 * Every reference of a record of "len" bytes stays inside it; neither its size
 * nor its checksum is looked at.
 */
ngx_int_t ngx_k8s_record_inside(ngx_k8s_record_t *rec, size_t len);

/* checksum over a record of size bytes, of which len are at hand, then zero */
uint32_t ngx_k8s_record_crc(ngx_k8s_record_t *rec, size_t len, size_t size);

/*
 * Adds what was counted for a key of another table to the cell of a rule, of a
 * table that nobody else has; NGX_ERROR: no cell.
 */
ngx_int_t ngx_k8s_count_put(ngx_k8s_table_t *table, uint32_t rule,
    uint32_t generation, ngx_k8s_counted_t *counted);

/*
 * Frees the cells of rules that have gone, among n from *cursor on, and moves
 * the cursor; nobody may still add to them.  NGX_DONE at the end.  Watcher.
 */
ngx_int_t ngx_k8s_count_sweep(ngx_k8s_table_t *table, ngx_uint_t *cursor,
    ngx_uint_t n);


#endif /* _NGX_K8S_SHM_H_INCLUDED_ */
