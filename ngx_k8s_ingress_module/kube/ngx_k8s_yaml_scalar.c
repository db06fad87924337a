
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_yaml_scalar.h>


#define NGX_K8S_YAML_TAG        "tag:yaml.org,2002:"

/* digits of a number; what is longer is a string */
#define NGX_K8S_YAML_NUMBER     64


static json_t *ngx_k8s_yaml_string(ngx_str_t *s);
static ngx_int_t ngx_k8s_yaml_word(ngx_str_t *s, json_t **json);
static json_t *ngx_k8s_yaml_integer(char *digits);
static json_t *ngx_k8s_yaml_real(char *digits);


typedef struct {
    const char  *words;
    json_type    type;
} ngx_k8s_yaml_words_t;


/* what YAML 1.1 reads as something else than a string, in kubectl's parser */

static ngx_k8s_yaml_words_t  ngx_k8s_yaml_words[] = {
    { " ~ null Null NULL ", JSON_NULL },
    { " y Y yes Yes YES true True TRUE on On ON ", JSON_TRUE },
    { " n N no No NO false False FALSE off Off OFF ", JSON_FALSE },
    { " .nan .NaN .NAN .inf .Inf .INF +.inf +.Inf +.INF -.inf -.Inf -.INF ",
      JSON_REAL },
    { NULL, JSON_NULL }
};


json_t *
ngx_k8s_yaml_resolve(ngx_str_t *s, u_char *tag, ngx_uint_t plain,
    char **error)
{
    u_char   *p;
    size_t    i, n;
    json_t   *json;
    char      digits[NGX_K8S_YAML_NUMBER + 1];

    *error = NULL;

    n = sizeof(NGX_K8S_YAML_TAG) - 1;

    if (tag == NULL) {
        if (!plain) {
            return ngx_k8s_yaml_string(s);
        }

    } else if (ngx_strncmp(tag, NGX_K8S_YAML_TAG, n) != 0
               || (ngx_strcmp(tag + n, "int") != 0
                   && ngx_strcmp(tag + n, "bool") != 0
                   && ngx_strcmp(tag + n, "float") != 0
                   && ngx_strcmp(tag + n, "null") != 0))
    {
        return ngx_k8s_yaml_string(s);
    }

    if (s->len == 0) {
        return json_null();
    }

    switch (ngx_k8s_yaml_word(s, &json)) {

    case NGX_OK:
        return json;

    case NGX_ERROR:
        *error = "a number is not finite";
        return NULL;
    }

    if (s->len > NGX_K8S_YAML_NUMBER
        || (s->data[0] != '+' && s->data[0] != '-' && s->data[0] != '.'
            && (s->data[0] < '0' || s->data[0] > '9')))
    {
        return ngx_k8s_yaml_string(s);
    }

    /* "_" between digits means nothing */

    for (p = s->data, n = 0, i = 0; i < s->len; i++) {
        if (p[i] != '_') {
            digits[n++] = p[i];
        }
    }

    digits[n] = '\0';

    if (ngx_strlen(digits) != n) {
        return ngx_k8s_yaml_string(s);
    }

    json = ngx_k8s_yaml_integer(digits);

    if (json == NULL) {
        json = ngx_k8s_yaml_real(digits);
    }

    return json ? json : ngx_k8s_yaml_string(s);
}


/* libyaml has seen that it is UTF-8 */

static json_t *
ngx_k8s_yaml_string(ngx_str_t *s)
{
    return json_stringn_nocheck((char *) s->data, s->len);
}


/* NGX_DECLINED: none of the words; NGX_ERROR: JSON has no such value */

static ngx_int_t
ngx_k8s_yaml_word(ngx_str_t *s, json_t **json)
{
    u_char                 word[8];
    ngx_k8s_yaml_words_t  *w;

    if (s->len > 5 || ngx_strlchr(s->data, s->data + s->len, ' ')
        || ngx_strlchr(s->data, s->data + s->len, '\0'))
    {
        return NGX_DECLINED;
    }

    word[0] = ' ';
    ngx_memcpy(word + 1, s->data, s->len);
    word[s->len + 1] = ' ';
    word[s->len + 2] = '\0';

    for (w = ngx_k8s_yaml_words; w->words; w++) {

        if (ngx_strstr(w->words, word) == NULL) {
            continue;
        }

        switch (w->type) {

        case JSON_NULL:
            *json = json_null();
            return NGX_OK;

        case JSON_TRUE:
            *json = json_true();
            return NGX_OK;

        case JSON_FALSE:
            *json = json_false();
            return NGX_OK;

        default:
            return NGX_ERROR;
        }
    }

    return NGX_DECLINED;
}


/* decimal, 0x, 0b, 0o and, as C has it, 0 for octal */

static json_t *
ngx_k8s_yaml_integer(char *digits)
{
    int         base;
    char       *p, *end;
    long long   n;
    ngx_uint_t  minus;

    p = digits;
    minus = (*p == '-');

    if (*p == '-' || *p == '+') {
        p++;
    }

    base = 10;

    if (p[0] == '0' && p[1] != '\0') {

        switch (p[1]) {

        case 'x':
        case 'X':
            base = 16;
            p += 2;
            break;

        case 'b':
        case 'B':
            base = 2;
            p += 2;
            break;

        case 'o':
        case 'O':
            base = 8;
            p += 2;
            break;

        default:
            base = 8;
            p++;
        }
    }

    /* strtoll() would take signs and spaces here */

    if (!((*p >= '0' && *p <= '9')
          || (base == 16 && ((*p >= 'a' && *p <= 'f')
                             || (*p >= 'A' && *p <= 'F')))))
    {
        return NULL;
    }

    ngx_set_errno(0);
    n = strtoll(p, &end, base);

    if (*end != '\0' || ngx_errno == ERANGE) {
        return NULL;
    }

    return json_integer(minus ? -n : n);
}


/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */

static json_t *
ngx_k8s_yaml_real(char *digits)
{
    char        *p;
    ngx_uint_t   n;

    p = digits;

    if (*p == '-' || *p == '+') {
        p++;
    }

    for (n = 0; *p >= '0' && *p <= '9'; p++) {
        n++;
    }

    if (*p == '.') {
        for (p++; *p >= '0' && *p <= '9'; p++) {
            n++;
        }
    }

    if (n == 0) {
        return NULL;
    }

    if (*p == 'e' || *p == 'E') {
        p++;

        if (*p == '-' || *p == '+') {
            p++;
        }

        if (*p < '0' || *p > '9') {
            return NULL;
        }

        while (*p >= '0' && *p <= '9') {
            p++;
        }
    }

    if (*p != '\0') {
        return NULL;
    }

    /* NULL when it is too large: a string then */

    return json_real(strtod(digits, NULL));
}
