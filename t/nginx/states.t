# /status and /metrics count Ingresses: those that are served, and those that
# are not, by the reason.

use strict;
use warnings;

use JSON::PP;
use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $admin = K8s::Objects::free_port();
my $n = K8s::Nginx->new(
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }",
    block => "source manifests %%DIR%%;\n zone 1m;\n"
             . "namespace_limit routes=3000;\n"
             . "watch_namespace_selector 'team=a';");

sub answer { (K8s::Objects::http_get($admin, 'x', $_[0]))[1] }

# of /status, as "served 1, ..." without those that are 0
sub states {
    my ($in) = answer('/status') =~ /"ingresses":(\{.*?\})/ or return '';
    my $of = decode_json($in);
    return join ', ', map { "$_ $of->{$_}" } grep { $of->{$_} } sort keys %$of;
}

sub ingress {
    my ($ns, $name, $class, %o) = @_;
    my $paths = join '', map { <<EOP } @{$o{paths} // ['/']};
      - path: $_
        pathType: Prefix
        backend: {service: {name: web, port: {number: 80}}}
EOP
    $n->manifest("$ns-$name.yaml", <<EOI);
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: $name, namespace: $ns}
spec:
  ingressClassName: $class
  rules:
  - host: @{[ $o{host} // "$name.test" ]}
    http:
      paths:
$paths
EOI
}

$n->manifest('base.yaml', <<'EOB');
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: Namespace
metadata: {name: huge, labels: {team: a}}
---
apiVersion: v1
kind: Namespace
metadata: {name: other}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: other}
spec: {controller: example.com/other}
EOB

$n->services("shop/web:80 a\nother/web:80 a\nhuge/web:80 a\n");
ingress('shop', 'good', 'nginx');
ingress('shop', 'shadowed', 'nginx', host => 'good.test');
ingress('shop', 'none', '');
ingress('shop', 'theirs', 'other');
ingress('shop', 'unknown', 'nothing');
ingress('shop', 'broken', '[]');
ingress('other', 'outside', 'nginx');
ingress('huge', 'many', 'nginx', paths => [map { "/$_" } 0 .. 3000]);
ingress('huge', 'long', 'nginx',
        paths => [map { "/$_/" . 'x' x 400 } 0 .. 1999]);
$n->manifest('unreadable.yaml', <<'EOU');
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: Not_A_Name, namespace: shop}
spec: {rules: []}
EOU

ok($n->start, 'nginx starts');
ok($n->wait_for('good.test', '/', 200), 'routed');

my $each = 'invalid_class 1, namespace_limit 1, no_class 1, no_route 1, '
           . 'other_class 1, other_namespace 1, read 9, served 1, '
           . 'table_full 1, unknown_class 1, unreadable 1';
ok($n->until(sub { states() eq $each }), 'one of each') or diag states();

my %metric = answer('/metrics')
             =~ /^nginx_ingress_k8s_ingresses\{state="(\w+)".*\} (\d+)$/gm;
is(join(', ', map { "$_ $metric{$_}" } grep { $metric{$_} } sort keys %metric),
   $each =~ s/read 9, //r, 'the same as metrics');
unlike(answer('/status?canonical=1'), qr/"ingresses":/, 'not in ?canonical');

$n->{block} =~ s/zone 1m/zone 1088k/;
$n->write_conf;
ok($n->reload, 'another size of the zone');
is(states(), $each, 'they are the same');

$n->remove('unreadable.yaml');
ingress('shop', 'broken', 'nginx');
$n->remove("shop-$_.yaml") for qw( none theirs unknown shadowed );
$n->remove("huge-$_.yaml") for qw( many long );
ok($n->until(sub { states() eq 'other_namespace 1, read 3, served 2' }),
   'all are mended, or gone') or diag states();

$n->stop;
is_deeply([$n->alerts], [], 'no alerts');

done_testing();
