
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Models as no Ingress makes them, from the store to the router: objects that
 * are attached by way of another one to hosts of several route sets, classes
 * and listeners; predicates, order, weights, mirrors, bad references; shards.
 * Random edits, each compared with a naive reading of the same, and now and
 * then with a table that is made anew.
 */


#include "k8s.h"
#include <ngx_k8s_router.h>


#define OBJECTS    10
#define GATEWAYS   2
#define SERVICES   6
#define RULES      8
#define MANY       150
#define LISTENER   11       /* the first of four slots */

#define NAMES      (sizeof(names) / sizeof(names[0]))
#define PATHS      (sizeof(paths) / sizeof(paths[0]))
#define PREDICATES (sizeof(predicates) / sizeof(predicates[0]))

#define E  NGX_K8S_PATH_EXACT
#define P  NGX_K8S_PATH_PREFIX
#define R  NGX_K8S_PATH_REGEX


typedef struct {
    ngx_uint_t               type;
    ngx_uint_t               path;       /* of the pool, or "/many/N" */
    ngx_uint_t               order;
    ngx_uint_t               predicates; /* bits */
} synth_match_t;


typedef struct {
    ngx_uint_t               service;    /* SERVICES: none */
    ngx_uint_t               weight;
    ngx_uint_t               invalid;
} synth_target_t;


typedef struct {
    char                     name[8];
    synth_match_t            matches[2];
    synth_target_t           targets[3];
    synth_target_t           mirrors[2];
    ngx_uint_t               nmatches;
    ngx_uint_t               ntargets;
    ngx_uint_t               nmirrors;
} synth_rule_t;


typedef struct {
    ngx_uint_t               on;
    ngx_uint_t               rule;
    ngx_uint_t               nrules;
} synth_host_t;


typedef struct {
    ngx_uint_t               live;
    ngx_uint_t               version;
    ngx_uint_t               day;
    ngx_uint_t               gateway;    /* GATEWAYS: none, in the set 0 */
    ngx_uint_t               sections;   /* of its listeners: bits */
    synth_host_t             hosts[6];
    synth_rule_t             rules[RULES + MANY];
    ngx_uint_t               nrules;
    ngx_uint_t               fallback;
    synth_target_t           target;     /* of the fallback */
} synth_object_t;


typedef struct {
    ngx_uint_t               live;
    ngx_uint_t               version;
    ngx_uint_t               listens[6][3]; /* by name and class: bits */
} synth_gateway_t;


typedef struct {
    uint32_t                 sets[3];
    ngx_uint_t               nsets;
    ngx_uint_t               class;
    uint32_t                 listener;
    char                     host[32];
    char                     path[32];
    char                    *method;
    char                    *header;
    char                    *query;
} synth_request_t;


typedef struct {
    synth_object_t          *object;
    synth_rule_t            *rule;
    ngx_uint_t               match;
} synth_winner_t;


/* sorted, with the star before a wildcard */

static char  *names[] = {
    "", "*.a.test", "*.test", "a.test", "b.a.test", "tcp:9310"
};

static char  *paths[] = {
    "/", "/foo", "/foo/bar", "/foo/bar/baz", "/quux", "^/fo", "^/foo/"
};

static struct {
    ngx_uint_t               what;
    ngx_uint_t               how;
    char                    *name;
    char                    *value;
} predicates[] = {
    { NGX_K8S_PREDICATE_METHOD, NGX_K8S_PREDICATE_EQUAL, "", "POST" },
    { NGX_K8S_PREDICATE_HEADER, NGX_K8S_PREDICATE_EQUAL, "x-canary", "yes" },
    { NGX_K8S_PREDICATE_QUERY, NGX_K8S_PREDICATE_REGEX, "v", "^2" }
};

static synth_object_t   objects[OBJECTS];
static synth_gateway_t  gateways[GATEWAYS];
static ngx_uint_t       services[SERVICES];  /* 0: none, 1: no endpoint, 2: an
                                                endpoint, 3: another port */
static uint32_t         seed;
static ngx_uint_t       version, met[8];


static ngx_uint_t
rnd(ngx_uint_t n)
{
    seed = seed * 1664525 + 1013904223;

    return (seed >> 8) % n;
}


static char *
synth_name(ngx_uint_t n)
{
    return names[n] + (names[n][0] == '*');
}


