
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <unit.h>
#include <ngx_k8s_reader.h>


static ngx_int_t
skipped(const char *text)
{
    u_char  *p, *s, *end;
    size_t   n;

    /* a copy of the exact size, so that reading on is seen */

    n = strlen(text);
    s = malloc(n);
    memcpy(s, text, n);

    p = s;
    end = ngx_k8s_json_skip(p, s + n);
    n = end ? (size_t) (end - s) : (size_t) -1;

    free(s);

    return n;
}


static void
skip(void)
{
    ngx_uint_t  i;

    static struct {
        const char  *text;
        ngx_int_t    end;
    } t[] = {
        { "{}", 2 }, { " {\"a\":[1,{\"]\":\"}\"}]} ", 20 },
        { "\"a\\\"b\" ", 6 }, { "\"\\\\\"x", 4 }, { "12,", 2 },
        { "12", 2 }, { "true]", 4 }, { "null}", 4 }, { "-1.5e3 ", 6 },
        { "{", -1 }, { "[[]", -1 }, { "\"a", -1 }, { "\"a\\", -1 },
        { "\"\\\"", -1 }, { "", -1 }, { "  ", -1 }, { "}", -1 },
        { ",", -1 }, { "\xff", -1 }, { NULL, 0 }
    };

    for (i = 0; t[i].text; i++) {
        ok(skipped(t[i].text) == t[i].end, "skip %s", t[i].text);
    }
}


static void
member(void)
{
    ngx_str_t   v;
    ngx_uint_t  i;

    static struct {
        const char  *text, *name, *value;
        ngx_int_t    rc;
    } t[] = {
        { "{\"a\":1,\"b\":{\"c\":[2]},\"d\":\"x\"}", "b", "{\"c\":[2]}", 0 },
        { " { \"a\" : 1 , \"d\" : \"x\" } ", "d", "\"x\"", 0 },
        { "{\"a\":1}", "a", "1", 0 },
        { "{\"b\":{\"a\":2},\"a\":3}", "a", "3", 0 },
        { "{\"x\":\"a\",\"a\":4}", "a", "4", 0 },
        { "{}", "a", NULL, NGX_DECLINED },
        { "{\"ab\":1}", "a", NULL, NGX_DECLINED },
        { "[]", "a", NULL, NGX_ERROR },
        { "", "a", NULL, NGX_ERROR },
        { "{\"b\":1", "a", NULL, NGX_ERROR },
        { "{\"b\" 1}", "a", NULL, NGX_ERROR },
        { "{\"b\":1,}", "a", NULL, NGX_ERROR },
        { "{b:1}", "a", NULL, NGX_ERROR },
        { NULL, NULL, NULL, 0 }
    };

    for (i = 0; t[i].text; i++) {
        ok(ngx_k8s_json_member((u_char *) t[i].text,
                               (u_char *) t[i].text + strlen(t[i].text),
                               (char *) t[i].name, &v)
           == t[i].rc
           && (t[i].rc != NGX_OK
               || (v.len == strlen(t[i].value)
                   && memcmp(v.data, t[i].value, v.len) == 0)),
           "member %s of %s", t[i].name, t[i].text);
    }
}


/* feeds text in pieces, and notes what comes out */

static char *
cut(const char *text, size_t piece, size_t max)
{
    u_char                 *p, *last, *copy;
    size_t                  n, len;
    ngx_int_t               rc;
    ngx_k8s_list_cutter_t   c;

    static char  out[65536];

    ngx_k8s_list_cutter_init(&c, max);

    out[0] = '\0';
    len = strlen(text);
    rc = NGX_AGAIN;

    while (len && rc == NGX_AGAIN) {
        n = ngx_min(piece, len);

        copy = malloc(n);
        memcpy(copy, text, n);

        p = copy;
        last = p + n;

        while ((rc = ngx_k8s_list_cutter_feed(&c, &p, last)) == NGX_OK
               || rc == NGX_DECLINED)
        {
            sprintf(out + strlen(out), "%s%.*s|%.*s", rc == NGX_OK ? "" : "-",
                    (int) c.len, c.buf, (int) c.names.name.len,
                    c.names.name.data);
        }

        free(copy);

        text += n;
        len -= n;
    }

    sprintf(out + strlen(out), "%s",
            rc == NGX_DONE ? "" : rc == NGX_AGAIN ? "again" : "error");

    if (rc == NGX_DONE) {
        sprintf(out + strlen(out), "%.*s", (int) c.rest_len, c.rest);
    }

    ngx_k8s_list_cutter_done(&c);

    return out;
}


