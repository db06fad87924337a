
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The worst files of manifests that the limits let in, and some beyond them:
 * how many turns the source makes of each when it comes, changes and goes, and
 * the CPU time of the longest one in microseconds, the least of some runs.
 * UNIT_BYTES says how large they are, UNIT_RUNS how many runs, UNIT_ONLY which.
 */


#include <unit.h>
#include <ngx_event.h>
#include <ngx_k8s_manifests.h>
#include <ngx_k8s_record.h>
#include <malloc.h>


#define STAGES  3

typedef struct {
    const char  *what;
    const char  *name;
    const char  *head;
    const char  *element;                /* with its number */
    const char  *tail;
    ngx_uint_t   max;                    /* elements, 0: that fit */
    ngx_uint_t   all;                    /* each is an object that is fed */
} file_t;

#define ALL  1


#define NAMED(kind)                                                           \
    "apiVersion: v1\nkind: " kind "\nmetadata: {name: w}\n"

#define ENDPOINTS                                                             \
    "apiVersion: v1\nkind: Service\nmetadata: {name: w}\n---\n"               \
    NAMED("Endpoints") "subsets:\n"


static file_t  files[] = {

    { "small objects, JSON", "w.json", "",
      "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
      "\"w%u\"}}", "", 0, ALL },

    { "small objects, YAML", "w.yaml", "",
      "---\n{apiVersion: v1, kind: Service, metadata: {name: w%u}}\n", "",
      0, ALL },

    { "a list of them", "w.json", "{\"kind\":\"List\",\"items\":[",
      ",{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
      "\"w%u\"}}", "]}", NGX_K8S_PARSER_TREE_LIST, ALL },

    { "a list of bad ones", "w.json", "{\"kind\":\"List\",\"items\":[",
      ",{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
      "\"W%u\"}}", "]}", NGX_K8S_PARSER_TREE_LIST, 0 },

    { "one object, again and again", "w.json", "",
      "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
      "\"w\"}}", "", 0, 0 },

    { "objects of other kinds", "w.yaml", "", "---\n{kind: Deployment}\n", "",
      0, 0 },

    { "plain values of 1 MB", "w.yaml", NAMED("Secret") "data:\n", "p", "",
      0, 0 },
    { "quoted values of 1 MB", "w.yaml", NAMED("Secret") "data:\n", "q", "",
      0, 0 },
    { "blocks of 1 MB", "w.yaml", NAMED("Secret") "data:\n", "b", "", 0, 0 },
    { "blocks of empty lines", "w.yaml", NAMED("Secret") "data:\n", "l", "",
      0, 0 },
    { "comments of 1 MB", "w.yaml", "a:\n", "c", "", 0, 0 },
    { "a value of all", "w.yaml", NAMED("Secret") "data:\n  a: x", "x", "\n",
      0, 0 },
    { "a comment of all", "w.yaml", NAMED("Secret") "#", "x", "\n", 0, 0 },
    { "directives", "w.yaml", "", "%%TAG !t%u! x\n", "---\na: 1\n", 0, 0 },
    { "flow sequences in each other", "w.yaml", "", "[", "", 0, 0 },
    { "block sequences in each other", "w.yaml", "", "- ", "", 0, 0 },
    { "anchors and aliases", "w.yaml", "a: &a x\nb:\n", "- &a%u x\n- *a\n", "",
      0, 0 },
    { "merges", "w.yaml", NULL, "- {<<: *a}\n", "", 0, 0 },

    { "a long list", "w.yaml", "a: [", ",%u", "]\n",
      NGX_K8S_PARSER_TREE_LIST, 0 },
    { "a large mapping", "w.yaml", "a: {", ",%u: 1", "}\n",
      NGX_K8S_PARSER_TREE_MAP, 0 },
    { "a long list, JSON", "w.json", "{\"a\":[", ",%u", "]}",
      NGX_K8S_PARSER_TREE_LIST, 0 },
    { "a large object, JSON", "w.json", "{\"a\":{", ",\"%u\":1", "}}",
      NGX_K8S_PARSER_TREE_MAP, 0 },
    { "a list of all", "w.json", "{\"a\":[", ",1", "]}", 0, 0 },
    { "an object of all", "w.json", "{\"a\":{", ",\"%u\":1", "}}", 0, 0 },
    { "white space", "w.json", "{\"a\"", " ", ":1}", 0, 0 },
    { "empty lines", "w.json", "{\"a\":1}", "\n", "{\"b\" 1}", 0, 0 },

    { "UTF-16", "w.yaml", "u", "", "", 0, 0 },
    { "byte order marks", "w.yaml", "", "\xef\xbb\xbf- x\n", "", 0, 0 },

    { "Endpoints, subsets", "w.yaml", ENDPOINTS,
      "- {addresses: [{ip: 1.1.1.1}], ports: [{port: %u}]}\n", "", 0, 0 },
    { "Endpoints, subsets that fit", "w.yaml", ENDPOINTS,
      "- {addresses: [{ip: 1.1.1.1}], ports: [{port: %u}]}\n", "", 11000, 0 },
    { "Endpoints, addresses", "w.yaml", ENDPOINTS,
      "- addresses: [{ip: 1.1.1.1}, {ip: 1.1.1.1}, {ip: 1.1.1.1}, "
      "{ip: 1.1.1.1}]\n", "", 0, 0 },
    { "Endpoints, ports", "w.yaml", ENDPOINTS
      "- addresses: [{ip: 1.1.1.1}]\n  ports:\n", "  - {port: %u}\n", "",
      0, 0 },

    { NULL, NULL, NULL, NULL, NULL, 0, 0 }
};