static char *
synth_path(ngx_uint_t n)
{
    static char  buf[32];

    if (n < PATHS) {
        return paths[n];
    }

    sprintf(buf, "/many/%u", (unsigned) n);

    return buf;
}


/* makers: what stands in objects[] and gateways[] now */

static ngx_str_t
synth_copy(ngx_pool_t *pool, const char *text)
{
    ngx_str_t  s, copy;

    s = k8s_str(text);
    copy.len = s.len;
    copy.data = ngx_pstrdup(pool, &s);

    return copy;
}


static void
synth_target(ngx_pool_t *pool, synth_target_t *from, ngx_k8s_target_t *target)
{
    char  name[8];

    target->ref.kind = NGX_K8S_SERVICE;
    target->ref.field.format = "spec.backend";
    ngx_str_set(&target->ref.namespace, "d");
    ngx_str_set(&target->port, "80");
    target->protocol = k8s_str(from->service == SERVICES - 1 ? "UDP" : "TCP");
    target->weight = from->weight;
    target->invalid = from->invalid;

    if (from->service < SERVICES) {
        sprintf(name, "s%u", (unsigned) from->service);
        target->ref.name = synth_copy(pool, name);
    }
}


static void
synth_match(ngx_pool_t *pool, synth_match_t *from, ngx_k8s_model_match_t *match)
{
    ngx_uint_t                  i;
    ngx_k8s_model_predicate_t  *predicate;

    match->field.format = "spec.rule";
    match->path = synth_copy(pool, synth_path(from->path));
    match->text = match->path;
    match->type = from->type;
    match->order = from->order;
    match->predicates = ngx_pcalloc(pool, PREDICATES
                                          * sizeof(ngx_k8s_model_predicate_t));

    if (match->type == P) {
        ngx_k8s_path_prefix(&match->text);
    }

    for (i = 0; i < PREDICATES; i++) {
        if (from->predicates & (1 << i)) {
            predicate = &match->predicates[match->npredicates++];
            predicate->what = predicates[i].what;
            predicate->how = predicates[i].how;
            predicate->name = k8s_str(predicates[i].name);
            predicate->value = k8s_str(predicates[i].value);
        }
    }
}


static void
synth_rule(ngx_pool_t *pool, synth_rule_t *from, ngx_k8s_model_rule_t *rule)
{
    ngx_uint_t  i;

    rule->name = synth_copy(pool, from->name);
    rule->nmatches = from->nmatches;
    rule->ntargets = from->ntargets;
    rule->nmirrors = from->nmirrors;
    rule->matches = ngx_pcalloc(pool, 2 * sizeof(ngx_k8s_model_match_t));
    rule->targets = ngx_pcalloc(pool, 3 * sizeof(ngx_k8s_target_t));
    rule->mirrors = ngx_pcalloc(pool, 2 * sizeof(ngx_k8s_mirror_t));

    for (i = 0; i < from->nmatches; i++) {
        synth_match(pool, &from->matches[i], &rule->matches[i]);
    }

    for (i = 0; i < from->ntargets; i++) {
        synth_target(pool, &from->targets[i], &rule->targets[i]);
    }

    for (i = 0; i < from->nmirrors; i++) {
        synth_target(pool, &from->mirrors[i], &rule->mirrors[i].target);
        rule->mirrors[i].share = from->mirrors[i].weight;
    }
}


/* in two pieces */

static ngx_int_t
synth_model(ngx_k8s_maker_t *m, ngx_uint_t *n)
{
    ngx_uint_t             i;
    ngx_pool_t            *pool;
    synth_object_t        *from;
    ngx_k8s_model_t       *model;
    ngx_k8s_object_t      *object;
    ngx_k8s_model_host_t  *host;

    if (m->stage++ == 0) {
        return NGX_AGAIN;
    }

    object = m->object;
    pool = m->pool;
    from = &objects[object->name.data[1] - '0'];

    model = ngx_pcalloc(pool, sizeof(ngx_k8s_model_t));
    model->object = object;
    model->pool = pool;
    model->refs = 1;
    model->nrules = from->nrules;
    model->rules = ngx_pcalloc(pool, (RULES + MANY)
                                     * sizeof(ngx_k8s_model_rule_t));
    model->hosts = ngx_pcalloc(pool, NAMES * sizeof(ngx_k8s_model_host_t));

    for (i = 0; i < from->nrules; i++) {
        synth_rule(pool, &from->rules[i], &model->rules[i]);
        model->rules[i].seq = i;
    }

    for (i = 0; i < NAMES; i++) {
        if (from->hosts[i].on) {
            host = &model->hosts[model->nhosts++];
            host->name = k8s_str(synth_name(i));
            host->rule = from->hosts[i].rule;
            host->nrules = from->hosts[i].nrules;
        }
    }

    if (from->fallback) {
        model->fallback = ngx_pcalloc(pool, sizeof(ngx_k8s_target_t));
        synth_target(pool, &from->target, model->fallback);
    }

    m->model = model;

    return NGX_OK;
}


