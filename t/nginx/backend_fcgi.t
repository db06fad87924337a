# Backends that are asked by FastCGI.

use strict;
use warnings;

use lib 't/lib';
use K8s::Backend;
use K8s::FastCGI;
use K8s::Nginx;
use K8s::TLS;
use IO::Socket::SSL;
use MIME::Base64 qw( encode_base64 );
use Test::More;

my ($admin, $tls, $h2) = map { K8s::Objects::free_port() } 1 .. 3;

# answers with what it got
sub tell {
    my ($b, $c) = @_;

    while (my $r = K8s::FastCGI::request($c)) {
        my %p = %{$r->{params}};
        my $text = join '', map { "$_=$p{$_}\n" } sort keys %p;
        my $head = "Content-Type: text/plain\r\n";
        my %q = map { split /=/, $_, 2 } split /&/, $p{QUERY_STRING};

        $text .= "twice=$_\n" for sort keys %{$r->{twice}};
        $text .= 'body=' . length($r->{body}) . "\n";
        $b->note("$p{REQUEST_URI} $r->{keep}");

        return if $q{close};
        sleep 30 if $q{slow};
        $head .= "Status: $q{status} Of\r\n" if $q{status};
        $head .= "X-Accel-Redirect: /secret\r\n" if $q{jump};
        $text .= '~' x $q{size} if $q{size};

        if ($q{half}) {
            K8s::FastCGI::output($c, $r, "$head\r\nhalf");
            return;
        }

        K8s::FastCGI::answer($c, $r, "$head\r\n$text");
        return if !$r->{keep};
    }
}

my $f = K8s::Backend->start(\&tell);
my $closer = K8s::Backend->start(sub { K8s::FastCGI::request($_[1]) });
my $http = K8s::Backend->start(sub {
    my ($b, $c) = @_;
    sysread $c, my $got, 65536;
    $b->note('asked');
    $b->answer($c, 200, 'http');
});

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map default/own;',
    server => 'k8s_ingress_pass;',
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }\n"
            . "server { listen 127.0.0.1:$h2; http2 on; k8s_ingress_pass; }\n"
            . "server { listen 127.0.0.1:$tls ssl; k8s_ingress_pass; }\n",
    main => 'worker_processes 1;');

$n->backend('a', 'location / { add_header X-User ada; return 200 "a"; }');
$n->backend('e', 'location / { return 404 "page of $http_x_code"; }');
my @ports = (f => $f->port, closer => $closer->port, plain => $http->port,
             gone => 1);
$n->{ports} = { %{$n->{ports}}, @ports };
$n->services(join "\n", 'default/a:80 a', 'default/e:80 e', 'default/f:9000 f',
             'default/gone:9000 gone', 'default/some:9000 gone f',
             'default/closer:9000 closer', 'default/plain:9000 plain');
delete @{$n->{ports}}{qw( f closer plain gone )};

sub to {
    my ($name, $service, @annotations) = @_;
    my $object = K8s::Objects::ingresses(
        "default/$name $name.test / $service:9000");
    my $lines = join '', map { "    nginx.ingress.kubernetes.io/$_\n" }
                         'backend-protocol: FCGI', @annotations;
    $object =~ s/^(  annotations:\n)/$1$lines/m or die $object;
    $n->manifest("$name.yaml", $object);
}

