# Digest authentication: by curl, by hand, and what an attacker has heard.

use strict;
use warnings;

use lib 't/lib';
use Digest::MD5 qw( md5_hex );
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    server => 'k8s_ingress_pass;',
    main => 'worker_processes 2;');

sub secret {
    my ($name, %data) = @_;
    my $lines = join '', map { "\n  $_: '$data{$_}'" } sort keys %data;
    $n->manifest("secret-$name.yaml", "apiVersion: v1\nkind: Secret\n"
                 . "metadata: {name: $name, namespace: default}\nstringData:"
                 . "$lines\n");
}

sub stored { my ($user, $realm, $pass) = @_; md5_hex("$user:$realm:$pass") }

sub protected {
    my ($name, @annotations) = @_;
    $n->annotated($name, 'auth-type: digest', 'auth-secret: users',
                  'auth-realm: The Realm', @annotations);
}

$n->backend('a', 'location / { return 200 "backend [$http_authorization]\n"; }');
$n->services('default/a:80 a');
secret('users', auth => join "\n\n    ",
       'one:The Realm:' . stored('one', 'The Realm', 'secret'),
       'two:Another:' . stored('two', 'Another', 'secret'),
       'up:The Realm:' . uc stored('up', 'The Realm', 'secret'),
       'bad:The Realm:secret');
secret('map', one => 'The Realm:' . stored('one', 'The Realm', 'secret'));
protected('digest');
protected('any', 'satisfy: any', 'allowlist-source-range: 10.0.0.0/8');
$n->annotated('map', 'auth-type: digest', 'auth-secret: map',
              'auth-secret-type: auth-map', 'auth-realm: The Realm');
$n->annotated('missing', 'auth-type: digest', 'auth-secret: missing');
$n->annotated('open');
$n->start;

ok $n->wait_for('open.test', '/', 200), 'is served';

# curl

sub curl {
    my ($name, $user, @more) = @_;
    my $port = $n->{port};
    return `curl -s --digest -u '$user' --max-time 20 -o /dev/null -w '%{http_code} %{num_connects}' @more --resolve $name.test:$port:127.0.0.1 'http://$name.test:$port/x?y=%20z'`;
}

is curl('digest', 'one:secret'), '200 1', 'right';
is curl('digest', 'one:other'), '401 1', 'wrong';
is curl('digest', 'none:secret'), '401 1', 'no such user';
is curl('digest', 'two:secret'), '401 1', 'a user of another realm';
is curl('digest', 'up:secret'), '200 1', 'stored in upper case';
is curl('digest', 'bad:secret'), '401 1', 'what is stored is no digest';
is curl('digest', 'one:secret', '-d body'), '200 1', 'a body';
is curl('any', 'one:secret'), '200 1', 'satisfy any';
is curl('map', 'one:secret'), '200 1', 'a map';
is curl('missing', 'one:secret'), '503 1', 'a Secret that is missing closes';
ok $n->logged(qr/user "none": no such user, or another password/), 'a wrong one';

# by hand

sub challenge {
    my (@lines) = @_;
    my ($s, $body, $head) = $n->get('digest.test', '/p?q', @lines);
    my ($line) = $head =~ /^WWW-Authenticate: Digest (.*?)\r?$/m;
    return ($s, $line // '');
}

my ($status, $line) = challenge();
is $status, 401, 'without a user';
like $line, qr/^realm="The Realm", nonce="([0-9a-f]{32})", qop="auth", algorithm=MD5$/,
    'the challenge';
my ($nonce) = $line =~ /nonce="(\w+)"/;

# the header's line, with parts in place of the right ones
sub line {
    my (%p) = @_;
    my %d = (username => 'one', realm => 'The Realm', nonce => $nonce,
             uri => '/p?q', qop => 'auth', nc => '00000001', cnonce => 'c',
             algorithm => 'MD5', method => 'GET', password => 'secret', %p);
    my $ha1 = md5_hex("$d{username}:$d{realm}:$d{password}");
    my $ha2 = md5_hex("$d{method}:$d{uri}");
    $d{response} //= md5_hex("$ha1:$d{nonce}:$d{nc}:$d{cnonce}:$d{qop}:$ha2");
    return 'Authorization: Digest '
           . join ', ', map { defined $d{$_} ? "$_=\"$d{$_}\"" : () }
             qw( username realm nonce uri qop nc cnonce algorithm response );
}

sub asked { (challenge(line(@_)))[0] }

is asked(), 200, 'by hand';
my ($s, $body) = $n->get('digest.test', '/p?q', line(nc => '00000002'));
is $body, "backend []\n", 'the backend is not told';
($status, $line) = challenge(line());
is $status, 401, 'what was heard is good for nothing';
like $line, qr/stale=true$/, 'and is said to be old';
is asked(nc => '00000003', uri => '/other'), 401, 'another URI';
is asked(nc => '00000004', method => 'POST'), 401, 'another method';
is asked(nc => '00000005', qop => 'auth-int'), 401, 'another quality';
is asked(nc => '00000006', algorithm => 'SHA-256'), 401, 'another algorithm';
is asked(nc => '00000007', realm => 'Another', username => 'two'), 401,
    'another realm';
is asked(nc => '00000008', algorithm => undef), 200, 'MD5 goes without saying';
is asked(nc => '9'), 401, 'a short count';
is asked(nc => '0000000a', cnonce => ''), 401, 'no nonce of the client';
is asked(nc => '0000000b', response => ''), 401, 'no response';
is asked(nc => '0000000c', password => ''), 401, 'no password';
is asked(nc => '0000000d', username => ''), 401, 'no user';
is asked(nc => '0000000e', username => 'bad', password => ''), 401,
    'one who has no digest';

for my $other ('f' x 32, '0' x 32, substr($nonce, 0, 31), "${nonce}0", '',
               sprintf('%08x', time) . 'f' x 24)
{
    ($status, $line) = challenge(line(nonce => $other));
    is $status, 401, "nonce \"$other\"";
    like $line, qr/stale=true$/, 'the user is not asked for the password again';
}

for my $header ('Digest', 'Digest ', 'Digest x', 'Digest username',
                'Digest username="one', 'Digest username="one\\', 'Digest ,,,',
                'Digest username=one,username=one', 'Basic b25lOnNlY3JldA==')
{
    is +(challenge("Authorization: $header"))[0], 401, "\"$header\"";
}

my $twice = line(nc => '0000000f');
is +(challenge("$twice, nc=\"0000000f\""))[0], 401, 'a part that is there twice';
is +(challenge($twice =~ s/"MD5"/MD5/r =~ s/username/USERNAME/r
               =~ s/"one"/"\\o\\n\\e"/r =~ s/, / ,  /gr . ',x=y'))[0], 200,
    'as grammar has it';

is +(($n->get('map.test', '/p?q', line(nc => '00000010')))[0]), 401,
    'a nonce of another Secret';

# workers share what they have seen; a reload keeps it

is +(grep { asked(nc => '00000011') == 200 } 1 .. 8), 1,
    'of all workers one takes it';
ok $n->reload, 'reload';
is asked(nc => '00000011'), 401, 'it is known still';
is asked(nc => '00000012'), 200, 'and so is the nonce';

secret('users', auth => 'one:The Realm:' . stored('one', 'The Realm', 'new'));
ok $n->until(sub { curl('digest', 'one:new') eq '200 1' }), 'a new password';
is asked(nc => '00000013'), 401, 'the old one is wrong';

is_deeply [$n->alerts], [], 'no alerts';

done_testing();
