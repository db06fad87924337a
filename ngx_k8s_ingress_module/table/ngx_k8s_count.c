
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Counters of requests, filled by all workers without a lock, and the turns of
 * the watcher's event loop.
 *
 * A key has its cell within a window of cells after the key's hash, so that a
 * freed cell breaks no chain.  In a rare race, when a cell of the window is
 * freed between the looks of two workers, a key gets two cells: their sum is
 * its count.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_table.h>
#include <ngx_k8s_shm.h>


#define NGX_K8S_WINDOW               32


static ngx_k8s_cell_t *ngx_k8s_cell_get(ngx_k8s_table_t *table, uint64_t key);
static ngx_uint_t ngx_k8s_cell_alive(ngx_k8s_table_t *table, uint64_t key);


ngx_str_t  ngx_k8s_methods[] = {
    ngx_string("OTHER"),
    ngx_string("GET"),
    ngx_string("HEAD"),
    ngx_string("POST"),
    ngx_string("PUT"),
    ngx_string("DELETE"),
    ngx_string("MKCOL"),
    ngx_string("COPY"),
    ngx_string("MOVE"),
    ngx_string("OPTIONS"),
    ngx_string("PROPFIND"),
    ngx_string("PROPPATCH"),
    ngx_string("LOCK"),
    ngx_string("UNLOCK"),
    ngx_string("PATCH"),
    ngx_string("TRACE")
};


ngx_str_t  ngx_k8s_wrote_what[NGX_K8S_WROTE_WHAT] = {
    ngx_string("lease"),
    ngx_string("status"),
    ngx_string("event")
};


ngx_str_t  ngx_k8s_wrote_results[NGX_K8S_WROTE_RESULTS] = {
    ngx_string("written"),
    ngx_string("conflict"),
    ngx_string("refused"),
    ngx_string("failed")
};


ngx_uint_t  ngx_k8s_turn_bounds[] = {
    100, 250, 500, 1000, 2000, 3000, 5000, 10000, 25000, 50000, 100000
};


#define ngx_k8s_cell_key(rule, generation, method, status)                    \
    ((uint64_t) (rule) << 32 | (uint64_t) ((generation) & 0xfff) << 20        \
     | (method) << 12 | (status))

#define ngx_k8s_cell_start(table, key)                                        \
    (ngx_k8s_hash_end((uint32_t) (key) ^ (uint32_t) ((key) >> 32)             \
                      * 0x9e3779b9u)                                          \
     & ((table)->ncells - 1))


void
ngx_k8s_count(ngx_k8s_view_t *view, uint32_t rule, uint32_t generation,
    ngx_uint_t method, ngx_uint_t status, ngx_int_t msec)
{
    uint64_t         key;
    ngx_uint_t       pinned;
    ngx_k8s_cell_t  *cell;

    if (view->word == NULL) {
        return;
    }

    if (method >= NGX_K8S_METHODS) {
        method = 0;
    }

    if (status > 0xfff) {
        status = 0xfff;
    }

    key = ngx_k8s_cell_key(rule, generation, method, status);

    /* under a pin the cells of a rule seen alive are not taken back */

    pinned = view->pinned;

    ngx_k8s_view_pin(view);

    if (ngx_k8s_slot_record_gen(view->table, NGX_K8S_INDEX_RULE, rule,
                                generation))
    {
        cell = ngx_k8s_cell_get(view->table, key);

        if (cell) {
            (void) ngx_atomic_fetch_add(&cell->count, 1);

            if (msec >= 0) {
                (void) ngx_atomic_fetch_add(&cell->answered, 1);
                (void) ngx_atomic_fetch_add(&cell->msec, msec);
            }

        } else {
            view->word->dropped++;
        }
    }

    if (!pinned) {
        ngx_k8s_view_unpin(view);
    }
}


ngx_int_t
ngx_k8s_count_put(ngx_k8s_table_t *table, uint32_t rule, uint32_t generation,
    ngx_k8s_counted_t *counted)
{
    uint64_t         key;
    ngx_k8s_cell_t  *cell;

    key = ngx_k8s_cell_key(rule, generation, ngx_k8s_cell_method(counted->key),
                           ngx_k8s_cell_status(counted->key));

    cell = ngx_k8s_cell_get(table, key);
    if (cell == NULL) {
        return NGX_ERROR;
    }

    cell->count += counted->count;
    cell->answered += counted->answered;
    cell->msec += counted->msec;

    return NGX_OK;
}


static ngx_k8s_cell_t *
ngx_k8s_cell_get(ngx_k8s_table_t *table, uint64_t key)
{
    uint64_t         seen;
    ngx_uint_t       i, n, mask;
    ngx_k8s_cell_t  *cells, *cell, *empty;

    cells = ngx_k8s_at(table, table->cells);
    mask = table->ncells - 1;
    n = ngx_k8s_cell_start(table, key);

    for ( ;; ) {
        empty = NULL;

        for (i = 0; i < NGX_K8S_WINDOW; i++) {
            cell = &cells[(n + i) & mask];
            seen = ngx_k8s_load(&cell->key);

            if (seen == key) {
                return cell;
            }

            if (seen == 0 && empty == NULL) {
                empty = cell;
            }
        }

        if (empty == NULL) {
            return NULL;
        }

        if (ngx_atomic_cmp_set(&empty->key, 0, key)) {
            return empty;
        }
    }
}


