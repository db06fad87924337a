
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* Snippets: words as nginx reads them, what is taken, what is left out. */


#include "unit.h"
#include <ngx_k8s_snippet.h>


typedef struct {
    ngx_uint_t   context;
    char        *text;
    char        *read;
    char        *errors;
    ngx_uint_t   guards;
    ngx_uint_t   closes;
} snippet_case_t;


#define L  NGX_K8S_SNIPPET_LOCATION
#define S  NGX_K8S_SNIPPET_SERVER
#define A  NGX_K8S_SNIPPET_AUTH
#define I  NGX_K8S_SNIPPET_INNER
#define H  NGX_K8S_SNIPPET_HTTP


/* "read": each statement, words in brackets, blocks in braces */

static snippet_case_t  snippet_cases[] = {

    { L, "", "", "", 0, 0 },
    { L, " # nothing\n\n#;{\n", "", "", 0, 0 },
    { L, "gzip on;", "gzip[on]", "", 0, 0 },
    { L, "gzip\n  on # not off\n;etag off;", "gzip[on]etag[off]", "", 0, 0 },
    { L, "add_header X \"a 'b' \\\"c\\\"\";", "add_header[X][a 'b' \"c\"]", "",
      0, 0 },
    { L, "add_header X 'a;b{c}';", "add_header[X][a;b{c}]", "", 0, 0 },
    { L, "add_header X a\\;b;", "add_header[X][a\\;b]", "", 0, 0 },
    { L, "add_header X ${host}b always;", "add_header[X][${host}b][always]", "",
      0, 0 },
    { L, "return 200 \"a\\nb\\tc\";", "return[200][a\nb\tc]", "", 0, 0 },
    { L, "return 403;", "return[403]", "", 1, 0 },
    { L, "return https://a.example/$uri;", "return[https://a.example/$uri]",
      "", 1, 0 },
    { L, "if ($http_x = \"a b\") { set $y 1; return 302 /x; }",
      "if[($http_x][=][a b][)]{set[$y][1]return[302][/x]}", "", 1, 0 },
    { L, "if ($a) { return 404; } deny all;", "if[($a)]{return[404]}deny[all]",
      "", 1, 0 },
    { L, "allow 10.0.0.0/8; allow ::1; deny all;",
      "allow[10.0.0.0/8]allow[::1]deny[all]", "", 1, 0 },
    { L, "rewrite ^/a/(.*)$ /$1 break;", "rewrite[^/a/(.*)$][/$1][break]", "",
      0, 0 },
    { L, "more_set_headers -s 404 -t 'text/html' \"X: 1\" 'Y';",
      "more_set_headers[-s][404][-t][text/html][X: 1][Y]", "", 0, 0 },
    { L, "more_clear_headers Server 'X-*';", "more_clear_headers[Server][X-*]",
      "", 0, 0 },
    { L, "sub_filter 'a' \"$host\"; proxy_read_timeout 1h;",
      "sub_filter[a][$host]proxy_read_timeout[1h]", "", 0, 0 },

    { S, "location = /x { return 200 \"x\"; } if ($a) { return 403; }",
      "location[=][/x]{return[200][x]}if[($a)]{return[403]}", "", 1, 0 },
    { S, "location ~* \\.(php|cgi)$ { if ($a) { return 301 /; } deny all; }",
      "location[~*][\\.(php|cgi)$]{if[($a)]{return[301][/]}deny[all]}", "", 1,
      0 },
    { S, "location /x { deny all; return 204; }",
      "location[/x]{deny[all]return[204]}", "", 1, 0 },
    { S, "location @x { internal; return 503; } error_page 502 503 =200 @x;",
      "location[@x]{internalreturn[503]}error_page[502][503][=200][@x]", "",
      1, 0 },
    { S, "location ^~ /x { } location =/y { gzip off; } location ~\\.z$ { }",
      "location[^~][/x]{}location[=/y]{gzip[off]}location[~\\.z$]{}", "", 0,
      0 },
    { S, "gzip on; proxy_set_header X y; proxy_read_timeout 1s;",
      "gzip[on]proxy_set_header[X][y]proxy_read_timeout[1s]", "", 0, 0 },
    { S, "satisfy any;", "", "line 1: \"satisfy\" has no effect there", 1, 1 },
    { S, "location /x { satisfy any; }", "location[/x]{satisfy[any]}", "", 1,
      0 },
    { I, "internal; return 404; proxy_read_timeout 1s;",
      "internalreturn[404]proxy_read_timeout[1s]", "", 1, 0 },
    { L, "error_page 404 = /x?a=$uri; error_page 500 http://a.example/;",
      "error_page[404][=][/x?a=$uri]error_page[500][http://a.example/]", "", 0,
      0 },
    { A, "proxy_set_header X \"a $host\";", "proxy_set_header[X][a $host]", "",
      0, 0 },

    { H, "map $http_x $y { default 0; \"~*bot\" 1; a b; ~^(.+)$ $1; }\n"
      "geo $z { default 0; 10.0.0.0/8 1; ::1 2; }",
      "map[$http_x][$y]{[default][0][~*bot][1][a][b][~^(.+)$][$1]}"
      "geo[$z]{[default][0][10.0.0.0/8][1][::1][2]}", "", 0, 0 },
    { H, "map $a $b { volatile; '' 1; }", "map[$a][$b]{[volatile][][1]}", "", 0,
      0 },

    /* what is wrong is left out */

    { L, "gzip on;\ncharset utf-8;", "gzip[on]",
      "line 2: \"charset\" is not read in snippets", 0, 0 },
    { L, "gzip yes;", "", "line 1: \"gzip\" has a bad argument", 0, 0 },
    { L, "gzip;", "", "line 1: \"gzip\" has another number of arguments", 0,
      0 },
    { L, "gzip on {}", "", "line 1: \"gzip\" has no block", 0, 0 },
    { L, "if ($a);", "", "line 1: \"if\" has no block behind it", 0, 0 },
    { L, "gzip $arg_x;", "", "line 1: \"gzip\" has no variables", 0, 0 },
    { L, "add_header Transfer-Encoding x;", "",
      "line 1: \"add_header\" has a header that is for nginx alone to set", 0,
      0 },
    { L, "more_clear_headers 'Con*';", "",
      "line 1: \"more_clear_headers\" has a header that is for nginx alone to "
      "set", 0, 0 },
    { L, "add_header \"X: y\\nZ\" a;", "",
      "line 1: \"add_header\" has a control character", 0, 0 },
    { L, "if ($a) { if ($b) { return 302 /; } }", "if[($a)]{}",
      "line 1: \"if\" has no effect there", 1, 1 },
    { L, "if (-f $request_filename) { break; }", "",
      "line 1: \"if\" has a condition that is not read", 0, 0 },
    { L, "set $k8s_x 1; set x 1; set $1 2;", "",
      "line 1: \"set\" has no variable that can be set; line 1: \"set\" has no "
      "variable; line 1: \"set\" has no variable that can be set", 0, 0 },
    { L, "proxy_cookie_path ~^(a+)+b /;", "",
      "line 1: \"proxy_cookie_path\" has a regular expression, which is not "
      "to be had there", 0, 0 },
    { L, "rewrite \"(*LIMIT_MATCH=9)a\" /;", "",
      "line 1: \"rewrite\" has a regular expression with settings of PCRE", 0,
      0 },
    { L, "types { text/x x; }\ngzip on;", "gzip[on]",
      "line 1: \"types\" is not read in snippets", 0, 0 },
    { L, "location /x { deny all; }", "",
      "line 1: \"location\" has no effect there", 1, 1 },
    { A, "gzip on;", "", "line 1: \"gzip\" has no effect there", 0, 0 },
    { S, "location /x { location /y { gzip on; } }", "location[/x]{}",
      "line 1: \"location\" has no effect there", 0, 0 },
    { S, "if ($a) { add_header X y; }", "if[($a)]{}",
      "line 1: \"add_header\" has no effect there", 0, 0 },
    { S, "location @ { return 403; }", "",
      "line 1: \"location\" has a path that is not read", 1, 1 },
    { S, "location x { gzip on; }", "",
      "line 1: \"location\" has a path that is not read", 0, 0 },
    { S, "internal;", "", "line 1: \"internal\" has no effect there", 1, 1 },
    { L, "error_page 200 /x; error_page 499 /x; error_page =200 /x; "
      "error_page 404 x;", "",
      "line 1: \"error_page\" has no statuses and URI that are read; line 1: "
      "\"error_page\" has no statuses and URI that are read; line 1: "
      "\"error_page\" has no statuses and URI that are read", 0, 0 },

    { H, "limit_req_zone $a zone=z:1m rate=1r/s;\nupstream u { server a; }\n"
      "gzip on;", "",
      "line 1: \"limit_req_zone\" is for nginx.conf, in http { }; line 2: "
      "\"upstream\" is for nginx.conf, in http { }; line 3: \"gzip\" is for "
      "nginx.conf, in http { }", 0, 0 },
    { H, "map $a $b { hostnames; x y; } geo $c { 1.2.3.4 5; }",
      "geo[$c]{[1.2.3.4][5]}",
      "line 1: \"map\" has an entry that is not read", 0, 0 },
    { H, "geo $a { include f; } geo $b { 1.2.3.4 $c; } geo $d { all 1; } "
      "map $a $b { x \"y\\nz\"; }", "",
      "line 1: \"geo\" has an entry that is not read; line 1: \"geo\" has an "
      "entry that is not read; line 1: \"geo\" has an entry that is not read",
      0, 0 },
    { H, "map a b { } map $a $1 { } map $a $b;", "",
      "line 1: \"map\" has no variable; line 1: \"map\" has no variable that "
      "can be set; line 1: \"map\" has no block behind it", 0, 0 },
    { L, "map $a $b { x y; }", "", "line 1: \"map\" has no effect there", 0,
      0 },

    /* and closes where it may protect */

    { H, "deny 10.0.0.1;", "",
      "line 1: \"deny\" is for nginx.conf, in http { }", 1, 1 },
    { H, "map $a $b { x { y; } }", "", "line 1: unexpected \"{\"", 1, 1 },
    { H, "map $a $b { x y;", "", "line 1: \"}\" is missing", 1, 1 },

    { L, "auth_request /x;", "", "line 1: \"auth_request\" is not read in "
      "snippets", 1, 1 },
    { L, "deny 10.0.0.0/33;", "",
      "line 1: \"deny\" has no address, range or \"all\"", 1, 1 },
    { L, "dney all;", "", "line 1: \"dney\" is no directive that is known", 1,
      1 },
    { L, "limit_except GET { deny all; }\ngzip on;", "gzip[on]",
      "line 1: \"limit_except\" is not read in snippets", 1, 1 },
    { L, "set_by_lua $a 'return 1'; if ($a) { return 403; }",
      "if[($a)]{return[403]}",
      "line 1: \"set_by_lua\" is not read in snippets", 1, 1 },
    { L, "if (-f $a) { return 403; }", "",
      "line 1: \"if\" has a condition that is not read", 1, 1 },
    { L, "deny 10.0.0.1; gzip perhaps;", "deny[10.0.0.1]",
      "line 1: \"gzip\" has a bad argument", 1, 0 },
    { L, "internal now;", "",
      "line 1: \"internal\" has another number of arguments", 1, 1 },

    { L, "set_by_lua $a 'return 1'; if ($a) { return 302 /login; }",
      "if[($a)]{return[302][/login]}",
      "line 1: \"set_by_lua\" is not read in snippets", 1, 1 },
    { L, "try_files $uri =404; rewrite ^ /login redirect;",
      "rewrite[^][/login][redirect]",
      "line 1: \"try_files\" is not read in snippets", 1, 1 },
    { L, "try_files $uri =404; rewrite ^/a /b;", "rewrite[^/a][/b]",
      "line 1: \"try_files\" is not read in snippets", 0, 0 },
    { L, "try_files $uri =404; return 200;", "return[200]",
      "line 1: \"try_files\" is not read in snippets", 0, 0 },
    { L, "more_clear_input_headers Host;", "",
      "line 1: \"more_clear_input_headers\" has a header that is for "
      "nginx alone to set", 1, 0 },
    { L, "proxy_ssl_verify on;", "",
      "line 1: \"proxy_ssl_verify\" is not read in snippets", 1, 1 },
    { L, "proxy_ssl_server_name on;", "",
      "line 1: \"proxy_ssl_server_name\" is not read in snippets", 0, 0 },

    /* where a statement ends is not known */

    { L, "gzip on;\netag off", "", "line 2: \";\" is missing", 1, 1 },
    { L, "gzip on; }", "", "line 1: unexpected \"}\"", 1, 1 },
    { L, "if ($a) { gzip on;", "", "line 1: \"}\" is missing", 1, 1 },
    { L, "types { a b;", "", "line 1: \"}\" is missing", 1, 1 },
    { L, "add_header X \"a;", "", "line 1: a quote is not closed", 1, 1 },
    { L, "add_header X \"a\"b;", "",
      "line 1: a blank is missing behind a quote", 1, 1 },
    { L, ";", "", "line 1: unexpected \";\"", 1, 1 },
    { L, "{ }", "", "line 1: unexpected \"{\"", 1, 1 },
    { L, "gzip \001on;", "", "line 1: it has a control character", 1, 1 },
    { L, "if ($a) { gzip on }", "", "line 1: \";\" is missing before \"}\"", 1,
      1 },
    { L, "a b c d e f g h i j k l m n o p q r s t u v w x y z 1 2 3 4 5 6 7;",
      "", "line 1: it has more than 32 words", 1, 1 },

    { 0, NULL, NULL, NULL, 0, 0 }
};


