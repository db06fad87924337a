
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * What the writer has taken from readers' sight comes back into use, once no
 * pin can still see it.  A publish gives back so much only that it is no long
 * turn, whatever has been held: the next ones do the rest.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_writer_core.h>


/* of one publish */

#define NGX_K8S_RECLAIM_EXTENTS      512
#define NGX_K8S_RECLAIM_SLOTS        2048
#define NGX_K8S_SWEEP_CELLS          8192

#define NGX_K8S_RECLAIM_CREDIT       32    /* granules that may be moved for
                                              one that comes back */


static void ngx_k8s_chain_append(ngx_k8s_writer_t *w, ngx_k8s_chain_t *chain,
    ngx_k8s_chain_t *from);
static uint32_t *ngx_k8s_chain_link(ngx_k8s_writer_t *w,
    ngx_k8s_chain_t *chain, uint32_t n);
static void ngx_k8s_writer_lost(ngx_k8s_writer_t *w);
static void ngx_k8s_writer_reclaim(ngx_k8s_writer_t *w);
static ngx_atomic_uint_t ngx_k8s_writer_pinned(ngx_k8s_writer_t *w);
static void ngx_k8s_writer_extent(ngx_k8s_writer_t *w, ngx_k8s_extent_t *e);
static void ngx_k8s_writer_dead(ngx_k8s_writer_t *w, uint32_t n);
static void ngx_k8s_writer_sweep(ngx_k8s_writer_t *w);


void
ngx_k8s_chain_put(ngx_k8s_writer_t *w, ngx_k8s_chain_t *chain, uint32_t n)
{
    uint32_t  *link;

    link = ngx_k8s_chain_link(w, chain, n);

    if (link == NULL) {
        return;
    }

    *link = 0;

    if (chain->first) {
        link = ngx_k8s_chain_link(w, chain, chain->last);

        if (link) {
            *link = n;
        }

    } else {
        chain->first = n;
    }

    chain->last = n;
    chain->n++;
}


uint32_t
ngx_k8s_chain_take(ngx_k8s_writer_t *w, ngx_k8s_chain_t *chain)
{
    uint32_t   n, *link;

    n = chain->first;

    if (n == 0) {
        return 0;
    }

    link = ngx_k8s_chain_link(w, chain, n);

    chain->first = link ? *link : 0;
    chain->n--;

    /* the zone is damaged: what is behind the damage is not used again */

    if (chain->n == 0 || ngx_k8s_chain_link(w, chain, chain->first) == NULL) {
        chain->first = 0;
        chain->n = 0;
    }

    return link ? n : 0;
}


static void
ngx_k8s_chain_append(ngx_k8s_writer_t *w, ngx_k8s_chain_t *chain,
    ngx_k8s_chain_t *from)
{
    uint32_t  *link;

    if (from->first == 0) {
        return;
    }

    if (chain->first) {
        link = ngx_k8s_chain_link(w, chain, chain->last);

        if (link) {
            *link = from->first;
        }

    } else {
        chain->first = from->first;
    }

    chain->last = from->last;
    chain->n += from->n;

    from->first = 0;
    from->n = 0;
}


/* where the number behind n stands; NULL: there is no such number */

static uint32_t *
ngx_k8s_chain_link(ngx_k8s_writer_t *w, ngx_k8s_chain_t *chain, uint32_t n)
{
    ngx_k8s_slot_t  *slot;
    ngx_k8s_stat_t  *stat;

    if (chain->stats) {
        stat = ngx_k8s_stat(w->table, n);
        return stat ? (uint32_t *) &stat->link : NULL;
    }

    slot = ngx_k8s_slot(w->table, n);

    return slot ? &slot->hash : NULL;
}


/*
 * Who looks at all slots while the sequence stays the same has met at most the
 * one change that was on its way.
 */

void
ngx_k8s_writer_show(ngx_k8s_writer_t *w, ngx_k8s_slot_t *slot,
    uint32_t record)
{
    ngx_k8s_table_t  *table;

    table = w->table;

    ngx_k8s_store(&table->sequence, table->sequence + 1);
    ngx_k8s_store(&slot->record, record);
    ngx_k8s_store(&table->sequence, table->sequence + 1);
}


void
ngx_k8s_writer_retire(ngx_k8s_writer_t *w, ngx_k8s_extent_t *e)
{
    e->version = w->table->version;
    e->next = NULL;

    *w->last = e;
    w->last = &e->next;

    w->nretired += e->len;
    w->dirty = 1;
}


void
ngx_k8s_writer_collect(ngx_k8s_writer_t *w)
{
    ngx_k8s_table_t  *table;

    table = w->table;

    ngx_k8s_writer_lost(w);

    if (w->dirty) {
        w->dirty = 0;
        ngx_k8s_store(&table->version, table->version + 1);
    }

    ngx_k8s_writer_reclaim(w);
    ngx_k8s_writer_sweep(w);
}


/* retires what there was no memory for */

