# Requests that are not meant well: T-F3, T-F5, T-F8, T-F11, HTTP/2.

use strict;
use warnings;

use lib 't/lib';
use IO::Socket::INET;
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new(
    server => 'listen 127.0.0.1:%%PORT_tls%% ssl; http2 on;'
              . ' k8s_ingress_pass;');
$n->backend('web', 'location / { return 200 "web $request_uri\n"; }');
$n->backend('host', 'location / { return 200 "$http_host"; }');
$n->backend('admin', 'location / { return 200 "admin $request_uri\n"; }');
$n->port_of('tls');
my $tls = delete $n->{ports}{tls};
$n->{server} =~ s/%%PORT_tls%%/$tls/;

$n->services("t/web:80 web\nt/admin:80 admin\nt/host:80 host\n");
$n->ingresses("t/web a.example / web:80\nt/admin a.example /admin admin:80\n"
              . "t/host a.example /host host:80\n");
$n->start;
ok $n->wait_for('a.example', '/', 200), 'routed';
ok $n->wait_for('a.example', '/admin', 200), 'routed';

sub raw {
    my ($text) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}) or die $!;
    local $SIG{PIPE} = 'IGNORE';
    print $s $text;
    local $SIG{ALRM} = sub { die };
    my $a = '';
    eval {
        alarm 5;
        while (sysread $s, my $buf, 65536) {
            $a .= $buf;
            last if $a =~ m{</html>\r\n$};    # it may linger for the body
        }
    };
    alarm 0;
    my ($status) = $a =~ m{^HTTP/1\.1 (\d+)};
    my ($body) = $a =~ /\r\n\r\n(.*)$/s;
    return ($status // 0, $body // '', $a);
}

sub get {
    my ($path, @headers) = @_;
    return raw(join "\r\n", "GET $path HTTP/1.1", 'Host: a.example',
               'Connection: close', @headers, '', '');
}

# one HTTP/2 request without TLS: "STATUS BODY", 0 when there is no answer
sub h2 {
    my ($authority, $host) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}) or die $!;
    my $frame = sub {
        my ($type, $flags, $stream, $text) = @_;
        return substr(pack('N', length $text), 1)
               . pack('CCN', $type, $flags, $stream) . $text;
    };
    my $block = "\x82\x86" . "\x04" . pack('C/a', '/host')
                . "\x01" . pack('C/a', $authority);
    $block .= "\x00" . pack('C/a', 'host') . pack('C/a', $host)
        if defined $host;
    print $s "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . $frame->(4, 0, 0, '')
             . $frame->(1, 5, 1, $block);

    my %status = (8 => 200, 12 => 400, 13 => 404);
    my ($status, $body) = (0, '');
    local $SIG{ALRM} = sub { die };
    eval {
        alarm 5;
        while (read($s, my $head, 9) == 9) {
            my ($len, $type, $flags, $stream) =
                unpack 'NCCN', "\0" . substr $head, 0, 9;
            my $text = '';
            read $s, $text, $len if $len;
            next if $stream != 1;
            $text =~ s/^\x20// if $type == 1;
            $status = $status{ord($text) & 0x7f} if $type == 1;
            $body .= $text if $type == 0;
            last if $flags & 1;
        }
    };
    alarm 0;
    return "$status $body";
}

# T-F3: one normalisation for matching, the raw path to the backend

for (['//admin', 'admin'], ['/%61dmin', 'admin'], ['/x/../admin', 'admin'],
     ['/./admin/', 'admin'], ['/%2e%2e/admin', undef], ['/admin%2fx', 'admin'],
     ['/x/%2e%2e/admin', 'admin'], ['/admin%5cx', 'web'],
     ['/admin;/..', 'web'], ['/..;/admin', 'web'], ['/admin%3fx', 'web'],
     ['/ADMIN', 'web'], ['/adminx', 'web'])
{
    my ($path, $who) = @$_;
    my ($status, $body) = get($path);
    if (defined $who) {
        is $body, "$who $path\n", "T-F3 $path";
    } else {
        is $status, 400, "T-F3 $path";
    }
}
is +(get('/admin%00x'))[0], 400, 'T-F3 NUL';

