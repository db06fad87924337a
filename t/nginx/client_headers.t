# What backends, auth servers and error backends are told of a client's
# certificate, and that a client cannot say it itself.

use strict;
use warnings;

use IO::Socket::SSL;
use MIME::Base64 qw( encode_base64 );
use Test::More;

use lib 't/lib';
use K8s::Backend;
use K8s::Nginx;
use K8s::TLS;

my ($tls, $grpc, $bare) = map { K8s::Objects::free_port() } 1 .. 3;
my $prefix = 'nginx.ingress.kubernetes.io';

my ($one, $two) = map { K8s::TLS::pair(cn => "ca $_") } 1 .. 2;
my $alice = K8s::TLS::pair(cn => 'alice', ca => $one);
my $bob = K8s::TLS::pair(cn => 'bob', ca => $one);
my $eve = K8s::TLS::pair(cn => 'eve', ca => $two);
my $server = K8s::TLS::pair(cn => 'all', names => ['*.example']);

# both note what they get of these names
sub noting {
    my ($answer) = @_;
    return K8s::Backend->start(sub {
        my ($b, $c) = @_;
        while (my $r = $b->request($c)) {
            $b->note(join '|', "$r->{method} $r->{uri}",
                     grep { /^ssl.client/i } split /\r\n/, $r->{raw});
            $answer->($b, $c, $r);
        }
    });
}

my $web = noting(sub {
    my ($b, $c, $r) = @_;
    $b->answer($c, $r->{uri} =~ /broken/ ? 503 : 200, '');
});
my $auth = noting(sub { $_[0]->answer($_[1], 200, '',
                                      'ssl-client-subject-dn: CN=root') });
my $at = 'http://127.0.0.1:' . $auth->port;

my $says = join ' ', map { "$_=\$http_ssl_client_$_" }
               qw( cert verify subject_dn issuer_dn );

