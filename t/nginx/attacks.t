# Attacks on paths that are protected, by auth-url, by passwords, and by lists.
# Each fails, and each is seen to arrive: by the auth server, by the backend of
# what is open, or by the access log, which has every request of a connection.
#
# Other attacks are where what they are against is tested: Host and SNI that
# differ, sessions of another host, lists that revoke, renegotiation, challenges
# of ACME as a way in, in client_certs.t; forged ssl-client-* in
# client_headers.t; answers of auth servers for another key, user, host, path
# or certificate in auth_cache.t; bytes behind an answer in auth_kept.t; auth
# servers that fail or lie, and paths that ask themselves, in auth.t; where a
# path leads, and Host by HTTP/2, in hostile.t; addresses of lists in access.t.

use strict;
use warnings;

use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use K8s::Backend;
use K8s::Nginx;
use Test::More;

my $admin = K8s::Objects::free_port();

# what is open, and what is protected
my ($web, $secret) = map { noting() } 1 .. 2;

sub noting {
    return K8s::Backend->start(sub {
        my ($b, $c) = @_;
        while (my $r = $b->request($c)) {
            $b->note("$r->{raw}" =~ s/\r\n/|/gr . "$r->{body}" =~ s/\s+/ /gr);
            if (($r->{headers}{upgrade} // '') =~ /^(?:h2c|websocket)/i) {
                print $c "HTTP/1.1 101 X\r\nConnection: upgrade\r\n"
                         . "Upgrade: $r->{headers}{upgrade}\r\n\r\n";
                next;
            }
            $b->answer($c, 200, "$r->{method} $r->{uri}\n");
        }
    });
}

# lets "good" through, and says what X-Says does, its bytes written as %XX
my $auth = K8s::Backend->start(sub {
    my ($b, $c) = @_;
    my $r = $b->request($c) or return;
    $b->note("$r->{raw}" =~ s/\r\n/|/gr);
    my $says = $r->{headers}{'x-says'} // 'X-User: jane';
    $says =~ s/%(..)/chr hex $1/ge;
    $b->answer($c, ($r->{headers}{authorization} // '') eq 'good' ? 200 : 401,
               '', $says);
});
my $at = 'http://127.0.0.1:' . $auth->port;

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    http => "log_format attacks '\$request';\n"
            . "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }",
    server => 'http2 on; k8s_ingress_pass; keepalive_timeout 1h; lingering_timeout 50ms;'
              . ' access_log %%ROOT%%/logs/attacks.log attacks;',
    main => 'worker_processes 2;');

my %way = (
    auth => ["auth-url: $at/ask", 'auth-response-headers: X-User, X-Groups'],
    basic => ['auth-type: basic', 'auth-secret: users'],
    list => ['allowlist-source-range: 10.0.0.0/8'],
);

# what the protected paths of a host are, and beside them / which is open
sub ingress {
    my ($name, $path, $service, @annotations) = @_;
    my $lines = join '', map { "    nginx.ingress.kubernetes.io/$_\n" }
                         @annotations;
    my $host = $name =~ s/-.*//r =~ s/^wild/*.wild/r;
    my $object = K8s::Objects::ingresses("default/$name $host.test $path "
                                         . "$service:80");
    $object =~ s/^(  annotations:\n)/$1$lines/m;
    $n->manifest("$name.yaml", $object);
}

@{$n->{ports}}{qw( web secret )} = ($web->port, $secret->port);
$n->services("default/web:80 web\ndefault/secret:80 secret");
delete @{$n->{ports}}{qw( web secret )};
$n->manifest('users.yaml', "apiVersion: v1\nkind: Secret\n"
             . "metadata: {name: users, namespace: default}\n"
             . "stringData: {auth: 'jane:{PLAIN}good'}\n");

for my $name (sort keys %way) {
    ingress($name, '/', 'web');
    ingress("$name-in", '/admin', 'secret', @{$way{$name}});
}
ingress('user', '/', 'web', @{$way{auth}});
ingress('wild', '/', 'web', @{$way{auth}});
ingress('method', '/', 'web', @{$way{auth}}, 'auth-method: POST');
ingress('signin', '/', 'secret', @{$way{auth}},
        'auth-signin: https://$host/login');
ingress('uri', '/', 'secret', @{$way{auth}},
        'auth-signin: https://sso.test/in?rd=/$uri');
ingress('canary', '/', 'secret', @{$way{auth}});
ingress('canary-two', '/', 'web', 'canary: "true"',
        'canary-by-header: X-Canary', 'canary-by-cookie: canary');
ingress('cors', '/', 'secret', @{$way{auth}}, 'enable-cors: "true"');

# the log is what shows that a request arrives, whatever its host is
my %key = ('no-auth-locations' => '/free',
           'enable-access-log-for-default-backend' => '"true"');

sub config { $n->config_map('system/own', %key, @_) }

config();
ingress('free', '/', 'secret', @{$way{auth}});
ingress('free-in', '/free', 'web', @{$way{auth}});
$n->start;

# all that comes of bytes on one connection: statuses, and the text
sub raw {
    my ($text) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}) or die "connect: $!";
    local $SIG{PIPE} = 'IGNORE';
    print $s $text;
    my $all = '';
    while (IO::Select->new($s)->can_read(20)) {
        sysread $s, $all, 65536, length $all or last;
    }
    return ([$all =~ m{^HTTP/1\.1 (\d+)}mg], $all);
}

