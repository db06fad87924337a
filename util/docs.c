
/*
 * Copyright (C) ngx_k8s_ingress_module contributors
 */


/*
 * Prints one reference page, made of the tables that the code runs from:
 * docs directives | variables | metrics | defaults | problems.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_k8s_module.h>
#include <ngx_http_k8s_variables.h>
#include <ngx_http_k8s_admin.h>
#include <ngx_k8s_policy.h>


static void  docs_cell(u_char *data, size_t len);


#define docs_str(s)  docs_cell((s)->data, (s)->len)


static void
docs_cell(u_char *data, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {

        if (data[i] == '|') {
            putchar('\\');
        }

        putchar(data[i]);
    }
}


static void
docs_code(ngx_str_t *s)
{
    if (s->len) {
        putchar('`');
        docs_str(s);
        putchar('`');
    }
}


static void
docs_directives(void)
{
    ngx_k8s_directive_t  *d;

    printf("# Directives\n");

    for (d = ngx_k8s_directives; d->command.name.len; d++) {
        printf("\n## %s\n\n"
               "| | |\n|---|---|\n| syntax | `", d->command.name.data);
        docs_cell((u_char *) d->syntax, ngx_strlen(d->syntax));
        printf("` |\n| default | %s |\n| context | %s |\n\n%s\n",
               d->value[0] ? d->value : "none", d->context, d->text);
    }
}


static void
docs_variables(void)
{
    ngx_http_k8s_variable_t  *v;

    printf("# Variables\n\n"
           "They are empty where no Ingress has been found yet, and never "
           "change once a\nrequest is routed.\n\n"
           "| variable | value |\n|---|---|\n");

    for (v = ngx_http_k8s_variables; v->name.len; v++) {
        printf("| `$%s` | ", v->name.data);
        docs_str(&v->note);
        printf(" |\n");
    }
}


static void
docs_metrics(void)
{
    ngx_http_k8s_metric_t  *m;

    printf("# Metrics\n\n"
           "What ingress-nginx exports has its name and labels here.\n\n"
           "| metric | type | labels | meaning |\n|---|---|---|---|\n");

    for (m = ngx_http_k8s_metrics; m->name.len; m++) {
        printf("| ");
        docs_code(&m->name);
        printf(" | ");
        docs_str(&m->type);
        printf(" | ");
        docs_str(&m->labels);
        printf(" | ");
        docs_str(&m->help);
        printf(" |\n");
    }
}


static char *
docs_state(ngx_k8s_row_t *d, ngx_uint_t flags)
{
    if ((d->flags & NGX_K8S_ROW_LATER)
        || (flags == NGX_K8S_ROW_KEY && (d->flags & NGX_K8S_ROW_KEY_LATER)))
    {
        return (d->flags & (NGX_K8S_ROW_CLOSES_ROUTE|NGX_K8S_ROW_CLOSES_HOST))
               ? "not yet, closed" : "not yet";
    }

    if ((d->flags & NGX_K8S_ROW_NOTED) && (d->flags & NGX_K8S_ROW_COMPARED)) {
        return "compared";
    }

    if (d->flags & NGX_K8S_ROW_NOTED) {
        return "nothing to do";
    }

    return (d->flags & NGX_K8S_ROW_REFUSED) ? "never" : "served";
}


static void
docs_rows(ngx_uint_t flags)
{
    ngx_k8s_row_t  *d;

    for (d = ngx_k8s_rows; d->note.data; d++) {

        if (!(d->flags & flags)) {
            continue;
        }

        printf("| ");
        docs_code(&d->name);

        if (d->alias.len) {
            printf(", ");
            docs_code(&d->alias);
        }

        printf(" | %s | ", d->grammar->text);

        if (d->value.len) {
            docs_code(&d->value);
        }

        printf(" | %s | ", docs_state(d, flags));

        if (flags == NGX_K8S_ROW_ANNOTATION) {
            printf("%s | ", (d->flags & NGX_K8S_RISK_CRITICAL)
                            == NGX_K8S_RISK_CRITICAL ? "critical"
                            : (d->flags & NGX_K8S_RISK_HIGH) ? "high"
                            : (d->flags & NGX_K8S_RISK_MEDIUM) ? "medium"
                            : "low");
        }

        if (d->needs.len) {
            printf("with ");
            docs_code(&d->needs);
            printf(d->note.len ? "; " : "");
        }

        docs_str(&d->note);
        printf(" |\n");
    }
}


static void
docs_annotations(void)
{
    printf("# Annotations\n\n"
           "The annotations of an Ingress that ingress-nginx knows, each with "
           "the prefix\n`nginx.ingress.kubernetes.io/` (directive "
           "`annotations_prefix`), and what becomes\nof them here:\n\n"
           "- *served*: it does what it does in ingress-nginx.\n"
           "- *not yet*: it does nothing, and a problem says so. What "
           "protects closes the\n  paths of its Ingress with 503 meanwhile, "
           "or with 403 where it is about\n  certificates of clients "
           "(*not yet, closed*).\n"
           "- *nothing to do*, *never*: it can be taken out.\n\n"
           "A value that cannot be read is a problem, and the default holds; "
           "where the\nannotation protects, the paths are closed. Names that "
           "are not known are\nproblems too, with the nearest known "
           "one:\n\n"
           "```\nAnnotationUnknown metadata.annotations["
           "nginx.ingress.kubernetes.io/proxy-body-siz]:\n"
           "there is no such annotation. Did you mean "
           "\"proxy-body-size\"?\n```\n\n"
           "| annotation | value | default | state | risk | note |\n"
           "|---|---|---|---|---|---|\n");

    docs_rows(NGX_K8S_ROW_ANNOTATION);
}


static void
docs_configmap(void)
{
    printf("# Keys of the ConfigMap\n\n"
           "Read from the ConfigMap that `config_map NAMESPACE/NAME;` "
           "names; without it none is.\n\n"
           "An IngressClass whose `spec.parameters` name a ConfigMap gives its "
           "Ingresses keys\nof their own: those that are annotations as well, "
           "and `hsts` with `hsts-*`. What holds\nis the annotation, else the "
           "key of the class, else that of the controller.\n\n"
           "A value that cannot be read is a problem, and the default holds; "
           "where the key\nprotects, all paths that it is for are closed. So "
           "they are where `data` is no map,\nas any key may be there. An "
           "empty value is as none, but for\n`no-tls-redirect-locations` and "
           "`no-auth-locations`: there it is a list without paths.\n\n"
           "A start that cannot read the ConfigMap, as it is too large or in a "
           "file that is\nbroken, is not ready, and serves nothing: its keys "
           "may protect. Once it was read\nwhat it said last stays.\n\n"
           "The keys of the controller's ConfigMap that ingress-nginx knows, "
           "and what becomes\nof them here. *Not yet*: the default holds. "
           "*Compared*: only nginx.conf can say it;\nwhere it says something "
           "else, or what it says cannot be seen, a note quotes the\n"
           "directive to write. *Nothing to do*: nginx.conf says it, or there "
           "is nothing to\nsay.\n\n"
           "| key | value | default | state | note |\n|---|---|---|---|---|\n");

    docs_rows(NGX_K8S_ROW_KEY);
}


static void
docs_defaults(void)
{
    ngx_k8s_row_t  *d;

    printf("# Defaults\n\n"
           "What holds for a route about which no object says anything: "
           "ingress-nginx's\ndefault of each ConfigMap key, and what it feeds. "
           "`defaults nginx;` leaves these\nto nginx.conf, where nginx's own "
           "defaults hold for what is not set: backends\nthen get "
           "`Host: k8s_ingress`, and before nginx 1.29.7 HTTP/1.0, until\n"
           "nginx.conf says otherwise:\n\n"
           "```nginx\nproxy_http_version 1.1;\n"
           "proxy_set_header Host $http_host;\n"
           "proxy_set_header Connection \"\";\n```\n\n"
           "| key | default | feeds | note |\n|---|---|---|---|\n");

    for (d = ngx_k8s_rows; d->note.data; d++) {

        if (!(d->flags & NGX_K8S_API_INGRESS)
            || (d->directive.len == 0 && d->offset == NGX_K8S_NO_FIELD))
        {
            continue;
        }

        printf("| ");
        docs_code(&d->name);
        printf(" | ");
        docs_code(&d->value);
        printf(" | ");

        if (d->directive.len) {
            putchar('`');
            docs_str(&d->directive);

            if (d->value.len == 0 && d->argument.len) {
                putchar(' ');
                docs_str(&d->argument);
            }

            putchar('`');

        } else {
            printf("the module");
        }

        printf(" | ");
        docs_str(&d->note);
        printf(" |\n");
    }
}


static void
docs_problems(void)
{
    ngx_uint_t               i;
    ngx_k8s_problem_code_t  *p;

    printf("# Problems\n\n"
           "Everything that can't be done as asked. Each names the object, the "
           "field and the\nremedy, on [/status](status.md), in the error log "
           "and as a metric. Nothing else\nis affected. Where a server has "
           "`listen 127.0.0.1:10246; k8s_ingress_admin;`,\n`curl "
           "127.0.0.1:10246/status?problems=1` has problems alone.\n\n"
           "| severity | what it says |\n|---|---|\n"
           "| error | Something is not served, or is closed. The log has it "
           "as `error`. |\n"
           "| warning | It is served, but not as it is written. The log has it "
           "as `warn`. |\n"
           "| note | Something has nothing to do here; all is served as it is "
           "written. It is "
           "on `/status` and in the metric, not in the log. "
           "|\n\n"
           "| code | severity | meaning | what to do |\n|---|---|---|---|\n");

    for (i = 0; i < NGX_K8S_PROBLEMS; i++) {
        p = &ngx_k8s_problem_codes[i];

        printf("| `");
        docs_str(&p->name);
        printf("` | ");
        docs_str(&ngx_k8s_severities[p->severity]);
        printf(" | ");
        docs_str(&p->meaning);
        printf(" | ");
        docs_str(&p->remedy);
        printf(" |\n");
    }
}


static struct {
    char                    *name;
    void                   (*print)(void);
} docs_pages[] = {
    { "directives", docs_directives },
    { "variables", docs_variables },
    { "metrics", docs_metrics },
    { "defaults", docs_defaults },
    { "annotations", docs_annotations },
    { "configmap", docs_configmap },
    { "problems", docs_problems },
    { NULL, NULL }
};


int
main(int argc, char **argv)
{
    ngx_uint_t  i;

    for (i = 0; argc == 2 && docs_pages[i].name; i++) {

        if (ngx_strcmp(docs_pages[i].name, argv[1]) == 0) {
            docs_pages[i].print();
            return 0;
        }
    }

    return 2;
}