static char                    dir[] = "/tmp/files.XXXXXX";
static size_t                  size;
static uint64_t                longest;
static ngx_uint_t              nfed, ndeleted, elements;
static ngx_k8s_source_t       *source;
static ngx_k8s_source_conf_t   conf;


static void
on_feed(void *data, ngx_k8s_feed_t *f)
{
    nfed += (f->op == NGX_K8S_FEED_OBJECT);
    ndeleted += (f->op == NGX_K8S_FEED_DELETE);
    ngx_free(f->text);
}


static void
on_state(void *data, ngx_uint_t kind, ngx_k8s_source_state_t *s)
{
    /* void */
}


static void
on_problem(void *data, char *kind, ngx_str_t *name, ngx_int_t code,
    ngx_str_t *message)
{
    if (code >= 0 && getenv("UNIT_ONLY")) {
        printf("# %.*s\n", (int) message->len, message->data);
    }
}


static void
on_unread(void *data, ngx_uint_t kind, ngx_int_t n)
{
    /* void */
}


static size_t
on_backlog(void *data)
{
    return 0;
}


static void
on_turn(void *data)
{
    /* void */
}


static ngx_k8s_sink_t  sink = { NULL, on_feed, on_state, on_problem, on_unread,
                                on_backlog, on_turn, on_turn, NULL };


