# Connections to auth servers that are kept: which are used again, and that one
# that is closed, or has more to say, opens nothing.

use strict;
use warnings;

use lib 't/lib';
use K8s::Backend;
use K8s::DNS;
use K8s::Nginx;
use K8s::TLS;
use POSIX ();
use Test::More;

# answers as X-How of the request says, on a connection that stays
my $auth = K8s::Backend->start(\&serve);

sub serve {
    my ($b, $c) = @_;
    my $n = 0;
    while (my $r = $b->request($c)) {
        my $how = $r->{headers}{'x-how'} // 'grant';
        $b->note(join ' ', $$, ++$n, $r->{method},
                 'connection=' . ($r->{headers}{connection} // ''));
        if ($how eq 'grant') { $b->answer($c, 200, '', "X-User: $$.$n") }
        elsif ($how eq 'deny') { $b->answer($c, 403, '') }
        elsif ($how eq 'body') { $b->answer($c, 200, 'x' x 100) }
        elsif ($how eq 'close') {
            $b->answer($c, 200, '', 'Connection: close');
            return;
        }
        elsif ($how eq 'gone') {    # as if it was kept
            $b->answer($c, 200, '');
            return;
        }
        elsif ($how eq 'drop') { return if $n > 1; $b->answer($c, 200, '') }
        elsif ($how eq 'short') {
            $b->answer($c, 200, '', 'Keep-Alive: timeout=0');
        }
        elsif ($how eq 'more') {
            print $c "HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n"
                     . "HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n";
        }
        elsif ($how eq 'slow') {
            select undef, undef, undef, 0.5;
            $b->answer($c, 200, '');
        }
        elsif ($how eq 'late') {
            $b->answer($c, 403, '');
            select undef, undef, undef, 0.2;
            $b->answer($c, 200, '');
            $b->note('said late');
        }
    }
}

my $at = '127.0.0.1:' . $auth->port;
my $secure = K8s::Objects::free_port();
my $pair = K8s::TLS::pair(cn => 'auth.test');

my $dns = K8s::DNS->start;
$dns->zone('auth.test' => '60 A 127.0.0.1');

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    http => "resolver 127.0.0.1:@{[$dns->port]};
             server { listen 127.0.0.1:$secure ssl; keepalive_timeout 1h;
             ssl_certificate $pair->{file}.crt;
             ssl_certificate_key $pair->{file}.key;
             location / { add_header X-User \$connection; return 204; } }",
    main => 'worker_processes 1;');

$n->backend('a', 'location / { return 200 "as $http_x_user\n"; }');
$n->services('default/a:80 a');

my @with = ('auth-response-headers: X-User');

sub kept { my ($name, $url, @more) = @_; $n->annotated($name, "auth-url: $url", @with, @more) }

kept('kept', "http://$at/kept", 'auth-keepalive: "4"');
kept('same', "http://$at/same", 'auth-keepalive: "4"');
kept('name', "http://auth.test:" . $auth->port . '/name',
     'auth-keepalive: "4"');
kept('plain', "http://$at/plain");
kept('none', "http://$at/none", 'auth-keepalive: "0"');
kept('bad', "http://$at/bad", 'auth-keepalive: many');
kept('two', "http://$at/two", 'auth-keepalive: "4"',
     'auth-keepalive-requests: "2"');
kept('one', "http://$at/one", 'auth-keepalive: "1"');
kept('idle', "http://$at/idle", 'auth-keepalive: "4"',
     'auth-keepalive-timeout: "0"');
kept('post', "http://$at/post", 'auth-keepalive: "4"', 'auth-method: POST');
kept('set', "http://$at/set", 'auth-keepalive: "4"',
     'auth-proxy-set-headers: set');
kept('tls', "https://127.0.0.1:$secure/tls", 'auth-keepalive: "4"');
kept('tls2', "https://127.0.0.1:$secure/tls2", 'auth-keepalive: "4"');
$n->config_map('default/set', Connection => 'keep-alive', 'X-One' => 'one');
$n->config_map('system/own', 'proxy-next-upstream' => 'error timeout');
$n->start;

# status, and the process and number of the request at the server
sub ask {
    my ($name, @lines) = @_;
    my ($s, $b) = $n->get("$name.test", '/', @lines);
    my ($who) = ($b // '') =~ /^as (\S*)/;
    return wantarray ? ($s, $who // '') : "$s " . ($who // '');
}

sub asked { scalar grep { /^\d/ } $auth->notes }
sub connections { scalar grep { $_ eq 'connection' } $auth->notes }

# how many connections some requests make, and what they are answered
sub made {
    my ($name, @how) = @_;
    my $before = connections();
    my @s = map { (ask($name, "X-How: $_"))[0] } @how;
    return connections() - $before . ": @s";
}

ok $n->wait_for('kept.test', '/', 200), 'is served';

my ($one) = (ask('kept'))[1] =~ /^(\d+)/;
my ($two) = (ask('kept'))[1] =~ /^(\d+)/;
is $two, $one, 'a connection is used again';
like((grep { /^\d/ } $auth->notes)[-1], qr/connection=$/,
     'without a header for it');
my ($three) = (ask('same'))[1] =~ /^(\d+)/;
is $three, $one, 'by another Ingress with the same server';
is made('kept', qw( deny grant )), '0: 403 200', 'whatever the answer';
is made('plain', qw( grant grant )), '2: 200 200', 'not without auth-keepalive';
is made('none', qw( grant grant )), '2: 200 200', 'nor with 0';
is made('bad', qw( grant grant )), '2: 200 200', 'nor with a bad value';
is made('set', qw( grant grant )), '0: 200 200', 'with headers of its own';
like((grep { /^\d/ } $auth->notes)[-1], qr/connection=keep-alive$/,
     'which count');

# which are not kept

made('kept', 'close');
is made('two', (('grant') x 4)), '2: 200 200 200 200', 'auth-keepalive-requests';
is made('idle', qw( grant grant )), '2: 200 200', 'auth-keepalive-timeout of 0';
made('kept', 'close');
is made('kept', qw( body grant )), '2: 200 200', 'one with a body that is unread';
is made('kept', qw( short grant )), '1: 200 200', 'one that the server ends soon';
is made('kept', qw( close grant )), '1: 200 200', 'one that it says it closes';
my ($b, $c) = ((ask('name'))[1], (ask('kept'))[1]);
isnt((split /\./, $b)[0], (split /\./, $c)[0], 'not for another name');

# no more than so many

sub both {
    my $before = connections();
    my @pids = map {
        my $pid = fork // die "fork: $!";
        if ($pid == 0) { ask('one', 'X-How: slow'); POSIX::_exit(0) }
        $pid;
    } 1 .. 2;
    waitpid $_, 0 for @pids;
    return connections() - $before;
}

made('kept', 'close');
is both(), 2, 'two at a time';
is both(), 1, 'of which one was kept';
made('kept', 'close');

# stale ones

made('kept', 'close');
is made('kept', qw( gone grant )), '2: 200 200', 'one that was closed';
is made('kept', qw( drop )), '1: 200', 'one that is closed when it is used';
is made('post', qw( grant )), '0: 200', 'POST';
my $before = asked();
is made('post', qw( drop )), '0: 500', 'with POST it is not asked again';
is asked() - $before, 1, 'it was once';

# what comes behind an answer is for nobody

made('kept', 'close');
is made('kept', qw( more grant )), '2: 403 200', 'more than an answer';
is made('kept', qw( late )), '0: 403', 'and later';
ok $n->until(sub { grep { $_ eq 'said late' } $auth->notes }), 'came';
is made('kept', qw( deny )), '1: 403', 'is not the answer to another request';

# by TLS

my (undef, $t) = ask('tls');
is((ask('tls'))[1], $t, 'by TLS');
is((ask('tls2'))[1], $t, 'of another path');
ok $n->reload, 'reload';
ok $n->wait_for('kept.test', '/', 200), 'after it';

$n->stop;
is_deeply [$n->alerts], [], 'no alerts';

done_testing();
