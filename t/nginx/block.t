# The k8s_ingress block: what nginx -t refuses and what it says, and two
# blocks side by side.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

delete @ENV{qw( KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT POD_NAMESPACE
    )};

my $m = 'source manifests %%DIR%%;';

# name, lines of the block, what the message says
my @refused = (
    ['unknown directive', "$m sorce x;",
     qr/unknown directive "sorce" in a k8s_ingress block/],
    ['unknown source', 'source etcd;',
     qr/unknown source "etcd", write "source in_cluster"/],
    ['no arguments', 'source;',
     qr/invalid number of arguments in "source" directive, write "source in/],
    ['source twice', "$m $m", qr/"source" directive is duplicate/],
    ['in_cluster with arguments', 'source in_cluster x;',
     qr/"source" directive has too many arguments/],
    ['in_cluster outside of a cluster', 'source in_cluster;',
     qr/"source in_cluster" needs KUBERNETES_SERVICE_HOST.*kubeconfig FILE/],
    ['kubeconfig without a file', 'source kubeconfig;',
     qr/"source" directive needs the name of a kubeconfig file/],
    ['kubeconfig that is not there', 'source kubeconfig %%DIR%%/none;',
     qr/%%DIR%%\/none/],
    ['manifests without a folder', 'source manifests;',
     qr/"source" directive needs one folder of manifests/],
    ['folder that is not there', 'source manifests %%DIR%%/none;',
     qr/%%DIR%%\/none/],
    ['zone that is no size', "$m zone big;",
     qr/invalid size "big" in "zone" directive, write a number/],
    ['limits too small', "$m limits 255k;",
     qr/size in "limits" directive is too small, the least is 256k/],
    ['auth_cache too small', "$m auth_cache 255k;",
     qr/size in "auth_cache" directive is too small, the least is 256k/],
    ['zone too small', "$m zone 1023k;",
     qr/size "1023k" in "zone" directive is too small, the least is 1m/],
    ['zone too large', "$m zone 17408m;",
     qr/size "17408m" in "zone" directive is too large/],
    ['zone twice', "$m zone 1m; zone 2m;", qr/"zone" directive is duplicate/],
    ['bad namespace', "$m watch_namespace Default;",
     qr/invalid namespace "Default" in "watch_namespace" directive/],
    ['namespace twice', "$m watch_namespace a b; watch_namespace a;",
     qr/namespace "a" stands twice.*leave one out/],
    ['bad selector', "$m watch_namespace_selector 'a in (b';",
     qr/invalid selector "a in \(b" in "watch_namespace_selector" directive: "," or "\)" is expected at "", write it/],
    ['bad key', "$m watch_namespace_selector 'a,-b=c';",
     qr/a label's key is expected at "-b=c", write it as in/],
    ['empty selector', "$m watch_namespace_selector '';",
     qr/invalid selector "" in "watch_namespace_selector"/],
    ['selector twice',
     "$m watch_namespace_selector a; watch_namespace_selector b;",
     qr/"watch_namespace_selector" directive is duplicate/],
    ['selector beside namespaces',
     "$m watch_namespace a; watch_namespace_selector b;",
     qr/has both "watch_namespace" and "watch_namespace_selector", leave one/],
    ['backend without namespace', "$m default_backend web;",
     qr/"web" in "default_backend" directive, write namespace\/service/],
    ['backend with a bad port', "$m default_backend a/b:65536;",
     qr/invalid value "a\/b:65536" in "default_backend" directive/],
    ['backend with two slashes', "$m default_backend a/b/c;",
     qr/invalid value "a\/b\/c" in "default_backend" directive/],
    ['certificate with a port', "$m default_certificate a/b:80;",
     qr/"default_certificate" directive, write namespace\/secret/],
    ['config map with a port', "$m config_map a/b:80;",
     qr/"a\/b:80" in "config_map" directive, write namespace\/name/],
    ['config map without namespace', "$m config_map own;",
     qr/invalid value "own" in "config_map" directive/],
    ['config map that none is called', "$m config_map a/B;",
     qr/invalid value "a\/B" in "config_map" directive/],
    ['config map twice', "$m config_map a/b; config_map a/c;",
     qr/"config_map" directive is duplicate/],
    ['certificate twice', "$m default_certificate a/b; default_certificate a/c;",
     qr/"default_certificate" directive is duplicate/],
    ['bad flag', "$m ingress_class_by_name yes;",
     qr/invalid value "yes" in "ingress_class_by_name" directive/],
    ['bad defaults', "$m defaults apache;", qr/invalid value "apache"/],
    ['bad limit', "$m namespace_limit hosts=3;",
     qr/invalid value "hosts=3" in "namespace_limit".*routes=NUMBER/],
    ['limit of zero', "$m namespace_limit routes=0;",
     qr/invalid value "routes=0" in "namespace_limit"/],
    ['bad ownership', "$m host_ownership none;",
     qr/"host_ownership" directive has an invalid value/],
    ['bad exemption', "$m host_ownership namespace http;",
     qr/"host_ownership" directive has an invalid value/],
    ['exemption of nothing', "$m host_ownership shared acme;",
     qr/"host_ownership" directive has too many arguments/],
    ['ownership twice', "$m host_ownership shared; host_ownership namespace;",
     qr/"host_ownership" directive is duplicate/],
    ['healthz that is no path', "$m healthz status;",
     qr/"healthz" directive needs a path that begins with "\/", or "off"/],
    ['bad time', "$m connect_timeout soon;",
     qr/"connect_timeout" directive invalid value/],
    ['time of zero', "$m backoff 0;", qr/"backoff" have to be above 0/],
    ['bad check', "$m client_check often;",
     qr/"client_check" directive invalid value/],
    ['check twice', "$m client_check 0; client_check 1m;",
     qr/"client_check" directive is duplicate/],
    ['watch too short', "$m watch_timeout 10ms;",
     qr/"watch_timeout" at least 1s/],
    ['object_max too large', "$m object_max 5m;",
     qr/"object_max" that is not between 1k and 4m/],
    ['page of zero', "$m list_page 0;", qr/"list_page 0", at least 1/],
    ['bad prefix', "$m annotations_prefix 'a b';",
     qr/"annotations_prefix" that is no DNS name/],
    ['empty class', "$m ingress_class '';", qr/"ingress_class" directive needs/],
    ['addresses beside manifests', "$m publish_address 192.0.2.1;",
     qr/writes to an API server \("update_status", .*manifests have none/],
    ['Events beside manifests', "$m events on;", qr/manifests have none/],
    ['two kinds of addresses', "$m publish_address 192.0.2.1;
      publish_service a/b;", qr/"publish_service" directive is beside another/],
    ['nodes and others', "$m publish_service a/b; publish_nodes internal;",
     qr/"publish_nodes" directive is beside another/],
    ['bad address', "$m publish_address 192.0.2.1 'a b';",
     qr/"publish_address" directive needs IP addresses and host names/],
    ['address twice', "$m publish_address 192.0.2.1 192.0.2.1;",
     qr/"publish_address" directive needs .*each once/],
    ['bad Service', "$m publish_service a/B;",
     qr/"publish_service" directive needs the name of a Service/],
    ['bad nodes', "$m publish_nodes all;",
     qr/"publish_nodes" directive has an invalid value/],
    ['bad Lease', "$m election_id a/b/c;",
     qr/"election_id" directive needs the name of a Lease/],
    ['Lease twice', "$m election_id off; election_id a;",
     qr/"election_id" directive is duplicate/],
    ['short time of a Lease', "$m election_ttl 1s;",
     qr/"election_ttl" that is too short, the least is 2s/],
    ['rate of zero', "$m write_rate 0;",
     qr/"write_rate" that is not between 1 and 1000/],
    ['status without an address',
     'source kubeconfig %%DIR%%/none; update_status on;',
     qr/"update_status on", and no address/],
    ['status at the end without a Service',
     'source kubeconfig %%DIR%%/none; publish_address 192.0.2.1;
      election_id a/b; update_status_on_shutdown on;',
     qr/"update_status_on_shutdown on", which needs "publish_service"/],
    ['Lease without a namespace',
     'source kubeconfig %%DIR%%/none; publish_address 192.0.2.1;',
     qr/namespace of the Lease is not known: write "election_id NAMESPACE/],
    ['Service without a namespace',
     'source kubeconfig %%DIR%%/none; publish_service a; election_id off;',
     qr/"publish_service" without a namespace, which needs POD_NAMESPACE/],
    ['nested block', "$m zone 1m { }", qr/unexpected "\{"/],
    ['not closed', "$m zone 1m", qr/unexpected|not terminated/],
);

my @taken = (
    ['manifests', $m],
    ['all directives', "$m controller example.com/x; ingress_class internal;
      ingress_class_by_name on; watch_ingress_without_class on;
      watch_namespace a b; watch_namespace c; zone 1m;
      default_backend a/b:http; default_certificate a/b.c; defaults nginx;
      config_map a/c.d;
      namespace_limit routes=10 bytes=1m; host_ownership namespace acme; healthz /-/healthy;
      connect_timeout 1s; watch_timeout 60s; list_timeout 10s;
      list_time 1m; backoff 10s; client_check 1m;
      list_page 100; object_max 1m; problems 10; update_status off; events off;
      election_id a/b; election_ttl 10s; write_rate 1000;"],
    ['prefix', "$m annotations_prefix example.com;"],
    ['selector', "$m watch_namespace_selector 'a=b,c in (d, e),!f';"],
    ['healthz off', "$m healthz off;"],
    ['no check', "$m client_check 0;"],
    ['backend by number', "$m default_backend a/b:80;"],
    ['backend without port', "$m default_backend a/b;"],
    ['included file', "$m include %%DIR%%/../more.conf;"],
);

sub check {
    my ($block, %more) = @_;
    my $n = K8s::Nginx->new(block => $block, server => '', %more);
    K8s::Objects::write_file("$n->{root}/more.conf", "zone 2m;\n");
    my ($status, $out) = $n->check;
    return ($status, $out, $n);
}

for my $case (@refused) {
    my ($name, $block, $re) = @$case;
    my ($status, $out, $n) = check($block);
    $re = $n->expand("$re") if $re =~ /%%/;
    isnt($status, 0, "$name: refused");
    like($out, qr/\[emerg\].*?$re/s, "$name: says so");
    like($out, qr/nginx\.conf:\d+/, "$name: says where");
}

for my $case (@taken) {
    my ($name, $block) = @$case;
    my ($status, $out) = check($block);
    is($status, 0, "$name: taken") or diag($out);
}

# names of blocks

my ($status, $out) = check($m, http => "k8s_ingress { $m }");
like($out, qr/duplicate "k8s_ingress" block "", the first one stands in \S+:\d+: give this one another name/,
     'two blocks without a name');

($status, $out) = check($m, name => 'a', http => "k8s_ingress a { $m }");
like($out, qr/duplicate "k8s_ingress" block "a"/, 'two blocks of a name');

($status, $out) = check($m, name => 'a', http => "k8s_ingress { $m }");
is($status, 0, 'a block with a name and one without') or diag($out);

for my $name ('a/b', 'a:b', '""', 'x' x 64) {
    ($status, $out) = check($m, name => $name);
    like($out, qr/"k8s_ingress" directive needs a name/, "name $name");
}

($status, $out) = check($m, name => 'a b');
isnt($status, 0, 'two names');

# in a cluster: the environment is read, the token is looked for

{
    local $ENV{KUBERNETES_SERVICE_HOST} = '127.0.0.1';
    ($status, $out) = check('source in_cluster;');
    like($out, qr/needs KUBERNETES_SERVICE_PORT/, 'no port in environment');

    local $ENV{KUBERNETES_SERVICE_PORT} = '1';

    SKIP: {
        skip 'runs in a Pod', 1
            if -e '/var/run/secrets/kubernetes.io/serviceaccount/token';
        ($status, $out) = check('source in_cluster;');
        like($out, qr/serviceaccount\/token/, 'no token');
    }
}

# two blocks of different classes, on different ports

my $n = K8s::Nginx->new(
    block => "$m zone 1m;",
    http => "k8s_ingress internal {
                 $m zone 1m; ingress_class internal;
             }
             server {
                 listen 127.0.0.1:%%PORT_second%%;
                 k8s_ingress_pass internal;
             }");

my $second = $n->port_of('second');
delete $n->{ports}{second};
$n->{http} =~ s/%%PORT_second%%/$second/;

$n->services("default/a:80 a\ndefault/b:80 b");
(my $internal = K8s::Objects::ingresses("default/b one.example / b:80"))
    =~ s/class: nginx/class: internal/;
$n->manifest('internal.yaml', $internal);
$n->ingresses("default/a one.example / a:80\n"
              . "default/a2 two.example / a:80");
$n->start;

sub second {
    my ($host) = @_;
    my ($status, $body) = K8s::Objects::http_get($second, $host, '/');
    chomp $body;
    return "$status $body";
}

ok($n->wait_for('one.example', '/', 200, qr/^a$/), 'class nginx');
ok($n->until(sub { second('one.example') eq '200 b' }), 'class internal');
like(second('two.example'), qr/^404 /, 'each has routes of its own class only');
is($n->logged(qr/ k8s_ingress: ready/), 1, 'one zone');
is($n->logged(qr/ k8s_ingress:internal: ready/), 1, 'and another');

$n->manifest('internal.yaml', $internal =~ s/one\.example/two.example/r);
ok($n->until(sub { second('two.example') eq '200 b' }), 'both follow changes');
like(second('one.example'), qr/^404 /, 'and removals');
is(($n->get('one.example', '/'))[1], "a\n", 'and leave the other alone');

$n->{server} = 'k8s_ingress_pass none;';
($status, $out) = $n->check;
like($out, qr/k8s_ingress_pass.*no block|there is no "k8s_ingress none/,
     'a pass to a block that is not there');

is($n->stop, 0, 'ends well');
is_deeply([$n->alerts], [], 'no alert in the log');

done_testing();