static uint64_t
cpu(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


/* one element, of a megabyte where that is what it stands for */

static size_t
element(char *p, file_t *f, ngx_uint_t i)
{
    size_t  n;
    char   *start;

    start = p;

    switch (f->element[1] ? 0 : f->element[0]) {

    case 'p':
    case 'q':
        p += sprintf(p, "  k%u: %s", (unsigned) i,
                     f->element[0] == 'q' ? "\"" : "");
        n = ngx_min(size / 4, NGX_K8S_PARSER_STRING);
        memset(p, 'A', n);
        p += n;
        p += sprintf(p, f->element[0] == 'q' ? "\"\n" : "\n");
        break;

    case 'b':
        p += sprintf(p, "  k%u: |\n", (unsigned) i);

        for (n = 0; n < ngx_min(size / 4, NGX_K8S_PARSER_STRING); n += 64) {
            p += sprintf(p, "    %059u\n", (unsigned) n);
        }

        break;

    case 'l':
        p += sprintf(p, "  k%u: |\n", (unsigned) i);
        n = ngx_min(size / 4, NGX_K8S_PARSER_STRING / 2);
        memset(p, '\n', n);
        p += n;
        break;

    case 'c':
        p += sprintf(p, "- %u\n#", (unsigned) i);
        n = ngx_min(size / 4, NGX_K8S_PARSER_STRING);
        memset(p, 'c', n);
        p += n;
        *p++ = '\n';
        break;

    default:
        p += sprintf(p, f->element + (i == 0 && f->element[0] == ','),
                     (unsigned) i, (unsigned) i);
    }

    return p - start;
}


static void
put(file_t *f, ngx_uint_t version)
{
    char        *text, *p, *last, path[128];
    FILE        *out;
    size_t       n;
    ngx_uint_t   i;

    text = malloc(size + 2 * NGX_K8S_PARSER_STRING + 65536);
    last = text + size - strlen(f->tail) - 64;
    p = text;

    if (f->head == NULL) {

        /* something to be merged */

        p += sprintf(p, "a: &a {");

        for (i = 0; i < 4000; i++) {
            p += sprintf(p, "%sk%u: 1", i ? "," : "", (unsigned) i);
        }

        p += sprintf(p, "}\nb:\n");

    } else if (f->head[0] == 'u') {
        p += sprintf(p, "\xff\xfe");

        while (p < last) {
            p += sprintf(p, "-%c %c\n%c", 0, 0, 0);
        }

    } else {
        p += sprintf(p, "%s", f->head);
    }

    for (i = 0; p < last && i < (f->max ? f->max : size); i++) {
        n = element(p, f, i);

        if (n == 0 || p + n > last) {
            break;
        }

        p += n;
    }

    elements = i;
    p += sprintf(p, "%s", f->tail);

    if (version) {
        *p++ = '\n';
    }

    sprintf(path, "%s/%s", dir, f->name);
    out = fopen(path, "w");
    fwrite(text, p - text, 1, out);
    fclose(out);
    free(text);
}


/* until all of it is done, the folder walked anew */

static ngx_uint_t
turns(void)
{
    uint64_t              t;
    ngx_uint_t            n;
    ngx_k8s_manifests_t  *m;

    m = source->data;
    m->want_walk = 1;

    if (!m->work.posted) {
        ngx_post_event(&m->work, &ngx_posted_next_events);
    }

    longest = 0;

    for (n = 0; !ngx_queue_empty(&ngx_posted_next_events); n++) {
        ngx_event_move_posted_next(&unit_cycle);

        t = cpu();
        ngx_event_process_posted(&unit_cycle, &ngx_posted_events);
        longest = ngx_max(longest, cpu() - t);
    }

    return n;
}


static void
run(file_t *f, ngx_uint_t *n, uint64_t *least)
{
    char        path[128];
    uint64_t    us[STAGES];
    ngx_uint_t  i;

    put(f, 0);

    source = ngx_k8s_manifests_start(&conf, &sink, &unit_log);

    nfed = 0;
    n[0] = turns();
    us[0] = longest;
    n[STAGES] = nfed;
    n[STAGES + 1] = elements;

    put(f, 1);
    n[1] = turns();
    us[1] = longest;

    sprintf(path, "%s/%s", dir, f->name);
    unlink(path);
    ndeleted = 0;
    n[2] = turns();
    us[2] = longest;

    n[STAGES + 2] = ndeleted;

    source->stop(source);

    for (i = 0; i < STAGES; i++) {
        least[i] = ngx_min(least[i], us[i]);
    }
}


int
main(void)
{
    file_t      *f;
    uint64_t     us[STAGES];
    ngx_uint_t   i, runs, n[STAGES + 3];

    unit_init();

    /* as the watcher does */

    (void) mallopt(M_MXFAST, 0);
    unit_log.log_level = NGX_LOG_EMERG;

    ngx_queue_init(&ngx_posted_events);
    ngx_queue_init(&ngx_posted_next_events);
    ngx_event_timer_init(&unit_log);

    if (mkdtemp(dir) == NULL) {
        return 1;
    }

    conf.path.data = (u_char *) dir;
    conf.path.len = strlen(dir);

    size = getenv("UNIT_BYTES") ? (ngx_uint_t) atoi(getenv("UNIT_BYTES"))
                                : unit_rounds(1024 * 1024);
    runs = getenv("UNIT_RUNS") ? atoi(getenv("UNIT_RUNS")) : 1;

    ngx_memzero(n, sizeof(n));

    printf("# %-32s %10s %10s %10s %10s\n", "longest turn, microseconds",
           "comes", "changes", "goes", "fed");

    for (f = files; f->what; f++) {

        if (getenv("UNIT_ONLY") && !strstr(f->what, getenv("UNIT_ONLY"))) {
            continue;
        }

        for (i = 0; i < STAGES; i++) {
            us[i] = NGX_MAX_INT32_VALUE;
        }

        for (i = 0; i < runs; i++) {
            run(f, n, us);
        }

        printf("# %-32s %10u %10u %10u %10u\n", f->what, (unsigned) us[0],
               (unsigned) us[1], (unsigned) us[2], (unsigned) n[STAGES]);
        printf("# %-32s %10u %10u %10u\n", "  turns", (unsigned) n[0],
               (unsigned) n[1], (unsigned) n[2]);
        fflush(stdout);

        ok(n[STAGES] == n[STAGES + 2]
           && (!f->all || n[STAGES] == n[STAGES + 1]),
           "%s: of %u %u are fed, %u go", f->what, (unsigned) n[STAGES + 1],
           (unsigned) n[STAGES], (unsigned) n[STAGES + 2]);
    }

    (void) rmdir(dir);

    return done();
}