static u_char *
snippet_write(ngx_k8s_snippet_t *s, ngx_uint_t first, ngx_uint_t last,
    u_char *p)
{
    ngx_uint_t            i, k;
    ngx_k8s_statement_t  *st;

    st = s->statements.elts;

    for (i = first; i < last; i++) {

        if (st[i].directive->effect != NGX_K8S_SNIPPET_ENTRY) {
            p = ngx_sprintf(p, "%V", &st[i].directive->name);
        }

        for (k = 0; k < st[i].n; k++) {
            p = ngx_sprintf(p, "[%V]", &st[i].words[k]);
        }

        if (st[i].directive->effect == NGX_K8S_SNIPPET_IF
            || st[i].directive->effect == NGX_K8S_SNIPPET_IN
            || st[i].directive->effect == NGX_K8S_SNIPPET_MAP
            || st[i].directive->effect == NGX_K8S_SNIPPET_GEO)
        {
            *p++ = '{';
            p = snippet_write(s, i + 1, st[i].end, p);
            *p++ = '}';

            i = st[i].end - 1;
        }
    }

    return p;
}


static void
snippet_reads(ngx_pool_t *pool)
{
    u_char             *p, read[8192], errors[1024];
    ngx_str_t           text, *error;
    ngx_uint_t          i;
    snippet_case_t     *c;
    ngx_k8s_snippet_t   s;

    for (c = snippet_cases; c->text; c++) {

        text.data = (u_char *) c->text;
        text.len = ngx_strlen(c->text);

        ok(ngx_k8s_snippet(&s, pool, c->context, &text) == NGX_OK, "%s",
           c->text);

        *snippet_write(&s, 0, s.statements.nelts, read) = '\0';

        ok(ngx_strcmp(read, c->read) == 0, "reads \"%s\"", read);

        p = errors;
        error = s.errors.elts;

        for (i = 0; i < s.errors.nelts; i++) {
            p = ngx_sprintf(p, "%s%V", i ? "; " : "", &error[i]);
        }

        *p = '\0';

        ok(ngx_strcmp(errors, c->errors) == 0, "says \"%s\"", errors);
        ok(s.guards == c->guards && s.closes == c->closes,
           "guards: %d, closes: %d", s.guards, s.closes);
    }
}


