# Certificates of clients: asked for by the host of the handshake, checked when
# a request is routed, and what does not get past them.

use strict;
use warnings;

use IO::Socket::SSL;
use MIME::Base64 qw( encode_base64 );
use Test::More;

use lib 't/lib';
use K8s::Nginx;
use K8s::TLS;

my ($tls, $admin, $own) = map { K8s::Objects::free_port() } 1 .. 3;
my $prefix = 'nginx.ingress.kubernetes.io';
my $challenge = '/.well-known/acme-challenge/t';

my ($one, $two) = map { K8s::TLS::pair(cn => "ca $_") } 1 .. 2;
my $alice = K8s::TLS::pair(cn => 'alice', ca => $one);
my $bob = K8s::TLS::pair(cn => 'bob', ca => $one);
my $between = K8s::TLS::pair(cn => 'between', ca => $one);
my $below = K8s::TLS::pair(cn => 'below', ca => $between);
my $deep = K8s::TLS::pair(cn => 'deep', ca => $between);
my $deeper = K8s::TLS::pair(cn => 'deeper', ca => $below);
my $eve = K8s::TLS::pair(cn => 'alice', ca => $two);
my $server = K8s::TLS::pair(cn => 'all', names => ['*.example']);

my $ca = "$two->{file}-own-ca.crt";
K8s::Objects::write_file($ca, $two->{crt});

