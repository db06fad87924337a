# Instructions of requests: see bench/instructions, which calls this with the
# folder of a build.

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

REQUESTS = 1000
PREFIX = 'nginx.ingress.kubernetes.io/'

# what may be, a percent or two above what is: the whole of a request beside the
# same by hand; and what a feature adds, above what it adds by hand if that is
# not less than nothing
RATIOS = {'plain': 0.78, 'id': 0.94, 'auth': 1.05}
BUDGET = 350
BUDGETS = {
    # a page is asked for by nginx's own way, what goes before by a plan
    'errors': 700,
    # nginx has no indexes for variables that come while it runs: each is looked
    # up by its name
    'vhost-variable': 700,
    # two expressions are looked up by their text among those of the worker
    'rewrite': 950,
    'prefix': 1100,
    # a policy, and cells of a table of each process
    'connections': 700,
    # a policy, and two headers
    'custom-headers': 550,
    # a policy, a look at the cookie and a search in the ring; nginx has none
    'affinity': 1200,
    'affinity-new': 1350,
    # a policy, and the text that is hashed
    'hash': 400,
    # what a request has of a program, and a variable that is looked up by name
    'snippet-if': 850,
    # a tenth of what the line costs by hand: a name is put together, and the
    # line is copied once more
    'log': 600,
    # ten headers have variables where constants stand by hand
    'no-endpoints': 1100,
    # a route is looked for and counted, which return does not do
    'answer': 1900,
    'https': 1900,
    'redirect': 1900,
    'app-root': 1500,
}

PORT = 19080                # of the server that is measured
APART = PORT + 1            # of the same nginx: what ends a count
BACKEND = PORT + 2
OTHER = PORT + 3            # of error pages

# headers that ingress-nginx sends, as its nginx.conf has them
HEADERS = {
    'Host': '$http_host',
    'Upgrade': '$http_upgrade',
    'Connection': '$connection_upgrade',
    'X-Request-ID': '$req_id',
    'X-Real-IP': '$remote_addr',
    'X-Forwarded-For': '$remote_addr',
    'X-Forwarded-Host': '$http_host',
    'X-Forwarded-Port': '$server_port',
    'X-Forwarded-Proto': '$scheme',
    'X-Forwarded-Scheme': '$scheme',
    'X-Scheme': '$scheme',
    'X-Original-Forwarded-For': '$http_x_forwarded_for',
    'X-Original-Forwarded-Host': '$http_x_forwarded_host',
    'Proxy': "''",
    'ssl-client-cert': "''",
    'ssl-client-verify': "''",
    'ssl-client-subject-dn': "''",
    'ssl-client-issuer-dn': "''",
}

# what these cost depends on what the heap and the tree of timers have seen
# before, not on the request: differences are without them, and blocks of the
# heap are counted
HEAP = re.compile('_int_malloc|_int_free|malloc|free|unlink_chunk|_int_memalign'
                  '|(_mid_|posix_)?memalign|calloc|alloc_perturb|free_perturb'
                  '|ngx_rbtree_(insert|delete)')
BLOCKS = '_INT_MALLOC'

MAPS = '''map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
map $http_x_request_id $req_id
    { default $http_x_request_id; '' $request_id; }
'''


def proxy(directives='', upstream='s', **headers):
    names = {n.replace('_', '-').lower(): v for n, v in headers.items()}
    lines = []
    for name, value in HEADERS.items():
        value = names.pop(name.lower(), value)
        lines.append(f'proxy_set_header {name} {value};')
    lines += [f'proxy_set_header {n} {v};' for n, v in names.items()]
    return f'''proxy_pass http://{upstream}; proxy_http_version 1.1;
        proxy_buffering off; proxy_buffer_size 4k; proxy_buffers 4 4k;
        proxy_redirect off; client_max_body_size 1m;
        {' '.join(lines)} {directives}'''