static void
snippet_limits(ngx_pool_t *pool)
{
    u_char             *p, buf[NGX_K8S_SNIPPET_BYTES + 2];
    ngx_str_t           text;
    ngx_uint_t          i;
    ngx_k8s_snippet_t   s;

    text.data = buf;

    /* one word */

    ngx_memset(buf, 'a', sizeof(buf));
    text.len = NGX_K8S_SNIPPET_BYTES;

    ok(ngx_k8s_snippet(&s, pool, L, &text) == NGX_OK && s.closes
       && s.statements.nelts == 0, "a word of 4 KB");

    ngx_memcpy(buf, "set $a ", 7);
    buf[NGX_K8S_SNIPPET_BYTES - 1] = ';';

    ok(ngx_k8s_snippet(&s, pool, L, &text) == NGX_OK && !s.closes
       && s.statements.nelts == 1, "a value of 4 KB");

    text.len++;

    ok(ngx_k8s_snippet(&s, pool, L, &text) == NGX_OK && s.closes
       && s.statements.nelts == 0, "one byte more");

    for (i = 0; i < 2; i++) {
        p = buf;

        for (text.len = 0; text.len < NGX_K8S_SNIPPET_STATEMENTS / 2 + i;
             text.len++)
        {
            p = ngx_cpymem(p, "if ($a) { set $b 1; }",
                           sizeof("if ($a) { set $b 1; }") - 1);
        }

        text.len = p - buf;

        ok(ngx_k8s_snippet(&s, pool, L, &text) == NGX_OK
           && s.closes == i
           && s.statements.nelts == (i ? 0 : NGX_K8S_SNIPPET_STATEMENTS),
           "%d statements", (int) s.statements.nelts);
    }

    p = buf;

    while (p < buf + NGX_K8S_SNIPPET_BYTES - 16) {
        p = ngx_cpymem(p, "types {", 7);
    }

    text.len = p - buf;

    ok(ngx_k8s_snippet(&s, pool, L, &text) == NGX_OK && s.closes,
       "blocks without end");
}


