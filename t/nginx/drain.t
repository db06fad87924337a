# k8s_ingress_drain_file: clients are shed once a file exists.

use lib 't/lib';
use K8s 'no_plan';

run_tests();

__DATA__

=== TEST 1: without the file clients stay
--- http_config
k8s_ingress_drain_file %%DIR%%/drain;
--- services
default/web:80 web
--- ingresses
default/web a.example / web:80
--- pipelined_requests eval
["GET /", "GET /"]
--- more_headers
Host: a.example
--- response_headers eval
["Connection: keep-alive", "Connection: close"]
--- response_body eval
["web\n", "web\n"]
--- no_error_log
connections of clients are closed



=== TEST 2: with it they are sent away
--- http_config
k8s_ingress_drain_file %%DIR%%/drain;
--- manifests
>>> drain
# any
--- services
default/web:80 web
--- ingresses
default/web a.example / web:80
--- raw_request eval
"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
--- response_headers
Connection: close
--- response_body
web
--- error_log
connections of clients are closed after the next answer



=== TEST 3: a pass in a location, and a request without a route
--- http_config
k8s_ingress_drain_file %%DIR%%/drain;
--- manifests
>>> drain
# any
--- config
location /app { k8s_ingress_pass; }
--- services
default/web:80 web
--- ingresses
default/web a.example / web:80
--- ready
- a.example /app 200
--- raw_request eval
"GET /app HTTP/1.1\r\nHost: none.example\r\n\r\n"
--- error_code: 404
--- response_headers
Connection: close



=== TEST 4: also what stands beside a pass
--- http_config
k8s_ingress_drain_file %%DIR%%/drain;
--- manifests
>>> drain
# any
--- config
location /app { k8s_ingress_pass; }
location / { keepalive_timeout 10s; return 200 "static\n"; }
--- services
default/web:80 web
--- ingresses
default/web a.example / web:80
--- ready
- a.example /app 200
--- raw_request eval
"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
--- response_headers
Connection: close
--- response_body
static



=== TEST 5: it stands twice
--- http_config
k8s_ingress_drain_file a;
k8s_ingress_drain_file b;
--- must_die
--- error_log
"k8s_ingress_drain_file" directive is duplicate