sub request {
    my ($host, $line, @lines) = @_;
    $line = "GET $line HTTP/1.1" if $line !~ / HTTP/;
    return join "\r\n", $line, ($host eq '' ? () : "Host: $host"),
                'Connection: close', @lines, '', '';
}

sub lines { scalar(() = $n->slurp('logs/attacks.log') =~ /\n/g) }
sub asked { scalar grep { /^\w+ \/ask/ } $auth->notes }
sub opened { scalar grep { $_ ne 'connection' } $secret->notes }
sub came { scalar grep { $_ ne 'connection' } $web->notes }

# a request arrives, and what is protected does not hear of it; statuses are a
# pattern, as is what it leads to: "auth" or "web", else none of them
sub fails {
    my ($what, $want, $text, $to) = @_;
    my ($lines, $asked, $opened, $came) = (lines(), asked(), opened(), came());
    my ($status, $all) = raw($text);
    like "@$status", qr/^(?:$want)$/, "$what: the answer";
    ok $n->until(sub { lines() > $lines }), "$what: arrives";
    is opened() - $opened, 0, "$what: what is protected is not reached";
    is asked() - $asked, 1, "$what: by way of the auth server"
        if defined $to && $to eq 'auth';
    is came() - $came, 1, "$what: what is open is"
        if defined $to && $to eq 'web';
    return $all;
}

my %good = (auth => 'Authorization: good',
            basic => 'Authorization: Basic amFuZTpnb29k');

for my $name (sort keys %way) {
    ok $n->wait_for("$name.test", '/', 200), "$name is served";
}
ok $n->wait_for("$_.test", '/', 401), "$_ is protected"
    for qw( user method canary cors free x.wild );
ok $n->until(sub { (raw(request('free.test', '/free')))[0][0] == 200 }),
    'no-auth-locations';

for my $name (qw( auth basic )) {
    my $opened = opened();
    my ($status) = raw(request("$name.test", '/admin', $good{$name}));
    is "@$status", 200, "$name lets in";
    is opened() - $opened, 1, "$name: which is seen";
}

# paths: those that are /admin, and those that are not and stay outside

my @inside = ('/admin', '/admin/', '/x/../admin', '//admin', '/admin%2f',
    '/%61dmin', '/%61%64%6d%69%6e', '/.//admin', '/./admin', '/admin/.',
    '/admin/x/..', '/admin/%2e', '/x/%2e%2e/admin', '/x/..%2fadmin',
    '/%2e/admin', '/x//..//admin', '/admin//', '/admin?x', '/admin?',
    '/admin#/..', '/admin/%2e%2e/admin', '///x/../admin/y');
