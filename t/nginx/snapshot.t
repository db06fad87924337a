# The snapshot file: written after changes, loaded into a new zone while the
# source cannot be read, and refused when it is not what it should be.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use K8s::TLS;
use POSIX ();
use Test::More;

my $tls = K8s::Objects::free_port();

# an nginx whose manifests can be made unreadable for its workers
sub instance {
    my (%o) = @_;
    my $args = delete $o{args} // '';
    my $n = K8s::Nginx->new(
        block => "source manifests %%DIR%%; zone 4m; "
                 . "snapshot %%ROOT%%/state/k8s $args;",
        server => 'k8s_ingress_pass; location /- { k8s_ingress_admin; }', %o);
    $n->{file} = "$n->{root}/state/k8s";
    mkdir "$n->{root}/state";
    chmod 0777, "$n->{root}/state";
    $n->services("default/web:80 a\ndefault/other:80 b");
    $n->ingresses("default/web a.example / web:80");
    return $n;
}

sub down { chmod 0, $_[0]{dir} }
sub up { chmod 0755, $_[0]{dir} }
sub admin { ($_[0]->get('admin', "/-/$_[1]"))[1] }

sub metric {
    my ($n, $name) = @_;
    return admin($n, 'metrics') =~ /^nginx_ingress_k8s_$name\{.*\} (\d+)$/m
           ? $1 : -1;
}

# starts with the source out of reach, stops with an empty log of alerts
sub cold {
    my ($n, $sub) = @_;
    down($n);
    unlink "$n->{root}/logs/error.log";
    $n->start;
    $sub->();
    is($n->stop, 0, 'ends well');
    is_deeply([$n->alerts], [], 'no alert in the log');
    up($n);
}

sub slurp { open my $f, '<', $_[0] or return ''; local $/; <$f> }

sub write_as {
    my ($n, $bytes) = @_;
    open my $f, '>', $n->{file} or die "$n->{file}: $!";
    print $f $bytes;
    close $f;
}


# written after a change, and again at the end

my $n = instance();
$n->start;
ok($n->wait_for('a.example', '/', 200, qr/^a$/), 'routed');
ok($n->until(sub { -s $n->{file} }), 'the file is written');
my @st = stat $n->{file};
is($st[2] & 07777, 0600, 'its mode is 0600');
ok(!-e "$n->{file}.tmp", 'nothing is left beside it');
ok($n->until(sub {
    abs(metric($n, 'snapshot_written_time_seconds') - time) < 60 }),
   'its time is a metric');
is(metric($n, 'snapshot_age_seconds'), 0, 'the routes are not of it');
like(admin($n, 'status'), qr/"snapshot":\{"age":null,"written":"2.*Z","errors":0\}/,
     'and in /status');

$n->ingresses("default/web a.example / web:80\ndefault/b b.example / other:80");
ok($n->wait_for('b.example', '/', 200), 'a change');
is($n->stop, 0, 'ends well');
isnt((stat $n->{file})[1], $st[1], 'written at the end, by rename');
is_deeply([$n->alerts], [], 'no alert in the log');

# loaded while the source is out of reach; what it then says is what counts