my $n = K8s::Nginx->new(http => "
    keepalive_timeout 1h;
    server {
        listen 127.0.0.1:$own ssl;
        ssl_client_certificate $ca;
        ssl_verify_client on;
        k8s_ingress_pass;
    }
    server {
        listen 127.0.0.1:$tls ssl;
        http2 on;
        k8s_ingress_pass;
    }
    server { listen 127.0.0.1:$admin; k8s_ingress_admin; }
");

sub status { (K8s::Objects::http_get($admin, 'x', '/status'))[1] // '' }

# a list of a CA with those that are revoked
sub crl {
    my ($ca, @revoked) = @_;
    my $dir = "$ca->{file}-crl";
    mkdir $dir;
    K8s::Objects::write_file("$dir/index", join '', map {
        my $serial = `openssl x509 -in $_->{file}.crt -noout -serial`;
        $serial =~ s/.*=//;
        chomp $serial;
        "R\t360101000000Z\t250101000000Z\t$serial\tunknown\t/CN=x\n" }
        @revoked);
    K8s::Objects::write_file("$dir/conf", "[ca]\ndefault_ca = a\n[a]\n"
        . "database = $dir/index\ndefault_md = sha256\n");
    my $text = `openssl ca -gencrl -config $dir/conf -keyfile $ca->{file}.key -cert $ca->{file}.crt -crldays 30 2>$dir/error`;
    die K8s::TLS::slurp("$dir/error") if $text !~ /BEGIN X509 CRL/;
    return $text;
}

sub ca_secret {
    my ($name, $crt, $crl) = @_;
    $n->manifest("ca-$name.yaml", "apiVersion: v1\nkind: Secret\n"
        . "metadata: {name: $name, namespace: default}\ndata:\n"
        . '  ca.crt: "' . encode_base64($crt, '') . "\"\n"
        . ($crl ? '  ca.crl: "' . encode_base64($crl, '') . "\"\n" : ''));
}

sub ingress {
    my ($name, $hosts, %annotations) = @_;
    my $text = K8s::TLS::ingress("default/$name", 'web:80', $hosts,
                                 'all' => $hosts);
    my $more = join '', map { "    $prefix/$_: '$annotations{$_}'\n" }
                        sort keys %annotations;
    $text =~ s/(  annotations: )\{(.*)\}\n/$1\n    $2\n$more/;
    $n->manifest("$name.yaml", $text);
}

# a connection of who has a certificate, or has none
sub connection {
    my ($sni, $who, %o) = @_;
    my %own = $who ? (SSL_cert_file => "$who->{file}-chain.crt",
                      SSL_key_file => "$who->{file}.key",
                      SSL_use_cert => 1) : ();
    K8s::Objects::write_file("$who->{file}-chain.crt", $who->{crt}) if $who;
    return IO::Socket::SSL->new(PeerAddr => '127.0.0.1',
        PeerPort => delete $o{port} // $tls,
        Timeout => 10, SSL_verify_mode => SSL_VERIFY_NONE,
        SSL_hostname => $sni, %own, %o);
}

# status of a request with Host, by a connection with SNI
sub ask {
    my ($sni, $who, %o) = @_;
    my $host = delete $o{host} // $sni;
    my $s = connection($sni, $who, %o) or return 'none';
    return (K8s::TLS::request($s, $host, '/'))[0];
}

sub asks {
    my ($want, $what, @how) = @_;
    my $got;
    $n->until(sub { ($got = ask(@how)) eq $want });
    is($got, $want, $what);
}

$n->services("default/web:80 web");
$n->manifest('secret.yaml', K8s::TLS::secret('default/all', $server));
ca_secret('one', $one->{crt});
ca_secret('two', $two->{crt});
ca_secret('bad', 'garbage');
ingress('plain', ['plain.example']);
ingress('on', ['on.example'], 'auth-tls-secret' => 'default/one',
        'server-alias' => 'alias.example');
ingress('rest', ['on.example']);
ingress('two', ['two.example'], 'auth-tls-secret' => 'two');
ingress('may', ['may.example'], 'auth-tls-secret' => 'default/one',
        'auth-tls-verify-client' => 'optional');
ingress('any', ['any.example'], 'auth-tls-secret' => 'default/one',
        'auth-tls-verify-client' => 'optional_no_ca');
ingress('off', ['off.example'], 'auth-tls-secret' => 'default/one',
        'auth-tls-verify-client' => 'off');
ingress('cn', ['cn.example'], 'auth-tls-secret' => 'default/one',
        'auth-tls-match-cn' => 'CN=ali');
ingress('cn2', ['cn2.example'], 'auth-tls-secret' => 'default/one',
        'auth-tls-match-cn' => 'CN=(alice|carol)');
ingress('err', ['err.example'], 'auth-tls-secret' => 'default/one',
        'auth-tls-error-page' => 'https://help.test/why?host=$host',
        'auth-tls-match-cn' => 'CN=alice');
ingress('err-may', ['err-may.example'], 'auth-tls-secret' => 'default/one',
        'auth-tls-verify-client' => 'optional',
        'auth-tls-error-page' => 'http://help.test$uri');
my %bad = ('path' => '/index', named => '@page', script => 'javascript:x',
           word => 'help.test/why', quoted => 'https://help.test/"a');
ingress("err-$_", ["err-$_.example"], 'auth-tls-secret' => 'default/one',
        'auth-tls-error-page' => $bad{$_}) for sort keys %bad;
ingress('err-unknown', ['err-unknown.example'],
        'auth-tls-secret' => 'default/one',
        'auth-tls-error-page' => 'https://help.test/$nothing');
ingress('depth', ['depth.example'], 'auth-tls-secret' => 'default/one',
        'auth-tls-verify-depth' => '2');
ingress('off-cn', ['off-cn.example'], 'auth-tls-secret' => 'default/one',
        'auth-tls-verify-client' => 'off', 'auth-tls-match-cn' => 'CN=alice');
$n->manifest('ca-empty.yaml', "apiVersion: v1\nkind: Secret\n"
    . "metadata: {name: empty, namespace: default}\ndata: {other: eA==}\n");
ingress('empty', ['empty.example'], 'auth-tls-secret' => 'default/empty',
        'auth-tls-verify-client' => 'optional');
$n->manifest('many.yaml',
    join '', map { K8s::Objects::ingresses("default/m$_ many.example /$_ web:80") }
             1 .. 600);
ingress('zlast', ['many.example'], 'auth-tls-secret' => 'default/one');
ingress('missing', ['missing.example'], 'auth-tls-secret' => 'default/none');
ingress('bad', ['bad.example'], 'auth-tls-secret' => 'default/bad');
$n->manifest("acme-$_.yaml", K8s::Objects::ingresses(
        "default/acme-$_ $_.example /.well-known/acme-challenge/t web:80 Exact"))
    for qw( on may off cn2 off-cn missing bad open );
ingress('open', ['open.example'], 'auth-tls-secret' => 'default/one',
        'ssl-redirect' => 'false');
ok($n->start, 'nginx starts');

asks(200, 'a certificate of the CA', 'on.example', $alice);
asks(400, 'none', 'on.example', undef);
asks(400, 'one of another CA', 'on.example', $eve);
asks(200, 'nothing is asked of another host', 'plain.example', undef);
asks(200, 'another CA of another host', 'two.example', $eve);
asks(400, 'which is its own', 'two.example', $alice);
asks(200, 'an alias', 'alias.example', $alice);
asks(400, 'is protected', 'alias.example', undef);

asks(200, 'optional: one of the CA', 'may.example', $alice);
asks(200, 'optional: none', 'may.example', undef);
asks(400, 'optional: one of another CA', 'may.example', $eve);
asks(200, 'optional_no_ca: one of another CA', 'any.example', $eve);
asks(200, 'off', 'off.example', undef);
asks(200, 'one CA between', 'on.example', $deep);
asks(400, 'two of them', 'on.example', $deeper);
asks(200, 'verify-depth', 'depth.example', $deeper);
asks(200, 'match-cn', 'cn2.example', $alice);
asks(403, 'match-cn: another name', 'cn2.example', $bob);
asks(403, 'match-cn: a part of a name', 'cn.example', $alice);

is(($n->get('on.example', '/'))[0], 308, 'http is redirected');

# an error page

sub sent {
    my ($sni, $who, $path) = @_;
    my $s = connection($sni, $who) or return 'none';
    local $SIG{ALRM} = sub { die "time-out\n" };
    my $head = eval {
        alarm 20;
        print $s "GET $path HTTP/1.1\r\nHost: $sni\r\n\r\n";
        local $/;
        my $all = <$s>;
        alarm 0;
        (split /\r\n\r\n/, $all)[0];
    } // 'it stays';
    my ($status) = $head =~ m{^HTTP/1\.1 (\d+)};
    my @location = $head =~ /^Location: ?(.*?)\r?$/mg;
    return join ' ', $status // $head, @location,
                     $head =~ /^X-Evil/mi ? 'injected' : ();
}

asks(200, 'error-page: a certificate of the CA', 'err.example', $alice);
is(sent('err.example', undef, '/'), '302 https://help.test/why?host=err.example',
   'error-page: none');
is(sent('err.example', $eve, '/'), '302 https://help.test/why?host=err.example',
   'error-page: one of another CA');
asks(403, 'error-page: not of another name', 'err.example', $bob);
asks(200, 'error-page, optional: none', 'err-may.example', undef);
is(sent('err-may.example', $eve, '/a%0d%0aX-Evil:%201'),
   '302 http://help.test/a%0D%0AX-Evil:%201',
   'error-page, optional: one of another CA, and no header of a client');
for my $bad (sort keys %bad) {
    asks(400, "error-page: $bad{$bad}: none", "err-$bad.example", undef);
    asks(200, "error-page: $bad{$bad}: a good one", "err-$bad.example", $alice);
    like(status(), qr/err-$bad[^}]*AnnotationInvalid[^}]*error-page/, 'is a problem');
}
like(status(), qr/err-unknown[^}]*auth-tls-error-page[^}]*no variable/,
     'a variable that is unknown is one');

