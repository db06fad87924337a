# k8s_ingress_admin: parts, readiness, metrics, status.

use strict;
use warnings;

use JSON::PP;
use Test::More;
use Time::HiRes qw( time );

use lib 't/lib';
use K8s::Nginx;

my $json = JSON::PP->new->utf8;

my ($all, $health, $place, $narrow, $dead)
    = map { K8s::Objects::free_port() } 1 .. 5;

sub get {
    my ($port, $path) = @_;
    my ($status, $body, $head) = K8s::Objects::http_get($port, 'x', $path);
    return wantarray ? ($status, $body, $head) : $body;
}

sub status {
    my ($port, $query) = @_;
    my $body = get($port, "/status" . ($query // ''));
    my $data = eval { $json->decode($body) };
    diag "$@: " . substr $body, 0, 2000 if !$data;
    return $data // { blocks => [] };
}

# NAME -> [[{labels}, value], ...]; dies on a line that is no Prometheus text
sub metrics {
    my ($port) = @_;
    my $body = get($port, '/metrics');
    my (%m, %type, %seen);

    die "no newline at the end\n" if $body !~ /\n\z/;

    for my $line (split /\n/, $body) {

        if ($line =~ /^# (HELP|TYPE) ([a-z_0-9]+) (.+)$/) {
            die "twice: $line\n" if $seen{"$1 $2"}++;
            $type{$2} = $3 if $1 eq 'TYPE';
            next;
        }

        $line =~ /^([a-z_0-9]+)(?:\{(.*)\})? (-?\d+(?:\.\d+)?)$/
            or die "bad line: $line\n";
        my ($name, $labels, $value) = ($1, $2 // '', $3);
        (my $base = $name) =~ s/_(?:bucket|sum|count)$//;
        die "no type: $line\n" if !$type{$name} && !$type{$base};
        die "twice: $line\n" if $seen{"$name\{$labels}"}++;

        my %l;
        while ($labels =~ s/^([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"(?:,|\z)//) {
            my ($k, $v) = ($1, $2);
            die "label twice: $line\n" if exists $l{$k};
            $v =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ge;
            utf8::decode($v) or die "no UTF-8: $line\n";
            $l{$k} = $v;
        }
        die "bad labels: $line: $labels\n" if $labels ne '';

        push @{$m{$name}}, [\%l, $value];
    }

    return \%m;
}

sub value {
    my ($m, $name, %labels) = @_;

    for my $sample (@{$m->{$name} // []}) {
        return $sample->[1]
            if !grep { ($sample->[0]{$_} // '') ne $labels{$_} } keys %labels;
    }

    return;
}

# configuration

for my $case (
    ['k8s_ingress_admin nothing;', qr/unknown part "nothing"/, 1],
    ['k8s_ingress_admin; k8s_ingress_admin;', qr/is duplicate/, 1],
    ['k8s_ingress_admin; k8s_ingress_pass;', qr/beside|handler/, 1],
    ['k8s_ingress_admin;', qr/shows all routes to whoever reaches/, 0, '*:'],
    ['k8s_ingress_admin status;', qr/shows all routes/, 0, '[::]:'],
    ['location /x { k8s_ingress_admin; }', qr/shows all routes/, 0,
     '0.0.0.0:'],
    ['k8s_ingress_admin health metrics;', undef, 0, '*:'],
    ['k8s_ingress_admin;', undef, 0, '[::1]:'],
    ['k8s_ingress_admin;', undef, 0, 'unix:/tmp/ngx_k8s_admin_'])
{
    my ($conf, $words, $fails, $address) = @$case;
    $address //= '127.0.0.1:';
    my $n = K8s::Nginx->new(
        http => "server { listen $address$all; $conf }");
    my ($rc, $out) = $n->check;
    ok($rc == ($fails ? 1 : 0) && ($words ? $out =~ $words
                                   : $out !~ /\[(?:warn|emerg)\]/),
       "nginx -t: $address $conf") or diag $out;
}

# parts and answers

$ENV{POD_NAME} = 'pod-1';
$ENV{POD_NAMESPACE} = 'infra';

my $n = K8s::Nginx->new(
    block => "source manifests %%DIR%%; zone 32m;",
    http => "
    server { listen 127.0.0.1:$all; k8s_ingress_admin; }
    server { listen 127.0.0.1:$health; k8s_ingress_admin health; }
    server { listen 127.0.0.1:$narrow sndbuf=8k; k8s_ingress_admin; }
    server {
        listen 127.0.0.1:$place;
        location /in/ { k8s_ingress_admin metrics status; }
        location / { return 200 other; }
    }
    k8s_ingress dead {
        source kubeconfig %%ROOT%%/kubeconfig;
        zone 4m;
    }
");

K8s::Objects::write_file("$n->{root}/kubeconfig", <<EOC);
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:$dead"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
EOC

$n->services("default/web:80 a b\nshop/cart:80 c\nshop/none:80 -");
$n->ingresses("default/web a.example / web:80\n"
              . "default/more a.example /more gone:80 Exact\n"
              . "shop/cart shop.example /cart cart:80\n"
              . "shop/cart2 a.example /cart none:80");
$n->manifest('hostile.yaml', <<'EOC');
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: hostile
  namespace: shop
  annotations: {kubernetes.io/ingress.class: nginx}
spec:
  rules:
  - host: hostile.example
    http:
      paths:
      - path: "/q\"u\\o</script>\u00e9\U0001F600"
        pathType: Prefix
        backend: {service: {name: "no\"such\\one", port: {number: 80}}}
      - path: "/e\u00e9"
        pathType: Prefix
        backend: {service: {name: cart, port: {number: 80}}}
EOC

ok($n->start, 'nginx starts');
ok($n->wait_for('a.example', '/', 200), 'routed');

is_deeply([(get($all, '/healthz'))[0, 1]], ['200', 'ok'], '/healthz');
is((get($health, '/healthz'))[0], 200, '/healthz of a part');
is((get($health, "/$_"))[0], 404, "/$_ is not a part there")
    for qw(metrics status other);
is((get($all, '/'))[0], 404, 'nothing at /');
is((get($place, '/in/metrics'))[0], 200, '/metrics in a location');
is((get($place, '/in/healthz'))[0], 404, 'only the parts of the location');
is(get($place, '/x'), 'other', 'other locations beside it');

{
    my $s = K8s::Objects::client($all);
    print $s "POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
             . "Connection: close\r\n\r\n";
    like(join('', <$s>), qr/^HTTP\/1.1 405 /, 'POST is not allowed');

    $s = K8s::Objects::client($all);
    print $s "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    like(join('', <$s>), qr/^HTTP\/1.1 200 .*\r\n\r\n\z/s, 'HEAD');

    $s = K8s::Objects::client($all);
    print $s "GET /status HTTP/1.0\r\n\r\n";
    my $answer = join '', <$s>;
    ok($answer =~ /\r\n\r\n(.*)\z/s && eval { $json->decode($1) },
       '/status for HTTP/1.0');
}

# readiness: one block is ready, one has no API server

{
    my ($status, $body);
    $n->until(sub {
        ($status, $body) = get($all, '/readyz');
        $body =~ /not listed yet: \S/
    });
    is($status, 503, '/readyz while a block is not ready');
    like($body, qr/^ready$/m, 'words for the one that is');
    like($body, qr/^dead: not ready$/m, 'words for the one that is not');
    like($body, qr/^  ingresses are not listed yet: .+/m, 'and why');
    is((get($all, '/healthz'))[0], 200, '/healthz does not depend on it');
}

# metrics

{
    my $m = eval { metrics($all) };
    is($@, '', '/metrics is valid');

    $n->get('a.example', '/x') for 1 .. 5;
    $n->get('a.example', '/cart') for 1 .. 3;
    $n->get('hostile.example', '/e%c3%a9') for 1 .. 2;

    my %ours = (controller_namespace => 'infra', controller_pod => 'pod-1',
                controller_class => 'k8s.io/ingress-nginx', canary => '');
    my $before = value($m, 'nginx_ingress_controller_requests', %ours,
        namespace => 'default', ingress => 'web', service => 'web',
        host => 'a.example', path => '/', method => 'GET', status => 200)
        // 0;

    ok($n->until(sub {
        $m = eval { metrics($all) } or return;
        (value($m, 'nginx_ingress_controller_requests', %ours,
            namespace => 'default', ingress => 'web', service => 'web',
            host => 'a.example', path => '/', method => 'GET',
            status => 200) // 0) == $before + 5
    }), 'requests are counted by rule');

    my $d = 'nginx_ingress_controller_response_duration_seconds';
    my %web = (%ours, namespace => 'default', ingress => 'web',
               service => 'web', host => 'a.example', path => '/',
               method => 'GET', status => 200);
    is(value($m, "${d}_count", %web), $before + 5, 'answers of backends too');
    is(value($m, "${d}_bucket", %web, le => '+Inf'), $before + 5, 'as a bucket');
    ok(defined value($m, "${d}_sum", %web), 'with their time');
    is(scalar value($m, "${d}_count", namespace => 'shop', status => 503), undef,
       'what no backend has answered has none');
    is(value($m, 'nginx_ingress_controller_requests', %ours,
             namespace => 'shop', ingress => 'cart2', host => 'a.example',
             path => '/cart', status => 503), 3, 'and by status');
    is(value($m, 'nginx_ingress_controller_requests', path => "/e\x{e9}"), 2,
       'and with a path that is not ASCII');

    cmp_ok(value($m, 'nginx_ingress_controller_nginx_process_connections',
                 state => 'active', %ours{controller_pod}), '>', 0,
           'connections');
    cmp_ok(value($m, 'nginx_ingress_controller_nginx_process_requests_total'),
           '>', 10, 'requests of the process');
    is(value($m, 'nginx_ingress_controller_orphan_ingress',
             namespace => 'default', ingress => 'more',
             type => 'no-service'), 1, 'orphan: no Service');
    is(value($m, 'nginx_ingress_controller_orphan_ingress',
             namespace => 'shop', ingress => 'cart2',
             type => 'no-endpoint'), 1, 'orphan: no endpoint');
    is(value($m, 'nginx_ingress_k8s_ready', block => ''), 1, 'ready');
    is(value($m, 'nginx_ingress_k8s_ready', block => 'dead'), 0, 'not ready');
    is(value($m, 'nginx_ingress_k8s_objects', block => '',
             kind => 'services'), 3, 'objects');
    cmp_ok(value($m, 'nginx_ingress_k8s_problems', block => '',
                 code => 'ServiceNotFound', severity => 'error'), '>=', 2,
           'problems by code and severity');
    cmp_ok(value($m, 'nginx_ingress_k8s_table_bytes', block => '',
                 state => 'used'), '>', 1000, 'bytes used');
    cmp_ok(value($m, 'nginx_ingress_k8s_source_errors_total',
                 block => 'dead', kind => 'ingresses'), '>', 0,
           'errors of a source');
}

# status

{
    my $s = status($all);
    my ($b) = grep { $_->{name} eq '' } @{$s->{blocks}};
    is(scalar @{$s->{blocks}}, 2, 'two blocks');

    my %h = map { $_->{host} => $_ } @{$b->{hosts}};
    is_deeply([sort grep { !/ready/ } keys %h],
              ['a.example', 'hostile.example', 'shop.example'], 'hosts');
    is_deeply([map { "$_->{type} $_->{path}" }
               @{$h{'a.example'}{paths}}],
              ['Prefix /cart', 'Exact /more', 'Prefix /'], 'paths, in order');
    is_deeply([sort map { $_->{path} } @{$h{'hostile.example'}{paths}}],
              [sort "/q\"u\\o</script>\x{e9}\x{1F600}", "/e\x{e9}"],
              'hostile paths come out as they are');

    my ($web) = grep { $_->{name} eq 'web' } @{$b->{services}};
    is_deeply([sort map { $_->{port} } @{$web->{endpoints}}],
              [sort map { $n->port_of($_) } 'a', 'b'], 'endpoints');

    my %p = map { $_->{name} => $_ } @{$b->{problems}};
    is($p{more}{problems}[0]{code}, 'ServiceNotFound', 'problems');
    is($p{more}{problems}[0]{severity}, 'error', 'with their severity');
    ok($p{more}{problems}[0]{message} && $p{more}{problems}[0]{remedy},
       'with message and remedy');

    $s = status($all, '?block=dead');
    is_deeply([map { $_->{name} } @{$s->{blocks}}], ['dead'], '?block');
    $s = status($all, '?block=other');
    is_deeply($s->{blocks}, [], '?block of another name');

    $s = status($all, '?block=&namespace=shop');
    my ($a) = grep { $_->{host} eq 'a.example' } @{$s->{blocks}[0]{hosts}};
    is_deeply([map { $_->{path} } @{$a->{paths}}], ['/cart'],
              '?namespace: only its paths of a shared host');
    is_deeply([grep { $_->{namespace} ne 'shop' }
               @{$s->{blocks}[0]{services}}, @{$s->{blocks}[0]{problems}}],
              [], '?namespace: only its services and problems');

    $s = status($all, '?block=&host=SHOP.example.');
    is_deeply([map { $_->{host} } @{$s->{blocks}[0]{hosts}}],
              ['shop.example'], '?host');
    is_deeply([map { $_->{name} } @{$s->{blocks}[0]{services}}], ['cart'],
              '?host: its services');

    my $every = status($all, '?block=')->{blocks}[0]{problems};
    $s = status($all, '?block=&problems=1')->{blocks}[0];
    is_deeply([grep { ref $s->{$_} eq 'ARRAY' } sort keys %$s], ['problems'],
              '?problems: no other section');
    is(scalar @{$s->{problems}}, scalar @$every, '?problems: all of them');
    cmp_ok(scalar @$every, '>', 0, 'there are some');

    unlike(get($all, '/status?canonical=1'),
           qr/"version"|"requests"|"watcher|"lists"/,
           '?canonical has nothing of one instance');
}

# a second instance with the same objects, where one has come down from many
# paths of a host to few

{
    for my $count (300, 40) {
        $n->ingresses(join('', map { "default/m$_ many.example /p$_ web:80\n" }
                                   1 .. $count), 'many.yaml');
        ok($n->until(sub {
            my ($host) = grep { $_->{host} eq 'many.example' }
                              @{status($all, '?block=')->{blocks}[0]{hosts}};
            $host && @{$host->{paths}} == $count;
        }), "$count paths");
    }

    my $other = K8s::Objects::free_port();
    my $m = K8s::Nginx->new(
        block => "source manifests $n->{dir}; zone 16m;",
        http => "server { listen 127.0.0.1:$other; k8s_ingress_admin; }");
    ok($m->start, 'a second nginx starts');
    ok($m->wait_for('a.example', '/', 200), 'routed there as well');
    is(get($other, '/status?block=&canonical=1'),
       get($all, '/status?block=&canonical=1'),
       '?canonical: byte for byte the same');
    $m->stop;
}

# a large table, in slices, while it changes

my $many = 3000;
$n->ingresses(join("\n", map { "many/i$_ h$_.many.example / web:80" }
                         1 .. $many), 'many.yaml');
$n->services("many/web:80 a", 'many-services.yaml');
ok($n->until(sub {
    (value(eval { metrics($all) } // {}, 'nginx_ingress_k8s_table_records',
           block => '', index => 'host') // 0) >= $many
}, 60), 'a large table') or diag $n->log;

my $changer = K8s::Objects::child(sub {
    my ($on) = @_;
    my $i = 0;
    my $stop = 0;
    $SIG{TERM} = sub { $stop = 1 };
    while (!$stop && $on->()) {
        $i++;
        $n->ingresses("more/c h$i.change.example / web:80", 'change.yaml');
        select undef, undef, undef, 0.005;
    }
});

for my $query ('?block=', '?block=&canonical=1') {
    my ($bad, $longest) = (0, 0);

    for (1 .. 3) {
        my $s = status($all, $query);
        my %h;
        $h{$_->{host}}++ for @{$s->{blocks}[0]{hosts} // []};
        $bad++ if grep { ($h{"h$_.many.example"} // 0) != 1 } 1 .. $many;
    }

    is($bad, 0, "$query: valid and whole while the table changes");
}

{
    my $m = eval { metrics($all) };
    is($@, '', '/metrics is valid while the table changes');

    # a client that reads little and late, of an answer that the kernel cannot
    # hold for it

    my $s = K8s::Objects::client($narrow, receive => 4096);
    print $s "GET /status HTTP/1.0\r\n\r\n";
    my $answer = '';
    while (sysread $s, my $piece, 16384) {
        $answer .= $piece;
        select undef, undef, undef, 0.001 if length($answer) < 200000;
    }
    cmp_ok(length $answer, '>', 500000, 'an answer that has to wait');
    ok($answer =~ /\r\n\r\n(.*)\z/s && eval { $json->decode($1) },
       'a slow client gets all of it');

    # clients that leave

    for (1 .. 20) {
        my $s = K8s::Objects::client($all);
        print $s "GET /status?canonical=1 HTTP/1.0\r\n\r\n";
        sysread $s, my $piece, 100;
        close $s;
    }
    is((get($all, '/healthz'))[0], 200, 'clients that leave do no harm');
}

kill TERM => $changer;
waitpid $changer, 0;

# other requests do not wait while long answers are written

{
    my @load = map { K8s::Objects::child(sub {
        my ($on) = @_;
        get($all, '/status?canonical=1') while $on->();
    }) } 1 .. 2;

    my @took;
    for (1 .. 100) {
        my $start = time();
        get($all, '/healthz');
        push @took, time() - $start;
    }
    kill TERM => @load;
    waitpid $_, 0 for @load;

    my @alone;
    for (1 .. 5) {
        my $start = time();
        get($all, '/status?canonical=1');
        push @alone, time() - $start;
    }

    @took = sort { $a <=> $b } @took;
    @alone = sort { $a <=> $b } @alone;
    diag sprintf 'healthz beside /status: median %.1f ms, worst %.1f ms; '
                 . '/status alone: %.1f ms', 1000 * $took[50],
                 1000 * $took[-1], 1000 * $alone[2];
    cmp_ok($took[50], '<', $alone[2] / 3, 'answers come in slices');
}

# a worker that leaves ends the answers it has begun

{
    my $whole = 0;
    for (1 .. 5) {
        my $s = K8s::Objects::client($all);
        print $s "GET /status?canonical=1 HTTP/1.0\r\n\r\n";
        sysread $s, my $answer, 100;
        kill QUIT => $n->workers;
        while (sysread $s, my $piece, 65536) { $answer .= $piece }
        $whole++ if $answer =~ /\r\n\r\n(.*)\z/s && eval { $json->decode($1) };
        $n->reload;
    }
    is($whole, 5, 'answers are whole when their worker leaves');
}

$n->stop;
is_deeply([$n->alerts], [], 'no alerts');

done_testing();
