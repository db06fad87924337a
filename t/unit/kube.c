
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* The wire format of the API: addresses, events, Status objects, versions. */


#include <unit.h>
#include <ngx_k8s_api.h>


static ngx_str_t  base = ngx_string("https://[fd00::1]:6443/prefix");
static ngx_str_t  none = ngx_null_string;


static ngx_uint_t
is(ngx_str_t *s, char *text)
{
    return s->len == ngx_strlen(text)
           && ngx_strncmp(s->data, text, s->len) == 0;
}


static void
url(ngx_uint_t kind, char *namespace, char *object, ngx_k8s_query_t *q,
    char *want)
{
    char               *got;
    ngx_k8s_request_t   req;

    ngx_memzero(&req, sizeof(ngx_k8s_request_t));

    req.kind = kind;
    req.namespace.data = (u_char *) namespace;
    req.namespace.len = ngx_strlen(namespace);
    req.name.data = (u_char *) object;
    req.name.len = ngx_strlen(object);

    if (q) {
        req.query = *q;
    }

    got = ngx_k8s_api_url(&base, &req, &unit_log);

    if (want == NULL) {
        ok(got == NULL, "no address of \"%s\" \"%s\"", namespace, object);

    } else {
        ok(got && ngx_strcmp(got, want) == 0, "%s", want);
    }

    if (got) {
        ngx_free(got);
    }
}


static void
urls(void)
{
    char             *long_name;
    ngx_k8s_query_t   q;

    url(NGX_K8S_SERVICE, "", "", NULL,
        "https://[fd00::1]:6443/prefix/api/v1/services");
    url(NGX_K8S_INGRESS, "a", "", NULL, "https://[fd00::1]:6443/prefix/apis/"
        "networking.k8s.io/v1/namespaces/a/ingresses");
    url(NGX_K8S_ENDPOINT_SLICE, "", "", NULL, "https://[fd00::1]:6443/prefix/"
        "apis/discovery.k8s.io/v1/endpointslices");
    url(NGX_K8S_SECRET, "a", "b.c", NULL, "https://[fd00::1]:6443/prefix/api/"
        "v1/namespaces/a/secrets/b.c");

    /* what a tenant writes never leaves its segment */

    url(NGX_K8S_SECRET, "a", "../b?c#d%2f", NULL, "https://[fd00::1]:6443/"
        "prefix/api/v1/namespaces/a/secrets/..%2Fb%3Fc%23d%252f");
    url(NGX_K8S_SECRET, "a", "..", NULL, NULL);
    url(NGX_K8S_SECRET, ".", "b", NULL, NULL);

    long_name = malloc(300);
    memset(long_name, 'a', 299);
    long_name[299] = '\0';
    url(NGX_K8S_SECRET, "a", long_name, NULL, NULL);
    free(long_name);

    ngx_memzero(&q, sizeof(ngx_k8s_query_t));
    q.watch = 1;
    q.initial = 1;
    q.not_older = 1;
    q.timeout = 301;
    ngx_str_set(&q.version, "12");
    url(NGX_K8S_NAMESPACE, "", "", &q, "https://[fd00::1]:6443/prefix/api/v1/"
        "namespaces?watch=true&allowWatchBookmarks=true&sendInitialEvents=true"
        "&resourceVersion=12&resourceVersionMatch=NotOlderThan"
        "&timeoutSeconds=301");

    ngx_memzero(&q, sizeof(ngx_k8s_query_t));
    q.limit = 500;
    ngx_str_set(&q.token, "a+b=&\xff");
    ngx_str_set(&q.fields, "type!=x,type!=y/z");
    url(NGX_K8S_SECRET, "", "", &q, "https://[fd00::1]:6443/prefix/api/v1/"
        "secrets?limit=500&continue=a%2Bb%3D%26%FF"
        "&fieldSelector=type%21%3Dx%2Ctype%21%3Dy%2Fz");
}


