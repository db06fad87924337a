# Values that are no text, as YAML has them without quotes: what protects closes
# its routes, until it can be read.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $admin = K8s::Objects::free_port();

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }");

sub status { (K8s::Objects::http_get($admin, 'x', '/status'))[1] // '' }

sub answers {
    my ($name, $want, $what) = @_;
    ok($n->until(sub { ($n->get("$name.test", '/'))[0] eq $want }), $what)
        or diag(($n->get("$name.test", '/'))[0]);
}

$n->services("default/a:80 a");
$n->annotated('list', 'allowlist-source-range: [10.0.0.0/8]');
$n->annotated('deny', 'denylist-source-range: {a: b}');
$n->annotated('tls', 'auth-tls-secret: 7');
$n->annotated('null', 'allowlist-source-range:');
$n->annotated('size', 'proxy-body-size: 10');
$n->annotated('open');
$n->start;

answers('open', 200, 'what says nothing is open');
answers('size', 200, 'and what protects nothing');
isnt(($n->get("$_.test", '/'))[0], 200, "not what $_ says")
    for qw(list deny tls null);
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

is_deeply [$n->alerts], [], 'nothing alarming is logged';
is $n->stop, 0, 'ends well';

done_testing();
