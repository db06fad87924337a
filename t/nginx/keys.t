# Keys of the controller's ConfigMap: live, in all workers, without a reload.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use K8s::TLS;
use Test::More;

my $tls = K8s::Objects::free_port();
my $admin = K8s::Objects::free_port();

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    server => "listen 127.0.0.1:$tls ssl; k8s_ingress_pass;",
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }",
    main => 'worker_processes 4;');

sub config {
    my (%data) = @_;
    $n->config_map('system/own', map { $_ => "\"$data{$_}\"" } keys %data);
}

sub ingress { $n->annotated(@_) }

sub status { (K8s::Objects::http_get($admin, 'x', '/status'))[1] // '' }

sub says {
    my ($re, $name) = @_;
    ok($n->until(sub { status() =~ $re }), $name) or diag status();
}

sub post { $n->post("$_[0].test", $_[1]) }

# every worker answers so: they take connections in turn, more or less
sub soon {
    my ($get, $want, $name) = @_;
    ok($n->until(sub {
        for (1 .. 12) { return 0 if $get->() ne $want }
        return 1;
    }), $name) or diag 'is ', $get->();
}

sub location {
    my ($host, $path) = @_;
    my ($status, $body, $head) = $n->get("$host.test", $path);
    my ($to) = $head =~ /^Location: (\S+)/m;
    return $status . ' ' . ($to // '');
}

sub header {
    my ($host, $name) = @_;
    my $s = K8s::TLS::dial($tls, "$host.test") or return '';
    local $/;
    print $s "GET / HTTP/1.1\r\nHost: $host.test\r\nConnection: close\r\n\r\n";
    return <$s> =~ /^\Q$name\E: (.*?)\r?$/mi ? $1 : 'none';
}

$n->backend('a', <<'EOC');
client_max_body_size 0;
location / { return 200 "$server_protocol\n"; }
location /large {
    add_header X-Large "$arg_x$arg_x$arg_x$arg_x$arg_x$arg_x$arg_x$arg_x";
    return 200 "large\n";
}
location = /text { default_type text/plain; return 200 "%%LONG%%\n"; }
location = /short { default_type text/plain; return 200 "short\n"; }
location = /png { default_type image/png; return 200 "picture\n"; }
underscores_in_headers on;
large_client_header_buffers 4 64k;
location = /under { return 200 "under=$http_x_under\n"; }
location = /fwd {
    return 200 "sent $http_host|$http_x_real_ip|$http_x_forwarded_for|$http_x_forwarded_host|$http_x_forwarded_proto|$http_x_forwarded_port|$http_x_original_forwarded_for|$http_x_original_forwarded_host\n";
}
location = /sent {
    return 200 "id=$http_x_request_id uri=$http_x_original_uri\n";
}
location = /secret {
    add_header X-Secret 1;
    add_header X-Other 2;
    add_header X-Third 3;
    server_tokens off;
    return 200 "secret\n";
}
location /cookie {
    add_header Set-Cookie "a=b; Path=/one/";
    return 200 "cookie\n";
}
EOC

$n->{backends}{a} =~ s/%%LONG%%/'x' x 300/e;
$n->services("default/a:80 a");
ingress('plain');
ingress('size', 'proxy-body-size: 16k');
ingress('force', 'force-ssl-redirect: "true"');
ingress('busy', 'proxy-busy-buffers-size: 8k', 'proxy-body-size: 16k');
$n->manifest('tls.yaml', <<EOC);
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: tls
  namespace: default
  annotations: {kubernetes.io/ingress.class: nginx}
spec:
  tls: [{hosts: [tls.test], secretName: none}]
  rules:
  - host: tls.test
    http:
      paths:
      - {path: /, pathType: Prefix,
         backend: {service: {name: a, port: {number: 80}}}}
      - {path: /free/, pathType: Prefix,
         backend: {service: {name: a, port: {number: 80}}}}
      - {path: /.well-known/acme-challenge/x, pathType: Exact,
         backend: {service: {name: a, port: {number: 80}}}}
EOC
config('proxy-body-size' => '32k');
$n->start;

ok $n->wait_for("$_.test", '/', 200), "$_ is served" for qw(plain size busy);

is post('plain', 32_000), 200, 'the ConfigMap has the size of a body';
is post('plain', 33_000), 413, 'and no more';
is post('size', 16_000), 200, 'an annotation wins';
is post('size', 17_000), 413, 'and no more';

config('proxy-body-size' => '64k');
soon(sub { post('plain', 33_000) }, 200, 'a larger one');
soon(sub { post('plain', 66_000) }, 413, 'and no more');
is post('size', 17_000), 413, 'the annotation holds';

config('proxy-http-version' => '1.0', 'proxy-cookie-path' => '/one/ /two/');
soon(sub { ($n->get('plain.test', '/'))[1] }, "HTTP/1.0\n", 'a directive');
soon(sub { ($n->get('size.test', '/'))[1] }, "HTTP/1.0\n", 'under annotations');
like((($n->get('plain.test', '/cookie'))[2]), qr/Path=\/two\//, 'another');
soon(sub { post('plain', 66_000) }, 200, 'what was taken out is as before');

# what code of ours reads

my $acme = '/.well-known/acme-challenge/x';
is location('tls', '/x'), '308 https://tls.test/x', 'to https';
is location('tls', '/free/x'), '308 https://tls.test/free/x', 'all paths';
config('http-redirect-code' => '307', 'no-tls-redirect-locations' => '/free');
soon(sub { location('tls', '/x') }, '307 https://tls.test/x', 'another code');
soon(sub { location('force', '/x') }, '307 https://force.test/x',
     'for annotations too');
is location('tls', '/free/x'), '200 ', 'a path that stays on http';
is location('tls', $acme), "307 https://tls.test$acme", 'a challenge does not';
config();
soon(sub { location('tls', $acme) }, '200 ', 'but by default');
config('no-tls-redirect-locations' => '');
soon(sub { location('tls', $acme) }, "308 https://tls.test$acme",
     'a list without paths');
config('ssl-redirect' => 'false');
soon(sub { location('tls', '/x') }, '200 ', 'no redirects');
is location('force', '/x'), '308 https://force.test/x', 'but by annotation';
config('force-ssl-redirect' => 'true', 'preserve-trailing-slash' => 'true');
soon(sub { location('plain', '/x/') }, '308 https://plain.test/x/',
     'redirects of all');

config();
soon(sub { location('plain', '/x/') }, '200 ', 'none again');

my $hsts = 'Strict-Transport-Security';
is header('tls', $hsts), 'max-age=31536000; includeSubDomains', 'HSTS';
config('hsts-max-age' => '60', 'hsts-include-subdomains' => 'false',
       'hsts-preload' => 'true');
soon(sub { header('tls', $hsts) }, 'max-age=60; preload', 'HSTS by keys');
config('hsts' => 'false');
soon(sub { header('tls', $hsts) }, 'none', 'no HSTS');

# directives that are there only where a key says so

sub answer {
    my ($path, %h) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}) or return '';
    print $s join "\r\n", "GET $path HTTP/1.1", 'Host: plain.test',
                          'Connection: close', (map { "$_: $h{$_}" } keys %h),
                          '', '';
    local $/;
    my $head = <$s> // '';
    $head =~ s/\r//g;
    return $head;
}

my $gzip = sub {
    join ' ', answer($_[0], 'Accept-Encoding' => 'gzip')
              =~ /^(Content-Encoding: gzip|Vary: Accept-Encoding)$/mg;
};

is $gzip->('/text'), '', 'no gzip';
config('use-gzip' => 'true', 'gzip-min-length' => '50');
soon(sub { $gzip->('/text') }, 'Vary: Accept-Encoding Content-Encoding: gzip',
     'gzip');
is $gzip->('/short'), '', 'not what is short';
config('use-gzip' => 'true', 'gzip-min-length' => '2',
       'gzip-types' => 'image/png', 'gzip-disable' => 'Old New');
soon(sub { $gzip->('/png') ne '' }, 1, 'another type');
is $gzip->('/text'), '', 'and no more this one';
unlike answer('/png', 'Accept-Encoding' => 'gzip', 'User-Agent' => 'New/1'),
    qr/gzip/, 'nor for a browser that cannot';

config('server-tokens' => 'true', 'allow-backend-server-header' => 'true',
       'hide-headers' => 'X-Secret, X-Other');
soon(sub { answer('/secret') =~ /^X-Secret/m ? 'there' : '' }, '',
     'a header that is hidden');
like answer('/secret'), qr/^Server: nginx$/m, 'the Server of the backend';
like answer('/secret'), qr/^X-Third: 3$/m, 'others pass';

config('generate-request-id' => 'false',
       'proxy-add-original-uri-header' => 'true');
soon(sub { answer('/sent?a=b') =~ /(id=.*)/ ? $1 : '' }, 'id= uri=/sent?a=b',
     'headers of the request');
like answer('/sent', 'X-Request-ID' => 'mine'), qr/id=mine/, "the client's id";
config();
soon(sub { answer('/sent') =~ /id=[0-9a-f]{32} uri=$/m ? 1 : 0 }, 1,
     'and without keys');

# words of the server, read before a request is routed

my $under = sub { answer('/under', 'X_Under' => 'yes') =~ /under=(\S*)/
                  ? $1 : 'none' };
my $long = sub { answer('/text', 'X-Long' => 'x' x 10_000)
                 =~ m{^HTTP/1.1 (\d+)} ? $1 : 'none' };

is $under->(), '', 'no underscores';
is $long->(), 400, 'a header of 10 KB is too long';
config('enable-underscores-in-headers' => 'true',
       'large-client-header-buffers' => '2 16k', 'keep-alive' => '0');
soon($under, 'yes', 'underscores');
soon($long, 200, 'a longer header');
config('large-client-header-buffers' => '2 16', 'client-header-timeout' => '5',
       'client-header-buffer-size' => '16k');
soon($long, 200, 'it fits into the first buffer');
soon($under, '', 'and underscores go again');
says(qr/"KeyInvalid"[^}]*data\.large-client-header-buffers/, 'a bad size');
config();
soon($long, 400, 'as in nginx.conf');

