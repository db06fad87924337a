# Mirrors: what their target gets, and that one that hangs, refuses, is gone or
# is nowhere to be found costs a client nothing.

use strict;
use warnings;

use lib 't/lib';
use IO::Socket::INET;
use K8s::Backend;
use K8s::DNS;
use K8s::Nginx;
use Test::More;

my ($tls, $admin) = map { K8s::Objects::free_port() } 1 .. 2;
my $dead = K8s::Objects::dead_port();
my $dns = K8s::DNS->start;
$dns->zone('target.test' => '5 A 127.0.0.1', 'silent.test' => 'SILENT',
           'inner.test' => '5 A 169.254.1.1', 'late.test' => 'LATE 1 A 127.0.0.1');

# notes what it gets, and does as the path says
my $target = K8s::Backend->start(sub {
    my ($b, $c) = @_;
    my $r = $b->request($c) or return;
    my ($how) = $r->{uri} =~ m{^/(\w*)};
    my $headers = join '|', map { "$_=$r->{headers}{$_}" }
                            sort keys %{$r->{headers}};
    $b->note("$r->{method} $r->{uri} $headers " . length($r->{body}) . ' '
             . substr $r->{body}, 0, 20);
    return if $how eq 'gone';
    return $b->reset($c) if $how eq 'reset';
    sleep 60 if $how eq 'hang';
    if ($how eq 'endless') {
        local $SIG{PIPE} = 'DEFAULT';
        print $c "HTTP/1.1 200 X\r\n\r\n";
        print $c 'x' x 65536 while 1;
    }
    $b->answer($c, 500, 'wrong');
});

# accepts nothing: the kernel does, until its queue is full
my $deaf = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
                                 Proto => 'tcp') or die "listen: $!";

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    server => "listen 127.0.0.1:$tls ssl; http2 on; k8s_ingress_pass;",
    http => 'resolver 127.0.0.1:' . $dns->port . '; resolver_timeout 5s; '
            . 'access_log %%ROOT%%/logs/al.log k8s_ingress; '
            . "server { listen 127.0.0.1:$admin; access_log off; "
            . 'k8s_ingress_admin; }',
    main => 'worker_processes 1;');

