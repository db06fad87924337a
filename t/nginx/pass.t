# k8s_ingress_pass in servers and locations, beside what is the user's own.

use lib 't/lib';
use K8s 'no_plan';

run_tests();

__DATA__

=== TEST 1: a location beside static ones
--- services
default/web:80 web
--- ingresses
default/web a.example / web:80
--- ready
- a.example /app 200
--- config
location /app { k8s_ingress_pass; }
location / { return 200 "static\n"; }
--- request eval
["GET /app/x", "GET /st"]
--- more_headers
Host: a.example
--- response_body eval
["web\n", "static\n"]
--- no_error_log
[error]



=== TEST 2: a server with a pass and locations of its own
--- services
default/web:80 web
--- ingresses
default/web a.example / web:80
--- config
k8s_ingress_pass;
location = /st { return 200 "static\n"; }
--- request eval
["GET /st", "GET /other"]
--- more_headers
Host: a.example
--- response_body eval
["static\n", "web\n"]
--- no_error_log
[error]



=== TEST 3: the body limit in a location
--- services
default/web:80 web
--- ingresses
default/web a.example / web:80
--- ready
- a.example /app 200
--- config
location /app { k8s_ingress_pass; }
--- request eval
"POST /app\n" . 'x' x 1048577
--- more_headers
Host: a.example
--- error_code: 413
--- error_log
client intended to send too large body



=== TEST 4: a rewrite to the location
--- services
default/web:80 web
--- ingresses
default/web a.example /app web:80
--- ready
- a.example /app 200
--- config
location /app { k8s_ingress_pass; }
location /old { rewrite ^/old(.*)$ /app$1 last; }
--- backends
>>> web
location / { return 200 "$request_uri\n"; }
--- request
GET /old/x
--- more_headers
Host: a.example
--- response_body
/app/x
--- no_error_log
[error]



=== TEST 5: an unrelated server with a rewrite of its own
--- http_config
server {
    listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    rewrite ^/(.*)$ /x/$1;
    root $TEST_NGINX_SERVER_ROOT/html;
}
--- user_files
>>> x/a.txt
static file
--- config
location /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/a.txt; }
--- no_ready
--- request
GET /t
--- response_body
static file
--- no_error_log
[error]
redirection cycle



=== TEST 6: an error page of the administrator, by URI
--- services
default/web:80 -
--- ingresses
default/web a.example / web:80
--- config
k8s_ingress_pass;
error_page 503 /error.html;
location = /error.html { internal; return 200 "sorry\n"; }
--- request
GET /
--- more_headers
Host: a.example
--- error_code: 503
--- response_body
sorry
--- no_error_log
[error]



=== TEST 7: an error page whose URI a route would take
--- services
default/web:80 -
default/all:80 all
--- ingresses
default/web a.example / web:80
default/all a.example /error.html all:80
--- config
k8s_ingress_pass;
error_page 503 /error.html;
root $TEST_NGINX_SERVER_ROOT/html;
--- user_files
>>> error.html
of the file
--- request
GET /
--- more_headers
Host: a.example
--- error_code: 503
--- response_body
of the file
--- no_error_log
[error]



=== TEST 8: an error page by name
--- services
default/web:80 -
--- ingresses
default/web a.example / web:80
--- config
k8s_ingress_pass;
error_page 503 @sorry;
location @sorry { return 503 "named $k8s_service_name\n"; }
--- request
GET /
--- more_headers
Host: a.example
--- error_code: 503
--- response_body
named web
--- no_error_log
[error]



=== TEST 9: no request is routed twice
--- services
default/web:80 -
default/all:80 all
--- ingresses
default/web a.example / web:80
default/all a.example /error.html all:80
--- config
location / { k8s_ingress_pass; error_page 503 /error.html; }
--- request
GET /
--- more_headers
Host: a.example
--- error_code: 404
--- no_error_log
[alert]



=== TEST 10: try_files leads to the pass
--- services
default/web:80 web
--- ingresses
default/web a.example / web:80
--- config
root $TEST_NGINX_SERVER_ROOT/html;
location / { try_files $uri @k8s; }
location @k8s { k8s_ingress_pass; }
--- user_files
>>> file.txt
of the file
--- request eval
["GET /file.txt", "GET /none.txt"]
--- more_headers
Host: a.example
--- response_body eval
["of the file\n", "web\n"]
--- no_error_log
[error]



=== TEST 11: if and set in the server
--- services
default/web:80 web
--- ingresses
default/web a.example / web:80
--- config
set $x 1;
if ($http_x_deny) { return 403; }
if ($http_x_set) { set $x 2; }
add_header X-Set $x;
k8s_ingress_pass;
--- request
GET /
--- more_headers
Host: a.example
X-Set: 1
--- response_body
web
--- response_headers
X-Set: 2
--- no_error_log
[error]



=== TEST 12: access rules of the server hold
--- services
default/web:80 web
--- ingresses
default/web a.example / web:80
--- config
deny all;
k8s_ingress_pass;
--- ready
- a.example / 403
--- request
GET /
--- more_headers
Host: a.example
--- error_code: 403
--- error_log
access forbidden by rule



=== TEST 13: a block that is not there
--- config
k8s_ingress_pass other;
--- no_ready
--- must_die
--- error_log
names no block: there is no "k8s_ingress other { }" in http { }



=== TEST 14: the pass twice
--- config
k8s_ingress_pass;
k8s_ingress_pass;
--- no_ready
--- must_die
--- error_log
"k8s_ingress_pass" directive is duplicate



=== TEST 15: beside a proxy_pass
--- config
location / {
    proxy_pass http://127.0.0.1:1;
    k8s_ingress_pass;
}
--- no_ready
--- must_die
--- error_log
stands beside another handler of the same location



=== TEST 16: our upstream is not for others
--- config
k8s_ingress_pass;
location /direct { proxy_pass http://k8s_ingress; }
--- no_ready
--- must_die
--- error_log
host not found in upstream "k8s_ingress"



=== TEST 17: nor for subrequests, whose answer would be taken for the request's
--- services
default/web:80 web
--- ingresses
default/web a.example / web:80
--- config
set $ours k8s_ingress;
k8s_ingress_pass;
mirror /m;
location = /m { internal; proxy_pass http://$ours; }
--- request
GET /x
--- more_headers
Host: a.example
--- response_body
web
--- error_log
upstream "k8s_ingress" serves "k8s_ingress_pass" only
