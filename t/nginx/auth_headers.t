# Headers to auth servers that a ConfigMap says.

use strict;
use warnings;

use lib 't/lib';
use K8s::Backend;
use K8s::Nginx;
use Test::More;

my $admin = K8s::Objects::free_port();

my $auth = K8s::Backend->start(sub {
    my ($b, $c) = @_;
    my $r = $b->request($c) or return;
    $b->note($r->{raw} =~ s/\r\n/|/gr);
    my $user = $r->{headers}{'x-user'} // 'nobody';
    $b->answer($c, 200, '', "X-User: $user");
});
my $at = 'http://127.0.0.1:' . $auth->port;

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }",
    main => 'worker_processes 1;');

$n->backend('a', 'location / { return 200 "as $http_x_user set $http_x_set '
                 . 'own $http_x_own\n"; }');
$n->services('default/a:80 a');

my @with = ('auth-response-headers: X-User');
my @cached = ('auth-cache-key: $http_x_key');

sub asks {
    my ($name, $map, @more) = @_;
    $n->annotated($name, "auth-url: $at/$name", @with, @more,
                  "auth-proxy-set-headers: $map");
}

asks('all', 'default/all');
asks('bare', 'all');
asks('kept', 'kept', @cached);
asks('later', 'later');
asks('other', 'system/other');
asks('name', 'name');
asks('value', 'value');
asks('empty', 'empty');
asks("claims$_", "claims$_") for 1 .. 3;
asks('buffers', 'all', 'proxy-buffer-size: 16k');
$n->annotated('none', "auth-url: $at/none", @with);
$n->annotated('alone', 'auth-proxy-set-headers: all');
$n->annotated('ungated', 'auth-proxy-set-headers: all',
              'enable-global-auth: "false"');

$n->config_map('system/own', 'global-auth-url' => "'$at/global'",
               'proxy-set-headers' => 'system/back');
$n->config_map('system/back', 'X-Own' => '"back $host $arg_u"');
$n->config_map('system/other', 'X-User' => 'jane');
$n->config_map('default/all', 'X-User' => '"$arg_u of $host"',
               'X-Set' => '"said"', 'X-Gone' => '""',
               'X-Forwarded-Proto' => 'https', 'X-Real-IP' => '192.0.2.1',
               'Host' => 'auth.example', 'x-request-id' => '"id $request_uri"');
$n->config_map('default/kept', 'X-User' => 'one');
$n->config_map('default/name', 'X User' => 'jane');
$n->config_map('default/value', 'X-User' => '"jane\r\nX-Evil: 1"');
$n->config_map('default/empty');
$n->config_map('default/claims1', 'X-Sent-From' => 'nobody');
$n->config_map('default/claims2', 'SSL-Client-Verify' => 'SUCCESS');
$n->config_map('default/claims3', 'Transfer-Encoding' => 'chunked');
$n->start;

sub status { (K8s::Objects::http_get($admin, 'x', '/status'))[1] // '' }

# status, body, and what the server got
sub try {
    my ($name, @lines) = @_;
    my $before = () = $auth->notes;
    my ($status, $body) = $n->get("$name.test", '/?u=joe', @lines);
    my @notes = $auth->notes;
    splice @notes, 0, $before;
    @notes = grep { /^GET / } @notes;
    chomp $body;
    return ($status, $body, $notes[0] // '', scalar @notes);
}

ok $n->wait_for('all.test', '/', 200), 'is served';

my ($s, $b, $got) = try('all', 'X-User: mallory', 'X-Set: client',
                        'X-Gone: client', 'X-Own: client');
is "$s $b", '200 as joe of all.test set client own back all.test joe',
    'let through; its headers are not those of the backend';
like $got, qr/\|X-User: joe of all\.test\|/, 'with a variable';
unlike $got, qr/mallory|X-Gone/, 'in place of what the client sent';
like $got, qr/\|X-Set: said\|/, 'another one';
like $got, qr/\|X-Own: client\|/, 'not those of the key for backends';
like $got, qr/\|X-Forwarded-Proto: https\|/, 'one that is left out else';
like $got, qr/\|X-Real-IP: 192\.0\.2\.1\|/, 'in place of one of ours';
like $got, qr/\|Host: auth\.example\|/, 'so is Host';
like $got, qr{\|x-request-id: id /\?u=joe\|}, 'in any case';
is scalar(() = $got =~ /\|(?:X-Real-IP|Host|X-Request-ID):/gi), 3, 'once each';
($s, $b, $got) = try('bare');
like $got, qr/\|X-User: joe of bare\.test\|/, 'a name alone';
($s, $b, $got) = try('buffers');
like $got, qr/\|X-User: joe of buffers\.test\|/, 'with buffers of its own';
($s, $b, $got) = try('none', 'X-User: kim');
like $got, qr/\|X-User: kim\|/, 'another Ingress has none of it';
unlike $got, qr/\|X-Set/, 'nor the others';
($s, $b, $got) = try('alone', 'X-User: kim');
like $got, qr{^GET /global.*\|X-User: kim\|},
    'without auth-url it is not for the one of all';
is((try('empty'))[0], 200, 'an empty one');

# what cannot be honoured closes

for my $name (qw( later other name value claims1 claims2 claims3 )) {
    ($s, $b, $got) = try($name);
    is $s, 503, "$name: closed";
    is $got, '', "$name: nobody is asked";
    like status(), qr/"name":"$name"[^}]*AnnotationClosed/,
        "$name: is a problem";
}

# changes

$n->config_map('default/later', 'X-User' => 'late');
ok $n->until(sub { (try('later'))[0] == 200 }), 'open when it comes';
like +(try('later'))[2], qr/\|X-User: late\|/, 'with it';
$n->config_map('default/later', 'X-User' => 'later');
ok $n->until(sub { (try('later'))[2] =~ /\|X-User: later\|/ }), 'a change';
$n->remove('map-default-later.yaml');
ok $n->until(sub { (try('later'))[0] == 503 }), 'closed when it goes';

my @k = ('X-Key: k');
is +(try('kept', @k))[1], 'as one set  own back kept.test joe', 'asked';
is +(try('kept', @k))[3], 0, 'kept';
$n->config_map('default/kept', 'X-User' => 'two');
ok $n->until(sub { (try('kept', @k))[1] =~ /^as two / }),
    'what is kept is not for other headers';

$n->config_map('system/own', 'global-auth-url' => "'$at/global'",
               'proxy-set-headers' => 'system/back',
               'allow-cross-namespace-resources' => '"true"');
ok $n->until(sub { (try('other'))[2] =~ /\|X-User: jane\|/ }),
    'another namespace where that is allowed';

$n->stop;
is_deeply [$n->alerts], [], 'no alerts';

done_testing();
