# Limits of clients: exact for one client, shared by all workers, kept over a
# reload, and right again once a worker has died.

use strict;
use warnings;

use lib 't/lib';
use K8s::Backend;
use K8s::Nginx;
use POSIX qw( SIGKILL );
use Test::More;

# a request of /hang stays until the test says so
my $slow = K8s::Backend->start(sub {
    my ($b, $c) = @_;
    while (my $r = $b->request($c)) {
        $b->note('hangs');
        sleep 60 if $r->{uri} =~ /hang/;
        $b->answer($c, 200, "slow\n");
    }
});

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; limits 1m; '
             . 'config_map system/own;',
    server => 'location = /own/metrics { k8s_ingress_admin metrics; } '
              . 'k8s_ingress_pass;',
    main => 'worker_processes 2;');

sub config { $n->config_map('system/own', @_) }

sub from { "X-Forwarded-For: $_[0]" }

# statuses of so many requests, one after the other
sub ask {
    my ($times, $name, @lines) = @_;
    my %n;
    $n{($n->get("$name.test", '/', @lines))[0]}++ for 1 .. $times;
    return join ' ', map { "$_:$n{$_}" } sort keys %n;
}

# a request that hangs, and its socket
sub hang {
    my ($name, $address) = @_;
    my $before = () = $slow->notes;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}) or die "connect: $!";
    print $s "GET /hang HTTP/1.1\r\nHost: $name.test\r\n"
             . from($address) . "\r\n\r\n";
    $n->until(sub { (() = $slow->notes) > $before }) or die 'does not hang';
    return $s;
}

$n->backend('a', 'location / { return 200 "backend\n"; }');
$n->{ports}{slow} = $slow->port;

$n->services("default/a:80 a\ndefault/slow:80 slow\ndefault/none:80 -");
delete $n->{ports}{slow};             # it is no server of this nginx
$n->annotated('open');
$n->annotated('minute', 'limit-rpm: "2"');
$n->annotated('other', 'limit-rpm: "2"');
$n->annotated('exact', 'limit-rpm: "3"', 'limit-burst-multiplier: "2"');
$n->annotated('both', 'limit-rpm: "1"', 'limit-rps: "100"');
$n->annotated('denied', 'limit-rpm: "1"', 'limit-burst-multiplier: "0"',
              'allowlist-source-range: 10.0.0.0/8');
$n->annotated('preflight', 'limit-rpm: "1"', 'limit-burst-multiplier: "0"',
              'enable-cors: "true"');
$n->annotated('unread', 'limit-rpm: "2r/m"');
$n->annotated('dry', 'limit-rpm: "1"', 'limit-burst-multiplier: "1"',
              'limit-dry-run: "true"');
$n->annotated('hold', 'limit-connections: "2"');

my $hold = K8s::Objects::ingresses("default/slow slow.test / slow:80");
$hold =~ s{^(  annotations:\n)}{$1    nginx.ingress.kubernetes.io/limit-connections: "2"\n}m;
$n->manifest('slow.yaml', $hold);

config('use-forwarded-headers' => '"true"', 'limit-conn-status-code' => '"429"');
$n->start;

ok $n->wait_for('open.test', '/', 200), 'is served';
ok $n->wait_for('hold.test', '/', 200), 'and so are those with limits';

# requests

is ask(20, 'minute', from('10.0.0.1')), '200:11 503:9',
    'five times the rate and one';
is ask(20, 'minute', from('10.0.0.2')), '200:11 503:9', 'of each client';
is ask(20, 'minute', from('::ffff:10.0.0.1')), '503:20',
    'who has IPv4 in IPv6 is the one of IPv4';
is ask(20, 'other', from('10.0.0.1')), '200:11 503:9', 'and of each Ingress';
is ask(20, 'exact', from('10.0.0.1')), '200:7 503:13', 'another multiplier';
is ask(20, 'both', from('10.0.0.1')), '200:6 503:14', 'the lower of two';
is ask(3, 'minute', from('2001:db8::1')), '200:3', 'IPv6';
is ask(2, 'denied', from('11.0.0.1')), '403:1 503:1',
    'who is refused by a list has come';