CORS = '''
    add_header Access-Control-Allow-Origin {origin} always;
    add_header Access-Control-Allow-Credentials {true} always;
    add_header Access-Control-Allow-Methods {methods} always;
    add_header Access-Control-Allow-Headers {headers} always;
    add_header Access-Control-Max-Age {age} always;
'''
CORS_VALUES = {
    'origin': '*', 'true': 'true', 'age': '1728000',
    'methods': '"GET, PUT, POST, DELETE, PATCH, OPTIONS"',
    'headers': '"DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,'
               'Cache-Control,Content-Type,Range,Authorization"',
}


def cors(**values):
    return CORS.format(**{**CORS_VALUES, **values})


# headers are only sent to the origins that are allowed
CORS_MAPS = '''
    map $http_origin $origin
        { ~^https://(one|two)\\.example$ $http_origin; }
    map $origin $true { default true; '' ''; }
    map $origin $age { default 1728000; '' ''; }
    map $origin $methods { default %(methods)s; '' ''; }
    map $origin $headers { default %(headers)s; '' ''; }
''' % CORS_VALUES
LIST = cors(origin='$origin', true='$true', age='$age', methods='$methods',
            headers='$headers')
ID = ['-H', 'X-Request-ID: 0123456789abcdef0123456789abcdef']
ORIGIN = ['-H', 'Origin: https://two.example']
TWO = {'enable-cors': 'true',
       'cors-allow-origin': 'https://one.example, https://two.example'}

LOCATION = 'location / { %s }'
SNIPPETS = {'allow-snippet-annotations': 'true',
            'annotations-risk-level': 'Critical'}


class Feature:
    """a feature: what it is, directives by hand in http { } and server { },
    annotations, keys of the ConfigMap, arguments of curl"""

    def __init__(self, what, server=None, http='', annotations=None, keys=None,
                 curl=(), objects='', path='/', type='Prefix', ask='/',
                 service='s', apart=False, ours=''):
        self.what = what
        self.ours = ours        # directives beside the pass
        self.apart = apart      # not proxied: its figures stand for themselves
        self.server = server or LOCATION % proxy()
        self.http = http
        self.annotations = annotations or {}
        self.keys = keys or {}
        self.curl = list(curl)
        self.objects = objects
        self.path = path
        self.type = type
        self.ask = ask
        self.service = service


def canary(**annotations):
    rows = {'canary': 'true'}
    rows.update({n.replace('_', '-'): v for n, v in annotations.items()})
    return ingress('canary', 'o', '/', 'Prefix', rows)


EXTRA = '''---
apiVersion: v1
kind: ConfigMap
metadata: {name: extra, namespace: default}
data: {X-One: one, X-Two: two}
'''
ADDED = LOCATION % proxy('add_header X-One one always; '
                         'add_header X-Two two always;')

RANGES = [f'10.{i // 128}.{i % 128 * 2}.0/24' for i in range(3000)] \
    + ['127.0.0.0/8']

