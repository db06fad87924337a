
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/* Problems: of Secrets that policies name. */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_compile_data.h>


static ngx_int_t ngx_k8s_data_missing(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_value_t *value, ngx_str_t *field,
    ngx_k8s_secret_t *secret, char *closed);
static ngx_int_t ngx_k8s_data_note(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_value_t *value, ngx_str_t *field, ngx_uint_t n,
    ngx_k8s_secret_t *secret, char *closed);
static ngx_uint_t ngx_k8s_data_twice(ngx_k8s_secret_t *secret, ngx_str_t *key);
static ngx_int_t ngx_k8s_data_vouch(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_value_t *value, ngx_str_t *field, ngx_uint_t n);
static ngx_int_t ngx_k8s_data_pair(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_value_t *value, ngx_str_t *field,
    ngx_k8s_secret_t *secret, char *closed);


ngx_int_t
ngx_k8s_compile_data_note(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_value_t *value, ngx_str_t *field)
{
    char                    *closed;
    ngx_uint_t               n;
    ngx_k8s_node_t          *node;
    ngx_k8s_secret_t        *secret;
    ngx_k8s_secret_state_t  *state;

    static ngx_str_t  plain = ngx_string("nothing goes to the backend by TLS, "
                                         "so there it does nothing");
    static ngx_str_t  protocol = ngx_string("Add backend-protocol: HTTPS, or "
                                            "GRPCS, or take it out.");

    node = value->named->node;
    state = node->data;

    if ((value->named->uses & NGX_K8S_ASK_PLAIN)
        && ngx_k8s_compile_advise(a, NGX_K8S_PROBLEM_ANNOTATION_NO_EFFECT, NULL,
                                  field, &plain, &protocol)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    closed = (value->row->flags & NGX_K8S_ROW_CLOSES_HOST)
             ? "so the hosts of the Ingress are closed: they answer 403, to "
               "HTTP-01 challenges of ACME, too"
             : "so the paths of the Ingress are closed: they answer 503";

    secret = (ngx_k8s_secret_t *) ngx_k8s_store_get(c->store, NGX_K8S_SECRET,
                                             &node->namespace, &node->name);
    if (secret == NULL || ngx_k8s_compile_secret_lost(secret)) {
        return ngx_k8s_data_missing(c, a, value, field, secret, closed);
    }

    for (n = 0; n < NGX_K8S_SECRET_USES; n++) {

        if ((value->named->uses & ((ngx_uint_t) 1 << n))
            && (state->data[n].state != NGX_K8S_DATA_GOOD
                || state->data[n].reason.len)
            && ngx_k8s_data_note(c, a, value, field, n, secret, closed)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    for (n = NGX_K8S_SECRET_CA; n <= NGX_K8S_SECRET_CRL; n++) {

        if ((value->named->uses & ((ngx_uint_t) 1 << n))
            && ngx_k8s_data_vouch(c, a, value, field, n) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_k8s_compile_data_row(value->row)->pair
           ? ngx_k8s_data_pair(c, a, value, field, secret, closed)
           : NGX_OK;
}


static ngx_int_t
ngx_k8s_data_missing(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_value_t *value, ngx_str_t *field, ngx_k8s_secret_t *secret,
    char *closed)
{
    char                    *so;
    ngx_str_t                text;
    ngx_uint_t               n, known, held;
    ngx_k8s_node_t          *node;
    ngx_k8s_secret_state_t  *state;

    static ngx_str_t  create = ngx_string("Create the Secret, or correct its "
                                          "name.");

    node = value->named->node;
    state = node->data;
    held = 1;

    for (n = 0; n < NGX_K8S_SECRET_USES; n++) {
        if (value->named->uses & ((ngx_uint_t) 1 << n)) {
            held &= (state->data[n].slot != 0);
        }
    }

    so = held ? "so what it said before holds" : closed;

    if (secret) {
        text = ngx_k8s_compile_secret_unread(c, secret);
        text = ngx_k8s_compile_text(c, "Secret %V: %V, %s", &value->value,
                                    &text, so);

        return ngx_k8s_compile_advise(a, held
                                         ? NGX_K8S_PROBLEM_ANNOTATION_INVALID
                                         : NGX_K8S_PROBLEM_ANNOTATION_CLOSED,
                                      NULL, field, &text,
                                      &ngx_k8s_compile_secret_mend);
    }

    known = ngx_k8s_compile_named_known(c, node);

    text = ngx_k8s_compile_text(c, "Secret %V %s, %s", &value->value,
                                known ? "is not there" : "has not come", so);

    return ngx_k8s_compile_advise(a, NGX_K8S_PROBLEM_ANNOTATION_CLOSED, NULL,
                                  field, &text, known ? &create : NULL);
}


static ngx_int_t
ngx_k8s_data_note(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_value_t *value, ngx_str_t *field, ngx_uint_t n,
    ngx_k8s_secret_t *secret, char *closed)
{
    ngx_str_t               *key, *remedy, text;
    ngx_uint_t               code, twice;
    ngx_k8s_data_use_t      *use;
    ngx_k8s_data_state_t    *d;
    ngx_k8s_secret_state_t  *state;

    static ngx_str_t  users = ngx_string("Put the file of users into \"auth\" "
                                  "of the Secret; or, where each key is a user "
                                  "and its value the password as it is stored, "
                                  "add auth-secret-type: auth-map.");
    static ngx_str_t  ca = ngx_string("Put the CAs of the clients into "
                                      "\"ca.crt\" of the Secret.");
    static ngx_str_t  mend = ngx_string("Correct it in the Secret.");
    static ngx_str_t  once = ngx_string("Encode it once in the Secret's "
                                        "\"data\", or write it as it is into "
                                        "\"stringData\".");
    static ngx_str_t  room = ngx_string("Make the zone larger, or the Secret "
                                        "smaller.");

    state = value->named->node->data;
    d = &state->data[n];
    use = &ngx_k8s_data_uses[n];
    key = &use->key;
    code = NGX_K8S_PROBLEM_ANNOTATION_CLOSED;
    remedy = &mend;

    switch (d->state) {

    case NGX_K8S_DATA_GOOD:
        code = NGX_K8S_PROBLEM_ANNOTATION_INVALID;
        text = ngx_k8s_compile_text(c, "Secret %V: %V", &value->value,
                                    &d->reason);
        break;

    case NGX_K8S_DATA_MISSING:
        remedy = use->users ? &users : &ca;
        text = ngx_k8s_compile_text(c, "Secret %V has no \"%V\", %s",
                                    &value->value, key, closed);
        break;

    case NGX_K8S_DATA_BAD:
        text = ngx_k8s_compile_text(c, "Secret %V%s%V%s: %V, %s",
                                    &value->value, key->len ? ", \"" : "", key,
                                    key->len ? "\"" : "", &d->reason, closed);
        break;

    case NGX_K8S_DATA_FULL:
        remedy = &room;
        text = ngx_k8s_compile_text(c, "there is no room for Secret %V in the "
                                    "zone, or its namespace has had its share, "
                                    "%s", &value->value, closed);
        break;

    default: /* NGX_K8S_DATA_EMPTY */

        if (use->users) {
            twice = ngx_k8s_data_twice(secret, key);
            remedy = twice ? &once : &mend;

            text = ngx_k8s_compile_text(c, "Secret %V has no user, so nobody "
                                        "is let through: all are answered "
                                        "401%s", &value->value, twice
                                        ? "; what it has is in base64 twice"
                                        : "");
            break;
        }

        if (!(ngx_k8s_compile_data_row(value->row)->needs
              & ((ngx_uint_t) 1 << n)))
        {
            return NGX_OK;
        }

        remedy = &ca;
        text = ngx_k8s_compile_text(c, "Secret %V has no \"%V\", or an empty "
                                    "one, %s", &value->value, key, closed);
    }

    return ngx_k8s_compile_advise(a, code, NULL, field, &text, remedy);
}


/* whether what a Secret has is base64 of something with a colon */

static ngx_uint_t
ngx_k8s_data_twice(ngx_k8s_secret_t *secret, ngx_str_t *key)
{
    u_char     buf[48];
    ngx_str_t  value, text;

    ngx_k8s_compile_secret_data(secret, key, &value);

    value.len = ngx_min(value.len, 64) & ~(size_t) 3;
    text.data = buf;

    return value.len && ngx_decode_base64(&text, &value) == NGX_OK
           && ngx_strlchr(text.data, text.data + text.len, ':');
}


/* CAs and lists that are good, and by which nobody is verified all the same */

static ngx_int_t
ngx_k8s_data_vouch(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_value_t *value, ngx_str_t *field, ngx_uint_t n)
{
    u_char                   date[sizeof("Mon, 28 Sep 1970 06:00:00 GMT")];
    ngx_str_t                text, *key;
    ngx_uint_t               crl;
    ngx_k8s_data_state_t    *d;
    ngx_k8s_secret_state_t  *state;

    static ngx_str_t  renew = ngx_string("Put a new one into the Secret.");
    static ngx_str_t  put_ca = ngx_string("Put the certificate of the CA that "
                                          "signs the others into \"ca.crt\" "
                                          "of the Secret.");
    static ngx_str_t  put_crl = ngx_string("Put the lists of the CAs of "
                                           "\"ca.crt\" into \"ca.crl\" of the "
                                           "Secret, or take it out.");

    state = value->named->node->data;
    d = &state->data[n];
    key = &ngx_k8s_data_uses[n].key;
    crl = (n == NGX_K8S_SECRET_CRL);

    /* backends are verified where it is asked for, and by no list */

    if (d->state != NGX_K8S_DATA_GOOD
        || (ngx_k8s_compile_data_row(value->row)->pair
            && (crl || !(value->named->uses & NGX_K8S_ASK_VERIFY))))
    {
        return NGX_OK;
    }

    if (d->none) {
        text = ngx_k8s_compile_text(c, "Secret %V, \"%V\": %s, so nobody is "
                                    "verified by it", &value->value, key,
                                    crl ? "none of its lists is of a CA of "
                                          "\"ca.crt\""
                                        : "no certificate of it is one of a "
                                          "CA (CA:FALSE)");

        return ngx_k8s_compile_advise(a, NGX_K8S_PROBLEM_ANNOTATION_INVALID,
                                      NULL, field, &text,
                                      crl ? &put_crl : &put_ca);
    }

    if (!d->ended) {
        return NGX_OK;
    }

    *ngx_http_time(date, d->ends) = '\0';

    text = ngx_k8s_compile_text(c, "Secret %V, \"%V\" ended at %s, so nobody "
                                "is verified by it", &value->value, key, date);

    return ngx_k8s_compile_advise(a, NGX_K8S_PROBLEM_CERTIFICATE_EXPIRED, NULL,
                                  field, &text, &renew);
}


/* as ngx_http_k8s_backend_tls_closed() sees it */

static ngx_int_t
ngx_k8s_data_pair(ngx_k8s_compile_t *c, ngx_array_t *a,
    ngx_k8s_policy_value_t *value, ngx_str_t *field, ngx_k8s_secret_t *secret,
    char *closed)
{
    ngx_str_t                text;
    ngx_uint_t               halves, code, ca;
    ngx_k8s_secret_state_t  *state;

    static ngx_str_t  put_ca = ngx_string("Put the CAs of the backend into "
                                          "\"ca.crt\" of the Secret.");
    static ngx_str_t  put_any = ngx_string("Put the CAs of the backend into "
                                           "\"ca.crt\" of the Secret, or a "
                                           "certificate into \"tls.crt\" and "
                                           "its key into \"tls.key\".");
    static ngx_str_t  put_pair = ngx_string("Put the certificate into "
                                            "\"tls.crt\" of the Secret, and "
                                            "its key into \"tls.key\".");

    state = value->named->node->data;
    ca = state->data[NGX_K8S_SECRET_CA].state;
    halves = ngx_k8s_compile_data_halves(secret);
    code = NGX_K8S_PROBLEM_ANNOTATION_CLOSED;

    if (ca != NGX_K8S_DATA_GOOD && ca != NGX_K8S_DATA_EMPTY) {
        return NGX_OK;
    }

    if (halves == NGX_K8S_DATA_BOTH && state->state == NGX_K8S_SECRET_BAD) {

        if (state->slot) {
            code = NGX_K8S_PROBLEM_ANNOTATION_INVALID;
            closed = "so its last good certificate is sent";
        }

        text = ngx_k8s_compile_text(c, "Secret %V%s%V: %V, %s", &value->value,
                                    state->field.len ? ", " : "",
                                    &state->field, &state->reason, closed);

        return ngx_k8s_compile_advise(a, code, NULL, field, &text,
                                      &state->remedy);
    }

    if (ca == NGX_K8S_DATA_EMPTY && halves != NGX_K8S_DATA_BOTH) {
        text = ngx_k8s_compile_text(c, "Secret %V has neither \"ca.crt\" nor "
                                    "both \"tls.crt\" and \"tls.key\", %s",
                                    &value->value, closed);

        return ngx_k8s_compile_advise(a, code, NULL, field, &text, &put_any);
    }

    if (ca == NGX_K8S_DATA_EMPTY) {

        if (value->named->uses & NGX_K8S_ASK_VERIFY) {
            text = ngx_k8s_compile_text(c, "Secret %V has no \"ca.crt\", by "
                                        "which proxy-ssl-verify could verify, "
                                        "%s", &value->value, closed);

        } else {
            code = NGX_K8S_PROBLEM_ANNOTATION_NO_EFFECT;
            text = ngx_k8s_compile_text(c, "Secret %V has no \"ca.crt\", so "
                                        "its certificate is not sent either",
                                        &value->value);
        }

        return ngx_k8s_compile_advise(a, code, NULL, field, &text, &put_ca);
    }

    if (halves == 0 || halves == NGX_K8S_DATA_BOTH) {
        return NGX_OK;
    }

    text = ngx_k8s_compile_text(c, "Secret %V has \"%s\" without \"%s\", so "
                                "no certificate is sent", &value->value,
                                (halves == NGX_K8S_DATA_CRT) ? "tls.crt"
                                                             : "tls.key",
                                (halves == NGX_K8S_DATA_CRT) ? "tls.key"
                                                             : "tls.crt");

    return ngx_k8s_compile_advise(a, NGX_K8S_PROBLEM_ANNOTATION_NO_EFFECT,
                                  NULL, field, &text, &put_pair);
}