# challenges of ACME come without TLS; nothing else does

sub plain {
    my ($want, $what, $host, $path) = @_;
    my $got = ($n->get("$host.example", $path // $challenge))[0];
    is($got, $want, "without TLS: $what");
}

plain(200, 'a challenge', 'on');
plain(200, 'where a certificate is optional', 'may');
plain(200, 'where none is asked for', 'off');
plain(200, 'of a host without a redirect', 'open');
plain(403, 'and nothing else there', 'open', '/');
plain(403, 'nothing beside it', 'open', "$challenge/../../../");
plain(403, 'not where there is no such path', 'open', "${challenge}u");
plain(403, 'not where certificates have a name', 'cn2');
plain(403, 'nor where none can have it', 'off-cn');
plain(403, 'not where the host is closed', $_) for qw( missing bad );
is(ask('on.example', undef), 400, 'with TLS all are asked for a certificate');
like((K8s::TLS::request(connection('on.example'), 'on.example', $challenge))[0],
     qr/^400$/, 'for a challenge, too');

# what is not there closes

asks(403, 'a Secret that is missing', 'missing.example', $alice);
asks(403, 'a bad one', 'bad.example', $alice);
ok($n->until(sub { status()
       =~ /AnnotationClosed[^}]*default\/none[^}]*HTTP-01 challenges/ }),
   'that is a problem') or diag status();
ok($n->until(sub { status() =~ /AnnotationClosed[^}]*default\/bad/ }),
   'and this');

asks(403, 'one without ca.crt, where a certificate is optional',
     'empty.example', undef);
asks(403, 'a name of a certificate that nobody asks for', 'off-cn.example',
     $alice);

# the youngest of very many Ingresses asks

asks(400, 'after 600 others: none', 'many.example', undef);
asks(200, 'after 600 others: one of the CA', 'many.example', $alice);

# what nginx.conf asks for is not replaced