static void
snippet_conditions(void)
{
    char                 *why;
    ngx_uint_t            i;
    ngx_k8s_condition_t   c;

    static struct {
        char        *words[6];
        ngx_uint_t   op;
        ngx_uint_t   not;
        char        *value;
    } cases[] = {
        { { "($a)" }, NGX_K8S_SNIPPET_TRUE, 0, "" },
        { { "(", "$a", ")" }, NGX_K8S_SNIPPET_TRUE, 0, "" },
        { { "($a", ")" }, NGX_K8S_SNIPPET_TRUE, 0, "" },
        { { "(", "$a)" }, NGX_K8S_SNIPPET_TRUE, 0, "" },
        { { "($a", "=", "b)" }, NGX_K8S_SNIPPET_EQUAL, 0, "b" },
        { { "($a", "=", ")" }, NGX_K8S_SNIPPET_EQUAL, 0, NULL },
        { { "($a", "=", "", ")" }, NGX_K8S_SNIPPET_EQUAL, 0, "" },
        { { "(", "$a", "!=", "b c", ")" }, NGX_K8S_SNIPPET_EQUAL, 1, "b c" },
        { { "($a", "~*", "(x|y))" }, NGX_K8S_SNIPPET_MATCH, 0, "(x|y)" },
        { { "($a", "!~", "^b)" }, NGX_K8S_SNIPPET_MATCH, 1, "^b" },
        { { "(" }, 0, 0, NULL },
        { { ")" }, 0, 0, NULL },
        { { "" }, 0, 0, NULL },
        { { "()" }, 0, 0, NULL },
        { { "($)" }, 0, 0, NULL },
        { { "($a.b)" }, 0, 0, NULL },
        { { "($a" }, 0, 0, NULL },
        { { "a)" }, 0, 0, NULL },
        { { "($a", "==", "b)" }, 0, 0, NULL },
        { { "($a", "=", "b" }, 0, 0, NULL },
        { { "($a", "=", "b", "c)" }, 0, 0, NULL },
        { { NULL }, 0, 0, NULL }
    };

    ngx_uint_t  n;
    ngx_str_t   word[6];

    for (i = 0; cases[i].words[0]; i++) {

        for (n = 0; n < 6 && cases[i].words[n]; n++) {
            word[n].data = (u_char *) cases[i].words[n];
            word[n].len = ngx_strlen(cases[i].words[n]);
        }

        why = ngx_k8s_snippet_condition(word, n, &c);

        ok(cases[i].value
           ? (why == NULL && c.op == cases[i].op && c.not == cases[i].not
              && c.variable.len == 2
              && c.value.len == ngx_strlen(cases[i].value)
              && (c.value.len == 0
                  || ngx_strncmp(c.value.data, cases[i].value, c.value.len)
                     == 0))
           : why != NULL,
           "condition %s %s", cases[i].words[0], why ? why : "");
    }
}


