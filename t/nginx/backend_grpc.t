# Backends that are asked by gRPC.

use strict;
use warnings;

use lib 't/lib';
use K8s::Backend;
use K8s::Nginx;
use K8s::TLS;
use Test::More;

my ($admin, $h2, $grpc, $grpcs) = map { K8s::Objects::free_port() } 1 .. 4;

my $pair = K8s::TLS::pair(cn => 'b.test');

# what a backend tells of a request
my $says = join ' ', '$server_protocol $scheme $connection $request_uri',
    'host=$http_host te=$http_te up=$http_upgrade con=$http_connection',
    'ip=$http_x_real_ip xff=$http_x_forwarded_for proxy=$http_proxy',
    'proto=$http_x_forwarded_proto set=$http_x_set',
    'verify=$http_ssl_client_verify sni=$ssl_server_name';

my $location = <<EOL;
location / { default_type application/grpc; return 200 "$says\\n"; }
location /jump { add_header X-Accel-Redirect /secret; return 200 "kept\\n"; }
location /bad { return 503 "bad\\n"; }
location /big { add_header X-Big "@{[ '~' x 3000 ]}"; add_header X-Too "@{[ '^' x 3000 ]}";
                return 200 "big\\n"; }
EOL

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map default/own;',
    server => 'k8s_ingress_pass;',
    http => "server { listen 127.0.0.1:$h2; http2 on; k8s_ingress_pass; }\n"
            . "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }\n"
            . "server { listen 127.0.0.1:$grpc; http2 on; access_log off;\n"
            . "$location }\n"
            . "server { listen 127.0.0.1:$grpcs ssl; http2 on;\n"
            . "access_log off;\nssl_certificate $pair->{file}.crt;\n"
            . "ssl_certificate_key $pair->{file}.key;\n$location }\n",
    main => 'worker_processes 1;');

my $closer = K8s::Backend->start(sub { close $_[1] });

$n->backend('a', 'location / { return 200 "plain"; }');
$n->backend('e', 'location / { return 404 "page of $http_x_code"; }');
@{$n->{ports}}{qw( g t gone closer )} = ($grpc, $grpcs, 1, $closer->port);
$n->services(join "\n", 'default/a:80 a', 'default/e:80 e', 'default/g:80 g',
             'default/t:80 t', 'default/gone:80 gone g',
             'default/closer:80 closer', 'default/none:80 -');
delete @{$n->{ports}}{qw( g t gone closer )};

sub to {
    my ($name, $service, @annotations) = @_;
    my $object = K8s::Objects::ingresses(
        "default/$name $name.test / $service:80");
    my $lines = join '', map { "    nginx.ingress.kubernetes.io/$_\n" }
                         @annotations;
    $object =~ s/^(  annotations:\n)/$1$lines/m or die $object;
    $n->manifest("$name.yaml", $object);
}

# the answer of curl by HTTP/2, with its head
sub ask {
    my ($name, $path, @options) = @_;
    open my $f, '-|', 'curl', '-sS', '-i', '-m', '20',
        '--http2-prior-knowledge', @options, '--connect-to',
        "::127.0.0.1:$h2", "http://$name.test$path" or die "curl: $!";
    local $/;
    return <$f> // '';
}

to('g', 'g', 'backend-protocol: GRPC');
to('lower', 'g', 'backend-protocol: "grpc"', 'upstream-vhost: other.test',
   'connection-proxy-header: keep-alive');
to('t', 't', 'backend-protocol: GRPCS');
to('cross', 't', 'backend-protocol: GRPC');
to('plain', 'g');
to('gone', 'gone', 'backend-protocol: GRPC');
to('tries', 'closer', 'backend-protocol: GRPC',
   'proxy-next-upstream-tries: "2"');
to('once', 'closer', 'backend-protocol: GRPC', 'proxy-next-upstream: "off"');
to('none', 'none', 'backend-protocol: GRPC');
to('page', 'g', 'backend-protocol: GRPC', 'custom-http-errors: "503"',
   'default-backend: e');
to('rewrite', 'g', 'backend-protocol: GRPC', 'rewrite-target: /new');
$n->start;

