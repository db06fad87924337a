# Passwords: all forms that are stored, what is wrong with a client's, and that
# nothing of it opens a route or keeps others waiting.

use strict;
use warnings;

use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use K8s::Backend;
use K8s::Nginx;
use MIME::Base64;
use Test::More;

my ($inner, $tls, $admin) = map { K8s::Objects::free_port() } 1 .. 3;

# "secret" each; the costly ones are those that take 0.1 s and more
my %stored = (
    apr => '$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/',
    bcrypt => '$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a',
    slow => '$2y$12$abcdefghijklmnopqrstuuT1Iwu6o8Wx7BoOyIMHfgVJq6JO/IJhW',
    sha => '{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=',
    ssha => '{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0',
    des => 'abNANd1rDfiNc',
    five => '$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.',
    six => '$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72'
           . 'N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.',
    md5 => '$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1',
    plain => '{PLAIN}secret',
    comment => '{PLAIN}secret:more',
);

my $auth = K8s::Backend->start(sub {
    my ($b, $c) = @_;
    my $r = $b->request($c) or return;
    my ($how) = $r->{uri} =~ m{^/(\d*)};
    $b->note("$r->{raw}" =~ s/\r\n/|/gr);
    $b->answer($c, $how, '', $how == 200 ? 'Authorization: Bearer its' : (),
               $how == 401 ? 'WWW-Authenticate: Bearer' : ());
});
my $at = 'http://127.0.0.1:' . $auth->port;

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    server => "listen 127.0.0.1:$tls http2; k8s_ingress_pass;",
    http => "log_format users '[\$remote_user]'; access_log logs/error.log users;"
            . "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }\n"
            . "server { listen 127.0.0.1:$inner;\n"
            . "location / { set \$n x; k8s_ingress_pass; } }\n",
    main => 'worker_processes 1;');

sub secret {
    my ($name, %data) = @_;
    my $file = 'secret-' . $name =~ s{/}{-}r . '.yaml';
    my $ns = $name =~ s{^(.*)/}{} ? $1 : 'default';
    my $lines = join '', map { "  $_: '$data{$_}'\n" } sort keys %data;
    $n->manifest($file, "apiVersion: v1\nkind: Secret\n"
                 . "metadata: {name: $name, namespace: $ns}\nstringData:"
                 . ($lines ? "\n$lines" : " {}\n"));
}

sub users { join "\n\n    ", @_ }