/* what is in a block reads by itself as it does there */

static void
snippet_blocks(ngx_pool_t *pool)
{
    u_char               *p, one[1024], two[1024];
    ngx_str_t             text;
    ngx_k8s_snippet_t     s, inner;
    ngx_k8s_statement_t  *st;

    static ngx_str_t  whole = ngx_string(
        "gzip on; location ~ \"^/a{2}}\" { # }\n"
        " if ($a) { return 200 '}'; } add_header X \"{\"; } etag off;");

    ok(ngx_k8s_snippet(&s, pool, S, &whole) == NGX_OK && s.nerrors == 0,
       "a location");

    st = s.statements.elts;
    p = snippet_write(&s, 2, st[1].end, one);
    *p = '\0';

    text = st[1].text;

    ok(ngx_k8s_snippet(&inner, pool, I, &text) == NGX_OK && inner.nerrors == 0
       && inner.statements.nelts == st[1].end - 2, "its text");

    *snippet_write(&inner, 0, inner.statements.nelts, two) = '\0';

    ok(ngx_strcmp(one, two) == 0, "reads \"%s\"", two);
}


static void
snippet_closes(void)
{
    ngx_str_t      value;
    ngx_k8s_row_t  row;

    ngx_memzero(&row, sizeof(ngx_k8s_row_t));

    row.grammar = &ngx_k8s_grammar_snippet_location;
    ngx_str_set(&value, "deny all;");

    ok(!ngx_k8s_value_closes(&row, &value), "a row that closes nothing");

    row.flags = NGX_K8S_ROW_CLOSES_ROUTE;

    ok(ngx_k8s_value_closes(&row, &value), "a snippet that refuses somebody");

    row.flags = NGX_K8S_ROW_CLOSES_HOST;

    ok(ngx_k8s_value_closes(&row, &value), "the same of a host");

    row.flags = NGX_K8S_ROW_CLOSES_ROUTE;

    ngx_str_set(&value, "gzip on;");

    ok(!ngx_k8s_value_closes(&row, &value), "a snippet that does not");

    row.grammar = &ngx_k8s_grammar_text;

    ok(ngx_k8s_value_closes(&row, &value), "another value");
}


int
main(int argc, char *argv[])
{
    ngx_pool_t  *pool;

    unit_init();

    pool = ngx_create_pool(4096, &unit_log);

    snippet_reads(pool);
    snippet_limits(pool);
    snippet_conditions();
    snippet_blocks(pool);
    snippet_closes();

    ngx_destroy_pool(pool);

    return done();
}
