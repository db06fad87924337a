# Requests to backends, by request_builder and by nginx's proxy module: the
# same bytes.  Two blocks read one folder, one of them with the builder off; the
# same request goes to both, on two addresses with one port, and a backend
# records what it gets.  Ids that are made are the only difference.

use strict;
use warnings;

use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use K8s::Backend;
use K8s::Nginx;
use Test::More;

my $admin = K8s::Objects::free_port();

# records a request with its body, and answers with the number of its record
my $web = K8s::Backend->start(sub {
    my ($b, $c) = @_;
    while (my $r = $b->request($c)) {
        $b->note(($r->{raw} . $r->{body}) =~ s/([^ -~]|%)/sprintf '%%%02x',
                                               ord $1/ger);
        my ($code) = $r->{uri} =~ /status=(\d+)/;
        $b->answer($c, $code // 200, "ok\n");
    }
});

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    main => 'worker_processes 1;',
    server => 'http2 on; k8s_ingress_pass;'
              . 'add_header X-Built $k8s_request_builder always;',
    http => <<EOC);
    k8s_ingress other {
        source manifests %%DIR%%; zone 8m; config_map system/own;
        request_builder off;
    }
    large_client_header_buffers 8 64k;
    server {
        listen 127.0.0.2:%%PORT%%;
        http2 on;
        k8s_ingress_pass other;
        add_header X-Built \$k8s_request_builder always;
    }
    server { listen 127.0.0.1:$admin; k8s_ingress_admin; }
EOC

$n->{ports}{web} = $web->port;
$n->services('default/a:80 web');
delete @{$n->{ports}}{qw( web )};

my %host = (
    plain => [],
    rewrite => ['use-regex: "true"', 'rewrite-target: /new/$1/$2'],
    vhost => ['upstream-vhost: other.test'],
    prefix => ['use-regex: "true"', 'rewrite-target: /$1',
               'x-forwarded-prefix: /p'],
    connection => ['connection-proxy-header: keep-alive'],
    stream => ['proxy-request-buffering: "off"'],
    old => ['proxy-http-version: "1.0"'],
    errors => ['custom-http-errors: "418"', 'default-backend: a'],
    snippet => ['configuration-snippet: |-' . "\n"
                . '      proxy_set_header X-One "a $host b";' . "\n"
                . '      proxy_set_header X-Two $http_x_two;' . "\n"
                . '      proxy_set_header Accept "";'],
);

sub config {
    $n->config_map('system/own', 'allow-snippet-annotations' => '"true"',
                   'annotations-risk-level' => 'Critical', @_);
}

config();

for my $name (sort keys %host) {
    my $lines = join '', map { "    nginx.ingress.kubernetes.io/$_\n" }
                         @{$host{$name}};
    my $path = $name =~ /rewrite|prefix/ ? '/(a)/?(.*)' : '/';
    my $object = K8s::Objects::ingresses("default/$name $name.test $path a:80"
        . ($path eq '/' ? '' : ' ImplementationSpecific'));
    $object =~ s/^(  annotations:\n)/$1$lines/m or die "no place in $object";
    $n->manifest("$name.yaml", $object);
}

$n->start;

# the answer to a request on one connection
sub ask {
    my ($address, $text, @more) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => $address,
                                  PeerPort => $n->{port}) or die "connect: $!";
    local $SIG{PIPE} = 'IGNORE';
    syswrite $s, $text;

    # what comes later is sent when what was before has been read
    for my $part (@more) {
        IO::Select->new($s)->can_read(0.05);
        syswrite $s, $part;
    }

    my $all = '';
    while (IO::Select->new($s)->can_read(20)) {
        sysread $s, $all, 65536, length $all or last;
        last if $all =~ /ok\n/ || $all =~ /^HTTP\S+ (?!100)\d\d\d.*?\r\n\r\n/s
                                  && $text =~ /^HEAD/;
    }
    return $all;
}