sub status { (K8s::Objects::http_get($admin, 'x', '/status'))[1] // '' }

# { NAME => value } of what the backend got
sub params {
    my ($name, @request) = @_;
    my ($status, $body) = $n->get("$name.test", @request);
    return { status => $status // 0, ($body // '') =~ /^([^=\n]+)=(.*)$/mg };
}

$n->config_map('default/params', SCRIPT_FILENAME =>
               '"/srv$fastcgi_script_name"', SERVER_SOFTWARE => 'ours',
               FROM => '"${remote_addr}:$server_name"', EMPTY => '""');
my @snippets = ('allow-snippet-annotations' => '"true"',
                'annotations-risk-level' => 'Critical');
$n->config_map('default/own', @snippets);
$n->config_map('default/unknown', X => '"$no_such"');
$n->config_map('default/bad', '"A B"' => 'x');

to('f', 'f');
to('php', 'f', 'fastcgi-index: index.php',
   'fastcgi-params-configmap: default/params', 'upstream-vhost: other.test');
to('late', 'f', 'fastcgi-params-configmap: come');
to('unknown', 'f', 'fastcgi-params-configmap: unknown');
to('bad', 'f', 'fastcgi-params-configmap: bad');
to('snippet', 'f', 'fastcgi-params-configmap: params',
   'configuration-snippet: "set $who me; proxy_set_header X-Who $who; '
   . 'proxy_set_header Host snip.test;"');
to('rewrite', 'f', 'rewrite-target: /new.php', 'fastcgi-index: i.php');
to('page', 'f', 'custom-http-errors: "503"', 'default-backend: e');
to('short', 'f', 'proxy-read-timeout: "1"', 'proxy-next-upstream-tries: "1"');
to('auth', 'f', "auth-url: http://127.0.0.1:@{[ $n->port_of('a') ]}/",
   'auth-response-headers: X-User');
to('again', 'f', 'proxy-next-upstream: error http_502 http_404',
   'proxy-buffering: "on"');
to('gateways', 'f', 'proxy-next-upstream: http_502');
to('gone', 'gone');
to('some', 'some');
to('closer', 'closer', 'proxy-next-upstream-tries: "2"');
to('plain', 'plain');
$n->start;

ok $n->wait_for('f.test', '/', 200, '(?m)^REQUEST_URI=/$'), 'by FastCGI';

# parameters

my $p = params('f', '/a/b.php?x=1&y=2', 'Proxy: evil', 'X-Real-IP: 9.9.9.9',
               'X-Forwarded-For: 9.9.9.9', 'X-Other: 1', 'X-Other: 2',
               'ssl-client-verify: SUCCESS', 'Content-Type: text/x');
is_deeply +{ map { $_ => $p->{$_} } qw( REQUEST_METHOD QUERY_STRING SCRIPT_NAME
                REQUEST_URI DOCUMENT_URI CONTENT_TYPE CONTENT_LENGTH
                SERVER_PROTOCOL REQUEST_SCHEME GATEWAY_INTERFACE REMOTE_ADDR
                SERVER_PORT SERVER_NAME REDIRECT_STATUS ) },
          { REQUEST_METHOD => 'GET', QUERY_STRING => 'x=1&y=2',
            SCRIPT_NAME => '/a/b.php', REQUEST_URI => '/a/b.php?x=1&y=2',
            DOCUMENT_URI => '/a/b.php', CONTENT_TYPE => 'text/x',
            CONTENT_LENGTH => '', SERVER_PROTOCOL => 'HTTP/1.1',
            REQUEST_SCHEME => 'http', GATEWAY_INTERFACE => 'CGI/1.1',
            REMOTE_ADDR => '127.0.0.1', SERVER_PORT => $n->{port},
            SERVER_NAME => 'f.test', REDIRECT_STATUS => 200 }, 'parameters';
is $p->{HTTP_HOST}, 'f.test', 'the host';
is $p->{HTTP_X_OTHER}, '1, 2', 'headers of a client';
is "$p->{HTTP_X_REAL_IP} $p->{HTTP_X_FORWARDED_FOR}", '127.0.0.1 127.0.0.1',
    'its address is not what it says';
is_deeply [grep { exists $p->{$_} } qw( HTTP_PROXY HTTP_SSL_CLIENT_VERIFY
                                        HTTPS twice HTTP_SSL_CLIENT_CERT )],
    [], 'and nothing that it must not say';

$p = params('f', '/', 'HTTPS: on');
is_deeply [exists $p->{HTTPS}, $p->{HTTP_HTTPS}], ['', 'on'], 'HTTPS is ours';

like upload('f.test', 'Content-Length: 200000', '', 200_000, ''),
    qr/^CONTENT_LENGTH=200000\n.*^body=200000\n/ms, 'a body';
like upload('f.test', 'Transfer-Encoding: chunked', sprintf("%x\r\n", 70_000),
            70_000, "\r\n0\r\n\r\n"),
    qr/^CONTENT_LENGTH=70000\n.*^body=70000\n/ms, 'in chunks';
like by_h2('f', '/x'), qr{^SERVER_PROTOCOL=HTTP/2\.0$}m, 'a client of HTTP/2';
like secure('f.test', ''), qr/^HTTPS=on\n.*^REQUEST_SCHEME=https\n/ms, 'and of TLS';

# parameters of a ConfigMap

$p = params('php', '/dir/');
is $p->{SCRIPT_NAME}, '/dir/index.php', 'fastcgi-index';
is $p->{SCRIPT_FILENAME}, '/srv/dir/index.php', 'a parameter with a variable';
is $p->{FROM}, '127.0.0.1:php.test', 'and with two';
is "$p->{SERVER_SOFTWARE}|$p->{EMPTY}", 'ours|', 'in place of ours; empty';
is $p->{HTTP_HOST}, 'other.test', 'upstream-vhost';
is $p->{HTTP_X_REAL_IP}, '127.0.0.1', 'with all headers';
ok !$p->{twice}, 'none of them twice';
is params('f', '/dir/')->{SCRIPT_NAME}, '/dir/', 'nobody else has them';

is +($n->get('late.test', '/'))[0], 503, 'a ConfigMap that is not there';
$n->config_map('default/come', COME => '"yes"');
ok $n->wait_for('late.test', '/', 200, '(?m)^COME=yes$'), 'comes';
$n->config_map('default/come', COME => '"$request_method"');
ok $n->wait_for('late.test', '/', 200, '(?m)^COME=GET$'), 'and changes';

is +($n->get('unknown.test', '/'))[0], 503, 'a variable that there is not';
is +($n->get('bad.test', '/'))[0], 503, 'a name that is none';
like status(), qr/fastcgi-params-configmap[^}]*there is no variable \\"no_such/,
    'is said';
like status(), qr/fastcgi-params-configmap[^}]*not the name of a parameter/,
    'each';