static ngx_int_t
synth_attach(ngx_k8s_store_t *store, ngx_k8s_object_t *object,
    ngx_k8s_attach_t *attach)
{
    uint32_t             slots[4];
    ngx_str_t            name, none;
    ngx_uint_t           i, n, bit, mask;
    synth_object_t      *from;
    ngx_k8s_model_t     *model;
    synth_gateway_t     *gateway;
    ngx_k8s_attached_t   host;

    from = &objects[object->name.data[1] - '0'];
    attach->state = NGX_K8S_STATE_UNKNOWN_CLASS;
    name = ((ngx_k8s_ingress_t *) object)->class_name;
    n = name.data[2] - '0';

    if (n == GATEWAYS) {
        attach->taken = 1;
        attach->own = 1;
        return NGX_OK;
    }

    ngx_str_null(&none);

    if (ngx_k8s_store_get(store, NGX_K8S_INGRESS_CLASS, &none, &name) == NULL) {
        return NGX_OK;
    }

    if (attach->model == NULL) {
        return NGX_AGAIN;
    }

    attach->taken = 1;

    model = attach->model;
    gateway = &gateways[n];

    ngx_memzero(&host, sizeof(ngx_k8s_attached_t));
    host.route_set = n + 1;
    host.listeners = slots;
    host.host = model->hosts;

    for (i = 0; i < NAMES; i++) {

        if (!from->hosts[i].on) {
            continue;
        }

        host.name = k8s_str(synth_name(i));

        for (host.class = 0; host.class < 3; host.class++) {
            mask = gateway->listens[i][host.class] & from->sections;
            host.nlisteners = 0;

            for (bit = 0; bit < 4; bit++) {
                if (mask & (1 << bit)) {
                    slots[host.nlisteners++] = LISTENER + bit;
                }
            }

            if (mask && ngx_k8s_attach_host(attach, &host, store->log)
                        != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        host.host++;
    }

    return NGX_OK;
}


/* random ones */

static void
synth_random_target(synth_target_t *target)
{
    target->service = rnd(SERVICES + 1);
    target->weight = rnd(4);
    target->invalid = rnd(2) ? 500 : 503;
}


static void
synth_random_rule(synth_rule_t *rule, ngx_uint_t n)
{
    ngx_uint_t  i;

    ngx_memzero(rule, sizeof(synth_rule_t));

    sprintf(rule->name, "%c%u", rnd(2) ? 'n' : 'm', (unsigned) n);

    rule->nmatches = 1 + rnd(2);
    rule->ntargets = rnd(4);
    rule->nmirrors = rnd(3) ? 0 : rnd(3);

    for (i = 0; i < rule->nmatches; i++) {
        rule->matches[i].path = rnd(rnd(3) ? 3 : PATHS);
        rule->matches[i].type = paths[rule->matches[i].path][0] == '^' ? R
                                : rnd(2) ? E : P;
        rule->matches[i].order = rnd(3);
        rule->matches[i].predicates = rnd(2) ? 0 : rnd(1 << PREDICATES);
    }

    for (i = 0; i < 3; i++) {
        synth_random_target(&rule->targets[i]);
        synth_random_target(&rule->mirrors[i % 2]);
    }

    if (n >= RULES) {
        rule->nmatches = 1;
        rule->matches[0].path = PATHS + n;
        rule->matches[0].type = E;
    }
}


static void
synth_random_object(synth_object_t *object, ngx_uint_t gateway)
{
    ngx_uint_t  i;

    object->day = 1 + rnd(6);
    object->gateway = gateway;
    object->sections = rnd(3) ? rnd(16) : 0xf;
    object->nrules = rnd(3) ? 1 + rnd(RULES) : rnd(RULES + MANY);
    object->fallback = (gateway == GATEWAYS && rnd(3) == 0);
    synth_random_target(&object->target);

    for (i = 0; i < object->nrules; i++) {
        synth_random_rule(&object->rules[i], i);
    }

    for (i = 0; i < NAMES; i++) {
        object->hosts[i].on = rnd(2);
        object->hosts[i].rule = rnd(3) ? 0 : rnd(object->nrules + 1);
        object->hosts[i].nrules = rnd(object->nrules - object->hosts[i].rule
                                      + 1);
    }
}


/* most edits are small: the rest of the object stays as it is */

static void
synth_edit(synth_object_t *object)
{
    ngx_uint_t     i, n;
    synth_rule_t  *rule;

    if (!object->live || rnd(8) == 0) {
        synth_random_object(object, rnd(2) ? 0 : rnd(GATEWAYS + 1));
        return;
    }

    if (rnd(8) == 0) {
        object->sections ^= 1 << rnd(4);
        return;
    }

    if (rnd(4) == 0) {
        object->hosts[rnd(NAMES)].on ^= 1;
        return;
    }

    if (object->nrules == 0) {
        object->day = 1 + rnd(6);
        return;
    }

    n = rnd(object->nrules);
    rule = &object->rules[n];

    switch (rnd(5)) {

    case 0:
        synth_random_rule(rule, n);
        break;

    case 1:
        for (i = 0; i < NAMES; i++) {
            if (object->hosts[i].rule + object->hosts[i].nrules
                == object->nrules && object->hosts[i].nrules)
            {
                object->hosts[i].nrules--;
            }
        }

        break;

    case 2:
        synth_random_target(&rule->targets[rnd(3)]);
        break;

    case 3:
        rule->nmirrors = 2;
        rule->mirrors[rnd(2)].weight = rnd(4);
        break;

    default:
        rule->matches[0].order = rnd(3);
    }
}


/* objects of the API as they come */

static void
synth_put(k8s_t *k, ngx_uint_t n)
{
    char  text[512];

    sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress',"
            "'metadata':{'namespace':'d','name':'r%u','creationTimestamp':"
            "'2026-01-%02uT00:00:00Z'},'spec':{'ingressClassName':'gw%u',"
            "'rules':[{'host':'v%u'}]}}", (unsigned) n,
            (unsigned) objects[n].day, (unsigned) objects[n].gateway,
            (unsigned) objects[n].version);

    k8s_put(k, text);
}


static void
synth_put_gateway(k8s_t *k, ngx_uint_t n)
{
    char  text[256];

    sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':'IngressClass',"
            "'metadata':{'name':'gw%u'},'spec':{'controller':'v/%u'}}",
            (unsigned) n, (unsigned) gateways[n].version);

    k8s_put(k, text);
}


