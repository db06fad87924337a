# host_ownership namespace: a host is served to the namespace of its oldest
# object alone, and passes on when that goes; live.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $admin = K8s::Objects::free_port();

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; '
             . 'host_ownership namespace acme;',
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }",
    main => 'worker_processes 2;');

my $acme = '/.well-known/acme-challenge';

# an Ingress of a time, NAMESPACE/NAME; the paths of it are PATH SERVICE
sub ingress {
    my ($full, $second, $host, $annotation, @paths) = @_;
    my ($namespace, $name) = split m{/}, $full;
    my $rules = join '', map { my ($path, $service) = split ' ';
        "      - {path: '$path', pathType: Prefix, backend: {service: "
        . "{name: $service, port: {number: 80}}}}\n" } @paths;
    $annotation = $annotation
                  ? "    nginx.ingress.kubernetes.io/$annotation\n" : '';

    $n->manifest("$namespace-$name.yaml", <<EOI);
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: $name
  namespace: $namespace
  creationTimestamp: "2026-01-01T00:00:${second}Z"
  annotations:
    kubernetes.io/ingress.class: nginx
$annotation
spec:
  rules:
  - host: "$host"
    http:
      paths:
$rules
EOI
}

sub status { (K8s::Objects::http_get($admin, 'x', '/status'))[1] // '' }

sub answers {
    my ($host, $path, $want, $name) = @_;
    my $is;
    ok $n->until(sub {
        my ($status, $body) = $n->get($host, $path);
        $is = $status eq 200 ? $body : "$status\n";
        $is eq "$want\n";
    }), $name or diag "is $is";
}

$n->services("one/a:80 a\ntwo/b:80 b");
ingress('one/first', '01', 'shop.test', '', '/ a');
ingress('two/second', '02', 'shop.test', '', '/two b');
ingress('two/below', '03', 'low.shop.test', '', '/ b');
ingress('two/solver', '04', 'shop.test', '', "$acme/x b");
ingress('two/alias', '05', 'other.test', 'server-alias: shop.test', '/ b');
$n->start;

answers('shop.test', '/', 'a', 'the oldest object has the host');
answers('other.test', '/', 'b', 'another namespace has another host');
answers('shop.test', '/two', 'a', 'a path of another namespace is not served');
answers('low.shop.test', '/', 'b', 'a name below a host is none of its');
answers('shop.test', "$acme/x", 'b', 'a challenge of another namespace is');
like status(), qr/"namespace":"two","name":"second","problems".*?HostOwned/s,
    'which is a problem';
like status(), qr/HostOwned[^}]*one/, 'that names the owner';

# a wildcard that is younger takes nothing from a host, one that is older does

ingress('one/wild', '09', '*.shop.test', '', '/ a');
answers('new.shop.test', '/', 'a', 'a wildcard');
answers('low.shop.test', '/', 'b', 'which is younger than a host below it');
ingress('one/wild', '00', '*.shop.test', '', '/ a');
answers('low.shop.test', '/', 'a', 'one that is older');

# challenges that are older than the owner say nothing of its other paths

ingress('one/path', '01', 'path.test', '', '/x a');
ingress('two/early', '00', 'path.test', 'permanent-redirect: http://evil.test/',
        "$acme/y b");
answers('path.test', "$acme/y", '301', 'an older challenge');
answers('path.test', '/other', '404', 'and no other path');

# nor are they expressions where the owner has some, or anything but challenges

ingress('one/regex', '01', 'regex.test', 'use-regex: "true"', '/api/(v1|v2) a');
ingress('two/regex', '02', 'regex.test', '', "$acme/x b");
answers('regex.test', "$acme/x/y", 'b', 'a challenge of a host with expressions');
answers('regex.test', "$acme/xy", '404', 'is none itself');
ingress('two/regex', '02', 'regex.test', '', "$acme/|/ b");
answers('regex.test', "$acme/x/y", '404', 'one that would be takes nothing');
answers('regex.test', '/', '404', 'not the host');
answers('regex.test', '/api/v1', 'a', 'nor what is the owner\'s');

# the owner's own challenges are before them, there as well

for my $regex ('', 'use-regex: "true"') {
    my $host = $regex ? 'own-regex.test' : 'own.test';
    my $name = $regex ? 'own-regex' : 'own';
    ingress("one/$name", '01', $host, $regex, "/app/(.*) a", "$acme/tok a",
            "$acme/dir a");
    ingress("two/$name", '02', $host, '', "$acme b", "$acme/dir/longer b");
    answers($host, "$acme/other", 'b', "$host: a challenge");
    answers($host, "$acme/tok", 'a', "$host: one of the owner");
    answers($host, "$acme/dir/x", 'a', "$host: and all below it");
    answers($host, "$acme/dir/longer", 'b', "$host: but the longer one");
}

# below a wildcard they take a path, the wildcard has the rest

ingress('one/domain', '01', '*.domain.test', '', '/ a');
ingress('two/name', '02', 'new.domain.test', 'permanent-redirect: http://e.test/',
        "$acme/y b");
answers('new.domain.test', "$acme/y", '301', 'a challenge below a wildcard');
answers('new.domain.test', '/', 'a', 'other paths are the wildcard\'s');
answers('new.domain.test', "$acme/z", 'a', 'and other challenges');

# the owner goes

$n->remove('one-first.yaml');
answers('shop.test', '/two', 'b', 'the next one has the host');
answers('shop.test', '/', '404', 'and no path that it does not say');
ingress('one/first', '01', 'shop.test', '', '/ a');
answers('shop.test', '/two', 'a', 'the owner is back');

is_deeply [$n->alerts], [], 'nothing alarming is logged';
is $n->stop, 0, 'ends well';

done_testing();
