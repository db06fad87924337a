# Services whose port has the appProtocol kubernetes.io/h2c: asked by HTTP/2
# where nginx has that for backends, else by HTTP/1.1, and told so.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my ($admin, $h2) = map { K8s::Objects::free_port() } 1 .. 2;

my $says = join ' ', '$server_protocol $connection $request_method',
    '$request_uri host=$http_host up=$http_upgrade con=$http_connection',
    'ip=$http_x_real_ip xff=$http_x_forwarded_for proxy=$http_proxy',
    'set=$http_x_set who=$http_x_who len=$content_length';

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map default/own;',
    server => 'k8s_ingress_pass;',
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }\n"
            . "server { listen 127.0.0.1:$h2; http2 on; access_log off;\n"
            . "location / { client_max_body_size 9m; proxy_pass "
            . "http://127.0.0.1:$h2/told/; }\n"
            . "location /told/ { return 200 \"\$http_x_told\\n\"; }\n"
            . "location /is { add_header X-Big '@{[ 'b' x 900 ]}';\n"
            . "return 200 \"$says\\n\"; }\n"
            . "location /bad { return 503 bad; }\n"
            . "location /jump { add_header X-Accel-Redirect /x;\n"
            . "return 200 kept; } }\n",
    main => 'worker_processes 1;');

my $version = `$n->{bin} -v 2>&1`;
my ($major, $minor, $patch) = $version =~ m{nginx/(\d+)\.(\d+)\.(\d+)}
    or die $version;
my $can = $major * 1_000_000 + $minor * 1000 + $patch >= 1_029_004;
my $proto = $can ? 'HTTP/2.0' : 'HTTP/1.1';

$n->backend('e', 'location / { return 404 "page of $http_x_code"; }');
$n->{ports}{b} = $h2;
$n->services("default/b:80 b\ndefault/plain:80 b\ndefault/e:80 e");
delete $n->{ports}{b};

my $services = $n->slurp('manifests/services.yaml');
(my $with = $services) =~
    s/(name: b\n.*?port: 80, )/$1appProtocol: kubernetes.io\/h2c, /s
    or die $services;

sub to {
    my ($name, $service, @annotations) = @_;
    my $object = K8s::Objects::ingresses(
        "default/$name $name.test / $service:80");
    my $lines = join '', map { "    nginx.ingress.kubernetes.io/$_\n" }
                         @annotations;
    $object =~ s/^(  annotations:\n)/$1$lines/m or die $object;
    $n->manifest("$name.yaml", $object);
}

sub body { my ($name, @lines) = @_; ($n->get("$name.test", '/is', @lines))[1] }
sub status { (K8s::Objects::http_get($admin, 'x', '/status'))[1] // '' }

my @snippets = ('allow-snippet-annotations' => '"true"',
                'annotations-risk-level' => 'Critical');
$n->config_map('default/own', @snippets);
$n->manifest('services.yaml', $with);
to('base', 'b');
to('plain', 'plain');
to('policy', 'b', 'proxy-read-timeout: "9"', 'upstream-vhost: other.test',
   'proxy-http-version: "1.0"', 'connection-proxy-header: keep-alive');
to('snippet', 'b', 'configuration-snippet: "proxy_set_header X-Who me;"');
to('page', 'b', 'custom-http-errors: "503"', 'default-backend: e');
to('rewrite', 'b', 'rewrite-target: /is-new');
to('grpc', 'b', 'backend-protocol: GRPC');
$n->start;

ok $n->wait_for('base.test', '/is', 200, "^$proto "), "by $proto";
like body('base', 'X-Real-IP: 9.9.9.9', 'X-Forwarded-For: 9.9.9.9',
          'Proxy: evil'),
    qr{GET[ ]/is[ ]host=base\.test[ ]up=[ ]con=\S*[ ]ip=127\.0\.0\.1[ ]
       xff=127\.0\.0\.1[ ]proxy=[ ]}x, 'what the backend gets';
like body('plain'), qr{^HTTP/1\.1 }, 'another Service of the same Pods';
like body('policy'), $can ? qr{^HTTP/2\.0 .*host=other\.test up= con= }
                          : qr{^HTTP/1\.0 .*host=other\.test },
    'with annotations';
like body('snippet'), qr{^\Q$proto\E .* who=me }, 'headers of a snippet';
is join(' ', ($n->get('page.test', '/bad'))[0, 1]), '404 page of 503',
    'a page of errors';
like +($n->get('rewrite.test', '/x'))[1], qr{^\Q$proto\E \d+ GET /is-new },
    'a path that is rewritten';
like +($n->get('base.test', '/jump'))[1], qr{^kept}, 'nothing leads elsewhere';

my ($one) = body('base') =~ /^\S+ (\d+) /;
like body('base'), qr{^\S+ $one }, 'a connection is used again';
unlike body('plain'), qr{^\S+ $one }, 'not by another protocol' if $can;
like body('base'), qr{^\Q$proto\E }, 'and the other way round';

like upload(), qr{ POST /is .*len=100000$}m, 'a body';

# what older ones say

if ($can) {
    unlike status(), qr/AppProtocolUnserved/, 'no problem';
} else {
    like status(), qr/AppProtocolUnserved[^}]*kubernetes\.io\/h2c[^}]*default\/b/,
        'the problem';
    unlike status(), qr/"name":"(?:plain|grpc)"[^\]]*AppProtocolUnserved/,
        'where something else is said there is none';
}

# changes

$n->config_map('default/own', 'proxy-set-headers' => 'default/set',
               'proxy-read-timeout' => '"7"', @snippets);
$n->config_map('default/set', 'X-Set' => '"$host-$scheme"');
ok $n->wait_for('base.test', '/is', 200, ' set=base\.test-http '),
    'headers of a ConfigMap';
like body('policy'), qr{ set=policy\.test-http }, 'over another base';
like body('base'), qr{^\Q$proto\E }, "by $proto";
$n->config_map('default/own', @snippets);
ok $n->wait_for('base.test', '/is', 200, ' set= '), 'without the keys';

my $load = K8s::Objects::child(sub {
    for (1 .. 300) {
        my ($s) = $n->get('policy.test', '/is');
        die "status $s\n" if $s ne '200';
    }
});
for (1 .. 20) {
    to('policy', 'b', "proxy-read-timeout: \"$_\"");
    $n->manifest('services.yaml', $_ % 2 ? $services : $with);
    select undef, undef, undef, 0.03;
}
waitpid $load, 0;
is $?, 0, 'no request fails while profiles and Services change';

$n->manifest('services.yaml', $services);
ok $n->wait_for('base.test', '/is', 200, '^HTTP/1\.1 '), 'without it';
ok $n->until(sub { status() !~ /AppProtocolUnserved/ }), 'the problem goes';
$n->manifest('services.yaml', $with);
ok $n->wait_for('base.test', '/is', 200, "^$proto "), 'with it again';

ok $n->reload, 'reload';
like body('base'), qr{^\Q$proto\E }, 'the same after it';
is_deeply [$n->alerts], [], 'no alerts';

done_testing();

sub upload {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}) or die $!;
    print $s "POST /is HTTP/1.1\r\nHost: base.test\r\nConnection: close\r\n"
             . "Content-Length: 100000\r\n\r\n", 'x' x 100_000;
    local $/;
    return <$s> // '';
}