is ask(1, 'unread', from('10.0.0.1')), '503:1', 'one that cannot be read';
ok $n->logged(qr/limiting requests by "limit-rpm" of Ingress default\/minute/),
    'it is logged';

# a dry run

is ask(20, 'dry', from('10.0.0.1')), '200:20', 'a dry run refuses nothing';
ok $n->logged(qr/limiting requests, dry run, by "limit-rpm" of Ingress default\/dry/),
    'it is logged';
sub limited {
    my ($limit, $dry) = @_;
    my ($n) = ($n->get('metrics.test', '/own/metrics'))[1]
        =~ /^nginx_ingress_k8s_limited_requests_total\{limit="$limit",dry_run="$dry",[^}]*\} (\d+)/m;
    return $n;
}
is limited('limit-rpm', 'true'), 18, 'and counted';
is limited('limit-rpm', 'false'), 9 * 2 + 20 + 9 + 13 + 14 + 1, 'as are refusals';
is limited('limit-connections', 'false'), 0, 'by the limit';

my $preflight = sub {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}) or die "connect: $!";
    print $s "OPTIONS / HTTP/1.1\r\nHost: preflight.test\r\nOrigin: http://a\r\n"
             . "Connection: close\r\n\r\n";
    my $line = <$s> // '';
    return $line =~ m{ (\d+) } ? $1 : '';
};
is join(' ', map { $preflight->() } 1 .. 3), '204 204 204',
    'preflights are not counted';

# in parallel, by two workers

my @pids = map {
    my $i = $_;
    K8s::Objects::child(sub {
        K8s::Objects::write_file("$n->{root}/logs/ask-$i",
                                 ask(25, 'minute', from('10.0.0.9')));
    });
} 1 .. 4;
waitpid $_, 0 for @pids;
my $passed = 0;
for (1 .. 4) {
    $passed += $1 if $n->slurp("logs/ask-$_") =~ /200:(\d+)/;
}
cmp_ok $passed, '>=', 11, 'all workers let through as many';
cmp_ok $passed, '<=', 12, 'and not one each';

# a reload forgets nothing, a size does

ok $n->reload, 'reload';
is ask(3, 'minute', from('10.0.0.2')), '503:3', 'it is known still';
$n->{block} =~ s/limits 1m/limits 2m/;
ok $n->reload, 'with another size';
is ask(1, 'minute', from('10.0.0.2')), '200:1', 'it is empty';

# connections

my @held = map { hang('slow', '10.0.0.1') } 1 .. 2;
my $third = ($n->get('slow.test', '/', from('10.0.0.1')))[0];
is $third, 429, 'a third one';
is +($n->get('slow.test', '/', from('10.0.0.2')))[0], 200, 'another client';
close shift @held;
ok $n->until(sub { ($n->get('slow.test', '/', from('10.0.0.1')))[0] eq '200' }),
    'the one that has gone is free';
is +($n->get('slow.test', '/', from('10.0.0.1')))[0], 200, 'and stays so';

# a worker that dies holds nothing

push @held, hang('slow', '10.0.0.1');
is +($n->get('slow.test', '/', from('10.0.0.1')))[0], 429, 'full again';
my @workers = $n->workers;
kill SIGKILL, @workers;
ok $n->until(sub {
    my %old = map { $_ => 1 } @workers;
    my @new = grep { !$old{$_} } $n->workers;
    @new == 2
}), 'workers are killed';
close $_ for @held;
ok $n->until(sub { ($n->get('slow.test', '/', from('10.0.0.1')))[0] eq '200' }),
    'what they held is free';
is ask(30, 'slow', from('10.0.0.1')), '200:30', 'one after the other';
is ask(3, 'minute', from('10.0.0.2')), '200:3', 'requests are counted on';

is_deeply [grep { !/exited on signal 9/ } $n->alerts], [], 'no other alerts';

done_testing();
