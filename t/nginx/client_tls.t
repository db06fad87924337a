# TLS towards clients, as keys of the ConfigMap and annotations of hosts say.

use strict;
use warnings;

use IO::Socket::SSL;
use Test::More;

use lib 't/lib';
use K8s::Nginx;
use K8s::TLS;

my ($tls, $own, $admin) = map { K8s::Objects::free_port() } 1 .. 3;

my $prefix = 'nginx.ingress.kubernetes.io';
my ($small, $large) = map { "ECDHE-ECDSA-AES${_}" } '128-GCM-SHA256',
                                                  '256-GCM-SHA384';
my $cert = K8s::TLS::pair(cn => 'all', names => ['*.example', 'a.example']);

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map default/own;',
    http => "
    server {
        listen 127.0.0.1:$tls ssl;
        http2 on;
        k8s_ingress_pass;
    }
    server {
        listen 127.0.0.1:$own ssl;
        ssl_protocols TLSv1.2;
        ssl_ciphers $large;
        k8s_ingress_pass;
    }
    server { listen 127.0.0.1:$admin; k8s_ingress_admin; }
");

sub status { (K8s::Objects::http_get($admin, 'x', '/status'))[1] // '' }

# the version and cipher of a handshake, '' when it fails
sub shake {
    my ($port, $name, %o) = @_;
    my $s = K8s::TLS::dial($port, $name, %o) or return '';
    return $s->get_sslversion . ' ' . $s->get_cipher;
}

sub is_shake {
    my ($port, $name, $want, $what, %o) = @_;
    my $got = '';
    $n->until(sub { ($got = shake($port, $name, %o)) eq $want });
    is($got, $want, $what);
}

my @old = (version => 'TLSv1_2');

# an Ingress with annotations, of a day of 2026
sub ingress {
    my ($name, $hosts, $day, %annotations) = @_;
    my $text = K8s::TLS::ingress("default/$name", 'web:80', $hosts,
                                 'all' => $hosts);
    my $more = join '', map { "    $prefix/$_: '$annotations{$_}'\n" }
                        sort keys %annotations;
    $text =~ s/(  annotations: )\{(.*)\}\n/$1\n    $2\n$more/;
    $text =~ s/(metadata:\n)/$1  creationTimestamp: "2026-01-${day}T00:00:00Z"\n/;
    $n->manifest("$name.yaml", $text);
}

sub config {
    my (%keys) = @_;
    $n->manifest('own.yaml', "apiVersion: v1\nkind: ConfigMap\n"
                 . "metadata: {name: own, namespace: default}\ndata: {"
                 . join(', ', map { "$_: '$keys{$_}'" } sort keys %keys)
                 . "}\n");
}

$n->services("default/web:80 web");
$n->manifest('secret.yaml', K8s::TLS::secret('default/all', $cert));
config();
ingress('a', ['a.example'], '01');
ingress('b', ['b.example'], '01', 'ssl-ciphers' => $large,
        'server-alias' => 'c.example, ~^d[0-9]');
ingress('old', ['x.example'], '01', 'ssl-ciphers' => $large);
ingress('young', ['x.example'], '02', 'ssl-ciphers' => $small,
        'ssl-prefer-server-ciphers' => 'false');
ok($n->start, 'nginx starts');

# by host

is_shake($tls, 'b.example', "TLSv1_2 $large", 'ssl-ciphers of a host', @old);
is_shake($tls, 'a.example', "TLSv1_2 $small", 'and not of another one', @old);
is_shake($tls, 'c.example', "TLSv1_2 $large", 'but of an alias', @old);
is_shake($tls, 'd1.example', "TLSv1_2 $large", 'and of an expression', @old);
is_shake($tls, 'x.example', "TLSv1_2 $large", 'the oldest one holds', @old);
is(shake($tls, 'b.example', @old, ciphers => $small), '',
   'a client that has other ciphers is refused');
is((split ' ', shake($tls, 'b.example'))[0], 'TLSv1_3', 'TLSv1.3 is as it was');
ok($n->until(sub { status() =~ /AnnotationConflict[^}]*ssl-ciphers/ }),
   'the younger one has a problem');

