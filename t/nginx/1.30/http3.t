# HTTP/3: routes, certificates by SNI, bodies.  It needs a curl that speaks it,
# which Debian 12 does not have.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use K8s::Nginx;
use K8s::TLS;

my $port = K8s::Objects::free_port();
my $ca = K8s::TLS::pair(cn => 'ca');
my $pair = K8s::TLS::pair(cn => 'a', names => ['a.example'], ca => $ca);

my $n = K8s::Nginx->new(http => "
    server {
        listen 127.0.0.1:$port quic reuseport;
        listen 127.0.0.1:$port ssl;
        k8s_ingress_pass;
    }
");

# (status, body) of a request over HTTP/3; 0 and curl's message when there was
# no answer
sub h3 {
    my ($host, $path, @options) = @_;
    my $out = `curl -sS --http3-only -m 10 --resolve $host:$port:127.0.0.1 @options -w '%{stderr}%{http_code} %{http_version}' https://$host:$port$path 2>$n->{root}/curl`;
    my $said = $n->slurp('curl');
    return $said =~ /^(\d+) 3$/ ? ($1, $out) : (0, $said);
}

$n->backend('echo', 'location / { client_max_body_size 0;
    return 200 "$request_method $http_x_forwarded_proto $content_length"; }');
$n->services("default/web:80 a\ndefault/echo:80 echo");
$n->ingresses("default/other b.example / echo:80");
$n->manifest('tls.yaml', K8s::TLS::ingress('default/web', 'web:80',
                                           ['a.example'], 'a' => ['a.example']));
$n->manifest('secret.yaml', K8s::TLS::secret('default/a', $pair));
ok($n->start, 'nginx starts');
ok($n->wait_for('b.example', '/', 200), 'routed');

is_deeply([h3('a.example', '/', "--cacert $ca->{file}.crt")], [200, "a\n"],
          'by host, with the certificate of its Secret');
like((h3('b.example', '/', "--cacert $ca->{file}.crt"))[1], qr/certificate/,
     'another host has the default certificate');
is_deeply([h3('b.example', '/', '-k')], [200, 'GET https '],
          'and its own route');
is((h3('none.example', '/', '-k'))[0], 404, 'no route');

K8s::Objects::write_file("$n->{root}/upload", 'x' x 500000);
is_deeply([h3('b.example', '/', '-k', "--data-binary \@$n->{root}/upload")],
          [200, 'POST https 500000'], 'a body');
K8s::Objects::write_file("$n->{root}/upload", 'x' x 1500000);
is((h3('b.example', '/', '-k', "--data-binary \@$n->{root}/upload"))[0], 413,
   'a body over the limit');

is($n->stop('TERM'), 0, 'ends');
is_deeply([$n->alerts], [], 'no alerts');

done_testing();
