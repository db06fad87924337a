# Backends that fail, close, linger, upgrade and leave: retries and the pool
# of idle connections.

use strict;
use warnings;

use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use K8s::Backend;
use K8s::Nginx;
use Test::More;
use Time::HiRes qw( time );

# answers every request of a connection with its own name
sub plain {
    my ($name, @headers) = @_;
    return sub {
        my ($b, $c) = @_;
        while (my $r = $b->request($c)) {
            $b->note("$r->{method} $r->{uri}");
            $b->answer($c, 200, "$name\n", @headers);
        }
    };
}

sub closer { my ($b, $c) = @_; $b->request($c); $b->note('closed') }
sub resetter { my ($b, $c) = @_; $b->request($c); $b->note('reset');
               $b->reset($c) }

# closes a connection that is idle for a moment
sub sleepy {
    my ($b, $c) = @_;
    while (my $r = $b->request($c, 0.2)) {
        $b->note("$r->{method} $r->{uri}");
        $b->answer($c, 200, "sleepy\n");
    }
    close $c;
    $b->note('closed');
}

sub hole { my ($b, $c) = @_; $b->request($c); $b->note('hole'); sleep 60 }

sub echo {
    my ($b, $c) = @_;
    my $r = $b->request($c) or return;
    $b->note("upgrade $r->{headers}{upgrade} $r->{headers}{connection}");
    print $c "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n"
             . "Connection: Upgrade\r\n\r\n";
    while (sysread $c, my $buf, 1024) { syswrite $c, $buf }
}

sub interim {
    my ($b, $c) = @_;
    while (my $r = $b->request($c)) {
        print $c "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        select undef, undef, undef, 0.05 if $r->{uri} =~ /split/;
        print $c "HTTP/1.1 100 Continue\r\n\r\n";
        $b->answer($c, 200, "final\n");
    }
}

sub endless {
    my ($b, $c) = @_;
    $b->request($c);
    print $c "HTTP/1.1 102 X\r\n\r\n" for 1 .. 200;
    1 while sysread $c, my $buf, 4096;      # until nginx closes it
}

sub trailers {
    my ($b, $c) = @_;
    while (my $r = $b->request($c)) {
        print $c "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                 . "Trailer: X-T\r\n\r\n5\r\nhello\r\n0\r\nX-T: after\r\n\r\n";
    }
}

my %b = (
    a => plain('a'), b => plain('b'), closer => \&closer,
    resetter => \&resetter, sleepy => \&sleepy, hole => \&hole,
    echo => \&echo, interim => \&interim, endless => \&endless,
    trailers => \&trailers, short => plain('short', 'Keep-Alive: timeout=1'),
    zero => plain('zero', 'Keep-Alive: timeout=0'), gone => plain('gone'),
);
$b{$_} = K8s::Backend->start($b{$_}) for keys %b;

my %port = map { $_ => $b{$_}->port } keys %b;
$port{dead} = K8s::Objects::dead_port();
my @dead = map { "dead$_" } 1 .. 150;
$port{$_} = K8s::Objects::dead_port() for @dead;

my $n = K8s::Nginx->new(main => 'worker_processes 1;');

sub services {
    my ($text) = @_;
    $n->manifest('services.yaml',
                 K8s::Objects::services($text, sub { $port{$_[0]} }));
}

my @services = qw( a closer resetter sleepy hole echo interim endless
                   trailers short zero gone );
my $single = join '', map { "t/$_:80 $_\n" } @services;
my $mixed = "t/dead-a:80 dead a\nt/dead:80 dead\nt/closer-a:80 closer a\n"
            . "t/resetter-a:80 resetter a\nt/ab:80 a b\nt/hole-a:80 hole a\n"
            . "t/many:80 @dead a\n";
services("$single$mixed");

$n->ingresses(join '', map { "t/$_ $_.test / $_:80\n" } @services,
              qw( dead-a dead closer-a resetter-a ab hole-a many ));
$n->manifest('zz-ready.yaml',
             K8s::Objects::ingresses("t/zz ready.test /r/ zz:80"));
$n->start;
ok $n->wait_for('ready.test', '/r', 301), 'routed';

