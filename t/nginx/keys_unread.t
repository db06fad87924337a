# A start with a ConfigMap of the controller that cannot be read: its keys may
# protect, so nothing is served before they are known.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $broken = "a: [\n";
my $keys = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own, namespace: "
           . "system}\ndata: {allowlist-source-range: 10.0.0.0/8}\n";

sub status { ($_[0]->get('x', '/-/status'))[1] // '' }

sub answers {
    my ($n, $want, $what) = @_;
    ok($n->until(sub { ($n->get('web.test', '/'))[0] eq $want }, 20), $what)
        or diag(($n->get('web.test', '/'))[0], $n->log);
}

sub says {
    my ($n, $re, $what) = @_;
    ok($n->until(sub { status($n) =~ $re }, 20), $what) or diag(status($n));
}

sub nginx {
    my (%files) = @_;
    my $n = K8s::Nginx->new(
        block => 'source manifests %%DIR%%; zone 4m; config_map system/own;',
        server => 'k8s_ingress_pass; location /- { k8s_ingress_admin; }');
    $n->services("default/web:80 a");
    $n->ingresses("default/web web.test / web:80");
    $n->manifest($_, $files{$_}) for sort keys %files;
    $n->start;
    return $n;
}

# where no answer is 200 at a time when all files were read
sub closed {
    my ($n, $what) = @_;
    says($n, qr/"ConfigMapNotFound"[^}]*has not come|"ready":false/, $what);
    isnt(($n->get('web.test', '/'))[0], 200, 'nothing is served');
}

{
    my $n = nginx('keys.yaml' => $broken);
    says($n, qr/"name":"keys.yaml"/, 'a file that cannot be read');
    closed($n, 'its keys are not known');
    $n->manifest('keys.yaml', $keys);
    answers($n, 403, 'they come');
    $n->manifest('keys.yaml', $broken);
    says($n, qr/"name":"keys.yaml"/, 'again');
    answers($n, 403, 'what is known stays');
    $n->reload;
    answers($n, 403, 'and for another watcher');
    $n->remove('keys.yaml');
    answers($n, 200, 'until they go');
    is_deeply [$n->alerts], [], 'nothing alarming is logged';
    is $n->stop, 0, 'ends well';
}

{
    my $n = nginx('other.yaml' => $broken, 'keys.yaml' => $keys);
    answers($n, 403, 'another file that cannot be read');
    $n->remove('keys.yaml');
    says($n, qr/"name":"own"[^]]*"FileInvalid"[^}]*no file has it any more/,
         'keys that go may be in it now');
    answers($n, 403, 'so they hold');
    $n->reload;
    answers($n, 403, 'for another watcher as well');
    $n->remove('other.yaml');
    answers($n, 200, 'until all files can be read');
    ok($n->until(sub { status($n) !~ /FileInvalid/ }), 'and nothing is said');
    is_deeply [$n->alerts], [], 'nothing alarming is logged';
    is $n->stop, 0, 'ends well';
}

{
    my $n = nginx('keys.yaml' => $keys);
    answers($n, 403, 'keys');
    $n->manifest('moved.yaml', $keys . $broken);
    $n->remove('keys.yaml');
    says($n, qr/no file has it any more/, 'their file is moved and broken');
    answers($n, 403, 'they hold');
    $n->manifest('moved.yaml', $keys =~ s/10\.0/127.0/r);
    answers($n, 200, 'it is good again');
    ok($n->until(sub { status($n) !~ /FileInvalid/ }), 'and nothing is said');
    $n->remove('moved.yaml');
    says($n, qr/"ConfigMapNotFound"[^}]*is not there"/, 'they go');
    is $n->stop, 0, 'ends well';
}

{
    my $n = nginx('other.yaml' => $broken);
    says($n, qr/"name":"other.yaml"/, 'keys that may be in such a file');
    closed($n, 'are not known');
    $n->remove('other.yaml');
    answers($n, 200, 'without it they are known not to be there');
    says($n, qr/"ConfigMapNotFound"[^}]*is not there"/, 'which is said');
    $n->manifest('other.yaml', $keys =~ s/namespace: system/namespace: other/r);
    $n->manifest('third.yaml', $broken);
    answers($n, 200, 'and stays so');
    is $n->stop, 0, 'ends well';
}

{
    my $n = nginx('keys.yaml' => $keys =~ s/apiVersion: v1/apiVersion: v2/r);
    says($n, qr/"name":"keys.yaml"/, 'keys of a version that is not read');
    closed($n, 'are not known');
    $n->manifest('keys.yaml', $keys);
    answers($n, 403, 'they come');
    is $n->stop, 0, 'ends well';
}

{
    my $n = nginx('keys.yaml' => $keys =~ s/namespace: system/namespace: else/r);
    answers($n, 200, 'keys in another namespace');
    says($n, qr/"ConfigMapNotFound"[^}]*is not there, but the namespace \\"else\\" has/,
         'are a hint');
    is $n->stop, 0, 'ends well';
}

done_testing();
