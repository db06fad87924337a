# Backends that are asked by TLS.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use K8s::TLS;
use Test::More;

my ($admin, $tls, $backend) = map { K8s::Objects::free_port() } 1 .. 3;

my $pair = K8s::TLS::pair(cn => 'b.test');

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m;',
    server => "listen 127.0.0.1:$tls ssl; k8s_ingress_pass;",
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }\n"
            . "server { listen 127.0.0.1:$backend ssl;\n"
            . "ssl_certificate $pair->{file}.crt;\n"
            . "ssl_certificate_key $pair->{file}.key;\n"
            . "location / { return 200 \"\$scheme \$connection"
            . " \$connection_requests '\$ssl_server_name'\\n\"; } }\n",
    main => 'worker_processes 1;');

$n->backend('a', 'location / { return 200 "$scheme\n"; }');
$n->{ports}{b} = $backend;
$n->services("default/a:80 a\ndefault/b:443 b");
delete $n->{ports}{b};

sub to {
    my ($name, @annotations) = @_;
    my $object = K8s::Objects::ingresses("default/$name $name.test / b:443");
    my $lines = join '', map { "    nginx.ingress.kubernetes.io/$_\n" }
                         @annotations;
    $object =~ s/^(  annotations:\n)/$1$lines/m or die $object;
    $n->manifest("$name.yaml", $object);
}

sub body { my ($name, @lines) = @_; ($n->get("$name.test", '/', @lines))[1] }

to('secure', 'backend-protocol: HTTPS');
to('lower', 'backend-protocol: https', 'proxy-read-timeout: "9"');
to('plain');
to('auto', 'backend-protocol: AUTO_HTTP');
$n->annotated('wrong', 'backend-protocol: HTTPS');
$n->annotated('typo', 'backend-protocol: H2');
$n->start;

ok $n->wait_for('secure.test', '/', 200, "^https \\d+ \\d+ ''\$"),
    'by TLS, without a name';
like body('lower'), qr/^https /, 'in any case';
is +($n->get('plain.test', '/'))[0], 400, 'not without the annotation';

my ($connection, $requests) = body('secure') =~ /^https (\d+) (\d+)/;
like body('secure'), qr/^https $connection @{[ $requests + 1 ]} /,
    'a connection is used again';
is +($n->get('plain.test', '/'))[0], 400, 'by its protocol alone';
like body('secure'), qr/^https /, 'and the other way round';

is +($n->get('auto.test', '/'))[0], 400, 'as a client asks by HTTP';
my ($status, $answer) = K8s::TLS::request(K8s::TLS::dial($tls, 'auto.test'),
                                           'auto.test', '/');
like join(' ', $status // '', $answer // ''), qr/https \d+/,
    'as a client asks by TLS';

is +($n->get('wrong.test', '/'))[0], 502, 'a backend without TLS';
is +($n->get('typo.test', '/'))[1], "http\n", 'no protocol: HTTP';

is +($n->get('secure.test', '/'))[0], 200, 'once more';
to('secure');
ok $n->wait_for('secure.test', '/', 400), 'without the annotation';
to('secure', 'backend-protocol: HTTPS');
ok $n->wait_for('secure.test', '/', 200), 'with it again';

# what workers would refuse the watcher does, by the protocol that comes later

to('redirects', 'backend-protocol: AUTO_HTTP', 'proxy-redirect-from: default');
ok $n->wait_for('redirects.test', '/', 400), 'a value that nginx refuses';
ok $n->until(sub {
    (K8s::Objects::http_get($admin, 'x', '/status'))[1]
        =~ /AnnotationInvalid[^}]*proxy-redirect-from[^}]*nginx refuses/;
}), 'beside a variable protocol is a problem';
unlike $n->log, qr/this nginx\.conf refuses it/, 'and not in workers alone';

my $load = K8s::Objects::child(sub {
    for (1 .. 300) {
        my ($s) = $n->get('lower.test', '/');
        die "status $s\n" if $s ne '200';
    }
});
for (1 .. 20) {
    to('lower', 'backend-protocol: HTTPS', "proxy-read-timeout: \"$_\"");
    select undef, undef, undef, 0.05;
}
waitpid $load, 0;
is $?, 0, 'no request fails while profiles change';

ok $n->reload, 'reload';
like body('lower'), qr/^https /, 'by TLS after it';
is_deeply [$n->alerts], [], 'no alerts';

done_testing();
