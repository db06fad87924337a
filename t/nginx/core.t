# The warning at the start of an nginx that lacks security fixes.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my ($minor, $patch) = `$ENV{TEST_NGINX_BINARY} -v 2>&1`
                      =~ m{nginx/1\.(\d+)\.(\d+)} or die 'no version';
my $old = $minor < 30 || $minor == 30 && $patch < 4
          || $minor == 31 && $patch < 3;
my $re = qr{\[warn\].* k8s_ingress: nginx/[0-9.]+ lacks security fixes};

for my $on ('', 'k8s_ingress_core_backported on;') {
    my $n = K8s::Nginx->new(http => $on);
    my ($status, $out) = $n->check;
    unlike($out, $re, 'nginx -t does not say it');
    $n->start;
    is(!!$n->logged($re), !!($old && !$on),
       "the start says it of an old nginx only, \"$on\"");
    $n->stop;
}

my $n = K8s::Nginx->new(block => '');
$n->{server} = 'return 200;';
$n->start;
ok(!$n->logged($re), 'nothing is said where the module is not used');
$n->stop;

done_testing();
