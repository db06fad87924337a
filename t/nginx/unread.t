# Values that are no text, as YAML has them without quotes: what protects closes
# its routes, until it can be read.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use JSON::PP;
use Test::More;

my $admin = K8s::Objects::free_port();

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }");

sub status { (K8s::Objects::http_get($admin, 'x', '/status'))[1] // '' }

sub count {
    my ($name, $re) = @_;
    my ($block) = @{decode_json(status())->{blocks}};
    my ($object) = grep { $_->{name} eq $name } @{$block->{problems}};
    return grep { "$_->{field} $_->{message}" =~ $re } @{$object->{problems}};
}

sub answers {
    my ($name, $want, $what) = @_;
    ok($n->until(sub { ($n->get("$name.test", '/'))[0] eq $want }), $what)
        or diag(($n->get("$name.test", '/'))[0]);
}

$n->services("default/a:80 a");
$n->annotated('list', 'allowlist-source-range: [10.0.0.0/8]');
$n->annotated('deny', 'denylist-source-range: {a: b}');
$n->annotated('tls', 'auth-tls-secret: 7');
$n->annotated('none', 'allowlist-source-range:');
$n->annotated('size', 'proxy-body-size: 10');
$n->annotated('open');
$n->start;

answers('open', 200, 'what says nothing is open');
answers('size', 200, 'and what protects nothing');
isnt(($n->get("$_.test", '/'))[0], 200, "not what $_ says")
    for qw(list deny tls none);
like status(), qr/is not a string: put it in quotes/, 'it is said why';
$n->annotated('list', 'allowlist-source-range: 127.0.0.0/8');
answers('list', 200, 'a text is read');

for (['whitelist-source-range' => '[10.0.0.0/8]', 503],
     ['block-cidrs' => '[127.0.0.1]', 503],
     ['annotation-value-word-blocklist' => '[evil]', 503],
     ['annotations-risk-level' => '7', 200],
     ['proxy-body-size' => '10', 200])
{
    my ($key, $value, $want) = @$_;
    $n->config_map('system/own', $key => $value);
    answers('open', $want, "the key $key");
    ok $n->until(sub { status() =~ /"data.$key"/ }), 'is a problem';
}

# and what is no map of strings at all

sub config_data {
    my ($data) = @_;
    $n->manifest('map-system-own.yaml', "apiVersion: v1\nkind: ConfigMap\n"
                 . "metadata: {name: own, namespace: system}\n$data\n");
}

for my $data ('data: [a: b]', 'data: text', 'data: 7', 'binaryData: [a]',
              "data: {}\nbinaryData: text")
{
    config_data($data);
    answers('open', 503, "a ConfigMap with $data");
    ok $n->until(sub { status() =~ /"field":"data","message":"it is not an obj/
                 }), 'and that is said';
    config_data('data: {}');
    answers('open', 200, 'until it can be read');
}

$n->manifest('class.yaml', <<'EOC');
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
EOC

for my $what ('[a]', 'text', '7', 'true') {
    my $object = K8s::Objects::ingresses('default/open open.test / a:80');
    $object =~ s/^  annotations:\n(    .*\n)*/  annotations: $what\n/m or die;
    $object =~ s/^spec:\n/spec:\n  ingressClassName: nginx\n/m or die;
    $n->manifest('open.yaml', $object);
    answers('open', 403, "annotations that are $what");
    ok $n->until(sub { status() =~ /"field":"metadata.annotations",/ }),
        'and that is said';
    $n->annotated('open');
    answers('open', 200, 'until they can be read');
}

sub class {
    my ($parameters) = @_;
    $n->manifest('class.yaml', <<EOC);
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx, parameters: $parameters}
EOC
}

my $classed = K8s::Objects::ingresses('default/open open.test / a:80');
$classed =~ s/^spec:\n/spec:\n  ingressClassName: nginx\n/m or die;
$n->manifest('open.yaml', $classed);

for my $what ('[a]', 'text', '{kind: 7}', '{kind: ConfigMap, apiGroup: [a]}',
              '{kind: ConfigMap, namespace: system, name: 7}',
              '{kind: ConfigMap, namespace: {}, name: own}')
{
    class($what);
    answers('open', 503, "a class with the parameters $what");
    ok $n->until(sub { count('nginx', 'cannot be read which ConfigMap') }),
        'and that is said';
    class('{kind: ConfigMap, namespace: system, name: own}');
    answers('open', 200, 'until they can be read');
}

# one problem for each value

$n->annotated('list', 'denylist-source-range: 7', 'proxy-body-size: 10');
answers('list', 503, 'a number');
ok $n->until(sub { count('list', 'source-range') == 1
                   && count('list', 'body-size') == 1 }),
    'each value is said once' or diag(status());
$n->annotated('list', 'limit-rps: ""', 'auth-url:');
answers('list', 200, 'empty values');
ok $n->until(sub { count('list', 'limit-rps.*it is empty') == 1
                   && count('list', 'auth-url.*it is empty') == 1 }),
    'protect nothing, and that is said' or diag(status());

# canaries: one of which it is not known takes nobody's place

for my $value ('true', '7', '"yes"', '[]') {
    $n->annotated('canary', "canary: $value", 'canary-weight: "100"');
    my $object = $n->slurp('manifests/canary.yaml');
    $object =~ s/canary\.test/list.test/;
    $object =~ s/a:80/b:80/;
    $object =~ s/name: a, port/name: none, port/;
    $object =~ s/name: canary/name: a-canary/;
    $n->manifest('canary.yaml', $object);
    ok $n->until(sub { count('a-canary', 'canary') == 1 }),
        "canary: $value is said once" or diag(status());
    answers('list', 200, 'and changes nothing');
}

is_deeply [$n->alerts], [], 'nothing alarming is logged';
is $n->stop, 0, 'ends well';

done_testing();
