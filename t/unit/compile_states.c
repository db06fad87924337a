
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * How many Ingresses are served, and why others are not: one of each, what
 * changes them, and random edits in a zone that is too small for all.
 */


#include "k8s.h"
#include <ngx_k8s_selector.h>


#define ING(ns, name, day, meta, spec)                                        \
    "{'apiVersion':'networking.k8s.io/v1','kind':'Ingress','metadata':{"      \
    "'namespace':'" ns "','name':'" name "','creationTimestamp':"             \
    "'2026-01-" day "T00:00:00Z'" meta "},'spec':{" spec "}}"

#define HOST(host, paths)  "'rules':[{'host':'" host "'" paths "}]"

#define PATH(path)                                                            \
    ",'http':{'paths':[{'path':'" path "','pathType':'Prefix','backend':{"    \
    "'service':{'name':'s','port':{'number':80}}}}]}"

#define CLASS(name, controller)                                               \
    "{'apiVersion':'networking.k8s.io/v1','kind':'IngressClass','metadata':{" \
    "'name':'" name "'},'spec':{'controller':'" controller "'}}"

#define ANNOTATION(name)                                                      \
    ",'annotations':{'kubernetes.io/ingress.class':'" name "'}"

#define FALLBACK                                                              \
    "'defaultBackend':{'service':{'name':'s','port':{'number':80}}},"


static uint32_t  seed;

static ngx_uint_t
rnd(ngx_uint_t n)
{
    seed = seed * 1664525 + 1013904223;

    return (seed >> 8) % n;
}


/* all states that are not 0, as "served 1, no_class 2" */

static char *
states(k8s_t *k)
{
    char        *p;
    ngx_uint_t   i;

    static char  buf[512];

    k8s_run(k);

    p = buf;
    *p = '\0';

    for (i = 0; i < NGX_K8S_STATES; i++) {
        if (k->table->states[i]) {
            p += sprintf(p, "%s%s %u", p == buf ? "" : ", ",
                         ngx_k8s_states[i].data,
                         (unsigned) k->table->states[i]);
        }
    }

    return buf;
}


#define states_are(k, text, name)                                             \
    ok(strcmp(states(k), text) == 0, "%s: %s", name, states(k))


static void
classes(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k.class.without_class = 0;
    k8s_open(&k);

    k8s_put(&k, CLASS("ours", "k8s.io/ingress-nginx"));
    k8s_put(&k, CLASS("others", "example.com/other"));
    k8s_put(&k, ING("d", "a", "01", ANNOTATION("nginx"),
                    HOST("a.test", PATH("/"))));
    states_are(&k, "served 1", "by annotation");

    k8s_put(&k, ING("d", "b", "01", "", HOST("b.test", PATH("/"))));
    states_are(&k, "served 1, no_class 1", "no class");

    k8s_put(&k, ING("d", "c", "01", ANNOTATION("ours"),
                    HOST("c.test", PATH("/"))));
    states_are(&k, "served 1, no_class 2",
               "a class of ours, which the annotation cannot name");

    k8s_put(&k, ING("d", "d", "01", "", "'ingressClassName':'others',"
                    HOST("d.test", PATH("/"))));
    k8s_put(&k, ING("d", "e", "01", ANNOTATION("whose"),
                    HOST("e.test", PATH("/"))));
    states_are(&k, "served 1, no_class 2, other_class 2", "another class");

    k8s_put(&k, ING("d", "f", "01", "", "'ingressClassName':'late',"
                    HOST("f.test", PATH("/"))));
    states_are(&k, "served 1, no_class 2, other_class 2, unknown_class 1",
               "a class that is not there");

    k8s_put(&k, ING("d", "g", "01", "", "'ingressClassName':7,"
                    HOST("g.test", PATH("/"))));
    states_are(&k, "served 1, no_class 2, other_class 2, unknown_class 1, "
               "invalid_class 1", "a class that cannot be read");

    k8s_put(&k, CLASS("late", "k8s.io/ingress-nginx"));
    states_are(&k, "served 2, no_class 2, other_class 2, invalid_class 1",
               "the class comes");

    k8s_put(&k, CLASS("late", "example.com/other"));
    states_are(&k, "served 1, no_class 2, other_class 3, invalid_class 1",
               "it is another controller's");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "a");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "b");
    k8s_delete(&k, NGX_K8S_INGRESS, "d", "d");
    states_are(&k, "no_class 1, other_class 2, invalid_class 1",
               "some are deleted");

    k8s_close(&k);
}