static ngx_int_t
event(char *line, ngx_k8s_event_t *ev)
{
    u_char     *p;
    size_t      len;
    ngx_int_t   rc;

    static u_char           *copy;
    static ngx_k8s_json_names_t   names;

    /* a copy of just its size, so that a byte too far is noticed */

    free(copy);

    len = ngx_strlen(line);
    p = malloc(len ? len : 1);
    memcpy(p, line, len);
    copy = p;

    ngx_k8s_json_names_init(&names, 1);
    ngx_k8s_json_names_feed(&names, p, p + len);

    rc = ngx_k8s_api_event(&names, p, p + len, ev);

    if (line[0] == '\0') {
        free(copy);
        copy = NULL;
    }

    return rc;
}


static void
events(void)
{
    size_t            n, bad;
    char             *line, *part;
    ngx_k8s_event_t   ev;

    line = "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Ingress\",\"apiVersion\""
           ":\"networking.k8s.io/v1\",\"metadata\":{\"name\":\"n\",\"namespace"
           "\":\"ns\",\"labels\":{\"name\":\"other\"},\"resourceVersion\":\"7\""
           "},\"spec\":{\"a\":\"}\\\"{\"}}}";

    ok(event(line, &ev) == NGX_OK && ev.type == NGX_K8S_EVENT_ADDED,
       "an event");
    ok(is(&ev.name, "n") && is(&ev.namespace, "ns") && is(&ev.version, "7"),
       "its object's name and version");
    ok(ev.object.data[0] == '{' && ev.object.data[ev.object.len - 1] == '}'
       && ngx_strncmp(ev.object.data, "{\"kind\"", 7) == 0
       && ev.object.len == ngx_strlen(line)
                           - ngx_strlen("{\"type\":\"ADDED\",\"object\":}"),
       "its object");

    ok(event("{ \"type\" : \"DELETED\" , \"object\" : { \"metadata\" : "
             "{ \"resourceVersion\" : \"8\" } } } ", &ev) == NGX_OK
       && ev.type == NGX_K8S_EVENT_DELETED && is(&ev.version, "8")
       && ev.name.len == 0, "white space");

    ok(event("{\"object\":{\"metadata\":{\"name\":\"n\"}},\"type\":"
             "\"MODIFIED\"}", &ev) == NGX_OK
       && ev.type == NGX_K8S_EVENT_MODIFIED && is(&ev.name, "n")
       && ev.version.len == 0, "another order");

    ok(event("{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resource"
             "Version\":\"9\",\"annotations\":{\"k8s.io/initial-events-end\":"
             "\"true\"}}}}", &ev) == NGX_OK
       && ev.type == NGX_K8S_EVENT_BOOKMARK && is(&ev.version, "9")
       && ngx_k8s_api_initial_end(&ev.object), "end of the initial events");

    ok(event("{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resource"
             "Version\":\"9\",\"annotations\":{}}}}", &ev) == NGX_OK
       && !ngx_k8s_api_initial_end(&ev.object), "a bookmark");

    ok(event("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\\u00"
             "62\",\"resourceVersion\":8}}}", &ev) == NGX_OK
       && ev.name.len == 0 && ev.version.len == 0,
       "escapes and numbers count as none");

    ok(event("", &ev) == NGX_ERROR, "an empty line");
    ok(event("{", &ev) == NGX_ERROR, "a broken line");
    ok(event("{\"type\":\"NE", &ev) == NGX_ERROR
       && event("{\"type\":\"ADDED\",\"object\":{\"metadata\":{", &ev)
          == NGX_ERROR, "cut lines");
    ok(event("<html>", &ev) == NGX_ERROR, "another format");
    ok(event("{\"type\":\"NEW\",\"object\":{}}", &ev) == NGX_DECLINED,
       "an unknown type");
    ok(event("{\"type\":\"ADDED\"}", &ev) == NGX_ERROR, "no object");
    ok(event("{\"type\":\"ADDED\",\"object\":null}", &ev) == NGX_ERROR,
       "null for an object");
    ok(event("{\"type\":\"ADDED\",\"object\":[]}", &ev) == NGX_ERROR,
       "a list for an object");

    /* cut at each byte: refused, or a string within the line */

    bad = 0;

    for (n = 0; n < ngx_strlen(line); n++) {
        part = strndup(line, n);

        if (event(part, &ev) == NGX_OK && ev.object.len > n) {
            bad++;
        }

        free(part);
    }

    ok(bad == 0, "cut at each byte");
}