sub ask {
    my ($method, $host, $path, %o) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}, Timeout => 5)
        or die "connect: $!";
    my $body = $o{body} // '';
    print $s "$method $path HTTP/1.1\r\nHost: $host.test\r\n"
             . "Connection: close\r\n"
             . ($method eq 'GET' ? '' : 'Content-Length: ' . length($body)
                                        . "\r\n")
             . "\r\n$body";
    local $SIG{ALRM} = sub { die "time-out\n" };
    my $answer = eval { alarm($o{timeout} // 20); local $/; <$s> } // '';
    alarm 0;
    my ($status) = $answer =~ m{^HTTP/1\.1 (\d+)};
    my ($text) = $answer =~ /\r\n\r\n(.*)$/s;
    return ($status // 0, $text // '', $answer);
}

sub count {
    my ($name, $re) = @_;
    return scalar grep { /$re/ } $b{$name}->notes;
}

# keep-alive

ask('GET', 'a', '/') for 1 .. 20;
is count('a', qr/^connection/), 1, 'twenty requests, one connection';

my %got;
$got{(ask('GET', 'ab', '/'))[1]}++ for 1 .. 20;
is $got{"a\n"}, 10, 'round robin: half';
is $got{"b\n"}, 10, 'round robin: the other half';

# T-E3: retries

is_deeply [(ask('GET', 'dead-a', '/'))[0, 1]], [200, "a\n"],
          'T-E3 refused: another endpoint' for 1 .. 4;
is_deeply [(ask('POST', 'dead-a', '/', body => 'x'))[0, 1]], [200, "a\n"],
          'T-E3 refused: another endpoint, POST too' for 1 .. 4;
is_deeply [(ask('GET', 'closer-a', '/'))[0, 1]], [200, "a\n"],
          'T-E3 closed without answer: GET goes on' for 1 .. 4;
ok count('closer', qr/^closed/) > 0, 'T-E3 it was asked';
is_deeply [(ask('GET', 'resetter-a', '/'))[0, 1]], [200, "a\n"],
          'T-E3 reset: GET goes on' for 1 .. 4;

is +(ask('GET', 'dead', '/'))[0], 502, 'T-E3 only a dead one: 502';
is scalar(() = $n->log =~ /connect\(\) failed.*?host: "dead.test"/g), 3,
   'after three tries';

# those that refused are marked for 2 seconds: else it is done once more

my ($begun, $refused, @many);
for (1 .. 5) {
    $begun = time;
    ask('GET', 'many', '/') for 1 .. 4;
    $refused = () = $n->log =~ /connect\(\) failed.*?host: "many.test"/g;
    @many = map { (ask('GET', 'many', '/'))[0] } 1 .. 6;
    last if time - $begun < 1.8;
}
ok $refused >= 150, 'T-E3 each of 150 endpoints refused';
is_deeply \@many, [(200) x 6], 'T-E3 they do not hide the last one';
is scalar(() = $n->log =~ /connect\(\) failed.*?host: "many.test"/g),
   $refused, 'T-E3 and are left alone';

my $posts = count('closer', qr/^closed/) + count('a', qr/^POST/);
ask('POST', 'closer-a', '/once', body => 'x') for 1 .. 4;
is count('closer', qr/^closed/) + count('a', qr/^POST/), $posts + 4,
   'a POST that was sent is not sent again';

# T-E10: the backend closes idle connections

my @bad;
for (1 .. 8) {
    my ($status) = ask('POST', 'sleepy', '/', body => 'x');
    push @bad, $status if $status != 200;
    my $c = count('sleepy', qr/^closed/);
    $n->until(sub { count('sleepy', qr/^closed/) > $c });
}
is_deeply \@bad, [], 'T-E10 POSTs to a backend that closes idle connections';
is count('sleepy', qr/^closed/), 8, 'T-E10 it closed them';
is +(ask('GET', 'sleepy', '/'))[0], 200, 'T-E10 GET';

# the backend's Keep-Alive

ask('GET', 'zero', '/') for 1 .. 3;
is count('zero', qr/^connection/), 3, 'Keep-Alive: timeout=0 is not kept';

sub idle {
    my ($name) = @_;
    my $hex = sprintf '0100007F:%04X', $port{$name};
    open my $f, '<', '/proc/net/tcp' or die $!;
    return scalar grep { (split)[2] eq $hex && (split)[3] eq '01' } <$f>;
}

# on a busy machine three requests may take longer than it is kept

ok $n->until(sub {
    my $c = count('short', qr/^connection/);
    ask('GET', 'short', '/') for 1 .. 3;
    return count('short', qr/^connection/) <= $c + 1 && idle('short') == 1;
}), 'Keep-Alive: timeout=1 is kept';
ok $n->until(sub { idle('short') == 0 }, 30), 'but not for long';

# 1xx, trailers

is_deeply [(ask('GET', 'interim', "/$_"))[0, 1]], [200, "final\n"],
          "interim answers: $_" for qw( x split x split );
is +(ask('GET', 'endless', '/', timeout => 10))[0], 502,
   'no end of interim answers';
like +(ask('GET', 'trailers', '/'))[2], qr/hello/, 'T-F10 trailers: body';
is +(ask('GET', 'trailers', '/'))[0], 200, 'T-F10 trailers: again';
is count('trailers', qr/^connection/), 1, 'T-F10 trailers: kept alive';

# upgraded connections survive what happens to their Service; idle ones do not

my $ws = K8s::Objects::client($n->{port});
print $ws "GET /ws HTTP/1.1\r\nHost: echo.test\r\nUpgrade: websocket\r\n"
          . "Connection: Upgrade\r\n\r\n";
my $head = '';
$head .= <$ws> // last while $head !~ /\r\n\r\n$/;
like $head, qr/^HTTP\/1\.1 101 /, 'upgraded';
is +(grep { /^upgrade/ } $b{echo}->notes)[0], 'upgrade websocket upgrade',
   'headers of the upgrade';

sub said {
    my ($text) = @_;
    print $ws $text;
    IO::Select->new($ws)->can_read(5) or return 'nothing';
    sysread $ws, my $buf, 100;
    return $buf;
}

is said('one'), 'one', 'echo';

ask('GET', 'gone', '/');
is idle('gone'), 1, 'an idle connection';

services(join '', map { "t/$_:80 " . (/^(echo|gone)$/ ? '-' : $_) . "\n" }
         @services);
ok $n->wait_for('gone.test', '/', 503), 'endpoints have gone';
ok $n->until(sub { idle('gone') == 0 }, 1.5), 'its connection is closed';
is said('two'), 'two', 'the upgraded one stands';

$n->remove('ingresses.yaml');
ok $n->wait_for('echo.test', '/', 404), 'Ingresses have gone';
is said('three'), 'three', 'it still stands';
close $ws;

is $n->stop, 0, 'ends';
is_deeply [$n->alerts], [], 'no alerts';

done_testing;