static void
cutter(void)
{
    char        *out;
    ngx_uint_t   i, n, bad;

    static struct {
        const char  *text, *out;
    } t[] = {
        { "{\"kind\":\"L\",\"items\":[{\"a\":1},{\"b\":[{}]}],\"m\":{\"v\":"
          "\"7\"}}",
          "{\"a\":1}|{\"b\":[{}]}|{\"kind\":\"L\",\"items\":[],\"m\":{\"v\":"
          "\"7\"}}" },
        { " { \"items\" : [ { \"a\" : \"]}\\\"\" } , 1 ,null,\"s]\", [2] ] } ",
          "{ \"a\" : \"]}\\\"\" }|1|null|\"s]\"|[2]| { \"items\" : [] }" },
        { "{\"m\":{\"items\":[1]},\"items\":[]}",
          "{\"m\":{\"items\":[1]},\"items\":[]}" },
        { "{\"x\":\"items\",\"y\":[1],\"items\":[2]}",
          "2|{\"x\":\"items\",\"y\":[1],\"items\":[]}" },
        { "{\"items\":null,\"itemsx\":[1],\"aaaaaaaaaaaaaaaaaaitems\":[1]}",
          "{\"items\":null,\"itemsx\":[1],\"aaaaaaaaaaaaaaaaaaitems\":[1]}" },
        { "{\"it\\u0065ms\":[1]}", "{\"it\\u0065ms\":[1]}" },
        { "{\"items\":[{\"a\":\"0123456789012345678901234567890\"},{}]}",
          "-{\"a\":\"01234567890123456789012345|{}|{\"items\":[]}" },
        { "{\"items\":[{\"metadata\":{\"a\":\"0123456789012345\",\"name\":"
          "\"n\"}},{},{\"metadata\":{\"name\":\"m\"}}]}",
          "-{\"metadata\":{\"a\":\"01234567890123|n{}|{\"metadata\":{\"name\":"
          "\"m\"}}|m{\"items\":[]}" },
        { "{\"items\":[{}", "{}|again" },
        { "{\"items\":[}", "error" },
        { "[]", "error" },
        { "{}x", "{}" },
        { NULL, NULL }
    };

    for (i = 0; t[i].text; i++) {
        bad = 0;

        for (n = 1; n <= strlen(t[i].text); n++) {
            out = cut(t[i].text, n, 32);

            if (strcmp(out, t[i].out) != 0) {
                printf("# %u: %s\n", (unsigned) n, out);
                bad++;
            }
        }

        ok(bad == 0, "cut %s in pieces of each size", t[i].text);
    }
}


/* the names in a text that comes in pieces: "type namespace/name version" */

static char *
named(const char *text, size_t len, size_t piece, ngx_uint_t is_event)
{
    u_char           *copy;
    size_t            n;
    ngx_k8s_json_names_t   names;

    static char  out[2048];

    memset(&names, 0xa5, sizeof(ngx_k8s_json_names_t));
    ngx_k8s_json_names_init(&names, is_event);

    for ( /* void */ ; len; text += n, len -= n) {
        n = ngx_min(piece, len);

        copy = malloc(n);
        memcpy(copy, text, n);
        ngx_k8s_json_names_feed(&names, copy, copy + n);
        free(copy);
    }

    sprintf(out, "%.*s %.*s/%.*s %.*s", (int) names.type.len, names.type.data,
            (int) names.namespace.len, names.namespace.data,
            (int) names.name.len, names.name.data,
            (int) names.version.len, names.version.data);

    return out;
}


