# The key use-http2, where nginx.conf says it by a parameter of listen: nothing
# is left to be said.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my ($admin, $port) = map { K8s::Objects::free_port() } 1 .. 2;

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }\n"
        . "server { listen 127.0.0.1:$port ssl http2; k8s_ingress_pass; }\n",
    server => 'return 404;');

sub status { (K8s::Objects::http_get($admin, 'x', '/status'))[1] // '' }

$n->config_map('system/own', 'use-http2' => '"false"');
$n->start;
ok $n->until(sub { status() =~ /"data.use-http2"/ }), 'it is not off';
$n->config_map('system/own', 'use-http2' => '"true"');
ok $n->until(sub { status() !~ /"data.use-http2"/ }), 'it is on';

is_deeply [$n->alerts], [], 'nothing alarming is logged';
is $n->stop, 0, 'ends well';

done_testing();
