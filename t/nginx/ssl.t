# TLS: certificates of Secrets by SNI (T-D1, T-D2, T-D3), sessions, rotation.

use strict;
use warnings;

use Test::More;
use IO::Socket::SSL;

use lib 't/lib';
use K8s::Nginx;
use K8s::TLS;

my $FAKE = 'Kubernetes Ingress Controller Fake Certificate';

my $tls = K8s::Objects::free_port();
my $static = K8s::Objects::free_port();
my $own = K8s::Objects::free_port();
my $reject = K8s::Objects::free_port();
my $admin = K8s::Objects::free_port();

my $ca = K8s::TLS::pair(cn => 'ca');
my $a = K8s::TLS::pair(cn => 'one', names => ['a.example'], ca => $ca);
my $ec = K8s::TLS::pair(cn => 'both-ec', names => ['both.example']);
my $rsa = K8s::TLS::pair(cn => 'both-rsa', names => ['both.example'],
                         type => 'RSA');
my $wild = K8s::TLS::pair(cn => 'wild', names => ['*.w.example'],
                          type => 'RSA');
my $ed = K8s::TLS::pair(cn => 'ed', names => ['ed.example'],
                        type => 'ED25519');
my $b = K8s::TLS::pair(cn => 'b', names => ['b.example']);

