# The access log: the line of ingress-nginx, in all that may happen to a request,
# and keys of the ConfigMap that change it live.

use strict;
use warnings;

use lib 't/lib';
use IO::Socket::INET;
use JSON::PP;
use K8s::Backend;
use K8s::Nginx;
use K8s::TLS;
use Test::More;

my ($tls, $admin, $sock) = map { K8s::Objects::free_port() } 1 .. 3;
my $dead = K8s::Objects::dead_port();

# does as the path says
my $odd = K8s::Backend->start(sub {
    my ($b, $c) = @_;
    while (my $r = $b->request($c)) {
        my ($how) = $r->{uri} =~ m{^/(\w*)};
        return if $how eq 'close';
        return $b->answer($c, 101, '', 'Upgrade: x', 'Connection: upgrade'),
               print $c 'abcd' if $how eq 'upgrade';
        sleep 20 if $how eq 'hang';
        print $c "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
                 . "5\r\nhello\r\n0\r\n\r\n" and next if $how eq 'chunked';
        $b->answer($c, $how =~ /^\d+$/ ? $how : 200, 'odd');
    }
});

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    server => "listen 127.0.0.1:$tls ssl; http2 on; k8s_ingress_pass;",
    http => 'access_log %%ROOT%%/logs/al.log k8s_ingress;'
            . 'log_format own "$proxy_upstream_name"; '
            . "server { listen 127.0.0.1:$admin; access_log off; "
            . 'k8s_ingress_admin; }',
    main => 'worker_processes 1;');

sub config {
    my (%data) = @_;
    my $json = JSON::PP->new->allow_nonref;
    $n->config_map('system/own', map { $_ => $json->encode($data{$_}) }
                                 keys %data);
}