sub of { my ($user, $pass) = @_; 'Authorization: Basic '
         . encode_base64("$user:" . ($pass // 'secret'), '') }

sub protected {
    my ($name, @annotations) = @_;
    $n->annotated($name, 'auth-type: basic', 'auth-secret: users',
                  @annotations);
}

sub status { my ($name, @lines) = @_; ($n->get("$name.test", '/', @lines))[0] }

$n->backend('a', 'location / { return 200 "backend [$http_authorization]\n"; }');
$n->services("default/a:80 a\nother/a:80 a");
secret('users', auth => users('# none:{PLAIN}secret', 'raw:secret',
                              map { "$_:$stored{$_}" } sort keys %stored));
secret('map', one => $stored{six}, two => '{PLAIN}secret');
secret('empty', auth => '# nobody');
secret('other', users => 'a');
secret('other/users', auth => "slow:$stored{slow}");

protected('basic');
protected('realm', 'auth-realm: The Realm');
protected('errors', 'auth-signin: https://$host/login', "auth-url: $at/200");
protected('both', "auth-url: $at/\$http_x_how", 'auth-response-headers: X-User');
protected('token', "auth-url: $at/200", 'auth-response-headers: Authorization');
protected('any', "auth-url: $at/\$http_x_how", 'satisfy: any');
protected('list', 'allowlist-source-range: 10.0.0.0/8');
protected('either', 'allowlist-source-range: 10.0.0.0/8', 'satisfy: any');
protected('cors', 'enable-cors: "true"');
$n->annotated('map', 'auth-type: basic', 'auth-secret: map',
              'auth-secret-type: auth-map');
$n->annotated('empty', 'auth-type: basic', 'auth-secret: empty');
$n->annotated('other', 'auth-type: basic', 'auth-secret: other');
$n->annotated('missing', 'auth-type: basic', 'auth-secret: missing');
$n->annotated('foreign', 'auth-type: basic', 'auth-secret: kube-system/users');
$n->annotated('alone', 'auth-type: basic');
$n->annotated('open');
my $fair = K8s::Objects::ingresses('other/fair fair.test / a:80');
$fair =~ s{^(  annotations:\n)}{$1    nginx.ingress.kubernetes.io/auth-type: basic
    nginx.ingress.kubernetes.io/auth-secret: users\n}m;
$n->manifest('fair.yaml', $fair);
$n->annotated('unused', 'auth-secret: users');
$n->config_map('system/own', 'use-forwarded-headers' => '"true"');
$n->start;

ok $n->wait_for('open.test', '/', 200), 'is served';

# forms

for my $user (sort keys %stored) {
    my ($s, $body) = $n->get('basic.test', '/', of($user));
    is $s, 200, "$user: right";
    is $body, "backend []\n", "$user: the backend is not told";
    is status('basic', of($user, 'Secret')), 401, "$user: wrong";
}

is status('basic', of('slow')), 200, 'right again';
is status('basic', of('raw')), 401, 'what is stored as it is is none';
is status('basic', of('# none')), 401, 'nor is a comment';
is status('basic', of('nobody')), 401, 'no such user';
is status('basic', of('plain', "secret\0x")), 401, 'a zero byte';
is status('basic', of('plain', 'x' x 3000)), 401, 'a long one';
is status('basic', of('plain', '')), 401, 'an empty one';
is status('basic', of('', '')), 401, 'nothing';
is status('basic', $_), 401, "\"$_\""
    for 'X: y', 'Authorization: Basic !!!', 'Authorization: Basic',
        'Authorization: Bearer abc', 'Authorization: Basic ' . encode_base64('a', '');
is status('basic', 'authorization: basic ' . encode_base64('plain:secret', '')),
    200, 'in lower case';
like $n->log, qr/^\[plain\]$/m, 'the log has the user';

my ($s, $body, $head) = $n->get('basic.test', '/');
is $s, 401, 'status 401';
like $head, qr/^WWW-Authenticate: Basic realm=""\r?$/m, 'no realm';
like +($n->get('realm.test', '/'))[2],
    qr/^WWW-Authenticate: Basic realm="The Realm"\r?$/m, 'a realm';

is status('map', of('one')), 200, 'a user in a key';
is status('map', of('two')), 200, 'another one';
is status('map', of('three')), 401, 'no such key';

# what closes

is status($_, of('plain')), 503, "$_: closed"
    for qw( other missing foreign alone );
is status('empty', of('plain')), 401, 'empty: nobody gets in';
is status('unused'), 200, 'auth-secret alone asks for nothing';

my $text = (K8s::Objects::http_get($admin, 'x', '/status'))[1];
like $text, qr/Secret default\/missing is not there, so the paths/, 'missing';
like $text, qr/Secret default\/other has no \\"auth\\"/, 'no such key';
like $text, qr/user \\"raw\\": it is of no form that is taken/, 'raw';

# lists, auth servers

is status('list', of('plain')), 403, 'all: the list is against it';
is status('list', of('plain'), 'X-Forwarded-For: 10.1.1.1'), 200, 'all';
is status('list', 'X-Forwarded-For: 10.1.1.1'), 401, 'all: the list alone';
is status('either', 'X-Forwarded-For: 10.1.1.1'), 200, 'any: the list';
is status('either', of('plain')), 200, 'any: the password';
is status('either', of('plain', 'x')), 401, 'any: neither';

is status('both', of('six'), 'X-How: 200'), 200, 'password and server';
my ($note) = reverse $auth->notes;
like $note, qr/\|Authorization: Basic /, 'the server sees the password';
like +($n->get('token.test', '/', of('six')))[1], qr/Bearer its/,
    'what the server says in place of the password gets to the backend';
unlike +($n->get('both.test', '/', of('six'), 'X-How: 200'))[1], qr/Basic/,
    'the password does not';
is status('both', of('six'), 'X-How: 403'), 403, 'not by the password alone';
is status('both', of('six', 'x'), 'X-How: 200'), 401, 'not by the server alone';
($s, undef, $head) = $n->get('both.test', '/', of('plain'), 'X-How: 401');
ok $s == 401 && $head =~ /WWW-Authenticate: Bearer/ && $head !~ /Basic/,
    'the challenge of the server';

is status('any', of('six', 'x'), 'X-How: 200'), 200, 'any: the server';
is status('any', of('six'), 'X-How: 403'), 200, 'any: the password';
is status('any', of('six', 'x'), 'X-How: 403'), 401, 'any: neither';
($s, undef, $head) = $n->get('any.test', '/', 'X-How: 401');
ok $s == 401 && $head =~ /Bearer/ && $head =~ /Basic/, 'both challenges';

($s, undef, $head) = $n->get('errors.test', '/');
is $s, 302, 'auth-signin takes the place of 401';

# a pass in a location, HTTP/2, a body

is +(K8s::Objects::http_get($inner, 'basic.test', '/', of('bcrypt')))[0], 200,
    'in a location';
is +(K8s::Objects::http_get($inner, 'basic.test', '/', of('bcrypt', 'x')))[0],
    401, 'in a location: wrong';

my $curl = "curl -s --http2-prior-knowledge --max-time 20 -o /dev/null "
           . "-w '%{http_code}' --resolve basic.test:$tls:127.0.0.1 "
           . "http://basic.test:$tls/";
is `$curl -u six:secret`, 200, 'HTTP/2';
is `$curl -u six:x`, 401, 'HTTP/2: wrong';
is `$curl -u five:secret -d body`, 200, 'a body';
`$curl --max-time 0.05 -u slow:x`;
is `$curl -u plain:secret`, 200, 'a stream that is reset harms nobody';

# many wrong ones: of one client one at a time, of a Secret 16; nobody else waits

sub begin {
    my ($from, @lines) = @_;
    my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}, LocalAddr => $from)
        or die "connect: $!";
    push @lines, 'Host: basic.test' unless grep { /^Host/ } @lines;
    print $c map { "$_\r\n" } 'GET / HTTP/1.1', 'Connection: close', @lines,
                              '';
    return $c;
}

sub finish { local $/; my $a = readline $_[0]; $a // '' }

my @flood = map { begin("127.0.0.$_", of('slow', "x$_")) } 2 .. 21;
my @busy = grep { finish($_) =~ /^HTTP\/1.1 503 .*^Retry-After: 1\r$/ms }
           @flood[16 .. 19];
is scalar @busy, 4, 'of one Secret 16 wait';

is +(grep { status('open') eq '200' } 1 .. 20), 20, 'other routes go on';
is +(grep { status('map', of('two')) eq '200' } 1 .. 5), 5,
    'so do other Secrets';
like finish(begin('127.0.0.30', of('slow'), 'Host: fair.test')),
    qr{^HTTP/1.1 200 }, 'other namespaces wait for one of them';
ok !IO::Select->new($flood[10])->can_read(0), 'while the flood waits';

close $_ for @flood[1 .. 15];
like finish($flood[0]), qr{^HTTP/1.1 401 }, 'the first has its answer';
ok $n->until(sub { status('basic', of('slow')) eq '200' }),
    'nobody waits for those that have gone';

my ($one, $two) = map { begin('127.0.0.2', of('slow', $_)) } 'a', 'b';
like finish($two), qr{^HTTP/1.1 503 }, 'of one client one waits';
my @same = map { begin('127.0.0.2', of('slow', 'a')) } 1 .. 3;
like finish($_), qr{^HTTP/1.1 401 }, 'the same password waits for one answer'
    for $one, @same;

# it is another one at once

secret('users', auth => users('six:{PLAIN}other'));
ok $n->until(sub { status('basic', of('six', 'other')) eq '200' }),
    'a new password';
is status('basic', of('six')), 401, 'the old one is wrong';
is status('basic', of('slow')), 401, 'a user who has gone';
$n->remove('secret-users.yaml');
ok $n->until(sub { status('basic', of('six', 'other')) eq '503' }),
    'a Secret that has gone closes';
secret('users', auth => users("slow:$stored{slow}", 'six:{PLAIN}other'));
ok $n->until(sub { status('basic', of('six', 'other')) eq '200' }),
    'and opens again';

# a worker that leaves waits for it

my $late = begin('127.0.0.9', of('slow', 'late'));
is status('open'), 200, 'it has come';
ok $n->reload, 'reload';
like finish($late), qr{^HTTP/1.1 401 }, 'a request of before is answered';
is status('basic', of('slow')), 200, 'the same after it';

$n->config_map('system/own', 'no-auth-locations' => '/');
ok $n->until(sub { status('basic') eq '200' }),
    'no-auth-locations: nobody is asked';

is_deeply [$n->alerts], [], 'no alerts';

done_testing();