my @outside = ('/admin;x', '/admin;/..', '/..;/admin', '/ADMIN', '/Admin',
    '/admin\\', '/x\\..\\admin', '/%5cadmin', '/admin%3b', '/admin%20',
    '/admin%0a', '/admin.', '/%2561dmin', '/admin%252f', '/?/../admin',
    '/x#/../admin', '/admin/..', '/admin/..?/../admin', '/%ef%bc%8fadmin', '/%c0%afadmin',
    '/adm%e9n', '/admin%c2%a0');
my @nothing = ('/admin%00', '/%00/../admin', '/admin%', '/%zz/../admin',
    '/../admin', '/%2e%2e/admin', 'admin', '\\admin', '*', "/admin\0",
    "/\x01/../admin");

for my $name (sort keys %way) {
    my $closed = $name eq 'list' ? 403 : 401;
    my $to = $name eq 'auth' ? 'auth' : undef;
    my $host = "$name.test";

    fails("$name $_", $closed, request($host, $_), $to) for @inside;
    fails("$name $_", 200, request($host, $_), 'web') for @outside;
    fails("$name " . s/([^ -~])/sprintf '%%%02x', ord $1/ger, '400|404',
          request($host, $_))
        for @nothing;

    # where the request says it is for

    fails("$name absolute", $closed,
          request($host, "GET http://$host/admin HTTP/1.1"), $to);
    fails("$name absolute, of another host", $closed,
          request('open.test', "GET http://$host/x/../admin HTTP/1.1"), $to);
    fails("$name absolute, https", $closed,
          request($host, "GET https://$host/admin HTTP/1.1"), $to);
    fails("$name $_->[0]", $closed, request($_->[1], '/admin'), $to)
        for ['trailing dot', "$host."], ['port', "$host:8443"],
            ['dot and port', "$host.:80"], ['upper case', uc $host];
    fails("$name two of Host", 400,
          request($host, '/admin', 'Host: open.test'));
    fails("$name two of Host, the other way", 400,
          request('open.test', '/admin', "Host: $host"));
    fails("$name a list for Host", '400|404',
          request("$host, open.test", '/admin'));
    fails("$name HTTP/1.0", $closed, "GET /admin HTTP/1.0\r\nHost: $host\r\n\r\n",
          $to);
    fails("$name HTTP/0.9", '', "GET /admin\r\n");
    fails("$name X-Forwarded-Host", $closed,
          request($host, '/admin', 'X-Forwarded-Host: open.test',
                  'X-Original-Host: open.test', 'Forwarded: host=open.test'),
          $to);
    fails("$name headers that name another path", $closed,
          request($host, '/admin', 'X-Original-URL: /', 'X-Rewrite-URL: /',
                  'X-Original-URI: /', 'X-Forwarded-Uri: /',
                  'X-Forwarded-Prefix: /', 'X-Accel-Redirect: /'), $to);
    fails("$name open, with headers that name /admin", 200,
          request($host, '/', 'X-Original-URL: /admin',
                  'X-Rewrite-URL: /admin', 'X-Accel-Redirect: /admin'), 'web');

    # methods, and what asks for a part or for more

    fails("$name $_", $closed, request($host, "$_ /admin HTTP/1.1"), $to)
        for qw( HEAD POST PUT DELETE OPTIONS PATCH PROPFIND PURGE GETX );
    fails("$name $_", '400|405', request($host, "$_ /admin HTTP/1.1"))
        for qw( TRACE get CONNECT );
    fails("$name methods in headers", $closed,
          request($host, '/admin?_method=OPTIONS',
                  'X-HTTP-Method-Override: OPTIONS', 'X-HTTP-Method: HEAD',
                  'X-Method-Override: OPTIONS'), $to);
    fails("$name a preflight", $closed,
          request($host, 'OPTIONS /admin HTTP/1.1', 'Origin: http://x.test',
                  'Access-Control-Request-Method: GET'), $to);
    fails("$name $_->[0]", $closed,
          request($host, '/admin', @$_[1 .. $#$_]), $to)
        for ['a range', 'Range: bytes=0-0'], ['a match', 'If-Match: *'],
            ['no match', 'If-None-Match: *'],
            ['not modified', 'If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT'],
            ['WebSocket', 'Upgrade: websocket', 'Connection: Upgrade',
             'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: eA=='],
            ['h2c', 'Upgrade: h2c', 'Connection: Upgrade, HTTP2-Settings',
             'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'];
    my $all = fails("$name Expect", $closed,
                    request($host, 'POST /admin HTTP/1.1',
                            'Expect: 100-continue', 'Content-Length: 10'), $to);
    unlike $all, qr/ 100 /, "$name Expect: nobody wants the body";

    # more than one request on a connection

    my $next = request($host, '/admin');
    my $length = length $next;
    my $post = "POST / HTTP/1.1\r\nHost: $host\r\n";
    fails("$name the body is a request", 200,
          "${post}Connection: close\r\nContent-Length: $length\r\n\r\n$next",
          'web');
    fails("$name it comes behind one", "200 $closed",
          "${post}Content-Length: 0\r\n\r\n$next", $to);
    fails("$name or behind chunks", "200 $closed",
          "${post}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n$next",
          $to);
    fails("$name Content-Length and Transfer-Encoding", 400,
          "${post}Content-Length: $length\r\nTransfer-Encoding: chunked\r\n\r\n"
          . "0\r\n\r\n$next");
    fails("$name the other way", 400,
          "${post}Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"
          . "0\r\n\r\n$next");
    fails("$name two lengths: $_->[0], $_->[1]", 400,
          "${post}Content-Length: $_->[0]\r\nContent-Length: $_->[1]\r\n\r\n"
          . $next)
        for [0, $length], [$length, 0], [0, 0];
    fails("$name a length of \"$_\"", 400, "${post}Content-Length: $_\r\n\r\n$next")
        for '+0', '0, 0', '0x0', '-1', '0 1', '99999999999999999999';
    fails("$name Transfer-Encoding: $_", '400|501',
          "${post}Transfer-Encoding: $_\r\n\r\n0\r\n\r\n$next")
        for 'xchunked', 'chunked, identity', "\x0bchunked", '"chunked"',
            'identity';
    fails("$name Transfer-Encoding in HTTP/1.0", 400,
          "POST / HTTP/1.0\r\nHost: $host\r\nConnection: keep-alive\r\n"
          . "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n$next");
    fails("$name a header with $_->[0]", 400, "$post$_->[1]\r\n\r\n$next")
        for ['a blank before the colon', 'Content-Length : 0'],
            ['a fold', "X-A: b\r\n Content-Length: 0"],
            ['a NUL', "X-A: \0"], ['CR', "X-A: b\rX-B: c"];
    fails("$name a chunk with $_->[0]", "200 $closed",
          "${post}Transfer-Encoding: chunked\r\n\r\n$_->[1]$next", $to)
        for ['an extension', "1;a=b\r\nx\r\n0;c\r\n\r\n"],
            ['a request for one', "1;GET /admin HTTP/1.1\r\nx\r\n0\r\n\r\n"],
            ['trailers', "1\r\nx\r\n0\r\nHost: open.test\r\nX-User: root\r\n\r\n"];
    fails("$name a chunk of \"$_\"", '400',
          "${post}Transfer-Encoding: chunked\r\n\r\n$_\r\nx\r\n0\r\n\r\n$next")
        for '0x1', '+1', '-1', 'zz', 'ffffffffffffffff1';
}

for my $name (sort keys %good) {
    my $opened = opened();
    my $good = "GET /admin HTTP/1.1\r\nHost: $name.test\r\n$good{$name}\r\n\r\n";
    my ($status) = raw($good . request("$name.test", '/admin'));
    is "@$status", '200 401', "$name: each request of a connection is asked for";
    is opened() - $opened, 1, "$name: one of them is let in";
}

# what a backend is told of the user: what the auth server says, and no more

# all headers that a backend takes for those of a name, as "name: value"
sub told {
    my ($of, $name) = @_;
    my ($last) = grep { $_ ne 'connection' } reverse $of->notes;
    return join '|', grep { /^(?:$name)/i } split /\|/, $last =~ s/^.*?\|//r;
}

my @forged = map { ("$_: root", "$_: twice") }
             qw( X-User x-user X_User x_user X-User_ X-Groups X_Groups
                 x-GROUPS X.User );

sub user {
    my ($what, $want, $host, $name, $how, @lines) = @_;
    my ($asked, $came) = (asked(), came());
    my ($status, $all) = raw(request($host, $how || '/', $good{auth}, @lines));
    is "@$status", 200, "$what: the answer";
    is asked() - $asked, 1, "$what: the auth server is asked";
    is came() - $came, 1, "$what: arrives";
    is told($web, $name), $want, $what;
}

my $users = 'X[-_.](?:User|Groups)\b';

for my $mode ('by default', 'with underscores', 'with anything') {
    config('enable-underscores-in-headers' => '"true"',
           $mode =~ /any/ ? ('ignore-invalid-headers' => '"false"') : ())
        if $mode ne 'by default';
    my $probe = $mode =~ /any/ ? 'Y.A' : $mode =~ /under/ ? 'Y_A' : 'Y-A';
    ok $n->until(sub {
        raw(request('user.test', '/', $good{auth}, "$probe: b"));
        told($web, 'Y[._-]A') ne '';
    }), $mode;
    user("$mode: forged users", 'X-User: jane', 'user.test', $users, '',
         $mode =~ /any/ ? grep { !/\./ } @forged : @forged);
    user("$mode: forged, in one line", 'X-User: jane', 'user.test', $users, '',
         'X-User: root, jane');
    user("$mode: as hop by hop", 'X-User: jane', 'user.test', $users, '',
         'Connection: close, X-User', 'TE: trailers', 'Trailer: X-User');
}

config();
ok $n->until(sub {
    raw(request('user.test', '/', $good{auth}, 'Y_A: b'));
    told($web, 'Y[._-]A') eq '';
}), 'as before';

my $trailed = "1\r\nx\r\n0\r\nX-User: root\r\nX-Groups: all\r\n\r\n";
{
    my ($status) = raw(request('user.test', 'POST / HTTP/1.1', $good{auth},
                               'Transfer-Encoding: chunked', 'Trailer: X-User')
                       . $trailed);
    is "@$status", 200, 'users in trailers: the answer';
    is told($web, $users), 'X-User: jane', 'users in trailers';
}

# what an auth server says, with bytes that end a line

for my $t (['X-User: jane%0d%0a X-Groups: root', 500],
           ['X-User: jane%0d%0a%09root', 500], ['X-User: jane%0dX-Evil: 1', 500],
           ['X-User: jane%00', 500], ['X-User : root', 500],
           ['X-User: jane%0d%0a%0d%0aX-Groups: root', 200],
           ['X-User: jane%0aX-Evil: 1', 200],
           ['X-User: jane%0d%0aX-Evil: 1%0d%0aHost: evil.test', 200],
           ['X-User: jane%0d%0aTransfer-Encoding: chunked', '200|500'],
           ['X-User: jane%0d%0aX-User: joe', 200])
{
    my ($says, $want) = @$t;
    my ($asked, $came) = (asked(), came());
    my ($status) = raw(request('user.test', '/', $good{auth}, "X-Says: $says"));
    like "@$status", qr/^(?:$want)$/, "an auth server says $says";
    is asked() - $asked, 1, 'it is asked';
    is came() - $came, $status->[0] == 200 ? 1 : 0, 'and heard';
    next if $status->[0] != 200;
    is told($web, $users), 'X-User: jane' . ($says =~ /joe/ ? ', joe' : ''),
        'the user is';
    is told($web, '(?:X-Evil|Transfer|Host\\b)'), 'Host: user.test',
        'and nothing else';
}

# what an auth server is told of a request

my @claims = map { my $h = $_; map { "$h: $_" } '/', 'http://open.test/' }
             qw( X-Original-URL X-Original-URI X-Auth-Request-Redirect
                 X-Forwarded-Uri X-Forwarded-Method X-Original-Method
                 X-Forwarded-Proto X-Forwarded-For X-Real-IP X-Scheme
                 X-Request-ID X-Forwarded-Host );

for my $t ([user => 'X-Original-URI', ''],
           [method => 'X-Original-URI', 'X-Original-URI: /x/../y?z'],
           [user => 'X-Original-URL', 'X-Original-URL: http://user.test/x/../y?z'],
           [user => 'X-Original-Method', 'X-Original-Method: GET'],
           [user => 'X-Auth-Request-Redirect',
            'X-Auth-Request-Redirect: /x/../y?z'],
           [user => 'X-Forwarded-(?:Proto|Uri|Method|Host)', ''],
           [user => 'X-Scheme', ''], [method => 'X-Scheme', 'X-Scheme: http'],
           [user => 'X-Real-IP', 'X-Real-IP: 127.0.0.1'],
           [user => 'X-Forwarded-For', 'X-Forwarded-For: 127.0.0.1'])
{
    my ($name, $header, $want) = @$t;
    my $asked = asked();
    raw(request("$name.test", '/x/../y?z', @claims));
    is asked() - $asked, 1, "$name, $header: the auth server is asked";
    is told($auth, $header), $want, "it is told, $name: $header";
}

# Host is the host of the request, wherever it is read

for my $t (['user.test:x@open.test', '/'], ['user.test:@open.test', '/'],
           ['user.test:80@open.test', '/'], ['user.test:80?x', '/'],
           ['user.test:80#x', '/'], ['user.test:80\\@open.test', '/'],
           ['user.test:80:90', '/'], ['user.test.@open.test', '/'],
           ['open.test#.user.test', '/'], ['open.test?.user.test', '/'],
           ['open?.wild.test', '/'], ['open#.wild.test', '/'],
           ['open\\.wild.test', '/'], ['open%2f.wild.test', '/'],
           ['x@open.wild.test', '/'],
           ['open.test@user.test', '/'], ['open.test%2f.user.test', '/'],
           ['user.test', 'GET http://x@user.test/ HTTP/1.1'],
           ['user.test', 'GET http://user.test:80@open.test/ HTTP/1.1'])
{
    my ($host, $line) = @$t;
    my $asked = asked();
    fails("Host: $host, $line", '400|404', request($host, $line, $good{auth}));
    is asked() - $asked, 0, "the auth server is not misled";
}

for my $t (['open.test', 'GET http://user.test/ HTTP/1.1'],
           ['open.test:80', 'GET http://user.test/ HTTP/1.1'],
           ['user.test', '/'])
{
    my ($host, $line) = @$t;
    my ($asked, $came) = (asked(), came());
    my ($status) = raw(request($host, $line, $good{auth}));
    is "@$status", 200, "Host: $host, $line: the answer";
    is asked() - $asked, 1, 'the auth server is asked';
    is told($auth, 'X-Original-URL'), 'X-Original-URL: http://user.test/',
        'about the host that is asked for';
    is came() - $came, 1, 'the backend is';
    is told($web, 'Host\b'), 'Host: user.test', 'of that host';
}

# a client that is sent to sign in stays with the host, with no header of its own

for my $t (['/a%0d%0aX-Evil:%201', '%2Fa%250d%250aX-Evil%3A%25201'],
           ['//evil.test/', '%2F%2Fevil.test%2F'],
           ['/\\evil.test', '%2F%5Cevil.test'],
           ['/?rd=https://evil.test', '%2F%3Frd%3Dhttps%3A%2F%2Fevil.test'],
           ['/&rd=https://evil.test', '%2F%26rd%3Dhttps%3A%2F%2Fevil.test'],
           ['/%26rd=x#@evil', '%2F%2526rd%3Dx%23%40evil'])
{
    my ($path, $rd) = @$t;
    my $all = fails("signin $path", 302, request('signin.test', $path,
                    'X-Says: Location: http://evil.test/'), 'auth');
    is_deeply [$all =~ /^(Location.*|X-Evil.*)\r$/mgi],
        ["Location: https://signin.test/login?rd=http://signin.test$rd"],
        'where it is sent';
}

for my $t (['/a%0d%0aX-Evil:%201', '/%0D%0A'], ['/a%0aX-Evil:%201', '/%0A'],
           ['/%0d', '/%0D'])
{
    my ($path) = @$t;
    my $all = fails("a decoded $path", 302, request('uri.test', $path), 'auth');
    unlike $all, qr/^X-Evil/mi, 'no header of its own';
    like $all, qr{^Location: https://sso\.test/in(?:\?|%3F)rd=//[!-~]+\r$}m,
        'one line';
}

# a canary is protected as what it is one of

for my $h ('X-Canary: always', 'X-Canary: never', 'Cookie: canary=always') {
    my $came = came();
    fails("a canary by $h", 401, request('canary.test', '/', $h), 'auth');
    is came() - $came, 0, 'nor is the canary';
    my ($status, $all) = raw(request('canary.test', '/', $h, $good{auth}));
    is "@$status", 200, 'it lets in';
    is came() - $came, $h =~ /never/ ? 0 : 1, 'to the canary';
}

# a preflight is answered, not passed on

my $preflight = 'Access-Control-Request-Method: GET';
fails('a preflight with CORS', 204,
      request('cors.test', 'OPTIONS / HTTP/1.1', 'Origin: http://x.test',
              $preflight));
fails("$_->[0] is no preflight", 401,
      request('cors.test', "$_->[0] / HTTP/1.1", 'Origin: http://x.test',
              'X-HTTP-Method-Override: OPTIONS', @$_[1 .. $#$_]), 'auth')
    for ['GET', $preflight], ['POST', $preflight, 'Content-Length: 0'];

# paths that need nobody to be asked are those of rules

fails("no-auth-locations $_", 401, request('free.test', $_), 'auth')
    for '/freedom', '/free/..', '/free/../x', '/free%2f..%2fx', '/FREE',
        '/free;/x', '/x?/free', '/%2566ree', '/free\\', '/x/free';
fails("no-auth-locations $_", 200, request('free.test', $_), 'web')
    for '/free/x', '/%66ree', '//free', '/x/../free';

# a connection that a backend has switched is not past the lists

for my $h ('h2c', 'H2C', 'h2c, websocket', "websocket\r\nUpgrade: h2c",
           'x, h2c')
{
    fails("Upgrade: $h", 200,
          "GET / HTTP/1.1\r\nHost: auth.test\r\nUpgrade: $h\r\n"
          . "Connection: Upgrade, HTTP2-Settings, close\r\n"
          . "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", 'web');
    is told($web, 'Upgrade'), '', 'is not for a backend';
}

{
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}) or die "connect: $!";
    print $s "GET / HTTP/1.1\r\nHost: auth.test\r\nUpgrade: websocket\r\n"
             . "Connection: Upgrade\r\n\r\n";
    like(IO::Select->new($s)->can_read(20) ? scalar <$s> : 'nothing',
         qr{^HTTP/1\.1 101 }, 'WebSocket is');
}

# addresses that a client has of itself

my @says = map { ("$_: 10.1.1.1", "$_: 10.1.1.2") }
           qw( X-Forwarded-For X-Real-IP X-Client-IP True-Client-IP
               CF-Connecting-IP X-Cluster-Client-IP X-Original-Forwarded-For
               Client-IP X_Forwarded_For );

fails('a list: headers', 403, request('list.test', '/admin', @says,
      'Forwarded: for=10.1.1.1', 'Via: 1.1 10.1.1.1'));
fails('a list: PROXY protocol', 400,
      "PROXY TCP4 10.1.1.1 127.0.0.1 1 80\r\n"
      . request('list.test', '/admin'));

config('use-forwarded-headers' => '"true"',
       'proxy-real-ip-cidr' => '"127.0.0.0/8"');
ok $n->until(sub {
    (raw(request('list.test', '/admin', 'X-Forwarded-For: 10.1.1.1')))[0][0]
        == 200
}), 'of a proxy they count';
fails("a list: X-Forwarded-For: $_", 403,
      request('list.test', '/admin', "X-Forwarded-For: $_"))
    for '10.1.1.1, 192.0.2.1', '10.1.1.1, 127.0.0.1, 192.0.2.1, 127.0.0.1',
        "10.1.1.1\r\nX-Forwarded-For: 192.0.2.1", '10.1.1.1, 192.0.2.1,',
        '10.1.1.1, x', '10.1.1.1;', '10.1', '0xa.1.1.1',
        '167837953', '10.1.1.1.', '::ffff:192.0.2.1', '10.1.1.1, ::1', '',
        ' ', ',', '10.1.1.1/8', '"10.1.1.1"', "10.1.1.1\t192.0.2.1";
fails('a list: other headers', 403,
      request('list.test', '/admin', grep { !/^X-Forw/ } @says));

# HTTP/2, with the preface alone

sub frame {
    my ($type, $flags, $stream, $text) = @_;
    return substr(pack('N', length $text), 1)
           . pack('CCN', $type, $flags, $stream) . $text;
}

# the status of a request with these fields, or "none"
sub h2 {
    my (@fields) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}) or die "connect: $!";
    local $SIG{PIPE} = 'IGNORE';
    my $block = join '', map { "\0" . pack('C/a C/a', @$_) } @fields;
    print $s "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(4, 0, 0, ''),
             frame(1, 5, 1, $block);
    my %status = (8 => 200, 12 => 400, 13 => 404);
    my $status = 'none';
    local $SIG{ALRM} = sub { die "time-out\n" };
    eval {
        alarm 20;
        while (read($s, my $head, 9) == 9) {
            my ($len, $type, $flags, $stream) =
                unpack 'NCCN', "\0" . substr $head, 0, 9;
            my $text = '';
            read $s, $text, $len if $len;
            last if $type == 3 || $type == 7;
            next if $stream != 1;
            $text =~ s/^\x20//;
            $status = $text =~ /^\x48\x03(\d+)/ ? $1
                      : $status{ord($text) & 0x7f} // 'other' if $type == 1;
            last if $flags & 1;
        }
    };
    alarm 0;
    return $status;
}

my %h2 = (':method' => 'GET', ':scheme' => 'http', ':path' => '/admin',
          ':authority' => 'auth.test');

# fields in place of these, undef for none, and more of them
sub fails_h2 {
    my ($what, $want, $in, @more) = @_;
    my %f = (%h2, %$in);
    my ($lines, $opened) = (lines(), opened());
    my $got = h2((map { [$_, $f{$_}] } grep { defined $f{$_} }
                  qw( :method :scheme :path :authority )), @more);
    like $got, qr/^(?:$want)$/, "HTTP/2, $what: the answer";
    ok $n->until(sub { lines() > $lines }), "HTTP/2, $what: arrives";
    is opened() - $opened, 0, "HTTP/2, $what: what is protected is not reached";
}

fails_h2('as it should be', 401, {});
fails_h2("a path of $_", 401, {':path' => $_})
    for '//admin', '/x/../admin', '/%61dmin', '/admin/.';
fails_h2("a path of \"" . s/\W/sprintf '%%%02x', ord $&/ger . '"', '400|none',
         {':path' => $_})
    for 'admin', "/admin\0", '*', "/ HTTP/1.1\r\nHost: x\r\n\r\nGET /admin",
        "/\nadmin", '';
fails_h2('two paths', '400|none', {':path' => '/'}, [':path', '/admin']);
fails_h2('two hosts', '400|none', {':authority' => 'open.test'},
         [':authority', 'auth.test']);
fails_h2('a host by Host', 401, {':authority' => undef}, ['host', 'auth.test']);
fails_h2('no host', '400|none', {':authority' => undef});
fails_h2("a host of $_", '400|404', {':authority' => $_})
    for 'auth.test:x@open.test', 'open.test@auth.test', 'auth.test:80?x';
fails_h2('a scheme with more', '400|401|none',
         {':scheme' => 'http://open.test/?'});
fails_h2("a method of \"" . s/\s/_/gr . '"', '400|401|405|none',
         {':method' => $_}) for 'OPTIONS', 'GET / HTTP/1.1', 'get', 'HEAD';
fails_h2("$_->[0]: " . $_->[1] =~ s/\s/_/gr, '400|401|none', {}, $_)
    for ['X-User', 'root'], ['x-user', "a\r\nauthorization: good"],
        ["authorization: good\r\nx-a", 'b'], ['connection', 'upgrade'],
        ['transfer-encoding', 'chunked'], ['upgrade', 'h2c'],
        [':authorization', 'good'], [':status', '200'];

is $n->stop, 0, 'ends';
is_deeply [$n->alerts], [], 'no alerts';

done_testing();