# T-F5: smuggling

for (['CL and TE', "Content-Length: 4\r\nTransfer-Encoding: chunked",
      "0\r\n\r\n"],
     ['two lengths', "Content-Length: 4\r\nContent-Length: 5", 'xxxx'],
     ['TE twice', "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
      "0\r\n\r\n"],
     ['strange TE', 'Transfer-Encoding: xchunked', "0\r\n\r\n"],
     ['blank before colon', 'Content-Length : 4', 'xxxx'],
     ['folded', "X-A: b\r\n c", ''],
     ['negative length', 'Content-Length: -1', ''],
     ['bad chunk', 'Transfer-Encoding: chunked', "zz\r\nx\r\n0\r\n\r\n"])
{
    my ($name, $headers, $body) = @$_;
    my ($status) = raw("POST / HTTP/1.1\r\nHost: a.example\r\n"
                       . "Connection: close\r\n$headers\r\n\r\n$body");
    like $status, qr/^(400|501)$/, "T-F5 $name";
}

# T-F8: Host

for (['missing', '', 400], ['two', "Host: a.example\r\nHost: b.example", 400],
     ['upper case and port', 'Host: A.EXAMPLE:8080', 200],
     ['trailing dot', 'Host: a.example.', 200],
     ['10 KB', 'Host: ' . 'a' x 10240, 400],
     ['300 bytes', 'Host: ' . 'a' x 300, 404],
     # no host of RFC 3986: nginx since 1.29.4
     ['unicode', "Host: \xc3\xa4.example", '400|404'],
     ['slash', 'Host: a.example/x', 400], ['IPv6', 'Host: [::1]:80', 404],
     ['empty', 'Host: ', 400])
{
    my ($name, $host, $status) = @$_;
    like +(raw("GET / HTTP/1.1\r\nConnection: close\r\n"
               . ($host eq '' ? '' : "$host\r\n") . "\r\n"))[0],
         qr/^($status)$/, "T-F8 $name";
}
is +(raw("GET http://a.example/admin HTTP/1.1\r\nHost: b.example\r\n"
         . "Connection: close\r\n\r\n"))[1], "admin /admin\n",
   'T-F8 the host of an absolute URI';

# ":authority" beside Host: nginx refuses the request, or they are the same

for (['b.example', qr/^400 /], ['a.example', qr/^(400 |200 a\.example$)/],
     [undef, qr/^200 a\.example$/])
{
    my ($host, $answer) = @$_;
    like h2('a.example', $host), $answer,
         'T-F8 HTTP/2, Host: ' . ($host // 'none');
}

# T-F11: told before the body comes

is +(raw("POST / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n"
         . "Content-Length: 10737418240\r\nExpect: 100-continue\r\n\r\n"))[0],
   413, 'T-F11 10 GB with 100-continue: 413 at once';
like +(raw("CONNECT a.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n"))[0],
     qr/^40[05]$/, 'CONNECT';
is +(raw("TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n"))[0], 405, 'TRACE';

# HTTP/2 and https

SKIP: {
    skip 'curl has no HTTP/2', 6 if `curl -V` !~ /HTTP2/;

    my $curl = "curl -sik --http2 -m 10 --resolve a.example:$tls:127.0.0.1";
    my $a = `$curl https://a.example:$tls/admin/x?y`;
    like $a, qr{^HTTP/2 200}, 'HTTP/2';
    like $a, qr{\nadmin /admin/x\?y\n}, 'HTTP/2: backend';
    like $a, qr{strict-transport-security: max-age=31536000; includeSub}i,
         'HSTS';
    unlike $a, qr/^server:/im, 'no Server';

    $a = `$curl https://a.example:$tls/ --resolve b.example:$tls:127.0.0.1 \\
          -H 'Host: b.example'`;
    like $a, qr{^HTTP/2 404.*strict-transport-security}si, 'HSTS on errors';

    $a = `$curl -X POST -d \@/proc/self/exe https://a.example:$tls/`;
    like $a, qr{^HTTP/2 (413|200)}, 'HTTP/2: body';
}

is $n->stop, 0, 'ends';
is_deeply [$n->alerts], [], 'no alerts';

done_testing;
