# Canaries, as Argo Rollouts and Flagger write them: shares, headers, cookies,
# what variables and metrics say, and that no request is lost while a share
# changes.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $admin = K8s::Objects::free_port();
my $n = K8s::Nginx->new(
    block => "source manifests %%DIR%%;\n zone 8m;\n",
    main => 'worker_processes 4;',
    http => "log_format canary '\$k8s_canary \$ingress_name \$service_name';\n"
            . "log_format draw '\$pid [\$k8s_canary]';\n"
            . "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }",
    server => "k8s_ingress_pass; access_log %%ROOT%%/logs/canary.log canary;"
              . " access_log %%ROOT%%/logs/draw.log draw;");
my $p = 'nginx.ingress.kubernetes.io';

sub ingress {
    my ($name, $annotations, @paths) = @_;
    my $text = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n"
               . "  name: $name\n  namespace: default\n  annotations:\n"
               . "    kubernetes.io/ingress.class: nginx\n";
    $text .= "    $p/$_\n" for @$annotations;
    $text .= "spec:\n  rules:\n  - host: shop.test\n    http:\n      paths:\n";
    $text .= "      - {path: '$_->[0]', pathType: Prefix, backend: {service: "
             . "{name: $_->[1], port: {number: 80}}}}\n" for @paths;
    $n->manifest("$name.yaml", $text);
}

# an answer's Service; headers as lines
sub ask {
    my ($path, @headers) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}, Timeout => 5)
        or die "connect: $!";
    print $s join("\r\n", "GET $path HTTP/1.1", 'Host: shop.test',
                  'Connection: close', @headers, '', '');
    my $answer = join '', <$s>;
    my ($status) = $answer =~ m{^HTTP/1\.1 (\d+)};
    return $status == 200 ? $answer =~ s/.*\r\n\r\n//sr =~ s/\s+\z//r : $status;
}

sub share {
    my ($requests) = @_;
    my %n;
    $n{ask('/')}++ for 1 .. $requests;
    return \%n;
}

my @copied = ('auth-tls-secret: default/none', 'limit-rps: "1"',
              'rewrite-target: /other', 'ssl-redirect: "true"');

$n->services("default/a:80 a\ndefault/b:80 b\ndefault/none:80 -");
ingress('shop', [], ['/', 'a'], ['/same', 'a']);
ingress('shop-canary', ['canary: "true"', 'canary-weight: "0"', @copied],
        ['/', 'b'], ['/same', 'a'], ['/alone', 'b']);
$n->start;
ok $n->wait_for('shop.test', '/', 200), 'served';

is_deeply(share(50), { a => 50 }, 'weight 0, other annotations ignored');
my $notes = (K8s::Objects::http_get($admin, 'x', '/status'))[1];
like $notes, qr/AnnotationNoted","severity":"note"[^}]*$_[^}]*the primary decides it/,
     "a note of $_" for map { s/:.*//r } @copied;
unlike $notes, qr/canary-weight[^}]*the primary decides it/,
       "none of the canary's own";
unlike $notes, qr/Annotation(?:Closed|Unserved)/, 'nothing else of them';

ingress('shop-canary', ['canary: "true"', 'canary-weight: "100"'],
        ['/', 'b'], ['/same', 'a'], ['/alone', 'b']);
ok $n->until(sub { ask('/') eq 'b' }), 'weight 100';
is_deeply(share(50), { b => 50 }, 'all of them');
is(ask('/same'), 'a', 'the same Service is no canary');

my $status = (K8s::Objects::http_get($admin, 'x', '/status'))[1];
like $status, qr/CanaryWithoutPrimary[^}]*\/alone/, 'a path that is nobody\'s';

ingress('shop-canary', ['canary: "true"', 'canary-weight: "30"'], ['/', 'b']);
ok $n->until(sub { ask('/') eq 'a' }), 'weight 30';
my $drawn = length $n->slurp('logs/draw.log');
my $n30 = share(1200);
is($n30->{a} + $n30->{b}, 1200, 'a share: all are answered');

# of each worker by itself: chi-square, which is larger by chance once in a
# million times

