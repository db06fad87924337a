# What a file served that is broken now goes on being served by whatever comes
# next: a reload, another watcher after a kill, a start from a snapshot; until
# the file is good, or gone.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use K8s::TLS;
use MIME::Base64 qw( encode_base64 );
use Test::More;

my $tls = K8s::Objects::free_port();
my $ca = K8s::TLS::pair(cn => 'clients');
my $c = K8s::TLS::pair(cn => 'own', names => ['t.example']);

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 16m; '
             . 'snapshot %%ROOT%%/state/k8s keys=on;',
    server => 'k8s_ingress_pass; location /- { k8s_ingress_admin; }',
    http => "server { listen 127.0.0.1:$tls ssl; k8s_ingress_pass; }");
my $dir = $n->{dir};
mkdir "$n->{root}/state" or die "state: $!";
chmod 0777, "$n->{root}/state";

sub cn {
    my $s = K8s::TLS::dial($tls, 't.example') or return '';
    return K8s::TLS::cn($s);
}

sub password {
    my $text = encode_base64("a:$_[0]", '');
    return ($n->get('p.example', '/', "Authorization: Basic $text"))[0];
}

sub client {
    my ($cert) = @_;
    my $s = IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $tls,
        Timeout => 10, SSL_verify_mode => 0, SSL_hostname => 'm.example',
        SSL_cert_file => "$cert->{file}.crt",
        SSL_key_file => "$cert->{file}.key") or return '';
    print $s "GET / HTTP/1.1\r\nHost: m.example\r\nConnection: close\r\n\r\n";
    return (<$s> // '') =~ m{^HTTP/1\.1 (\d+)} ? $1 : '';
}

# what does $sub, and is over when a new watcher is in sync
sub next_one {
    my ($sub, $name) = @_;
    my $before = $n->logged(qr/: in sync: /);
    my $broken = $n->logged(qr/file "web\.yaml": line \d+/);
    $sub->();
    ok($n->until(sub { $n->logged(qr/: in sync: /) > $before }), $name);
    is($n->logged(qr/file "web\.yaml": line \d+/), $broken + 1,
       "$name: it has met the broken file");
    is(($n->get('a.example', '/'))[1], "a\n", "$name: the route is served");
    is(cn(), 'own', "$name: with its certificate");
    is(password('right'), 200, "$name: and its passwords");
    is(password('wrong'), 401, "$name: which are asked for");
    is(client($ca), 200, "$name: a certificate of its CAs");
    is(client($c), 400, "$name: and another one");
    is(($n->get('b.example', '/'))[1], "b\n", "$name: others are, too");
}

sub secret {
    my ($name, $key, $text) = @_;
    return "---\napiVersion: v1\nkind: Secret\nmetadata: {name: $name, "
           . "namespace: default}\ndata: {$key: "
           . encode_base64($text, '') . "}\n";
}

