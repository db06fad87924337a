
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* Users and what is stored of them: which are found, and which are taken. */


#include "unit.h"
#include <ngx_k8s_passwords.h>


static void
users(const char *lines, const char *user, const char *rest)
{
    char       *copy;
    ngx_int_t   rc;
    ngx_str_t   l, u, r;

    /* a byte too many is seen by ASan */

    l.len = strlen(lines);
    copy = malloc(l.len + 1);
    memcpy(copy, lines, l.len);
    copy = realloc(copy, l.len ? l.len : 1);
    l.data = (u_char *) copy;
    u.len = strlen(user);
    u.data = (u_char *) user;

    rc = ngx_k8s_users_find(&l, &u, &r);

    ok(rest ? (rc == NGX_OK && r.len == strlen(rest)
               && memcmp(r.data, rest, r.len) == 0)
            : rc == NGX_DECLINED,
       "\"%s\" is %s", user, rest ? rest : "not found");
    ok(rc == NGX_OK || r.len == 0
       || (r.data >= l.data && r.data + r.len <= l.data + l.len),
       "what stands for it is there");

    free(copy);
}


static void
form(const char *text, ngx_uint_t takes, const char *part)
{
    ngx_str_t   s;
    ngx_uint_t  rc;

    s.len = strlen(text);
    s.data = (u_char *) text;

    rc = ngx_k8s_password_form(&s);

    ok(rc == takes && s.len == strlen(part), "\"%s\" takes %d", text,
       (int) rc);
}


static void
many(void)
{
    char  text[8192], *p, user[16], rest[16];
    int   i;

    p = text;

    for (i = 0; i < 500; i++) {
        p += sprintf(p, "u%03d:%d\n", i, i);
    }

    for (i = 0; i < 500; i++) {
        sprintf(user, "u%03d", i);
        sprintf(rest, "%d", i);
        users(text, user, rest);
    }

    users(text, "t", NULL);
    users(text, "u2505", NULL);
    users(text, "v", NULL);
}


int
main(void)
{
    unit_init();

    users("", "a", NULL);
    users("\n", "a", NULL);
    users("a:1\n", "a", "1");
    users("a:1", "a", "1");
    users("a:1\n", "", NULL);
    users(":1\na:2\n", "", "1");
    users("a:1\na.b:2\nab:3\n", "a", "1");
    users("a:1\na.b:2\nab:3\n", "a.b", "2");
    users("a:1\na.b:2\nab:3\n", "ab", "3");
    users("a:1\na.b:2\nab:3\n", "a:1", NULL);
    users("a:1\na.b:2\nab:3\n", "A", NULL);
    users("a:1:x\n", "a", "1:x");
    users("none", "none", NULL);
    users("b:1\na:2\n", "c", NULL);
    users("\n\n\n\n", "c", NULL);
    many();

    form("{PLAIN}a", NGX_K8S_PASSWORD_CHEAP, "{PLAIN}a");
    form("{PLAIN}a:b", NGX_K8S_PASSWORD_CHEAP, "{PLAIN}a");
    form("{PLAIN}", NGX_K8S_PASSWORD_NEVER, "{PLAIN}");
    form("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", NGX_K8S_PASSWORD_CHEAP,
         "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=");
    form("{SSHA}a", NGX_K8S_PASSWORD_CHEAP, "{SSHA}a");
    form("$apr1$a$b", NGX_K8S_PASSWORD_COSTLY, "$apr1$a$b");
    form("$1$a$b:c", NGX_K8S_PASSWORD_COSTLY, "$1$a$b");
    form("$5$a$b", NGX_K8S_PASSWORD_COSTLY, "$5$a$b");
    form("$6$rounds=100000$a$b", NGX_K8S_PASSWORD_COSTLY,
         "$6$rounds=100000$a$b");
    form("$6$rounds=100001$a$b", NGX_K8S_PASSWORD_NEVER,
         "$6$rounds=100001$a$b");
    form("$6$rounds=99999999999999999999$a", NGX_K8S_PASSWORD_NEVER,
         "$6$rounds=99999999999999999999$a");
    form("$6$rounds=", NGX_K8S_PASSWORD_NEVER, "$6$rounds=");
    form("$6$rounds=x$a$b", NGX_K8S_PASSWORD_NEVER, "$6$rounds=x$a$b");
    form("$2y$12$a", NGX_K8S_PASSWORD_COSTLY, "$2y$12$a");
    form("$2a$04$a", NGX_K8S_PASSWORD_COSTLY, "$2a$04$a");
    form("$2b$13$a", NGX_K8S_PASSWORD_NEVER, "$2b$13$a");
    form("$2y$31$a", NGX_K8S_PASSWORD_NEVER, "$2y$31$a");
    form("$2y$1", NGX_K8S_PASSWORD_NEVER, "$2y$1");
    form("$2y$", NGX_K8S_PASSWORD_NEVER, "$2y$");
    form("$y$j9T$a$b", NGX_K8S_PASSWORD_NEVER, "$y$j9T$a$b");
    form("$7$a", NGX_K8S_PASSWORD_NEVER, "$7$a");
    form("_J9..abcdabcdefghijk", NGX_K8S_PASSWORD_NEVER,
         "_J9..abcdabcdefghijk");
    form("abNANd1rDfiNc", NGX_K8S_PASSWORD_COSTLY, "abNANd1rDfiNc");
    form("abNANd1rDfiN!", NGX_K8S_PASSWORD_NEVER, "abNANd1rDfiN!");
    form("secret", NGX_K8S_PASSWORD_NEVER, "secret");
    form("", NGX_K8S_PASSWORD_NEVER, "");

    return done();
}
