# Backends by TLS that are verified, and that verify: proxy-ssl-*.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use K8s::TLS;
use JSON::PP;
use Test::More;

my ($admin, $https, $mutual, $h2) = map { K8s::Objects::free_port() } 1 .. 4;

my $ca = K8s::TLS::pair(cn => 'CA');
my $other = K8s::TLS::pair(cn => 'other CA');
my $server = K8s::TLS::pair(cn => 's', names => ['inner.test',
                                                  'a.default.svc'],
                            ca => $ca);
my $clients = K8s::TLS::pair(cn => 'client CA');
my ($one, $two) = map { K8s::TLS::pair(cn => $_, ca => $clients) }
                  qw( one two );

my $tls = "ssl_certificate $server->{file}.crt;\n"
          . "ssl_certificate_key $server->{file}.key;\naccess_log off;\n"
          . 'location / { return 200 "$connection $ssl_protocol $ssl_cipher '
          . "sni=\$ssl_server_name \$ssl_client_s_dn \$server_protocol\\n\"; }\n";

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m;',
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }\n"
            . "server { listen 127.0.0.1:$https ssl;\n$tls }\n"
            . "server { listen 127.0.0.1:$mutual ssl;\n"
            . "ssl_client_certificate $clients->{file}.crt;\n"
            . "ssl_verify_client on;\n$tls }\n"
            . "server { listen 127.0.0.1:$h2 ssl; http2 on;\n$tls }\n",
    main => 'worker_processes 1;');

$n->{ports} = { a => $https, m => $mutual, g => $h2, p => 1 };
$n->services("default/a:80 a\ndefault/m:80 m\ndefault/g:80 g");
$n->{ports} = {};
$n->backend('p', 'location / { return 200 "plain\n"; }');
$n->services('default/p:80 p', 'p.yaml');

sub secret {
    my ($name, %data) = @_;
    my $text = join '', map { my $v = $data{$_} =~ s/^/    /gmr;
                              "  $_: |\n$v" } sort keys %data;
    $n->manifest("secret-$name.yaml", "apiVersion: v1\nkind: Secret\n"
                 . "metadata: {name: $name, namespace: default}\n"
                 . "stringData:\n$text");
}

sub to {
    my ($name, $service, %o) = @_;
    my $protocol = delete $o{protocol} // 'HTTPS';
    my $object = K8s::Objects::ingresses(
        "default/$name $name.test / $service:80");
    my $lines = "    nginx.ingress.kubernetes.io/backend-protocol: $protocol\n"
                . join '', map { "    nginx.ingress.kubernetes.io/proxy-ssl-$_:"
                                 . " \"$o{$_}\"\n" } sort keys %o;
    $object =~ s/^(  annotations:\n)/$1$lines/m or die $object;
    $n->manifest("$name.yaml", $object);
}

sub status { ($n->get("$_[0].test", '/'))[0] }
sub body { ($n->get("$_[0].test", '/'))[1] }

sub problem {
    my ($name) = @_;
    my (undef, $text) = K8s::Objects::http_get($admin, 'x',
                                               '/status?problems=1');
    return join "\n",
        map { my $p = $_; map { "$_->{code} "
                                . $_->{field} =~ s/^.*proxy-ssl-(.*)\]$/$1/r
                                . ": $_->{message}" } @{$p->{problems}} }
        grep { $_->{name} eq $name }
        @{JSON::PP::decode_json($text)->{blocks}[0]{problems}};
}

sub connection { (body($_[0]) =~ /^(\d+)/)[0] }
my %verify = (secret => 'default/ca', verify => 'on');

secret('ca', 'ca.crt' => $ca->{crt});
secret('wrong', 'ca.crt' => $other->{crt});
secret('none', 'x' => "y\n");
secret('pair', 'ca.crt' => $ca->{crt}, 'tls.crt' => $one->{crt},
       'tls.key' => $one->{key});
secret('noca', 'tls.crt' => $one->{crt}, 'tls.key' => $one->{key});
secret('typo', 'CA.crt' => $ca->{crt});
secret('auth', 'auth' => "a:{PLAIN}b\n");
secret('half', 'tls.crt' => $one->{crt});
secret('halfca', 'ca.crt' => $ca->{crt}, 'tls.crt' => $one->{crt});
secret('broken', 'tls.crt' => $one->{crt}, 'tls.key' => $two->{key});
secret('brokenca', 'ca.crt' => $ca->{crt}, 'tls.crt' => $one->{crt},
       'tls.key' => "none\n");

to('open', 'a');
to('good', 'a', %verify, name => 'inner.test');
to('default', 'a', %verify);
to('name', 'a', %verify, name => 'outer.test');
to('ca', 'a', secret => 'default/wrong', verify => 'on', name => 'inner.test');
to('lax', 'a', secret => 'default/wrong');
to('empty', 'a', secret => 'default/none', verify => 'on',
   name => 'inner.test');
to('missing', 'a', secret => 'default/missing');
to('plain', 'p', protocol => 'HTTP', secret => 'default/missing');
to('nothing', 'p', protocol => 'HTTP', secret => 'default/ca');
to('lower', 'a', protocol => 'https', secret => 'default/ca');
to('bad', 'a', secret => 'default/ca', verify => 'maybe');
to('sni', 'a', secret => 'default/ca', name => 'inner.test',
   'server-name' => 'on');
to('three', 'a', secret => 'default/ca', protocols => 'TLSv1.3');
to('cipher', 'a', secret => 'default/ca',
   ciphers => 'ECDHE-ECDSA-AES256-GCM-SHA384');
to('nonsense', 'a', secret => 'default/ca', ciphers => 'NONSENSE');
to('client', 'm', secret => 'default/pair', verify => 'on',
   name => 'inner.test');
