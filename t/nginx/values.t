# Values that are written oddly: lists on lines without commas, what says its
# default.

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
sub own { $n->config_map('system/own', @_) }

# what /status says of a field
sub said {
    my ($field) = @_;
    my @said = status() =~ /"field":"\Q$field\E","message":"([^"\\]*)/g;
    return wantarray ? @said : scalar @said;
}

sub answers {
    my ($name, $want, $what, @lines) = @_;
    my $got;
    ok($n->until(sub {
        ($got) = $n->get("$name.test", '/', @lines);
        $got eq $want;
    }, 10), $what) or diag($got);
}

$n->services("default/a:80 a\ndefault/b:80 b");
$n->annotated('open');
$n->start;
answers('open', 200, 'a route');

# lines

own('block-user-agents' => "|\n    ~*badbot\n    ~*other bot\n    curl/1");
answers('open', 403, "$_ is blocked", "User-Agent: $_")
    for 'BadBot/2', 'an other bot', 'curl/1';
answers('open', 200, 'another one passes', 'User-Agent: curl/11');

own('block-referers' => "|\n    a.example\n    ~b\\.example");
answers('open', 403, "$_ is blocked", "Referer: $_")
    for 'a.example', 'http://b.example/';

own('annotation-value-word-blocklist' => "|\n    evil\n    lua");
$n->annotated('word', 'upstream-vhost: lua.example');
answers('word', 404, 'an Ingress with a word of the second line');

# a default

own('enable-brotli' => '"false"', 'proxy-body-size' => '"much"');
ok $n->until(sub { said('data.proxy-body-size') == 1 }, 10), 'a bad key';
is said('data.enable-brotli'), 0, 'brotli is off where there is none';
own('enable-brotli' => '"true"');
ok $n->until(sub { said('data.enable-brotli') == 1 }, 10),
    'to have it on is a problem';

is_deeply [$n->alerts], [], 'nothing alarming is logged';
is $n->stop, 0, 'ends well';

done_testing();
