# Requests of other origins: who is allowed, preflights, hostile values.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new(block => "source manifests %%DIR%%;\n zone 8m;\n");

sub ingress { $n->annotated(@_) }

my $on = 'enable-cors: "true"';

$n->backend('a', <<'EOC');
location / { return 200 "$request_method $http_origin\n"; }
location /own {
    add_header Access-Control-Allow-Origin https://own.example;
    add_header Access-Control-Allow-Methods TRACE;
    add_header Vary Origin;
    return 200 "own\n";
}
location /star { add_header Vary *; return 200 "own\n"; }
location /else { add_header Vary X-Origin; return 200 "own\n"; }
location /missing { return 404 "none\n"; }
EOC

$n->services("default/a:80 a");
ingress('plain');
ingress('any', $on);
ingress('one', $on, 'cors-allow-origin: https://app.example',
        'cors-allow-credentials: "false"', 'cors-max-age: "-1"',
        'cors-allow-methods: "GET, PUT"', 'cors-allow-headers: "X-A, X-B"',
        'cors-expose-headers: "X-C, *"');
ingress('many', $on, 'cors-allow-origin: "https://*.example.com:8443 , '
        . 'capacitor://localhost, null,, http://App.example,"');
ingress('bad', $on, 'cors-allow-origin: "https://app.example/, '
        . 'https://good.example, other.example"');
ingress('empty', $on, 'cors-allow-origin: ""');
ingress('hostile', $on, 'cors-allow-methods: "GET\r\nX-Evil: 1"',
        'cors-allow-headers: "X-A\nX-Evil: 1"',
        'cors-expose-headers: "$host\"x"', 'cors-max-age: "5\r\nX-Evil: 1"');
ingress('to', $on, 'permanent-redirect: https://new.example');
ingress('closed', $on, 'enable-modsecurity: "true"');
ingress('without', 'enable-cors: "false"', 'cors-allow-origin: "*"');
$n->start;

ok $n->wait_for("$_.test", '/', 200), "$_ is served"
    for qw(plain any one many bad empty hostile without);

