# Error pages: what is caught, whom is asked and what is sent, and Services
# without endpoints.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new(http => 'lingering_timeout 100ms;',
                       block => "source manifests %%DIR%%;\n zone 8m;\n");
my $p = 'nginx.ingress.kubernetes.io';

# one of a host of its own; paths are "/path=service"
sub ingress {
    my ($name, $paths, @annotations) = @_;
    my $host = $name eq 'two' ? 'one' : $name;
    my $lines = join '', map { "    $p/$_\n" } @annotations;
    my $rules = '';

    for (split ' ', $paths) {
        my ($path, $service) = split /=/;
        $rules .= "      - {path: $path, pathType: Prefix, backend: {service: "
                  . "{name: $service, port: {number: 80}}}}\n";
    }

    $n->manifest("$name.yaml", <<EOY);
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: $name
  namespace: default
  annotations:
    kubernetes.io/ingress.class: nginx
$lines
spec:
  rules:
  - host: $host.test
    http:
      paths:
$rules
EOY
}

$n->backend('a', <<'EOC');
location / { return 200 "a\n"; }
location /s/ {
    add_header X-Orig 1 always;
    add_header Set-Cookie a=1 always;
    if ($uri ~ "^/s/([0-9]+)") { set $code $1; return 599; }
    error_page 599 = @code;
}
location /s/401 { add_header WWW-Authenticate Basic always; return 401 "a\n"; }
location /s/404 { add_header X-Orig 1 always; return 404 "kept\n"; }
location /s/500 { return 500 "kept\n"; }
location /s/503 { return 503 "kept\n"; }
EOC
my $echo = '$request_method $request_uri $server_protocol'
    . ' code=$http_x_code format=$http_x_format uri=$http_x_original_uri'
    . ' ns=$http_x_namespace ingress=$http_x_ingress_name'
    . ' service=$http_x_service_name port=$http_x_service_port'
    . ' host=$http_host for=$http_x_forwarded_for proto=$http_x_forwarded_proto'
    . ' length=$http_content_length id=$http_x_request_id';
$n->backend($_, "location / { add_header X-Page $_; return 200 '$_ $echo'; }"
            . "location = / { add_header X-Page $_;"
            . " if (\$arg_teapot) { return 418 'teapot'; }"
            . " return 200 '$_ $echo'; }")
    for qw(err other);

$n->services("default/a:80 a\ndefault/err:80 err\ndefault/other:80 other\n"
             . "default/empty:80 -");
$n->manifest('dead.yaml', K8s::Objects::services('default/dead:80 dead',
    sub { K8s::Objects::free_port() }));

my $list = 'custom-http-errors: "401, 404,,413,502,503,405,"';
my $err = 'default-backend: err';

ingress('plain', "/=a");
ingress('one', "/=a /empty=empty /none=nobody /dead=dead", $list, $err,
        'proxy-body-size: 1k');
ingress('two', "/two=a", 'custom-http-errors: "500"',
        'default-backend: other');
ingress('pass', "/=a /dead=dead", $list, $err,
        'disable-proxy-intercept-errors: "true"');
ingress('lost', "/=a /empty=empty", $list,
        'default-backend: nobody');
ingress('without', "/=a /empty=empty", $list);
ingress('only', "/=a /empty=empty", $err);
ingress('direct', "/=a", $list, $err, 'proxy-request-buffering: "off"');
ingress('cors', "/=a", $list, $err, 'enable-cors: "true"');
ingress('bad', "/=a", 'custom-http-errors: "404,abc"', $err);
ingress('hostile', "/=a",
        'custom-http-errors: "404 = @x; return 200"',
        'default-backend: "err\n/x"');
$n->start;

ok $n->wait_for("$_.test", '/', 200), "$_ is served"
    for qw(plain one pass lost without only cors direct bad hostile);