static void
names(void)
{
    char        *text, *out, long_name[700];
    size_t       len;
    ngx_uint_t   i, n, bad, found;

    static struct {
        ngx_uint_t   is_event;
        const char  *text, *out;
    } t[] = {
        { 0, "{\"metadata\":{\"name\":\"n\",\"namespace\":\"s\","
             "\"resourceVersion\":\"7\"},\"spec\":{}}", " s/n 7" },
        { 0, " { \"metadata\" : { \"name\" : \"n\" , \"namespace\" : "
             "\"s\" } , \"spec", " s/n " },
        { 0, "{\"metadata\":{\"annotations\":{\"name\":\"no\",\"a\":"
             "\"}\\\"{\\\\\"},\"labels\":{\"metadata\":{\"name\":\"no\"}},"
             "\"managedFields\":[{\"name\":\"no\"},[\"name\",\"no\"]],"
             "\"name\":\"n\",\"namespace\":\"s\","
             "\"resourceVersion\":\"7\"}", " s/n 7" },
        { 0, "{\"name\":\"no\",\"spec\":{\"metadata\":{\"name\":\"no\"}},"
             "\"metadata\":{\"name\":\"n\"}}", " /n " },
        { 0, "{\"object\":{\"metadata\":{\"name\":\"no\"}}}", " / " },
        { 0, "{\"metadata\":{\"name\":\"n\"},\"metadata\":{\"name\":\"no\","
             "\"namespace\":\"no\"}}", " /n " },
        { 0, "{\"metadata\":{\"name\":\"n\",\"name\":\"no\"}}", " /n " },
        { 0, "{\"metadata\":{\"name\":7,\"namespace\":null,"
             "\"resourceVersion\":[\"7\"]}}", " / " },
        { 0, "{\"metadata\":{\"name\":\"\\u0061\",\"n\\u0061me\":\"no\","
             "\"namespace\":\"a\\\\\"}}", " / " },
        { 0, "{\"metadata\":[{\"name\":\"no\"}],\"a\":{\"name\":\"no\"}}",
          " / " },
        { 0, "[{\"metadata\":{\"name\":\"no\"}}]", " / " },
        { 0, "{\"metadata\":{\"a\":\"name\",\"b\":[\"name\"],\"\":\"no\"}}",
          " / " },
        { 0, "\"metadata\"", " / " },
        { 0, "}}]{\"metadata\"", " / " },
        { 0, "", " / " },
        { 1, "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"n\","
             "\"namespace\":\"s\",\"resourceVersion\":\"7\"}}}",
          "ADDED s/n 7" },
        { 1, "{\"object\":{\"type\":\"no\",\"metadata\":{\"annotations\":{},"
             "\"name\":\"n\"},\"spec\":{\"type\":\"no\"}},\"x\":[1],"
             "\"type\":\"DELETED\"}", "DELETED /n " },
        { 1, "{\"type\":\"ADDED\",\"metadata\":{\"name\":\"no\"}}",
          "ADDED / " },
        { 1, "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"ab",
          "ADDED / " },
        { 0, NULL, NULL }
    };

    for (i = 0; t[i].text; i++) {
        bad = 0;
        len = strlen(t[i].text);

        for (n = 1; n <= len + 1; n++) {
            out = named(t[i].text, len, n, t[i].is_event);

            if (strcmp(out, t[i].out) != 0) {
                printf("# %u: %s\n", (unsigned) n, out);
                bad++;
            }
        }

        ok(bad == 0, "names of %s in pieces of each size", t[i].text);
    }

    /* cut at each byte: the name or none */

    text = (char *) t[2].text;
    bad = 0;
    found = 0;

    for (n = 0; n < strlen(text); n++) {
        out = named(text, n, 3, 0);

        if (strcmp(out, " / ") != 0) {
            found++;
            bad += (strncmp(out, " /n ", 4) && strncmp(out, " s/n ", 5));
        }
    }

    ok(found > 20 && bad == 0, "names of a text that is cut at each byte");

    /* the longest, and one byte more */

    for (n = NGX_K8S_JSON_NAMES_WORD; n <= NGX_K8S_JSON_NAMES_WORD + 1; n++) {
        len = sprintf(long_name, "{\"metadata\":{\"name\":\"%0*d\","
                      "\"namespace\":\"%0*d\",\"resourceVersion\":\"7\"}}",
                      (int) n, 0, (int) n, 0);
        out = named(long_name, len, 7, 0);

        ok(strlen(out) == (n == NGX_K8S_JSON_NAMES_WORD ? 2 * n + 4 : 4),
           "names of %u bytes", (unsigned) n);
    }
}


static ngx_k8s_parser_t   parser;
static ngx_uint_t         turns;


static void *
parse(ngx_uint_t kind, const char *text, size_t budget)
{
    u_char     *copy;
    size_t      len;
    ngx_int_t   rc;

    len = strlen(text);
    copy = malloc(len);
    memcpy(copy, text, len);

    turns = 0;
    rc = ngx_k8s_parser_init(&parser, kind, copy, len, &unit_log);

    while (rc == NGX_OK || rc == NGX_AGAIN) {
        turns++;
        rc = ngx_k8s_parser_run(&parser, budget);

        if (rc == NGX_OK) {
            break;
        }
    }

    free(copy);

    return rc == NGX_OK ? parser.object : NULL;
}


