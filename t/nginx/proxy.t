# Proxying: headers to the backend and back, methods, paths, sizes.

use lib 't/lib';
use K8s 'no_plan';

our $Echo = <<'EOC';
location / {
    add_header X-Args $args;
    return 200 "$request_method $request_uri $server_protocol
host: $http_host
request-id: $http_x_request_id
real-ip: $http_x_real_ip
for: $http_x_forwarded_for
fhost: $http_x_forwarded_host
port: $http_x_forwarded_port
proto: $http_x_forwarded_proto
scheme: $http_x_forwarded_scheme $http_x_scheme
original: $http_x_original_forwarded_for
proxy: $http_proxy
connection: $http_connection
cert: $http_ssl_client_cert $http_ssl_client_verify
";
}
EOC

run_tests();

__DATA__

=== TEST 1: what the backend sees
--- services
default/web:80 echo
--- ingresses
default/web a.example / web:80
--- backends eval
">>> echo\n$::Echo"
--- request
GET /a%2fb//c/../d?x=1&y=%20
--- more_headers
Host: a.example
X-Forwarded-For: 192.0.2.1
X-Forwarded-Proto: https
X-Real-IP: 192.0.2.2
Proxy: http://evil.example
ssl-client-cert: forged
ssl-client-verify: SUCCESS
--- response_body_like chop
^GET /a%2fb//c/../d\?x=1&y=%20 HTTP/1\.1
host: a\.example
request-id: [0-9a-f]{32}
real-ip: 127\.0\.0\.1
for: 127\.0\.0\.1
fhost: a\.example
port: \d+
proto: http
scheme: http http
original: 192\.0\.2\.1
proxy: 
connection: 
cert:  
--- response_headers
! Server
! X-Request-ID
! Strict-Transport-Security
--- no_error_log
[alert]
[error]



=== TEST 2: a request id is kept
--- services
default/web:80 echo
--- ingresses
default/web a.example / web:80
--- backends eval
">>> echo\n$::Echo"
--- request
GET /
--- more_headers
Host: a.example
X-Request-ID: my-id
--- response_body_like: request-id: my-id
--- no_error_log
[error]



=== TEST 3: HEAD has no body, the length stays
--- services
default/web:80 echo
--- ingresses
default/web a.example / web:80
--- backends
>>> echo
location / { return 200 "0123456789"; }
--- request
HEAD /
--- more_headers
Host: a.example
--- response_headers
Content-Length: 10
--- response_body
--- no_error_log
[error]



=== TEST 4: statuses and errors of the backend pass as they are
--- services
default/web:80 echo
--- ingresses
default/web a.example / web:80
--- backends
>>> echo
location / { return 503 "mine\n"; }
--- request
GET /
--- more_headers
Host: a.example
--- error_code: 503
--- response_body
mine
--- no_error_log
[error]



=== TEST 5: redirects and cookies of the backend are not rewritten
--- services
default/web:80 echo
--- ingresses
default/web a.example / web:80
--- backends
>>> echo
location / {
    add_header Set-Cookie "a=b; Domain=x; Path=/y" always;
    add_header Location "http://k8s_ingress/there" always;
    return 200 "x\n";
}
--- request
GET /
--- more_headers
Host: a.example
--- response_headers
Location: http://k8s_ingress/there
Set-Cookie: a=b; Domain=x; Path=/y
--- response_body
x
--- no_error_log
[error]



=== TEST 6: a body over 1m
--- services
default/web:80 echo
--- ingresses
default/web a.example / web:80
--- request eval
"POST /\n" . 'x' x 1048577
--- more_headers
Host: a.example
--- error_code: 413
--- response_body_like: 413 Request Entity Too Large
--- response_headers
! Server
--- error_log
client intended to send too large body