# what proxies before us say

sub sent { answer('/fwd', @_) =~ /^sent (.*)/m ? $1 : 'nothing' }

my @came = ('X-Forwarded-For' => '1.2.3.4, 5.6.7.8',
            'X-Forwarded-Host' => 'outer.test:8443, inner.test',
            'X-Forwarded-Proto' => 'https', 'X-Forwarded-Port' => '8443');
my $plain = 'plain.test|127.0.0.1|127.0.0.1|plain.test|http|';
my $original = '1.2.3.4, 5.6.7.8|outer.test:8443, inner.test';

like sent(@came), qr/^\Q$plain\E\d+\|\Q$original\E$/, 'they are not trusted';
config('use-forwarded-headers' => 'true');
soon(sub { sent(@came) }, 'outer.test:8443|1.2.3.4|1.2.3.4|outer.test:8443|'
     . "https|8443|$original", 'they are');
like sent(), qr/^\Q$plain\E\d+\|\|$/, 'as far as they come';
config('use-forwarded-headers' => 'true',
       'compute-full-forwarded-for' => 'true',
       'proxy-real-ip-cidr' => '127.0.0.0/8,5.6.7.8');
soon(sub { sent(@came, 'X-Forwarded-For' => '9.9.9.9, 1.2.3.4, 5.6.7.8')
           =~ /^[^|]*\|(.*?)\|outer/ ? $1 : '' },
     '1.2.3.4|9.9.9.9, 1.2.3.4, 5.6.7.8, 127.0.0.1',
     'the last one that is no proxy, and all of them');
