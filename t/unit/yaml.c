
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <unit.h>
#include <ngx_k8s_resource.h>
#include <ngx_k8s_yaml.h>


/* all documents as compact JSON, one a line; an error as "! line: why" */

static char *
dump(const char *text, size_t len, ngx_uint_t json)
{
    char             *s;
    json_t           *doc;
    u_char           *copy;
    ngx_int_t         rc;
    ngx_k8s_yaml_t   *y;

    static char  out[1 << 16];

    copy = malloc(len);
    memcpy(copy, text, len);

    y = ngx_k8s_yaml_open(copy, len, json, NULL, &unit_log);

    out[0] = '\0';

    for ( ;; ) {
        rc = ngx_k8s_yaml_next(y, 3, &doc);

        if (rc == NGX_AGAIN) {
            continue;
        }

        if (rc != NGX_OK) {
            break;
        }

        s = json_dumps(doc, JSON_COMPACT|JSON_ENCODE_ANY);
        snprintf(out + strlen(out), 4096, "%s%s", out[0] ? "\n" : "", s);

        free(s);
        json_decref(doc);
    }

    if (rc == NGX_DECLINED) {
        snprintf(out + strlen(out), 4096, "%s! %.*s", out[0] ? "\n" : "",
                 (int) ngx_k8s_yaml_error(y)->len,
                 ngx_k8s_yaml_error(y)->data);

        if (ngx_k8s_yaml_next(y, 1, &doc) != NGX_DECLINED) {
            strcat(out, " and goes on");
        }

    } else if (rc != NGX_DONE) {
        strcat(out, "! no memory");
    }

    ngx_k8s_yaml_close(y);
    free(copy);

    return out;
}


static void
texts(void)
{
    char        *out;
    ngx_uint_t   i;

    static struct {
        const char  *text, *out;
    } t[] = {

        /* structure */
        { "", "" },
        { "# nothing\n---\n---\n# nothing either\n...\n", "" },
        { "a: 1\n---\nb: [x, {c: d}]\n", "{\"a\":1}\n{\"b\":[\"x\",{\"c\":"
          "\"d\"}]}" },
        { "a:\n- b: |\n    x\n    y\n  c: >\n    z\n    w\n",
          "{\"a\":[{\"b\":\"x\\ny\\n\",\"c\":\"z w\\n\"}]}" },
        { "just text", "\"just text\"" },
        { "{\"a\":[1,true,null,\"x\\u00e9\"]}",
          "{\"a\":[1,true,null,\"x\xc3\xa9\"]}" },

        /* scalars */
        { "[80, '80', \"80\", -1, +1, 0x1F, 0o17, 017, 0b101, 1_000, 08]",
          "[80,\"80\",\"80\",-1,1,31,15,15,5,1000,8.0]" },
        { "[1.5, .5, 1., 1e3, -1.5e-3, 1e999, 1.2.3, 1a, -, +, ., 0x, 0xg]",
          "[1.5,0.5,1.0,1000.0,-0.0015,\"1e999\",\"1.2.3\",\"1a\",\"-\","
          "\"+\",\".\",\"0x\",\"0xg\"]" },
        { "[yes, Yes, YES, y, on, true, True, no, n, Off, FALSE, yEs, tRUE]",
          "[true,true,true,true,true,true,true,false,false,false,false,"
          "\"yEs\",\"tRUE\"]" },
        { "['yes', \"no\", 'null', '~', '']",
          "[\"yes\",\"no\",\"null\",\"~\",\"\"]" },
        { "a: ~\nb:\nc: null\nd: NULL\ne: nULL\n",
          "{\"a\":null,\"b\":null,\"c\":null,\"d\":null,\"e\":\"nULL\"}" },
        { "[2024-01-02T03:04:05Z, 2024-01-02, 1:20, 10.0.0.1, v1, \"a b\"]",
          "[\"2024-01-02T03:04:05Z\",\"2024-01-02\",\"1:20\",\"10.0.0.1\","
          "\"v1\",\"a b\"]" },
        { "[9223372036854775807, -9223372036854775807, 9223372036854775808]",
          "[9223372036854775807,-9223372036854775807,9.2233720368547758e18]" },
        { "[!!str 80, !!int \"80\", !!bool \"true\", ! 80, !x 80, "
          "!!float \"1\", !!null \"\"]",
          "[\"80\",80,true,\"80\",\"80\",1,null]" },
        { "a: .inf", "! line 1, column 4: a number is not finite" },
        { "a: .NaN", "! line 1, column 4: a number is not finite" },
        { "80: a\ntrue: b\n~: c\n",
          "{\"80\":\"a\",\"true\":\"b\",\"~\":\"c\"}" },

        /* anchors and merge keys */
        { "a: &x {b: 1}\nc: *x\nd: [*x, *x]\n",
          "{\"a\":{\"b\":1},\"c\":{\"b\":1},\"d\":[{\"b\":1},{\"b\":1}]}" },
        { "a: &x s\n*x : 1\n", "{\"a\":\"s\",\"s\":1}" },
        { "a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}" },
        { "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n  r: 4\n",
          "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"q\":3,\"r\":4,\"p\":1}}" },
        { "x: {q: 3, <<: [{q: 1, p: 1}, {p: 2, z: 5}]}",
          "{\"x\":{\"q\":3,\"p\":1,\"z\":5}}" },
        { "x: {<<: {<<: {a: 1}, b: 2}, c: 3}",
          "{\"x\":{\"c\":3,\"b\":2,\"a\":1}}" },
        { "x: {'<<': 1}", "{\"x\":{\"<<\":1}}" },
        { "x: {<<: 1}", "! line 1, column 9: what is merged is no mapping" },
        { "x: {<<: [1]}",
          "! line 1, column 11: what is merged is no mapping" },
        { "a: *x", "! line 1, column 4: an alias names no complete anchor" },
        { "a: &x [*x]",
          "! line 1, column 8: an alias names no complete anchor" },
        { "a: &x 1\n---\na: *x\n",
          "{\"a\":1}\n! line 3, column 4: an alias names no complete anchor" },

        /* what is broken */
        { "a: 1\na: 2\n", "! line 2, column 1: the key \"a\" is there twice" },
        { "? [a]\n: 1\n", "! line 1, column 3: a key is no scalar" },
        { "\"a\\0b\": 1", "! line 1, column 1: a key holds a null byte" },
        { "a: 1\n---\nb: [\n", "{\"a\":1}\n! line 4, column 1: did not find "
          "expected node content" },
        { "a:\n\tb: 1\n", "! line 2, column 1: found character that cannot "
          "start any token" },
        { NULL, NULL }
    };

    for (i = 0; t[i].text; i++) {
        out = dump(t[i].text, strlen(t[i].text), 0);

        if (strcmp(out, t[i].out) != 0) {
            printf("# %s\n# %s\n", out, t[i].out);
        }

        ok(strcmp(out, t[i].out) == 0, "text %u", (unsigned) i);
    }
}


