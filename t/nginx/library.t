# The sections that K8s.pm adds to Test::Nginx::Socket.

use lib 't/lib';
use K8s 'no_plan';

run_tests();

__DATA__

=== TEST 1: services and ingresses in short form
--- services
default/web:80 a
--- ingresses
default/web a.example / web:80
--- request
GET /x
--- more_headers
Host: a.example
--- response_body
a
--- no_error_log
[error]



=== TEST 2: another host
--- services
default/web:80 a
--- ingresses
default/web a.example / web:80
--- request
GET /x
--- more_headers
Host: b.example
--- error_code: 404



=== TEST 3: manifests, ports by name, and a backend of its own
--- services
shop/cart:8080=http cart
--- backends
>>> cart
location / { return 200 "$request_uri\n"; }
--- manifests
>>> ingress.yaml
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: cart
  namespace: shop
spec:
  ingressClassName: internal
  rules:
  - host: shop.example
    http:
      paths:
      - path: /cart
        pathType: Prefix
        backend:
          service:
            name: cart
            port:
              name: http
>>> class.yaml
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: internal
spec:
  controller: k8s.io/ingress-nginx
--- request
GET /cart/%41?x=1
--- more_headers
Host: shop.example
--- response_body
/cart/%41?x=1



=== TEST 4: a service without endpoints
--- services
default/none:80 -
--- ingresses
default/none a.example / none:80
--- request
GET /
--- more_headers
Host: a.example
--- error_code: 503



=== TEST 5: Exact, and directives for the block
--- block
ingress_class internal;
watch_ingress_without_class on;
--- ready
- x.example /exact 200
--- services
default/web:80 a
--- manifests
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
spec:
  rules:
  - host: x.example
    http:
      paths:
      - path: /exact
        pathType: Exact
        backend: {service: {name: web, port: {number: 80}}}
--- pipelined_requests eval
["GET /exact", "GET /exact/"]
--- more_headers
Host: x.example
--- error_code eval
[200, 404]
--- response_body_like eval
["^a\$", "404"]