static void
namespaces(void)
{
    char        *err;
    k8s_t        k;
    size_t       at;
    ngx_str_t    text;
    ngx_pool_t  *pool;

    static u_char  words[] = "team=a";

    k8s_conf(&k);
    pool = ngx_create_pool(4096, &unit_log);

    text.data = words;
    text.len = sizeof(words) - 1;
    k.class.selector = ngx_k8s_selector_parse(pool, &text, &err, &at);
    ok(k.class.selector != NULL, "a selector");
    k8s_open(&k);

    k8s_put(&k, "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':"
            "'in','labels':{'team':'a'}}}");
    k8s_put(&k, "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':"
            "'out'}}");
    k8s_put(&k, ING("in", "a", "01", "", HOST("a.test", PATH("/"))));
    k8s_put(&k, ING("out", "a", "01", "", HOST("b.test", PATH("/"))));
    states_are(&k, "served 1, other_namespace 1", "by the labels");

    k8s_put(&k, "{'apiVersion':'v1','kind':'Namespace','metadata':{'name':"
            "'out','labels':{'team':'a'}}}");
    states_are(&k, "served 2", "the label comes");

    k8s_close(&k);
    ngx_destroy_pool(pool);
}


static void
routes(void)
{
    char        *text, *p;
    k8s_t        k;
    ngx_uint_t   i, v;

    k8s_conf(&k);
    k8s_open(&k);

    k8s_put(&k, ING("d", "a", "01", "", HOST("a.test", PATH("/"))));
    k8s_put(&k, ING("d", "b", "02", "", HOST("a.test", PATH("/"))));
    states_are(&k, "served 1, no_route 1", "its path is that of an older one");

    k8s_put(&k, ING("d", "c", "03", "", FALLBACK HOST("a.test", PATH("/"))));
    states_are(&k, "served 1, no_route 2", "and the default backend");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "a");
    states_are(&k, "served 1, no_route 1", "the next has the path");

    k8s_put(&k, ING("d", "b", "02", "", HOST("a.test", PATH("/x"))));
    states_are(&k, "served 2", "it leaves the path");

    k8s_put(&k, ING("d", "e", "05", "", HOST("e.test", "")));
    states_are(&k, "served 2, no_route 1", "a host without paths");

    k8s_put(&k, ING("d", "f", "06", "", FALLBACK HOST("e.test", "")));
    states_are(&k, "served 2, no_route 2",
               "the default backend of a host that another one made");

    k8s_delete(&k, NGX_K8S_INGRESS, "d", "e");
    states_are(&k, "served 3", "it makes the host");

    k8s_put(&k, ING("d", "e", "04", "", HOST("e.test", "")));
    states_are(&k, "served 2, no_route 2", "an older one makes it again");

    k8s_put(&k, ING("d", "g", "07", "", FALLBACK "'tls':[]"));
    k8s_put(&k, ING("d", "h", "08", "", FALLBACK "'tls':[]"));
    states_are(&k, "served 3, no_route 3", "the default backend of all hosts");

    /* what is beyond the problems that are kept counts all the same */

    text = malloc(64 * 1024);

    for (v = 0; v < 2; v++) {
        p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1','kind':"
                           "'Ingress','metadata':{'namespace':'d','name':'y%u'"
                           ",'creationTimestamp':'2026-01-2%uT00:00:00Z'},"
                           "'spec':{'rules':[{'host':'%s.test'" PATH("/") "},"
                           "{'host':'y.test','http':{'paths':[",
                           (unsigned) v, (unsigned) v, v ? "x" : "w");

        for (i = 0; i < 80; i++) {
            p += sprintf(p, "%s{'path':'/%u','pathType':'Exact','backend':{"
                         "'service':{'name':'s','port':{'number':80}}}}",
                         i ? "," : "", (unsigned) i);
        }

        sprintf(p, "]}}]}}");
        k8s_put(&k, text);
    }

    free(text);

    states_are(&k, "served 5, no_route 3", "of 81 paths one counts");

    k8s_close(&k);
}


static void
limits(void)
{
    k8s_t              k;
    ngx_str_t          kind, ns, name;
    ngx_k8s_problem_t  problem;

    k8s_conf(&k);
    k.conf.limit_routes = 1;
    k8s_open(&k);

    k8s_put(&k, ING("d", "a", "01", "", HOST("a.test", PATH("/"))));
    k8s_put(&k, ING("d", "b", "02", "", HOST("b.test", PATH("/"))));
    states_are(&k, "served 1, namespace_limit 1", "a limit");

    ngx_memzero(&problem, sizeof(ngx_k8s_problem_t));
    ngx_str_set(&kind, "Ingress");
    ngx_str_set(&ns, "d");
    ngx_str_set(&name, "c");
    ngx_str_set(&problem.message, "cannot be read");

    ngx_k8s_compile_problems(k.compile, &kind, &ns, &name, 1, &problem);
    ngx_k8s_compile_problems(k.compile, &kind, &ns, &name, 1, &problem);
    ngx_str_set(&name, "a");
    ngx_k8s_compile_problems(k.compile, &kind, &ns, &name, 1, &problem);
    ngx_str_set(&kind, "Service");
    ngx_k8s_compile_problems(k.compile, &kind, &ns, &name, 1, &problem);
    states_are(&k, "served 1, namespace_limit 1, unreadable 2", "unreadable");

    ngx_str_set(&kind, "Ingress");
    ngx_k8s_compile_problems(k.compile, &kind, &ns, &name, 0, NULL);
    ngx_k8s_compile_problems(k.compile, &kind, &ns, &name, 0, NULL);
    states_are(&k, "served 1, namespace_limit 1, unreadable 1",
               "one is good again");

    k8s_close(&k);
}