ok $n->until(sub { ask('g', '/x.Y/Do') =~ m{^HTTP/2 200} }), 'by gRPC';
my $answer = ask('g', '/x.Y/Do', '-H', 'TE: trailers', '-H', 'Proxy: evil',
                 '-H', 'X-Real-IP: 9.9.9.9', '-H', 'X-Forwarded-For: 9.9.9.9',
                 '-H', 'ssl-client-verify: SUCCESS');
like $answer, qr{HTTP/2\.0[ ]http[ ]\d+[ ]/x\.Y/Do[ ]host=g\.test[ ]
                 te=trailers[ ]up=[ ]con=[ ]ip=127\.0\.0\.1[ ]
                 xff=127\.0\.0\.1[ ]proxy=[ ]proto=http[ ]}x,
    'what the backend gets';
like $answer, qr{verify= sni=\n}, 'and what a client claims it does not';
like ask('lower', '/'), qr{host=other\.test te= up= con= },
    'upstream-vhost; no headers of connections';
like $n->get('g.test', '/', 'Connection: Upgrade', 'Upgrade: websocket') // '',
    qr/200/, 'a client of HTTP/1.1 that wants an upgrade';

my ($one) = ask('g', '/') =~ m{HTTP/2\.0 http (\d+) };
my ($two) = ask('g', '/') =~ m{HTTP/2\.0 http (\d+) };
is $two, $one, 'a connection is used again';
like ask('plain', '/'), qr{^HTTP/2 200.*HTTP/1\.1 http (?!$one )\d+ }s,
    'not by another protocol';

$answer = ask('t', '/');
like $answer, qr{HTTP/2\.0 https \d+ / .*sni=$}m, 'by TLS, without a name';
my ($tls) = $answer =~ m{HTTP/2\.0 https (\d+) };
like ask('t', '/'), qr{HTTP/2\.0 https $tls }, 'whose connection is used again';
like ask('cross', '/'), qr{^HTTP/2 502}, 'GRPC is not GRPCS';

like ask('g', '/jump'), qr{kept}, 'X-Accel-Redirect leads nowhere';
like ask('g', '/bad'), qr{^HTTP/2 503.*bad}s, 'a status is passed on';
like ask('page', '/bad'), qr{^HTTP/2 404.*page of 503}s, 'or is a page';
like ask('rewrite', '/old?x=1'), qr{HTTP/2\.0 http \d+ /new\?x=1 },
    'a path that is rewritten';
like ask('none', '/'), qr{^HTTP/2 503}, 'no endpoint';

like ask('gone', '/'), qr{^HTTP/2 200}, 'another endpoint'
    for 1 .. 4;
like ask('tries', '/'), qr{^HTTP/2 502}, 'one that closes';
is scalar(@{[ $closer->notes ]}), 2, 'is tried so often';
like ask('once', '/'), qr{^HTTP/2 502}, 'or once';
is scalar(@{[ $closer->notes ]}), 3, 'as it says';

# keys

like ask('g', '/big'), qr{^HTTP/2 502}, 'headers that are too large';
$n->config_map('default/own', 'proxy-set-headers' => 'default/set',
               'grpc-buffer-size-kb' => '"16"', 'proxy-read-timeout' => '"7"');
$n->config_map('default/set', 'X-Set' => '"$host-$scheme"');
ok $n->until(sub { ask('g', '/') =~ m{ set=g\.test-http } }),
    'headers of a ConfigMap';
like ask('t', '/'), qr{HTTP/2\.0 https \d+ / .* set=t\.test-http },
    'over another base';
like ask('g', '/big'), qr{^HTTP/2 200.*big$}s, 'grpc-buffer-size-kb';
is_deeply [grep { !/^HTTP\/2 200/ }
           map { to('lower', 'g', 'backend-protocol: GRPC',
                    "proxy-read-timeout: \"$_\""); ask('lower', '/') }
           10 .. 30], [], 'no request fails while profiles change';
to('lower', 'g');
ok $n->until(sub { ask('lower', '/') =~ m{HTTP/1\.1 http } }),
    'without the annotation';
$n->config_map('default/own');
ok $n->until(sub { ask('g', '/') =~ m{ set= } }), 'without the keys';

ok $n->reload, 'reload';
like ask('g', '/'), qr{HTTP/2\.0 http }, 'by gRPC after it';
is_deeply [$n->alerts], [], 'no alerts';

done_testing();