config('enable-real-ip' => 'true', 'forwarded-for-header' => 'X-Client');
soon(sub { sent('X-Client' => '7.7.7.7') =~ /^\Qplain.test|7.7.7.7|7.7.7.7\E/
           ? 1 : 0 }, 1, 'an address in another header');
like sent(@came), qr/^\Q$plain\E/, 'and nothing else is trusted';
config('enable-real-ip' => 'true', 'proxy-real-ip-cidr' => '10.0.0.0/8');
soon(sub { sent(@came) =~ /^\Q$plain\E/ ? 1 : 0 }, 1, 'of certain proxies');
config('enable-real-ip' => 'true', 'proxy-real-ip-cidr' => '127.0.0.0/8,\nx,');
soon(sub { sent(@came) =~ /^\Q$plain\E/ ? 1 : 0 }, 0, 'of those that are read');
config('enable-real-ip' => 'true', 'proxy-real-ip-cidr' => 'everybody');
soon(sub { sent(@came) =~ /^\Q$plain\E/ ? 1 : 0 }, 1, 'of none');

config('use-forwarded-headers' => 'true', 'force-ssl-redirect' => 'true');
soon(sub { answer('/x') =~ m{^Location: (\S+)}m ? $1 : '' },
     'https://plain.test/x', 'to https');