ingress('b', ['b.example'], '01', 'ssl-ciphers' => $small,
        'server-alias' => 'c.example');
is_shake($tls, 'b.example', "TLSv1_2 $small", 'it changes', @old);
is_shake($tls, 'c.example', "TLSv1_2 $small", 'for the alias too', @old);
ingress('b', ['b.example'], '01', 'ssl-ciphers' => 'NONSENSE');
ok($n->until(sub { status() =~ /AnnotationInvalid[^}]*NONSENSE/ }),
   'a list that OpenSSL refuses is a problem');
is_shake($tls, 'b.example', "TLSv1_2 $small", 'and the default holds', @old);
ingress('b', ['b.example'], '01', 'ssl-ciphers' => $large);
is_shake($tls, 'b.example', "TLSv1_2 $large", 'it comes back', @old);

# a session of one is none of the other, nor of the same with other ciphers

sub resumed {
    my ($version, $first, $second, $between) = @_;
    my $ctx = IO::Socket::SSL::SSL_Context->new(
        SSL_verify_mode => SSL_VERIFY_NONE, SSL_version => $version,
        SSL_session_cache_size => 10);

    for my $name ($first, $second) {
        my $s = K8s::TLS::dial($tls, $name, ctx => $ctx, session => 'x')
            or return 'none';
        K8s::TLS::request($s, $name, '/');
        return $s->get_session_reused ? 'reused' : 'full' if !$between;
        close $s;
        $between->();
        undef $between;
    }
}

for my $version ('TLSv1_2', 'TLSv1_3') {
    is(resumed($version, 'b.example', 'b.example', sub { }), 'reused',
       "$version: a session of a host with ciphers of its own is resumed");
    is(resumed($version, 'a.example', 'b.example', sub { }), 'full',
       "$version: not that of another host");
    is(resumed($version, 'b.example', 'b.example', sub {
           my $more = ($version eq 'TLSv1_2');
           ingress('b', ['b.example'], '01',
                   'ssl-ciphers' => $more ? "$large:$small" : $large);
           $n->until(sub {
               (shake($tls, 'b.example', @old, ciphers => $small) ne '')
               == $more
           });
       }), 'full', "$version: nor one from before its ciphers changed");
}

# by key; what it says goes before nginx.conf, which holds where it is gone

is_shake($own, 'a.example', "TLSv1_2 $large", 'nginx.conf', @old);
config('ssl-ciphers' => $small, 'ssl-protocols' => 'TLSv1.2 TLSv1.3');
is_shake($own, 'a.example', "TLSv1_2 $small", 'a key goes before it', @old);
is((split ' ', shake($own, 'a.example'))[0], 'TLSv1_3', 'of versions too');
is_shake($tls, 'b.example', "TLSv1_2 $large", 'an annotation before a key',
         @old);
config('ssl-protocols' => 'TLSv1.3', 'ssl-ecdh-curve' => 'P-384',
       'ssl-session-tickets' => 'true', 'ssl-reject-handshake' => 'true');
is_shake($own, 'a.example', '', 'all servers have it', @old);
is_shake($tls, 'a.example', '', 'each of them', @old);
is_shake($tls, 'nobody.example', '', 'an unknown name is rejected');
is_shake($tls, '', '', 'and none');
isnt(shake($tls, $_), '', "$_ is known") for 'a.example', 'b.example';
ok($n->reload, 'reload');
is_shake($own, 'a.example', '', 'and after a reload', @old);
is_shake($tls, 'nobody.example', '', 'as the rest is');

config('ssl-early-data' => 'true');
is_shake($own, 'a.example', "TLSv1_2 $large", 'what goes is as it was', @old);
isnt(shake($tls, 'nobody.example'), '', 'no name is rejected any more');

$n->stop;
is_deeply([$n->alerts], [], 'no alerts');

done_testing();