my $n = K8s::Nginx->new(
    http => "
    keepalive_timeout 1h;
    server {
        listen 127.0.0.1:$tls ssl;
        http2 on;
        k8s_ingress_pass;
    }
    server {
        listen 127.0.0.1:$static ssl;
        ssl_certificate $a->{file}.crt;
        ssl_certificate_key $a->{file}.key;
        k8s_ingress_pass;
    }
    server {
        listen 127.0.0.1:$own ssl;
        k8s_ingress_pass;
        ssl_protocols TLSv1.3;
        ssl_session_tickets on;
    }
    server {
        listen 127.0.0.1:$reject ssl;
        ssl_reject_handshake on;
        k8s_ingress_pass;
    }
    server { listen 127.0.0.1:$admin; k8s_ingress_admin; }
");

sub status {
    my ($path) = @_;
    my (undef, $body) = K8s::Objects::http_get($admin, 'x', $path);
    return $body;
}

# waits until a handshake presents this CN
sub presents {
    my ($sni, $cn, %o) = @_;
    return $n->until(sub { K8s::TLS::cn_of($tls, $sni, %o) eq $cn });
}

$n->services("default/web:80 a\ndefault/slow:80 slow");
$n->manifest('a.yaml', K8s::TLS::ingress('default/a', 'web:80',
    ['a.example'], 'a' => ['a.example']));
$n->manifest('both.yaml',
    K8s::TLS::ingress('default/both', 'web:80', ['both.example'],
                      'both-ec' => ['both.example'],
                      'both-rsa' => ['both.example'])
    . K8s::TLS::ingress('default/wild', 'web:80',
                        ['*.w.example', 'plain.w.example'],
                        'wild' => ['*.w.example'])
    . K8s::TLS::ingress('default/ed', 'web:80', ['ed.example'],
                        'ed' => ['ed.example'])
    . K8s::TLS::ingress('default/b', 'web:80', ['b.example'],
                        'b' => ['b.example'])
    . K8s::TLS::ingress('default/gone', 'web:80', ['gone.example'],
                        'gone' => ['gone.example']));
$n->manifest('secret-a.yaml', K8s::TLS::secret('default/a', $a));
$n->manifest('secrets.yaml', K8s::TLS::secret('default/both-ec', $ec)
    . K8s::TLS::secret('default/both-rsa', $rsa)
    . K8s::TLS::secret('default/wild', $wild)
    . K8s::TLS::secret('default/ed', $ed)
    . K8s::TLS::secret('default/b', $b));

ok($n->start, 'nginx starts');
ok(presents('a.example', 'one'), 'SNI, exact host')
    or diag join "\n", $IO::Socket::SSL::SSL_ERROR, $n->log, status('/status');

# T-D3

is(K8s::TLS::cn_of($tls, 'A.Example'), 'one', 'SNI in capitals');
is(K8s::TLS::cn_of($tls, 'a.example.'), 'one', 'SNI with a trailing dot');
is(K8s::TLS::cn_of($tls, 'x.w.example'), 'wild', 'SNI, wildcard host');
is(K8s::TLS::cn_of($tls, 'plain.w.example'), 'wild',
   'SNI, a host without tls below a wildcard host with it');
is(K8s::TLS::cn_of($tls, 'x.y.w.example'), $FAKE,
   'SNI, two labels below a wildcard host');
is(K8s::TLS::cn_of($tls, 'unknown.example'), $FAKE, 'SNI, unknown host');
is(K8s::TLS::cn_of($tls, ''), $FAKE, 'no SNI');
is(K8s::TLS::cn_of($tls, '127.0.0.1'), $FAKE, 'SNI, IP literal');
is(K8s::TLS::cn_of($tls, 'x' x 200), $FAKE, 'SNI, a long name');
is(K8s::TLS::cn_of($tls, 'ed.example'), 'ed', 'Ed25519');
is(K8s::TLS::cn_of($tls, 'gone.example'), $FAKE,
   'T-D1: the Secret is missing, the default certificate');

{
    my $s = K8s::TLS::dial($tls, 'a.example');
    is_deeply([K8s::TLS::request($s, 'a.example', '/')], ['200', "a\n"],
              'a request over TLS');
    is(scalar(() = $s->peer_certificates), 2, 'the chain is sent');

    $s = K8s::TLS::dial($tls, '');
    my @names = $s->peer_certificate('subjectAltNames');
    is($names[1], 'ingress.local', 'name of the default certificate');
    is($s->peer_certificate('owner'), "/O=Acme Co/CN=$FAKE",
       'subject of the default certificate');
}

# both types of key

is(K8s::TLS::cn_of($tls, 'both.example', version => 'TLSv1_2',
                   ciphers => 'ECDHE-RSA-AES128-GCM-SHA256'), 'both-rsa',
   'an RSA client gets the RSA certificate');
is(K8s::TLS::cn_of($tls, 'both.example', version => 'TLSv1_2',
                   ciphers => 'ECDHE-ECDSA-AES128-GCM-SHA256'), 'both-ec',
   'an ECDSA client gets the ECDSA certificate');

# settings

ok(!K8s::TLS::dial($tls, 'a.example', version => 'TLSv1_1',
                   ciphers => 'ALL:@SECLEVEL=0'), 'no TLSv1.1 by default');
is(K8s::TLS::cn_of($static, 'b.example'), 'one',
   'a certificate in nginx.conf is the only one of its server');
ok(!K8s::TLS::dial($own, 'a.example', version => 'TLSv1_2'),
   'ssl_protocols of nginx.conf hold');
is(K8s::TLS::cn_of($own, 'a.example'), 'one', 'and TLSv1.3 works there');
ok(!K8s::TLS::dial($reject, 'a.example'),
   'ssl_reject_handshake of nginx.conf holds');

{
    my $s = K8s::TLS::dial($tls, 'a.example', version => 'TLSv1_2',
                           ciphers => 'AES128-GCM-SHA256:kRSA');
    ok(!$s, 'no ciphers without forward secrecy');
    $s = K8s::TLS::dial($tls, 'a.example', alpn => ['h2', 'http/1.1']);
    is($s && $s->alpn_selected, 'h2', 'HTTP/2 is offered');
}

# sessions: resumed for the same name, never for another

for my $version ('TLSv1_2', 'TLSv1_3') {
    my $try = sub {
        my ($first, $second) = @_;
        my $ctx = IO::Socket::SSL::SSL_Context->new(
            SSL_verify_mode => SSL_VERIFY_NONE, SSL_version => $version,
            SSL_session_cache_size => 10);
        my $s = K8s::TLS::dial($tls, $first, ctx => $ctx, session => 'x')
            or return 'no first';
        K8s::TLS::request($s, $first, '/');
        close $s;
        $s = K8s::TLS::dial($tls, $second, ctx => $ctx, session => 'x')
            or return 'no second';
        K8s::TLS::request($s, $second, '/');
        return $s->get_session_reused ? 'reused' : 'full';
    };

    is($try->('a.example', 'a.example'), 'reused',
       "$version: a session is resumed for its name");
    is($try->('a.example', 'A.EXAMPLE.'), 'reused',
       "$version: however it is written");
    is($try->('a.example', 'b.example'), 'full',
       "$version: a session is not resumed for another name");
    is($try->('x.w.example', 'y.w.example'), 'full',
       "$version: nor for another one of the same wildcard host");
    is($try->('a.example', ''), 'full', "$version: nor without a name");
}

# T-D2: rotation under load

my @new = map {
    K8s::TLS::pair(cn => "new-$_", names => ['a.example'],
                   type => $_ % 2 ? 'RSA' : 'EC')
} 1 .. 6;

{
    my $kept = K8s::TLS::dial($tls, 'a.example');
    is((K8s::TLS::request($kept, 'a.example', '/'))[0], 200,
       'T-D2: a connection before the rotation');

    my @clients;

    for (1 .. 2) {
        pipe my $r, my $w;
        my $pid = K8s::Objects::child(sub {
            my ($on) = @_;
            my ($good, $bad, $stop) = (0, 0, 0);
            $SIG{TERM} = sub { $stop = 1 };
            close $r;

            while (!$stop && $on->()) {
                my $s = K8s::TLS::dial($tls, 'a.example');
                my ($status) = $s ? K8s::TLS::request($s, 'a.example', '/')
                               : ('');
                my $cn = K8s::TLS::cn($s);
                if ($status eq '200' && $cn =~ /^(one|new-\d)$/) { $good++ }
                elsif (!$stop) { $bad++ }
            }

            syswrite $w, "$good $bad";
        });

        close $w;
        push @clients, [$pid, $r];
    }

    my $all = 1;

    for my $i (1 .. @new) {
        $n->manifest('secret-a.yaml',
                     K8s::TLS::secret('default/a', $new[$i - 1]));
        $all &&= presents('a.example', "new-$i");
        K8s::TLS::cn_of($tls, 'a.example') for 1 .. 10;
    }

    my ($good, $bad) = (0, 0);

    for my $c (@clients) {
        kill TERM => $c->[0];
        sysread $c->[1], my $said, 100;
        waitpid $c->[0], 0;
        my ($g, $b) = split ' ', $said // '0 1';
        $good += $g;
        $bad += $b;
    }

    ok($all, 'T-D2: each rotation is presented');
    cmp_ok($good, '>', 10, 'T-D2: handshakes went on');
    is($bad, 0, 'T-D2: and none failed');

    my %seen;
    $seen{K8s::TLS::cn_of($tls, 'a.example')}++ for 1 .. 40;
    is_deeply([keys %seen], ['new-6'], 'T-D2: all workers have it');
    is((K8s::TLS::request($kept, 'a.example', '/'))[0], 200,
       'T-D2: the connection from before goes on');
}

# T-D1: the last good certificate stays

sub problem {
    my ($re) = @_;
    return $n->until(sub { status('/status') =~ $re });
}

for my $case (['garbage', { crt => "garbage\n", key => $b->{key} },
               'data\[\\\\"tls.crt\\\\"\]'],
              ['another key', { crt => $new[5]{crt}, key => $b->{key} },
               'does not belong'],
              ['empty', { crt => '', key => '' }, 'missing or empty'])
{
    my ($what, $pair, $words) = @$case;
    $n->manifest('secret-a.yaml', K8s::TLS::secret('default/a', $pair));
    ok(problem(qr/"SecretInvalid"[^}]*$words/),
       "T-D1: $what in a Secret is a problem") or diag status('/status');
    is(K8s::TLS::cn_of($tls, 'a.example'), 'new-6',
       "T-D1: $what: the last good certificate stays");
}

