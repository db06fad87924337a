# The controller's ConfigMap in a folder: the one that is named is read, in
# whatever namespace it is, and followed.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 4m; watch_namespace default; '
             . 'config_map system/own;',
    server => 'k8s_ingress_pass; location /- { k8s_ingress_admin; }');

sub config {
    my ($name, $data) = @_;
    return "apiVersion: v1\nkind: ConfigMap\n"
           . "metadata: {name: $name, namespace: system}\ndata: {$data}\n";
}

sub status { ($n->get('x', '/-/status'))[1] }

# $re is soon in the status, or not in it any more
sub says {
    my ($re, $name) = @_;
    ok($n->until(sub { status() =~ $re }), $name);
}

sub silent {
    my ($re, $name) = @_;
    ok($n->until(sub { my $s = status(); $s =~ /"version"/ && $s !~ $re }),
       $name);
}

my $missing = qr/ConfigMap system\/own is not there/;
my $bad = qr/"data\.bad"/;

$n->services("default/a:80 a");
$n->ingresses("default/web a.example / a:80");
$n->manifest('other.yaml', config('other', 'bad: true'));
ok($n->start, 'nginx starts');
ok($n->wait_for('a.example', '/', 200), 'and does not wait for it');
says($missing, 'what is not there is a problem');
unlike(status(), $bad, 'others are not read');

$n->manifest('own.yaml', config('own', 'proxy-body-size: 8m'));
silent($missing, 'it comes');

$n->manifest('own.yaml', config('own', 'bad: true'));
says($bad, 'it changes');

$n->manifest('own.yaml', config('own', 'bad: true') . "x: [\n");
ok($n->until(sub { $n->logged(qr/file "own\.yaml": line \d+/) }),
   'its file is broken');
says($bad, 'it is as it was');

my $before = $n->logged(qr/: in sync: /);
$n->reload;
ok($n->until(sub { $n->logged(qr/: in sync: /) > $before }), 'a reload');
says($bad, 'it is as it was still');
unlike(status(), $missing, 'and not missed');

$n->manifest('own.yaml', config('own', 'a: b'));
silent($bad, 'its file is good again');

$n->remove('own.yaml');
says($missing, 'it goes');

is($n->stop, 0, 'ends well');

done_testing();