is sent(@came) =~ /https/ ? 1 : 0, 1, 'not what came by https to the proxy';
like answer('/x', 'X-Forwarded-Host' => 'o.test:1, p'),
    qr{^Location: https://o\.test/x$}m, 'to the host that the proxy was asked';
config();
soon(sub { sent(@came) =~ /^\Q$plain\E/ ? 1 : 0 }, 1, 'as before');

# what is bad takes nothing along

config('proxy-body-size' => 'much', 'http-redirect-code' => '200',
       'proxy-read-timeout' => '61', 'proxy-body-siz' => '1m',
       'proxy-http-version' => '1.0', 'jaeger-endpoint' => 'x',
       'worker-processes' => '3', 'gzip-level' => '2', 'app-root' => '/x',
       'log-format-stream' => '$status', 'use-proxy-protocol' => 'true');
soon(sub { ($n->get('plain.test', '/'))[1] }, "HTTP/1.0\n", 'what is good');
says(qr/"KeyInvalid"[^}]*data\.proxy-body-size[^}]*a size, as/, 'a bad value');
says(qr/"KeyInvalid"[^}]*data\.http-redirect-code[^}]*301, 302, 307 or 308/,
     'another one');
says(qr/"KeyUnknown"[^}]*data\.proxy-body-siz"[^}]*Did you mean/, 'unknown');
says(qr/"KeyRefused"[^}]*data\.jaeger-endpoint/, 'refused');
says(qr/"KeyNginx"[^}]*data\.worker-processes[^}]*Write \\"worker_processes 3;\\" in/,
     'of nginx.conf');
says(qr/"KeyNoEffect"[^}]*data\.use-proxy-protocol[^}]*Write \\"listen \.\.\. p/,
     'what no listen of it has');
says(qr/"KeyUnserved"[^}]*data\.log-format-stream/, 'not served yet');
says(qr/"KeyNoted","severity":"note"[^}]*data\.app-root/,
     'what ingress-nginx does not read');
says(qr/"KeyNoEffect"[^}]*data\.gzip-level[^}]*without \\"use-gzip\\"/,
     'without effect');

# what nginx refuses: of the ConfigMap, then of an annotation over it

config('proxy-buffers-number' => '1', 'proxy-body-size' => '32k');
soon(sub { post('plain', 33_000) }, 413, 'the rest is in force');
says(qr/"KeyInvalid"[^}]*data\.proxy-buffers-number[^}]*nginx refuses \\"1\\"/,
     'it is a problem of the key');
unlike status(), qr/metadata\.annotations/, 'and of no annotation';

my $large = '/large?x=' . 'y' x 700;
is((($n->get('plain.test', $large))[0]), 502, 'a header of 5 KB in 4 KB');
config('proxy-buffer-size' => '16k');
soon(sub { ($n->get('plain.test', $large))[0] }, 200, 'in 16 KB');
says(qr/"AnnotationInvalid"[^}]*proxy-busy-buffers-size[^}]*nginx refuses/,
     'an annotation that does not fit to a key');
soon(sub { ($n->get('busy.test', $large))[0] }, 200, 'its Ingress has the key');
is post('busy', 17_000), 413, 'and its other annotations';

config();
ok($n->until(sub { status() !~ /nginx refuses/ }), 'they fit again');
soon(sub { ($n->get('busy.test', $large))[0] }, 502, 'and it is in force');

# what protects

config('enable-modsecurity' => 'true');
soon(sub { ($n->get('plain.test', '/'))[0] }, 503, 'closed');
says(qr/"KeyClosed"[^}]*data\.enable-modsecurity[^}]*all Ingresses are closed/,
     'and a problem');
config();
soon(sub { ($n->get('plain.test', '/'))[0] }, 200, 'open without it');

# many changes are few, the last one holds

for my $i (1 .. 40) {
    config('proxy-body-size' => "${i}k");
    select undef, undef, undef, 0.005;
}
soon(sub { post('plain', 40 * 1024) . post('plain', 40 * 1024 + 1) }, '200413',
     'the last of many');

# a successor, and the end

my $pid = $n->watcher;
kill 'KILL', $pid;
ok $n->until(sub { my $w = $n->watcher; $w && $w != $pid }), 'another watcher';
is post('plain', 40 * 1024 + 1), 413, 'which keeps what there was';
config('proxy-body-size' => '50k');
soon(sub { post('plain', 50 * 1024) }, 200, 'and follows changes');

# of nginx.conf, which changes

config('worker-processes' => '5');
says(qr/data\.worker-processes/, 'nginx.conf says something else');
$n->{main} = 'worker_processes 5;';
$n->reload;
ok($n->until(sub { my $s = status(); $s && $s !~ /data\.worker-processes/ }),
   'nginx.conf says so after a reload');

$n->remove('map-system-own.yaml');
soon(sub { post('plain', 900_000) }, 200, 'without it the defaults hold');

ok(!$n->logged(qr/that nginx refuses are not in force/),
   'no worker meets what nginx refuses');
is_deeply [grep { !/signal 9/ } $n->alerts], [], 'nothing alarming is logged';
is $n->stop, 0, 'ends well';

done_testing();