static void
parsers(void)
{
    char                      *text, *p;
    json_t                    *json;
    u_char                     digest[NGX_K8S_DIGEST];
    ngx_str_t                 *s;
    ngx_uint_t                 i, n;
    ngx_pool_t                *pool;
    ngx_pool_large_t          *large;
    ngx_k8s_problem_t          problem;
    ngx_k8s_ingress_t         *o;
    ngx_k8s_ingress_class_t   *class;
    ngx_k8s_slice_endpoint_t  *e;
    ngx_k8s_endpoint_slice_t  *slice;

    static char  *broken[] = {
        "", "{", "[]", "{\"metadata\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1",
        "{\"a\":1}x", "{\"a\":1]", "{\"a\" 1}", "{\"a\\u0000\":1}",
        "{\"a\":\"\xff\"}", "{\"a\":tru}", "{\"\xff\":1}", "{\"status\":{",
        "{\"status\":}", "{\"status\":x", "{\"a\":\"\n\"}",
        "{\"metadata\":{\"managedFields\":[}}", NULL
    };

    text = "{\"metadata\":{\"managedFields\":[{\"a\":\"}\"}],\"name\":\"a\","
           "\"annotations\":{\"kubectl.kubernetes.io/last-applied-"
           "configuration\":\"{\\\"a\\\":1}\",\"k\":\"v\\u0000\"},"
           "\"namespace\":\"n\"},\"spec\":{\"rules\":[{\"host\":\"h\"}]},"
           "\"status\":[[[{}]]]} ";

    for (i = 1, n = 0; i < 200; i++) {
        o = parse(NGX_K8S_INGRESS, text, i);

        if (o) {
            n += o->nrules == 1 && o->object.annotations->nelts == 1
                 && turns >= strlen(text) / i / 8;
            ngx_k8s_object_free(&o->object);
        }
    }
    ok(n == 199, "an Ingress is parsed with each budget");

    class = parse(NGX_K8S_INGRESS_CLASS, "{\"metadata\":{\"name\":\"a\","
                  "\"annotations\":{\"ingressclass.kubernetes.io/"
                  "is-default-class\":\"true\"}}}", 10);
    ok(class && class->is_default, "an IngressClass has its annotations");
    ngx_k8s_object_free(&class->object);

    for (i = 0; broken[i]; i++) {
        n = parse(NGX_K8S_INGRESS, broken[i], 1) == NULL
            && parser.problem.code == NGX_K8S_PROBLEM_INVALID_OBJECT
            && parser.problem.message.len
            && ngx_k8s_parser_run(&parser, 1) == NGX_DECLINED;
        ok(n, "refused: %s", broken[i]);
    }

    /* a large slice: element by element */

    text = malloc(1000 * 300 + 1000);
    p = text + sprintf(text, "{\"metadata\":{\"name\":\"s\",\"namespace\":"
                       "\"n\"},\"endpoints\":[null");

    for (i = 0; i < 1000; i++) {
        p += sprintf(p, ",{\"addresses\":[\"10.0.%u.%u\"],\"nodeName\":"
                     "\"node-%u\",\"zone\":\"z\",\"targetRef\":{\"uid\":"
                     "\"0a1b2c3d-0000-0000-0000-%012u\",\"kind\":\"Pod\","
                     "\"name\":\"a-pod-with-a-name\",\"namespace\":\"n\"},"
                     "\"conditions\":{\"ready\":true}}",
                     (unsigned) i / 250, (unsigned) i % 250, (unsigned) i % 9,
                     (unsigned) i);
    }

    p += sprintf(p, ",{}],\"addressType\":\"IPv4\",\"ports\":[{\"port\":80}]}");

    slice = parse(NGX_K8S_ENDPOINT_SLICE, text, 4096);
    e = slice->endpoints.elts;
    ok(slice && slice->endpoints.nelts == 1000 && slice->family == 4
       && slice->nports == 1 && turns > 40
       && e[999].target.len == 36 && e[999].target.data[35] == '9'
       && e[0].ready, "a large EndpointSlice in %u turns", (unsigned) turns);
    ok(e[999].zone.data == e[0].zone.data, "its zone is kept once");

    for (large = slice->object.pool->large; large; large = large->next) {
        if (large->alloc == (void *) e) {
            break;
        }
    }

    ok(large == NULL && slice->object.pool->cleanup,
       "its endpoints are not copied");
    ok(slice->object.problems && slice->object.problems->nelts == 2,
       "what is no endpoint is a problem");
    s = &((ngx_k8s_problem_t *) slice->object.problems->elts)[1].field;
    ok(s->len == 25 && memcmp(s->data, "endpoints[1001].addresses", 25) == 0,
       "with its place");
    ngx_memcpy(digest, slice->object.digest, NGX_K8S_DIGEST);
    ngx_k8s_object_free(&slice->object);

    json = json_loads(text, 0, NULL);
    pool = ngx_create_pool(1024, &unit_log);
    slice = (void *) ngx_k8s_object_from_json(NGX_K8S_ENDPOINT_SLICE, json,
                                              pool, &problem, &unit_log);
    ok(memcmp(digest, slice->object.digest, NGX_K8S_DIGEST) == 0,
       "its digest is that of the whole");
    ngx_k8s_object_free(&slice->object);
    ngx_destroy_pool(pool);
    json_decref(json);

    *strstr(text, "a-pod-with-a-name") = 'b';
    slice = parse(NGX_K8S_ENDPOINT_SLICE, text, 4096);
    ok(memcmp(digest, slice->object.digest, NGX_K8S_DIGEST) != 0,
       "and another one when an endpoint has changed");
    ngx_k8s_object_free(&slice->object);

    (void) ngx_k8s_parser_init(&parser, NGX_K8S_ENDPOINT_SLICE,
                               (u_char *) text, p - text, &unit_log);
    ok(ngx_k8s_parser_run(&parser, 50000) == NGX_AGAIN, "parsed in part");
    ngx_k8s_parser_cancel(&parser);
    ngx_k8s_parser_cancel(&parser);

    /* names at the end */

    memcpy(strstr(text, "\"name\":\"s\""), "\"name\":\"S\"", 10);
    ok(parse(NGX_K8S_ENDPOINT_SLICE, text, 1 << 20) == NULL
       && parser.problem.field.len == 8, "a large one without a name");

    ok(ngx_k8s_parser_init(&parser, NGX_K8S_SECRET, (u_char *) text,
                           NGX_K8S_OBJECT_MAX + 1, &unit_log)
       == NGX_DECLINED
       && parser.problem.code == NGX_K8S_PROBLEM_OBJECT_TOO_LARGE
       && ngx_k8s_parser_run(&parser, 1) == NGX_DECLINED, "too large");

    /* a large Ingress: opened as deep as need be */

    p = text + sprintf(text, "{\"metadata\":{\"name\":\"i\",\"namespace\":"
                       "\"n\"},\"spec\":{\"rules\":[{\"http\":{\"paths\":[");
    for (i = 0; i < 1000; i++) {
        p += sprintf(p, "%s{\"path\":\"/%u\",\"pathType\":\"Exact\","
                     "\"backend\":{\"service\":{\"name\":\"s\",\"port\":"
                     "{\"number\":80}}}}", i ? "," : "", (unsigned) i);
    }
    p += sprintf(p, "]}}]}}");

    o = parse(NGX_K8S_INGRESS, text, 4096);
    ok(o && o->nrules == 1 && o->rules[0].npaths == 1000 && turns > 120
       && o->rules[0].paths[999].backend.port == 80
       && o->object.problems == NULL,
       "a large Ingress in %u turns, each of a few paths", (unsigned) turns);
    ngx_memcpy(digest, o->object.digest, NGX_K8S_DIGEST);
    ngx_k8s_object_free(&o->object);

    memcpy(strstr(text, "\"/999\""), "\"/998\"", 6);
    o = parse(NGX_K8S_INGRESS, text, 4096);
    ok(memcmp(digest, o->object.digest, NGX_K8S_DIGEST) != 0,
       "another digest when a path has changed");
    ngx_k8s_object_free(&o->object);

    /* many rules, of all kinds of which some are none */

    p = text + sprintf(text, "{\"metadata\":{\"name\":\"i\",\"namespace\":"
                       "\"n\"},\"spec\":{\"rules\":[null,{\"host\":5},"
                       "{\"host\":\"a\",\"http\":{\"paths\":[]}}");
    for (i = 3; i < 1000; i++) {
        p += sprintf(p, ",{\"host\":\"h%u\",\"http\":{\"paths\":[null,"
                     "{\"path\":\"/%u\",\"pathType\":\"Exact\",\"backend\":{"
                     "\"service\":{\"name\":\"s\",\"port\":{\"number\":80}}}}"
                     "]}}", (unsigned) i, (unsigned) i);
    }
    p += sprintf(p, "],\"tls\":[null");
    for (i = 1; i < 1000; i++) {
        p += sprintf(p, ",{\"hosts\":[\"h%u\"],\"secretName\":\"s%u\"}",
                     (unsigned) i, (unsigned) i);
    }
    p += sprintf(p, "]}}");

    o = parse(NGX_K8S_INGRESS, text, 4096);
    ok(o && o->ntls == 1000 && o->tls[0].nhosts == 0
       && o->tls[999].nhosts == 1 && o->tls[999].secret.len == 4
       && turns > 400, "and as many of tls");
    ok(o && o->nrules == 1000 && o->rules[0].no_host && o->rules[1].no_host
       && o->rules[2].npaths == 1 && o->rules[2].paths[0].backend.closed
       && o->rules[999].npaths == 2 && o->rules[999].paths[0].backend.closed
       && !o->rules[999].paths[1].backend.closed
       && o->rules[999].paths[1].path.len == 4 && turns > 300,
       "many rules in %u turns", (unsigned) turns);
    s = &((ngx_k8s_problem_t *) o->object.problems->elts)[3].field;
    ok(s->len == 27 && memcmp(s->data, "spec.rules[3].http.paths[0]", 27) == 0,
       "a problem has its place");

    ngx_k8s_object_free(&o->object);

    p = text;
    for (i = 0; i < 20; i++) {
        p += sprintf(p, "{\"a\":");
    }
    memset(p, '[', 50000);
    memset(p + 50000, ']', 50000);
    p[100000] = '\0';
    for (p += 100000, i = 0; i < 20; i++) {
        p += sprintf(p, "}");
    }
    ok(parse(NGX_K8S_INGRESS, text, 1 << 20) == NULL, "too deep");

    free(text);
}


