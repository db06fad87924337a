# Services whose own address is asked, in place of those of their endpoints.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $admin = K8s::Objects::free_port();

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map default/own;',
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }",
    main => 'worker_processes 1;');

# the Service "a": its address is that of "b", its endpoint "a"
sub service {
    my ($ip, $port) = @_;
    my $address = $ip ? "clusterIP: $ip, " : '';
    $n->manifest('a.yaml', <<EOS);
apiVersion: v1
kind: Service
metadata: {name: a, namespace: default}
spec: {$address ports: [{name: http, port: %%PORT_$port%%, targetPort: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: a-1
  namespace: default
  labels: {kubernetes.io/service-name: a}
addressType: IPv4
ports: [{name: http, port: %%PORT_a%%}]
endpoints: [{addresses: [127.0.0.1]}]
EOS
}

sub body { ($n->get("$_[0].test", '/'))[1] }
sub problems {
    (K8s::Objects::http_get($admin, 'x', '/status'))[1]
        =~ /AnnotationNoEffect[^}]*service-upstream does nothing/;
}

$n->backend($_, "location / { return 200 '$_\n'; }") for qw( a b c );
service('127.0.0.1', 'b');
$n->annotated('said', 'service-upstream: "true"');
$n->annotated('denied', 'service-upstream: "false"');
$n->annotated('none');
$n->annotated('bad', 'service-upstream: "maybe"');
$n->start;

ok $n->wait_for('said.test', '/', 200, 'b'), 'the address of the Service';
is body($_), "a\n", "its endpoint where it is not said: $_"
    for qw( none denied bad );
ok !problems(), 'no problem';

service('127.0.0.1', 'c');
ok $n->wait_for('said.test', '/', 200, 'c'), 'another port';
is body('none'), "a\n", 'that of others is as it was';

service('None', 'b');
ok $n->wait_for('said.test', '/', 200, 'a'), 'headless: its endpoint';
ok $n->until(sub { problems() }), 'which is a problem';
service('', 'b');
ok $n->until(sub { problems() }), 'and so it is without an address';
is body('said'), "a\n", 'where its endpoint serves';

service('127.0.0.1', 'b');
ok $n->wait_for('said.test', '/', 200, 'b'), 'with one again';
ok $n->until(sub { !problems() }), 'the problem is gone';

$n->config_map('default/own', 'service-upstream' => '"true"');
ok $n->wait_for('none.test', '/', 200, 'b'), 'a key for all of them';
is body('denied'), "a\n", 'but those that say no';
ok $n->reload, 'reload';
is body('said') . body('none') . body('denied'), "b\nb\na\n", 'all of it after that';
$n->config_map('default/own');
ok $n->wait_for('none.test', '/', 200, 'a'), 'without the key';
is body('said'), "b\n", 'an annotation stays';

is_deeply [$n->alerts], [], 'no alerts';

done_testing();
