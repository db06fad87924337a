# Values that mean harm, of each annotation and key that is served: nothing of
# them reaches a header, a directive, another Ingress or the workers' health.

use strict;
use warnings;

use lib 't/lib';
use K8s::Rows;
use Test::More;

my $long = 'a' x 20_000;
my @values = (
    "x\r\nX-Evil: 1", "x\nX-Evil: 1", "ok\"; add_header X-Evil 1; #",
    "ok'; } location / { return 200 X-Evil", '$http_x_evil', '${http_x_evil}',
    '${', '$1$2$9', '/%0d%0aX-Evil:%201', "\0", "x\0y", "\x{7f}\x{1b}[2J",
    '((((((((((a{1,1000}){1,1000}){1,1000}){1,1000})))))))', '(a+)+$',
    '(?<seldom>x)', '-1', '999999999999999999999999', '0x10', '1e9', '', ' ',
    "\x{e9}", '*', ',', ',,,,', $long, "http://$long", "/$long",
    join(',', map { "X-$_" } 1 .. 4000), '../../../etc/passwd',
    'lua_block { }', 'unix:/tmp/x', '${jndi:ldap://x}');

my $rows = K8s::Rows->new(files => 0);
my $n = $rows->{nginx};
my @annotations = sort keys %{$rows->{annotation}};
my @keys = sort keys %{$rows->{key}};

my %victim = (requests => [{ get => '/', is => '^HTTP/1.1 200' }]);
$rows->{files} = { map { $_ => {} } @annotations };
$rows->{files}{victim} = \%victim;
$rows->ingress('victim', 'victim');
ok $n->wait_for('victim.test', '/', 200), 'a good one is served';
my @workers = $n->workers;

# what a request to a host is answered, and what its backend got: nothing of it
# is what the client did not send
sub harm {
    my ($host) = @_;
    my $text = $rows->ask({ get => '/' . 'a' x 40 . '!', hold => 10,
                            send => ['Origin: https://a.example',
                                     'Accept-Encoding: gzip'] }, "$host.test");
    return "$host: a header in:\n$text"
        if $text =~ /^(?:> )?X-Evil:/mi || $text =~ /^X-Evil$/m;
    return $text =~ m{^HTTP/1\.1 \d\d\d } ? () : "$host: no answer";
}

# an Ingress for each row and value, with the switches that rows need

for my $row (@annotations) {
    my %with = $row =~ /^canary-/ ? (canary => 'true')
               : $row =~ /^canary/ ? ()
               : ('enable-cors' => 'true', 'default-backend' => 'errors',
                  'custom-http-errors' => '404');
    $rows->ingress($row, "$row-$_", %with, $row => $values[$_])
        for 0 .. $#values;
}

# one that comes after all of them
$rows->ingress('victim', 'z-last');
ok $n->wait_for('z-last.test', '/', 200, undef, 60), 'all are read';

for my $row (@annotations) {
    is_deeply [map { harm("$row-$_") } 0 .. $#values], [], "annotation $row";
    $n->remove($_) for map { "$row-$_.yaml" } 0 .. $#values;
}

# keys: all of them at once

for my $i (0 .. $#values) {
    $rows->config(map { $_ => $values[$i] } @keys);
    ok $n->until(sub {
        my @said = $rows->problems('ConfigMap', 'own');
        $values[$i] =~ /^\s*$/ || grep { /^Key/ } @said
    }), "keys, value $i";
    is_deeply [harm('victim')], [], 'another Ingress is served';
}

$rows->config;

# very many annotations, and a ConfigMap of a megabyte

$rows->ingress('victim', 'many', map { ("name-$_" => 'x') } 1 .. 10_000);
$rows->config(map { ("name-$_" => 'x' x 100) } 1 .. 8_000);
$rows->ingress('victim', 'last');
ok $n->wait_for('last.test', '/', 503, undef, 60),
    'more keys than are read may protect';
$rows->config(map { ("name-$_" => 'x' x 1000) } 1 .. 1_000);
ok $n->wait_for('last.test', '/', 200, undef, 60), 'very many are read';
is_deeply [map { harm($_) } qw( many victim )], [], 'and do no harm';
cmp_ok scalar(() = $rows->problems('Ingress', 'many')), '<', 100,
    'as few problems as one reads';

is_deeply [$n->workers], \@workers, 'no worker has died';
is_deeply [grep { !/ignoring/ } $n->alerts], [], 'nothing alarming is logged';
is $n->stop, 0, 'ends well';

done_testing();