sub guarded {
    my ($name, %annotations) = @_;
    return K8s::TLS::ingress("default/$name", 'a:80', ["$name.example"])
           =~ s{(annotations: \{)}{$1 . join '',
                map { "nginx.ingress.kubernetes.io/$_: $annotations{$_}, " }
                sort keys %annotations}re;
}

my $class = <<'END';
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
---
END

# a file of all kinds, and one beside it

$n->services("default/a:80 a\ndefault/b:80 b");
my $services = $n->slurp('manifests/services.yaml');
unlink glob("$dir/*");
my $web = "$class$services---\n" . K8s::TLS::secret('default/t', $c)
    . K8s::TLS::ingress('default/tls', 'a:80', ['t.example'],
                        't' => ['t.example'])
    . K8s::TLS::ingress('default/web', 'a:80', ['a.example'])
    . secret('users', auth => "a:{PLAIN}right\n")
    . guarded('p', 'auth-type' => 'basic', 'auth-secret' => 'users')
    . secret('clients', 'ca.crt' => $ca->{crt})
    . guarded('m', 'auth-tls-secret' => 'default/clients');
$n->manifest('web.yaml', $web);
$n->ingresses('default/other b.example / b:80');

ok($n->start, 'nginx starts');
ok($n->wait_for('a.example', '/', 200, qr/^a$/), 'routed');
is(cn(), 'own', 'with a certificate');

$n->manifest('web.yaml', "${web}x: [\n");
ok($n->until(sub { $n->logged(qr/file "web\.yaml": line \d+/) }),
   'the file is broken');
is(($n->get('a.example', '/'))[1], "a\n", 'and served');
is(password('right'), 200, 'with passwords');
is(client($ca), 200, 'and CAs');

next_one(sub { $n->reload }, 'HUP');
next_one(sub { $n->reload }, 'once more');
next_one(sub { kill KILL => $n->watcher }, 'kill -9');
next_one(sub {
    is($n->stop, 0, 'ends well');
    ok(-s "$n->{root}/state/k8s", 'a snapshot is written');
    unlike($n->slurp('state/k8s'), qr/"tls\.key":/,
           'with nothing of the Secret itself');
    $n->start;
}, 'a start from a snapshot');

# an object that has become too large, of a file that can be read

sub annotated {
    my ($bytes, $path) = @_;
    return "apiVersion: networking.k8s.io/v1\nkind: Ingress\n"
        . "metadata:\n  namespace: default\n  name: large\n"
        . "  annotations: {x: " . 'a' x ($bytes - 1) . "}\n"
        . "spec: {ingressClassName: nginx, rules: [{host: large.example, "
        . "http: {paths: [{path: $path, pathType: Prefix, backend: "
        . "{service: {name: b, port: {number: 80}}}}]}}]}\n";
}

sub large {
    my $name = shift;
    ok($n->until(sub {
        my ($item) = ($n->get('localhost', '/-/status'))[1]
            =~ /"name":"large","problems":\[([^]]*)\]/;
        $item && $item =~ /"ObjectTooLarge"/
            && $item =~ /"metadata\.annotations"/
            && $item =~ /262145 bytes .* 262144/
            && $item =~ /Leave annotations out/;
    }), "$name: a problem says so");
    is(($n->get('large.example', '/1'))[1], "b\n",
       "$name: it is served as it was");
    is(($n->get('large.example', '/2'))[0], 404, "$name: not as it is");
}

$n->manifest('large.yaml', annotated(262144, '/1'));
ok($n->wait_for('large.example', '/1', 200, qr/^b$/), 'annotations of 256 KB');
$n->manifest('large.yaml', annotated(262145, '/2'));
large('a byte more');
next_one(sub { $n->reload }, 'HUP with it');
large('after HUP');
next_one(sub { kill KILL => $n->watcher }, 'kill -9 with it');
large('after kill -9');
$n->manifest('large.yaml', annotated(16, '/2'));
ok($n->wait_for('large.example', '/2', 200, qr/^b$/), 'a small one counts');
unlike(($n->get('localhost', '/-/status'))[1], qr/ObjectTooLarge/,
       'and nothing is said');
unlink "$dir/large.yaml";

# good again, with one object less

$n->manifest('web.yaml', $web =~ s/host: "?a\.example"?/host: c.example/r);
ok($n->wait_for('c.example', '/', 200, qr/^a$/), 'a good file counts');
ok($n->wait_for('a.example', '/', 404), 'and nothing else');

# broken, and gone while nobody looks

my $broken = $n->logged(qr/file "web\.yaml": line \d+/);
$n->manifest('web.yaml', "${web}x: [\n");
ok($n->until(sub { $n->logged(qr/file "web\.yaml": line \d+/) > $broken }),
   'broken again');
is($n->stop, 0, 'ends well');
unlink "$dir/web.yaml";
my $before = $n->logged(qr/: in sync: /);
$n->start;
ok($n->until(sub { $n->logged(qr/: in sync: /) > $before }), 'a start');
ok($n->wait_for('c.example', '/', 404), 'what was kept goes with its file');

# not in use any more: the next ones know nothing of it

$n->manifest('web.yaml', "x: [\n");
$before = $n->logged(qr/: in sync: /);
$n->reload;
ok($n->until(sub { $n->logged(qr/: in sync: /) > $before }), 'a reload');
is(($n->get('c.example', '/'))[0], 404, 'a file that was never good');

is($n->stop, 0, 'ends well');
is_deeply([grep { !/exited on signal 9/ } $n->alerts], [],
          'no alert in the log');
done_testing();
