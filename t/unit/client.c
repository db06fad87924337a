
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Requests as they go over the wire, to a scripted server in another process;
 * and the phases of a reflector.
 */


#include <unit.h>
#include <ngx_k8s_client.h>
#include <arpa/inet.h>
#include <poll.h>


#define CONNECTIONS  8


static ngx_k8s_client_t        client;
static ngx_k8s_source_conf_t   conf;
static ngx_event_t             events[2][CONNECTIONS];
static int                     wire;       /* what the server has got */
static pid_t                   server;

static ngx_uint_t              finished;
static long                    status;
static CURLcode                code;
static u_char                  answer[256];
static char                    got[1 << 20];


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


static void
loop_init(void)
{
    ngx_uint_t  i;

    static ngx_connection_t  connections[CONNECTIONS];

    ngx_queue_init(&ngx_posted_events);
    ngx_queue_init(&ngx_posted_next_events);
    ngx_queue_init(&unit_cycle.reusable_connections_queue);
    ngx_event_timer_init(&unit_log);

    for (i = 0; i < CONNECTIONS; i++) {
        connections[i].data = i + 1 < CONNECTIONS ? &connections[i + 1] : NULL;
        connections[i].read = &events[0][i];
        connections[i].write = &events[1][i];
        connections[i].fd = -1;
    }

    unit_cycle.connections = connections;
    unit_cycle.connection_n = CONNECTIONS;
    unit_cycle.free_connections = connections;
    unit_cycle.free_connection_n = CONNECTIONS;

    ngx_event_actions.add = event_add;
    ngx_event_actions.del = event_del;
}


/* turns the loop until the call is over */

static void
turn(void)
{
    int                timeout;
    ngx_uint_t         i;
    struct pollfd      p[CONNECTIONS];
    ngx_connection_t  *c;

    while (!finished) {

        for (i = 0; i < CONNECTIONS; i++) {
            c = &unit_cycle.connections[i];
            p[i].fd = c->fd;
            p[i].events = (c->read->active ? POLLIN : 0)
                          | (c->write->active ? POLLOUT : 0);
            p[i].revents = 0;
        }

        timeout = 10;

        if (!ngx_queue_empty(&ngx_posted_next_events)) {
            ngx_event_move_posted_next(&unit_cycle);
            timeout = 0;
        }

        if (!ngx_queue_empty(&ngx_posted_events)) {
            timeout = 0;
        }

        poll(p, CONNECTIONS, timeout);
        ngx_time_update();

        for (i = 0; i < CONNECTIONS; i++) {
            c = &unit_cycle.connections[i];

            if ((p[i].revents & (POLLIN|POLLHUP|POLLERR)) && c->read->active) {
                c->read->handler(c->read);

            } else if ((p[i].revents & POLLOUT) && c->write->active) {
                c->write->handler(c->write);
            }
        }

        ngx_event_expire_timers();
        ngx_event_process_posted(&unit_cycle, &ngx_posted_events);
    }
}


/* answers each request with 409, and hands it on with its length before it */

static void
serve(int fd, int out)
{
    int      c;
    char    *buf, *body, *length;
    size_t   n, want;
    ssize_t  rc;

    static const char  text[] = "HTTP/1.1 409 Conflict\r\nContent-Length: 12"
                                "\r\n\r\n{\"code\":409}";

    buf = malloc(sizeof(got));

    for ( ;; ) {
        c = accept(fd, NULL, NULL);

        for ( ;; ) {
            n = 0;
            want = sizeof(got) - 1;

            while (n < want) {
                rc = read(c, buf + n, sizeof(got) - 1 - n);

                if (rc <= 0) {
                    break;
                }

                n += rc;
                buf[n] = '\0';
                body = strstr(buf, "\r\n\r\n");

                if (body) {
                    length = strstr(buf, "Content-Length: ");
                    want = body + 4 - buf
                           + (length && length < body ? atoi(length + 16) : 0);
                }
            }

            if (n == 0) {
                break;
            }

            /* the other side reads it when it has the answer */

            if (write(c, text, sizeof(text) - 1) == -1
                || write(out, &n, sizeof(n)) != sizeof(n)
                || write(out, buf, n) != (ssize_t) n)
            {
                _exit(1);
            }
        }

        close(c);
    }
}