static void
synth_put_service(k8s_t *k, ngx_uint_t n)
{
    char  text[512], name[8], *protocol;

    sprintf(name, "s%u", (unsigned) n);
    protocol = (n == SERVICES - 1) ? "UDP" : "TCP";

    if (services[n] == 0) {
        k8s_delete(k, NGX_K8S_SERVICE, "d", name);

    } else {
        sprintf(text, "{'apiVersion':'v1','kind':'Service','metadata':{"
                "'namespace':'d','name':'%s'},'spec':{'ports':[{'port':%u,"
                "'protocol':'%s'}]}}", name, services[n] == 3 ? 81 : 80,
                protocol);
        k8s_put(k, text);
    }

    if (services[n] != 2) {
        k8s_delete(k, NGX_K8S_ENDPOINT_SLICE, "d", name);
        return;
    }

    sprintf(text, "{'apiVersion':'discovery.k8s.io/v1','kind':'EndpointSlice',"
            "'addressType':'IPv4','metadata':{'namespace':'d','name':'%s',"
            "'labels':{'kubernetes.io/service-name':'%s'}},'ports':[{'port':"
            "8080,'protocol':'%s'}],'endpoints':[{'addresses':['10.0.0.1']}]}",
            name, name, protocol);
    k8s_put(k, text);
}


