
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The first byte of the input chooses what is done with the rest: text of an
 * object of a kind, parsed with a small budget and as a whole, which must
 * agree; or a list, cut as a whole and in pieces, which must agree.
 */


#include <unit.h>
#include <ngx_k8s_reader.h>


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static ngx_k8s_object_t *
fuzz_parse(ngx_uint_t kind, u_char *text, size_t len, size_t budget)
{
    ngx_int_t         rc;
    ngx_k8s_parser_t  p;

    rc = ngx_k8s_parser_init(&p, kind, text, len, &unit_log);

    while (rc == NGX_OK || rc == NGX_AGAIN) {
        rc = ngx_k8s_parser_run(&p, budget);

        if (rc == NGX_OK) {
            return p.object;
        }
    }

    if (p.problem.message.len == 0) {
        abort();
    }

    ngx_k8s_parser_cancel(&p);

    return NULL;
}


/* what is written of an object is read as the same */

static void
fuzz_write(ngx_k8s_object_t *object)
{
    u_char  *one, *two;

    one = ngx_k8s_object_write(object);
    object = fuzz_parse(object->kind, one, strlen((char *) one),
                        NGX_K8S_OBJECT_MAX);

    if (object == NULL) {
        abort();
    }

    two = ngx_k8s_object_write(object);

    if (strcmp((char *) one, (char *) two) != 0) {
        abort();
    }

    ngx_k8s_object_free(object);
    free(one);
    free(two);
}


static void
fuzz_object(ngx_uint_t kind, u_char *text, size_t len)
{
    json_t             *json;
    ngx_pool_t         *pool;
    ngx_k8s_object_t   *a, *b, *c;
    ngx_k8s_problem_t   problem;

    a = fuzz_parse(kind, text, len, 7);
    b = fuzz_parse(kind, text, len, NGX_K8S_OBJECT_MAX);

    if ((a == NULL) != (b == NULL)
        || (a && ngx_memcmp(a->digest, b->digest, NGX_K8S_DIGEST) != 0))
    {
        abort();
    }

    c = NULL;

    /* a section that stands twice is refused in slices */

    json = json_loadb((char *) text, len,
                      JSON_ALLOW_NUL|JSON_REJECT_DUPLICATES, NULL);

    if (json) {
        pool = ngx_create_pool(1024, &unit_log);

        c = ngx_k8s_object_from_json(kind, json, pool, &problem, &unit_log);

        (void) ngx_k8s_kind_of(json);
        ngx_k8s_secret_wipe(json);

        json_decref(json);
        ngx_destroy_pool(pool);
    }

    /* what is left out may be broken, so the slices take more */

    if (c && a == NULL) {
        abort();
    }

    if (c && (c->name.len != a->name.len
              || ngx_memcmp(c->name.data, a->name.data, a->name.len) != 0
              || c->created != a->created))
    {
        abort();
    }

    if (a) {
        fuzz_write(a);

        ngx_k8s_object_free(a);
        ngx_k8s_object_free(b);
    }

    if (c) {
        ngx_k8s_object_free(c);
    }
}


/* a hash of all that the cutter gives, for pieces of 1 to "piece" bytes */

static uint32_t
fuzz_cut(u_char *text, size_t len, size_t piece, uint32_t seed)
{
    u_char                 *p, *copy, *last;
    size_t                  n;
    uint32_t                hash;
    ngx_int_t               rc;
    ngx_k8s_list_cutter_t   c;

    ngx_k8s_list_cutter_init(&c, 64);

    hash = 0;
    rc = NGX_AGAIN;

    while (len && rc == NGX_AGAIN) {
        seed = seed * 1103515245 + 12345;
        n = (piece == 0) ? len : ngx_min(len, 1 + (seed >> 16) % piece);

        copy = malloc(n);
        memcpy(copy, text, n);

        p = copy;
        last = copy + n;

        for ( ;; ) {
            rc = ngx_k8s_list_cutter_feed(&c, &p, last);

            if (rc != NGX_OK && rc != NGX_DECLINED) {
                break;
            }

            hash = hash * 31 + rc + ngx_crc32_long(c.buf, c.len);
            hash = hash * 31 + ngx_crc32_long(c.names.buffer, c.names.used);
        }

        free(copy);

        text += n;
        len -= n;
    }

    if (rc == NGX_DONE) {
        hash = hash * 31 + ngx_crc32_long(c.rest, c.rest_len);
    }

    ngx_k8s_list_cutter_done(&c);

    return hash * 31 + rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    u_char     *text;
    size_t      len;
    ngx_str_t   value;

    if (unit_log.file == NULL) {
        unit_init();
        unit_log.log_level = 0;
    }

    if (size == 0) {
        return 0;
    }

    len = size - 1;
    text = malloc(len);
    memcpy(text, data + 1, len);

    switch (data[0] % 8) {

    case 6:
    case 7:
        if (fuzz_cut(text, len, 0, 0) != fuzz_cut(text, len, 5, data[0])
            || fuzz_cut(text, len, 0, 0) != fuzz_cut(text, len, 1, 0))
        {
            abort();
        }

        (void) ngx_k8s_json_skip(text, text + len);
        (void) ngx_k8s_json_member(text, text + len, "metadata", &value);
        break;

    default:
        fuzz_object(data[0] % 8, text, len);
    }

    free(text);

    return 0;
}