$n->backend('a', 'location / { return 200 "hello\n"; }
                  location /gone { return 404 "gone\n"; }
                  location /none { return 304; }
                  location /auth { return 200; }
                  location /deny { return 401; }
                  location /forbid { return 403; }');
$n->backend('err', 'location / { return 200 "sorry\n"; }');
$n->port_of('a');
$n->{foreign} = { odd => $odd->port, dead => $dead };

sub services {
    my %own = %{$n->{ports}};
    %{$n->{ports}} = (%own, %{$n->{foreign}});
    $n->services(shift);
    $n->{ports} = \%own;
}

services("default/a:80 a\ndefault/odd:80 odd\ndefault/err:80 err\n"
         . "default/dead:80 dead\ndefault/half:80 dead a\ndefault/empty:80 -\n"
         . "default/alt:80 a\ndefault/named:80 a\n");

$n->manifest('users.yaml', <<'EOS');
apiVersion: v1
kind: Secret
metadata: {name: users, namespace: default}
stringData: {auth: "ann:{PLAIN}secret"}
EOS

my $at = 'http://127.0.0.1:' . $n->port_of('a');

$n->ingresses("default/web web.test / a:80\n"
              . "default/odd odd.test / odd:80\n"
              . "default/dead dead.test / dead:80\n"
              . "default/half half.test / half:80\n"
              . "default/empty empty.test / empty:80\n"
              . "default/missing missing.test / nowhere:80\n"
              . "default/paths paths.test /api a:80\n"
              . "default/wild *.wild.test / a:80\n");
$n->annotated('moved', 'permanent-redirect: https://example.org');
$n->annotated('root', 'app-root: /app');
$n->annotated('quiet', 'enable-access-log: "false"');
$n->annotated('basic', 'auth-type: basic', 'auth-secret: users');
$n->annotated('asked', "auth-url: $at/auth");
$n->annotated('denied', "auth-url: $at/deny");
$n->annotated('barred', "auth-url: $at/forbid");
$n->annotated('sent', "auth-url: $at/deny",
              'auth-signin: https://login.test/?rd=$escaped_request_uri');
$n->annotated('listed', 'allowlist-source-range: 10.0.0.0/8');
$n->annotated('cors', 'enable-cors: "true"');
$n->annotated('caught', 'custom-http-errors: "404"', 'default-backend: err');
$n->annotated('rewritten', 'rewrite-target: /new', 'enable-rewrite-log: "true"');
$n->annotated('limited', 'limit-rpm: "1"', 'limit-burst-multiplier: "1"');
my $other = K8s::Objects::ingresses('default/other other.test / empty:80');
$other =~ s{^(  annotations:\n)}{$1    nginx.ingress.kubernetes.io/default-backend: err\n}m;
$n->manifest('other.yaml', $other);
$n->annotated('canary');
my $canary = K8s::Objects::ingresses('default/new canary.test / alt:80');
$canary =~ s{^(  annotations:\n)}{$1    nginx.ingress.kubernetes.io/canary: "true"\n    nginx.ingress.kubernetes.io/canary-by-header: X-New\n}m;
$n->manifest('new.yaml', $canary);
config();
$n->start;
ok $n->wait_for('web.test', '/', 200), 'it is served' or die $n->log;

# what an exchange writes to the log: one that comes after it ends it

my $at_end = 0;
my $mark = 0;

sub lines {
    my @more = split /^/, substr $n->slurp('logs/al.log'), $at_end;
    return map { s/\n\z//r } @more;
}

sub mark {
    $mark++;
    $n->get('web.test', "/mark-$mark");
    my @lines;
    $n->until(sub { @lines = lines(); grep m{/mark-$mark }, @lines }, 20)
        or return ('no mark');
    $at_end = -s "$n->{root}/logs/al.log";
    return grep !m{/mark-}, @lines;
}

sub exchange {
    my ($text, $port) = @_;
    my $s = K8s::Objects::client($port // $n->{port});
    print $s $text;
    local $/;
    return scalar <$s>;
}

my $agent = "User-Agent: test/1.0\r\nConnection: close\r\n";

sub request { "GET $_[1] HTTP/1.1\r\nHost: $_[0].test\r\n$agent" . ($_[2] // '')
              . "\r\n" }

my %a = (A => '127.0.0.1:' . $n->port_of('a'), O => '127.0.0.1:' . $odd->port,
         D => "127.0.0.1:$dead", E => '127.0.0.1:' . $n->port_of('err'));

# TIME, ID, S (seconds) and N (a number) stand for themselves
sub pattern {
    my ($line) = @_;
    my $re = quotemeta $line;
    $re =~ s/TIME/\\d\\d\/\\w{3}\/\\d{4}:\\d\\d:\\d\\d:\\d\\d [+-]\\d{4}/g;
    $re =~ s/\bID\b/[0-9a-f]{32}/g;
    $re =~ s/\bS\b/\\d+\\.\\d{3}/g;
    $re =~ s/\bN\b/\\d+/g;
    $re =~ s/\\<(\w)\\>/quotemeta $a{$1}/ge;
    return qr/\A$re\z/;
}

sub logs {
    my ($name, $sent, @want) = @_;
    mark() if $name =~ s/^!//;
    $sent = [$sent] if ref $sent ne 'ARRAY';
    for my $s (@$sent) { ref $s ? $s->() : exchange($s) }
    my @lines = mark();
    my $good = @lines == @want;
    for my $i (0 .. $#want) {
        my $re = pattern($want[$i]);
        $good &&= $lines[$i] =~ $re;
    }
    ok $good, $name or diag 'is ', explain(\@lines), 'not ', explain(\@want);
}

# of one without a body, of a backend that answers 200 with "hello"
sub plain { qq(127.0.0.1 - - [TIME] "$_[0]" 200 6 "-" "test/1.0" N S [$_[1]] [] <A> 6 S 200 ID) }
sub early { qq(127.0.0.1 - - [TIME] "$_[0]" $_[1] N "-" "test/1.0" N S [$_[2]] [] - - - - ID) }

mark();

my $length = length request('web', '/');

logs('one that is proxied', request('web', '/'),
     plain('GET / HTTP/1.1', 'default-a-80') =~ s/ N S / $length S /r);
logs('a query and a Referer',
     request('web', '/find?q=a+b&x=%20', "Referer: https://x.test/?1\r\n"),
     plain('GET /find?q=a+b&x=%20 HTTP/1.1', 'default-a-80')
         =~ s{"-" "test}{"https://x.test/?1" "test}r);
logs('a POST', "POST /p HTTP/1.1\r\nHost: web.test\r\n${agent}Content-Length: 4"
               . "\r\n\r\nbody", plain('POST /p HTTP/1.1', 'default-a-80'));
logs('a HEAD', request('web', '/') =~ s/^GET/HEAD/r,
     plain('HEAD / HTTP/1.1', 'default-a-80') =~ s/ 200 6 / 200 0 /r
         =~ s/<A> 6/<A> 0/r);
logs('HTTP/1.0', "GET / HTTP/1.0\r\nHost: web.test\r\n$agent\r\n",
     plain('GET / HTTP/1.0', 'default-a-80'));
logs("an id of the client's", request('web', '/', "X-Request-ID: my-1\r\n"),
     plain('GET / HTTP/1.1', 'default-a-80') =~ s/ID$/my-1/r);
logs('no User-Agent', "GET / HTTP/1.1\r\nHost: web.test\r\nConnection: close"
                      . "\r\n\r\n",
     plain('GET / HTTP/1.1', 'default-a-80') =~ s{test/1\.0}{-}r);
logs('quotes, backslashes and other bytes',
     "GET /x\"y\\z HTTP/1.1\r\nHost: web.test\r\nReferer: h\xe9/\"q\"\\\t\r\n"
     . "User-Agent: a \"b\" \xfc\r\nConnection: close\r\n\r\n",
     plain('GET /x\x22y\x5Cz HTTP/1.1', 'default-a-80')
         =~ s{"-" "test/1\.0"}{"h\\xE9/\\x22q\\x22\\x5C\\x09" "a \\x22b\\x22 \\xFC"}r);
logs('an encoded target', request('web', '/a%20b/%2e%2e/c'),
     plain('GET /a%20b/%2e%2e/c HTTP/1.1', 'default-a-80'));
logs('two of one connection',
     request('web', '/1') =~ s/Connection: close\r\n//r . request('web', '/2'),
     map { plain("GET /$_ HTTP/1.1", 'default-a-80') } 1, 2);
logs('a host of nobody', request('nobody', '/'));
logs('a path of nobody', request('paths', '/x'),
     early('GET /x HTTP/1.1', 404, 'upstream-default-backend'));
logs('a path of an Ingress', request('paths', '/api/v1'),
     plain('GET /api/v1 HTTP/1.1', 'default-a-80'));
logs('permanent-redirect', request('moved', '/'),
     early('GET / HTTP/1.1', 301, 'default-a-80'));
logs('app-root', request('root', '/'), early('GET / HTTP/1.1', 302, '-'));
logs('TLS', sub {
    my $s = K8s::TLS::dial($tls, 'web.test');
    print $s request('web', '/');
    local $/; <$s>;
}, plain('GET / HTTP/1.1', 'default-a-80'));
logs('the only endpoint refuses', request('dead', '/'),
     qq(127.0.0.1 - - [TIME] "GET / HTTP/1.1" 502 N "-" "test/1.0" N S [default-dead-80] [] <D>, <D>, <D> 0, 0, 0 S, S, S 502, 502, 502 ID));
logs('no endpoints', request('empty', '/'),
     early('GET / HTTP/1.1', 503, 'default-empty-80'));
logs('no Service', request('missing', '/'),
     early('GET / HTTP/1.1', 503, 'default-nowhere-80'));
logs('a backend that closes', request('odd', '/close'),
     qq(127.0.0.1 - - [TIME] "GET /close HTTP/1.1" 502 N "-" "test/1.0" N S [default-odd-80] [] <O>, <O>, <O> 0, 0, 0 S, S, S 502, 502, 502 ID));
logs('a backend that answers 500', request('odd', '/500'),
     qq(127.0.0.1 - - [TIME] "GET /500 HTTP/1.1" 500 3 "-" "test/1.0" N S [default-odd-80] [] <O> 3 S 500 ID));
logs('one that is not modified', request('web', '/none'),
     plain('GET /none HTTP/1.1', 'default-a-80') =~ s/ 200 6 / 304 0 /r
         =~ s/6 S 200/0 S 304/r);
logs('a client that leaves', sub {
    my $s = K8s::Objects::client($n->{port});
    print $s request('odd', '/hang');
    $n->until(sub { grep m{hang}, $odd->notes or select undef, undef, undef, 0.2 }, 0.2);
    close $s;
    $n->until(sub { grep m{/hang}, lines() }, 10);
}, qq(127.0.0.1 - - [TIME] "GET /hang HTTP/1.1" 499 0 "-" "test/1.0" N S [default-odd-80] [] <O> 0 S - ID));
logs('no password', request('basic', '/'),
     early('GET / HTTP/1.1', 401, 'default-a-80'));
my $wrong = "Authorization: Basic YW5uOndyb25n\r\n";
my $right = "Authorization: Basic YW5uOnNlY3JldA==\r\n";
logs('a wrong one', request('basic', '/', $wrong),
     early('GET / HTTP/1.1', 401, 'default-a-80') =~ s/- -/- ann/r);
logs('the right one', request('basic', '/', $right),
     plain('GET / HTTP/1.1', 'default-a-80') =~ s/- -/- ann/r);
logs('an auth server that allows', request('asked', '/'),
     plain('GET / HTTP/1.1', 'default-a-80'));
logs('one that does not', request('denied', '/'),
     early('GET / HTTP/1.1', 401, 'default-a-80'));
logs('one that forbids', request('barred', '/'),
     early('GET / HTTP/1.1', 403, 'default-a-80'));
logs('auth-signin', request('sent', '/p?q=1'),
     early('GET /p?q=1 HTTP/1.1', 302, 'default-a-80'));
logs('an upgrade', request('odd', '/upgrade', "Upgrade: x\r\n")
                   =~ s/Connection: close/Connection: upgrade/r,
     qq(127.0.0.1 - - [TIME] "GET /upgrade HTTP/1.1" 101 4 "-" "test/1.0" N S [default-odd-80] [] <O> 0 S 101 ID));
logs('an address that is not allowed', request('listed', '/'),
     early('GET / HTTP/1.1', 403, 'default-a-80'));
logs('a limit', [(request('limited', '/')) x 3],
     plain('GET / HTTP/1.1', 'default-a-80'),
     plain('GET / HTTP/1.1', 'default-a-80'),
     early('GET / HTTP/1.1', 503, 'default-a-80'));
logs('a page of errors', request('caught', '/gone'),
     qq(127.0.0.1 - - [TIME] "GET /gone HTTP/1.1" 200 6 "-" "test/1.0" N S [custom-default-backend-default-err] [] <A> : <E> 0 : 6 S : S 404 : 200 ID));
logs('a default backend', request('other', '/n'),
     qq(127.0.0.1 - - [TIME] "GET /n HTTP/1.1" 200 6 "-" "test/1.0" N S [custom-default-backend-default-err] [] <E> 6 S 200 ID));
logs('rewrite-target', request('rewritten', '/old?y=1'),
     plain('GET /old?y=1 HTTP/1.1', 'default-a-80'));
ok $n->logged(qr{\[notice\][^\n]*"/" matches "/old"})
   && $n->logged(qr{\[notice\][^\n]*rewritten data: "/new", args: "y=1"}),
   'enable-rewrite-log';
logs('a wildcard', request('x.wild', '/'),
     plain('GET / HTTP/1.1', 'default-a-80'));
logs('a preflight', request('cors', '/', "Origin: https://x.test\r\n"
                            . "Access-Control-Request-Method: GET\r\n")
                    =~ s/^GET/OPTIONS/r,
     early('OPTIONS / HTTP/1.1', 204, 'default-a-80') =~ s/ 204 N/ 204 0/r);
logs('a body that is too large', "POST / HTTP/1.1\r\nHost: web.test\r\n$agent"
     . "Content-Length: 2000000\r\n\r\n",
     early('POST / HTTP/1.1', 413, '-'));
logs('a chunked request', "POST /c HTTP/1.1\r\nHost: web.test\r\n$agent"
     . "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
     plain('POST /c HTTP/1.1', 'default-a-80'));
logs('a chunked answer', request('odd', '/chunked'),
     qq(127.0.0.1 - - [TIME] "GET /chunked HTTP/1.1" 200 15 "-" "test/1.0" N S [default-odd-80] [] <O> 15 S 200 ID));
logs('no Host', "GET / HTTP/1.1\r\n$agent\r\n",
     early('GET / HTTP/1.1', 400, ''));
logs('no request', "nonsense\r\n\r\n",
     early('nonsense', 400, '') =~ s{test/1\.0}{-}r);
logs('a header that is too large', request('web', '/', 'X: ' . 'x' x 40000 . "\r\n"),
     early('GET / HTTP/1.1', 400, ''));
logs('HTTP on the port of TLS', sub { exchange(request('web', '/'), $tls) },
     early('GET / HTTP/1.1', 400, ''));
logs('TLS on the port of HTTP', "\x16\x03\x01\x02\x00\x01\xfc\x03aaaa",
     qq(127.0.0.1 - - [TIME] "\\x16\\x03\\x01\\x02\\x00\\x01\\xFC\\x03aaaa" 400 N "-" "-" 0 S [] [] - - - - ID));
logs('a connection without a byte', sub {
    close K8s::Objects::client($n->{port});
});
logs('enable-access-log "false"', request('quiet', '/'));
logs('TRACE', request('web', '/') =~ s/^GET/TRACE/r,
     early('TRACE / HTTP/1.1', 405, ''));
logs('another method', request('web', '/') =~ s/^GET/PURGE/r,
     plain('PURGE / HTTP/1.1', 'default-a-80'));
logs('a canary', request('canary', '/', "X-New: always\r\n"),
     plain('GET / HTTP/1.1', 'default-a-80') =~ s/\[\] </[default-alt-80] </r);
logs('its primary', request('canary', '/', "X-New: never\r\n"),
     plain('GET / HTTP/1.1', 'default-a-80'));

exchange(request('half', "/$_")) for 1 .. 6;
my @half = mark();
my $tried = pattern(qq(127.0.0.1 - - [TIME] "GET /N HTTP/1.1" 200 6 "-" "test/1.0" N S [default-half-80] [] <D>, <A> 0, 6 S, S 502, 200 ID));
is @half, 6, 'six with an endpoint that refuses';
ok scalar(grep { $_ =~ $tried } @half), 'some went to it first'
    or diag explain \@half;

# keys, live

my %base;

# sets keys, and waits for a line that shows it
sub soon {
    my ($name, $want, %keys) = @_;
    config(%keys);
    my $re = pattern($want);
    my @lines;
    ok $n->until(sub {
        exchange(request('web', '/seen'));
        @lines = lines();
        @lines && $lines[-1] =~ $re;
    }, 20), $name or diag explain $lines[-1];
    $at_end = -s "$n->{root}/logs/al.log";
}

my $json = '{"t":"$time_iso8601","s":$status,"r":"$request","f":"$http_referer",'
           . '"n":"$namespace","i":"$ingress_name","v":"$service_name",'
           . '"p":"$service_port","l":"$location_path","a":"$arg_x",'
           . '"c":"$cookie_k","x":"$proxy_add_x_forwarded_for",'
           . '"h":"${host}","ip":"$the_real_ip","pass":"$pass_access_scheme"}';


config('log-format-upstream' => $json, 'log-format-escape-json' => 'true');

my $read = JSON::PP->new->utf8;
my $line;

sub last_json {
    my ($sent) = @_;
    my $value;
    $n->until(sub {
        exchange($sent);
        my @lines = lines();
        $value = eval { $read->decode($lines[-1]) };
    }, 20);
    $at_end = -s "$n->{root}/logs/al.log";
    return $value // {};
}

my $seen = last_json(request('web', '/j?x=1', "Cookie: k=v\r\n"));
delete $seen->{t};
is_deeply $seen, { s => 200, r => 'GET /j?x=1 HTTP/1.1', f => '', n => 'default',
                   i => 'web', v => 'a', p => '80', l => '/', a => '1', c => 'v',
                   x => '127.0.0.1', h => 'web.test', ip => '127.0.0.1',
                   pass => 'http' }, 'variables as JSON';

# every byte, alone and after one that begins a character, and whole ones
my $bad = 0;
my @texts = ((map { chr } 1 .. 9, 11, 12, 14 .. 255),
             (map { ("\xc3" . chr, "\xe2" . chr, "\xf0\x9f" . chr) } 14 .. 255),
             "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\xa0\x80",
             "\xc0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80", '"\\');
for my $text (@texts) {
    exchange(request('web', '/b', "Referer: <$text>\r\n"));
}
my @all = mark_json();
is scalar(@all), scalar(grep { eval { $read->decode($_) } } @all),
   'each line is JSON, whatever bytes';
cmp_ok scalar(@all), '>', 700, 'of each exchange';
my ($euro) = grep m{<\xe2\x82\xac>}, @all;
ok $euro, 'characters of UTF-8 stay';
ok scalar(grep m{<\\u00E9>}, @all), 'another byte has its code';

sub mark_json {
    my @lines;
    $mark++;
    $n->get('web.test', "/mark-$mark");
    $n->until(sub { @lines = lines(); grep m{/mark-$mark }, @lines }, 20);
    $at_end = -s "$n->{root}/logs/al.log";
    return @lines;
}

soon('escape none counts before JSON', '127.0.0.1 "GET /seen HTTP/1.1" 200',
     'log-format-upstream' => '$remote_addr "$request" $status',
     'log-format-escape-none' => 'true', 'log-format-escape-json' => 'true');
exchange("GET /x\"y\\z HTTP/1.1\r\nHost: web.test\r\n$agent\r\n");
$n->until(sub { lines() }, 10);
is((lines())[0], '127.0.0.1 "GET /x"y\\z HTTP/1.1" 200', 'nothing is escaped');

soon('escapes in a format', qq(it's "200"\tend),
     'log-format-upstream' => 'it\'s \\"$status\\"\\tend');

sub status { (K8s::Objects::http_get($admin, 'x', '/status?problems=1'))[1] // '' }

sub says {
    my ($re, $name) = @_;
    ok($n->until(sub { status() =~ $re }), $name) or diag status();
}

config('log-format-upstream' => '$status $no_such');
says(qr/log-format-upstream[^}]*there is no variable \\"no_such\\"/,
     'an unknown variable is a problem');
soon('the default holds', plain('GET /seen HTTP/1.1', 'default-a-80'),
     'log-format-upstream' => '$status $no_such');
config('log-format-upstream' => '$status $$ x');
says(qr/log-format-upstream[^}]*\$\$/, 'a "$" without a name is a problem');
config('log-format-upstream' => '$k8s_access_log');
says(qr/there is no variable \\"k8s_access_log\\"/, 'a line is no part of itself');

config('skip-access-log-urls' => '/healthz,/skip,~^/re/[0-9]+$');
ok $n->until(sub { mark(); exchange(request('web', '/skip')); !mark() }, 20),
   'skip-access-log-urls';
for my $t (['/healthz'], ['/skip'], ['/SKIP'], ['/re/12'],
           ['/skip?x', 1], ['/skip/', 1], ['/re/x', 1], ['/RE/12', 1]) {
    my ($path, $is) = @$t;
    logs("skip-access-log-urls: $path", request('web', $path),
         $is ? plain("GET $path HTTP/1.1", 'default-a-80') : ());
}
config('skip-access-log-urls' => '~(');
says(qr/skip-access-log-urls[^}]*missing/, 'a bad expression is a problem');

config('access-log-params' => 'if=$http_x_log');
ok $n->until(sub {
    exchange(request('web', '/off'));
    exchange(request('web', '/on', "X-Log: 1\r\n"));
    my @lines = lines();
    $at_end = -s "$n->{root}/logs/al.log";
    grep(m{/on }, @lines) && !grep m{/off }, @lines;
}, 20), '"if=" of access-log-params';
unlike status(), qr/access-log-params/, 'nothing is said of it';
config('access-log-params' => 'buffer=4k flush=1s');
says(qr/access-log-params[^}]*access_log ... k8s_ingress buffer=4k flush=1s/,
     'a buffer is noted');
config('access-log-path' => "$n->{root}/logs/al.log");
ok $n->until(sub { status() !~ /access-log-params/ }) || 1, 'the file';
unlike status(), qr/access-log-path/, 'a file that is open is not noted';

soon('requests without an Ingress',
     plain('GET /seen HTTP/1.1', 'default-a-80'),
     'enable-access-log-for-default-backend' => 'true');
ok $n->until(sub {
    exchange(request('nobody', '/'));
    grep { $_ =~ pattern(early('GET / HTTP/1.1', 404,
                               'upstream-default-backend')) } lines();
}, 20), 'enable-access-log-for-default-backend';

config('enable-auth-access-log' => 'true');
my @auth;
ok $n->until(sub {
    mark();
    exchange(request('denied', '/'));
    @auth = mark();
    @auth == 2;
}, 20), 'enable-auth-access-log' or diag explain \@auth;
ok $auth[0] =~ pattern(qq(127.0.0.1 - - [TIME] "GET / HTTP/1.1" 401 0 "-" "test/1.0" 0 S [default-a-80] [] <A> N S 401 ID)),
   'the line of the request to the server' or diag $auth[0];
ok $auth[1] =~ pattern(early('GET / HTTP/1.1', 401, 'default-a-80')),
   'that of the client' or diag $auth[1];

config('disable-access-log' => 'true');
ok $n->until(sub {
    $at_end = -s "$n->{root}/logs/al.log";
    exchange(request('web', '/'));
    exchange("nonsense\r\n\r\n");
    select undef, undef, undef, 0.05;
    !lines();
}, 20), 'disable-access-log';

config();
ok $n->until(sub { exchange(request('web', '/')); lines() }, 20),
   'and logged again';
is $n->watcher && $n->logged(qr/signal 1 \(SIGHUP\)/), 0, 'no reload';
is_deeply [$n->alerts], [], 'no alerts';

done_testing();