static void
synth_change(k8s_t *k)
{
    char             name[8];
    ngx_uint_t       i, n;
    synth_object_t  *object;

    if (rnd(6) == 0) {
        n = rnd(SERVICES);
        services[n] = rnd(4);
        synth_put_service(k, n);
        return;
    }

    if (rnd(8) == 0) {
        n = rnd(GATEWAYS);
        gateways[n].live = (rnd(4) != 0);
        gateways[n].version = ++version;

        for (i = 0; i < NAMES * 3; i++) {
            gateways[n].listens[i / 3][i % 3] = rnd(3) ? rnd(16) : 0;
        }

        if (gateways[n].live) {
            synth_put_gateway(k, n);

        } else {
            sprintf(name, "gw%u", (unsigned) n);
            k8s_delete(k, NGX_K8S_INGRESS_CLASS, "", name);
        }

        return;
    }

    n = rnd(OBJECTS);
    object = &objects[n];

    if (object->live && rnd(5) == 0) {
        object->live = 0;
        sprintf(name, "r%u", (unsigned) n);
        k8s_delete(k, NGX_K8S_INGRESS, "d", name);
        return;
    }

    synth_edit(object);
    object->live = 1;
    object->version = ++version;
    synth_put(k, n);
}


/* a naive reading: which object, rule and match takes a request of a host */

static ngx_uint_t
naive_attached(synth_object_t *object, uint32_t set, ngx_uint_t class,
    ngx_uint_t name)
{
    synth_gateway_t  *gateway;

    if (!object->live || !object->hosts[name].on) {
        return 0;
    }

    if (object->gateway == GATEWAYS) {
        return (set == 0 && class == NGX_K8S_CLASS_HTTP) ? 0xff : 0;
    }

    if (object->gateway > GATEWAYS) {
        return 0;
    }

    gateway = &gateways[object->gateway];

    return (gateway->live && set == object->gateway + 1)
           ? gateway->listens[name][class] & object->sections : 0;
}


static ngx_uint_t
naive_takes(synth_match_t *match, synth_request_t *r)
{
    char    *path;
    size_t   len;

    path = synth_path(match->path);
    len = strlen(path);

    if (((match->predicates & 1) && strcmp(r->method, "POST") != 0)
        || ((match->predicates & 2)
            && (r->header == NULL || strcmp(r->header, "yes") != 0))
        || ((match->predicates & 4)
            && (r->query == NULL || r->query[0] != '2')))
    {
        return 0;
    }

    if (match->type == R) {
        return strncmp(r->path, path + 1, len - 1) == 0;
    }

    if (match->type == E) {
        return strcmp(r->path, path) == 0;
    }

    len -= (path[len - 1] == '/');

    return strncmp(r->path, path, len) == 0
           && (r->path[len] == '/' || r->path[len] == '\0');
}


static size_t
naive_len(synth_match_t *match)
{
    char  *path;

    path = synth_path(match->path);

    return strlen(path) - (match->type == P && path[strlen(path) - 1] == '/');
}


/* whether the first one goes before the second one, both take a request */

static ngx_uint_t
naive_before(synth_winner_t *one, synth_winner_t *two)
{
    synth_match_t  *a, *b;

    a = &one->rule->matches[one->match];
    b = &two->rule->matches[two->match];

    if ((a->type == R) != (b->type == R)) {
        return b->type == R;
    }

    if (naive_len(a) != naive_len(b)) {
        return naive_len(a) > naive_len(b);
    }

    if (a->type != b->type) {
        return a->type == E;
    }

    if (a->order != b->order) {
        return a->order > b->order;
    }

    if (one->object != two->object) {
        return (one->object->day != two->object->day)
               ? one->object->day < two->object->day
               : one->object > two->object;
    }

    return one->rule != two->rule ? one->rule < two->rule
                                  : one->match < two->match;
}


static ngx_uint_t
naive_winner(uint32_t set, ngx_uint_t name, synth_request_t *r,
    synth_winner_t *best)
{
    ngx_uint_t      i, mask;
    synth_host_t   *host;
    synth_winner_t  w;

    best->object = NULL;

    for (i = 0; i < OBJECTS; i++) {
        w.object = &objects[i];
        mask = naive_attached(w.object, set, r->class, name);

        if (mask == 0
            || (r->listener && !(mask & (1 << (r->listener - LISTENER)))))
        {
            continue;
        }

        host = &w.object->hosts[name];

        for (w.rule = &w.object->rules[host->rule];
             w.rule < &w.object->rules[host->rule + host->nrules];
             w.rule++)
        {
            for (w.match = 0; w.match < w.rule->nmatches; w.match++) {
                if (naive_takes(&w.rule->matches[w.match], r)
                    && (best->object == NULL || naive_before(&w, best)))
                {
                    *best = w;
                }
            }
        }
    }

    return best->object != NULL;
}


/* what is answered, as text: one entry for each draw */