static void
server_start(void)
{
    int                 fd, out[2];
    socklen_t           len;
    struct sockaddr_in  sin;

    static u_char  base[64];

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    len = sizeof(sin);

    fd = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(fd, (struct sockaddr *) &sin, len) != 0 || listen(fd, 5) != 0
        || getsockname(fd, (struct sockaddr *) &sin, &len) != 0
        || pipe(out) != 0)
    {
        printf("Bail out! no server\n");
        exit(1);
    }

    server = fork();

    if (server == 0) {
        serve(fd, out[1]);
    }

    close(fd);
    close(out[1]);
    wire = out[0];

    client.base.data = base;
    client.base.len = ngx_sprintf(base, "http://127.0.0.1:%ui/prefix",
                                  (ngx_uint_t) ntohs(sin.sin_port))
                      - base;
}


static void
on_turn(void *data, ngx_uint_t begins)
{
    /* void */
}


static ngx_uint_t
on_busy(void *data)
{
    return 0;
}


static ngx_int_t
on_body(ngx_k8s_call_t *call)
{
    return NGX_OK;
}


static void
on_done(ngx_k8s_call_t *call)
{
    finished = 1;
    status = call->status;
    code = call->code;

    ngx_memzero(answer, sizeof(answer));
    ngx_memcpy(answer, call->pos, ngx_min(call->last - call->pos, 255));
}


static void
client_init(void)
{
    conf.connect_timeout = 5000;

    client.log = &unit_log;
    client.credentials.log = &unit_log;
    client.conf = &conf;
    client.transport = ngx_k8s_transport_create(&unit_log);
    client.transport->data = &client;
    client.transport->turn = on_turn;
    client.transport->busy = on_busy;

    ngx_str_set(&client.credentials.token.value, "secret-token");
    ngx_k8s_credentials_refresh(&client.credentials, 0);
}


/* sends a request and gives what the server has got */

static char *
send_request(ngx_k8s_request_t *req)
{
    size_t           n, len;
    ssize_t          rc;
    ngx_k8s_call_t  *call;

    req->accept = "Accept: application/json";

    got[0] = '\0';
    call = ngx_k8s_client_call(&client, req);

    if (call == NULL) {
        return NULL;
    }

    call->body = on_body;
    call->done = on_done;
    finished = 0;

    if (ngx_k8s_call_start(call) != NGX_OK) {
        ngx_k8s_call_cancel(call);
        return NULL;
    }

    turn();

    if (read(wire, &len, sizeof(len)) != sizeof(len)) {
        return NULL;
    }

    for (n = 0; n < len; n += rc) {
        rc = read(wire, got + n, len - n);

        if (rc <= 0) {
            return NULL;
        }
    }

    got[len] = '\0';

    return got;
}


#define line(text)  (strstr(got, "\r\n" text "\r\n") != NULL)