/* n members of "data", each with a value of "len" times "unit" */

static ngx_k8s_secret_t *
secret(ngx_uint_t n, const char *unit, ngx_uint_t len)
{
    char        *text, *p;
    ngx_uint_t   i, j;
    void        *o;

    text = malloc(256 + n * (16 + len * strlen(unit)));
    p = text + sprintf(text, "{\"metadata\":{\"name\":\"s\",\"namespace\":"
                       "\"n\"},\"stringData\":{");

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%s\"%x\":\"", i ? "," : "", (unsigned) i);

        for (j = 0; j < len; j++) {
            p += sprintf(p, "%s", unit);
        }

        *p++ = '"';
    }

    strcpy(p, "}}");

    o = parse(NGX_K8S_SECRET, text, 16384);

    free(text);

    return o;
}


static char *
why(void)
{
    static char  buf[256];

    sprintf(buf, "%.*s", (int) parser.problem.message.len,
            parser.problem.message.data);

    return buf;
}


static ngx_uint_t
too_large(void *object)
{
    return object == NULL
           && parser.problem.code == NGX_K8S_PROBLEM_OBJECT_TOO_LARGE
           && parser.problem.message.len > 20
           && parser.name.len == 1 && parser.name.data[0] == 's'
           && parser.namespace.len == 1 && parser.namespace.data[0] == 'n';
}


