# Variables: in logs, headers and conditions.

use lib 't/lib';
use K8s 'no_plan';

run_tests();

__DATA__

=== TEST 1: of a route
--- services
shop/web:80 web
--- ingresses
shop/front a.example /x web:80
--- config
k8s_ingress_pass;
add_header X-Vars "$k8s_namespace $k8s_ingress_name $k8s_service_name $k8s_service_port $k8s_host $k8s_path [$k8s_canary]" always;
add_header X-Rule "$k8s_route_rule" always;
add_header X-Alias "$proxy_upstream_name [$proxy_alternative_upstream_name] $namespace $ingress_name $service_name $service_port $location_path" always;
--- request
GET /x/y
--- more_headers
Host: A.example:80
--- response_headers
X-Vars: shop front web 80 a.example /x []
X-Rule: shop/front:a.example/x
X-Alias: shop-web-80 [] shop front web 80 /x
--- response_body
web
--- no_error_log
[error]



=== TEST 2: of a request that nobody's route takes
--- services
shop/web:80 web
--- ingresses
shop/front a.example /x web:80
--- config
k8s_ingress_pass;
add_header X-Vars "[$k8s_namespace][$proxy_upstream_name]" always;
--- request
GET /z
--- more_headers
Host: b.example
--- error_code: 404
--- response_headers
X-Vars: [][upstream-default-backend]
--- no_error_log
[error]



=== TEST 3: asked for before routing, they are not kept so
--- services
shop/web:80 web
--- ingresses
shop/front a.example /x web:80
--- config
set $before "[$k8s_namespace]";
if ($k8s_namespace) { return 418; }
k8s_ingress_pass;
add_header X-Vars "$before [$k8s_namespace]" always;
--- request
GET /x
--- more_headers
Host: a.example
--- response_headers
X-Vars: [] [shop]
--- no_error_log
[error]



=== TEST 4: after an internal redirect
--- services
shop/web:80 -
--- ingresses
shop/front a.example /x web:80
--- config
k8s_ingress_pass;
error_page 503 /sorry;
location = /sorry { internal; return 503 "$k8s_namespace $proxy_upstream_name\n"; }
--- request
GET /x
--- more_headers
Host: a.example
--- error_code: 503
--- response_body
shop shop-web-80
--- no_error_log
[error]



=== TEST 5: names of ingress-nginx may be taken, ours not
--- http_config
map $http_x $req_id { default mapped; }
map $http_x $namespace { default mapped; }
--- services
shop/web:80 web
--- ingresses
shop/front a.example /x web:80
--- config
k8s_ingress_pass;
add_header X-Vars "$req_id $namespace $k8s_namespace" always;
--- backends
>>> web
location / { return 200 "$http_x_request_id\n"; }
--- request
GET /x
--- more_headers
Host: a.example
--- response_headers
X-Vars: mapped mapped shop
--- response_body_like: ^[0-9a-f]{32}$
--- no_error_log
[error]



=== TEST 6: in a server without a pass
--- config
location / {
    return 200 "[$k8s_namespace][$req_id][$best_http_host][$pass_access_scheme]\n";
}
--- no_ready
--- request
GET /
--- more_headers
Host: x.example
--- response_body
[][][x.example][http]
--- no_error_log
[error]