static void
requests(void)
{
    char               *body;
    size_t              n;
    ngx_k8s_request_t   req;

    client_init();

    ngx_memzero(&req, sizeof(ngx_k8s_request_t));
    req.kind = NGX_K8S_INGRESS;
    ngx_str_set(&req.namespace, "ns");

    ok(send_request(&req)
       && strncmp(got, "GET /prefix/apis/networking.k8s.io/v1/namespaces/ns/"
                  "ingresses HTTP/1.1\r\n", 72) == 0
       && line("Authorization: Bearer secret-token")
       && line("Accept: application/json")
       && strstr(got, "Content-") == NULL, "a GET has no body");
    ok(status == 409 && code == CURLE_OK
       && ngx_strcmp(answer, "{\"code\":409}") == 0, "and its answer comes");

    /* larger than what libcurl would ask for leave to send */

    n = 300000;
    body = malloc(n);
    memset(body, 'x', n);
    memcpy(body, "{\"status\":\"", 11);

    req.method = "PATCH";
    req.type = "Content-Type: application/merge-patch+json";
    ngx_str_set(&req.name, "n");
    ngx_str_set(&req.subresource, "status");
    req.body.data = (u_char *) body;
    req.body.len = n;

    ok(send_request(&req)
       && strncmp(got, "PATCH /prefix/apis/networking.k8s.io/v1/namespaces/ns/"
                  "ingresses/n/status HTTP/1.1\r\n", 83) == 0
       && line("Content-Type: application/merge-patch+json")
       && line("Content-Length: 300000")
       && line("Authorization: Bearer secret-token")
       && strcasestr(got, "expect") == NULL,
       "a PATCH of a subresource has a body with its type");
    ok(strlen(got) > n && memcmp(got + strlen(got) - n, body, n) == 0,
       "which arrives whole");
    ok(status == 409, "and its answer comes");

    free(body);

    /* nothing at all is a body, too */

    req.method = "POST";
    ngx_str_null(&req.name);
    ngx_str_null(&req.subresource);
    ngx_str_set(&req.body, "");

    ok(send_request(&req) && strncmp(got, "POST ", 5) == 0
       && line("Content-Length: 0"), "a POST without a byte");

    ngx_memzero(&req, sizeof(ngx_k8s_request_t));
    req.method = "DELETE";
    req.kind = NGX_K8S_SECRET;
    ngx_str_set(&req.namespace, "ns");
    ngx_str_set(&req.name, "a b");

    ok(send_request(&req)
       && strncmp(got, "DELETE /prefix/api/v1/namespaces/ns/secrets/a%20b "
                  "HTTP/1.1\r\n", 59) == 0
       && strstr(got, "Content-") == NULL, "a DELETE without a body");

    ngx_str_set(&req.subresource, "..");
    ok(send_request(&req) == NULL, "a subresource that is none");

    ngx_memzero(&req, sizeof(ngx_k8s_request_t));
    req.path = "/version";
    ok(send_request(&req)
       && strncmp(got, "GET /prefix/version HTTP/1.1\r\n", 30) == 0,
       "a path of the server");

    ngx_k8s_transport_destroy(client.transport);
}


static void
phases(void)
{
    ngx_uint_t           from, to, ways, bad;
    ngx_k8s_reflector_t  r;

    ngx_memzero(&r, sizeof(ngx_k8s_reflector_t));

    r.client = &client;
    r.info = &ngx_k8s_kinds[NGX_K8S_INGRESS];

    unit_log.log_level = NGX_LOG_EMERG;

    ways = 0;
    bad = 0;

    for (from = 0; from <= NGX_K8S_PHASE_PROBE; from++) {
        for (to = 0; to <= NGX_K8S_PHASE_PROBE; to++) {

            r.phase = from;
            ngx_k8s_reflector_enter(&r, to);

            if (r.phase == to) {
                ways += (from != to && to != NGX_K8S_PHASE_LIST);

            } else if (r.phase != NGX_K8S_PHASE_LIST) {
                bad++;
            }
        }
    }

    unit_log.log_level = NGX_LOG_WARN;

    ok(ways == 6, "ways between phases but to a new list: %u", (unsigned) ways);
    ok(bad == 0, "where there is no way a new list is begun");

    r.phase = NGX_K8S_PHASE_PAGES;
    ngx_k8s_reflector_missed(&r, 1);
    ok(r.how == NGX_K8S_LIST_STREAM, "pages miss no end of a stream");

    r.phase = NGX_K8S_PHASE_STREAM;
    ngx_k8s_reflector_missed(&r, 2);
    ok(r.how == NGX_K8S_LIST_STREAM, "one stream without an end");
    ngx_k8s_reflector_missed(&r, 2);
    ok(r.how == NGX_K8S_LIST_PAGES, "two of them: pages are asked for");
}


int
main(void)
{
    unit_init();
    loop_init();
    server_start();

    requests();
    phases();

    kill(server, SIGKILL);

    return done();
}