FEATURES = {
    'plain': lambda: Feature('none'),
    'id': lambda: Feature('none, a client with X-Request-ID', curl=ID),
    'timeout': lambda: Feature(
        'directives: `proxy-read-timeout`',
        LOCATION % proxy('proxy_read_timeout 30s;'),
        annotations={'proxy-read-timeout': '30'}),
    'vhost': lambda: Feature(
        '`upstream-vhost`', LOCATION % proxy(Host='other.example'),
        annotations={'upstream-vhost': 'other.example'}),
    'vhost-variable': lambda: Feature(
        '`upstream-vhost` with a variable',
        LOCATION % proxy(Host='$remote_addr.example'),
        annotations={'upstream-vhost': '$remote_addr.example'}),
    'connection': lambda: Feature(
        '`connection-proxy-header`', LOCATION % proxy(Connection='keep-alive'),
        annotations={'connection-proxy-header': 'keep-alive'}),
    'cors': lambda: Feature(
        '`enable-cors`', LOCATION % proxy(cors()),
        annotations={'enable-cors': 'true'}, curl=ORIGIN),
    'cors-origins': lambda: Feature(
        '`enable-cors` for two origins', LOCATION % proxy(LIST), CORS_MAPS,
        annotations=TWO, curl=ORIGIN),
    'preflight': lambda: Feature(
        'its answer to a preflight',
        LOCATION % f'if ($request_method = OPTIONS) {{ {LIST} return 204; }}',
        CORS_MAPS, annotations=TWO, curl=ORIGIN + ['-X', 'OPTIONS'], apart=True),
    'rewrite': lambda: Feature(
        '`rewrite-target` with a capture',
        'location ~* "^/from(/|$)(.*)" { rewrite "(?i)/from(/|$)(.*)" /$2 break;'
        f' {proxy()} }}',
        annotations={'rewrite-target': '/$2'}, path='/from(/|$)(.*)',
        type='ImplementationSpecific', ask='/from/there'),
    'prefix': lambda: Feature(
        'the same with `x-forwarded-prefix`',
        'location ~* "^/from(/|$)(.*)" { rewrite "(?i)/from(/|$)(.*)" /$2 break;'
        f' {proxy(X_Forwarded_Prefix="/from")} }}',
        annotations={'rewrite-target': '/$2', 'x-forwarded-prefix': '/from'},
        path='/from(/|$)(.*)', type='ImplementationSpecific',
        ask='/from/there'),
    'regex': lambda: Feature(
        '`use-regex`', f'location ~* "^/a[0-9]+" {{ {proxy()} }}',
        annotations={'use-regex': 'true'}, path='/a[0-9]+',
        type='ImplementationSpecific', ask='/a123'),
    'answer': lambda: Feature(
        'none, of a Service without endpoints', LOCATION % 'return 503;',
        service='none', apart=True),
    'https': lambda: Feature(
        '`force-ssl-redirect`', 'return 308 https://$host$request_uri;',
        annotations={'force-ssl-redirect': 'true'}, apart=True),
    'redirect': lambda: Feature(
        '`permanent-redirect`', LOCATION % 'return 301 https://new.example/;',
        annotations={'permanent-redirect': 'https://new.example/'}, apart=True),
    'app-root': lambda: Feature(
        '`app-root`', 'absolute_redirect on; server_name_in_redirect off; '
        'location = / { return 302 $scheme://$http_host/app; } '
        + LOCATION % proxy(),
        annotations={'app-root': '/app'}, apart=True),
    'canary': lambda: Feature(
        '`canary-weight`', LOCATION % proxy(upstream='$split'),
        'split_clients $request_id $split { 50% o; * s; }',
        objects=canary(canary_weight='50')),
    'canary-header': lambda: Feature(
        '`canary-by-header`', LOCATION % proxy(upstream='$split'),
        'map $http_x_canary $split { always o; default s; }',
        objects=canary(canary_by_header='X-Canary'),
        curl=['-H', 'X-Canary: always']),
    'canary-cookie': lambda: Feature(
        '`canary-by-cookie`', LOCATION % proxy(upstream='$split'),
        'map $cookie_canary $split { always o; default s; }',
        objects=canary(canary_by_cookie='canary'),
        curl=['-H', 'Cookie: canary=always']),
    'errors': lambda: Feature(
        '`custom-http-errors`, a page of the default backend',
        'proxy_intercept_errors on; error_page 404 = @error; '
        + LOCATION % proxy() + 'location @error { internal; '
        'proxy_intercept_errors off; rewrite ^ / break; '
        + proxy(upstream='o', X_Code='404', X_Format='$http_accept',
                X_Original_URI='$request_uri', X_Namespace='default',
                X_Ingress_Name='i', X_Service_Name='s', X_Service_Port='80')
        + '}',
        annotations={'custom-http-errors': '404', 'default-backend': 'o'},
        ask='/missing'),
    'errors-none': lambda: Feature(
        '`custom-http-errors`, an answer without an error',
        'proxy_intercept_errors on; error_page 404 = @error; '
        + LOCATION % proxy() + 'location @error { internal; '
        + proxy(upstream='o') + '}',
        annotations={'custom-http-errors': '404', 'default-backend': 'o'}),
    'no-endpoints': lambda: Feature(
        '`default-backend` of a Service without endpoints',
        LOCATION % proxy(upstream='o', X_Code='503', X_Format='$http_accept',
                         X_Original_URI='$request_uri', X_Namespace='default',
                         X_Ingress_Name='i', X_Service_Name='none',
                         X_Service_Port='80'),
        annotations={'default-backend': 'o'}, service='none'),
    'forwarded': lambda: Feature(
        '`use-forwarded-headers` (a key)',
        'set_real_ip_from 0.0.0.0/0; real_ip_header X-Forwarded-For; '
        'real_ip_recursive on; '
        + LOCATION % proxy(X_Forwarded_Host='$fhost', X_Forwarded_Port='$fport',
                           X_Forwarded_Proto='$fproto',
                           X_Forwarded_Scheme='$fproto', X_Scheme='$fproto'),
        'map $http_x_forwarded_proto $fproto { default $http_x_forwarded_proto;'
        " '' $scheme; } map $http_x_forwarded_port $fport "
        "{ default $http_x_forwarded_port; '' $server_port; } "
        'map $http_x_forwarded_host $fhost { default $http_x_forwarded_host;'
        " '' $http_host; }",
        keys={'use-forwarded-headers': 'true'},
        curl=['-H', 'X-Forwarded-For: 192.0.2.1', '-H',
              'X-Forwarded-Proto: https', '-H', 'X-Forwarded-Port: 443',
              '-H', 'X-Forwarded-Host: there.example']),
    'allowlist': lambda: Feature(
        '`allowlist-source-range` of 3,000 ranges',
        ' '.join(f'allow {r};' for r in RANGES) + ' deny all; '
        + LOCATION % proxy(),
        annotations={'allowlist-source-range': ','.join(RANGES)}),
    'affinity': lambda: Feature(
        '`affinity: cookie`, of a client that has it',
        annotations={'affinity': 'cookie'},
        curl=['-H', 'Cookie: INGRESSCOOKIE=' + '0' * 32]),
    'affinity-new': lambda: Feature(
        '`affinity: cookie`, of a new client',
        LOCATION % proxy('add_header Set-Cookie "INGRESSCOOKIE=$request_id; '
                         'Path=/; HttpOnly";'),
        annotations={'affinity': 'cookie'}),
    'hash': lambda: Feature(
        '`upstream-hash-by`', LOCATION % proxy(upstream='h'),
        'upstream h { hash $request_uri consistent; '
        f'server 127.0.0.1:{BACKEND}; keepalive 320; }}',
        annotations={'upstream-hash-by': '$request_uri'}),
    'ewma': lambda: Feature(
        '`load-balance: ewma`', annotations={'load-balance': 'ewma'}),
    'limit': lambda: Feature(
        '`limit-rps`', 'limit_req zone=l burst=500000 nodelay; '
        + LOCATION % proxy(),
        'limit_req_zone $binary_remote_addr zone=l:1m rate=100000r/s;',
        annotations={'limit-rps': '100000'}),
    'connections': lambda: Feature(
        '`limit-connections`', 'limit_conn l 10; ' + LOCATION % proxy(),
        'limit_conn_zone $binary_remote_addr zone=l:1m;',
        annotations={'limit-connections': '10'}),
    'auth': lambda: Feature(
        '`auth-url` with `auth-response-headers`',
        LOCATION % ('auth_request /auth; '
                    'auth_request_set $user $upstream_http_server; '
                    + proxy(Server='$user'))
        + f'location = /auth {{ internal; set $to http://127.0.0.1:{OTHER}/; '
        'proxy_pass $to; proxy_pass_request_body off; '
        'proxy_set_header Content-Length ""; '
        'proxy_set_header X-Forwarded-Proto ""; '
        'proxy_set_header X-Request-ID $request_id; '
        'proxy_set_header Host 127.0.0.1; '
        'proxy_set_header X-Original-URL $scheme://$http_host$request_uri; '
        'proxy_set_header X-Original-Method $request_method; '
        'proxy_set_header X-Sent-From nginx-ingress-controller; '
        'proxy_set_header X-Real-IP $remote_addr; '
        'proxy_set_header X-Forwarded-For $remote_addr; '
        'proxy_set_header X-Auth-Request-Redirect $request_uri; }',
        annotations={'auth-url': f'http://127.0.0.1:{OTHER}/',
                     'auth-response-headers': 'Server'}),
    'add-headers': lambda: Feature(
        '`add-headers` (a key), two of them', ADDED,
        keys={'add-headers': 'default/extra'}, objects=EXTRA),
    'custom-headers': lambda: Feature(
        '`custom-headers`, two of them', ADDED,
        annotations={'custom-headers': 'default/extra'},
        keys={'global-allowed-response-headers': 'X-One,X-Two'},
        objects=EXTRA),
    'snippet': lambda: Feature(
        '`configuration-snippet`, two headers of answers', ADDED,
        annotations={'configuration-snippet':
                     'add_header X-One one always; add_header X-Two two always;'},
        keys=SNIPPETS),
    'snippet-if': lambda: Feature(
        '`configuration-snippet`, an `if` that is false',
        LOCATION % proxy('if ($http_x_a = "b") { return 403; }'),
        annotations={'configuration-snippet':
                     'if ($http_x_a = "b") { return 403; }'},
        keys=SNIPPETS),
    'set-headers': lambda: Feature(
        '`proxy-set-headers` (a key), two of them',
        LOCATION % proxy(X_One='one', X_Two='two'),
        keys={'proxy-set-headers': 'default/extra'}, objects=EXTRA),
    'log': lambda: Feature(
        '`access_log ... k8s_ingress`, the default line',
        'access_log /dev/null line; ' + LOCATION % proxy(),
        "log_format line '$remote_addr - $remote_user [$time_local] "
        '"$request" $status $body_bytes_sent "$http_referer" '
        '"$http_user_agent" $request_length $request_time [$host] '
        '[$server_name] $upstream_addr $upstream_response_length '
        "$upstream_response_time $upstream_status $req_id';",
        ours='access_log /dev/null k8s_ingress;'),
    'hide-headers': lambda: Feature(
        '`hide-headers` (a key)', LOCATION % proxy('proxy_hide_header Server;'),
        keys={'hide-headers': 'Server'}),
    'original-uri': lambda: Feature(
        '`proxy-add-original-uri-header` (a key)',
        LOCATION % proxy(X_Original_URI='$request_uri'),
        keys={'proxy-add-original-uri-header': 'true'}),
}