my $n = K8s::Nginx->new(http => "
    underscores_in_headers on;
    server {
        listen 127.0.0.1:$tls ssl;
        http2 on;
        k8s_ingress_pass;
    }
    k8s_ingress bare { source manifests %%DIR%%; zone 8m; defaults nginx; }
    server { listen 127.0.0.1:$bare ssl; k8s_ingress_pass bare; }
    server {
        listen 127.0.0.1:$grpc; http2 on; access_log off;
        location / { default_type application/grpc; return 200 '$says'; }
    }
", main => 'worker_processes 1;');

sub ingress {
    my ($name, $service, %annotations) = @_;
    my $text = K8s::TLS::ingress("default/$name", "$service:80",
                                 ["$name.example"], all => ["$name.example"]);
    my $more = join '', map { "    $prefix/$_: '$annotations{$_}'\n" }
                        sort keys %annotations;
    $text =~ s/(  annotations: )\{(.*)\}\n/$1\n    $2\n$more/;
    $n->manifest("$name.yaml", $text);
}

my %ca = ('auth-tls-secret' => 'default/one');
my %whole = (%ca, 'auth-tls-pass-certificate-to-upstream' => 'true');
my %may = (%ca, 'auth-tls-verify-client' => 'optional',
           'ssl-redirect' => 'false');

@{$n->{ports}}{qw( web grpc )} = ($web->port, $grpc);
$n->services("default/web:80 web\ndefault/grpc:80 grpc\ndefault/e:80 web");
delete @{$n->{ports}}{qw( web grpc )};
$n->manifest('secret.yaml', K8s::TLS::secret('default/all', $server));
$n->manifest('ca.yaml', "apiVersion: v1\nkind: Secret\n"
    . "metadata: {name: one, namespace: default}\ndata:\n"
    . '  ca.crt: "' . encode_base64($one->{crt}, '') . "\"\n");
ingress('on', 'web', %ca);
ingress('whole', 'web', %whole);
ingress('may', 'web', %may, 'auth-tls-pass-certificate-to-upstream' => 'true');
ingress('any', 'web', %ca, 'auth-tls-verify-client' => 'optional_no_ca');
ingress('off', 'web', %ca, 'auth-tls-verify-client' => 'off');
ingress('bad', 'web', %ca, 'auth-tls-pass-certificate-to-upstream' => 'yes');
ingress('plain', 'web', 'ssl-redirect' => 'false');
ingress('grpc', 'grpc', %whole, 'backend-protocol' => 'GRPC');
ingress('asked', 'web', %whole, 'auth-url' => "$at/asked",
        'auth-response-headers' => 'ssl-client-subject-dn');
ingress('open', 'web', 'auth-url' => "$at/open",
        'auth-response-headers' => 'ssl-client-subject-dn');
ingress('kept', 'web', %ca, 'auth-url' => "$at/kept",
        'auth-cache-key' => '$http_x_key');
ingress('page', 'web', %ca, 'custom-http-errors' => '503',
        'default-backend' => 'e');
ingress('nopage', 'web', 'custom-http-errors' => '503',
        'default-backend' => 'e');
$n->start;

my @forged = map { ("$_: forged", "$_: twice") }
             qw( ssl-client-cert ssl-client-verify SSL-Client-Verify
                 ssl-client-subject-dn SSL-CLIENT-ISSUER-DN );

# the answer to a request with lines, by a connection with a certificate or none
sub ask {
    my ($name, $who, %o) = @_;
    K8s::Objects::write_file("$who->{file}-chain.crt", $who->{crt}) if $who;
    my $s = $o{plain}
        ? IO::Socket::INET->new("127.0.0.1:$n->{port}")
        : IO::Socket::SSL->new(PeerAddr => '127.0.0.1',
              PeerPort => $o{port} // $tls,
              Timeout => 10, SSL_verify_mode => SSL_VERIFY_NONE,
              SSL_hostname => ($o{sni} // $name) . '.example',
              $who ? (SSL_cert_file => "$who->{file}-chain.crt",
                      SSL_key_file => "$who->{file}.key", SSL_use_cert => 1)
                   : ());
    return "none" if !$s;
    local $SIG{ALRM} = sub { die "time-out\n" };
    my $answer = '';
    eval {
        alarm 20;
        print $s join "\r\n", 'GET ' . ($o{path} // "/$name") . ' HTTP/1.1',
                      "Host: $name.example", 'Connection: close',
                      @{$o{lines} // []}, '', '';
        local $/;
        $answer = <$s> // '';
    };
    alarm 0;
    return $answer;
}

# what came of the last request, as "name: value" of those names
sub came {
    my ($of, $uri) = @_;
    my ($last) = grep { / \Q$uri\E(?:\||$)/ } reverse $of->notes;
    my (undef, @lines) = split /\|/, $last // 'x|nothing came';
    return join '|', @lines;
}

sub told {
    my ($name, $who, $want, $what, %o) = @_;
    my $answer = ask($name, $who, lines => \@forged, %o);
    like $answer, qr/^HTTP\/1\.1 (?:200|503)/, "$what: arrives";
    my $got = came($o{of} // $web, $o{uri} // $o{path} // "/$name");
    is $got =~ s/(ssl-client-cert: ).{30}[^|]*/$1whole/r, $want, $what;
}

ok $n->until(sub { ask('on', $alice) =~ / 200 / }), 'is served';

my $names = 'ssl-client-verify: SUCCESS|ssl-client-subject-dn: CN=alice|'
            . 'ssl-client-issuer-dn: CN=ca 1';

told('on', $alice, $names, 'who it is');
told('whole', $alice, "ssl-client-cert: whole|$names", 'with the certificate');
told('bad', $alice, $names, 'a bad value');
told('may', $alice, "ssl-client-cert: whole|$names", 'optional: one');
told('may', undef, 'ssl-client-verify: NONE', 'optional: none');
told('may', undef, '', 'optional: without TLS', plain => 1);
told('off', $alice, 'ssl-client-verify: NONE', 'nobody asks');
told('off', $alice, 'ssl-client-verify: NONE',
     'nobody asks, but the host of the handshake', sni => 'on');
told('any', $eve, 'ssl-client-verify: FAILED:self-signed certificate in '
     . 'certificate chain|ssl-client-subject-dn: CN=eve|ssl-client-issuer-dn: CN=ca 2',
     'optional_no_ca: of another CA');
told('plain', $alice, '', 'a host without a CA');
told('plain', undef, '', 'without TLS', plain => 1);
told('plain', undef, 'ssl_client_verify: kept', 'another name',
     lines => ['ssl_client_verify: kept']);

ok $n->until(sub { ask('on', $alice, port => $bare) =~ / 200 / }),
    'without headers of ours';
told('on', $alice, $names, 'who it is, alone', port => $bare);

like ask('whole', $alice) && came($web, '/whole'),
    qr/^ssl-client-cert: -----BEGIN%20CERTIFICATE-----%0A\w/,
    'a certificate is escaped';

# an auth server, whose answer does not say who the client is

told('asked', $alice, "ssl-client-cert: whole|$names", 'an auth server',
     of => $auth);
is came($web, '/asked') =~ s/(ssl-client-cert: ).{30}[^|]*/$1whole/r,
    "ssl-client-cert: whole|$names", 'and the backend behind it';
told('open', $alice, '', 'an auth server, without a CA', of => $auth);
is came($web, '/open'), '', 'and the backend behind it';

# what is kept of its answers is not for another certificate

sub asks {
    my ($who) = @_;
    my $before = grep { / \/kept/ } $auth->notes;
    my $answer = ask('kept', $who, lines => ['X-Key: same']);
    my $asked = grep { / \/kept/ } $auth->notes;
    return ($answer =~ / (\d+) / ? $1 : 'none') . ' ' . ($asked - $before);
}

is asks($alice), '200 1', 'asked about one certificate';
is asks($alice), '200 0', 'and not again';
is asks($bob), '200 1', 'but about another one';

# a backend of error pages

told('page', $alice, $names, 'a page of errors', path => '/broken', uri => '/');
told('nopage', $alice, '', 'a page of errors, without a CA', path => '/broken',
     uri => '/');

# gRPC, and a client of HTTP/2

my @curl = ('curl', '-sk', '-m', '20', '--http2', '--connect-to',
            "::127.0.0.1:$tls", '--cert', "$alice->{file}-chain.crt", '--key',
            "$alice->{file}.key", map { ('-H', $_) } @forged);

sub curl {
    my ($url) = @_;
    open my $f, '-|', @curl, $url or die "curl: $!";
    local $/;
    return <$f> // '';
}

like curl('https://grpc.example/'), qr/^cert=-----BEGIN%20\S+
    [ ]verify=SUCCESS[ ]subject_dn=CN=alice[ ]issuer_dn=CN=ca[ ]1$/x, 'by gRPC';
curl('https://on.example/h2');
is came($web, '/h2'), $names, 'by HTTP/2';

$n->stop;
is_deeply [$n->alerts], [], 'no alerts';

done_testing();
