
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * The manifests source against a real folder and the kernel's inotify; only
 * nginx's event loop is played: posted events, timers, and poll() of the one
 * descriptor.
 */


#include <unit.h>
#include <ngx_event.h>
#include <ngx_k8s_manifests.h>
#include <ngx_k8s_record.h>
#include <malloc.h>
#include <poll.h>


static char               root[] = "/tmp/manifests.XXXXXX";
static char               dir[256];
static char               fed[65536];      /* what the sink has got */
static char               told[65536];     /* problems */
static ngx_uint_t         states, listed, nfed;
static size_t             backlog;
static ngx_k8s_source_conf_t   conf;
static ngx_k8s_source_t  *source;
static ngx_msec_t         latest;          /* the clock stands there, 0: goes */
static uint64_t           longest;         /* turn, microseconds of CPU */
static ngx_uint_t         turns;


static void
feed(void *data, ngx_k8s_feed_t *f)
{
    char         *p, *text;
    json_t       *json, *meta;
    const char   *ns;
    static char  *ops[] = { "begin", "", "delete ", "end", "abort" };

    nfed++;
    p = fed + strlen(fed);

    if (p - fed > (ptrdiff_t) sizeof(fed) - 1024) {
        ngx_free(f->text);
        return;
    }

    if (f->text == NULL) {
        sprintf(p, "%s %s%s%.*s|", ops[f->op], ngx_k8s_kinds[f->kind].name.data,
                f->scope.len ? " in " : "", (int) f->scope.len, f->scope.data);
        return;
    }

    json = json_loadb((char *) f->text, f->len, JSON_ALLOW_NUL, NULL);
    meta = json_object_get(json, "metadata");
    ns = json_string_value(json_object_get(meta, "namespace"));

    sprintf(p, "%s%s %s/%s", ops[f->op], ngx_k8s_kinds[f->kind].name.data,
            ns, json_string_value(json_object_get(meta, "name")));

    if (f->kept) {
        strcat(p, " kept");
    }

    if (f->op == NGX_K8S_FEED_OBJECT) {
        sprintf(p + strlen(p), " %.*s#%u", (int) f->origin.len,
                f->origin.data, (unsigned) f->document);
    }

    ns = json_string_value(json_object_get(json, "v"));

    if (ns) {
        sprintf(p + strlen(p), " %s", ns);
    }

    ns = json_string_value(json_object_get(json_object_get(json, "spec"),
                                           "ingressClassName"));

    if (ns) {
        sprintf(p + strlen(p), " of %s", ns);
    }

    if (json_object_get(json, "addressType")) {
        json_object_del(meta, "namespace");
        json_object_del(meta, "name");
        text = json_dumps(json, JSON_COMPACT|JSON_SORT_KEYS);
        sprintf(p + strlen(p), " %s", text);
        free(text);
    }

    if (json_object_get(json, "status")
        || json_object_get(meta, "managedFields")
        || json_object_get(json_object_get(meta, "annotations"),
                           "kubectl.kubernetes.io/last-applied-configuration"))
    {
        strcat(p, " with too much");
    }

    strcat(p, "|");

    json_decref(json);
    ngx_free(f->text);
}


static void
state(void *data, ngx_uint_t kind, ngx_k8s_source_state_t *s)
{
    states++;
    listed += s->state == NGX_K8S_SYNC_LISTED;
}


static void
problem(void *data, char *kind, ngx_str_t *name, ngx_int_t code,
    ngx_str_t *message)
{
    if (code >= 0 && strlen(told) < sizeof(told) - 1024) {
        sprintf(told + strlen(told), "%s %.*s %d: %.*s|", kind,
                (int) name->len, name->data, (int) code, (int) message->len,
                message->data);
    }
}


static ngx_int_t  unread;


static void
sink_unread(void *data, ngx_uint_t kind, ngx_int_t n)
{
    unread += (kind == NGX_K8S_INGRESS) ? n : 1000;
}


static size_t
sink_backlog(void *data)
{
    return backlog;
}


static ngx_int_t  entered;


static void
sink_enter(void *data)
{
    entered++;
}


static void
sink_leave(void *data)
{
    entered--;
}


static ngx_k8s_sink_t  sink = { NULL, feed, state, problem, sink_unread,
                                sink_backlog, sink_enter, sink_leave, NULL };


static ngx_int_t
event_add(ngx_event_t *ev, ngx_int_t event, ngx_uint_t flags)
{
    ev->active = 1;
    return NGX_OK;
}


static ngx_int_t
event_del(ngx_event_t *ev, ngx_int_t event, ngx_uint_t flags)
{
    ev->active = 0;
    return NGX_OK;
}


static uint64_t
usec(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


static void
loop_init(void)
{
    ngx_uint_t          i;
    static ngx_event_t  events[2][8];

    ngx_queue_init(&ngx_posted_events);
    ngx_queue_init(&ngx_posted_next_events);
    ngx_queue_init(&unit_cycle.reusable_connections_queue);
    ngx_event_timer_init(&unit_log);

    unit_cycle.connections = calloc(8, sizeof(ngx_connection_t));
    unit_cycle.connection_n = 8;

    for (i = 0; i < 8; i++) {
        unit_cycle.connections[i].data = i < 7 ? &unit_cycle.connections[i + 1]
                                               : NULL;
        unit_cycle.connections[i].read = &events[0][i];
        unit_cycle.connections[i].write = &events[1][i];
        unit_cycle.connections[i].fd = -1;
        events[0][i].closed = 1;
        events[1][i].closed = 1;
    }

    unit_cycle.free_connections = unit_cycle.connections;
    unit_cycle.free_connection_n = 8;

    ngx_event_flags = NGX_USE_CLEAR_EVENT;
    ngx_event_actions.add = event_add;
    ngx_event_actions.del = event_del;
    ngx_event_actions.add_conn = NULL;
    ngx_event_actions.del_conn = NULL;
}


/* of this process: others have the processor as well */

static uint64_t
cpu(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


/*
 * turns the loop until nothing has happened for "quiet" ms, and once more: on
 * a slow machine they may be over before anything could
 */

static void
turn(int quiet)
{
    int                   timeout;
    uint64_t              start, until, t;
    ngx_uint_t            late;
    ngx_msec_t            timer;
    struct pollfd         p;
    ngx_connection_t     *c;
    ngx_k8s_manifests_t  *m;

    m = source->data;
    start = usec();
    until = start + quiet * 1000;

    do {
        late = usec() >= until;
        c = m->connection;

        p.fd = c ? c->fd : -1;
        p.events = POLLIN;
        p.revents = 0;

        timer = ngx_event_find_timer();
        timeout = ngx_min(timer, 5);

        if (!ngx_queue_empty(&ngx_posted_next_events)) {
            ngx_event_move_posted_next(&unit_cycle);
            timeout = 0;
        }

        poll(&p, 1, timeout);
        ngx_time_update();

        if (latest && (ngx_msec_int_t) (ngx_current_msec - latest) > 0) {
            ngx_current_msec = latest;
        }

        if (p.revents) {
            c->read->ready = 1;
            c->read->handler(c->read);
            until = usec() + quiet * 1000;
            late = 0;
        }

        ngx_event_expire_timers();

        if (!ngx_queue_empty(&ngx_posted_events)) {
            t = cpu();
            ngx_event_process_posted(&unit_cycle, &ngx_posted_events);
            t = cpu() - t;
            longest = ngx_max(longest, t);
            turns++;
            until = usec() + quiet * 1000;
            late = 0;
        }

    } while (!late && usec() < start + 60000000);
}


#define SVC(name, v)  "apiVersion: v1\nkind: Service\nmetadata: {name: " name \
                      "}\nv: \"" v "\"\n"


static ngx_uint_t
is(const char *want)
{
    if (strcmp(fed, want) != 0) {
        printf("# got  %s\n# want %s\n", fed, want);
        return 0;
    }

    return 1;
}


static ngx_uint_t
says(const char *want)
{
    if ((want[0] == '\0') != (told[0] == '\0') || !strstr(told, want)) {
        printf("# told %s\n# want %s\n", told, want);
        return 0;
    }

    return 1;
}


/* turns it until the sink has got that */

static ngx_uint_t
soon(const char *want)
{
    uint64_t  until;

    until = usec() + 20000000;

    while (strstr(fed, want) == NULL && usec() < until) {
        turn(5);
    }

    return is(want);
}


static void
clear(void)
{
    fed[0] = '\0';
    told[0] = '\0';
    states = 0;
    listed = 0;
}


static void
start(void)
{
    clear();
    source = ngx_k8s_manifests_start(&conf, &sink, &unit_log);
}


/* in the folder; fmt is the content, ' and all */

static void
put(const char *name, const char *fmt, ...)
{
    FILE     *f;
    char      path[512];
    va_list   args;

    snprintf(path, sizeof(path), "%s/%s", dir, name);

    f = fopen(path, "w");
    va_start(args, fmt);
    vfprintf(f, fmt, args);
    va_end(args);
    fclose(f);
}


static void
sh(const char *fmt, ...)
{
    char     cmd[4096], in[5000];
    va_list  args;

    va_start(args, fmt);
    vsnprintf(cmd, sizeof(cmd), fmt, args);
    va_end(args);

    snprintf(in, sizeof(in), "cd %s && { %s ; }", root, cmd);

    if (system(in) != 0) {
        printf("# failed: %s\n", in);
    }
}


#define BEGIN "begin Ingress|begin IngressClass|begin Service|begin "         \
              "EndpointSlice|begin Secret|begin Namespace|begin ConfigMap|"
#define END   "end Ingress|end IngressClass|end Service|end EndpointSlice|"   \
              "end Secret|end Namespace|end ConfigMap|"


static void
first(void)
{
    sh("mkdir -p w/sub");
    put("b.yaml", SVC("b", "one") "---\n# empty\n---\n" SVC("c", "two"));
    put("a.json", "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":["
        "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":"
        "{\"name\":\"n\",\"namespace\":\"x\"}},{\"apiVersion\":\"v1\","
        "\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"}}]}");
    put("sub/s.yml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n"
        "  namespace: m\n  managedFields: []\n  annotations:\n    "
        "kubectl.kubernetes.io/last-applied-configuration: x\nstatus: {}\n");
    put("notes.txt", "no manifest");
    put(".hidden.yaml", SVC("hidden", "x"));
    put("values.yaml", "replicas: 3\n");

    start();
    turn(30);

    ok(strncmp(fed, BEGIN, strlen(BEGIN)) == 0
       && strstr(fed, "|Namespace x/n a.json#1|") != NULL
       && strstr(fed, "|Service default/b b.yaml#1 one|") != NULL
       && strstr(fed, "|Service default/c b.yaml#2 two|") != NULL
       && strstr(fed, "|Secret m/s sub/s.yml#1|") != NULL
       && strcmp(fed + strlen(fed) - strlen(END), END) == 0,
       "the first list");
    ok(strlen(fed) == strlen(BEGIN END) + strlen("Namespace x/n a.json#1|"
       "Service default/b b.yaml#1 one|Service default/c b.yaml#2 two|"
       "Secret m/s sub/s.yml#1|"), "and nothing else");
    ok(states == NGX_K8S_KINDS && listed == NGX_K8S_KINDS && says(""),
       "each kind is listed");
}