=== TEST 7: a body of 1m
--- services
default/web:80 echo
--- ingresses
default/web a.example / web:80
--- backends
>>> echo
client_max_body_size 0;
location / { return 200 "$content_length\n"; }
--- request eval
"POST /\n" . 'x' x 1048576
--- more_headers
Host: a.example
--- response_body
1048576
--- no_error_log
[error]



=== TEST 8: a chunked body over 1m
--- services
default/web:80 echo
--- ingresses
default/web a.example / web:80
--- raw_request eval
my $c = sprintf("%x\r\n%s\r\n", 65536, 'x' x 65536);
"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n"
. "Connection: close\r\n\r\n" . $c x 17 . "0\r\n\r\n"
--- error_code: 413
--- error_log
client intended to send too large chunked body



=== TEST 9: X-Accel-Redirect of a backend leads nowhere
--- services
default/web:80 echo
--- ingresses
default/web a.example / web:80
--- backends
>>> echo
location = /secret { return 200 "secret\n"; }
location / {
    add_header X-Accel-Redirect /secret;
    return 200 "plain\n";
}
--- config
k8s_ingress_pass;
location = /never { internal; return 200 "internal\n"; }
--- request
GET /x
--- more_headers
Host: a.example
--- response_body
plain
--- response_headers
! X-Accel-Redirect
--- no_error_log
[error]



=== TEST 10: nobody's host
--- services
default/web:80 echo
--- ingresses
default/web a.example / web:80
--- request
GET /
--- more_headers
Host: b.example
--- error_code: 404
--- response_headers
! Server
--- response_body_like: <center>nginx</center>
--- no_error_log
[error]



=== TEST 11: T-E2: no endpoints, 503 at once and no upstream
--- services
default/web:80 -
--- ingresses
default/web a.example / web:80
--- request
GET /
--- more_headers
Host: a.example
--- error_code: 503
--- response_body_like: 503 Service Temporarily Unavailable
--- no_error_log
no live upstreams
upstream



=== TEST 12: a Service that does not exist
--- ingresses
default/web a.example / none:80
--- request
GET /
--- more_headers
Host: a.example
--- error_code: 503
--- no_error_log
upstream
[error]



=== TEST 13: defaults nginx: nginx.conf decides
--- services
default/web:80 echo
--- ingresses
default/web a.example / web:80
--- block
defaults nginx;
--- backends
>>> echo
location / { return 200 "$http_x_mine $http_x_real_ip $server_protocol\n"; }
--- config
proxy_http_version 1.1;
proxy_set_header X-Mine mine;
proxy_set_header Connection "";
k8s_ingress_pass;
--- request
GET /
--- more_headers
Host: a.example
--- response_body
mine  HTTP/1.1
--- response_headers_like
Server: nginx.*
--- no_error_log
[error]



=== TEST 14: an absolute URI: its authority stands for the Host header
--- services
default/web:80 echo
--- ingresses
default/web a.example / web:80
--- config
k8s_ingress_pass;
add_header X-Host "$host $http_host $best_http_host $k8s_host" always;
--- backends eval
">>> echo\n$::Echo"
--- raw_request eval
"GET http://A.example:81/x HTTP/1.1\r\nHost: b.example\r\n"
. "Connection: close\r\n\r\n"
--- response_headers
X-Host: a.example A.example:81 A.example:81 a.example
--- response_body_like chop
^GET /x HTTP/1\.1
host: A\.example:81
(?s:.*)
fhost: A\.example:81
--- no_error_log
[error]



=== TEST 15: the same without a Host header, and with nothing but a query
--- services
default/web:80 echo
--- ingresses
default/web a.example / web:80
--- backends eval
">>> echo\n$::Echo"
--- raw_request eval
["GET http://a.example:81/x HTTP/1.0\r\n\r\n",
 "GET http://a.example?x HTTP/1.0\r\nHost: b.example\r\n\r\n"]
--- response_body_like eval
[qr/^GET .*\nhost: a\.example:81\n/, qr/^GET .*\nhost: a\.example\n/]
--- no_error_log
[error]
