# Redirects and answers of our own: trailing slash, https, health.

use lib 't/lib';
use K8s 'no_plan';

our $Tls = <<'EOY';
>>> tls.yaml
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: tls
  namespace: default
  annotations: {kubernetes.io/ingress.class: nginx}
spec:
  tls:
  - hosts: [s.example]
    secretName: none
  rules:
  - host: s.example
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /sub/, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /.well-known/acme-challenge, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
EOY

run_tests();

__DATA__

=== TEST 1: a path with a trailing slash
--- services
default/web:80 web
--- ingresses
default/web a.example /dir/ web:80
default/web2 a.example /ex/ web:80 Exact
--- request eval
["GET /dir?x=1/", "GET /dir/", "GET /dir/a", "GET /ex", "GET /ex/"]
--- more_headers
Host: a.example:81
--- error_code eval
[301, 200, 200, 301, 200]
--- response_headers eval
["Location: http://a.example/dir/?x=1/", "! Location", "! Location",
 "Location: http://a.example/ex/", "! Location"]
--- no_error_log
[error]



=== TEST 2: with nginx's defaults the Ingress API's own rules
--- services
default/web:80 web
--- ingresses
default/web a.example /dir/ web:80
default/web2 a.example /ex/ web:80 Exact
--- block
defaults nginx;
--- request eval
["GET /dir", "GET /dir/", "GET /dir/a", "GET /directory", "GET /ex", "GET /ex/"]
--- more_headers
Host: a.example
--- error_code eval
[200, 200, 200, 404, 404, 200]
--- no_error_log
[error]



=== TEST 3: to https: port and last slash go
--- services
default/web:80 web
--- manifests eval
$::Tls
--- request eval
["GET /", "GET /x?y=1&z", "GET /x/", "GET /x?y=1/", "POST /x\nabc",
 "GET /.well-known/acme-challenge/token", "GET /sub"]
--- more_headers
Host: S.example:8080
--- error_code eval
[308, 308, 308, 308, 308, 200, 301]
--- response_headers eval
["Location: https://S.example", "Location: https://S.example/x?y=1&z",
 "Location: https://S.example/x", "Location: https://S.example/x?y=1",
 "Location: https://S.example/x", "! Location",
 "Location: http://s.example/sub/"]
--- no_error_log
[error]



=== TEST 4: what a client claims does not count
--- services
default/web:80 web
--- manifests eval
$::Tls
--- request
GET /x
--- more_headers
Host: s.example
X-Forwarded-Proto: https
--- error_code: 308
--- no_error_log
[error]



=== TEST 5: defaults nginx redirect nobody
--- services
default/web:80 web
--- block
defaults nginx;
--- manifests eval
$::Tls
--- request
GET /x
--- more_headers
Host: s.example
--- response_body
web
--- no_error_log
[error]



=== TEST 6: health on hosts that nobody has, not in the log
--- services
default/web:80 web
--- ingresses
default/web a.example / web:80
default/all - / web:80
--- config
k8s_ingress_pass;
access_log $TEST_NGINX_SERVER_ROOT/logs/t.log;
location = /log {
    access_log off;
    root $TEST_NGINX_SERVER_ROOT;
    try_files /logs/t.log =404;
}
--- request eval
["GET /healthz", "GET /healthz?x", "GET /healthz/x", "GET /log"]
--- more_headers
Host: 192.0.2.1
--- error_code eval
[200, 200, 200, 200]
--- response_body_unlike eval
["x", "x", "y", "GET /healthz[ ?]"]
--- no_error_log
[error]



=== TEST 7: health on a host that somebody has
--- services
default/web:80 web
--- ingresses
default/web a.example / web:80
--- request
GET /healthz
--- more_headers
Host: a.example
--- response_body
web
--- no_error_log
[error]



=== TEST 8: the same in the null location of a server without locations
--- services
default/web:80 web
--- ingresses
default/web a.example / web:80
--- request
GET /healthz
--- more_headers
Host: b.example
--- response_body
--- response_headers
! Server
--- no_error_log
[error]



=== TEST 9: paths that begin as health does, of an Ingress without a host
--- services
default/web:80 web
--- ingresses
default/all - / web:80
default/live - /healthz/live web:80 Exact
default/check - /healthzcheck web:80
--- request eval
["GET /healthz", "GET /healthz/x", "GET /healthz/live", "GET /healthzcheck/x",
 "GET /healthzchecks"]
--- more_headers
Host: 192.0.2.1
--- response_body eval
["", "", "web\n", "web\n", ""]
--- no_error_log
[error]



=== TEST 10: an absolute URI: its host is where redirects go
--- services
default/web:80 web
--- manifests eval
$::Tls
--- raw_request eval
["GET http://S.example:8080/x HTTP/1.1\r\nHost: evil.example\r\n"
 . "Connection: close\r\n\r\n",
 "GET http://s.example/sub HTTP/1.1\r\nHost: evil.example\r\n"
 . "Connection: close\r\n\r\n"]
--- error_code eval
[308, 301]
--- response_headers eval
["Location: https://S.example/x", "Location: http://s.example/sub/"]
--- no_error_log
[error]