/* the parser says which field it is about, and what helps */

static ngx_uint_t
says(const char *field, const char *remedy)
{
    return parser.problem.field.len == strlen(field)
           && memcmp(parser.problem.field.data, field, strlen(field)) == 0
           && parser.problem.remedy.len == strlen(remedy)
           && (*remedy == '\0'
               || memcmp(parser.problem.remedy.data, remedy, strlen(remedy))
                  == 0);
}


/* n annotations, each with a name of 4 bytes and a value of "len" ones */

static ngx_k8s_ingress_t *
annotated(ngx_uint_t n, ngx_uint_t len, const char *applied)
{
    char        *text, *p;
    ngx_uint_t   i;
    void        *o;

    text = malloc(1024 + strlen(applied) + n * (16 + len));
    p = text + sprintf(text, "{\"metadata\":{\"namespace\":\"n\","
                       "\"name\":\"s\",\"annotations\":{"
                       "\"kubectl.kubernetes.io/"
                       "last-applied-configuration\":\"%s\"", applied);

    for (i = 0; i < n; i++) {
        p += sprintf(p, ",\"%04x\":\"", (unsigned) i);
        memset(p, 'a', len);
        p += len;
        *p++ = '"';
    }

    strcpy(p, "}}}");

    o = parse(NGX_K8S_INGRESS, text, 16384);

    free(text);

    return o;
}


/* what the API server takes of annotations, and of values, in all */