static char  *at;

static void
naive_target(synth_target_t *target)
{
    ngx_uint_t  state;

    state = (target->service < SERVICES) ? services[target->service] : 0;

    if (state == 2) {
        at += sprintf(at, " s%u", (unsigned) target->service);

    } else {
        at += sprintf(at, " %u", state == 1 ? 503
                                            : (unsigned) target->invalid);
    }
}


static void
naive_rule(synth_rule_t *rule)
{
    ngx_uint_t  i, n, weights;

    weights = 0;

    for (i = 0; i < rule->ntargets; i++) {
        weights += rule->targets[i].weight;
    }

    if (weights == 0) {
        at += sprintf(at, " %u", rule->ntargets
                                 ? (unsigned) rule->targets[0].invalid : 500);
        return;
    }

    for (i = 0; i < rule->ntargets; i++) {
        n = rule->ntargets > 1 ? rule->targets[i].weight
            : rule->nmirrors ? weights : 1;

        while (n--) {
            naive_target(&rule->targets[i]);
        }
    }

    for (i = 0; i < rule->nmirrors; i++) {
        if (rule->mirrors[i].service < SERVICES) {
            at += sprintf(at, " mirror s%u %u",
                          (unsigned) rule->mirrors[i].service,
                          (unsigned) rule->mirrors[i].weight);
        }
    }
}


/* the default backend of a host: that of the object which first made it */

static ngx_uint_t
naive_fallback(uint32_t set, ngx_uint_t name, char *text)
{
    ngx_uint_t       i;
    synth_object_t  *object;

    if (set || names[name][0] == '\0') {
        return 0;
    }

    object = NULL;

    for (i = 0; i < OBJECTS; i++) {
        if (naive_attached(&objects[i], 0, NGX_K8S_CLASS_HTTP, name)
            && (object == NULL || objects[i].day <= object->day))
        {
            object = &objects[i];
        }
    }

    if (!object->fallback) {
        sprintf(text, "404");
        return 1;
    }

    at = text + sprintf(text, "r%u", (unsigned) (object - objects));
    naive_target(&object->target);

    return 1;
}


/* the host of a step, or NAMES */

static ngx_uint_t
naive_host(uint32_t set, ngx_uint_t class, char *name, ngx_uint_t cut)
{
    ngx_uint_t  i, n;

    for (n = 0; n < NAMES; n++) {
        if (strcmp(synth_name(n), name) != 0
            || (name[0] && cut > 1 && set == 0))
        {
            continue;
        }

        for (i = 0; i < OBJECTS; i++) {
            if (naive_attached(&objects[i], set, class, n)) {
                return n;
            }
        }
    }

    return NAMES;
}


static void
naive_ask(synth_request_t *r, char *text)
{
    char            *name;
    ngx_uint_t       i, n, cut, closed;
    synth_winner_t   w;

    ngx_memzero(&w, sizeof(w));
    strcpy(text, "none");
    closed = 0;
    name = r->host;

    for (cut = 0; /* void */ ; cut++) {

        for (i = 0; i < r->nsets; i++) {

            n = (r->sets[i] == 0 && closed)
                ? NAMES : naive_host(r->sets[i], r->class, name, cut);

            if (n == NAMES) {
                continue;
            }

            if (naive_winner(r->sets[i], n, r, &w)) {
                at = text + sprintf(text, "r%u %s",
                                    (unsigned) (w.object - objects),
                                    w.rule->name);
                naive_rule(w.rule);
                return;
            }

            if (strcmp(text, "none") == 0) {
                (void) naive_fallback(r->sets[i], n, text);
            }

            closed |= (r->sets[i] == 0);
        }

        if (name[0] == '\0') {
            return;
        }

        name = strchr(name + 1, '.');
        name = name ? name : "";
    }
}


/* the same of the table */

static ngx_int_t
table_value(void *data, ngx_uint_t what, ngx_str_t *name, ngx_str_t *value)
{
    char             *s;
    synth_request_t  *r = data;

    s = (what == NGX_K8S_PREDICATE_HEADER) ? r->header : r->query;

    if (s == NULL) {
        return NGX_DECLINED;
    }

    *value = k8s_str(s);

    return NGX_OK;
}


static ngx_int_t
table_regex(void *data, ngx_uint_t what, ngx_str_t *pattern, ngx_str_t *text)
{
    return (text->len >= pattern->len - 1
            && ngx_memcmp(text->data, pattern->data + 1, pattern->len - 1) == 0)
           ? NGX_OK : NGX_DECLINED;
}