$n->manifest('secret-a.yaml', K8s::TLS::secret('default/a', $a));
ok(presents('a.example', 'one'), 'T-D1: a good one replaces it');
ok($n->until(sub { status('/status') !~ /SecretInvalid/ }),
   'T-D1: and the problem goes');

# the Secret comes later

$n->manifest('gone.yaml', K8s::TLS::secret('default/gone',
    K8s::TLS::pair(cn => 'came', names => ['gone.example'])));
ok(presents('gone.example', 'came'), 'a Secret that comes later is used');

# reload and crash

my $serial = sub {
    my $s = K8s::TLS::dial($tls, '') or return '';
    return Net::SSLeay::P_ASN1_INTEGER_get_hex(
               Net::SSLeay::X509_get_serialNumber($s->peer_certificate));
};
my $before = $serial->();
ok($n->reload, 'reload');
is($serial->(), $before, 'the generated certificate outlives a reload');
is(K8s::TLS::cn_of($tls, 'a.example'), 'one', 'and the others do');

{
    my $watcher = $n->until(sub {
        my $w = $n->watcher;
        $w && grep({ $_ == $w } $n->workers) ? $w : 0
    });
    my %old = map { $_ => 1 } $n->workers;
    kill KILL => $watcher;
    ok($n->until(sub { grep { !$old{$_} } $n->workers }),
       'a killed watcher is replaced');
    is($serial->(), $before, 'the generated certificate outlives it');
    $n->manifest('secret-a.yaml', K8s::TLS::secret('default/a', $new[0]));
    ok(presents('a.example', 'new-1'), 'and rotation goes on');
}

unlike(status('/status'), qr/PRIVATE|BEGIN/, 'no key material in the status');

$n->stop;
is_deeply([grep { !/signal 9|exited on signal/ } $n->alerts], [],
          'no alerts');

done_testing();
