# watch_namespace_selector, with the manifests source.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $admin = K8s::Objects::free_port();
my $n = K8s::Nginx->new(
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }",
    block => "source manifests %%DIR%%;\n zone 8m;\n"
             . "watch_namespace_selector 'team in (shop, pay), !closed';");

sub namespace {
    my ($name, $labels) = @_;
    $n->manifest("ns-$name.yaml", "apiVersion: v1\nkind: Namespace\n"
                 . "metadata: {name: $name, labels: {$labels}}\n");
}

sub problems {
    my ($status, $body) = K8s::Objects::http_get($admin, 'x', '/status');
    $body =~ s/.*^"problems":\[//ms;
    return $body;
}

sub answers {
    my ($host, $status, $name) = @_;
    ok $n->wait_for($host, '/', $status), $name;
}

namespace('shop', 'team: shop');
namespace('other', 'team: other');
$n->services("shop/web:80 a\nother/web:80 a\nnone/web:80 a\n");
$n->ingresses("shop/web shop.test / web:80\nother/web other.test / web:80\n"
              . "none/web none.test / web:80\nother/bad bad.test / nosuch:80\n");
$n->start;

answers('shop.test', 200, 'labels that meet it');
answers('other.test', 404, 'labels that do not');
answers('none.test', 404, 'a namespace that is not there');
unlike(problems(), qr/nosuch|"other"/, 'what is left out is no problem');

namespace('other', 'team: pay');
answers('other.test', 200, 'a label changes: its Ingresses come');
ok $n->until(sub { problems() =~ /nosuch/ }), 'and their problems';

namespace('shop', 'team: shop, closed: ""');
answers('shop.test', 404, 'a label comes: its Ingresses go');
answers('other.test', 200, 'those of others stay');

for my $labels ('team: shop, closed: true', 'team: shop, closed: 7',
                'team: [shop]')
{
    namespace('shop', 'team: shop');
    answers('shop.test', 200, 'labels that can be read');
    namespace('shop', $labels);
    answers('shop.test', 404, "not so: $labels");
}

$n->manifest("ns-shop.yaml", "apiVersion: v1\nkind: Namespace\n"
             . "metadata: {name: shop, labels: [team]}\n");
answers('shop.test', 404, 'labels that are a list');
ok $n->until(sub { problems() =~ /"field":"metadata.labels",/ }), 'are said';
namespace('shop', 'other: 7, team: shop');
answers('shop.test', 200, 'a label that nobody asks for');
namespace('shop', 'team: shop, closed: ""');
answers('shop.test', 404, 'as before');

namespace('none', 'team: pay');
answers('none.test', 200, 'a Namespace comes later');

$n->remove('ns-none.yaml');
answers('none.test', 404, 'and goes');

namespace('other', 'team: other');
answers('other.test', 404, 'a label changes back');
ok $n->until(sub { problems() !~ /nosuch/ }), 'its problems go as well';

ok(!$n->logged(qr/\[(alert|crit|emerg)\]/), 'nothing alarming is logged');
$n->stop;

done_testing();