/* those of a predecessor stay until all is compiled */

static void
successor(void)
{
    k8s_t  k;

    k8s_conf(&k);
    k8s_open(&k);
    k8s_put(&k, ING("d", "a", "01", "", HOST("a.test", PATH("/"))));
    states_are(&k, "served 1", "a first watcher");
    k8s_end(&k);

    k8s_open(&k);
    k8s_put(&k, ING("d", "a", "01", "", HOST("a.test", PATH("/"))));
    k8s_put(&k, ING("d", "b", "01", "", HOST("b.test", PATH("/"))));
    ngx_k8s_compile_synced(k.compile);
    (void) ngx_k8s_compile_run(k.compile, 0);
    ok(k.table->states[NGX_K8S_STATE_SERVED] == 1
       && k.table->states[NGX_K8S_STATE_PENDING] == 0,
       "its successor leaves them at first");
    states_are(&k, "served 2", "and then says its own");

    k8s_close(&k);
}


/* a count from what is known of each entry */

static ngx_uint_t
recount(k8s_t *k)
{
    uint64_t           states[NGX_K8S_STATES];
    ngx_uint_t         i, n, state;
    ngx_k8s_entry_t   *entry;
    ngx_k8s_attach_t   attach;

    ngx_memzero(states, sizeof(states));

    for (entry = ngx_k8s_entry_oldest(k->store);
         entry;
         entry = ngx_k8s_entry_younger(k->store, entry))
    {
        ngx_memzero(&attach, sizeof(ngx_k8s_attach_t));
        ngx_k8s_attach_ingress(k->store, entry->object, &attach);

        if (!attach.taken) {
            state = attach.state;

        } else if (entry->limited) {
            state = NGX_K8S_STATE_NAMESPACE_LIMIT;

        } else if (entry->full) {
            state = NGX_K8S_STATE_TABLE_FULL;

        } else {
            state = NGX_K8S_STATE_SERVED;
        }

        states[state]++;
    }

    n = 0;

    for (i = 0; i < NGX_K8S_STATES; i++) {
        n += (states[i] != k->table->states[i]);
    }

    return n;
}


static void
crowded(void)
{
    char        *p;
    k8s_t        k;
    ngx_uint_t   round, step, i, n, bad, full, limited, other;

    static char  text[64 * 1024], name[16];

    bad = 0;
    full = 0;
    limited = 0;
    other = 0;

    for (round = 0; round < unit_rounds(20); round++) {
        seed = 104729 * (round + 1);

        k8s_conf(&k);
        k.size = 600 * 1024;
        k.conf.limit_routes = 800;
        k8s_open(&k);

        for (step = 0; step < 300; step++) {
            i = rnd(40);
            sprintf(name, "i%u", (unsigned) i);

            if (rnd(4) == 0) {
                k8s_delete(&k, NGX_K8S_INGRESS, i % 2 ? "d" : "e", name);

            } else {
                p = text + sprintf(text, "{'apiVersion':'networking.k8s.io/v1'"
                        ",'kind':'Ingress','metadata':{'namespace':'%s','name'"
                        ":'%s','creationTimestamp':'2026-01-%02uT00:00:00Z'},"
                        "'spec':{%s'rules':[{'host':'%s.test','http':{'paths':"
                        "[", i % 2 ? "d" : "e", name, (unsigned) (1 + i % 28),
                        rnd(6) ? "" : "'ingressClassName':'c',", name);

                n = 1 + rnd(100);

                while (n--) {
                    p += sprintf(p, "{'path':'/%u/and/some/more/of/it',"
                                 "'pathType':'Prefix','backend':{'service':{"
                                 "'name':'s%u','port':{'number':80}}}}%s",
                                 (unsigned) n, (unsigned) n, n ? "," : "");
                }

                sprintf(p, "]}}]}}");
                k8s_put(&k, text);
            }

            if (rnd(10) == 0) {
                k8s_put(&k, rnd(2) ? CLASS("c", "k8s.io/ingress-nginx")
                                   : CLASS("c", "example.com/other"));
            }

            if (rnd(3) == 0) {
                (void) ngx_k8s_compile_run(k.compile, 0);
                ngx_k8s_writer_publish(k.writer);
            }

            if (rnd(20) == 0) {
                k8s_run(&k);
                bad += recount(&k);
                full += k.table->states[NGX_K8S_STATE_TABLE_FULL];
                limited += k.table->states[NGX_K8S_STATE_NAMESPACE_LIMIT];
                other += k.table->states[NGX_K8S_STATE_OTHER_CLASS];
            }
        }

        k8s_close(&k);
    }

    ok(bad == 0 && full && limited && other,
       "random edits: %u counts differ; of all %u found no room, %u were "
       "beyond a limit, %u of another class", (unsigned) bad, (unsigned) full,
       (unsigned) limited, (unsigned) other);
}


int
main(void)
{
    unit_init();

    classes();
    namespaces();
    routes();
    limits();
    successor();
    crowded();

    return done();
}
