# Annotations that feed directives of nginx: a profile of their own, live.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new(block => "source manifests %%DIR%%;\n zone 8m;\n");

sub ingress { $n->annotated(@_) }

$n->backend('a', <<'EOC');
client_max_body_size 0;
location / { return 200 "$server_protocol $http_connection\n"; }
location /cookie {
    add_header Set-Cookie "a=b; Domain=a.internal; Path=/app/";
    return 200 "cookie\n";
}
location /to {
    add_header Location "http://old.example$arg_p" always;
    return 200 "to\n";
}
location = /connection { return 200 "$http_connection\n"; }
location /host { return 200 "$http_host $http_x_forwarded_host\n"; }
location /large {
    add_header X-Large "$arg_x$arg_x$arg_x$arg_x$arg_x$arg_x$arg_x$arg_x";
    return 200 "large\n";
}
EOC

$n->services("default/a:80 a");
ingress('plain');
ingress('same', 'proxy-body-size: 1m', 'proxy-read-timeout: "60"');
ingress('size', 'proxy-body-size: 16k');
ingress('cookie', 'proxy-cookie-domain: a.internal a.example',
        'proxy-cookie-path: /app/ /');
ingress('to', 'proxy-redirect-from: "http://old.example/"',
        'proxy-redirect-to: "https://new.example/' . 'y' x 600 . '/"');
ingress('from', 'proxy-redirect-from: "http://old.example/"');
ingress('both', 'proxy-redirect-from: "http://old.example/\n"',
        'proxy-redirect-to: "/$host"');
ingress('keep', 'connection-proxy-header: keep-alive');
ingress('shut', 'connection-proxy-header: close');
ingress('case', 'connection-proxy-header: "close\r\nX-Evil: 1"');
ingress('old', 'proxy-http-version: "1.0"');
ingress('buffer', 'proxy-buffer-size: 16k');
ingress('odd', 'proxy-buffering: "on"', 'proxy-buffers-number: "1"',
        'proxy-body-size: 16k');
$n->start;

# a POST of so many bytes
sub post { $n->post("$_[0].test", $_[1]) }

sub get {
    my ($host, $path) = @_;
    return $n->get("$host.test", $path);
}

ok $n->wait_for("$_.test", '/', 200), "$_ is served"
    for qw(plain same size cookie old buffer odd to from both keep shut case);

is post('plain', 900_000), 200, 'the default size of a body';
is post('plain', 1_100_000), 413, 'and no more';
is post('same', 900_000), 200, 'the same, said';
is post('size', 16_000), 200, 'a smaller one';
is post('size', 17_000), 413, 'and no more';
is post('plain', 900_000), 200, 'others have their own';

like((get('plain', '/cookie'))[2], qr/Domain=a\.internal; Path=\/app\//,
     'a cookie as it is');
like((get('cookie', '/cookie'))[2], qr/Domain=a\.example; Path=\/\r?$/m,
     'a cookie rewritten');

sub redirected {
    my ($host) = @_;
    my ($to) = (get($host, '/to?p=/x'))[2] =~ /^Location: (.*?)\r?$/m;
    return $to;
}

is redirected('plain'), 'http://old.example/x', 'a redirect as it is';
is redirected('to'), 'https://new.example/' . 'y' x 600 . '/x', 'another one';
is redirected('from'), 'http://old.example/x', 'half of it does nothing';
is redirected('both'), 'http://old.example/x', 'nor does what cannot be read';

is((get('plain', '/connection'))[1], "\n", 'the connection is kept');
is((get('keep', '/connection'))[1], "keep-alive\n", 'and it is said');
is((get('shut', '/connection'))[1], "close\n", 'or closed');
is((get('case', '/connection'))[1], "\n", 'a bad value says nothing');

like((get('plain', '/'))[1], qr{^HTTP/1\.1 $}, 'HTTP/1.1');
like((get('old', '/'))[1], qr{^HTTP/1\.0 }, 'HTTP/1.0');

my $large = '/large?x=' . 'y' x 700;
is((get('plain', $large))[0], 502, 'a header of 5 KB in 4 KB');
is((get('buffer', $large))[0], 200, 'in 16 KB');

is((get('odd', '/'))[0], 200, 'what nginx refuses closes nothing');
ok $n->until(sub { $n->logged(
       qr/proxy-buffers-number.*nginx refuses "1", .*proxy_buffers/) }),
   'and is a problem of this annotation';
is post('odd', 16_000), 200, 'the others of its Ingress';
is post('odd', 17_000), 413, 'are in force';

# what code of ours reads

sub location {
    my ($host, $path) = @_;
    my ($status, $body, $head) = get($host, $path);
    my ($to) = $head =~ /^Location: (\S+)/m;
    return $status . ' ' . ($to // '');
}

ingress('gone', 'permanent-redirect: https://new.example/x');
ingress('code', 'permanent-redirect: https://new.example/x',
        'permanent-redirect-code: "308"');
ingress('moved', 'temporal-redirect: https://other.example',
        'permanent-redirect: https://new.example/x');
ingress('force', 'force-ssl-redirect: "true"');
ingress('slash', 'force-ssl-redirect: "true"',
        'preserve-trailing-slash: "true"');
ingress('vhost', 'upstream-vhost: inner.example');
ok $n->wait_for('vhost.test', '/', 200), 'others come';
ok $n->until(sub { location('slash', '/') =~ /^308/ }), 'and redirects';

is location('gone', '/a?b'), '301 https://new.example/x', 'permanent';
is location('code', '/'), '308 https://new.example/x', 'with its code';
is location('moved', '/'), '302 https://other.example', 'temporal wins';
is location('force', '/a/?b'), '308 https://force.test/a/?b', 'to https';
is location('force', '/a/'), '308 https://force.test/a', 'without a slash';
is location('slash', '/a/'), '308 https://slash.test/a/', 'with it';
is location('force', '/.well-known/acme-challenge/x'),
    '308 https://force.test/.well-known/acme-challenge/x',
    'the exemption goes by the path of the Ingress';
is((get('vhost', '/host'))[1], "inner.example vhost.test\n", 'upstream-vhost');
is((get('plain', '/host'))[1], "plain.test plain.test\n", 'without it');

# live: other values, another object with the same, none

ingress('size', 'proxy-body-size: 32k');
ok $n->until(sub { post('size', 17_000) == 200 }), 'a larger one';
is post('size', 33_000), 413, 'and no more';
ingress('plain', 'proxy-body-size: 32k');
ok $n->until(sub { post('plain', 900_000) == 413 }), 'one policy for two';
$n->remove('size.yaml');
ok $n->wait_for('size.test', '/', 404), 'one of them goes';
is post('plain', 33_000), 413, 'the other keeps it';
ingress('plain');
ok $n->until(sub { post('plain', 900_000) == 200 }), 'none any more';

# more of them than a worker keeps, each once and again

my $many = 40;
ingress("m$_", "proxy-body-size: ${_}k") for 1 .. $many;
ok $n->wait_for("m$many.test", '/', 200), 'many policies';
ok $n->until(sub { post('m1', 1000) == 200 }), 'the first of them';

my @bad = grep { post("m$_", $_ * 1024) != 200
                 || post("m$_", $_ * 1024 + 1) != 413 } 1 .. $many;
is "@bad", '', 'each has its own';

ok(!$n->logged(qr/\[(alert|crit|emerg)\]/), 'nothing alarming is logged');
$n->stop;

done_testing();
