# What a turn of the event loop does, by the log of a debug build: a mirrored
# body that lies in a file is sent in pieces, with other requests between them.

use strict;
use warnings;

use lib 't/lib';
use K8s::Backend;
use K8s::Nginx;
use Test::More;

# takes all of a body, and as fast as it comes
my $sink = K8s::Backend->start(sub {
    my ($b, $c) = @_;
    my $r = $b->request($c) or return;
    $b->note('got ' . length $r->{body});
    $b->answer($c, 200, '');
});

my $n = K8s::Nginx->new(main => 'worker_processes 1;', level => 'debug');
$n->backend('a', "client_max_body_size 100m;\nlocation / { return 200 'a\n'; }");
$n->services('default/a:80 a');
$n->annotated('m', 'mirror-target: http://127.0.0.1:' . $sink->port . '/copy',
              'proxy-body-size: 100m');
$n->start;
ok $n->wait_for('m.test', '/', 200), 'it is served';

my $size = 8_000_000;
my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $n->{port})
    or die "connect: $!";
print $s "POST / HTTP/1.1\r\nHost: m.test\r\nConnection: close\r\n"
         . "Content-Length: $size\r\n\r\n", 'x' x $size;
{ local $/; like <$s>, qr/^HTTP\S+ 200/, 'a large body' }
ok $n->until(sub { grep { $_ eq "got $size" } $sink->notes }), 'is mirrored';
$n->stop;

# pieces by connection, of which that of the mirror has most
my (%turn, %most, %all);
for (split /\n/, $n->log) {
    if (/ epoll timer: /) { %turn = () }
    elsif (/ send: fd:(\d+) \d+ of \d+$/) {
        $all{$1}++;
        my $of = ++$turn{$1};
        $most{$1} = $of if $of > ($most{$1} // 0);
    }
}
my ($fd) = sort { $all{$b} <=> $all{$a} } keys %all;

cmp_ok $all{$fd}, '>', 500, 'in many pieces';
cmp_ok $most{$fd}, '<=', 16, 'of which a turn sends few';

done_testing();
