# Policies in /status; and problems in the error log, by its level.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use JSON::PP;
use Test::More;

my $n = K8s::Nginx->new(
    level => 'error',
    block => 'source manifests %%DIR%%; zone 4m; config_map system/own;',
    server => 'k8s_ingress_pass; location /- { k8s_ingress_admin; }');

sub status {
    my ($args) = @_;
    return JSON::PP->new->decode(($n->get('x', "/-/status$args"))[1])
           ->{blocks}[0];
}

sub policies {
    my ($args) = @_;
    return { map { $_->{policy} => $_->{settings} }
             @{status($args)->{policies}} };
}

# an Ingress whose Service is not there
sub bad {
    my ($name, $annotations) = @_;
    $annotations //= '';
    $n->manifest("$name.yaml", <<EOY);
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: $name
  namespace: default
  annotations:
    kubernetes.io/ingress.class: nginx
    $annotations
spec:
  rules:
  - host: $name.test
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: none, port: {number: 80}}}
EOY
}

$n->services('default/a:80 a');
$n->config_map('system/own', 'proxy-body-size' => '8m',
               'whitelist-source-range' => '127.0.0.1');
$n->annotated('one', 'proxy-body-size: "1m"');
$n->annotated('two', 'proxy-body-size: "2m"');
bad('bad', 'nginx.ingress.kubernetes.io/none: "1"');
ok $n->start, 'nginx starts';
ok $n->wait_for('two.test', '/', 200), 'routed';

my ($writes) = ($n->get('x', '/-/status'))[1] =~ /"writes":(\{.*?\}\})/;
my @members = $writes =~ /[{,]"(\w+)":(?=["{tf\d])/g;
is join(' ', grep !/^(written|conflict|refused|failed)$/, @members),
   'election_id leader addresses lease status event', 'no member comes twice';

my $all = policies('');
is $all->{global}{'proxy-body-size'}, '8m', 'that of the keys is "global"';
is_deeply [sort map { $_->{'proxy-body-size'} } values %$all],
    ['1m', '2m', '8m'], 'values by the names of annotations and keys';

my $host = status('?host=one.test');
my ($policy) = @{$host->{policies}};
is scalar @{$host->{policies}}, 1, '?host: only those of the host';
is_deeply $policy->{settings}, { 'proxy-body-size' => '1m' }, 'which it has';
is $policy->{policy}, $host->{hosts}[0]{paths}[0]{matches}[0]{policy},
    'as its path says';

bad($_) for qw(d b c a);
ok $n->until(sub { @{status('')->{problems}} == 5 }), 'more problems';
is_deeply [map { $_->{name} } @{status('')->{problems}}],
    ['a', 'b', 'bad', 'c', 'd'], 'they are sorted';

# a log of errors has them; one of more is told of the others when it comes

my $error = qr/\[error\].*Ingress "default\/bad": .*\(ServiceNotFound\)/;
my $warning = qr/\[warn\].*Ingress "default\/bad": .*\(AnnotationUnknown\)/;

ok $n->until(sub { $n->logged($error) }), 'an error is one in the log';
is $n->logged($warning), 0, 'which takes no warnings';

$n->{level} = 'warn';
ok $n->reload, 'a reload';
ok $n->until(sub { $n->logged($warning) }), 'with warnings says what stands';
is $n->logged($error), 1, 'the error only once';

ok $n->reload, 'another one';
my $count = $n->logged(qr/AnnotationUnknown/);
bad('e');
ok $n->until(sub { $n->logged(qr/"default\/e"/) }), 'another problem';
is $n->logged(qr/AnnotationUnknown/), $count, 'what was said is not said again';

# a path that is closed says so, and why

$n->annotated('shut', 'auth-type: basic', 'auth-secret: nobody');
$n->annotated('list', 'denylist-source-range: none');
$n->annotated('to', 'backend-protocol: HTTPS',
              'proxy-ssl-secret: default/nobody');
$n->annotated('host', 'auth-tls-secret: default/nobody');
ok $n->wait_for('shut.test', '/', 503), 'closed';
ok $n->wait_for('list.test', '/', 503), 'another one';
ok $n->wait_for('to.test', '/', 503), 'and a third';
ok $n->wait_for('host.test', '/', 403), 'and a host';

my %by = (shut => [503, 'auth-secret'], list => [503, ''],
          to => [503, 'proxy-ssl-secret'], host => [403, 'auth-tls-secret']);

for my $name (sort keys %by) {
    ok $n->until(sub { @{status("?host=$name.test")->{problems}} }),
        "$name: its problem is one of its host";
    my $status = status("?host=$name.test");
    is_deeply [map { "$_->{name} $_->{problems}[0]{code}" }
               @{$status->{problems}}], ["$name AnnotationClosed"],
        "$name: no other one";
    my ($match) = @{$status->{hosts}[0]{paths}[0]{matches}};
    is_deeply [@{$match->{closed}}{qw( status by )}], $by{$name},
        "$name: its path is closed";
    next if $name eq 'shut' || $name eq 'host';
    ok $n->logged(qr/the path is closed, see problems of Ingress "default\/$name"/),
        "$name: each request says so in the log";
}
ok $n->logged(qr/path is closed: users of Secret "default\/nobody"/), 'users';
ok $n->logged(qr/host is closed: of Secret "default\/nobody".*"ca\.crt"/), 'CAs';

my ($open) = @{status('?host=one.test')->{hosts}[0]{paths}[0]{matches}};
ok !exists $open->{closed}, 'others are not';

is $n->stop, 0, 'ends well';

done_testing();