static void
ngx_k8s_writer_lost(ngx_k8s_writer_t *w)
{
    uint32_t           n;
    ngx_k8s_slot_t    *slot;
    ngx_k8s_extent_t  *e;
    ngx_k8s_record_t  *rec;

    while (w->lost_slots.first || w->lost_stats.first) {

        e = ngx_k8s_extent_new(&w->alloc);
        if (e == NULL) {
            return;
        }

        n = ngx_k8s_chain_take(w, &w->lost_slots);

        if (n) {
            slot = ngx_k8s_slot(w->table, n);

            e->start = slot->record & ~NGX_K8S_SLOT_LOST;
            e->slot = n;

            rec = ngx_k8s_record(w->table, e->start);
            e->len = rec ? rec->size / NGX_K8S_GRANULE : 0;

            ngx_k8s_writer_show(w, slot, 0);

        } else {
            e->stat = ngx_k8s_chain_take(w, &w->lost_stats);
        }

        ngx_k8s_writer_retire(w, e);
    }
}


static void
ngx_k8s_writer_reclaim(ngx_k8s_writer_t *w)
{
    uint32_t            slot;
    ngx_uint_t          n;
    ngx_k8s_extent_t   *e;
    ngx_atomic_uint_t   pinned;

    w->behind = 0;

    if (w->retired) {
        pinned = ngx_k8s_writer_pinned(w);

        for (n = 0; w->retired && w->retired->version < pinned; n++) {

            if (n == NGX_K8S_RECLAIM_EXTENTS) {
                w->behind = 1;
                break;
            }

            e = w->retired;
            w->retired = e->next;

            if (w->retired == NULL) {
                w->last = &w->retired;
            }

            w->nretired -= e->len;
            ngx_k8s_writer_extent(w, e);
        }
    }

    for (n = 0; w->moved_on.first && n < NGX_K8S_RECLAIM_SLOTS; n++) {
        slot = ngx_k8s_chain_take(w, &w->moved_on);

        if (slot) {
            ngx_k8s_writer_dead(w, slot);
        }
    }

    if (w->moved_on.first) {
        w->behind = 1;
    }
}


/* the lowest version that a living process holds, or one above all */

static ngx_atomic_uint_t
ngx_k8s_writer_pinned(ngx_k8s_writer_t *w)
{
    ngx_uint_t          n;
    ngx_k8s_word_t     *word;
    ngx_atomic_uint_t   version, lowest;

    lowest = w->held ? w->held : w->table->version;

    /* pairs with that of ngx_k8s_view_pin() */

    ngx_k8s_fence();

    word = ngx_k8s_word(w->table, 0);

    for (n = 0; n < NGX_K8S_WORDS; n++) {
        version = ngx_k8s_load(&word[n].version);

        if (version == 0 || version >= lowest) {
            continue;
        }

        /* a process' own locks are not seen by F_GETLK */

        if (w->fd == -1
            || (ngx_pid_t) word[n].pid == ngx_pid
            || ngx_k8s_right_check(w->fd, n) == NGX_OK)
        {
            lowest = version;
        }
    }

    return lowest;
}


static void
ngx_k8s_writer_extent(ngx_k8s_writer_t *w, ngx_k8s_extent_t *e)
{
    if (e->limbo) {
        ngx_k8s_chain_append(w, &w->moved_on, &w->limbo_slots);
        ngx_k8s_chain_append(w, &w->stats, &w->limbo_stats);
    }

    if (e->slot) {
        ngx_k8s_writer_dead(w, e->slot);
    }

    if (e->stat) {
        ngx_k8s_chain_put(w, &w->stats, e->stat);
    }

    if (e->moved) {
        e->moved = 0;
        w->moving -= e->len;

    } else {
        w->vain -= ngx_min(w->vain, (size_t) e->len * NGX_K8S_RECLAIM_CREDIT);
    }

    if (e->len) {
        ngx_k8s_free(&w->alloc, e);

    } else {
        ngx_k8s_extent_drop(&w->alloc, e);
    }
}


static void
ngx_k8s_writer_dead(ngx_k8s_writer_t *w, uint32_t n)
{
    ngx_k8s_slot_t  *slot;

    slot = ngx_k8s_slot(w->table, n);

    ngx_k8s_store(&slot->next, NGX_K8S_SLOT_DEAD);

    ngx_k8s_chain_put(w, &w->waiting, n);
}


static void
ngx_k8s_writer_sweep(ngx_k8s_writer_t *w)
{
    if (!w->sweeping) {

        if (w->waiting.first == 0) {
            return;
        }

        ngx_k8s_chain_append(w, &w->swept, &w->waiting);

        w->cursor = 0;
        w->sweeping = 1;
    }

    if (ngx_k8s_count_sweep(w->table, &w->cursor, NGX_K8S_SWEEP_CELLS)
        != NGX_DONE)
    {
        return;
    }

    ngx_k8s_chain_append(w, &w->slots, &w->swept);

    w->sweeping = 0;
}


ngx_uint_t
ngx_k8s_writer_behind(ngx_k8s_writer_t *w)
{
    return w->behind;
}


void
ngx_k8s_writer_hold(ngx_k8s_writer_t *w)
{
    /* what was retired before has this version at most */

    ngx_k8s_writer_collect(w);

    w->held = w->table->version;
}


ngx_uint_t
ngx_k8s_writer_held(ngx_k8s_writer_t *w)
{
    return w->held != 0;
}


void
ngx_k8s_writer_release(ngx_k8s_writer_t *w)
{
    w->held = 0;
}


size_t
ngx_k8s_writer_retired(ngx_k8s_writer_t *w)
{
    return w->nretired * NGX_K8S_GRANULE;
}


size_t
ngx_k8s_writer_moving(ngx_k8s_writer_t *w)
{
    return w->moving * NGX_K8S_GRANULE;
}