static void
again(void)
{
    clear();
    source->relist(source, NGX_K8S_SERVICE);
    ok(strncmp(fed, "abort Ingress|", 14) == 0, "a list of all begins anew");
    clear();
    turn(1500);
    ok(strncmp(fed, BEGIN, strlen(BEGIN)) == 0
       && strcmp(fed + strlen(fed) - strlen(END), END) == 0
       && strlen(fed) == strlen(BEGIN END) + strlen("Namespace x/n a.json#1|"
       "Service default/b b.yaml#1 one|Service default/c b.yaml#2 two|"
       "Secret m/s sub/s.yml#1|"), "and all is fed once more");
    clear();
    turn(30);
    ok(is("") && source->missing(source, NGX_K8S_SECRET) == 0, "once");
}


static void
edits(void)
{
    uint64_t  t;

    clear();
    t = usec();
    put("b.yaml", SVC("b", "one") "---\n" SVC("c", "three"));
    turn(30);
    ok(is("Service default/c b.yaml#2 three|"), "an edit feeds what changed");
    ok(usec() - t < 1000000, "at once");

    clear();
    sh("sleep 0.01; touch w/b.yaml; cp w/b.yaml w/.b; mv w/.b w/b.yaml");
    turn(30);
    ok(is(""), "the same content feeds nothing");

    clear();
    sh("sed s/three/four/ w/b.yaml > w/b.tmp; mv w/b.tmp w/b.yaml");
    turn(30);
    ok(is("Service default/c b.yaml#2 four|"), "an atomic rename");

    clear();
    sh("sed -i '/---/,$d' w/b.yaml");
    turn(30);
    ok(is("delete Service default/c|"), "a document less");

    clear();
    sh("mv w/b.yaml w/z.yaml");
    turn(30);
    ok(is("Service default/b z.yaml#1 one|"),
       "an object moves with its file, and is never away");

    clear();
    sh("rm w/z.yaml");
    turn(30);
    ok(is("delete Service default/b|"), "a file is deleted");

    clear();
    sh("mkdir -p w/new/deep; sleep 0.01");
    turn(30);
    put("new/deep/n.yaml", SVC("nd", "1"));
    turn(30);
    ok(is("Service default/nd new/deep/n.yaml#1 1|"), "a new folder");

    clear();
    put("new/deep/n.yaml", SVC("nd", "2"));
    turn(30);
    ok(is("Service default/nd new/deep/n.yaml#1 2|"), "an edit in it");

    clear();
    sh("mv w/new w/newer");
    turn(30);
    ok(is("Service default/nd newer/deep/n.yaml#1 2|"), "a folder is renamed");

    clear();
    sh("rm -r w/newer");
    turn(30);
    ok(is("delete Service default/nd|"), "a folder is deleted");
}


static void
broken(void)
{
    clear();
    put("e.yaml", SVC("e", "1"));
    turn(30);
    put("e.yaml", SVC("e", "2") "x: [\n");
    turn(30);
    ok(is("Service default/e e.yaml#1 1|Service default/e kept e.yaml#1 1|"),
       "of a broken file its last good version is kept");
    ok(says("File e.yaml 3: line 6, column 1:"), "and is a problem");

    clear();
    put("e.yaml", SVC("e", "2") "---\napiVersion: v1\nkind: Secret\n");
    turn(30);
    ok(is("Service default/e e.yaml#1 2|")
       && says("File e.yaml 0: document 2, line 6: Secret is left out: the "
               "object has no metadata"), "an object without metadata");

    clear();
    put("e.yaml", SVC("e", "3"));
    turn(30);
    ok(is("Service default/e e.yaml#1 3|") && says(""), "good again");

    clear();
    put("e.yaml", "x: [");
    turn(30);
    sh("rm w/e.yaml");
    turn(30);
    ok(is("Service default/e kept e.yaml#1 3|delete Service default/e|"),
       "a broken file is deleted");

    clear();
    sh("truncate -s 17M w/big.yaml");
    turn(30);
    ok(is("") && says("File big.yaml 3: it has more than 16777216 bytes"),
       "a file that is too large");
    sh("rm w/big.yaml");

    clear();
    sh("mkfifo w/pipe.yaml; ln -s nowhere w/link.yaml");
    turn(30);
    ok(is(""), "neither a pipe nor a broken link is read");
    sh("rm w/pipe.yaml w/link.yaml");
    turn(30);
}


#define BAD(kind, meta)  "---\napiVersion: v1\nkind: " kind "\nmetadata: "   \
                         meta "\n"


/* one bad object costs itself alone */