# "status: body", and the head
sub ask {
    my ($host, $path, %a) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}, Timeout => 5)
        or die "connect: $!";
    my $body = $a{body} // '';
    print $s join "\r\n", ($a{method} // 'GET') . " $path HTTP/1.1",
             "Host: $host.test", 'Connection: close',
             (length $body ? 'Content-Length: ' . length $body : ()),
             @{$a{headers} // []}, '', $a{late} ? '' : $body;
    local $/;
    local $SIG{ALRM} = sub { die "no answer\n" };
    alarm 10;
    my ($head, $text) = split /\r\n\r\n/, <$s> // '', 2;
    alarm 0;
    my ($status) = $head =~ m{^HTTP/1\.1 (\d+)};
    $text //= '';
    $text =~ s/ id=[0-9a-f]{32}$/ id=ID/;
    $text =~ s/^<html>.*/page/s;
    $text =~ s/\n$//;
    return ("$status $text", $head);
}

my $tail = 'host=one.test for=127.0.0.1 proto= length= id=ID';
my $who = 'ns=default ingress=one service=a port=80';

my ($said, $head) = ask('one', '/s/404?y=1', headers => ['Accept: text/plain']);
is $said, '200 err GET /?y=1 HTTP/1.0 code=404 format=text/plain '
    . "uri=/s/404?y=1 $who $tail", 'a status of the backend';
like $head, qr/^X-Page: err/m, 'headers of the error backend';
unlike $head, qr/X-Orig/, 'and not of the other one';

is((ask('one', '/s/503'))[0], '200 err GET / HTTP/1.0 code=503 format= '
   . "uri=/s/503 $who $tail", 'another one');
is((ask('one', '/s/500'))[0], '500 kept', 'one that is not listed');
is((ask('one', '/s/404?teapot=1'))[0], '418 teapot',
   'the status is that of the error backend');
is((ask('one', '/s/404', method => 'POST', body => 'abc'))[0],
   "200 err POST / HTTP/1.0 code=404 format= uri=/s/404 $who "
   . 'host=one.test for=127.0.0.1 proto= length=3 id=ID', 'with a body');
is((ask('one', '/s/404', headers => ['X-Code: 999', 'X-Format: x',
    'X-Original-URI: /x', 'X-Namespace: x', 'X-Request-ID: mine']))[0],
   "200 err GET / HTTP/1.0 code=404 format= uri=/s/404 $who "
   . 'host=one.test for=127.0.0.1 proto= length= id=mine',
   'a client cannot say another');
($said, $head) = ask('one', '/s/401');
like $said, qr/^200 err GET .*code=401/, 'a challenge';
like $head, qr/^WWW-Authenticate: Basic/m, 'keeps its challenge';
(my $dead = "200 err GET / HTTP/1.0 code=502 format= uri=/dead $who $tail")
    =~ s/service=a/service=dead/;
is((ask('one', '/dead'))[0], $dead, "nginx's own");
like((ask('one', '/', method => 'POST', body => 'x' x 2000))[0],
     qr{^200 err POST / HTTP/1.0 code=413 format= uri=/ }, 'a large body');
like((ask('one', '/', method => 'POST', body => 'x' x 2000, late => 1))[0],
     qr{^200 err POST / HTTP/1.0 code=413 .* length=0 },
     'one that does not come');
like((ask('direct', '/s/404', method => 'POST', body => 'x' x 2000,
          late => 1))[0],
     qr{^200 err POST / HTTP/1.0 code=404 .* length=0 },
     'one that went to the backend as it came, before its end');
like((ask('direct', '/s/404', method => 'POST',
          headers => ['Transfer-Encoding: chunked', '', "a\r\nab"]))[0],
     qr{^200 err POST / HTTP/1.0 code=404 .* length=0 }, 'one in chunks');
is((ask('one', '/two/../s/404'))[0] =~ s/ .*//r, 200, 'by path');
like((ask('one', '/s/404', headers => ['Expect: 100-continue']))[0],
     qr/^100 .*code=404/s, 'a client that waits is told to go on');

is((ask('one', '/two/x'))[0], '200 a', 'another Ingress of the host');
(my $empty = '200 err GET /empty/x?y HTTP/1.1 code=503 format= uri= '
    . "$who $tail") =~ s/service=a(.*)proto=/service=empty$1proto=http/;
is((ask('one', '/empty/x?y'))[0], $empty, 'no endpoints');
(my $none = $empty) =~ s/empty/none/;
$none =~ s/service=empty/service=nobody/;
is((ask('one', '/none/x?y'))[0], $none, 'no Service');

is((ask('pass', '/s/404'))[0], '404 kept', 'disable-proxy-intercept-errors');
like((ask('pass', '/dead'))[0], qr/^200 err .*code=502/, "but nginx's own");
is((ask('lost', '/s/404'))[0], '404 page', 'no such default-backend');
is((ask('lost', '/s/503'))[0], '404 page', 'is a 404, as of ingress-nginx');
is((ask('lost', '/empty'))[0], '404 page', 'of ours too');
is((ask('without', '/s/503'))[0], '404 page', 'none at all');
is((ask('only', '/s/503'))[0], '503 kept', 'nothing is caught');
like((ask('only', '/empty'))[0], qr{^200 err GET /empty .*code=503},
     'no endpoints');
is((ask('plain', '/s/404'))[0], '404 kept', 'without it');
is((ask('bad', '/s/404'))[0], '404 kept', 'a bad list');
is((ask('hostile', '/s/404'))[0], '404 kept', 'a hostile one');
($said, $head) = ask('cors', '/s/404', headers => ['Origin: http://a.test']);
like $head, qr/^Access-Control-Allow-Origin: \*/m, 'beside enable-cors';

# live: endpoints of both kinds, another list

$n->services("default/a:80 a\ndefault/err:80\ndefault/other:80 other\n"
             . "default/empty:80 a");
ok $n->until(sub { (ask('one', '/s/404'))[0] eq '404 page' }),
   'the error backend has no endpoints';
is((ask('one', '/empty'))[0], '200 a', 'and the other one has');
$n->services("default/a:80 a\ndefault/err:80 err\ndefault/other:80 other\n"
             . "default/empty:80 -");
ok $n->until(sub { (ask('one', '/s/404'))[0] =~ /^200 err/ }), 'it is back';
ingress('one', "/=a", 'custom-http-errors: "500"',
        'default-backend: other');
ok $n->until(sub { (ask('one', '/s/500'))[0] =~ /^200 other/ }),
   'another list and another Service';
is((ask('one', '/s/404'))[0], '404 kept', 'not the old one');
ingress('one', "/=a");
ok $n->until(sub { (ask('one', '/s/500'))[0] eq '500 kept' }), 'none';

ok $n->logged(qr/lost.*default-backend\].*Service default\/nobody/),
   'a Service that is not there is said';
ok(!$n->logged(qr/\[(alert|crit|emerg)\]/), 'nothing alarming is logged');
$n->stop;

# the default backend of the block

$n = K8s::Nginx->new(block => "source manifests %%DIR%%;\n zone 8m;\n"
                              . "default_backend default/other;");
$n->backend('a', 'location / { return 200 "a\n"; }'
            . 'location /s/404 { return 404 "kept\n"; }');
$n->backend($_, "location / { return 200 '$_ \$http_x_code \$uri'; }")
    for qw(err other);
$n->services("default/a:80 a\ndefault/err:80 err\ndefault/other:80 other\n"
             . "default/empty:80 -");
ingress('one', "/=a /empty=empty", $list);
ingress('lost', "/=a", $list, 'default-backend: empty');
$n->start;
ok $n->wait_for('one.test', '/', 200), 'it is served';
is((ask('one', '/s/404'))[0], '200 other 404 /', 'the default backend is asked');
is((ask('one', '/empty'))[0], '200 other 503 /', 'for ours too');
is((ask('lost', '/s/404'))[0], '200 other 404 /', 'after an empty one');
is((ask('nobody', '/x'))[0], '200 other  /x', 'and for what nobody has');
$n->stop;

# the key of the ConfigMap, live

sub keys_are {
    my $lines = join '', map { "  $_\n" } @_;
    $n->manifest('config.yaml', "apiVersion: v1\nkind: ConfigMap\nmetadata: "
                 . "{namespace: default, name: conf}\ndata:\n$lines");
}

$n = K8s::Nginx->new(block => "source manifests %%DIR%%;\n zone 8m;\n"
                              . "default_backend default/other;\n"
                              . "config_map default/conf;");
$n->backend('a', 'location / { return 200 "a\n"; }'
            . 'location /s/404 { return 404 "kept\n"; }'
            . 'location /s/500 { return 500 "kept\n"; }');
$n->backend($_, "location / { add_header X-Page $_;"
                . " return 200 '$_ \$http_x_code \$uri'; }")
    for qw(err other);
$n->services("default/a:80 a\ndefault/err:80 err\ndefault/other:80 other\n"
             . "default/empty:80 -");
keys_are('custom-http-errors: "404"');
ingress('plain', "/=a /empty=empty");
ingress('own', "/=a", 'custom-http-errors: "500"');
ingress('err', "/=a /empty=empty", 'default-backend: err');
ingress('pass', "/=a", 'disable-proxy-intercept-errors: "true"');
$n->start;
ok $n->wait_for("$_.test", '/', 200), "$_ is served" for qw(plain own err pass);
is((ask('plain', '/s/404'))[0], '200 other 404 /', 'the key');
is((ask('plain', '/empty'))[0], '503 page', 'what it does not list');
is((ask('own', '/s/500'))[0], '200 other 500 /', 'an annotation');
is((ask('own', '/s/404'))[0], '404 kept', 'in its place');
is((ask('err', '/s/404'))[0], '200 err 404 /', 'another backend');
is((ask('err', '/empty'))[0], '200 err 503 /empty', 'and without endpoints');
is((ask('pass', '/s/404'))[0], '404 kept', 'not caught');
keys_are('custom-http-errors: "500,503"');
ok $n->until(sub { (ask('plain', '/s/500'))[0] eq '200 other 500 /' }),
   'another key';
is((ask('plain', '/s/404'))[0], '404 kept', 'not the old one');
is((ask('plain', '/empty'))[0], '200 other 503 /', 'of ours too');
keys_are('custom-http-errors: "500"', 'hide-headers: "X-Page"');
ok $n->until(sub { (ask('plain', '/s/500'))[1] !~ /X-Page/ }),
   'other keys hold for pages too';
like((ask('plain', '/s/500'))[0], qr/^200 other/, 'which come as before');
keys_are('custom-http-errors: "x"');
ok $n->until(sub { (ask('plain', '/s/500'))[0] eq '500 kept' }), 'a bad one';
is((ask('own', '/s/500'))[0], '200 other 500 /', 'the annotation stays');
ok(!$n->logged(qr/\[(alert|crit|emerg)\]/), 'nothing alarming is logged');
$n->stop;

# passes in locations, beside those of the administrator, and a reload

$n = K8s::Nginx->new(server => <<'EOC');
location / { k8s_ingress_pass; }
location /own/ { return 404 "own\n"; }
location /s/ { k8s_ingress_pass; error_page 500 = @here; }
location @here { return 200 "here\n"; }
EOC
$n->backend('a', 'location / { return 200 "a\n"; }'
            . 'location /s/404 { return 404 "kept\n"; }'
            . 'location /s/500 { return 500 "kept\n"; }');
$n->backend($_, "location / { add_header X-Page $_;"
                . " return 200 '$_ \$http_x_code \$uri'; }")
    for qw(err other);
$n->services("default/a:80 a\ndefault/err:80 err\ndefault/other:80 other\n"
             . "default/empty:80 -");
ingress('one', "/=a /empty=empty", 'custom-http-errors: "404,413"', $err,
        'proxy-body-size: 1k', 'enable-cors: "true"');
$n->start;

sub pages {
    my ($when) = @_;
    is((ask('one', '/s/404'))[0], '200 err 404 /', "a page, $when");
    is((ask('one', '/empty/x'))[0], '200 err 503 /empty/x',
       "no endpoints, $when");
    is((ask('one', '/s/500'))[0], '500 kept', "not caught, $when");
    is((ask('one', '/own/'))[0], '404 own', "the administrator's, $when");
    is((ask('one', '/', method => 'POST', body => 'x' x 2000))[0],
       '200 err 413 /', "a large body, $when");
    is((ask('one', '/own/', method => 'OPTIONS'))[0], '404 own',
       "no preflight of it, $when");
    is((ask('one', '/s/', method => 'OPTIONS'))[0], '204 ',
       "a preflight, $when");
    my ($said, $head) = ask('one', '/s/404', method => 'HEAD');
    is($said, '200 ', "HEAD, $when");
    like($head, qr/^X-Page: err/m, "of the error backend, $when");
}

ok $n->wait_for('one.test', '/', 200), 'passes in locations';
pages('at first');
ok $n->reload, 'a reload';
ok $n->wait_for('one.test', '/', 200), 'after it';
pages('after a reload');
$n->{block} = "source manifests %%DIR%%;\n zone 9m;";
ok $n->reload, 'another zone';
ok $n->wait_for('one.test', '/', 200), 'with the same routes';
pages('in another zone');
ok(!$n->logged(qr/\[(alert|crit|emerg)\]/), 'nothing alarming is logged');
$n->stop;

done_testing();