static void
sums(void)
{
    char               *text, *p;
    ngx_uint_t          bad;
    ngx_k8s_secret_t   *s;
    ngx_k8s_ingress_t  *o;

    static const char  *remedy = "Leave annotations out, or make them shorter.";

    o = annotated(8, 32 * 1024 - 4, "");
    ok(o && o->object.annotations->nelts == 8, "annotations of 256 KB");
    ngx_k8s_object_free(&o->object);

    bad = too_large(annotated(8, 32 * 1024 - 3, ""));
    ok(bad && strstr(why(), "262152 bytes") && strstr(why(), "262144")
       && says("metadata.annotations", remedy),
       "eight bytes more: %s", why());

    bad = too_large(annotated(4, 1024 * 1024 - 64, ""));
    ok(bad && strstr(why(), "4194064 bytes")
       && says("metadata.annotations", remedy), "all there are: %s", why());

    text = malloc(2 * 1024 * 1024);
    memset(text, 'a', 300 * 1024);
    text[300 * 1024] = '\0';

    o = annotated(1, 4, text);
    ok(o && o->object.annotations->nelts == 1,
       "what kubectl has applied is not read");
    ngx_k8s_object_free(&o->object);

    bad = too_large(secret(9, "a", 128 * 1024));
    ok(bad && strstr(why(), "1179648 bytes") && says("stringData", ""),
       "values of more than 1 MB: %s", why());

    /* in base64: 768 KB of bytes in each */

    p = text + sprintf(text, "{\"metadata\":{\"namespace\":\"n\","
                       "\"name\":\"s\"},\"data\":{\"x\":\"");
    memset(p, 'A', 700 * 1024);
    p += 700 * 1024;
    p += sprintf(p, "\",\"y\":\"");
    memset(p, 'A', 648 * 1024);
    p += 648 * 1024;
    strcpy(p, "\"}}");

    s = parse(NGX_K8S_SECRET, text, 16384);
    ok(s && s->data->nelts == 2, "they are counted as they are decoded");
    ngx_k8s_object_free(&s->object);

    bad = too_large(parse(NGX_K8S_CONFIG_MAP, text, 16384));
    ok(bad && says("data", ""), "those of a ConfigMap as they are: %s", why());

    free(text);
}


/* what would be converted in one piece is not too much for one */

static void
limits(void)
{
    char               *text, *p;
    ngx_uint_t          i, bad;
    ngx_k8s_secret_t   *s;
    ngx_k8s_ingress_t  *o;

    s = secret(NGX_K8S_PARSER_VALUES - 16, "", 0);
    ok(s && s->data->nelts == NGX_K8S_PARSER_VALUES - 16, "many keys");
    ngx_k8s_object_free(&s->object);

    bad = too_large(secret(NGX_K8S_PARSER_VALUES, "", 0));
    ok(bad, "too many keys: %s", why());

    s = secret(1, "a", NGX_K8S_PARSER_STRING - 16);
    ok(s && s->data->nelts == 1, "a long value");
    ngx_k8s_object_free(&s->object);

    bad = too_large(secret(1, "a", NGX_K8S_PARSER_STRING));
    ok(bad && says("stringData.0", ""), "one that is too long: %s", why());
    bad = too_large(secret(3, "a", NGX_K8S_PARSER_STRING - 16));
    ok(bad, "too many of them: %s", why());
    bad = too_large(secret(1, "\\n", NGX_K8S_PARSER_ESCAPED / 2));
    ok(bad, "one with escapes: %s", why());

    /* values in values */

    text = malloc(NGX_K8S_OBJECT_MAX + 4096);

    p = text + sprintf(text, "{\"metadata\":{\"namespace\":\"n\",\"name\":"
                       "\"s\"},\"spec\":{\"x\":[");
    for (i = 0; i < NGX_K8S_PARSER_VALUES / 4; i++) {
        p += sprintf(p, "%s[[1,2]]", i ? "," : "");
    }
    strcpy(p, "]}}");

    ok(too_large(parse(NGX_K8S_INGRESS, text, 16384)), "lists in lists");

    /* those of a list that is read one by one count for themselves */

    p = text + sprintf(text, "{\"metadata\":{\"namespace\":\"n\",\"name\":"
                       "\"s\"},\"spec\":{\"tls\":[");
    for (i = 0; i < NGX_K8S_PARSER_ELEMENTS; i++) {
        p += sprintf(p, "%s{}", i ? "," : "");
    }
    strcpy(p, "]}}");

    o = parse(NGX_K8S_INGRESS, text, 16384);
    ok(o && o->ntls == NGX_K8S_PARSER_ELEMENTS
       && turns > NGX_K8S_PARSER_ELEMENTS / 32,
       "many elements, in %u turns", (unsigned) turns);
    ngx_k8s_object_free(&o->object);

    strcpy(p, ",{}]}}");
    bad = too_large(parse(NGX_K8S_INGRESS, text, 16384));
    ok(bad, "too many of them: %s", why());
    i = turns - strlen(text) / 16384;
    ok(i > NGX_K8S_PARSER_ELEMENTS / 1024, "they are freed in %u turns",
       (unsigned) i);

    strcpy(p, "],\"tls\":[]}}");
    bad = (parse(NGX_K8S_INGRESS, text, 16384) == NULL
           && parser.problem.code == NGX_K8S_PROBLEM_INVALID_OBJECT
           && parser.name.len == 1);
    ok(bad, "a list that is there twice: %s", why());

    /* between tokens */

    p = text + sprintf(text, "{\"metadata\":{\"namespace\":\"n\",\"name\":"
                       "\"s\"}");
    memset(p, ' ', 1024 * 1024);
    strcpy(p + 1024 * 1024, "}");

    o = parse(NGX_K8S_INGRESS, text, 16384);
    ok(o && turns > 16, "white space in %u turns", (unsigned) turns);
    ngx_k8s_object_free(&o->object);

    free(text);
}


