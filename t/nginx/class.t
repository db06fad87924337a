# The ConfigMap of an IngressClass: its keys hold for the Ingresses of the
# class, between their annotations and the controller's ConfigMap.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 4m; config_map system/own;',
    server => 'k8s_ingress_pass; location /- { k8s_ingress_admin; }');

sub config {
    my ($name, $data) = @_;
    $n->manifest("$name.yaml",
                 "apiVersion: v1\nkind: ConfigMap\n"
                 . "metadata: {name: $name, namespace: system}\n"
                 . "data: {$data}\n");
}

sub class {
    my ($name, $parameters) = @_;
    $n->manifest("class-$name.yaml", <<EOC);
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: $name}
spec: {controller: k8s.io/ingress-nginx$parameters}
EOC
}

sub ingress {
    my ($name, $class, $annotations) = @_;
    $n->manifest("$name.yaml", <<EOI);
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: $name, namespace: default, annotations: {$annotations}}
spec:
  ingressClassName: $class
  rules:
  - host: $name.test
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}
EOI
}

sub says {
    my ($re, $name) = @_;
    ok($n->until(sub { ($n->get('x', '/-/status'))[1] =~ $re }), $name);
}

my $force = 'force-ssl-redirect';
my $names = ', parameters: {kind: ConfigMap, scope: Namespace, '
            . 'namespace: system, name: keys}';

$n->services("default/a:80 a");
config('own', "$force: \"false\"");
config('keys', "$force: \"true\", enable-real-ip: \"true\"");
class('nginx', '');
class('safe', $names);
ingress('plain', 'nginx', '');
ingress('safe', 'safe', '');
ingress('open', 'safe', "nginx.ingress.kubernetes.io/$force: \"false\"");
ok($n->start, 'nginx starts');

ok($n->wait_for('plain.test', '/', 200), 'a class without keys');
ok($n->wait_for('safe.test', '/', 308), 'one with keys');
ok($n->wait_for('open.test', '/', 200), 'the annotation wins');
says(qr/data\.enable-real-ip[^}]*only the controller's ConfigMap/,
     'a key for all routes');

config('own', "$force: \"true\"");
ok($n->wait_for('plain.test', '/', 308), "the controller's are for all");
config('keys', "$force: \"false\"");
ok($n->wait_for('safe.test', '/', 200), 'but what the class says');

my $before = $n->logged(qr/: in sync: /);
$n->reload;
ok($n->until(sub { $n->logged(qr/: in sync: /) > $before }), 'a reload');
is(($n->get('safe.test', '/'))[0], 200, 'keeps it');

$n->remove('keys.yaml');
ok($n->wait_for('safe.test', '/', 308), 'it goes');
says(qr/spec\.parameters[^}]*ConfigMap system\/keys is not there/,
     'and is missed');

config('keys', "$force: \"false\"");
ok($n->wait_for('safe.test', '/', 200), 'it is back');
class('safe', '');
ok($n->wait_for('safe.test', '/', 308), 'the class names none');

class('case', ', parameters: {kind: configMap, namespace: system, name: keys}');
says(qr/"case","problems"[^}]*the kind is not written \\"ConfigMap\\"/,
     'a kind in another case');

config('own', "$force: \"false\"");
for my $lack ('name: keys', 'namespace: system') {
    class('safe', '');
    ok($n->wait_for('safe.test', '/', 200), 'one without parameters');
    class('safe', ", parameters: {kind: ConfigMap, $lack}");
    ok($n->wait_for('safe.test', '/', 503), "$lack alone closes");
}

is($n->stop, 0, 'ends well');

done_testing();