# what the backend got for it
sub got {
    my $before = grep { $_ ne 'connection' } $web->notes;
    my $answer = ask(@_);
    my @all = grep { $_ ne 'connection' } $web->notes;
    return ($answer, join "\n", @all[$before .. $#all]);
}

my $differs = 0;

# by: what the builder says of itself
sub same {
    my ($name, $by, @request) = @_;
    my ($answer, $mine) = got('127.0.0.1', @request);
    my ($other, $nginx) = got('127.0.0.2', @request);

    my ($built) = $answer =~ /^X-Built: (\S+)/mi;
    is($built // '', $by, "$name: by \"$by\"");
    my ($left) = $other =~ /^X-Built: (\S+)/mi;
    is($left // '', 'profile', "$name: off leaves it to nginx")
        if $by ne '' && $other =~ /^X-Built/mi;

    ok($mine ne '', "$name: it arrives");
    s/(%0aX-Request-ID: )[0-9a-f]{32}%/$1ID%/gi for $mine, $nginx;
    is($mine, $nginx, "$name: the same bytes") or $differs++;
}

sub request {
    my ($host, $line, @headers) = @_;
    my $body = @headers && ref $headers[-1] ? ${pop @headers} : '';
    return join("\r\n", "$line HTTP/1.1", "Host: $host.test", @headers, '', '')
           . $body;
}

for my $h (sort keys %host) {
    $n->wait_for("$h.test", '/a', 200);
    $n->until(sub { ask('127.0.0.2', request($h, 'GET /a')) =~ /^HTTP\S+ 200/ });
}

# methods, URIs, and what is set
same('plain', 'on', request('plain', 'GET /'));
same('no path but a query', 'on', request('plain', 'GET /?a=b'));
same('methods', 'on', request('plain', "$_ /m")) for 'PUT', 'DELETE', 'OPTIONS';
same('PATCH', 'on', request('plain', 'PATCH /m', 'Content-Length: 0'));
same('HEAD', 'head', request('plain', 'HEAD /'));
same('encoded', 'on', request('plain', 'GET /a%2fb%20c/../d?x=%41&y=/..'));
same('double slashes', 'on', request('plain', 'GET //a///b/./c'));
same('absolute URI', 'on', request('plain', 'GET http://plain.test/abs?q'));
same('HTTP/1.0', 'on', "GET /old HTTP/1.0\r\nHost: plain.test\r\n\r\n");
same('HTTP/1.0 kept', 'on', "GET /old HTTP/1.0\r\nHost: plain.test\r\n"
                            . "Connection: keep-alive\r\n\r\n");
same('a long URI', 'on', request('plain', 'GET /' . 'x' x 6000));

# headers: each that is set or hidden, once and twice, in any case, empty
for my $name (qw( X-Request-ID X-Real-IP X-Forwarded-For X-Forwarded-Host
                  X-Forwarded-Port X-Forwarded-Proto X-Forwarded-Scheme X-Scheme
                  X-Original-Forwarded-For X-Original-Forwarded-Host Proxy
                  Connection Keep-Alive TE Expect Upgrade Accept User-Agent
                  Cookie Referer Authorization X-Forwarded-Prefix X-Other ))
{
    next if $name eq 'Expect';    # with bodies
    my $v = $name eq 'TE' ? 'trailers' : $name eq 'Connection' ? 'close' : 'v';
    same("$name", 'on', request('plain', 'GET /h', "$name: $v"));
    same("$name twice", 'on',
         request('plain', 'GET /h', "$name: $v", "A: b", lc $name . ": $v"))
        unless $name eq 'Authorization';
    same("$name empty", 'on', request('plain', 'GET /h', "$name:"));
}

same('an upgrade', 'on', request('plain', 'GET /up', 'Connection: upgrade',
                                 'Upgrade: foo'));
same('names like it', 'on', request('plain', 'GET /', 'X-Request-IDs: 1',
                                    'X-Request-I: 2', 'Hos: 3', 'X: 4'));
same('a name with a dot, one with an underscore', 'on',
     request('plain', 'GET /', 'a.b: 1', 'a_b: 2', 'x_real_ip: 3'));
for my $count (5, 31, 32, 33, 63, 64, 65, 90) {
    same("$count headers", 'on', request('plain', 'GET /',
         'Accept: a', (map { "X-$_: $_" } 2 .. $count), 'TE: trailers'));
}
same('values with colons and bytes over 127', 'on',
     request('plain', 'GET /', "X-A: a: b:c", "X-B: \xc3\xa9"));
same('a long header', 'on', request('plain', 'GET /', 'X-L: ' . 'l' x 30000));

# bodies
same('a body', 'on', request('plain', 'POST /b', 'Content-Length: 5',
                             \'hello'));
same('an empty body', 'on', request('plain', 'POST /b', 'Content-Length: 0'));
same('a large body', 'on', request('plain', 'POST /b',
     'Content-Length: 300000', \('b' x 300_000)));
same('chunks', 'on', request('plain', 'POST /b', 'Transfer-Encoding: chunked',
     \"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"));
same('no chunks', 'on', request('plain', 'POST /b',
     'Transfer-Encoding: chunked', \"0\r\n\r\n"));
same('a late body', 'on', request('plain', 'POST /b', 'Content-Length: 6'),
     'abc', 'def');
same('late chunks', 'on', request('plain', 'POST /b',
     'Transfer-Encoding: chunked'), "3\r\nabc\r\n", "0\r\n\r\n");
same('Expect', 'on', request('plain', 'PUT /b', 'Content-Length: 6',
     'Expect: 100-continue'), 'abcdef');
same('a GET with a body', 'on', request('plain', 'GET /b', 'Content-Length: 2',
                                        \'xy'));

# policies
same("$_", 'on', request($_, 'GET /a/b%20c?d=e')) for 'vhost', 'connection';
same("$_", 'on', request($_, 'GET /a/b%20c%3f?d=e')) for 'rewrite', 'prefix';
same("$_ with quotes", 'on', request($_, 'GET /a/%22%c3%a9%25;x')) for
    'rewrite', 'prefix';
same('snippet', 'on', request('snippet', 'GET /a', 'X-Two: 2', 'Accept: x',
                              'X-One: 1'));
same('snippet, empty', 'on', request('snippet', 'GET /a'));
same('unbuffered', 'on', request('stream', 'GET /a'));
same('unbuffered, a body', 'body', request('stream', 'POST /a',
     'Content-Length: 3', \'abc'));
same('unbuffered, chunks', 'body', request('stream', 'POST /a',
     'Transfer-Encoding: chunked', \"3\r\nabc\r\n0\r\n\r\n"));
same('HTTP/1.0 to the backend', 'profile', request('old', 'GET /a'));
same('a page of an error', 'on', request('errors', 'GET /a?status=418'));

# a ConfigMap that takes other values, for all routes
config('use-forwarded-headers' => '"true"',
       'compute-full-forwarded-for' => '"true"',
       'forwarded-for-header' => 'X-Came-From',
       'proxy-add-original-uri-header' => '"true"',
       'upstream-keepalive-connections' => '"0"');

$n->until(sub {
    my (undef, $got) = got('127.0.0.1', request('plain', 'GET /a'));
    my (undef, $too) = got('127.0.0.2', request('plain', 'GET /a'));
    return $got =~ /X-Original-URI/ && $too =~ /X-Original-URI/;
}) or fail('the ConfigMap is not in force');

same('keys', 'on', request('plain', 'GET /k'));
same('keys, forwarded', 'on', request('plain', 'GET /k?x=1',
     'X-Came-From: 1.2.3.4, 5.6.7.8', 'X-Forwarded-For: 9.9.9.9',
     'X-Forwarded-Proto: https', 'X-Forwarded-Host: else.test',
     'X-Forwarded-Port: 8443'));
same('keys, rewritten', 'on', request('rewrite', 'GET /a/z'));

is($differs, 0, 'no request differs');
unlike($n->log, qr/\[(?:alert|emerg|crit)\]/, 'no alert');

$n->stop;

done_testing();
