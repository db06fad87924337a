# Annotations: what is said of those that nothing serves, and what is closed
# meanwhile.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $admin = K8s::Objects::free_port();
my $n = K8s::Nginx->new(
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }",
    block => "source manifests %%DIR%%;\n zone 8m;\n");

# an Ingress of a host of its own, with annotations "name: value"
sub ingress {
    my ($name, @annotations) = @_;
    my $lines = join '', map { "    $_\n" } @annotations;
    my $object = K8s::Objects::ingresses("default/$name $name.test / a:80");
    $object =~ s/^(  annotations:\n)/$1$lines/m or die "no place in $object";
    return $object;
}

my $p = 'nginx.ingress.kubernetes.io';

$n->services("default/a:80 a");
$n->manifest('plain.yaml', ingress('plain'));
$n->manifest('quiet.yaml', ingress('quiet', "$p/enable-cors: \"false\"",
    "$p/backend-protocol: HTTP", "$p/limit-rps: \"0\"",
    'example.com/affinity: cookie'));
$n->manifest('typo.yaml', ingress('typo', "$p/proxy-body-siz: 8m",
    "$p/rate-limit-rps: \"5\"", "nginx.org/rewrites: x",
    "nginx.org/basic-auth-secret: x"));
$n->manifest('later.yaml', ingress('later', "$p/enable-opentelemetry: \"true\""));
$n->manifest('list.yaml', ingress('list', "$p/enable-modsecurity: \"true\""));
$n->manifest('everybody.yaml', ingress('everybody',
    "$p/whitelist-source-range: 0.0.0.0/0,::/0"));
$n->manifest('bad.yaml', ingress('bad', "$p/limit-rps: many"));
$n->manifest('client.yaml', ingress('client', "$p/auth-tls-secret: default/x"));
$n->manifest('beside.yaml', K8s::Objects::ingresses(
    "default/beside client.test /x a:80"));
$n->manifest('snippet.yaml', ingress('snippet',
    "$p/configuration-snippet: \"deny all;\""));
$n->manifest('canary.yaml', ingress('canary', "$p/canary: \"true\""));
$n->start;

sub answers {
    my ($host, $status, $name) = @_;
    ok $n->wait_for("$host.test", '/', $status), $name;
}

sub said {
    my ($re, $name) = @_;
    my $body = '';
    ok $n->until(sub {
        $body = (K8s::Objects::http_get($admin, 'x', '/status'))[1];
        $body =~ $re;
    }), $name or diag($body);
}

answers('plain', 200, 'no annotations');
answers('quiet', 200, 'values that are the default');
answers('typo', 200, 'a typo costs nothing');
answers('later', 200, 'what is not served yet and protects nobody');
answers('list', 503, 'what protects and is not served yet closes its paths');
answers('everybody', 200, 'a list of everybody, as cert-manager writes it');
answers('bad', 503, 'a limit that cannot be read');
answers('client', 403, 'certificates of clients');
ok $n->wait_for('client.test', '/x', 403), 'of the whole host';
answers('snippet', 404, 'a snippet that is not allowed');
answers('canary', 404, 'a canary serves nobody alone');

said(qr/AnnotationUnknown[^}]*proxy-body-siz[^}]*Did you mean \\"proxy-body-size/,
     'the nearest name');
said(qr/rate-limit-rps[^}]*Use \\"limit-rps/, 'a name that people expect');
said(qr/AnnotationForeign","severity":"note"[^}]*nginx\.org\/rewrites[^}]*rewrite-target/,
     "another controller's");
said(qr/AnnotationUnknown","severity":"warning"[^}]*nginx\.org\/basic-auth-secret[^}]*protects nothing here[^}]*auth-secret/,
     'that would protect');
said(qr/AnnotationUnserved","severity":"warning"[^}]*enable-opentelemetry/, 'what is not served yet');
said(qr/AnnotationClosed[^}]*enable-modsecurity/,
     'what is closed');
said(qr/AnnotationClosed[^}]*\\"many\\" is not an? /, 'and why');
my $status = (K8s::Objects::http_get($admin, 'x', '/status'))[1];
unlike $status, qr/"name":"(?:quiet|plain|everybody)","problems"/, 'nothing is said where nothing is wrong';
ok $n->logged(qr/proxy-body-siz/), 'the error log has it too';

# edited, it is as if it had never been there

$n->manifest('client.yaml', ingress('client'));
answers('client', 200, 'without the certificates it is open');
ok $n->wait_for('client.test', '/x', 200), 'and so are others of the host';
$n->manifest('list.yaml', ingress('list'));
answers('list', 200, 'without it they are open');
$n->manifest('plain.yaml', ingress('plain',
    "$p/enable-modsecurity: \"true\""));
answers('plain', 503, 'with one it is closed');

ok(!$n->logged(qr/\[(alert|crit|emerg)\]/), 'nothing alarming is logged');
$n->stop;

# another prefix

$n = K8s::Nginx->new(block => "source manifests %%DIR%%;\n zone 8m;\n"
                              . "annotations_prefix example.com;");
$n->services("default/a:80 a");
$n->manifest('ours.yaml', ingress('ours', 'example.com/enable-modsecurity: "true"'));
$n->manifest('theirs.yaml', ingress('theirs', "$p/limit-rps: \"5\""));
$n->start;
answers('ours', 503, 'annotations_prefix');
answers('theirs', 200, 'the usual prefix is another one then');
$n->stop;

done_testing();