asks(200, 'the CA of nginx.conf', 'plain.example', $eve, port => $own);
asks(400, 'and no other', 'plain.example', $alice, port => $own);
asks('none', 'not by that of an Ingress', 'on.example', $alice, port => $own);
asks('none', 'nor with it', 'on.example', $eve, port => $own);
ok($n->logged(qr/both ssl_verify_client of nginx\.conf and auth-tls-secret/),
   'the log says so');

# Host and SNI that differ

asks(421, 'SNI of another host', 'plain.example', undef,
     host => 'on.example');
asks(421, 'with a certificate', 'plain.example', $alice,
     host => 'on.example');
asks(421, 'of a host with another CA', 'two.example', $eve,
     host => 'on.example');
asks(421, 'of one where it is optional', 'may.example', undef,
     host => 'on.example');
asks(421, 'no SNI', '', $alice, host => 'on.example');
asks(421, 'an unknown one', 'nobody.example', $alice, host => 'on.example');
asks(200, 'a host that asks for nothing', 'on.example', $alice,
     host => 'plain.example');

# sessions

sub again {
    my ($version, $first, $who, $second, $between) = @_;
    my $ctx = IO::Socket::SSL::SSL_Context->new(
        SSL_verify_mode => SSL_VERIFY_NONE, SSL_version => $version,
        SSL_session_cache_size => 10,
        $who ? (SSL_cert_file => "$who->{file}-chain.crt",
                SSL_key_file => "$who->{file}.key", SSL_use_cert => 1) : ());
    my @how = (SSL_reuse_ctx => $ctx, SSL_session_key => 'x');
    my $s = connection($first, $who, @how) or return 'no first';
    K8s::TLS::request($s, $first, '/');
    close $s;
    $between->() if $between;
    $s = connection($second, $who, @how) or return 'no second';
    my ($status) = K8s::TLS::request($s, $second, '/');
    return ($s->get_session_reused ? 'reused' : 'full') . " $status";
}

for my $version ('TLSv1_2', 'TLSv1_3') {
    is(again($version, 'on.example', $alice, 'on.example'), 'reused 200',
       "$version: a session goes on with its certificate");
    is(again($version, 'plain.example', undef, 'on.example'), 'full 400',
       "$version: one of another host is none of this");
    is(again($version, 'two.example', $eve, 'on.example'), 'full 400',
       "$version: nor one of another CA");
    is(again($version, 'may.example', undef, 'on.example'), 'full 400',
       "$version: nor one where it was optional");
}

# a connection from before, and sessions, when CA or list change

for my $version ('TLSv1_2', 'TLSv1_3') {
    ca_secret('one', $one->{crt});
    asks(200, "$version: as before", 'on.example', $alice);
    my $kept = connection('on.example', $alice);
    is((K8s::TLS::request($kept, 'on.example', '/'))[0], 200,
       "$version: a connection that stays");
    is(again($version, 'on.example', $alice, 'on.example', sub {
           ca_secret('one', $one->{crt}, crl($one, $alice));
           $n->until(sub { ask('on.example', $alice) eq 400 });
       }), 'full 400', "$version: a session of one who is revoked since");
    asks(200, "$version: others are not", 'on.example', $bob);
    is((K8s::TLS::request($kept, 'on.example', '/'))[0], 421,
       "$version: the connection from before is not of this list");
}

ca_secret('one', $two->{crt});
asks(200, 'another CA without a reload', 'on.example', $eve);
asks(400, 'and no more of the one before', 'on.example', $bob);
unlink "$n->{root}/manifests/ca-one.yaml";
asks(403, 'without the Secret the host is closed', 'on.example', $eve);
ca_secret('one', $one->{crt});
asks(200, 'and is served again with it', 'on.example', $alice);
ok($n->reload, 'reload');
asks(200, 'after a reload', 'on.example', $alice);
asks(400, 'it is protected', 'on.example', undef);

# renegotiation

{
    my $file = "$alice->{file}-chain.crt";
    my $said = `(echo R; sleep 2) | timeout 10 openssl s_client -connect 127.0.0.1:$tls -servername plain.example -tls1_2 -cert $file -key $alice->{file}.key 2>&1`;
    like($said, qr/RENEGOTIATING.*(no renegotiation|error)/s,
         'a client cannot renegotiate');
}

ingress('on', ['on.example']);
asks(200, 'without the annotation it is open', 'on.example', undef);

$n->stop;
is_deeply([$n->alerts], [], 'no alerts');

done_testing();
