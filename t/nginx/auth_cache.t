# Answers of auth servers that are kept: for whom, how long, and that nobody gets
# another one's; one request asks for all that want the same.

use strict;
use warnings;

use lib 't/lib';
use K8s::Backend;
use K8s::Nginx;
use IO::Select;
use Test::More;
use Time::HiRes qw( sleep time );

# answers as X-How says: words with a "=" are headers
my $auth = K8s::Backend->start(sub {
    my ($b, $c) = @_;
    my $r = $b->request($c) or return;
    my ($status, @how) = split ' ', $r->{headers}{'x-how'} // '200';
    my ($key) = $r->{uri} =~ m{^/(\w*)};
    $b->note("$key asked");
    my @headers;
    for (@how) {
        if (/^sleep=(.*)/) { sleep $1 }
        elsif (/^long=(\d+)/) { push @headers, 'X-User: ' . 'u' x $1 }
        elsif (/^(.*?)=(.*)/) { push @headers, "$1: " . $2 =~ tr/_/ /r }
    }
    return if $status eq 'gone';
    $b->answer($c, $status, '', @headers);
});
my $at = 'http://127.0.0.1:' . $auth->port;

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;'
             . ' auth_cache 256k;',
    main => 'worker_processes 2;');

$n->backend('a', 'location / { return 200 "as $http_x_user\n"; }');
$n->services('default/a:80 a');

my %more = ('auth-response-headers' => 'X-User');

sub annotated {
    my ($name, %a) = @_;
    %a = ('auth-url' => "$at/$name", 'auth-cache-key' => '$http_x_key$arg_k',
          %more, %a);
    $n->annotated($name, map { "$_: \"$a{$_}\"" } sort keys %a);
}

annotated($_) for qw( one two slow busy abort fail reload long );
annotated('duration', 'auth-cache-duration' => '200 1s, 403 204 1m,any 5m');
annotated('others', 'auth-cache-duration' => '10m');
annotated('constant', 'auth-cache-key' => 'everybody');
annotated('unknown', 'auth-cache-key' => '$no_such_thing');
annotated('user', 'auth-cache-key' => '$remote_user');
annotated('url', 'auth-url' => "$at/url?u=\$arg_u");
annotated('bad', 'auth-cache-duration' => '200 soon');
annotated('signin', 'auth-signin' => 'https://$host/login');

my $wild = K8s::Objects::ingresses('default/wild *.wild.test / a:80');
$wild =~ s{^(  annotations:\n)}{$1    nginx.ingress.kubernetes.io/auth-url: $at/wild\n    nginx.ingress.kubernetes.io/auth-cache-key: \$http_x_key\n}m;
$wild =~ s{^(      - path: ")/(".*)\z}{$1/$2$1/below$2}ms;
$n->manifest('wild.yaml', $wild);
$n->start;

sub asked { my ($k) = @_; scalar grep { $_ eq "$k asked" } $auth->notes }

my $key = 'k0';