def ingress(name, service, path, type, annotations):
    lines = ''.join(f'    {PREFIX}{n}: {v!r}\n' for n, v in annotations.items())
    return f'''---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
  namespace: default
  annotations:
    example.com/none: none
{lines}spec:
  ingressClassName: nginx
  rules:
  - host: h.example
    http:
      paths:
      - path: {path}
        pathType: {type}
        backend: {{service: {{name: {service}, port: {{number: 80}}}}}}
'''


def service(name, port):
    return f'''---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: IPv4
metadata:
  name: {name}-1
  namespace: default
  labels: {{kubernetes.io/service-name: {name}}}
ports: [{{name: http, port: {port}, protocol: TCP}}]
endpoints: [{'{addresses: [127.0.0.1]}' if port else ''}]
'''


def manifests(f):
    keys = ''.join(f'  {n}: {v!r}\n' for n, v in f.keys.items())
    text = '''apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
'''
    if keys:
        text += '---\napiVersion: v1\nkind: ConfigMap\nmetadata: ' \
            f'{{name: keys, namespace: default}}\ndata:\n{keys}'
    text += service('s', BACKEND) + service('o', OTHER) + service('none', 0)
    return text + ingress('i', f.service, f.path, f.type, f.annotations) \
        + f.objects


class Nginx:
    def __init__(self, build, top, name, http, count=False):
        self.dir = os.path.join(top, name)
        os.mkdir(self.dir)
        conf = os.path.join(self.dir, 'conf')
        paths = ' '.join(f'{p}_temp_path {self.dir}/{p};' for p in
                         ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
        with open(conf, 'w') as f:
            f.write(f'''load_module {build}/ngx_k8s_ingress_module.so;
daemon off; master_process off; pid {self.dir}/pid;
error_log {self.dir}/error.log error;
events {{ worker_connections 512; }}
http {{ access_log off; keepalive_requests 100000000; {paths} {http} }}
''')
        command = [f'{build}/nginx', '-p', self.dir, '-e',
                   f'{self.dir}/error.log', '-c', conf]
        if count:
            command = ['valgrind', '--tool=callgrind',
                       '--dump-before=ngx_http_empty_gif_handler',
                       f'--callgrind-out-file={self.dir}/out'] + command
        with open(f'{self.dir}/said', 'w') as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def ready(self, port, ask):
        for _ in range(600):
            try:
                with urllib.request.urlopen(f'http://127.0.0.1:{port}{ask}',
                                            timeout=10):
                    return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        sys.exit('nginx does not answer: '
                 + open(f'{self.dir}/said').read()[-2000:]
                 + open(f'{self.dir}/error.log').read()[-2000:])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def ask(f, n):
    """n requests on one connection; the statuses that they got"""
    out = subprocess.run(
        ['curl', '-sS', '-o', '/dev/null', '-w', '%{http_code}\n', '-H',
         'Host: h.example', *f.curl, f'http://127.0.0.1:{PORT}{f.ask}?[1-{n}]'],
        check=True, capture_output=True, text=True)
    return set(out.stdout.split())


def count(build, top, name, f, http):
    """instructions of a request, and by function; the status"""
    # what is counted ends with a request for the picture
    n = Nginx(build, top, name, http + f'''
        server {{ listen 127.0.0.1:{APART}; location /end {{ empty_gif; }}
            location / {{ return 204; }} {'k8s_ingress_admin;' if not http
            else ''} }}''', count=True)
    n.ready(APART, '/')
    if 'k8s_ingress' in http:
        n.ready(APART + 100, '/readyz')
    parts, statuses = [], set()
    for requests in (100, 100, 100 + REQUESTS):
        statuses |= ask(f, requests)
        urllib.request.urlopen(f'http://127.0.0.1:{APART}/end').read()
        parts.append(f'{n.dir}/out.{len(parts) + 1}')
    n.stop()
    sums = [functions(p) for p in parts]
    names = set(sums[1]) | set(sums[2])
    each = {k: (sums[2].get(k, 0) - sums[1].get(k, 0)) / REQUESTS
            for k in names}
    shutil.rmtree(n.dir)
    blocks = each.pop(BLOCKS, 0)
    return sum(each.values()), each, '/'.join(sorted(statuses)), blocks


def functions(path):
    """own instructions by function, of a file of callgrind; and calls of
    _int_malloc() by that name in capitals"""
    names, sums, fn, called = {}, {}, None, None

    def name(number, text):
        if text:
            names[number] = text.split("'")[0].strip()
        return names[number]

    with open(path) as f:
        for line in f:
            m = re.match(r'(c?fn)=\((\d+)\)(?: (.*))?', line)
            if m and m[1] == 'fn':
                fn, called = name(m[2], m[3]), None
            elif m:
                called = name(m[2], m[3])
            elif line.startswith('calls='):
                if called == '_int_malloc':
                    n = int(line[6:].split()[0])
                    sums[BLOCKS] = sums.get(BLOCKS, 0) + n
            elif re.match(r'[-+*\d]', line):
                if called is None:
                    sums[fn] = sums.get(fn, 0) + int(line.split()[1])
                called = None
    return sums


def outside(each):
    """instructions outside of the heap's functions"""
    return sum(n for k, n in each.items() if not HEAP.match(k))


def both(build, top, f):
    by_hand = MAPS + f'''{f.http}
        upstream s {{ server 127.0.0.1:{BACKEND}; keepalive 320; }}
        upstream o {{ server 127.0.0.1:{OTHER}; keepalive 320; }}
        server {{ listen 127.0.0.1:{PORT}; server_tokens off; {f.server} }}'''
    objects = os.path.join(top, 'objects')
    shutil.rmtree(objects, ignore_errors=True)
    os.mkdir(objects)
    with open(f'{objects}/0.yaml', 'w') as out:
        out.write(manifests(f))
    keys = 'config_map default/keys;' if f.keys else ''
    ours = f'''k8s_ingress {{ source manifests {objects}; zone 8m; {keys} }}
        server {{ listen 127.0.0.1:{PORT}; {f.ours} k8s_ingress_pass; }}
        server {{ listen 127.0.0.1:{APART + 100}; k8s_ingress_admin; }}'''
    a = count(build, top, 'hand', f, by_hand)
    b = count(build, top, 'ours', f, ours)
    if a[2] != b[2]:
        sys.exit(f'{f.what}: status {a[2]} by hand, {b[2]} here')
    return a, b


def main():
    p = argparse.ArgumentParser()
    p.add_argument('build')
    p.add_argument('-b', action='store_true')
    p.add_argument('-m', action='store_true')
    p.add_argument('-f', action='store_true')
    p.add_argument('feature', nargs='*')
    args = p.parse_intermixed_args()
    names = args.feature or list(FEATURES)
    top = tempfile.mkdtemp()
    os.chmod(top, 0o755)
    over = []
    backend = Nginx(args.build, top, 'backend', f'''
        server {{ listen 127.0.0.1:{BACKEND}; listen 127.0.0.1:{OTHER};
            location / {{ return 200 'hello world\n'; }}
            location /missing {{ return 404 'missing\n'; }} }}''')
    try:
        backend.ready(BACKEND, '/')
        plain = both(args.build, top, FEATURES['plain']())
        base = [outside(r[1]) for r in plain]
        if args.m:
            print('| feature | by hand | here | it adds by hand | here | more |\n'
                  '|---|---|---|---|---|---|')
        else:
            print(f'{"feature":15} {"hand":>7} {"here":>7} {"ratio":>6} '
                  f'{"+hand":>7} {"+here":>7} {"more":>6} {"blocks":>7}')
        for name in names:
            f = FEATURES[name]()
            a, b = plain if name == 'plain' else both(args.build, top, f)
            hand, here = (outside(r[1]) - (0 if f.apart else n)
                          for r, n in zip((a, b), base))
            if args.m:
                print(f'| {f.what} | {a[0]:.0f} | {b[0]:.0f} | {hand:+.0f} | '
                      f'{here:+.0f} | {here - max(hand, 0):+.0f} |', flush=True)
            else:
                print(f'{name:15} {a[0]:7.0f} {b[0]:7.0f} {b[0] / a[0]:6.3f} '
                      f'{hand:+7.0f} {here:+7.0f} {here - max(hand, 0):+6.0f} '
                      f'{a[3]:.1f} {b[3]:.1f}', flush=True)
            ratio, more = b[0] / a[0], here - max(hand, 0)
            if ratio > RATIOS.get(name, 9):
                over.append(f'{name}: {ratio:.3f} of what it is by hand, '
                            f'more than {RATIOS[name]}')
            if name not in RATIOS and more > BUDGETS.get(name, BUDGET):
                over.append(f'{name}: {more:.0f} instructions more than by '
                            f'hand, over {BUDGETS.get(name, BUDGET)}')
            if args.f:
                # beside what is there by hand, or without the feature
                old = a[1] if name == 'plain' or f.apart else plain[1][1]
                diff = {k: b[1].get(k, 0) - old.get(k, 0)
                        for k in {**old, **b[1]}}
                for k in sorted(diff, key=lambda k: -abs(diff[k])):
                    if abs(diff[k]) >= 5:
                        print(f'    {diff[k]:+8.0f} {old.get(k, 0):7.0f} '
                              f'{b[1].get(k, 0):7.0f} {k}')
    finally:
        backend.stop()
        shutil.rmtree(top)
    if args.b:
        for line in over:
            print(f'# FAILED {line}')
        print(f'{len(names) - len(over)} passed, {len(over)} failed')
        sys.exit(bool(over))


main()
