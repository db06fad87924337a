# What ingress-nginx's validation of annotations refuses, without it.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $admin = K8s::Objects::free_port();

sub controller {
    my ($block) = @_;
    my $n = K8s::Nginx->new(
        http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }",
        block => "source manifests %%DIR%%; zone 8m; $block");
    $n->backend('a', 'location / { return 200 "a\n"; }');
    $n->services('default/a:80 a');
    $n->annotated('hash', 'permanent-redirect: "https://new.test/#/a%20b"');
    $n->annotated('same', 'permanent-redirect: "https://new.test$request_uri"');
    $n->annotated('soon', 'temporal-redirect: "https://${host}.new/x;$arg_y"');
    $n->annotated('none', 'temporal-redirect: "https://new.test/$no_such"');
    $n->annotated('open', 'enable-cors: "true"');
    $n->start;
    ok $n->wait_for('open.test', '/', 200), 'is served';
    return $n;
}

sub status { (K8s::Objects::http_get($admin, 'x', '/status'))[1] // '' }

sub location {
    my ($n, $host, $path) = @_;
    my ($code, undef, $headers) = $n->get($host, $path);
    return $code unless ($headers // '') =~ /^Location: ([^\r\n]*)/m;
    return "$code $1";
}

my $n = controller('');

is location($n, "$_.test", '/'), 200, "$_: validated"
    for qw(hash same soon none);
like status(), qr/has a \\"#\\".*enable_annotation_validation off/,
    'the problem says how it can be had';
$n->stop;

$n = controller('enable_annotation_validation off;');

is location($n, 'hash.test', '/'), '301 https://new.test/#/a%20b',
    'all characters of URLs';
is location($n, 'same.test', '/a?b=%20c'), '301 https://new.test/a?b=%20c',
    'a variable';
is location($n, 'soon.test', '/?y=%0d%0aX-Evil:%201'),
    '302 https://soon.test.new/x;%0d%0aX-Evil:%201', 'no header is made of it';
is location($n, 'soon.test', '/?y=1'), '302 https://soon.test.new/x;1',
    'of a request';
is location($n, 'none.test', '/'), 200, 'a variable that nginx does not know';
like status(), qr/there is no variable \\"no_such\\"/, 'is a problem';
unlike status(), qr/enable_annotation_validation/, 'no other one';
$n->stop;

done_testing();