$p = params('snippet', '/');
is "$p->{HTTP_X_WHO} $p->{HTTP_HOST} $p->{SCRIPT_FILENAME}",
    'me snip.test /srv/', 'headers of a snippet';
ok !$p->{twice}, 'in place of ours';
$p = params('rewrite', '/old?q=1');
is "$p->{SCRIPT_NAME} $p->{REQUEST_URI} $p->{QUERY_STRING}",
    '/new.php /old?q=1 q=1', 'a path that is rewritten';
$p = params('auth', '/', 'X-User: eve');
is $p->{HTTP_X_USER}, 'ada', 'a header of an auth server';

# answers

my @answer = $n->get('f.test', '/?status=418');
is $answer[0], 418, 'a status';
like +($n->get('f.test', '/?jump=1'))[1], qr/^REQUEST_URI=.*jump/m,
    'X-Accel-Redirect leads nowhere';
is join(' ', ($n->get('page.test', '/?status=503'))[0, 1]), '404 page of 503',
    'a page of errors';
is length(($n->get('again.test', '/?size=500000'))[1] =~ s/[^~]//gr), 500_000,
    'a large one, buffered';
is +($n->get('again.test', '/?status=404'))[0], 404, 'conditions of retries';
is +($n->get('gateways.test', '/'))[0], 200, 'those that FastCGI has not';
unlike status(), qr/"kind":"Ingress","namespace":"default","name":"(?:again|gateways)"/,
    'are no problem';
is +($n->get('short.test', '/?slow=1'))[0], 504, 'proxy-read-timeout';
is +($n->get('f.test', '/?close=1'))[0], 502, 'no answer';
like +($n->get('f.test', '/?half=1'))[1] // '', qr/^half$/, 'half of one';

my $before = grep { $_ eq 'connection' } $f->notes;
params('f', '/') for 1 .. 4;
is grep({ $_ eq 'connection' } $f->notes) - $before, 4,
    'no connection is kept, as each holds a process';
is grep({ m{ 1$} } $f->notes), 0, 'nor is one to be';

# each request ends: ingress-nginx asks such backends without end

is +($n->get('gone.test', '/'))[0], 502, 'a backend that refuses';
is +($n->get('some.test', '/'))[0], 200, 'beside one that does not' for 1 .. 3;
is +($n->get('closer.test', '/'))[0], 502, 'one that closes';
is scalar(@{[ $closer->notes ]}), 2, 'is asked so often';
is +($n->get('plain.test', '/'))[0], 502, 'one that speaks HTTP';
cmp_ok scalar(grep { $_ eq 'asked' } $http->notes), '<=', 3, 'is as well';

# keys

$n->config_map('default/own', 'proxy-set-headers' => 'default/set',
               'enable-underscores-in-headers' => '"true"', @snippets);
$n->config_map('default/set', 'X-Set' => '"$host-$scheme"', 'X-Two' => 'two');
ok $n->wait_for('f.test', '/', 200, '(?m)^HTTP_X_SET=f.test-http$'),
    'headers of a ConfigMap';
$p = params('php', '/x', 'X_Set: 1', 'X_Real_IP: 9.9.9.9', 'X_Two: 9',
            'SSL_CLIENT_VERIFY: SUCCESS', 'X-Forwarded_For: 9.9.9.9');
is "$p->{HTTP_X_SET} $p->{HTTP_X_TWO} $p->{HTTP_X_REAL_IP} "
   . "$p->{HTTP_X_FORWARDED_FOR} $p->{SCRIPT_FILENAME}",
    'php.test-http two 127.0.0.1 127.0.0.1 /srv/x',
    'over another base; no header in another form';
ok !exists $p->{HTTP_SSL_CLIENT_VERIFY}, 'nor a certificate';
$p = params('auth', '/', 'X_User: eve');
is "$p->{HTTP_X_USER} @{[ $p->{twice} // '-' ]}", 'ada -',
    'nor a header of the auth server';
$n->config_map('default/own', @snippets);
ok $n->until(sub { !exists params('f', '/')->{HTTP_X_SET} }),
    'without the keys';

# what is told of certificates

my $ca = K8s::TLS::pair(cn => 'ca');
my $alice = K8s::TLS::pair(cn => 'alice', ca => $ca);
K8s::Objects::write_file("$alice->{file}-chain.crt", $alice->{crt});
$n->manifest('ca.yaml', "apiVersion: v1\nkind: Secret\n"
             . "metadata: {name: ca, namespace: default}\ndata:\n"
             . '  ca.crt: "' . encode_base64($ca->{crt}, '') . "\"\n");
to('mtls', 'f', 'auth-tls-secret: default/ca',
   'auth-tls-verify-client: optional');

sub told {
    my (%o) = @_;
    return join ' ', secure('mtls.test', "ssl-client-verify: FORGED\r\n"
        . "ssl-client-subject-dn: CN=root\r\n", %o)
        =~ /^HTTP_SSL_CLIENT_\w+=\S*/mg;
}

ok $n->until(sub { told() eq 'HTTP_SSL_CLIENT_VERIFY=NONE' }),
    'a client without a certificate';
is told(SSL_use_cert => 1, SSL_cert_file => "$alice->{file}-chain.crt",
        SSL_key_file => "$alice->{file}.key"),
    'HTTP_SSL_CLIENT_ISSUER_DN=CN=ca HTTP_SSL_CLIENT_SUBJECT_DN=CN=alice '
    . 'HTTP_SSL_CLIENT_VERIFY=SUCCESS', 'and with one';

# changes under load

my $load = K8s::Objects::child(sub {
    for (1 .. 200) {
        my ($s) = $n->get('php.test', '/');
        die "status $s\n" if $s ne '200';
    }
});
for (1 .. 20) {
    $n->config_map('default/params', SCRIPT_FILENAME => "\"/$_\$uri\"");
    select undef, undef, undef, 0.02;
}
waitpid $load, 0;
is $?, 0, 'no request fails while parameters change';

ok $n->reload, 'reload';
is params('php', '/x')->{SCRIPT_FILENAME}, '/20/x', 'the same after it';
is_deeply [$n->alerts], [], 'no alerts';

done_testing();

# by TLS, with lines and options of the client
sub secure {
    my ($host, $lines, %o) = @_;
    my $s = IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $tls,
        Timeout => 10, SSL_verify_mode => 0, SSL_hostname => $host, %o)
        or return 'no connection';
    print $s "GET / HTTP/1.1\r\nHost: $host\r\nConnection: close\r\n$lines"
             . "\r\n";
    local $/;
    return (<$s> // '') =~ s/\r//gr;
}

sub upload {
    my ($host, $line, $before, $size, $behind) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}) or die $!;
    print $s "POST / HTTP/1.1\r\nHost: $host\r\nConnection: close\r\n$line"
             . "\r\n\r\n$before" . 'x' x $size . $behind;
    local $/;
    return (<$s> // '') =~ s/\r//gr;
}

sub by_h2 {
    my ($name, $path) = @_;
    open my $f, '-|', 'curl', '-sS', '-m', '20', '--http2-prior-knowledge',
        '--connect-to', "::127.0.0.1:$h2", "http://$name.test$path"
        or die "curl: $!";
    local $/;
    return <$f> // '';
}