my %draws;
$n->until(sub {
    %draws = ();
    my $log = substr $n->slurp('logs/draw.log'), $drawn;
    $draws{$1}{$2 ? 'b' : 'a'}++
        while $log =~ /^(\d+) \[(default-b-80)?-?\]$/mg;
    my $sum = 0;
    $sum += $_->{a} // 0, $sum += $_->{b} // 0 for values %draws;
    return $sum >= 1200;
});
my $chi = 0;
for my $d (values %draws) {
    my ($a, $b) = map { $d->{$_} // 0 } qw( a b );
    my $all = $a + $b;
    $chi += ($b - 0.3 * $all) ** 2 / (0.3 * $all)
            + ($a - 0.7 * $all) ** 2 / (0.7 * $all);
}
cmp_ok(scalar keys %draws, '>', 1, 'by several workers');
cmp_ok($chi, '<', 33.4, 'each draws alike');

# headers and cookies

ingress('shop-canary', ['canary: "true"', 'canary-weight: "100"'], ['/', 'b']);
ok $n->until(sub { !share(20)->{a} }), 'weight 100 again';

ingress('shop-canary', ['canary: "true"', 'canary-by-header: X-Canary',
                        'canary-by-cookie: Try'], ['/', 'b']);
ok $n->until(sub { ask('/') eq 'a' }), 'without a header';
is(ask('/', 'X-Canary: always'), 'b', 'a header');
is(ask('/', 'x-canary: never', 'Cookie: try=always'), 'a', 'the header first');
is(ask('/', 'Cookie: a=b; try=always'), 'b', 'a cookie');
is(ask('/', 'X-Canary: always', 'X-Canary: always'), 'a',
   'a header sent twice says neither');

ingress('shop-canary', ['canary: "true"', 'canary-by-header: X-Canary',
                        'canary-by-header-pattern: "^eu-[0-9]+$"'],
        ['/', 'b']);
ok $n->until(sub { ask('/', 'X-Canary: eu-12') eq 'b' }), 'a pattern';
is(ask('/', 'X-Canary: us-12'), 'a', 'not met');
is(ask('/', 'X-Canary: always'), 'a', '"always" is a value as any other');

ingress('shop-canary', ['canary: "true"', 'canary-by-header: X-Canary',
                        'canary-by-header-pattern: "(("',
                        'canary-weight: "100"'], ['/', 'b']);
ok $n->until(sub { ask('/') eq 'b' }), 'a pattern that is none';
is(ask('/', 'X-Canary: x'), 'a', 'keeps who has the header');
ok $n->logged(qr/"\(\(" is no regular expression/), 'and is said';

# a canary without endpoints costs nothing

ingress('shop-canary', ['canary: "true"', 'canary-weight: "100"'],
        ['/', 'none']);
ok $n->until(sub { ask('/') eq 'a' }), 'no endpoints, no requests';

# shares change under load

my ($lost, $asked) = (0, 0);

for my $weight (0, 10, 50, 100, 90, 20, 0) {
    ingress('shop-canary', ['canary: "true"', "canary-weight: \"$weight\""],
            ['/', 'b']);
    for (1 .. 40) {
        $asked++;
        $lost++ if ask('/') !~ /^[ab]$/;
    }
}

is($lost, 0, "none of $asked requests is lost while shares change");

# logs and metrics

my $log = $n->slurp('logs/canary.log');
like($log, qr/^default-b-80 shop a$/m, 'the canary, and whose request it was');
like($log, qr/^- shop a$|^ shop a$/m, 'no canary');

my $metrics = (K8s::Objects::http_get($admin, 'x', '/metrics'))[1];
like($metrics, qr/^nginx_ingress_controller_requests\{[^}]*status="200"[^}]*ingress="shop",service="a",canary="default-b-80"[^}]*\} [1-9]/m,
     'requests of the canary, by its primary');

# what Flagger asks for: both exist for the canary alone, and count the same

my ($took, $answers) = map {
    my $sum = 0;
    $sum += $1 while $metrics =~ /^nginx_ingress_controller_response_duration_seconds_$_\{[^}]*namespace="default"[^}]*ingress="shop"[^}]*canary="default-b-80"[^}]*\} ([0-9.]+)$/mg;
    $sum } qw( sum count );
my $sent = 0;
$sent += $1 while $metrics =~ /^nginx_ingress_controller_requests\{[^}]*ingress="shop"[^}]*canary="default-b-80"[^}]*\} (\d+)$/mg;
is($answers, $sent, 'each of which a backend has answered');
cmp_ok($took, '>=', 0, 'in some time');
like($metrics, qr/^nginx_ingress_controller_requests\{[^}]*ingress="shop",service="a",canary=""[^}]*\} [1-9]/m,
     'and the others');

# the end of a rollout

$n->remove('shop-canary.yaml');
ok $n->until(sub { ask('/') eq 'a' }), 'the canary goes';
is_deeply(share(50), { a => 50 }, 'and with it all of its share');
ok(!$n->logged(qr/\[(alert|crit|emerg)\]/), 'nothing alarming is logged');

$n->stop;
done_testing();
