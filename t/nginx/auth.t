# External authentication: what an auth server does right and wrong, and that
# nothing of it opens a route.

use strict;
use warnings;

use lib 't/lib';
use K8s::Backend;
use K8s::Nginx;
use K8s::TLS;
use Test::More;

my ($admin, $inner, $cache, $tls) = map { K8s::Objects::free_port() } 1 .. 4;

# answers as the path says
my $auth = K8s::Backend->start(sub {
    my ($b, $c) = @_;
    my $r = $b->request($c) or return;
    my ($how) = $r->{uri} =~ m{^/(\w*)};
    $b->note("$how $r->{raw}" =~ s/\r\n/|/gr);

    my %answer = (
        grant => sub { $b->answer($c, 200, 'x' x 100_000) },
        deny => sub { $b->answer($c, 403, '') },
        who => sub { $b->answer($c, 401, '', 'WWW-Authenticate: Basic realm="a"',
                                'WWW-Authenticate: Bearer',
                                'Set-Cookie: refused=1') },
        cookies => sub { $b->answer($c, 202, '', 'Set-Cookie: a=1; Path=/',
                                    'Set-Cookie: b=2', 'X-User: one',
                                    'X-User: two', 'Authorization: Bearer t') },
        accel => sub { $b->answer($c, 403, '', 'X-Accel-Redirect: /static') },
        moved => sub { $b->answer($c, 302, '', 'Location: /grant') },
        broken => sub { $b->answer($c, 503, '') },
        upgrade => sub { print $c "HTTP/1.1 101 Switching\r\n"
                                  . "Upgrade: websocket\r\n\r\n" },
        interim => sub { print $c "HTTP/1.1 100 Continue\r\n\r\n" },
        half => sub { print $c "HTTP/1.1 200 OK\r\nX-User: j" },
        noise => sub { print $c "\0\1\2\r\n\r\n" },
        large => sub { $b->answer($c, 200, '', 'X-User: ' . 'j' x 70_000) },
        gone => sub { },
        reset => sub { $b->reset($c) },
        hang => sub { sleep 30 },
    );

    ($answer{$how} // $answer{deny})->();
});

# a port where nobody listens
my $closed = K8s::Objects::dead_port();
my $at = "http://127.0.0.1:" . $auth->port;

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    server => "listen 127.0.0.1:$tls ssl; http2 on; k8s_ingress_pass;",
    http => "resolver 127.0.0.1:$closed; resolver_timeout 1s;\n"
            . "error_page 502 504 =200 /static;\n"
            . "proxy_cache_path cache keys_zone=c:1m;\n"
            . "server { listen 127.0.0.1:$cache; proxy_cache c;\n"
            . "proxy_cache_valid any 1m; k8s_ingress_pass; }\n"
            . "upstream inner { server 127.0.0.1:$admin; }\n"
            . "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }\n"
            . "server { listen 127.0.0.1:$inner;\n"
            . "location /static { return 200 opened; }\n"
            . "location / { set \$n x; k8s_ingress_pass; } }\n",
    main => 'worker_processes 2;');

sub config { $n->config_map('system/own', @_) }

$n->backend('a', <<'EOC');
location /own { return 401; }
location / { return 200 "backend $request_method $request_uri $http_x_user $http_authorization\n"; }
EOC

$n->services("default/a:80 a");

for my $how (qw( grant deny who cookies accel moved broken upgrade interim half
                 noise large gone reset hang )) {
    $n->annotated($how, "auth-url: $at/$how",
                  'auth-response-headers: X-User, Authorization',
                  'custom-http-errors: "404"');
}

$n->annotated('open');
$n->annotated('closed', "auth-url: http://127.0.0.1:$closed/grant");
$n->annotated('name', 'auth-url: http://auth.test/grant');
$n->annotated('upstream', 'auth-url: http://inner/status');
$n->annotated('secure', "auth-url: https://127.0.0.1:" . $auth->port . '/grant');
$n->annotated('address', 'auth-url: http://169.254.169.254/latest');
$n->annotated('variable', 'auth-url: http://$http_x_at/grant');
$n->annotated('path', "auth-url: $at/grant?u=\$arg_u&p=\$uri");
$n->annotated('unknown', "auth-url: $at/\$no_such_thing");
$n->annotated('signin', "auth-url: $at/who",
              'auth-signin: https://$host/login?rd=$escaped_request_uri');