cold($n, sub {
    is_deeply([map { ($n->get("$_.example", '/'))[1] } 'a', 'b'],
              ["a\n", "b\n"], 'T-A1: routes of the snapshot');
    my ($status, $body) = $n->get('admin', '/-/readyz');
    is($status, 200, 'ready');
    like($body, qr/^ready\n  stale: the routes are those of a snapshot, \d+ seconds old\n/,
         'and stale');
    like(admin($n, 'status'), qr/"snapshot":\{"age":\d+,/, 'as /status says');
    is($n->logged(qr/ready with 2 hosts/), 1, 'and the log');

    $n->ingresses("default/b b.example / web:80\ndefault/c c.example / web:80");
    up($n);
    ok($n->wait_for('c.example', '/', 200), 'the source is back');
    ok($n->wait_for('a.example', '/', 404), 'what has gone meanwhile goes');
    is(($n->get('b.example', '/'))[1], "a\n", 'what is new is served');
    ok($n->until(sub { admin($n, 'readyz') !~ /stale/ }), 'no longer stale');
    is(metric($n, 'snapshot_age_seconds'), 0, 'nor by the metric');
    unlike(admin($n, 'status'), qr/Snapshot/, 'without a problem');
});

my $good = slurp($n->{file});
my @good = stat $n->{file};
cmp_ok(length $good, '>', 500, 'a good file');


# what is refused: it serves nothing, says why, and goes on with the source

my %bad = (
    'is truncated, or too long' => sub { write_as($n, substr $good, 0, -16) },
    'too short' => sub { write_as($n, '') },
    'no snapshot, or one of another kind' =>
        sub { write_as($n, "\0" . substr $good, 1) },
    'another version' => sub {
        write_as($n, substr($good, 0, 4) . pack('V', 99) . substr $good, 8) },
    'its checksum does not hold' => sub {
        my $at = int(length($good) / 2);
        write_as($n, substr($good, 0, $at)
                     . chr(ord(substr $good, $at, 1) ^ 4)
                     . substr $good, $at + 1) },
    'its mode lets others' => sub { chmod 0640, $n->{file} },
    'older than max_age' => sub { utime 1e9, 1e9, $n->{file} },
    'no regular file' => sub { unlink $n->{file}; mkdir $n->{file} },
    'it is no regular file' =>
        sub { unlink $n->{file}; POSIX::mkfifo($n->{file}, 0600);
              chown $good[4], $good[5], $n->{file} },
    'a symbolic link' => sub {
        rename $n->{file}, "$n->{file}.real";
        symlink "$n->{file}.real", $n->{file} },
    'too large for the zone' => sub { truncate $n->{file}, 9 << 20 },
);

$bad{'another user'} = sub {
    chown 12345, -1, $n->{file}; chmod 0644, $n->{file} } if $> == 0;

for my $why (sort keys %bad) {
    rmdir $n->{file};
    unlink $n->{file}, "$n->{file}.real";
    write_as($n, $good);
    chown $good[4], $good[5], $n->{file};
    chmod 0600, $n->{file};
    $bad{$why}->();

    cold($n, sub {
        is(($n->get('b.example', '/'))[0], 503, "$why: nothing is served");
        like($n->log, qr/\[error\].*snapshot "\S+" is not loaded: .*\Q$why/,
             'the log says why');
        ok($n->until(sub { admin($n, 'status')
                           =~ /"code":"SnapshotRefused".*\Q$why/ }),
           'so does a problem');
        up($n);
        ok($n->wait_for('b.example', '/', 200), 'then the source is followed');
        ok($n->until(sub { admin($n, 'status') !~ /SnapshotRefused/ }),
           'and the problem ends');
    });
}

# one of another class, and of another source

unlink $n->{file};
write_as($n, $good);
chown $good[4], $good[5], $n->{file};
chmod 0600, $n->{file};

my $block = $n->{block};

for my $other ('ingress_class other;', 'controller example.com/x;',
               'annotations_prefix example.com;',
               'watch_namespace default;', 'watch_namespace_selector !x;',
               'watch_ingress_without_class on;',
               'default_backend default/web;')
{
    $n->{block} = "$block $other";
    cold($n, sub {
        is(($n->get('b.example', '/'))[0], 503, "not with $other");
        is($n->logged(qr/made of another source, class/), 1, 'as the log says');
    });
}

$n->{block} = $block;
cold($n, sub {
    is(($n->get('b.example', '/'))[0], 200, 'but as it was');
});


# nginx -t touches nothing

my @before = stat $n->{file};
my ($status, $out) = $n->check;
is($status, 0, 'nginx -t') or diag($out);
is_deeply([stat $n->{file}], \@before, 'leaves the file as it is');
unlink $n->{file};
($status) = $n->check;
ok(!-e $n->{file}, 'and makes none');

# errors of configuration

for my $case (['snapshot %%ROOT%%/x keys=maybe;', qr/invalid parameter "keys=maybe"/],
              ['snapshot %%ROOT%%/x max_age=0;', qr/invalid parameter "max_age=0"/],
              ['snapshot "";', qr/needs the name of a file/],
              ['snapshot a; snapshot b;', qr/is duplicate/])
{
    my $t = K8s::Nginx->new(block => "source manifests %%DIR%%; $$case[0]");
    ($status, $out) = $t->check;
    isnt($status, 0, $$case[0]);
    like($out, $$case[1], 'is refused');
}

my $two = K8s::Nginx->new(block => 'source manifests %%DIR%%; snapshot x;',
    http => 'k8s_ingress two { source manifests %%DIR%%; snapshot %%ROOT%%/x; }');
($status, $out) = $two->check;
isnt($status, 0, 'two blocks with one file');
like($out, qr/has the same "snapshot/, 'are refused');


# a folder that cannot be written to: a problem, tried again

$n = instance();
chmod 0555, "$n->{root}/state";

$n->start;
ok($n->wait_for('a.example', '/', 200), 'routed');
ok($n->until(sub { admin($n, 'status') =~ /"SnapshotUnwritten"/ }),
   'not written: a problem');
cmp_ok(metric($n, 'snapshot_errors_total'), '>', 0, 'counted');
chmod 0777, "$n->{root}/state";
ok($n->until(sub { -s $n->{file} }, 20), 'tried again');
ok($n->until(sub { admin($n, 'status') !~ /SnapshotUnwritten/ }),
   'and the problem ends');
is($n->stop, 0, 'ends well');


# two blocks, each with a file of its own

my $port = K8s::Objects::free_port();
$n = instance(http => "
    k8s_ingress two {
        source manifests %%DIR%%; zone 1m; ingress_class two;
        snapshot %%ROOT%%/state/two;
    }
    server { listen 127.0.0.1:$port; k8s_ingress_pass two; }");
$n->manifest('two.yaml',
    K8s::Objects::ingresses("default/two two.example / other:80")
    =~ s/ingress.class: nginx/ingress.class: two/r);
$n->start;
ok($n->wait_for('a.example', '/', 200), 'one block');
ok($n->until(sub { (K8s::Objects::http_get($port, 'two.example', '/'))[0] eq '200' }),
   'and another');
is($n->stop, 0, 'ends well');
ok(-s $n->{file} && -s "$n->{root}/state/two", 'two files');

cold($n, sub {
    is(($n->get('a.example', '/'))[1], "a\n", 'one is loaded');
    is(($n->get('two.example', '/'))[0], 404, 'without what is not in it');
    is((K8s::Objects::http_get($port, 'two.example', '/'))[1], "b\n",
       'the other, too');
    is((K8s::Objects::http_get($port, 'a.example', '/'))[0], 404,
       'nor is that in it');
});


# a single process

$n = instance(main => 'master_process off;');
$n->start;
ok($n->wait_for('a.example', '/', 200), 'a single process');
is($n->stop, 0, 'ends well');

cold($n, sub {
    is(($n->get('a.example', '/'))[1], "a\n", 'loads what it has written');
});


# private keys

for my $keys ('off', 'on') {
    my $c = K8s::TLS::pair(cn => 'own', names => ['t.example']);
    $n = instance(args => "keys=$keys", http =>
        "server { listen 127.0.0.1:$tls ssl; k8s_ingress_pass; }");
    $n->manifest('tls.yaml', K8s::TLS::secret('default/t', $c)
        . K8s::TLS::ingress('default/t', 'web:80', ['t.example'],
                            't' => ['t.example']));
    $n->start;
    my $cn = sub { my $s = K8s::TLS::dial($tls, 't.example') or return '';
                   K8s::TLS::cn($s) };
    ok($n->until(sub { $cn->() eq 'own' }), "keys=$keys: the certificate");
    is($n->stop, 0, 'ends well');
    ok(-s $n->{file}, 'the file is written');

    cold($n, sub {
        is($cn->(), $keys eq 'on' ? 'own'
           : 'Kubernetes Ingress Controller Fake Certificate',
           'what is presented after a cold start');
        my $problem = admin($n, 'status') =~ /SnapshotIncomplete.*default\/t/;
        is(!!$problem, $keys eq 'off', 'a problem, or none');
        up($n);
        ok($n->until(sub { $cn->() eq 'own' }), 'then its own one');
        ok($n->until(sub { admin($n, 'status') !~ /Snapshot/ }), 'no problem');
    });
}

done_testing();