to('stranger', 'm', secret => 'default/ca');
to('withoutca', 'm', secret => 'default/noca');
secret('badcrl', 'ca.crt' => $ca->{crt}, 'ca.crl' => "none\n");

to("un$_", 'a', secret => "default/$_")
    for qw( typo auth half halfca broken brokenca badcrl );
to('unverified', 'a', secret => 'default/noca', verify => 'on');
to('grpc', 'g', %verify, protocol => 'GRPCS', name => 'inner.test');
to('grpcbad', 'g', protocol => 'GRPCS', secret => 'default/wrong',
   verify => 'on', name => 'inner.test');
$n->start;

ok $n->wait_for('good.test', '/', 200), 'a backend that is verified';
is status('default'), 200, 'by the name of its Service';
is status($_), 502, "not: $_" for qw( name ca );
is status($_), 200, "not verified: $_" for qw( lax open );
is status('missing'), 503, 'without its Secret it is closed';
is status($_), 503, "nor is anything to be had of it: $_"
    for qw( empty untypo unauth unhalf unbroken unbrokenca unbadcrl
            unverified );
is status('unhalfca'), 200, 'a CA alone is enough';
like problem("un$_->[0]"), $_->[1], "said of $_->[0]"
    for (['typo', qr/AnnotationClosed secret: .*neither "ca\.crt" nor /],
         ['auth', qr/AnnotationClosed secret: .*neither "ca\.crt" nor /],
         ['half', qr/AnnotationClosed secret: .*neither "ca\.crt" nor /],
         ['halfca', qr/AnnotationNoEffect secret: .*"tls\.crt" without "tls/],
         ['broken', qr/AnnotationClosed secret: .*tls\.key.*closed/],
         ['brokenca', qr/AnnotationClosed secret: .*tls\.key.*closed/],
         ['badcrl', qr/AnnotationClosed secret: .*"ca\.crl".*closed/],
         ['verified', qr/AnnotationClosed secret: .*no "ca\.crt", .*verify/]);
like problem('withoutca'),
    qr/AnnotationNoEffect secret: .*no "ca\.crt", .*not sent/,
    'a certificate that is not sent';
is problem($_), '', "nothing of $_" for qw( good client grpc lower );
is status('nothing'), 200, 'by HTTP nothing is verified';
like problem('nothing'), qr/AnnotationNoEffect secret: .*nothing goes .* by TLS/,
    'which is said';
is status('plain'), 503, 'also by HTTP';
is status('bad'), 503, 'and where it is not known whether it is to be';
like body('good'), qr/ TLSv1\.2 .* sni=  HTTP/, 'TLSv1.2, without a name';
like body('sni'), qr/ sni=inner\.test /, 'or with it';
like body('three'), qr/ TLSv1\.3 /, 'other protocols';
like body('cipher'), qr/ ECDHE-ECDSA-AES256-GCM-SHA384 /, 'and ciphers';
is status('nonsense'), 200, 'ciphers that are none: the default';
like +(K8s::Objects::http_get($admin, 'x', '/status'))[1],
    qr/AnnotationInvalid[^}]*proxy-ssl-ciphers[^}]*NONSENSE/, 'and a problem';
like body('client'), qr/ CN=one /, 'a client certificate';
is status('stranger'), 400, 'none without';
is status('withoutca'), 400, 'nor without ca.crt';
like body('grpc'), qr{ HTTP/2\.0$}, 'gRPC';
is status('grpcbad'), 502, 'and not';

# connections

my $first = connection('good');
is connection('good'), $first, 'a connection is used again';
isnt connection($_), $first, "but not by $_"
    for qw( open lax default sni three );
is status($_), 502, "nor by one that does not verify it: $_"
    for qw( name ca );
is connection('good'), $first, 'it is still there';

# rotation

secret('ca', 'ca.crt' => $other->{crt});
ok $n->wait_for('good.test', '/', 502), 'another CA';
secret('ca', 'ca.crt' => $other->{crt} . $ca->{crt});
ok $n->wait_for('good.test', '/', 200), 'both';
secret('pair', 'ca.crt' => $ca->{crt}, 'tls.crt' => $two->{crt},
       'tls.key' => $two->{key});
ok $n->until(sub { body('client') =~ / CN=two / }), 'another certificate';
secret('pair', 'ca.crt' => $ca->{crt}, 'tls.crt' => $one->{crt},
       'tls.key' => $two->{key});
ok $n->until(sub { problem('client') =~ /AnnotationInvalid .*last good/ }),
    'a bad one';
like body('client'), qr/ CN=two /, 'the last good one is sent';
secret('pair', 'ca.crt' => $ca->{crt});
ok $n->until(sub { status('client') == 400 }), 'none any more';
is problem('client'), '', 'a CA alone: nothing is wrong';
$n->remove('secret-ca.yaml');
ok $n->wait_for('good.test', '/', 503), 'the Secret goes';
secret('ca', 'ca.crt' => $ca->{crt});
ok $n->wait_for('good.test', '/', 200), 'and comes';

# many of them: those used last are kept

my $bad = '';
for my $i (1 .. 300) {
    to('m', 'a', %verify, name => 'inner.test', 'verify-depth' => $i);
    $bad ||= "$i: " . status('m') if !$n->wait_for('m.test', '/', 200);
    last if $bad;
}
is $bad, '', 'more contexts than are kept';
is status('good'), 200, 'the first one once more';

ok $n->reload, 'reload';
is status('good'), 200, 'verified after it';
is status('ca'), 502, 'and not';
is_deeply [$n->alerts], [], 'no alerts';

done_testing();