static void
bounds(void)
{
    char    text[8192], *p, *out;
    int     i, n;

    /* a billion laughs */

    p = text + sprintf(text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");

    for (i = 1; i < 20; i++) {
        p += sprintf(p, "a%d: &a%d [", i, i);

        for (n = 0; n < 10; n++) {
            p += sprintf(p, "%s*a%d", n ? "," : "", i - 1);
        }

        p += sprintf(p, "]\n");
    }

    out = dump(text, p - text, 0);
    ok(strstr(out, "aliases stand for too much") != NULL, "a billion laughs");

    memset(text, '[', 1000);
    out = dump(text, 1000, 0);
    ok(strstr(out, "nested too deeply") != NULL, "nested too deeply");

    for (p = text, i = 0; i < 60; i++) {
        p += sprintf(p, "{a: ");
    }
    p += sprintf(p, "1");
    for (i = 0; i < 60; i++) {
        p += sprintf(p, "}");
    }
    out = dump(text, p - text, 0);
    ok(strstr(out, "!") == NULL, "sixty levels are well");

    out = dump("a: \xff\n", 6, 0);
    ok(out[0] == '!', "no UTF-8: %s", out);

    out = dump("a: 1\n\nb: x\xff\n", 12, 0);
    ok(strstr(out, "! line 3, column 5: ") != NULL, "and where: %s", out);

    out = dump("{\"a\":1}\n---\nb: \xff\n", 17, 0);
    ok(strstr(out, "! line 3, column 4: ") != NULL, "below JSON: %s", out);

    out = dump("a: \0\n", 5, 0);
    ok(out[0] == '!', "a null byte: %s", out);
}


static void
documents(void)
{
    char  *out;

    out = dump(" {\"a\":1}\n\n[2]{} ", 16, 1);
    ok(strcmp(out, "{\"a\":1}\n[2]\n{}") == 0, "JSON documents: %s", out);

    out = dump("{\"a\":1}\n{\"b\":\n x}", 17, 1);
    ok(strncmp(out, "{\"a\":1}\n! line 3, column 2:", 26) == 0,
       "broken JSON: %s", out);

    out = dump(" \n", 2, 1);
    ok(out[0] == '\0', "no JSON");
}


/* each document once, whatever is before it */

static void
lines(void)
{
    char            *text, *p;
    json_t          *doc;
    ngx_int_t        rc;
    ngx_uint_t       n, line;
    ngx_k8s_yaml_t  *y;

    text = malloc(20000 * 256);

    for (p = text, n = 0; n < 20000; n++) {
        p += sprintf(p, "{\"n\":\n%u,\"v\":\"%0200u\"}\n", (unsigned) n, 0);
    }

    y = ngx_k8s_yaml_open((u_char *) text, p - text, 0, NULL, &unit_log);

    line = 1;
    n = 0;

    do {
        rc = ngx_k8s_yaml_next(y, 3, &doc);

        if (rc == NGX_OK) {
            line += (ngx_k8s_yaml_line(y, 0) != 2 * n++ + 1);
            json_decref(doc);
        }

    } while (rc == NGX_OK || rc == NGX_AGAIN);

    ok(n == 20000 && line == 1, "very many JSON documents");

    ngx_k8s_yaml_close(y);
    free(text);
}


/* one document of a text, as the reader gives it, in pieces; NULL: an error */

static ngx_uint_t  pieces;
static char        why[256];


static json_t *
large_read(const char *text, size_t len, ngx_uint_t json)
{
    u_char          *copy;
    json_t          *doc, *trash;
    ngx_int_t        rc;
    ngx_k8s_yaml_t  *y;

    copy = malloc(len);
    memcpy(copy, text, len);

    trash = json_array();
    y = ngx_k8s_yaml_open(copy, len, json, trash, &unit_log);
    doc = NULL;

    for (pieces = 1; /* void */ ; pieces++) {
        rc = ngx_k8s_yaml_next(y, 100, &doc);

        if (rc != NGX_AGAIN) {
            break;
        }
    }

    snprintf(why, sizeof(why), "%.*s", (int) ngx_k8s_yaml_error(y)->len,
             ngx_k8s_yaml_error(y)->data);

    ngx_k8s_yaml_close(y);
    json_decref(trash);
    free(copy);

    return rc == NGX_OK ? doc : NULL;
}


/* a value at random, not deeper than "depth" */

static char *
large_value(char *p, ngx_uint_t depth)
{
    ngx_uint_t  n, i, object;

    static char  *scalars[] = { "1", "-2.5e3", "true", "false", "null", "\"\"",
                                "\"a\\n\\u20ac\"", "\"\xc3\xa9\"" };

    if (depth == 0 || random() % 3 == 0) {
        return p + sprintf(p, "%s", scalars[random() % 8]);
    }

    object = random() % 2;
    p += sprintf(p, object ? "{ " : "[\n");

    for (i = 0, n = random() % 12; i < n; i++) {
        p += sprintf(p, "%s", i ? " ,\n" : "");

        if (object) {
            p += sprintf(p, "\"k%u\" :", (unsigned) random() % 10);
        }

        p = large_value(p, depth - 1);
    }

    return p + sprintf(p, object ? "}" : " ]");
}


/* large documents of JSON are read in pieces, as jansson reads them */

static void
large(void)
{
    char        *text, *p;
    json_t      *doc, *same;
    ngx_uint_t   i, n, bad, read, line, rounds;

    text = malloc(4 * 1024 * 1024);
    rounds = unit_rounds(300);

    for (n = 0, bad = 0, read = 0; n < rounds; n++) {
        srandom(n + 1);

        p = text + sprintf(text, "{");

        for (i = 0; p - text < 20000; i++) {
            p += sprintf(p, "%s\"m%u\":", i ? "," : "", (unsigned) i);
            p = large_value(p, random() % 9);
        }

        p += sprintf(p, "}");

        /* some are broken */

        if (n % 2) {
            text[random() % (p - text)] = ",{}[]\":x\n"[random() % 9];
        }

        doc = large_read(text, p - text, 1);
        read += (pieces > 1);
        same = json_loadb(text, p - text, JSON_ALLOW_NUL|JSON_DISABLE_EOF_CHECK,
                          NULL);

        bad += (doc && same) ? !json_equal(doc, same) : doc != same;

        json_decref(doc);
        json_decref(same);
    }

    ok(bad == 0 && read * 6 > rounds * 5,
       "documents of JSON as jansson reads them");

    /* where it is broken */

    p = text + sprintf(text, "[\n");

    for (line = 2; p - text < 100000; line++) {
        p += sprintf(p, "{\"a\":\"b\"},\n");
    }

    p += sprintf(p, "  {\"a\" \"b\"}]");
    ok(large_read(text, p - text, 1) == NULL && pieces > 5
       && atoi(why + 5) == (int) line, "%s: line %u", why, (unsigned) line);

    /* YAML that looks like it */

    p = text + sprintf(text, "{\"a\": 1, b: [");

    while (p - text < 100000) {
        p += sprintf(p, "x, ");
    }

    p += sprintf(p, "y]}\n");
    doc = large_read(text, p - text, 0);
    ok(doc && json_array_size(json_object_get(doc, "b")) > 30000,
       "a mapping that begins as JSON");
    json_decref(doc);

    /* nesting */

    for (n = 60; n < 80; n += 10) {
        p = text;

        for (i = 0; i < n; i++) {
            p += sprintf(p, "[\n");
        }

        for (i = 0; i < 20000; i++) {
            p += sprintf(p, "%s1", i ? "," : "");
        }

        for (i = 0; i < n; i++) {
            p += sprintf(p, "]");
        }

        doc = large_read(text, p - text, 1);
        ok(n == 60 ? doc != NULL : doc == NULL && strstr(why, "too deeply"),
           "%u lists in each other: %s", (unsigned) n, why);
        json_decref(doc);
    }

    /* strings that no object may have */

    p = text + sprintf(text, "{\"a\":\"");
    memset(p, 'y', 3000000);
    p += 3000000;
    p += sprintf(p, "\",\"b\":\"");

    for (i = 0; i < 200000; i++) {
        p += sprintf(p, "\\t");
    }

    p += sprintf(p, "\",\"c\":[2]}");

    doc = large_read(text, p - text, 1);
    ok(doc && json_string_length(json_object_get(doc, "a"))
              == NGX_K8S_PARSER_STRING
       && json_string_length(json_object_get(doc, "b"))
          == NGX_K8S_PARSER_ESCAPED / 2
       && json_integer_value(json_array_get(json_object_get(doc, "c"), 0)) == 2,
       "overlong strings, in %u pieces", (unsigned) pieces);
    json_decref(doc);

    p = text + sprintf(text, "{\"");
    memset(p, 'y', 3000000);
    ok(large_read(text, 3000000, 1) == NULL, "an overlong name: %s", why);

    free(text);
}


/* "head", so many times "element", of which the first has no comma, "tail" */

static char *
repeated(const char *head, const char *element, ngx_uint_t n, const char *tail)
{
    char        *text, *p;
    ngx_uint_t   i;

    text = malloc(strlen(head) + n * (strlen(element) + 16) + strlen(tail)
                  + 1);

    p = text + sprintf(text, "%s", head);

    for (i = 0; i < n; i++) {
        p += sprintf(p, element + (i == 0 && element[0] == ','), (unsigned) i);
    }

    strcpy(p, tail);

    return text;
}


/* what would take libyaml, or a hash that grows, a long turn is refused */

static void
refused(void)
{
    char        *text;
    json_t      *doc;
    ngx_uint_t   i;

    static struct {
        const char  *what, *head, *element, *tail, *why;
        ngx_uint_t   n, json;
    } t[] = {

        { "a value of 1 MB", "a: 1\nb: ", "x", "\n", NULL, 1048576, 0 },
        { "a value of more", "a: 1\nb: ", "x", "\n",
          "line 2, column 1: a value or a comment of more than 1 MB", 1200000,
          0 },
        { "a block of 1 MB", "a: |\n", "    0123456789abcdef0123456789abcdef01"
          "23456789abcdef0123456789abcdef\n", "", NULL, 16000, 0 },
        { "a block of more", "a: |\n", "  x\n", "", "line 1, column 1: a value",
          260000, 0 },
        { "a comment of more", "a: 1\n\n\n#", "x", "\nb: 1\n",
          "line 1, column 1: a value or a comment", 1200000, 0 },
        { "comments of more, between values", "a:\n", "- x\n#\n", "", NULL,
          250000, 0 },
        { "empty lines", "a: 1\n", "\n", "b: 1\n", "line 1, column 1: a value",
          700000, 0 },
        { "some directives", "", "%%TAG !t%u! x\n", "---\na: 1\n", NULL, 60,
          0 },
        { "many directives", "", "%%TAG !t%u! x\n", "---\na: 1\n",
          "line 1, column 1: a value or a comment of more than 1 MB, or very "
          "many directives", 100, 0 },
        { "directives behind other breaks", "",
          "%%TAG !t%u! x\xe2\x80\xa8%%TAG !u%1$u! x\xc2\x85", "---\na: 1\n",
          "line 1, column 1: a value", 50, 0 },
        { "percentages", "a: |\n", "  100%% \xc3\xa9%%\n", "", NULL, 10000,
          0 },

        { "a list", "a: [", ",1", "]\n", NULL, 262144, 0 },
        { "a longer list", "a: [", ",1", "]\n", "a list has too many elements",
          262145, 0 },
        { "a mapping", "a: {", ",k%u: 1", "}\n", NULL, 32768, 0 },
        { "a larger mapping", "a: {", ",k%u: 1", "}\n",
          "a mapping has too many keys", 32769, 0 },
        { "a list of JSON", "{\"a\": [", ",1", "]}", NULL, 262144, 1 },
        { "a longer list of JSON", "{\"a\": [", ",1", "]}",
          "there are too many values in one place", 262145, 1 },
        { "an object of JSON", "{\"a\": {", ",\"%u\": 1", "}}", NULL, 32768,
          1 },
        { "a larger object of JSON", "{\"a\": {", ",\"%u\": 1", "}}",
          "there are too many values in one place", 32769, 1 },

        { "a merge", "a: &a {", ",k%u: 1", "}\nb: {<<: *a}\n", NULL, 1023, 0 },
        { "a larger merge", "a: &a {", ",k%u: 1", "}\nb: {<<: *a}\n",
          "line 2, column 9: merge keys bring too much", 1024, 0 },
        { "a merge of many", "a: &a {k: 1}\nb: {<<: [", ",*a", "]}\n",
          "merge keys bring too much", 513, 0 },

        { "a key", "? ", "k", "\n: 1\n", NULL, 16384, 0 },
        { "a longer key", "? ", "k", "\n: 1\n",
          "line 1, column 3: a key is too long", 16385, 0 },

        { NULL, NULL, NULL, NULL, NULL, 0, 0 }
    };

    for (i = 0; t[i].what; i++) {
        text = repeated(t[i].head, t[i].element, t[i].n, t[i].tail);
        doc = large_read(text, strlen(text), t[i].json);

        ok(t[i].why ? doc == NULL && strstr(why, t[i].why) : doc != NULL,
           "%s: %s", t[i].what, doc ? "read" : why);

        json_decref(doc);
        free(text);
    }
}


/* how much is done at once is bounded by bytes as well */

static void
steps(void)
{
    char        *text, *p;
    json_t      *doc;
    unsigned     i;
    ngx_uint_t   n;

    text = repeated("a: [", ",0123456789012345678901234567890123456789"
                    "012345678901234567890123456789012345678901234567890123456",
                    16000, "]\n");
    doc = large_read(text, strlen(text), 0);
    n = pieces;
    json_decref(doc);
    free(text);

    p = text = malloc(1700000);

    for (i = 0; i < 400; i++) {
        p += sprintf(p, "k%u: %04000u\n", i, i);
    }

    doc = large_read(text, p - text, 0);
    ok(json_object_size(doc) == 400 && pieces > 100 && pieces < n,
       "1.6 MB of 800 nodes in %u pieces, of 16,000 in %u", (unsigned) pieces,
       (unsigned) n);
    json_decref(doc);
    free(text);

    text = repeated("{}", "\n", 1000000, "{\"a\": 1}\n{\"a\" 1}");
    doc = large_read(text, strlen(text), 1);
    json_decref(doc);
    ok(doc && pieces > 14, "a text of 1 MB is counted in %u",
       (unsigned) pieces);
    free(text);

    text = repeated("", " ", 1000000, "{\"a\" 1}");
    doc = large_read(text, strlen(text), 1);
    ok(doc == NULL && pieces > 28
       && strncmp(why, "line 1, column 1000006: ", 24) == 0,
       "and white space is skipped in %u: %s", (unsigned) pieces, why);
    free(text);

    text = repeated("{\"a\"", " ", 1000000, ":1}");
    doc = large_read(text, strlen(text), 1);
    ok(json_integer_value(json_object_get(doc, "a")) == 1 && pieces > 28,
       "and that before a colon in %u", (unsigned) pieces);
    json_decref(doc);
    free(text);
}


/* elements of a list in a large document of JSON */

static void
places(void)
{
    char            *text;
    u_char          *copy;
    json_t          *doc;
    ngx_int_t        rc;
    ngx_uint_t       i, n, bad;
    ngx_k8s_yaml_t  *y;

    static const char  *t[][3] = {
        { "\n{\"items\": [", ",\n\n{\"n\": [%u]}", "]}" },
        { "\n{\"items\": [1], \"items\": [", ",\n\n[%u]", "]}" },
        { "\n{\"items\": [", ",\n\n%u", "], \"a\": [[1]]}" }
    };

    for (i = 0; i < 3; i++) {
        text = repeated(t[i][0], t[i][1], 20000, t[i][2]);
        copy = malloc(strlen(text));
        memcpy(copy, text, strlen(text));

        y = ngx_k8s_yaml_open(copy, strlen(text), 0, NULL, &unit_log);

        do {
            rc = ngx_k8s_yaml_next(y, 100, &doc);
        } while (rc == NGX_AGAIN);

        bad = (rc != NGX_OK) + (ngx_k8s_yaml_line(y, 0) != 2);

        for (n = 1; n <= 20000; n++) {
            bad += (ngx_k8s_yaml_line(y, n) != 2 * n + 2);
        }

        bad += (ngx_k8s_yaml_line(y, n) != 2);

        ok(bad == 0, "lines of elements, %u wrong", (unsigned) bad);

        json_decref(doc);
        ngx_k8s_yaml_close(y);
        free(copy);
        free(text);
    }

    text = repeated("{\"items\": [{}],\n\"a\": [", ",\n%u", 20000, "]}");
    doc = large_read(text, strlen(text), 0);
    ok(json_array_size(json_object_get(doc, "items")) == 1, "a short list");
    json_decref(doc);
    free(text);
}


/* the same whatever the pieces are that it is decoded in */

static void
decoded(void)
{
    size_t                  len, size, max;
    u_char                 *text;
    ngx_int_t               rc;
    ngx_uint_t              i, bad;
    ngx_k8s_yaml_decode_t   d;

    static ngx_str_t  t[][2] = {
        { ngx_string("a\xef\xbb\xbf\n\xef\xbb\xbf" "b\n\xef\xbb\xbf\xef\xbb"
                     "\xbf\n\xef\xbb"),
          ngx_string("a\xef\xbb\xbf\nb\n\xef\xbb\xbf\n\xef\xbb") },
        { ngx_string("\xff\xfe" "a\0\x3d\xd8\x00\xde\x3d\xd8\xac\x20\n\0\xff"
                     "\xfe" "b\0c"),
          ngx_string("a\xf0\x9f\x98\x80\xef\xbf\xbd\xe2\x82\xac\nb") },
        { ngx_string("\xfe\xff\0a\xd8\x3d\xde\x00\0\n\xde\x00"),
          ngx_string("a\xf0\x9f\x98\x80\n\xef\xbf\xbd") },
        { ngx_string(""), ngx_string("") },
        { ngx_string("ab"), ngx_string("ab") }
    };

    for (i = 0; i < 5; i++) {
        size = t[i][0].len;
        bad = 0;

        for (max = 1; max <= size + 1; max++) {
            len = size;
            text = malloc(ngx_max(len, 1));
            memcpy(text, t[i][0].data, len);

            ngx_k8s_yaml_decode_begin(&d, text, len);

            do {
                rc = ngx_k8s_yaml_decode_run(&d, &text, &len, max, &unit_log);
            } while (rc == NGX_AGAIN);

            bad += (rc != NGX_OK || len != t[i][1].len
                    || memcmp(text, t[i][1].data, len) != 0);

            ngx_k8s_yaml_decode_end(&d);
            free(text);
        }

        ok(bad == 0, "text %u in pieces of any size, %u wrong", (unsigned) i,
           (unsigned) bad);
    }
}


int
main(int argc, char **argv)
{
    unit_init();

    texts();
    bounds();
    documents();
    lines();
    large();
    refused();
    steps();
    places();
    decoded();

    return done();
}