/* of a line that was not kept there is what its names say */

static void
heads(void)
{
    ngx_k8s_event_t  ev;
    ngx_k8s_json_names_t  names;

    ngx_memzero(&names, sizeof(ngx_k8s_json_names_t));

    ngx_str_set(&names.type, "MODIFIED");
    ngx_str_set(&names.name, "n");
    ngx_str_set(&names.version, "7");

    ok(ngx_k8s_api_event(&names, NULL, NULL, &ev) == NGX_OK
       && ev.type == NGX_K8S_EVENT_MODIFIED && is(&ev.name, "n")
       && ev.namespace.len == 0 && is(&ev.version, "7")
       && ev.object.len == 0, "a line that was not kept");

    ngx_str_set(&names.type, "BOOKMARK");
    ok(ngx_k8s_api_event(&names, NULL, NULL, &ev) == NGX_OK
       && ev.type == NGX_K8S_EVENT_BOOKMARK
       && !ngx_k8s_api_initial_end(&ev.object), "a bookmark ends nothing");

    ngx_str_set(&names.type, "NEW");
    ok(ngx_k8s_api_event(&names, NULL, NULL, &ev) == NGX_DECLINED,
       "one of an unknown type");

    ngx_str_null(&names.type);
    ok(ngx_k8s_api_event(&names, NULL, NULL, &ev) == NGX_ERROR,
       "one without a type");
}


static void
statuses(void)
{
    char              *text;
    ngx_k8s_status_t   st;

    text = "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\","
           "\"message\":\"too old\\nresource version: 1 (2)\"}";
    ngx_k8s_api_status((u_char *) text, ngx_strlen(text), &st);
    ok(st.code == 410 && st.expired && !st.too_large, "expired");
    ok(st.len == 31 && ngx_strncmp(st.message, "too old resource", 16) == 0,
       "its message is one line");

    text = "{\"code\":504,\"reason\":\"Timeout\",\"message\":\"Timeout: Too "
           "large resource version: 9, current: 1\",\"details\":"
           "{\"retryAfterSeconds\":3}}";
    ngx_k8s_api_status((u_char *) text, ngx_strlen(text), &st);
    ok(st.code == 504 && st.too_large && !st.expired && st.retry_after == 3,
       "too large by its message");

    text = "{\"code\":504,\"details\":{\"causes\":[null,7,{\"reason\":"
           "\"ResourceVersionTooLarge\"}]}}";
    ngx_k8s_api_status((u_char *) text, ngx_strlen(text), &st);
    ok(st.too_large, "too large by its cause");

    text = "{\"code\":\"410\",\"reason\":{},\"message\":[],\"details\":\"x\"}";
    ngx_k8s_api_status((u_char *) text, ngx_strlen(text), &st);
    ok(st.code == 0 && !st.expired && st.len == 0, "wrong types");

    ngx_k8s_api_status((u_char *) "<html>", 6, &st);
    ok(st.code == 0 && st.len == 0, "no JSON");

    ngx_k8s_api_status((u_char *) "", 0, &st);
    ok(st.code == 0, "nothing");
}


static ngx_uint_t
older(char *a, char *b)
{
    ngx_str_t  x, y;

    x.data = (u_char *) a;
    x.len = ngx_strlen(a);
    y.data = (u_char *) b;
    y.len = ngx_strlen(b);

    return ngx_k8s_api_older(&x, &y);
}


static void
versions(void)
{
    ok(older("9", "10"), "9 is older than 10");
    ok(!older("10", "9"), "10 is not older than 9");
    ok(!older("10", "10"), "10 is not older than 10");
    ok(older("99999999999999999999998", "99999999999999999999999"),
       "more digits than an integer holds");
    ok(!older("010", "9") && older("009", "10"), "leading zeros");
    ok(!older("", "1") && !older("1", ""), "an empty one is not older");
    ok(!older("a1", "2") && !older("1", "2b"), "what is no number is not");
    ok(!ngx_k8s_api_older(&none, &none), "none");
}


int
main(void)
{
    unit_init();

    urls();
    events();
    heads();
    statuses();
    versions();

    (void) event("", &(ngx_k8s_event_t) { 0 });

    return done();
}