static void
objects(void)
{
    ngx_uint_t  i;

    static struct {
        const char  *text, *told;
    } t[] = {

        { BAD("Service", "{name: My_App, namespace: b}"),
          "Service \"b/My_App\" is left out: metadata.name is no DNS name" },

        { BAD("Service", "{name: no}"),
          "Service \"default/false\" is left out: metadata.name is no "
          "string: quote it, as YAML reads no, " },

        { BAD("Service", "{name: 123}"),
          "Service \"default/123\" is left out: metadata.name is no string" },

        { BAD("Service", "{name: [a]}"),
          "Service \"default/[...]\" is left out: metadata.name is no " },

        { BAD("Secret", "{generateName: tok-}"),
          "Secret \"default/tok-\" is left out: metadata.generateName " },

        { BAD("Service", "{}"),
          "Service is left out: metadata.name is missing" },

        { BAD("Service", "{name: q, namespace: NAMESPACE}"),
          "Service \"NAMESPACE/q\" is left out: metadata.namespace is no "
          "DNS label" },

        { BAD("Service", "{name: q, namespace: 1}"),
          "Service \"1/q\" is left out: metadata.namespace is no string" },

        { BAD("Service", "q"), "Service is left out: the object has no meta" },

        { BAD("service", "{name: q}"),
          "service \"q\" is left out: the kind is written Service" },

        { BAD("Ingress", "{name: q}"),
          "Ingress \"q\" is left out: apiVersion v1 is not read: write it "
          "for networking.k8s.io/v1" },

        { "---\napiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: "
          "{name: q}\n", "apiVersion extensions/v1beta1 is not read" },

        { "---\napiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\n"
          "metadata: {name: q}\n", "write it for discovery.k8s.io/v1" },

        { "---\nkind: Service\nmetadata: {name: q}\n",
          "Service \"q\" is left out: it has no apiVersion: write v1" },

        { "---\nmetadata: {name: q}\nspec: {}\n",
          "\"q\" is left out: it has no kind" },

        { "---\n- apiVersion: v1\n  kind: Service\n",
          "it is left out: it is no object" },

        { "---\nkind: List\napiVersion: v1\nitems: 5\n",
          "List is left out: its items are no list" },

        /* not meant for us: nothing is said */

        { "---\napiVersion: serving.knative.dev/v1\nkind: Service\n"
          "metadata: {name: Q}\n", "" },
        { "---\nreplicas: 3\n", "" },
        { "---\nkind: List\napiVersion: v1\nitems: null\n", "" },
        { "---\nkind: List\napiVersion: v1\n", "" }
    };

    for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        clear();
        put("o.yaml", "# %d\n" SVC("o1", "1") "%s---\n" SVC("o2", "1"),
            (int) i, t[i].text);
        turn(30);
        ok((i == 0 ? is("Service default/o1 o.yaml#1 1|"
                        "Service default/o2 o.yaml#3 1|")
                   : strstr(fed, "delete") == NULL)
           && says(t[i].told)
           && (t[i].told[0] == '\0'
               || strstr(told, ": document 2, line 7: ") != NULL),
           "left out alone: %s", told);
    }

    /* what is good around it is followed */

    clear();
    put("o.yaml", SVC("o1", "2") BAD("Service", "{name: No}") "---\n"
        SVC("o3", "1"));
    turn(30);
    ok(is("Service default/o3 o.yaml#3 1|Service default/o1 o.yaml#1 2|"
          "delete Service default/o2|"), "later changes of the file");

    /* elements of a list, with their lines */

    clear();
    put("o.yaml", "apiVersion: v1\nkind: List\nitems:\n"
        "- {apiVersion: v1, kind: Service, metadata: {name: o1}, v: \"3\"}\n"
        "- {apiVersion: v1, kind: Service, metadata: {name: Bad}}\n\n"
        "- 5\n- {metadata: {name: x}}\n");
    turn(30);
    ok(is("Service default/o1 o.yaml#1 3|delete Service default/o3|"),
       "elements of a list");
    ok(says("document 1, item 2, line 5: Service \"default/Bad\" is left out")
       && says("document 1, item 3, line 7: it is left out: it is no object")
       && says("document 1, item 4, line 8: \"x\" is left out: it has no "
               "kind"), "each with its line");

    clear();
    put("o.json", "{\"kind\": \"List\",\n\"items\": [\n{}, {\"kind\": 1},"
        "\n {\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\":"
        "\n{\"name\": \"Bad\"}}]}");
    turn(30);
    ok(says("document 1, item 2, line 3: 1 is left out: its kind is no "
            "string")
       && says("document 1, item 3, line 4: Service \"default/Bad\""),
       "in JSON as well");

    clear();
    put("o.yaml", "apiVersion: v1\nkind: List\nitems: [1, 2, 3, 4, 5, 6, 7, "
        "8, 9, 10]\n");
    turn(30);
    ok(says("item 7, line 3: it is left out")
       && says("File o.yaml 0: 3 more objects are left out|")
       && !strstr(told, "item 8"), "the first ones, and how many more");
    ok(unread == 0, "none of them is an Ingress");

    /* Ingresses are counted, those beyond the first problems as well */

    put("o.yaml", BAD("Service", "{name: No}") "%s" BAD("Ingress", "{name: 1}")
        BAD("ingress", "{name: a}") BAD("Ingress", "{name: b}"),
        BAD("Secret", "{}") BAD("Secret", "{}") BAD("Secret", "{}")
        BAD("Secret", "{}") BAD("Secret", "{}") BAD("Secret", "{}")
        BAD("Secret", "{}") BAD("Secret", "{}") BAD("Secret", "{}"));
    turn(30);
    ok(unread == 3, "Ingresses that cannot be read: %d", (int) unread);

    put("o.yaml", "a: [");
    turn(30);
    ok(unread == 3, "a file that cannot be parsed says nothing new");

    put("o.yaml", BAD("Ingress", "{name: b}"));
    turn(30);
    ok(unread == 1, "others are good, or gone");

    /* a Secret is wiped, but not what others share with it */

    clear();
    put("o.yaml", "apiVersion: v1\nkind: SecretList\nitems:\n"
        "- {metadata: {name: o1}, stringData: &d {k: &k text}, v: \"1\"}\n"
        "- {metadata: {name: o2}, stringData: {k: *k}, v: *k}\n"
        "- {metadata: {name: o3}, stringData: *d, v: \"3\"}\n"
        "- {metadata: {name: o4}, stringData: *d, v: *k}\n");
    turn(30);
    ok(strstr(fed, "Secret default/o1 o.yaml#1 1|Secret default/o2 o.yaml#1 "
              "text|Secret default/o3 o.yaml#1 3|Secret default/o4 o.yaml#1 "
              "text|"), "what aliases share with a Secret: %s", fed);

    sh("rm w/o.yaml w/o.json");
    turn(30);
    ok(unread == 0, "the file is gone");
}


#define ITEM(name, v)  "{\"metadata\":{\"name\":\"" name "\"},\"v\":\"" v \
                       "\"}"
#define MARK           "\xef\xbb\xbf"


/* what kubectl reads */