# "status: allowed origin", and the head
sub ask {
    my ($host, $origin, $method, $path) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}, Timeout => 5)
        or die "connect: $!";
    print $s join "\r\n", ($method // 'GET') . ' ' . ($path // '/')
             . ' HTTP/1.1', "Host: $host.test", 'Connection: close',
             (map { "Origin: $_" } ref $origin ? @$origin : $origin // ()),
             '', '';
    local $/;
    my ($head, $body) = split /\r\n\r\n/, <$s> // '', 2;
    my ($status) = $head =~ m{^HTTP/1\.1 (\d+)};
    my @allowed = $head =~ /^access-control-allow-origin: (.*?)\r?$/mig;
    return ("$status @allowed", $head, $body);
}

sub allowed {
    my ($host, $origin, $want, $name) = @_;
    is((ask($host, $origin))[0], $want, $name // "$host: $origin");
}

allowed('plain', 'https://app.example', '200 ');
allowed('without', 'https://app.example', '200 ');

my ($said, $head, $body) = ask('any', 'https://app.example');
is $said, '200 *', 'any origin';
is $body, "GET https://app.example\n", 'the backend hears of it';
like $head, qr/^Access-Control-Allow-Credentials: true\r$/m, 'credentials';
like $head, qr/^Access-Control-Allow-Methods: GET, PUT, POST, DELETE, PATCH, OPTIONS\r$/m,
    'methods';
like $head, qr/^Access-Control-Allow-Headers: DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization\r$/m,
    'headers';
like $head, qr/^Access-Control-Max-Age: 1728000\r?$/m, 'age';
unlike $head, qr/Expose/, 'nothing is exposed';
allowed('any', undef, '200 *', 'any origin, and none');

($said, $head, $body) = ask('any', 'https://app.example', 'OPTIONS');
is $said, '204 *', 'a preflight is answered here';
is $body // '', '', 'without a body';
like $head, qr/^Content-Length: 0\r?$/m, 'and says so';
unlike $head, qr{^Content-Type}m, 'nor a type';

($said, $head) = ask('one', 'https://app.example', 'OPTIONS');
is $said, '204 https://app.example', 'one origin';
unlike $head, qr/Credentials/, 'no credentials';
like $head, qr/^Access-Control-Max-Age: -1\r$/m, 'an age below zero';
like $head, qr/^Access-Control-Allow-Methods: GET, PUT\r$/m, 'its methods';
like $head, qr/^Access-Control-Allow-Headers: X-A, X-B\r$/m, 'its headers';
like $head, qr/^Access-Control-Expose-Headers: X-C, \*\r$/m, 'and exposed';
is((ask('one', 'https://other.example', 'OPTIONS'))[2],
   "OPTIONS https://other.example\n", 'a preflight of another one passes');
allowed('one', 'HTTPS://APP.EXAMPLE', '200 HTTPS://APP.EXAMPLE');
allowed('one', $_, '200 ')
    for qw(http://app.example https://app.example:8443 https://xapp.example
           https://app.example.evil.example null
           https://evil.example/https://app.example);
allowed('one', undef, '200 ', 'no origin');
allowed('one', ['https://app.example', 'https://app.example'], '200 ',
        'two origins');

allowed('many', $_, "200 $_")
    for qw(https://a.example.com:8443 https://A-1.Example.com:8443 null
           capacitor://localhost http://app.example);
allowed('many', $_, '200 ')
    for qw(https://a.b.example.com:8443 https://example.com:8443
           https://.example.com:8443 https://a_1.example.com:8443
           https://a.example.com notnull capacitor://localhost:1);

allowed('bad', 'https://good.example', '200 https://good.example');
allowed('bad', $_, '200 ')
    for qw(https://app.example https://app.example/ other.example *);
allowed('empty', $_, '200 ') for qw(https://app.example * null);

($said, $head) = ask('one', 'https://app.example', 'GET', '/own');
is $said, '200 https://app.example', "the backend's own are replaced";
like $head, qr/^Access-Control-Allow-Methods: GET, PUT\r$/m, 'all of them';
like $head, qr/^Vary: Origin\r?$/m, 'others stay';
is((ask('one', 'https://other.example', 'GET', '/own'))[0],
   '200 https://own.example', "and stay for another origin");
# who keeps an answer hears that it is for one origin

sub vary {
    my ($want, $what, @how) = @_;
    my @vary = (ask(@how))[1] =~ /^Vary: (.*?)\r?$/mig;
    is "@vary", $want, "Vary: $what";
}

vary('Origin', 'an origin that is allowed', 'one', 'https://app.example');
vary('Origin', 'a preflight', 'one', 'https://app.example', 'OPTIONS');
vary('Origin', 'another origin', 'one', 'https://other.example');
vary('Origin', 'none', 'many', undef);
vary('Origin', 'a preflight of another one', 'many', 'x:y', 'OPTIONS');
vary('Origin', 'an error', 'one', 'https://app.example', 'GET', '/missing');
vary('Origin', 'the backend says it, too', 'one', 'https://app.example', 'GET',
     '/own');
vary('*', 'or more than that', 'one', 'https://app.example', 'GET', '/star');
vary('X-Origin Origin', 'or something else', 'one', 'https://app.example',
     'GET', '/else');
vary('', 'any origin', 'any', 'https://app.example');
vary('', 'no CORS', 'plain', 'https://app.example');

is((ask('any', 'https://a.example', 'GET', '/missing'))[0], '404 *',
   'of an error of the backend');

is((ask('to', 'https://a.example'))[0], '301 *', 'a redirect has them');
is((ask('to', 'https://a.example', 'OPTIONS'))[0], '204 *',
   'a preflight is not redirected');
is((ask('closed', 'https://a.example'))[0], '503 ', 'what is closed');
is((ask('closed', 'https://a.example', 'OPTIONS'))[0], '503 ',
   'is closed to preflights');

($said, $head) = ask('hostile', 'https://app.example', 'OPTIONS');
is $said, '204 *', 'hostile values';
unlike $head, qr/Evil|\$host/i, 'are not sent';
like $head, qr/^Access-Control-Max-Age: 1728000\r/m, 'the defaults are';

ingress('large', $on, 'cors-allow-headers: "' . 'x' x 250_000 . '"');
ingress('beside', $on);
ok $n->wait_for('beside.test', '/', 200), 'beside a value of a megabyte';
ok $n->wait_for('large.test', '/', 200), 'which is not in force';
allowed('large', 'https://app.example', '200 *');
unlike((ask('large', 'https://app.example'))[1], qr/xxx/, 'nor sent');

# live

ingress('one', $on, 'cors-allow-origin: https://new.example');
ok $n->until(sub { (ask('one', 'https://new.example'))[0] =~ /new/ }),
   'another origin';
allowed('one', 'https://app.example', '200 ', 'not the old one');
ingress('one');
ok $n->until(sub { (ask('one', 'https://new.example'))[0] eq '200 ' }),
   'none any more';

ok $n->logged(qr{cors-allow-headers\].*longer than 16 KB}), 'a long value is said';
ok $n->logged(qr/cors-allow-origin\].*so what is wrong is left out/),
   'a bad origin is said';
ok(!$n->logged(qr/\[(alert|crit|emerg)\]/), 'nothing alarming is logged');
$n->stop;

done_testing();
