
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Paths of a host record: their order, and the buckets by which the router
 * finds one among many.  Pure; used by those who build host records and by the
 * router.
 *
 * How a path is kept.  An Exact path is kept as written: "/foo", "/foo/".  A
 * Prefix is kept without trailing slashes: "/foo" and "/foo/" are "/foo", "/"
 * is "".  It takes a request path that begins with these bytes and then ends
 * or goes on with "/".  A regular expression is kept as written; it matches
 * without regard to case, at the beginning of the request path.
 */


#ifndef _NGX_K8S_PATH_H_INCLUDED_
#define _NGX_K8S_PATH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_record.h>


/* up to this many paths are tried in order, without buckets */
#define NGX_K8S_PATH_LINEAR          8


/*
 * The order in which paths are tried: negative when the first path comes
 * before the second, 0 when they are the same (a conflict).  Exact and Prefix
 * before regular expressions, longer before shorter, Exact before Prefix;
 * regular expressions of one length backwards by their bytes, as ingress-nginx
 * has them.  Texts are as kept: see ngx_k8s_path_prefix().
 */
ngx_int_t ngx_k8s_path_cmp(ngx_uint_t type1, ngx_str_t *text1,
    ngx_uint_t type2, ngx_str_t *text2);

/*
 * How many bytes of a regular expression stand for themselves: what it matches
 * begins with them, in either case.  All of them: it is no more than a prefix.
 */
size_t ngx_k8s_path_literal(ngx_str_t *text);

/* whether a regular expression may be "this|that" as a whole, which need not
   begin as "this" does */
ngx_uint_t ngx_k8s_path_alternatives(ngx_str_t *text);

/* cuts the trailing slashes of a Prefix */
void ngx_k8s_path_prefix(ngx_str_t *text);

/* how many elements a path has: its slashes */
ngx_uint_t ngx_k8s_path_elements(u_char *text, size_t len);

/* how many buckets n paths want: 0 or a power of two */
ngx_uint_t ngx_k8s_path_nbuckets(ngx_uint_t n);

/* which of n shards, a power of two, has the paths with this hash */
#define ngx_k8s_path_shard(hash, n)                                           \
    ((ngx_uint_t) (((uint64_t) (uint32_t) (hash) * (n)) >> 32))

/*
 * Fills path->hash and path->next and the zeroed buckets.  Paths are sorted
 * and otherwise filled in, "base" is the record that their texts lie in.
 * Returns host->longest.  See ngx_k8s_builder_paths(), which does it all.
 */
ngx_uint_t ngx_k8s_path_fill(void *base, ngx_k8s_path_t *paths, ngx_uint_t n,
    uint32_t *buckets, ngx_uint_t nbuckets);


#endif /* _NGX_K8S_PATH_H_INCLUDED_ */