static ngx_uint_t
ngx_k8s_cell_alive(ngx_k8s_table_t *table, uint64_t key)
{
    uint32_t         n;
    ngx_k8s_slot_t  *slot;

    n = ngx_k8s_cell_rule(key);

    if (ngx_k8s_slot_record(table, NGX_K8S_INDEX_RULE, n) == NULL) {
        return 0;
    }

    slot = ngx_k8s_slot(table, n);

    return (ngx_k8s_load(&slot->generation) & 0xfff)
           == ngx_k8s_cell_generation(key);
}


ngx_int_t
ngx_k8s_count_next(ngx_k8s_table_t *table, ngx_uint_t *cursor,
    ngx_k8s_counted_t *counted)
{
    uint64_t         seen;
    ngx_uint_t       i, n, mask, first;
    ngx_k8s_cell_t  *cells, *cell;

    cells = ngx_k8s_at(table, table->cells);
    mask = table->ncells - 1;

    while (*cursor < table->ncells) {
        n = (*cursor)++;
        seen = ngx_k8s_load(&cells[n].key);

        if (seen == 0 || !ngx_k8s_cell_alive(table, seen)) {
            continue;
        }

        ngx_memzero(counted, sizeof(ngx_k8s_counted_t));
        counted->key = seen;

        first = NGX_K8S_WINDOW;

        for (i = 0; i < NGX_K8S_WINDOW; i++) {
            cell = &cells[(ngx_k8s_cell_start(table, seen) + i) & mask];

            if (ngx_k8s_load(&cell->key) == seen) {
                counted->count += ngx_k8s_load(&cell->count);
                counted->answered += ngx_k8s_load(&cell->answered);
                counted->msec += ngx_k8s_load(&cell->msec);

                if (first == NGX_K8S_WINDOW) {
                    first = cell - cells;
                }
            }
        }

        if (first != n) {
            continue;
        }

        return NGX_OK;
    }

    return NGX_DONE;
}


ngx_int_t
ngx_k8s_count_sweep(ngx_k8s_table_t *table, ngx_uint_t *cursor, ngx_uint_t n)
{
    uint64_t         key;
    ngx_k8s_cell_t  *cell;
    ngx_k8s_slot_t  *slot;

    cell = ngx_k8s_at(table, table->cells);
    cell += *cursor;

    for ( /* void */ ; n && *cursor < table->ncells; n--, (*cursor)++, cell++) {

        key = cell->key;

        if (key == 0) {
            continue;
        }

        slot = ngx_k8s_slot(table, ngx_k8s_cell_rule(key));

        if (slot && slot->next != NGX_K8S_SLOT_DEAD) {
            continue;
        }

        ngx_k8s_store(&cell->count, 0);
        ngx_k8s_store(&cell->answered, 0);
        ngx_k8s_store(&cell->msec, 0);
        ngx_k8s_store(&cell->key, 0);
    }

    return (*cursor < table->ncells) ? NGX_AGAIN : NGX_DONE;
}


void
ngx_k8s_turn(ngx_k8s_table_t *table, ngx_uint_t usec)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_K8S_TURN_BUCKETS - 1; i++) {
        if (usec <= ngx_k8s_turn_bounds[i]) {
            break;
        }
    }

    table->turns[i]++;
    table->turns_sum += usec;

    if (usec > table->turns_max) {
        table->turns_max = usec;
    }
}


void
ngx_k8s_clients_note(ngx_k8s_view_t *view, u_char *addr, ngx_uint_t other)
{
    ngx_k8s_word_t     *word;
    ngx_atomic_uint_t   round, clients;

    word = view->word;
    round = view->table->clients;
    clients = word->clients;

    if ((clients & ~(ngx_atomic_uint_t) (NGX_K8S_CLIENTS_ROUND - 1)) != round
        || !(clients & NGX_K8S_CLIENTS_ONE))
    {
        ngx_memcpy((void *) word->client, addr, 16);
        word->requests = 0;
        clients = round | NGX_K8S_CLIENTS_ONE;

    } else if (ngx_memcmp((void *) word->client, addr, 16) != 0) {
        word->clients = round | NGX_K8S_CLIENTS_DIFFER;
        return;
    }

    if (other) {
        word->requests++;
    }

    ngx_memory_barrier();

    word->clients = clients;
}


ngx_int_t
ngx_k8s_clients(ngx_k8s_table_t *table, u_char *addr, ngx_uint_t *requests)
{
    ngx_uint_t          i, one;
    ngx_k8s_word_t     *word;
    ngx_atomic_uint_t   round, clients;

    round = table->clients;
    one = 0;
    *requests = 0;

    word = ngx_k8s_word(table, 0);

    for (i = 0; i < NGX_K8S_WORDS; i++) {

        clients = ngx_k8s_load(&word[i].clients);

        if ((clients & ~(ngx_atomic_uint_t) (NGX_K8S_CLIENTS_ROUND - 1))
            != round || clients == round)
        {
            continue;
        }

        if ((clients & NGX_K8S_CLIENTS_DIFFER)
            || (one && ngx_memcmp(addr, (void *) word[i].client, 16) != 0))
        {
            one = 2;
            break;
        }

        ngx_memcpy(addr, (void *) word[i].client, 16);
        one = 1;
        *requests += word[i].requests;
    }

    table->clients = round + NGX_K8S_CLIENTS_ROUND;

    if (one == 2 || (one && *requests == 0)) {
        return NGX_DECLINED;
    }

    return (*requests < NGX_K8S_CLIENTS_MIN) ? NGX_DONE : NGX_OK;
}