static void
encodings(void)
{
    FILE  *f;
    char   path[512];

    clear();
    put("k.json", "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"items\":"
        "[" ITEM("k1", "1") "," ITEM("k2", "1") "]}\n"
        "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":["
        "{\"items\":[" ITEM("k3", "1") "],\"kind\":\"ServiceList\","
        "\"apiVersion\":\"v1\"}]}");
    turn(30);
    ok(is("Service default/k1 k.json#1 1|Service default/k2 k.json#1 1|"
          "Service default/k3 k.json#2 1|") && says(""),
       "lists of one kind, lists in lists, two documents");

    sh("rm w/k.json");
    turn(30);

    clear();
    put("k.yaml", "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":"
        "{\"name\":\"k1\"},\"v\":\"1\"}\n{\"apiVersion\":\"v1\",\n\"kind\":"
        "\"Service\",\"metadata\":{\"name\":\"k2\"},\"v\":\"1\"}\n---\n"
        SVC("k3", "1") BAD("Service", "{name: B}"));
    turn(30);
    ok(is("Service default/k1 k.yaml#1 1|Service default/k2 k.yaml#2 1|"
          "Service default/k3 k.yaml#3 1|")
       && says("document 4, line 10: "), "JSON and YAML in one file");

    clear();
    put("k.yaml", MARK SVC("k1", "2") "---\n" MARK SVC("k2", "2")
        MARK "---\n" MARK SVC("k3", "2"));
    put("k.json", MARK "{\"apiVersion\":\"v1\",\"kind\":\"Service\","
        "\"metadata\":{\"name\":\"k4\"},\"v\":\"" MARK "\"}");
    turn(30);
    ok(strstr(fed, "Service default/k1 k.yaml#1 2|Service default/k2 "
              "k.yaml#2 2|Service default/k3 k.yaml#3 2|")
       && strstr(fed, "Service default/k4 k.json#1 " MARK "|") && says(""),
       "byte order marks");

    clear();
    sh("printf '%%s' 'k: \"\xf0\x9f\x98\x80 \xe2\x82\xac \xc3\xa9\"' > k.txt;"
       "{ echo '%s'; sed s/k:/v:/ k.txt; } > u.txt;"
       "iconv -f UTF-8 -t UTF-16 u.txt > w/k.yaml;"
       "{ printf '\\376\\377'; iconv -f UTF-8 -t UTF-16BE u.txt; } "
       "> w/l.yaml",
       "apiVersion: v1\nkind: Service\nmetadata: {name: k1}");
    turn(30);
    ok(strstr(fed, "Service default/k1 k.yaml#1 \xf0\x9f\x98\x80 "
              "\xe2\x82\xac \xc3\xa9|") && strstr(told, "File l.yaml 22: "
              "document 1: Service default/k1 is that of"), "UTF-16");

    clear();
    sh("iconv -f UTF-8 -t UTF-16LE u.txt > w/l.yaml");
    turn(30);
    ok(says("File l.yaml 3: line 1, column 1: it looks like UTF-16 without a "
            "byte order mark"), "without a mark");

    clear();
    snprintf(path, sizeof(path), "%s/l.yaml", dir);
    f = fopen(path, "w");
    fwrite("a: b\nc: \0\n", 1, 11, f);
    fclose(f);
    turn(30);
    ok(says("File l.yaml 3: line 2, column 1: it holds a NUL byte"),
       "NUL bytes");

    sh("rm w/k.yaml w/l.yaml w/k.json");
    turn(30);
}


static void
twice(void)
{
    clear();
    put("m.yaml", SVC("d", "m"));
    turn(30);
    put("n.yaml", SVC("d", "n") "---\n" SVC("d", "nn"));
    turn(30);
    ok(is("Service default/d m.yaml#1 m|"), "the first path has the object");
    ok(says("File n.yaml 22: document 1: Service default/d is that of "
            "document 1 of \"m.yaml\"|File n.yaml 22: document 2: "),
       "the others are problems");

    clear();
    put("a.yaml", SVC("d", "a"));
    turn(30);
    ok(is("Service default/d a.yaml#1 a|")
       && says("File m.yaml 22: document 1: Service default/d is that of "
               "document 1 of \"a.yaml\""), "one before takes it");

    clear();
    sh("rm w/a.yaml w/m.yaml");
    turn(30);
    ok(is("Service default/d n.yaml#1 n|"), "and gives it back");
    ok(says("File n.yaml 22: document 2: "), "still twice in one file");

    clear();
    sh("rm w/n.yaml");
    turn(30);
    ok(is("delete Service default/d|") && says(""), "all gone");
}


static void
writing(void)
{
    FILE  *f;
    char   path[512];

    put("w.yaml", SVC("w1", "1") "---\n" SVC("w2", "1"));
    turn(30);

    /* however slow the machine is, less than a second passes; the clock stands
       at an even millisecond, as the time of the writing is an odd one */

    latest = (ngx_current_msec + NGX_K8S_MANIFEST_WRITING / 2)
             & ~(ngx_msec_t) 1;

    clear();
    snprintf(path, sizeof(path), "%s/w.yaml", dir);
    f = fopen(path, "w");
    fprintf(f, SVC("w1", "2"));
    fflush(f);
    turn(30);
    put("x.txt", "x");
    sh("mkdir w/other; sleep 0.01; rmdir w/other");
    fprintf(f, "\n");
    fflush(f);
    turn(30);
    ok(is(""), "a file that is being written is left alone");

    fprintf(f, "---\n" SVC("w2", "2"));
    fclose(f);
    latest = 0;
    turn(30);
    ok(is("Service default/w1 w.yaml#1 2|Service default/w2 w.yaml#2 2|"),
       "and read when it is closed");

    clear();
    f = fopen(path, "w");
    fprintf(f, SVC("w1", "3"));
    fflush(f);
    turn(1300);
    ok(is("Service default/w1 w.yaml#1 3|delete Service default/w2|"),
       "or after a second");
    fclose(f);

    sh("rm w/w.yaml");
    turn(30);
}


static void
config_map(void)
{
    /* as the kubelet does it */

    clear();
    sh("mkdir w/cm w/cm/..1; echo '" SVC("k", "1") "' > w/cm/..1/k.yaml;"
       "ln -s ..1 w/cm/..data; ln -s ..data/k.yaml w/cm/k.yaml");
    turn(30);
    ok(is("Service default/k cm/k.yaml#1 1|"), "a ConfigMap's mount");

    clear();
    sh("mkdir w/cm/..2; echo '" SVC("k", "2") "' > w/cm/..2/k.yaml;"
       "ln -s ..2 w/cm/..data_tmp; mv -T w/cm/..data_tmp w/cm/..data;"
       "rm -r w/cm/..1");
    turn(30);
    ok(is("Service default/k cm/k.yaml#1 2|"), "is swapped");

    clear();
    sh("rm -r w/cm");
    turn(30);
    ok(is("delete Service default/k|"), "and unmounted");

    /* links to files and folders elsewhere */

    clear();
    sh("mkdir out; echo '" SVC("l", "1") "' > out/l.yaml;"
       "echo '" SVC("o", "1") "' > o.yaml;"
       "ln -s ../out w/out; ln -s ../o.yaml w/o.yaml; ln -s ../w w/loop");
    turn(30);
    ok(strstr(fed, "Service default/l out/l.yaml#1 1|")
       && strstr(fed, "Service default/o o.yaml#1 1|") && strlen(fed) == 62,
       "links, also in a circle");

    clear();
    sh("echo '" SVC("l", "2") "' > out/l.yaml; sleep 0.01;"
       "echo '" SVC("o", "2") "' > o.yaml");
    turn(30);
    ok(strstr(fed, "Service default/l out/l.yaml#1 2|")
       && strstr(fed, "Service default/o o.yaml#1 2|"), "edits behind them");

    clear();
    sh("rm w/out w/o.yaml w/loop");
    turn(30);
    ok(strstr(fed, "delete Service default/l|")
       && strstr(fed, "delete Service default/o|"), "links are removed");
}


static void
wants(void)
{
    ngx_str_t  ns = ngx_string("m"), name = ngx_string("s");

    clear();
    source->want(source, NGX_K8S_SECRET, &ns, &name, 1);
    turn(30);
    ok(is("Secret m/s sub/s.yml#1|"), "a wanted Secret is fed again");

    clear();
    source->want(source, NGX_K8S_SECRET, &ns, &name, 0);
    turn(30);
    ok(is(""), "one that is not wanted any more is not");

    ngx_str_set(&name, "none");
    source->want(source, NGX_K8S_SECRET, &ns, &name, 1);
    turn(30);
    ok(is("delete Secret m/none|"), "one that does not exist is deleted");
}


static void
missing(void)
{
    clear();
    put("v.yaml", SVC("v", "1"));
    turn(30);

    clear();
    sh("mv w gone");
    turn(30);
    ok(is("") && says("the folder cannot be read"),
       "the folder vanishes: nothing goes");

    clear();
    sh("sed -i 's/\"1\"/\"2\"/' gone/v.yaml; mv gone w");
    turn(30);
    ok(is("Service default/v v.yaml#1 2|"), "it returns, at once");

    clear();
    sh("mkdir x; echo '" SVC("x", "1") "' > x/x.yaml; mv -T x y;"
       "mv w old; mv y w");
    turn(30);
    ok(strstr(fed, "Service default/x x.yaml#1 1|")
       && strstr(fed, "delete Service default/v|")
       && strstr(fed, "delete Secret m/s|"), "another takes its place");

    clear();
    sh("echo > old/v.yaml");
    put("x.yaml", SVC("x", "2"));
    turn(30);
    ok(is("Service default/x x.yaml#1 2|"), "which is followed from then on");

    source->stop(source);

    sh("rm -r w old");
    start();
    turn(30);
    ok(is("") && states && listed == 0 && says("the folder cannot be read"),
       "missing at the start: not listed");

    clear();
    sh("mkdir w; echo '" SVC("x", "3") "' > w/x.yaml");
    turn(30);
    ok(is(BEGIN "Service default/x x.yaml#1 3|" END), "until it comes");

    clear();
    sh("rm -r w; mkdir w");
    turn(50);
    ok(is("delete Service default/x|"), "an empty folder is empty");

    source->stop(source);

    /* a link that is swapped */

    sh("rm -r w; mkdir r1 r2; echo '" SVC("x", "1") "' > r1/x.yaml;"
       "echo '" SVC("x", "2") "' > r2/x.yaml; ln -s r1 w");
    start();
    turn(30);
    clear();
    sh("ln -s r2 w2; mv -T w2 w");
    turn(30);
    ok(is("Service default/x x.yaml#1 2|"), "the folder is a link");
    source->stop(source);
    sh("rm -r w r1 r2; mkdir w");
}


#define EP(name, meta, subsets)                                               \
    "---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: " name meta      \
    "}\nsubsets: " subsets "\n"
#define SLICE(n)                                                              \
    "EndpointSlice default/e.mirrored." #n " e.yaml#1 "
#define LABELS                                                                \
    "\"metadata\":{\"labels\":{\"endpointslice.kubernetes.io/managed-by\":"   \
    "\"endpointslicemirroring-controller.k8s.io\","                           \
    "\"kubernetes.io/service-name\":\"e\"}},"
#define PORTS                                                                 \
    "\"ports\":[{\"name\":\"\",\"port\":80,\"protocol\":\"TCP\"}]}|"


/* Endpoints become slices, as by the mirroring controller */

static void
mirrored(void)
{
    char   path[512];
    int    i;
    FILE  *f;

    start();
    turn(30);

    clear();
    put("e.yaml", EP("e", "", "[{addresses: [{ip: 10.0.0.1, nodeName: n1, "
        "targetRef: {uid: u}}, {ip: \"fd00::1\"}, {ip: x}, {}], "
        "notReadyAddresses: [{ip: 10.0.0.2}], ports: [{port: 80}]}, "
        "{addresses: [{ip: 10.0.0.3}], ports: [{name: h, port: 81, protocol: "
        "UDP, appProtocol: q}]}, {addresses: [{ip: 10.0.0.4}], ports: "
        "[{port: 80}]}]"));
    turn(30);
    ok(is("") && says(""), "Endpoints without a Service");

    put("s.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: e}\n");
    turn(30);
    ok(strstr(fed, "Service default/e s.yaml#1|")
       && strstr(fed, SLICE(0) "{\"addressType\":\"IPv4\",\"endpoints\":["
       "{\"addresses\":[\"10.0.0.1\"],\"conditions\":{\"ready\":true},"
       "\"nodeName\":\"n1\",\"targetRef\":{\"uid\":\"u\"}},"
       "{\"addresses\":[\"10.0.0.2\"],\"conditions\":{\"ready\":false}},"
       "{\"addresses\":[\"10.0.0.4\"],\"conditions\":{\"ready\":true}}],"
       LABELS PORTS), "with one they become slices");
    ok(strstr(fed, SLICE(1) "{\"addressType\":\"IPv6\",\"endpoints\":["
       "{\"addresses\":[\"fd00::1\"],\"conditions\":{\"ready\":true}}],"
       LABELS PORTS) != NULL, "one for each family");
    ok(strstr(fed, SLICE(2) "{\"addressType\":\"IPv4\",\"endpoints\":["
       "{\"addresses\":[\"10.0.0.3\"],\"conditions\":{\"ready\":true}}],"
       LABELS "\"ports\":[{\"appProtocol\":\"q\",\"name\":\"h\",\"port\":81,"
       "\"protocol\":\"UDP\"}]}|") != NULL, "and for all ports");

    clear();
    put("e.yaml", EP("e", "", "[{addresses: [{ip: 10.0.0.1}], ports: "
        "[{port: 80}]}]"));
    turn(30);
    ok(strncmp(fed, SLICE(0), strlen(SLICE(0))) == 0
       && strstr(fed, "|delete EndpointSlice default/e.mirrored.2|delete "
                 "EndpointSlice default/e.mirrored.1|"), "fewer slices");

    clear();
    put("e2.yaml", EP("e", "", "[]"));
    turn(30);
    ok(is("") && says("File e2.yaml 22: document 1: Endpoints default/e is "
                      "that of document 1 of \"e.yaml\""), "a second one");
    sh("rm w/e2.yaml");

    clear();
    put("s.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: e}\n"
        "spec: {selector: {a: b}}\n");
    turn(30);
    ok(is("delete EndpointSlice default/e.mirrored.0|Service default/e "
          "s.yaml#1|"), "a selector ends it");

    clear();
    put("s.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: e}\n"
        "spec: {selector: {}}\n");
    turn(30);
    ok(strstr(fed, SLICE(0)) != NULL, "an empty one is none");

    clear();
    put("e.yaml", EP("e", ", labels: {endpointslice.kubernetes.io/skip-mirror:"
        " \"true\"}", "[{addresses: [{ip: 10.0.0.1}]}]"));
    turn(30);
    ok(is("delete EndpointSlice default/e.mirrored.0|"), "by a label");

    clear();
    put("e.yaml", EP("e", ", annotations: {control-plane.alpha.kubernetes.io/"
        "leader: x}", "[{addresses: [{ip: 10.0.0.1}]}]"));
    turn(30);
    ok(is(""), "an election is not mirrored");

    clear();
    snprintf(path, sizeof(path), "%s/e.yaml", dir);
    f = fopen(path, "w");
    fprintf(f, EP("e", "", "\n- addresses:"));

    for (i = 0; i < 1002; i++) {
        fprintf(f, "  - ip: 10.0.%d.%d\n", i / 256, i % 256);
    }

    fclose(f);
    turn(100);
    ok(strstr(fed, "10.0.3.231") && !strstr(fed, "10.0.3.232"),
       "1,000 addresses of a subset");

    clear();
    sh("rm w/e.yaml");
    turn(30);
    ok(is("delete EndpointSlice default/e.mirrored.0|"), "Endpoints go");
    sh("rm w/s.yaml");
    turn(30);
    source->stop(source);
}


/* of very many subsets, each with ports of its own: in pieces, read and fed */

static void
many_put(ngx_k8s_manifests_t *m, ngx_uint_t subsets)
{
    FILE        *f;
    char         path[512];
    ngx_uint_t   i;

    snprintf(path, sizeof(path), "%s/e.yaml", dir);
    f = fopen(path, "w");
    fprintf(f, EP("e", "", "\n"));

    for (i = 0; i < subsets; i++) {
        fprintf(f, "- {addresses: [{ip: 10.0.%u.1}, {ip: \"::1\"}], ports: "
                "[{port: %u}]}\n", (unsigned) subsets % 256, (unsigned) i);
    }

    fclose(f);

    m->connection->read->ready = 1;
    m->connection->read->handler(m->connection->read);
}


static void
mirrored_many(void)
{
    ngx_uint_t            n, most, steps, subsets;
    ngx_k8s_manifests_t  *m;

    subsets = unit_rounds(4000);

    put("s.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: e}\n");
    start();
    turn(30);
    m = source->data;

    many_put(m, subsets);
    longest = 0;

    for (steps = 0; m->reading || !ngx_queue_empty(&m->changed); /* void */) {
        steps += (m->mirror.slices != NULL);
        ngx_k8s_manifest_step(m);
    }

    ok(steps > subsets / 20, "%u subsets are mirrored in %u steps",
       (unsigned) subsets, (unsigned) steps);

    most = 0;

    for (steps = 0; !ngx_queue_empty(&m->objects); steps++) {
        nfed = 0;
        ngx_k8s_manifests_object_step(m);
        most = ngx_max(most, nfed);
    }

    ok(most == NGX_K8S_MANIFEST_NODES && steps > subsets / 100,
       "and fed in %u, %u slices at most", (unsigned) steps, (unsigned) most);

    /* another version, and one more when a part of it has been fed */

    for (n = 1; n < 3; n++) {
        many_put(m, n);

        while (m->reading || !ngx_queue_empty(&m->changed)) {
            ngx_k8s_manifest_step(m);
        }

        if (n == 1) {
            ngx_k8s_manifests_object_step(m);
        }
    }

    clear();
    nfed = 0;

    for (n = 0; !ngx_queue_empty(&m->objects); n++) {
        ngx_k8s_manifests_object_step(m);
    }

    ok(strstr(fed, "10.0.2.1") && !strstr(fed, "10.0.1.1")
       && nfed == 2 * subsets - 98 && n > subsets / 100,
       "those that are no more go in pieces: %u in %u", (unsigned) nfed,
       (unsigned) n);

    source->stop(source);
    sh("rm w/e.yaml w/s.yaml");
}


#define ING(name, meta, spec)                                                 \
    "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: "  \
    name meta "}\nspec: " spec "\n"
#define CLASS(name, created, value)                                           \
    "---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata:\n"   \
    "  name: " name "\n" created "  annotations: {ingressclass.kubernetes.io/" \
    "is-default-class: \"" value "\"}\n"
#define CREATED(time)  "  creationTimestamp: " time "\n"


/* an Ingress without a class gets the default one, as by admission */

static void
classes(void)
{
    start();
    turn(30);

    clear();
    put("i.yaml", ING("none", "", "{a: b}") ING("nil", "",
        "{ingressClassName: null}") ING("empty", "", "{ingressClassName: ''}")
        ING("own", "", "{ingressClassName: x}")
        ING("old", ", annotations: {kubernetes.io/ingress.class: y}", "{}"));
    turn(30);
    ok(strstr(fed, "Ingress default/none i.yaml#1|")
       && strstr(fed, "Ingress default/nil i.yaml#2|"),
       "without a default class");

    clear();
    put("c.yaml", CLASS("other", "", "false") CLASS("b", "", "true"));
    turn(30);
    ok(strstr(fed, "Ingress default/none i.yaml#1 of b|")
       && strstr(fed, "Ingress default/nil i.yaml#2 of b|")
       && !strstr(fed, "empty") && !strstr(fed, "own") && !strstr(fed, "old"),
       "a default class comes");

    clear();
    put("a.yaml", CLASS("a", "", "true"));
    turn(30);
    ok(strstr(fed, "Ingress default/none i.yaml#1 of a|") != NULL,
       "of two the first by name");

    clear();
    put("d.yaml", CLASS("z", CREATED("2024-01-01T00:00:00Z"), "true")
        CLASS("c", CREATED("2023-01-01T00:00:00Z"), "true"));
    turn(30);
    ok(strstr(fed, "Ingress default/none i.yaml#1 of z|") != NULL,
       "the newest before");

    clear();
    put("d.yaml", "");
    put("i.yaml", ING("none", "", "{a: c}"));
    turn(30);
    ok(strstr(fed, "Ingress default/none i.yaml#1 of a|")
       && !strstr(fed, "of z"), "one goes, and an edit");

    clear();
    sh("rm w/a.yaml w/c.yaml");
    turn(30);
    ok(strstr(fed, "Ingress default/none i.yaml#1|") != NULL, "all are gone");

    sh("rm w/i.yaml w/d.yaml");
    turn(30);
    source->stop(source);
}


static void
seed(ngx_queue_t *seeds, ngx_uint_t kind, char *origin, const char *text)
{
    ngx_k8s_seed_t  *s;

    s = calloc(1, sizeof(ngx_k8s_seed_t));
    s->feed.kind = kind;
    s->feed.document = 7;
    s->feed.origin.data = (u_char *) origin;
    s->feed.origin.len = strlen(origin);
    s->feed.text = (u_char *) strdup(text);
    s->feed.len = strlen(text);

    ngx_queue_insert_tail(seeds, &s->queue);
}


#define MIRROR                                                                \
    "{\"kubernetes.io/service-name\":\"e\",\"endpointslice.kubernetes.io/"     \
    "managed-by\":\"endpointslicemirroring-controller.k8s.io\"}"

#define SEED_SLICE(n, ip)                                                     \
    "{\"metadata\":{\"namespace\":\"default\",\"name\":\"e.mirrored." #n     \
    "\",\"labels\":" MIRROR "},\"addressType\":\"IPv4\",\"endpoints\":[{"    \
    "\"addresses\":[\"" ip "\"]}]}"

#define SEED(name)                                                            \
    "{\"kind\":\"Service\",\"metadata\":{\"name\":\"" name "\",\"namespace\":" \
    "\"default\"},\"v\":\"1\"}"


/* what a predecessor has kept of files holds until they are good, or gone */

static void
kept(void)
{
    ngx_queue_t  seeds;

    put("bad.yaml", "x: [");
    put("good.yaml", SVC("g1", "2"));
    put("other.yaml", SVC("moved", "2"));

    ngx_queue_init(&seeds);
    seed(&seeds, NGX_K8S_SERVICE, "bad.yaml", SEED("b1"));
    seed(&seeds, NGX_K8S_SERVICE, "bad.yaml", "{\"metadata\":{\"name\":"
         "\"b2\",\"namespace\":\"default\"},\"v\":\"1\",\"x\":\"\\u0000\"}");
    seed(&seeds, NGX_K8S_SECRET, "bad.yaml", "{\"metadata\":{\"namespace\":"
         "\"default\",\"name\":\"s\"}}");
    seed(&seeds, NGX_K8S_SERVICE, "good.yaml", SEED("g1"));
    seed(&seeds, NGX_K8S_SERVICE, "good.yaml", SEED("g2"));
    seed(&seeds, NGX_K8S_SERVICE, "gone.yaml", SEED("x1"));
    seed(&seeds, NGX_K8S_SERVICE, "other.yaml", SEED("moved"));
    seed(&seeds, NGX_K8S_SERVICE, "", SEED("nowhere"));
    seed(&seeds, NGX_K8S_SERVICE, "bad.yaml", SEED("No_Name"));
    seed(&seeds, NGX_K8S_SERVICE, "bad.yaml", "broken");

    start();
    source->seed(source, &seeds);
    turn(30);

    ok(ngx_queue_empty(&seeds)
       && strstr(fed, "|Service default/b1 kept bad.yaml#7 1|")
       && strstr(fed, "|Service default/b2 kept bad.yaml#7 1|")
       && strstr(fed, "|Secret default/s kept bad.yaml#7|"),
       "what a broken file served is fed");
    ok(strstr(fed, "|Service default/g1 good.yaml#1 2|")
       && !strstr(fed, "default/g2"), "of a good one only what it says");
    ok(!strstr(fed, "default/x1") && !strstr(fed, "nowhere")
       && !strstr(fed, "No_Name"), "of one that is gone, nothing");
    ok(says("File bad.yaml 3: line 2"), "the file is a problem");

    clear();
    put("bad.yaml", SVC("b2", "3"));
    turn(30);
    ok(strstr(fed, "Service default/b2 bad.yaml#1 3|")
       && strstr(fed, "delete Service default/b1|")
       && strstr(fed, "delete Secret default/s|"), "a good one ends it");

    /* an object that is there, but is none that is read */

    clear();
    put("bad.yaml", "apiVersion: v0\nkind: Service\nmetadata: {name: b2}\n");
    turn(30);
    ok(is("Service default/b2 kept bad.yaml#1 3|")
       && says("Service \"b2\" is left out: apiVersion v0"),
       "an object in a good file keeps its last good version");

    clear();
    put("bad.yaml", "apiVersion: v00\nkind: Service\nmetadata: {name: b2}\n");
    turn(30);
    ok(is("") && says("apiVersion v00"), "still");

    clear();
    put("bad.yaml", SVC("b2", "4"));
    turn(30);
    ok(is("Service default/b2 bad.yaml#1 4|"), "until it is good");

    clear();
    sh("{ cat w/bad.yaml; echo 'x:'; head -c 4200000 /dev/zero | tr '\\0' x | "
       "fold -w 900000 | sed 's/^/- /'; } > w/.new; mv w/.new w/bad.yaml");
    ok(soon("Service default/b2 kept bad.yaml#1 4|")
       && says("File bad.yaml 2: document 1, line 1: Service \"default/b2\" is "
               "left out: it has more than 4194304 bytes"), "a large one, too");

    clear();
    put("bad.yaml", SVC("b2", "4"));
    turn(30);
    ok(is("Service default/b2 bad.yaml#1 4|"), "it is good again");

    clear();
    sh("{ cat w/bad.yaml; head -c 1200000 /dev/zero | tr '\\0' x | "
       "sed 's/^/x: /'; } > w/.new; mv w/.new w/bad.yaml");
    ok(soon("Service default/b2 kept bad.yaml#1 4|")
       && says("File bad.yaml 3: line 5, column 1: a value or a comment of "
               "more than 1 MB"), "so does one beside a very long value");

    clear();
    put("bad.yaml", SVC("b3", "4"));
    turn(30);
    ok(strstr(fed, "delete Service default/b2|") != NULL, "or gone");

    sh("rm w/*.yaml");
    turn(30);

    clear();
    put("bad.yaml", "apiVersion: v0\nkind: Service\nmetadata: {name: b4}\n");
    turn(30);
    ok(is(""), "one that was never good");

    sh("rm w/*.yaml");
    turn(30);
    source->stop(source);

    /* a predecessor has kept it */

    put("bad.yaml", "apiVersion: v0\nkind: Service\nmetadata: {name: b1}\n");
    seed(&seeds, NGX_K8S_SERVICE, "bad.yaml", SEED("b1"));
    seed(&seeds, NGX_K8S_SERVICE, "bad.yaml", SEED("b2"));
    start();
    source->seed(source, &seeds);
    turn(30);
    ok(strstr(fed, "|Service default/b1 kept bad.yaml#7 1|")
       && !strstr(fed, "default/b2"), "an object that a predecessor has kept");
    source->stop(source);

    /* Endpoints: their slices are never away */

    put("e.yaml", "x: [");
    put("s.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: e}\n");
    seed(&seeds, NGX_K8S_ENDPOINT_SLICE, "e.yaml", SEED_SLICE(0, "10.0.0.1"));
    seed(&seeds, NGX_K8S_ENDPOINT_SLICE, "e.yaml", SEED_SLICE(1, "10.0.0.2"));
    clear();
    start();
    source->seed(source, &seeds);
    turn(30);
    ok(strstr(fed, "e.mirrored.0 kept e.yaml#7 ")
       && strstr(fed, "e.mirrored.1 kept e.yaml#7 "), "slices of Endpoints");
    clear();
    put("e.yaml", EP("e", "", "[{addresses: [{ip: 10.0.0.3}], ports: "
        "[{port: 80}]}]"));
    turn(30);
    ok(strncmp(fed, SLICE(0), strlen(SLICE(0))) == 0
       && strstr(fed, "10.0.0.3")
       && !strstr(fed, "delete EndpointSlice default/e.mirrored.0|")
       && strstr(fed, "delete EndpointSlice default/e.mirrored.1|"),
       "and the Endpoints are good again");
    clear();
    sh("rm w/e.yaml");
    turn(30);
    ok(is("delete EndpointSlice default/e.mirrored.0|"), "Endpoints go");
    source->stop(source);

    /* not asked any more */

    put("bad.yaml", "x: [");
    seed(&seeds, NGX_K8S_SERVICE, "bad.yaml", SEED("b1"));
    start();
    source->seed(source, &seeds);
    source->stop(source);
    sh("rm w/*.yaml");
}


/* links are swapped where nothing is watched, and the old tree stays */

static void
swapped(void)
{
    char  path[512];

    snprintf(path, sizeof(path), "%s/git/now/w", root);
    sh("mkdir -p git/1/w git/2/w git/3/w; ln -s 1 git/now;"
       "for i in 1 2 3; do echo '" SVC("x", "'$i'") "' > git/$i/w/x.yaml;"
       "done");

    conf.path.data = (u_char *) path;
    conf.path.len = strlen(path);

    start();
    turn(30);
    ok(strstr(fed, "Service default/x x.yaml#1 1|")
       && ngx_event_find_timer() <= 500, "a timer looks at the folder");

    clear();
    sh("ln -s 2 git/new; mv -T git/new git/now");
    ok(soon("Service default/x x.yaml#1 2|"), "a link above is swapped");

    clear();
    sh("ln -s 3 git/new; mv -T git/new git/now");
    ok(soon("Service default/x x.yaml#1 3|"), "and again");

    clear();
    sh("echo '" SVC("x", "4") "' > git/3/w/x.yaml");
    ok(soon("Service default/x x.yaml#1 4|"), "the new tree is followed");
    source->stop(source);

    conf.path.data = (u_char *) dir;
    conf.path.len = strlen(dir);

    sh("ln -s ../git/now/w w/d; ln -s ../git/now/w/x.yaml w/f.yaml");
    start();
    turn(30);
    ok(ngx_event_find_timer() <= 500, "links in the folder");

    clear();
    sh("ln -s 1 git/new; mv -T git/new git/now");
    ok(soon("Service default/x d/x.yaml#1 1|"), "lead to another tree");

    clear();
    sh("rm w/d; ln -s 2 git/new; mv -T git/new git/now");
    ok(soon("Service default/x f.yaml#1 2|"), "one to a file, too");
    source->stop(source);

    sh("rm -r w git; mkdir w");
}


static void
namespaces(void)
{
    ngx_str_t    ns[] = { ngx_string("a"), ngx_string("b") };
    ngx_array_t  a = { ns, 2, sizeof(ngx_str_t), 2, NULL };

    put("n.yaml", "{apiVersion: v1, kind: Service, metadata: {name: s, "
        "namespace: b}}\n---\n{apiVersion: v1, kind: Service, metadata: "
        "{name: s, namespace: c}}\n---\n{apiVersion: v1, kind: Namespace, "
        "metadata: {name: c}}\n");

    conf.namespaces = &a;
    start();
    turn(30);
    conf.namespaces = NULL;

    ok(strstr(fed, "begin Service in a|begin Service in b|")
       && strstr(fed, "|begin Namespace|")
       && strstr(fed, "Service b/s n.yaml#1|")
       && !strstr(fed, "c/s") && strstr(fed, "Namespace (null)/c")
       && strstr(fed, "end Service in a|end Service in b|"),
       "of the watched namespaces only");
    source->stop(source);
    sh("rm w/n.yaml");
}


static void
polling(void)
{
    ngx_k8s_manifests_t  *m;

    start();
    turn(30);
    m = source->data;
    ngx_k8s_manifests_notify_done(m);
    m->polling = 1;
    ngx_add_timer(&m->rescan, 100);

    clear();
    put("p.yaml", SVC("p", "1"));
    ok(soon("Service default/p p.yaml#1 1|"), "a timer instead of inotify");

    clear();
    put("p.yaml", SVC("p", "2"));
    ok(soon("Service default/p p.yaml#1 2|"), "again and again");

    source->stop(source);
    sh("rm w/p.yaml");
}


static void
large(void)
{
    FILE  *f;
    int    i;
    char   path[512];

    for (i = 0; i < 500; i++) {
        snprintf(path, sizeof(path), "f%03d.yaml", i);
        put(path, "apiVersion: v1\nkind: Service\nmetadata: {name: f%d}\n"
            "spec:\n  ports:\n  - {name: http, port: 80}\n", i);
    }

    snprintf(path, sizeof(path), "%s/large.yaml", dir);
    f = fopen(path, "w");
    fprintf(f, "apiVersion: v1\nkind: List\nitems:\n");

    for (i = 0; i < 2000; i++) {
        fprintf(f, "- apiVersion: v1\n  kind: Service\n  metadata: "
                "{name: l%d}\n  spec:\n    ports:\n    - {port: 80}\n", i);
    }

    fclose(f);

    longest = 0;
    turns = 0;
    start();
    backlog = 1024 * 1024;
    turn(100);
    ok(strstr(fed, "Service") == NULL || !strstr(fed, "default/l"),
       "nothing is fed while the sink has its hands full");
    backlog = 0;
    turn(100);

    printf("# %u turns, longest %u us\n", (unsigned) turns,
           (unsigned) longest);

    ok(listed == NGX_K8S_KINDS && turns > 5, "2,500 objects, in slices");

    source->stop(source);
}


/* very many documents of one object, good ones and then bad ones */

static void
rivals(void)
{
    int           i, v;
    FILE         *f;
    char          path[512];
    ngx_queue_t  *q;
    ngx_uint_t    n, sorted;

    ngx_k8s_manifests_t       *m;
    ngx_k8s_manifest_claim_t  *claim;
    ngx_k8s_manifest_ident_t  *ident;

    static ngx_str_t  ns = ngx_string("default");
    static ngx_str_t  name = ngx_string("one");

    put("r0.yaml", "apiVersion: networking.k8s.io/v1\nkind: Ingress\n"
        "metadata: {name: one}\n");
    start();
    turn(30);

    m = source->data;

    for (v = 0; v < 2; v++) {
        snprintf(path, sizeof(path), "%s/r1.yaml", dir);
        f = fopen(path, "w");

        for (i = 0; i < 20000; i++) {
            fprintf(f, "---\napiVersion: %s\nkind: Ingress\n"
                    "metadata: {name: one}\n",
                    v ? "extensions/v1beta1" : "networking.k8s.io/v1");
        }

        fclose(f);

        longest = 0;
        turn(100);

        printf("# longest turn %u us\n", (unsigned) longest);

        ident = ngx_k8s_manifests_ident(m, NGX_K8S_INGRESS, &ns, &name, 0);
        n = 0;
        sorted = 1;

        for (q = ngx_queue_head(&ident->claims);
             q != ngx_queue_sentinel(&ident->claims);
             q = ngx_queue_next(q))
        {
            claim = ngx_queue_data(q, ngx_k8s_manifest_claim_t, rivals);

            sorted &= (claim->place == (n ? n - 1 : 0)
                       && claim->file->sn.str.data[1] == (n ? '1' : '0')
                       && claim->kept == (n && v));
            n++;
        }

        ok(n == 20001 && sorted, "%u documents of one object, %s",
           (unsigned) n, v ? "all but one bad now" : "in their order");
    }

    source->stop(source);
    sh("rm w/r0.yaml w/r1.yaml");
}


/* a folder goes while a file beside it is half read */

static void
half(void)
{
    FILE                 *f;
    char                  path[512];
    ngx_uint_t            i;
    ngx_k8s_manifests_t  *m;

    sh("rm -r w; mkdir -p w/sub");
    put("sub/b.yaml", SVC("b", "1"));
    snprintf(path, sizeof(path), "%s/half.yaml", dir);

    start();
    turn(30);
    m = source->data;

    f = fopen(path, "w");

    for (i = 0; i < 1000; i++) {
        fprintf(f, "---\napiVersion: v1\nkind: Service\nmetadata: {name: "
                "h%u}\nv: \"1\"\n", (unsigned) i);
    }

    fclose(f);

    clear();
    m->connection->read->ready = 1;
    m->connection->read->handler(m->connection->read);
    ngx_k8s_manifests_post(m, 0);

    for (i = 0; i < 1000 && ngx_queue_empty(&m->pending); i++) {
        ngx_event_move_posted_next(&unit_cycle);
        ngx_event_process_posted(&unit_cycle, &ngx_posted_events);
    }

    ok(m->reading && !ngx_queue_empty(&m->pending), "a file is half read");

    sh("rm -r w/sub");
    turn(30);
    ok(strstr(fed, "delete Service default/b|")
       && strstr(fed, "Service default/h0 half.yaml#1 1|")
       && strstr(fed, "Service default/h999 half.yaml#1000 1|"),
       "a folder beside it goes, it is fed whole");

    clear();
    put("half.yaml", SVC("h0", "2"));
    turn(30);
    ok(strstr(fed, "Service default/h0 half.yaml#1 2|")
       && strstr(fed, "delete Service default/h999|"), "and followed");

    source->stop(source);
}


/* a file of megabytes is read, and wiped, in pieces */

#define BYTES  (2 * 1024 * 1024)

static void
put_bytes(ngx_k8s_manifests_t *m, ngx_uint_t version)
{
    FILE        *f;
    char         path[512];
    ngx_uint_t   i;

    snprintf(path, sizeof(path), "%s/bytes.yaml", dir);

    f = fopen(path, "w");
    fprintf(f, SVC("bytes", "%u"), (unsigned) version);

    for (i = 0; i < BYTES / 64; i++) {
        fprintf(f, "--- # %057u\n", (unsigned) i);
    }

    fclose(f);

    m->connection->read->ready = 1;
    m->connection->read->handler(m->connection->read);
    ngx_k8s_manifest_step(m);
}


static void
bytes(void)
{
    ngx_uint_t            n;
    ngx_k8s_manifests_t  *m;

    start();
    turn(30);
    m = source->data;

    put_bytes(m, 1);

    for (n = 1; m->reading && m->yaml == NULL; n++) {
        ngx_k8s_manifest_step(m);
    }

    ok(m->yaml && n >= BYTES / NGX_K8S_MANIFEST_BYTES,
       "a file is read in %u pieces", (unsigned) n);

    while (m->reading) {
        ngx_k8s_manifest_step(m);
    }

    for (n = 0; !ngx_queue_empty(&m->waste); n++) {
        ngx_k8s_manifest_waste_step(m);
    }

    ok(n >= BYTES / NGX_K8S_MANIFEST_BYTES, "and wiped in %u", (unsigned) n);

    clear();
    turn(30);
    ok(is("Service default/bytes bytes.yaml#1 1|"), "it is fed");

    put_bytes(m, 2);
    ok(m->reading && m->yaml == NULL, "another version is being read");

    clear();
    put("bytes.yaml", SVC("bytes", "3"));
    turn(30);
    ok(is("Service default/bytes bytes.yaml#1 3|"), "and one more comes");

    put_bytes(m, 4);
    ok(m->reading && m->yaml == NULL, "when all ends");

    source->stop(source);
    sh("rm w/bytes.yaml");
}


/* documents as large as an object may be: none of them is a long turn */

static void
put_tree(ngx_uint_t n, size_t size)
{
    int          i, len;
    FILE        *f;
    char         path[512];

    static struct {
        char  *name, *head, *element, *tail;
    } t[] = {

        { "paths.json", "{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":"
          "\"Ingress\",\"metadata\":{\"name\":\"i\"},\"spec\":{\"rules\":[{"
          "\"host\":\"a\",\"http\":{\"paths\":[{\"path\":\"/\"}",
          ",{\"path\":\"/%x\",\"pathType\":\"Exact\",\"backend\":{\"service\":"
          "{\"name\":\"s\",\"port\":{\"number\":1}}}}", "]}}]}}" },

        { "paths.yaml", "apiVersion: networking.k8s.io/v1\nkind: Ingress\n"
          "metadata: {name: j}\nspec:\n  rules:\n  - host: a\n    http:\n"
          "      paths:\n",
          "      - {path: /%x, pathType: Exact, backend: {service: {name: s, "
          "port: {number: 1}}}}\n", "" },

        { "text.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: t2}\n"
          "data:\n  a: |\n", "    A\n", "" },

        { "quoted.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: t3}\n"
          "data:\n  a: \"", "\\x41", "\"\n" },

        { "plain.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: t4}\n"
          "data:\n  a: ", "AAA ", "\n" },
    };

    snprintf(path, sizeof(path), "%s/%s", dir, t[n].name);

    f = fopen(path, "w");
    len = fprintf(f, "%s", t[n].head);

    for (i = 0; len < (int) size - 256; i++) {
        len += fprintf(f, t[n].element, i);
    }

    fprintf(f, "%s", t[n].tail);
    fclose(f);
}


static void
trees(void)
{
    size_t                size, budget;
    uint64_t              t;
    ngx_uint_t            n, steps;
    ngx_k8s_manifests_t  *m;

    static char  *fed_as[] = {
        "Ingress default/i paths.json#1|", "Ingress default/j paths.yaml#1|",
        "Secret default/t2 text.yaml#1|", "Secret default/t3 quoted.yaml#1|",
        "Secret default/t4 plain.yaml#1|"
    };

    size = getenv("UNIT_BYTES") ? atoi(getenv("UNIT_BYTES")) : 256 * 1024;

    for (n = 0; n < 5; n++) {
        start();
        turn(30);
        m = source->data;

        put_tree(n, size);
        m->connection->read->ready = 1;
        m->connection->read->handler(m->connection->read);

        longest = 0;
        steps = 0;

        do {
            t = cpu();

            if (json_array_size(m->trash)) {
                budget = NGX_K8S_MANIFEST_TREE;
                (void) ngx_k8s_json_freed(m->trash, &budget);

            } else {
                ngx_k8s_manifest_step(m);
            }

            t = cpu() - t;
            longest = ngx_max(longest, t);
            steps++;

        } while (m->reading || json_array_size(m->trash));

        printf("# the longest of %u steps: %u us\n", (unsigned) steps,
               (unsigned) longest);

        ok(steps > 2 * size / NGX_K8S_MANIFEST_BYTES
           && (n > 1 || steps > 2 * size / NGX_K8S_MANIFEST_TREE),
           "a large document in %u steps", (unsigned) steps);

        clear();
        turn(30);
        ok(is(fed_as[n]), "it is fed");

        source->stop(source);
        sh("rm -f w/*");
    }
}


/* and so is what a predecessor has kept of one */

static void
seeds(void)
{
    char                 *text, *p;
    size_t                size;
    ngx_uint_t            i, n, half;
    ngx_queue_t           queue;
    ngx_k8s_manifests_t  *m;

    size = 256 * 1024;
    text = malloc(size + 256);

    p = text + sprintf(text, "{\"metadata\":{\"namespace\":\"default\","
                       "\"name\":\"i\"},\"v\":\"1\",\"spec\":{\"paths\":[0");

    for (i = 0; p < text + size; i++) {
        p += sprintf(p, ",{\"path\":\"/%x\"}", (unsigned) i);
    }

    sprintf(p, "]}}");
    put("seed.yaml", "x: [");

    for (half = 2; half--; /* void */) {
        start();
        m = source->data;

        ngx_queue_init(&queue);
        seed(&queue, NGX_K8S_SERVICE, "seed.yaml", text);
        source->seed(source, &queue);

        for (n = 0; !ngx_queue_empty(&m->seeds); n++) {

            if (half && n == (m->claim ? 30 : 1000)) {
                break;
            }

            ngx_k8s_manifests_seed_step(m);
        }

        if (half) {
            ok(m->claim != NULL, "it ends in the midst of it");

        } else {
            ok(n > 2 * size / NGX_K8S_MANIFEST_TREE,
               "a last good version is read in %u steps", (unsigned) n);
            clear();
            turn(30);
            ok(strstr(fed, "Service default/i kept seed.yaml#7 1|") != NULL,
               "and fed");
        }

        source->stop(source);
    }

    free(text);
    sh("rm -f w/*");
}


static void
exiting(void)
{
    ngx_connection_t     *c;
    ngx_k8s_manifests_t  *m;

    sh("rm -r w; mkdir w");
    start();
    turn(30);

    m = source->data;
    c = m->connection;
    ok(c && c->idle, "the descriptor is an idle connection");
    c->close = 1;
    c->read->handler(c->read);
    ok(m->connection == NULL, "and closed when the worker exits");

    source->stop(source);
    ok(ngx_event_no_timers_left() == NGX_OK
       && ngx_queue_empty(&ngx_posted_next_events)
       && unit_cycle.free_connection_n == 8, "nothing is left behind");
}


static void
checks(void)
{
    char         *s, path[512];
    ngx_pool_t   *pool;

    pool = ngx_create_pool(1024, &unit_log);

    ok(ngx_k8s_manifests_check(&conf, pool) == NULL, "a folder is well");

    snprintf(path, sizeof(path), "%s/file", root);
    sh("touch file");
    conf.path.data = (u_char *) path;
    conf.path.len = strlen(path);
    s = ngx_k8s_manifests_check(&conf, pool);
    ok(s && strstr(s, "is not a folder"), "%s", s);

    conf.path.len--;
    ok(ngx_k8s_manifests_check(&conf, pool) == NULL, "one that may come");

    conf.path.len = 0;
    ok(ngx_k8s_manifests_check(&conf, pool) != NULL, "none at all");

    ngx_destroy_pool(pool);
}


int
main(int argc, char **argv)
{
    unit_init();

    /* as the watcher does */

    (void) mallopt(M_MXFAST, 0);
    unit_log.log_level = NGX_LOG_ERR;
    loop_init();

    if (mkdtemp(root) == NULL) {
        return 1;
    }

    snprintf(dir, sizeof(dir), "%s/w", root);
    conf.path.data = (u_char *) dir;
    conf.path.len = strlen(dir);

    first();
    again();
    edits();
    broken();
    objects();
    encodings();
    twice();
    writing();
    config_map();
    wants();
    missing();
    swapped();
    mirrored();
    mirrored_many();
    classes();
    kept();
    namespaces();
    polling();
    large();
    rivals();
    half();
    bytes();
    trees();
    seeds();
    exiting();
    checks();

    snprintf(fed, sizeof(fed), "rm -r %s", root);
    return system(fed) ? 1 : done();
}
