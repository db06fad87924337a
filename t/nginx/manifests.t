# The manifests source, followed: what a change of files does to requests.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new;
my $dir = $n->{dir};

sub route {
    my ($service) = @_;
    return K8s::Objects::ingresses("default/web a.example / $service:80");
}

# the body that a.example answers is soon this one
sub becomes {
    my ($body, $name) = @_;
    ok($n->wait_for('a.example', '/', 200, qr/^\Q$body\E$/), $name);
}

sub gone {
    my ($name) = @_;
    ok($n->wait_for('a.example', '/', 404), $name);
}

$n->services("default/a:80 a\ndefault/b:80 b");
$n->manifest('web.yaml', route('a'));
ok($n->start, 'nginx starts');
becomes('a', 'a manifest is a route');

# an edit in place, as of an editor that truncates

open my $f, '>', "$dir/web.yaml" or die "web.yaml: $!";
print $f route('b');
close $f;
becomes('b', 'an edit in place');

$n->manifest('web.yaml', route('a'));
becomes('a', 'an atomic rename');

# broken: the last good version stays

$n->manifest('web.yaml', route('b') . "x: [\n");
ok($n->until(sub { $n->logged(qr/file "web\.yaml": line \d+, column \d+: /) }),
   'a broken file is logged with its line');
is(($n->get('a.example', '/'))[1], "a\n", 'and its last good version stays');

# one bad object costs itself alone

$n->manifest('web.yaml', route('b') . <<'END');
---
apiVersion: v1
kind: Service
metadata: {name: My_App}
END
becomes('b', 'a good object beside a bad one is used');
ok($n->until(sub {
    $n->logged(qr/"web\.yaml": document 2, line \d+: Service "default\/My_App"/)
}), 'which is logged with document and line');

$n->manifest('web.yaml', route('b'));
becomes('b', 'a good one is used again');

unlink "$dir/web.yaml";
gone('a deleted file takes its routes with it');

mkdir "$dir/sub" or die "sub: $!";
$n->manifest('sub/web.yml', route('a'));
becomes('a', 'a new folder');

rename "$dir/sub/web.yml", "$dir/moved.yml" or die "moved: $!";
becomes('a', 'a file is moved');
unlink "$dir/moved.yml";
gone('and deleted');

# as the kubelet mounts a ConfigMap

mkdir $_ or die "$_: $!" for "$dir/cm", "$dir/cm/..1", "$dir/cm/..2";
$n->manifest('cm/..1/web.yaml', route('a'));
$n->manifest('cm/..2/web.yaml', route('b'));
symlink '..1', "$dir/cm/..data" or die "..data: $!";
symlink '..data/web.yaml', "$dir/cm/web.yaml" or die "web.yaml: $!";
becomes('a', 'a ConfigMap is mounted');

symlink '..2', "$dir/cm/..data_tmp" or die "..data_tmp: $!";
rename "$dir/cm/..data_tmp", "$dir/cm/..data" or die "..data: $!";
becomes('b', 'its ..data is swapped');

# the folder itself goes away for a while

rename $dir, "$n->{root}/away" or die "away: $!";
ok($n->until(sub { $n->logged(qr/the folder cannot be read/) }),
   'the folder is missing');
is(($n->get('a.example', '/'))[1], "b\n", 'and its routes stay');
rename "$n->{root}/away", $dir or die "back: $!";
$n->manifest('cm/..2/web.yaml', route('a'));
becomes('a', 'it is followed when it is back');

# what controllers do elsewhere: Endpoints, a class by default

unlink glob("$dir/*.yaml"), glob("$dir/cm/*.yaml");
gone('all is gone');

my $port = $n->port_of('b');
$n->manifest('web.yaml', <<"END");
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80, targetPort: $port}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets: [{addresses: [{ip: 127.0.0.1}], ports: [{port: $port}]}]
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata:
  name: any
  annotations: {ingressclass.kubernetes.io/is-default-class: "true"}
spec: {controller: k8s.io/ingress-nginx}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - host: a.example
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
END
becomes('b', 'Endpoints serve a Service, the default class an Ingress');

ok(!$n->logged(qr/\[(alert|crit|emerg)\]/), 'nothing alarming is logged');

$n->stop;
done_testing();