# status and body, and how often the server was asked
sub try {
    my ($name, $how, %o) = @_;
    my $before = asked($o{asked} // $name =~ s/\..*//r);
    my ($s, $b, $h) = $n->get($o{host} // "$name.test", $o{path} // '/',
                              defined $o{key} ? "X-Key: $o{key}" : (),
                              "X-How: $how", @{ $o{lines} // [] });
    my $asked = asked($o{asked} // $name =~ s/\..*//r) - $before;
    return wantarray ? ($s, $b, $h, $asked) : "$s $asked";
}

sub fresh { return ++$key }

ok $n->wait_for('one.test', '/', 200), 'is served';
ok $n->wait_for('x.wild.test', '/below', 200), 'all of it';

# kept

my $k = fresh();
my ($s, $b, undef, $asked) = try('one', '200 X-User=jane', key => $k);
is "$s $b$asked", "200 as jane\n1", 'asked';
for (1 .. 20) {
    ($s, $b, undef, $asked) = try('one', '403', key => $k,
                                  lines => ['X-User: mallory']);
    last if "$s $b$asked" ne "200 as jane\n0";
}
is "$s $b$asked", "200 as jane\n0", 'kept, for all workers';
is try('one', '403', key => fresh()), '403 1', 'another key';
is try('one', '200', key => $key), '200 1', '403 is not kept';

$k = fresh();
is try('one', '202', key => $k), '200 1', 'status 202';
is try('one', '403', key => $k), '200 0', 'is kept';
$k = fresh();
is try('one', '204', key => $k), '200 1', 'status 204';
is try('one', '403', key => $k), '403 1', 'is not';
$k = fresh();
try('one', '401 WWW-Authenticate=Basic WWW-Authenticate=Bearer', key => $k);
($s, undef, my $h, $asked) = try('one', '200', key => $k);
is "$s $asked", '401 0', '401 is kept';
like $h, qr/WWW-Authenticate: Basic\r\nWWW-Authenticate: Bearer(?:\r\n|\z)/,
    'with both challenges';
$k = fresh();
is try('signin', '401', key => $k), '302 1', 'sent to sign in';
($s, undef, $h, $asked) = try('signin', '200', key => $k, path => '/other');
is "$s $asked", '302 0', 'again';
like $h, qr{rd=http://signin\.test%2Fother}, 'with the URI of its own';
for my $status (qw( 500 302 404 gone )) {
    $k = fresh();
    is try('duration', "$status Cache-Control=max-age=60", key => $k), '500 1',
        "status $status";
    is try('duration', '200', key => $k), '200 1', 'is never kept';
}

# what the answer says of it

for my $h ('Set-Cookie=s=1', 'Cache-Control=no-store', 'Cache-Control=No-Cache',
           'Cache-Control=private', 'Cache-Control=max-age=0',
           'Cache-Control=max-age=60,_s-maxage=0',
           'Cache-Control=max-age=60 Cache-Control=no-store', 'Vary=Cookie',
           'Vary=*', 'Expires=Thu,_01_Jan_1970_00:00:01_GMT', 'Expires=0') {
    $k = fresh();
    is try('one', "200 $h", key => $k), '200 1', "200 with $h";
    is try('one', '403', key => $k), '403 1', 'is not kept';
}
for my $h ('Cache-Control=max-age=60', 'Cache-Control=public,_s-maxage=60',
           'Expires=Thu,_01_Jan_2099_00:00:01_GMT') {
    $k = fresh();
    is try('one', "403 $h", key => $k), '403 1', "403 with $h";
    is try('one', '200', key => $k), '403 0', 'is kept';
}

# how long

$k = fresh();
is try('duration', '200', key => $k), '200 1', 'a second';
is try('duration', '200 Cache-Control=max-age=600', key => fresh()), '200 1',
    'longer by the answer';
ok $n->until(sub { (try('duration', '403', key => $k)) eq '403 1' }),
    'is over';
is try('duration', '403', key => $key), '200 0', 'that one is not';
is try('duration', '403', key => $k = fresh()), '403 1', '403 of the list';
is try('duration', '200', key => $k), '403 0', 'is kept';
is try('others', '200', key => $k = fresh()), '200 1', 'no status is 200';
is try('others', '401', key => $k), '200 0', 'which is kept';
is try('others', '401', key => $k = fresh()), '401 1', 'but not';
is try('others', '200', key => $k), '200 1', 'status 401';
is try('bad', '200', key => 'x'), '503 0', 'one that cannot be read closes';

# for whom

$k = fresh();
is try('two', '200', key => $k), '200 1', 'another Ingress';
is try('two', '403', key => $k), '200 0', 'has its own';
is try('one', '403', key => $k), '403 1', 'and others do not';
for (1 .. 2) {
    is try('one', '200'), '200 1', 'no key: asked each time';
    is try('one', '403', key => ''), '403 1', 'likewise, an empty one';
    is try('constant', '200', key => 1), '200 1', 'a key without variables';
    is try('unknown', '200', key => 1), '200 1', 'one that nginx does not know';
}
is try('one', '200', key => 'xab', path => '/?k=c'), '200 1', 'two parts';
is try('one', '403', key => 'xab', path => '/?k=c'), '200 0', 'are kept';
is try('one', '403', key => 'xa', path => '/?k=bc'), '403 1',
    'and are not others';
is try('one', '403', key => 'xabc'), '403 1', 'likewise';

my @jane = (lines => ['Authorization: Basic amFuZTpzZWNyZXQ=']);
my @wrong = (lines => ['Authorization: Basic amFuZTp3cm9uZw==']);
is try('user', '200', @jane), '200 1', 'a user';
is try('user', '403', @jane), '200 0', 'is kept';
is try('user', '403', @wrong), '403 1', 'not with another password';
is try('one', '200', key => $k = fresh()), '200 1', 'nobody';
is try('one', '403', key => $k, @jane), '403 1', 'is not somebody';

is try('url', '200', key => $k, path => '/?u=1'), '200 1', 'one URL';
is try('url', '403', key => $k, path => '/?u=1'), '200 0', 'is kept';
is try('url', '403', key => $k, path => '/?u=2'), '403 1', 'another is not';

my @of = (key => $k = fresh());
is try('wild', '200', @of, host => 'a.wild.test'), '200 1', 'a host';
is try('wild', '403', @of, host => 'a.wild.test', path => '/x'), '200 0',
    'all that its path takes';
is try('wild', '403', @of, host => 'a.wild.test', path => '/below'), '403 1',
    'not what another one takes';
is try('wild', '403', @of, host => 'b.wild.test'), '403 1',
    'nor another host';

# sizes

is try('long', '200 long=3000', key => 'x' x 3000), '200 1', '6,000 bytes';
is try('long', '403', key => 'x' x 3000), '200 0', 'are kept';
is try('long', '403', key => 'x' x 2999 . 'y'), '403 1', 'for one alone';
is try('long', '200', key => 'y' x 5000, path => '/?k=' . 'z' x 3500),
    '200 1', 'too long a key';
is try('long', '403', key => 'y' x 5000, path => '/?k=' . 'z' x 3500),
    '403 1', 'is asked each time';

# one asks for all

sub together {
    my ($name, $how, $count, $key) = @_;
    my @s = map {
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                      PeerPort => $n->{port}) or die;
        print $s "GET / HTTP/1.1\r\nHost: $name.test\r\nX-Key: $key\r\n"
                 . "X-How: $how\r\nConnection: close\r\n\r\n";
        $s
    } 1 .. $count;
    return \@s;
}

sub statuses {
    my ($s) = @_;
    my %seen;
    for (@$s) {
        my $line = IO::Select->new($_)->can_read(20) ? <$_> : undef;
        $seen{ ($line // 'none') =~ /^HTTP\S+ (\d+)/ ? $1 : 'none' }++;
    }
    return join ' ', map { "$_ $seen{$_}" } sort keys %seen;
}

is statuses(together('slow', '200 sleep=1', 40, 'slow')), '200 40',
    '40 at a time';
is asked('slow'), 1, 'one of them asks';

is statuses(together('busy', '403 sleep=0.3', 40, 'busy')), '403 40',
    '40 that get nothing that is kept';
cmp_ok asked('busy'), '<=', 40, 'ask once each';
my $before = asked('busy');
is statuses(together('busy', '403 sleep=0.3', 10, 'busy')), '403 10',
    'those after them';
is asked('busy') - $before, 10, 'do not wait in vain';
is statuses(together('fail', 'gone', 20, 'fail')), '500 20',
    'no answer lets nobody through';

# the one that asks goes

my $first = together('abort', '200 sleep=2', 1, 'abort');
ok $n->until(sub { asked('abort') == 1 }), 'one asks';
my $rest = together('abort', '200 sleep=0.1', 10, 'abort');
sleep 0.2;
close $first->[0];
is statuses($rest), '200 10', 'it goes, and the others do not';
cmp_ok asked('abort'), '<=', 3, 'another one asks for them';

# what is kept stays, or does not

is try('reload', '200', key => 'r'), '200 1', 'before a reload';
ok $n->reload, 'reload';
is try('reload', '403', key => 'r'), '200 0', 'it stays';
annotated('reload', 'auth-cache-duration' => '200 2m');
ok $n->until(sub { (try('reload', '403', key => 'r')) eq '403 1' }),
    'not with other settings';

$n->config_map('system/own', 'global-auth-url' => "$at/all",
               'global-auth-cache-key' => '"$http_x_key:$arg_k"',
               'global-auth-cache-duration' => '"204 1m"');
$n->annotated('plain');
ok $n->until(sub { asked('all') || !$n->get('plain.test', '/') }), 'of all';
$k = fresh();
is try('plain', '204', key => $k, asked => 'all'), '200 1', 'asked';
is try('plain', '403', key => $k, asked => 'all'), '200 0', 'kept';

is_deeply [$n->alerts], [], 'no alerts';

done_testing();