static void
table_backends(k8s_t *k, ngx_k8s_route_t *route)
{
    uint32_t                n;
    ngx_uint_t              i, nmirrors, status;
    ngx_k8s_mirror_rec_t   *mirror;
    ngx_k8s_backend_rec_t  *backend;
    ngx_k8s_service_rec_t  *service;

    for (n = 0; n < route->action->weights; n++) {
        backend = ngx_k8s_route_backend(route, n);
        service = ngx_k8s_route_service(k->table, backend, &status);

        if (service) {
            at += sprintf(at, " %.*s", (int) service->name.len,
                          (char *) service + service->name.offset);

        } else {
            at += sprintf(at, " %u", (unsigned) status);
        }
    }

    mirror = ngx_k8s_route_mirrors(route, &nmirrors);

    for (i = 0; i < nmirrors; i++) {
        service = ngx_k8s_slot_record_gen(k->table, NGX_K8S_INDEX_SERVICE,
                                          mirror[i].service,
                                          mirror[i].generation);

        at += sprintf(at, " mirror %.*s %u",
                      service ? (int) service->name.len : 4,
                      service ? (char *) service + service->name.offset
                              : "gone", (unsigned) mirror[i].share);
    }
}


static void
table_ask(k8s_t *k, synth_request_t *r, char *text)
{
    ngx_k8s_route_t      route;
    ngx_k8s_rule_rec_t  *rule;
    ngx_k8s_route_key_t  key;

    ngx_memzero(&key, sizeof(ngx_k8s_route_key_t));

    key.sets = r->sets;
    key.nsets = r->nsets;
    key.class = r->class;
    key.listener = r->listener;
    key.host = k8s_str(r->host);
    key.path = k8s_str(r->path);
    key.method = k8s_str(r->method);
    key.value = table_value;
    key.regex = table_regex;
    key.data = r;

    if (ngx_k8s_route(k->table, &key, &route) != NGX_OK) {
        strcpy(text, "none");
        return;
    }

    met[7] += (route.record != route.host);

    at = text;
    rule = ngx_k8s_slot_record(k->table, NGX_K8S_INDEX_RULE,
                               route.match->rule);

    if (rule) {
        at += sprintf(at, "%.*s", (int) rule->name.len,
                      (char *) rule + rule->name.offset);

        if (!(route.match->flags & NGX_K8S_MATCH_DEFAULT)) {
            at += sprintf(at, " %.*s", (int) rule->rule.len,
                          (char *) rule + rule->rule.offset);
        }
    }

    if (route.action->kind == NGX_K8S_ACTION_BACKENDS) {
        table_backends(k, &route);

    } else {
        sprintf(at, "%s%u", rule ? " " : "", (unsigned) route.action->status);
    }
}


static void
synth_request(synth_request_t *r)
{
    static char  *hosts[] = {
        "a.test", "b.a.test", "c.a.test", "x.y.a.test", "z.test", "test", "",
        "other", "tcp:9310"
    };

    static uint32_t  sets[][4] = {
        { 1, 0 }, { 1, 1 }, { 1, 1 }, { 1, 2 }, { 2, 1, 0 }, { 2, 0, 1 },
        { 3, 2, 1, 0 }
    };

    ngx_uint_t  n;

    ngx_memzero(r, sizeof(synth_request_t));

    n = rnd(sizeof(sets) / sizeof(sets[0]));
    r->nsets = sets[n][0];
    ngx_memcpy(r->sets, &sets[n][1], sizeof(r->sets));

    r->class = rnd(2) ? NGX_K8S_CLASS_HTTP : rnd(3);
    r->listener = rnd(2) ? LISTENER + rnd(4) : 0;
    strcpy(r->host, hosts[rnd(sizeof(hosts) / sizeof(hosts[0]))]);
    r->method = rnd(2) ? "GET" : "POST";
    r->header = rnd(2) ? NULL : rnd(2) ? "yes" : "no";
    r->query = rnd(2) ? NULL : rnd(2) ? "22" : "1";

    n = rnd(rnd(2) ? 3 : PATHS + 3);
    strcpy(r->path, n < PATHS ? paths[n] + (paths[n][0] == '^')
                              : synth_path(PATHS + rnd(RULES + MANY)));

    if (rnd(3) == 0) {
        strcat(r->path, rnd(2) ? "/x" : "x");
    }
}


