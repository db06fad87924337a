# Ids of requests: one value in all places, never the same twice, in several
# workers and after a reload.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new(
    main => "worker_processes 2;\n",
    http => "log_format ids '\$request_id \$req_id';\n"
        . "access_log %%ROOT%%/logs/ids.log ids;\n",
    block => "source manifests %%DIR%%;\n zone 8m;\n");

$n->backend('a', <<'EOC');
access_log off;
location / { return 200 "$http_x_request_id"; }
EOC

$n->services("default/a:80 a");
$n->ingresses("default/web web.test / a:80");
$n->start;

ok $n->wait_for('web.test', '/', 200), 'it is served';

# 200 requests, on 20 connections
sub ids {
    my @ids;
    for (1 .. 20) {
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                      PeerPort => $n->{port}, Timeout => 5)
            or die "connect: $!";
        for my $i (1 .. 10) {
            print $s "GET / HTTP/1.1\r\nHost: web.test\r\n",
                     $i < 10 ? '' : "Connection: close\r\n", "\r\n";
        }
        local $/;
        push @ids, <$s> =~ /\r\n\r\n(\S{32})(?=HTTP|$)/g;
    }
    return @ids;
}

my @ids = ids();
is @ids, 200, 'each request has an id';
is grep(/^[0-9a-f]{32}$/, @ids), 200, 'of hexadecimal digits';

$n->reload;
push @ids, ids();

my %seen = map { $_ => 1 } @ids;
is keys %seen, 400, 'no two are the same';

my %logged;
ok $n->until(sub {
    %logged = map { /^(\S+) (\S+)$/; $1 eq $2 ? ($1 => 1) : () }
              split /\n/, $n->slurp('logs/ids.log');
    return !grep { !$logged{$_} } @ids;
}), '$request_id and $req_id of the log are what the backend got';

is_deeply [$n->alerts], [], 'no alerts';

done_testing();