$n->annotated('caught', "auth-url: $at/grant", 'auth-signin: https://$host/login',
              'custom-http-errors: "404"');
$n->annotated('passed', "auth-url: $at/grant", 'custom-http-errors: "404"');
$n->annotated('either', "auth-url: $at/\$http_x_how", 'satisfy: any',
              'allowlist-source-range: 10.0.0.0/8',
              'auth-response-headers: X-User');
$n->annotated('cached', "auth-url: $at/\$http_x_how",
              'proxy-buffering: "on"', 'proxy-body-size: 1m');
$n->annotated('wide', 'proxy-buffer-size: 128k');
$n->annotated('both', "auth-url: $at/\$http_x_how",
              'allowlist-source-range: 10.0.0.0/8');
$n->annotated('cors', "auth-url: $at/deny", 'enable-cors: "true"');
$n->annotated('own', "auth-url: $at/grant");
my $loop = K8s::Objects::ingresses('default/loop - /loop a:80');
$loop =~ s{^(  annotations:\n)}{$1    nginx.ingress.kubernetes.io/auth-url: http://127.0.0.1:$n->{port}/loop\n}m;
$n->manifest('loop.yaml', $loop);
my $more = K8s::Objects::ingresses('default/more - /more a:80');
$more =~ s{^(  annotations:\n)}{$1    nginx.ingress.kubernetes.io/auth-url: http://127.0.0.1:$n->{port}/more/x?url=\$request_uri\n}m;
$n->manifest('more.yaml', $more);
for my $t ([one => 'two'], [two => 'one']) {
    my $object = K8s::Objects::ingresses("default/$t->[0] - /$t->[0] a:80");
    $object =~ s{^(  annotations:\n)}{$1    nginx.ingress.kubernetes.io/auth-url: http://127.0.0.1:$n->{port}/$t->[1]\n}m;
    $n->manifest("$t->[0].yaml", $object);
}
$n->annotated('again', "auth-url: $at/who",
              'auth-signin: https://$host/login?rd=$escaped_request_uri');
$n->annotated('without', 'enable-global-auth: "false"');
$n->annotated('rewritten', "auth-url: $at/grant", 'rewrite-target: /new');
$n->annotated('buffers', "auth-url: $at/large", 'proxy-buffer-size: 128k',
              'proxy-read-timeout: "600"');
$n->annotated('patient', "auth-url: $at/hang", 'proxy-buffer-size: 64k',
              'proxy-read-timeout: "600"');
config('use-forwarded-headers' => '"true"', 'proxy-read-timeout' => '"1"');
$n->start;

sub status { my ($name, @lines) = @_; ($n->get("$name.test", '/', @lines))[0] }

sub asked { my ($how) = @_; scalar grep { /^\Q$how\E / } $auth->notes }

ok $n->wait_for('open.test', '/', 200), 'is served';
ok $n->wait_for('own.test', '/', 200, 'backend GET /'), 'is let through';

# what is wrong with the server

is status('deny'), 403, 'status 403';

for my $how (qw( accel moved broken upgrade interim half noise large gone reset
                 hang )) {
    my $before = asked($how);
    my ($status, $body) = $n->get("$how.test", '/');
    my $want = $how eq 'accel' ? 403 : 500;
    is $status, $want, "$how: $want";
    unlike $body // '', qr/backend|opened/, "$how: nothing is opened";
    cmp_ok asked($how), '>', $before, "$how: it was asked";
}

is status('buffers'), 200, 'buffers of the Ingress are for its headers, too';
is status('patient'), 500, 'its time-outs are not';
is status('closed'), 500, 'nobody listens';
is status('secure'), 500, 'no TLS';
is status('name'), 500, 'no name';
like $n->log, qr/auth server "auth\.test" could not be resolved/, 'that is said';
is status('upstream'), 500, 'an upstream of nginx.conf is no name';
is status('address'), 500, 'an address of the node';
like $n->log, qr/auth server "169\.254\.169\.254" is a loopback, link-local/,
    'is refused';
is status('unknown'), 503, 'a variable that is not there closes';

# a server that is behind the paths that ask it

sub deep { my $n = () = $n->log =~ /about requests to auth servers, 3 deep/g; $n }

my $deep = deep();
is +($n->get('127.0.0.1', $_))[0], 500, "a path that asks itself: $_"
    for '/loop', '/more', '/one';
is deep() - $deep, 3, 'asks three times';
is +($n->get('127.0.0.1', '/more',
             "X-Original-URL: http://127.0.0.1:$n->{port}/more"))[0], 500,
    'whatever is sent as X-Original-URL';
is deep() - $deep, 4, 'is no less often asked about';
is status('own', 'X-Original-URL: http://own.test/'), 200,
    'a proxy in front may send it';
status('own', 'X-Forwarded-Uri: /public', 'X-Forwarded-Method: OPTIONS',
       'X-Request-ID: forged');
unlike +(grep { /forged/ } $auth->notes)[-1] // 'forwarded-uri',
    qr/forwarded-(uri|method)/i, 'a client cannot say where it goes';
is status('own', 'X-Sent-From: nginx-ingress-controller'), 200,
    'a request to an auth server is asked about';
is status('own', 'X-Sent-From: nginx-ingress-controller, 3'), 500,
    'a client may close its own way';

# hosts by variables

is status('variable', 'X-At: 127.0.0.1:' . $auth->port), 200, 'by a variable';
for my $host ('', 'unix:/tmp/x', '127.0.0.1:99999', 'a b', 'a/b', '[::1',
              "127.0.0.1:$closed") {
    is status('variable', "X-At: $host"), 500, "host \"$host\"";
}

# the URI is one word

is +($n->get('path.test', '/a%20b%0d%0aX-Evil:%201?u=x%20y'))[0], 200,
    'a path with anything';
my ($line) = grep { m{^grant GET /grant\?u=} } $auth->notes;
like $line, qr{^grant GET /grant\?u=x%20y&p=/a%20b%0D%0AX-Evil:%201 HTTP/1\.[01]\|},
    'is escaped';
unlike $line, qr/\|X-Evil/, 'and no header';

# what a client and a backend get

my (undef, $body, $head) = $n->get('cookies.test', '/', 'X-User: mallory',
                                   'Authorization: Basic mallory');
is $body, "backend GET / one, two Bearer t\n", 'headers of the answer';
like $head // '', qr/Set-Cookie: a=1; Path=\/\r\n/, 'a cookie';
like $head // '', qr/Set-Cookie: b=2(?:\r\n|\z)/, 'another one';

(my $status, undef, $head) = $n->get('who.test', '/');
is $status, 401, 'status 401';
like $head, qr/WWW-Authenticate: Basic realm="a"\r\n/, 'a challenge';
like $head, qr/WWW-Authenticate: Bearer(?:\r\n|\z)/, 'another one';
unlike $head, qr/refused=1/, 'no cookie with this status';

($status, undef, $head) = $n->get('signin.test', '/x?y=1&z=%20');
is $status, 302, 'a redirect in place of 401';
like $head, qr{Location: https://signin\.test/login\?rd=%2Fx%3Fy%3D1%26z%3D%2520\r\n},
    'with the URI';
like $head, qr/refused=1/, 'and the cookie';

is +($n->get('again.test', '/login'))[0], 302, 'a sign-in that needs one';
is +($n->get('again.test', '/log?rd=x'))[0], 302, 'another path';
is +($n->get('again.test', '/login?rd=%2Flogin'))[0], 401, 'is left then';
like $n->log, qr{auth-signin "https://again\.test/login\?rd=.*" leads to itself},
    'which is said';

is +($n->get('caught.test', '/own'))[0], 302,
    'likewise for 401 of a backend whose errors are caught';
is +($n->get('passed.test', '/own'))[0], 401, 'without auth-signin it stays';

is +($n->get('rewritten.test', '/old'))[1], "backend GET /new  \n",
    'rewritten once it is let through';

is $n->post('grant.test', 100_000), 200, 'a body';
is $n->post('deny.test', 100_000), 403, 'a body that is not wanted';
my ($post) = grep { /^grant .*\|X-Original-Method: POST/ } $auth->notes;
like $post, qr/^grant GET /, 'is no method of the question';
unlike $post, qr/\|(?:Content-Length|Transfer-Encoding)/i, 'nor announced';

# lists and auth server

is status('either', 'X-Forwarded-For: 10.1.1.1', 'X-How: deny'), 200,
    'any: by the list';
is status('either', 'X-Forwarded-For: 11.1.1.1', 'X-How: grant'), 200,
    'any: by the server';
is status('either', 'X-Forwarded-For: 11.1.1.1', 'X-How: deny'), 403,
    'any: by neither';
config('use-forwarded-headers' => '"true"', 'block-cidrs' => '"12.0.0.0/8"');
ok $n->until(sub {
    status('either', 'X-Forwarded-For: 12.1.1.1', 'X-How: grant') eq '403';
}), 'any: block-cidrs is not one of several';
is status('either', 'X-Forwarded-For: 11.1.1.1', 'X-How: who'), 401,
    'any: 401';
is status('both', 'X-Forwarded-For: 10.1.1.1', 'X-How: grant'), 200, 'all';
is status('both', 'X-Forwarded-For: 10.1.1.1', 'X-How: deny'), 403,
    'all: not by the list alone';
is status('both', 'X-Forwarded-For: 11.1.1.1', 'X-How: grant'), 403,
    'all: not by the server alone';

is +($n->get('either.test', '/', 'X-Forwarded-For: 10.1.1.1',
             'X-User: mallory'))[1], "backend GET /  \n",
    'nobody was asked: no headers of the server, nor the client\'s';

# nginx.conf caches answers of backends, not those of auth servers

for my $t ([grant => 200], [deny => 403]) {
    is +(K8s::Objects::http_get($cache, 'cached.test', '/',
                                "X-How: $t->[0]"))[0], $t->[1],
        "an answer is not cached: $t->[0]";
}

# a pass in a location, error pages of nginx.conf

for my $t ([grant => 200], [deny => 403], [half => 500], [closed => 500]) {
    my ($name, $want) = @$t;
    my ($s, $b) = K8s::Objects::http_get($inner, "$name.test", '/');
    is $s, $want, "in a location: $name";
    unlike $b // '', qr/opened/, 'no page of nginx.conf';
}

for my $t (['11.1.1.1', 'grant', 403], ['10.1.1.1', 'grant', 200],
           ['10.1.1.1', 'deny', 403]) {
    my ($from, $how, $want) = @$t;
    is +(K8s::Objects::http_get($inner, 'both.test', '/',
                                "X-Forwarded-For: $from", "X-How: $how"))[0],
        $want, "in a location: $from, $how";
}

# HTTP/2 and TLS

SKIP: {
    skip 'no curl', 2 if system('curl --version >/dev/null 2>&1');
    my $ask = sub {
        `curl -sk --http2 --max-time 20 -o /dev/null -w '%{http_code}' \\
              --resolve $_[0].test:$tls:127.0.0.1 https://$_[0].test:$tls/`
    };
    is $ask->('grant'), 200, 'HTTP/2';
    is $ask->('deny'), 403, 'HTTP/2: 403';
}

# a client that goes while the server thinks

my $hung = asked('hang');
my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                              PeerPort => $n->{port}) or die "connect: $!";
print $s "GET / HTTP/1.1\r\nHost: hang.test\r\n\r\n";
ok $n->until(sub { asked('hang') > $hung }), 'is asked';
close $s;
ok $n->until(sub { $n->log =~ /client prematurely closed connection/ }),
    'the client has gone';
is status('grant'), 200, 'others are served';

# all routes

config('global-auth-url' => "$at/deny", 'no-auth-locations' => '/health');
ok $n->wait_for('open.test', '/', 403), 'global-auth-url holds for all';
is status('own'), 200, 'but not where there is an auth-url';
is status('without'), 200, 'nor where it is not wanted';
config('global-auth-url' => "$at/large");
ok $n->wait_for('wide.test', '/', 200), 'with buffers of an Ingress';
config('global-auth-url' => "nowhere");
ok $n->wait_for('open.test', '/', 503), 'one that cannot be read closes';
is status('without'), 503, 'all routes';
config();
ok $n->wait_for('open.test', '/', 200), 'without it';

# annotations change while requests are asked about

my $load = K8s::Objects::child(sub {
    my %seen;
    for (1 .. 200) {
        my ($s, $b) = $n->get('own.test', '/');
        $seen{$s}++;
        die "status $s\n" if $s ne '200' && $s ne '403';
        die "403 of the backend\n" if $s eq '403' && $b =~ /backend/;
    }
    die "nothing changed\n" if keys %seen != 2;
});
for (1 .. 20) {
    $n->annotated('own', "auth-url: $at/" . ($_ % 2 ? 'deny' : 'grant'));
    select undef, undef, undef, 0.05;
}
waitpid $load, 0;
is $?, 0, 'two answers while it changes, and no other';

ok $n->reload, 'reload';
is status('deny'), 403, 'the same after it';

is_deeply [$n->alerts], [], 'no alerts';

done_testing();