/* which answers were met, so that the test does not pass in vain */

static void
synth_meet(char *text)
{
    met[0] += strcmp(text, "none") == 0;
    met[1] += strcmp(text, "404") == 0;
    met[2] += strstr(text, " s") != NULL;
    met[3] += strstr(text, " 500") != NULL;
    met[4] += strstr(text, " 503") != NULL;
    met[5] += strstr(text, "mirror") != NULL;
    met[6] += strstr(text, " n") != NULL;
}


static ngx_uint_t
synth_compare(k8s_t *k, ngx_uint_t n)
{
    char             is[512], should[512];
    ngx_uint_t       bad;
    synth_request_t  r;

    bad = 0;
    k8s_run(k);

    while (n--) {
        synth_request(&r);
        table_ask(k, &r, is);
        naive_ask(&r, should);
        synth_meet(should);

        if (strcmp(is, should) != 0) {
            bad++;
            printf("# sets %u %u %u/%u class %u listener %u \"%s\" \"%s\" %s"
                   " %s %s: \"%s\", should be \"%s\"\n", r.sets[0], r.sets[1],
                   r.sets[2], (unsigned) r.nsets, (unsigned) r.class,
                   r.listener, r.host, r.path, r.method, r.header ? r.header
                   : "-", r.query ? r.query : "-", is, should);
        }
    }

    return bad;
}


static ngx_uint_t
synth_anew(k8s_t *k)
{
    k8s_t       fresh;
    ngx_uint_t  i, bad;

    k8s_conf(&fresh);
    k8s_open(&fresh);

    for (i = OBJECTS; i; i--) {
        if (objects[i - 1].live) {
            synth_put(&fresh, i - 1);
        }
    }

    for (i = 0; i < SERVICES; i++) {
        synth_put_service(&fresh, i);
    }

    for (i = 0; i < GATEWAYS; i++) {
        if (gateways[i].live) {
            synth_put_gateway(&fresh, i);
        }
    }

    bad = (strcmp(k8s_dump(k), k8s_dump(&fresh)) != 0);

    if (bad) {
        printf("# is:\n%s\n# should be:\n%s\n", k->dump.data,
               fresh.dump.data);
    }

    k8s_close(&fresh);

    return bad;
}


static void
edits(void)
{
    k8s_t       k;
    ngx_uint_t  round, step, n, bad, anew;

    bad = 0;
    anew = 0;

    for (round = 0; round < unit_rounds(40); round++) {
        seed = 7919 * (round + 1);

        ngx_memzero(objects, sizeof(objects));
        ngx_memzero(gateways, sizeof(gateways));
        ngx_memzero(services, sizeof(services));

        k8s_conf(&k);
        k8s_open(&k);

        for (step = 0; step < 40; step++) {

            for (n = rnd(5) + 1; n; n--) {
                synth_change(&k);

                if (rnd(3) == 0) {
                    (void) ngx_k8s_compile_run(k.compile, 0);
                    ngx_k8s_writer_publish(k.writer);
                }
            }

            bad += synth_compare(&k, 40);

            if (rnd(3) == 0) {
                anew += synth_anew(&k);
            }
        }

        for (n = 0; n < OBJECTS; n++) {
            objects[n].live = 0;
            k8s_delete(&k, NGX_K8S_INGRESS, "d",
                       ((char [3]) { 'r', '0' + n, '\0' }));
        }

        bad += synth_compare(&k, 10);
        k8s_close(&k);
    }

    ok(bad == 0, "requests after random edits: %u wrong", (unsigned) bad);
    ok(anew == 0, "tables made anew: %u differ", (unsigned) anew);
    ok(met[0] && met[1] && met[2] && met[3] && met[4] && met[5] && met[6]
       && met[7], "met: none %u, 404 %u, a Service %u, 500 %u, 503 %u, a "
       "mirror %u, a name %u, a shard %u", (unsigned) met[0],
       (unsigned) met[1], (unsigned) met[2], (unsigned) met[3],
       (unsigned) met[4], (unsigned) met[5], (unsigned) met[6],
       (unsigned) met[7]);
}


int
main(void)
{
    unit_init();

    ngx_k8s_kind_rows[NGX_K8S_INGRESS].attach = synth_attach;
    ngx_k8s_kind_rows[NGX_K8S_INGRESS].model = synth_model;

    edits();

    return done();
}