static ngx_int_t  allowed;


static void *
scarce(size_t size)
{
    return allowed-- > 0 ? malloc(size) : NULL;
}


/* without memory a good object is not taken for a broken one */

static ngx_uint_t
status_of(ngx_uint_t kind, const char *status, u_char *spec, u_char *digest)
{
    char               text[256];
    ngx_k8s_object_t  *o;

    sprintf(text, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\"}%s%s}",
            *status ? ",\"status\":" : "", status);

    o = parse(kind, text, 1);

    if (o == NULL) {
        return 0;
    }

    memcpy(spec, o->digest, NGX_K8S_DIGEST);
    memcpy(digest, o->status, NGX_K8S_DIGEST);
    ngx_k8s_object_free(o);

    return 1;
}


/* a status has a digest of its own, of the kinds that keep it */

static void
statuses(void)
{
    u_char      spec[4][NGX_K8S_DIGEST], status[4][NGX_K8S_DIGEST];
    ngx_uint_t  kind, i, n, same;

    static char  *values[] = {
        "", "{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"}]}}",
        "{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.2\"}]}}", "{}"
    };

    static u_char  none[NGX_K8S_DIGEST];

    for (kind = 0; kind < NGX_K8S_KINDS; kind++) {

        same = 0;

        for (n = 0; n < 4; n++) {
            if (!status_of(kind, values[n], spec[n], status[n])) {
                break;
            }

            same += memcmp(spec[n], spec[0], NGX_K8S_DIGEST) == 0;
        }

        ok(same == 4, "%s: no status is a change of what is asked",
           ngx_k8s_kinds[kind].name.data);

        same = memcmp(status[0], none, NGX_K8S_DIGEST) == 0;

        for (n = 1; n < 4; n++) {
            for (i = 0; i < n; i++) {
                same += memcmp(status[n], status[i], NGX_K8S_DIGEST) == 0;
            }
        }

        ok(same == (ngx_k8s_kinds[kind].status ? 1 : 7),
           "each is another one where that matters");
    }
}


static void
memory(void)
{
    void       *o;
    ngx_uint_t  n, refused;

    static char  text[] = "{\"metadata\":{\"name\":\"i\",\"namespace\":"
                          "\"n\",\"annotations\":{\"a\":\"\\u0041\"}},"
                          "\"spec\":{\"rules\":[{\"host\":\"h\"}]}}";

    json_set_alloc_funcs(scarce, free);

    refused = 0;
    o = NULL;

    for (n = 0; o == NULL && n < 1000; n++) {
        allowed = n;
        o = parse(NGX_K8S_INGRESS, text, 10);
        refused += (o == NULL && parser.problem.message.len);
    }

    allowed = 1000;
    json_set_alloc_funcs(malloc, free);

    ok(o && n > 10 && refused == 0, "%u lacks of memory, taken %u times for "
       "something else", (unsigned) n, (unsigned) refused);

    ngx_k8s_object_free(o);
}


int
main(int argc, char **argv)
{
    unit_init();

    skip();
    member();
    cutter();
    names();
    parsers();
    statuses();
    limits();
    sums();
    memory();

    return done();
}