$n->backend('a', <<'EOC');
client_max_body_size 100m;
location / { return 200 "own $request_uri\n"; }
location /echo { proxy_pass http://127.0.0.1:%%PORT_b%%; }
EOC
$n->backend('b', <<'EOC');
client_max_body_size 100m;
location / { return 200 "echo $content_length\n"; }
EOC

my $at = '127.0.0.1:' . $target->port;

$n->services("default/a:80 a\n");
$n->annotated('plain', "mirror-target: http://$at/copy\$request_uri");
$n->annotated('bare', "mirror-target: http://$at");
$n->annotated('joined', "mirror-target: http://$at\$request_uri");
$n->annotated('spaced', "mirror-target: http://$at/u\$uri");
$n->annotated('named', 'mirror-target: http://target.test:' . $target->port
                       . '/named', 'mirror-host: $host.copy.test');
$n->annotated('nobody', "mirror-target: http://$at/nobody",
              'mirror-request-body: "off"', 'proxy-request-buffering: "off"');
$n->annotated('stream', "mirror-target: http://$at/stream",
              'proxy-request-buffering: "off"', 'proxy-body-size: 10m');
$n->annotated('secure', "mirror-target: https://127.0.0.1:$tls/secure",
              'mirror-host: other.test');
$n->annotated('other');
for my $how (qw( hang gone reset endless )) {
    $n->annotated($how, "mirror-target: http://$at/$how");
}
$n->annotated('dead', "mirror-target: http://127.0.0.1:$dead/");
$n->annotated('deaf', 'mirror-target: http://127.0.0.1:' . $deaf->sockport . '/');
$n->annotated('nowhere', 'mirror-target: http://nowhere.test/');
$n->annotated('silent', 'mirror-target: http://silent.test/');
$n->annotated('late', 'mirror-target: http://late.test:' . $target->port . '/late');
$n->annotated('linklocal', 'mirror-target: http://169.254.169.254/latest');
$n->annotated('inner', 'mirror-target: http://inner.test:' . $target->port . '/');
$n->annotated('variable', 'mirror-target: http://$http_x_at/variable');
$n->annotated('unknown', "mirror-target: http://$at/\$no_such_thing");
$n->annotated('bad', 'mirror-target: ftp://host/');
$n->annotated('listed', "mirror-target: http://$at/listed",
              'allowlist-source-range: 10.0.0.0/8');
$n->annotated('loop', "mirror-target: http://127.0.0.1:$n->{port}/loop",
              'mirror-host: loop.test');
$n->config_map('system/own');
$n->start;
ok $n->wait_for('other.test', '/', 200), 'it is served' or die $n->log;

my %seen;

# what the target has got since the last time, once there is so much
sub got {
    my ($count, $seconds) = @_;
    my @all;
    $n->until(sub {
        @all = grep { !/^connection/ } $target->notes;
        @all >= ($seen{got} // 0) + $count;
    }, $seconds // 20);
    my @new = @all[($seen{got} // 0) .. $#all];
    $seen{got} = @all;
    return @new;
}

# whether the target gets such a one, or has
sub noted {
    my ($re) = @_;
    return $n->until(sub { scalar grep { $_ =~ $re } $target->notes }, 20);
}

sub send_all {
    my ($text) = @_;
    my $s = K8s::Objects::client($n->{port});
    local $SIG{PIPE} = 'IGNORE';
    print $s $text;
    local $/;
    return <$s> // '';
}

sub get {
    my ($host, $path, @lines) = @_;
    return join ' ', ($n->get("$host.test", $path, @lines))[0, 1];
}

is get('plain', '/x?y=1', 'X-Some: thing', 'X-Forwarded-For: 9.9.9.9'),
   "200 own /x?y=1\n", 'the client has the answer of the backend';
my ($line) = got(1);
like $line, qr{^GET /copy/x\?y=1 }, 'the target has the request';
like $line, qr{\bhost=127\.0\.0\.1\|}, 'Host is that of the URL';
like $line, qr{\bx-some=thing\b}, 'with headers of the client';
like $line, qr{\bconnection=close\b}, 'and an end of the connection';
unlike $line, qr{content-length|transfer-encoding}, 'without a body';

get('bare', '/x?y=1');
like +(got(1))[0], qr{^GET /x\?y=1 }, 'a URL without a path';
get('joined', '/j?z');
like +(got(1))[0], qr{^GET /j\?z }, 'a path that is a variable';
get('spaced', '/a%20b%0d%0aX:y');
like +(got(1))[0], qr{^GET /u/a%20b%0D%0AX:y connection}, 'a path is escaped';
get('named', '/');
like +(got(1))[0], qr{^GET /named .*\bhost=named\.test\.copy\.test\|},
     'a name, and mirror-host';

my $post = "POST /p HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n";
like send_all("${post}Content-Length: 5\r\n\r\nhello"), qr{^HTTP/1.1 200}, 'a POST';
like +(got(1))[0], qr{^POST /copy/p .*content-length=5.* 5 hello$}, 'with its body';
my $body = join '', map { sprintf "%09d\n", $_ } 1 .. 50_000;
like send_all("${post}Content-Length: " . length($body) . "\r\n\r\n$body"),
     qr{^HTTP/1.1 200}, 'a large one';
like +(got(1))[0], qr{content-length=500000\|.* 500000 000000001}, 'with all of it';
like send_all("${post}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
     qr{^HTTP/1.1 200}, 'a chunked one';
$line = (got(1))[0];
like $line, qr{content-length=5\|.* 5 hello$}, 'has a length';
unlike $line, qr{transfer-encoding}, 'and no encoding';
like send_all($post =~ s/plain/nobody/r . "Content-Length: 5\r\n\r\nhello"),
     qr{^HTTP/1.1 200}, 'mirror-request-body "off"';
$line = (got(1))[0];
like $line, qr{^POST /nobody .* 0 $}, 'without the body';
unlike $line, qr{content-length}, 'nor its length';
like send_all($post =~ s/plain/stream/r . "Content-Length: " . length($body)
              . "\r\n\r\n$body"), qr{^HTTP/1.1 200}, 'proxy-request-buffering "off"';
like +(got(1))[0], qr{ 500000 000000001}, 'sends the body all the same';

get('secure', '/');
ok $n->until(sub { $n->slurp('logs/al.log') =~ m{"GET /secure HTTP/1.1" 200} }),
   'by TLS';

get('plain', '/c', 'ssl-client-verify: SUCCESS', 'Upgrade: x', 'TE: trailers');
unlike +(got(1))[0], qr{ssl-client|upgrade|\bte=}, 'headers that are not passed on';

# it costs nothing

for my $how (qw( hang gone reset endless dead deaf nowhere silent late linklocal
                 inner unknown bad )) {
    my $s = K8s::Objects::client($n->{port});
    my $text = "GET /1 HTTP/1.1\r\nHost: $how.test\r\n\r\n"
               . "GET /2 HTTP/1.1\r\nHost: $how.test\r\nConnection: close\r\n\r\n";
    print $s $text;
    local $/;
    my $all = <$s> // '';
    my @own = $all =~ m{^own (/\d)$}mg;
    is "@own", '/1 /2', "$how: both requests of a connection are answered";
}

ok $n->until(sub { $n->logged(qr/was not mirrored: /) }), 'it is logged';
get('variable', '/', 'X-At: 169.254.169.254');
get('variable', '/', "X-At: $at");
ok noted(qr{^GET /variable }), 'a host that is a variable';
ok $n->until(sub { $n->logged(qr/link-local, multicast or unspecified/)
                   || do { get('linklocal', '/'); 0 } }),
   'a link-local address is refused';
ok $n->until(sub { $n->logged(qr/no other address than/)
                   || do { get('inner', '/'); 0 } }), 'by name, too';

is +($n->get('listed.test', '/'))[0], 403, 'one that is not let through';
get('plain', '/after');
ok noted(qr{^GET /copy/after }), 'another one';
ok !grep(m{/listed}, $target->notes), 'who is not let through is not mirrored';

get('loop', '/');
ok $n->until(sub { $n->slurp('logs/al.log') =~ m{"GET /loop HTTP/1.1" 200} }),
   'a target that is the Ingress itself';
get('other', '/end-of-loop');
ok $n->until(sub { $n->slurp('logs/al.log') =~ m{/end-of-loop} }), 'is asked';
my $loops = () = $n->slurp('logs/al.log') =~ m{"GET /loop HTTP/1.1"}g;
is $loops, 1, 'once';

sub status { (K8s::Objects::http_get($admin, 'x', '/status?problems=1'))[1] // '' }
like status(), qr/mirror-target[^}]*there is no variable \\"no_such_thing\\"/,
     'an unknown variable is a problem';
like status(), qr/mirror-target[^}]*ftp:/, 'a bad URL as well';

# more than a worker has in flight

my $had = grep /^connection/, $target->notes;
my $served = 0;
for my $round (1 .. 20) {
    my $s = K8s::Objects::client($n->{port});
    my $text = "GET /m HTTP/1.1\r\nHost: hang.test\r\n" x 1;
    print $s "$text\r\n" x 14, "${text}Connection: close\r\n\r\n";
    local $/;
    $served += () = (<$s> // '') =~ m{^own /m$}mg;
}
is $served, 300, 'all are served while the target hangs';
ok $n->until(sub {
    get('hang', '/');
    $n->logged(qr/too many mirrored ones/);
}), 'what is too much is not mirrored';
my $more = grep(/^connection/, $target->notes) - $had;
cmp_ok $more, '<=', 128, 'an eighth of the connections at most';
cmp_ok $more, '>', 50, 'but many';

# the target comes back

$target->stop;
ok $n->until(sub {
    my ($body) = (K8s::Objects::http_get($admin, 'x', '/metrics'))[1];
    get('plain', '/');
    1;
}), 'a target that dies';
is get('plain', '/last'), "200 own /last\n", 'costs nothing either';

is_deeply [$n->alerts], [], 'no alerts';
is $n->stop, 0, 'it ends';
is_deeply [$n->alerts], [], 'without alerts';

done_testing();
