# The zone and the watcher: what is kept over reload and kill, and how the
# watch goes on.  T-B1, T-B2 and T-B3 of the catalogue.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

# requests until the parent has done its part: answers by "STATUS BODY"
sub while_requests {
    my ($n, $host, $sub) = @_;
    pipe my $r, my $w or die "pipe: $!";
    my $stop = "$n->{root}/stop";
    unlink $stop;

    my $pid = K8s::Objects::child(sub {
        my ($on) = @_;
        my %seen;
        close $r;

        while (!-e $stop && $on->()) {
            my ($status, $body) = $n->get($host, '/');
            $body = '' if $status ne '200';
            chomp $body;
            $seen{"$status $body"}++;
        }

        print $w join '', map { "$_\t$seen{$_}\n" } sort keys %seen;
        close $w;
    });

    close $w;
    $sub->();
    K8s::Objects::write_file($stop, '');
    my %seen = map { chomp; split /\t/ } <$r>;
    waitpid $pid, 0;
    return %seen;
}

sub clean {
    my ($n, $name) = @_;
    is_deeply([$n->alerts], [], "$name: no alert in the log");
}


# a reload keeps the table

my $n = K8s::Nginx->new;
$n->services("default/web:80 a");
$n->ingresses("default/web a.example / web:80");
$n->start;
ok($n->wait_for('a.example', '/', 200, qr/^a$/), 'routed after the start');

my $first = $n->watcher;
my %seen = while_requests($n, 'a.example', sub {
    for (1 .. 3) {
        ok($n->reload, "T-B3: reload $_");
    }
});

my $sum = 0;
$sum += $_ for values %seen;
cmp_ok($seen{'200 a'} // 0, '>', 10, 'T-B3: requests went on during reloads');

# a connection that an old worker had not accepted is closed by any nginx

delete @seen{'200 a', ' '};
is_deeply(\%seen, {}, 'T-B3: every answer was right');

is($n->logged(qr/: ready$/m), 1, 'T-B3: the table was ready from the start');
ok($n->until(sub { $n->logged(qr/watcher started/) >= 2 }),
   'T-B3: a new watcher has taken over');
isnt($n->watcher, $first, 'T-B3: in another process');
my ($version) = (reverse $n->log =~ /watcher started, table version (\d+)/g);
cmp_ok($version, '>', 1, 'T-B3: it went on with the same table');

$n->ingresses("default/web a.example / web:80\n"
              . "default/more b.example / web:80");
ok($n->wait_for('b.example', '/', 200, qr/^a$/),
   'T-B3: the new watcher sees a change');

# an old worker that stays does not keep the right

my $slow = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5,
                                 LocalPort => $n->port_of('slow'),
                                 ReuseAddr => 1) or die "slow: $!";
$n->manifest('slow.yaml',
    K8s::Objects::services("default/slow:80 slow", sub { $n->port_of('slow') })
    . K8s::Objects::ingresses("default/slow slow.example / slow:80"));
delete $n->{ports}{slow};
ok($n->until(sub {
    my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}) or return;
    print $c "GET / HTTP/1.1\r\nHost: slow.example\r\n\r\n";
    vec(my $in = '', fileno($slow), 1) = 1;
    $n->{client} = $c;
    return select($in, undef, undef, 0.2);
}), 'a request that lasts');

my $started = $n->logged(qr/watcher started/);
kill HUP => $n->{pid};
ok($n->until(sub { $n->logged(qr/watcher started/) > $started }),
   'T-B5: a new watcher starts while an old worker has a request');
$n->ingresses("default/web a.example / web:80\n"
              . "default/more c.example / web:80");
ok($n->wait_for('c.example', '/', 200), 'T-B5: it follows changes');
ok($n->wait_for('b.example', '/', 404), 'T-B5: and removals');
close $n->{client};
close $slow;

# nginx -t beside it touches nothing

my ($status, $out) = $n->check;
is($status, 0, 'nginx -t beside a running instance') or diag($out);
$n->ingresses("default/web a.example / web:80\n"
              . "default/more d.example / web:80");
ok($n->wait_for('d.example', '/', 200), 'which goes on as before');

# another size of the zone: no request sees an empty table, no count is lost

sub counted {
    my ($n) = @_;
    my ($count) = ($n->get('a.example', '/-/metrics'))[1]
        =~ /^nginx_ingress_controller_requests\{.*status="200".*host="a\.example"\} (\d+)$/m;
    return $count // 0;
}

$n->{server} = 'k8s_ingress_pass; location /- { k8s_ingress_admin; }';
ok($n->reload, 'with metrics');
my $count = counted($n);
cmp_ok($count, '>', 10, 'requests are counted');
my ($before) = $n->log =~ /.*table version (\d+)/s;

for my $size ('16m', '4m', '64m', '8m') {
    $n->{block} = "source manifests %%DIR%%; zone $size;";
    %seen = while_requests($n, 'a.example', sub {
        ok($n->reload, "a zone of $size");
    });

    delete @seen{'200 a', ' '};
    is_deeply(\%seen, {}, 'every answer was right');
    like($n->log, qr/the size of zone "k8s_ingress" changes from \d+ to \d+, its routes are copied/,
         'which is said');
    cmp_ok(counted($n), '>', $count, 'counters go on');
    $count = counted($n);
}

is($n->logged(qr/: ready$/m), 1, 'the table was ready all the time');
my ($after) = $n->log =~ /.*table version (\d+)/s;
cmp_ok($after, '>', $before, 'versions go on');
ok($n->wait_for('d.example', '/', 200), 'routes are there');
$n->ingresses("default/web a.example / web:80\n"
              . "default/more e.example / web:80");
ok($n->wait_for('e.example', '/', 200), 'and change');
ok($n->wait_for('d.example', '/', 404), 'and go');

# one that is too small is refused, and all goes on as before

$n->ingresses(join "\n", "default/web a.example / web:80",
              map { "default/big$_ big$_.example / web:80" } 1 .. 3000);
ok($n->wait_for('big3000.example', '/', 200), 'many routes');
my @workers = $n->workers;
$n->{block} = "source manifests %%DIR%%; zone 1m;";
$n->write_conf;
kill HUP => $n->{pid};
ok($n->until(sub { $n->logged(qr/\[emerg\].*size 1048576 of zone "k8s_ingress" is too small for what it holds, \d+ bytes are missing: leave it at 8388608 or more/) }),
   'a zone that is too small is refused');
is_deeply([$n->workers], \@workers, 'the workers are the same');
is(($n->get('big777.example', '/'))[0], 200, 'and serve');
$n->ingresses("default/web a.example / web:80\n"
              . "default/more f.example / web:80");
ok($n->wait_for('f.example', '/', 200), 'and follow changes');
is_deeply([grep { !/is too small for what it holds/ } $n->alerts], [],
          'no other alert');
unlink "$n->{root}/logs/error.log";
kill USR1 => $n->{pid};
$n->until(sub { -e "$n->{root}/logs/error.log" });
$n->{block} = "source manifests %%DIR%%; zone 1m;";
ok($n->until(sub { ($n->get('big777.example', '/'))[0] eq '404' }), 'removed');
ok($n->until(sub {
    return 1 if $n->logged(qr/changes from 8388608 to 1048576/);
    kill HUP => $n->{pid};
    select undef, undef, undef, 0.2;
    return;
}), 'with fewer routes it is large enough');
ok($n->wait_for('f.example', '/', 200), 'and serves');

is($n->stop, 0, 'ends well');
is_deeply([grep { !/is too small for what it holds/ } $n->alerts], [],
          'reload and stop: no other alert');


# kill -9 of the watcher's worker

$n = K8s::Nginx->new;
$n->services("default/web:80 a\ndefault/other:80 b");
$n->ingresses("default/web a.example / web:80");
$n->start;
ok($n->wait_for('a.example', '/', 200), 'routed');

for my $i (1 .. 3) {
    my $watcher = $n->watcher;

    %seen = while_requests($n, 'a.example', sub {
        kill KILL => $watcher;

        ok($n->until(sub { $n->watcher != $watcher }),
           "T-B1: a successor after kill $i");

        $n->ingresses("default/web a.example / web:80\n"
                      . "default/more$i more$i.example / other:80");
        ok($n->wait_for("more$i.example", '/', 200, qr/^b$/),
           'T-B1: it follows changes');
        $n->wait_for('more' . ($i - 1) . '.example', '/', 404) if $i > 1;
    });

    my $lost = delete $seen{' '} // 0;
    delete $seen{'200 a'};
    is_deeply(\%seen, {}, "T-B1: every answer was right");
    cmp_ok($lost, '<=', 2, "T-B1: lost were only the killed worker's own");
}

is($n->logged(qr/: ready$/m), 1, 'T-B1: ready all the time');
my ($slot) = $n->log =~ /(was locked by)/;
is($slot, undef, 'T-B1: no lock was left held');

# kills in the middle of changes: the table stays whole

my $rounds = 10;
%seen = while_requests($n, 'a.example', sub {
    for my $i (1 .. $rounds) {
        $n->ingresses(join "\n", "default/web a.example / web:80",
                      map { "default/r$_ r$i-$_.example / other:80" } 1 .. 200);
        my $watcher = $n->watcher;
        select undef, undef, undef, 0.002 * $i;
        kill KILL => $watcher;
        $n->until(sub { $n->watcher != $watcher });
    }
});

delete @seen{'200 a', ' '};
is_deeply(\%seen, {}, 'T-B2: every answer was right during publishing');
ok($n->wait_for("r$rounds-200.example", '/', 200, qr/^b$/),
   'T-B2: the last change is there');
ok($n->wait_for("r1-1.example", '/', 404), 'T-B2: and nothing old');
is($n->logged(qr/: ready$/m), 1, 'T-B2: ready all the time');

my @bad = grep { !/exited on signal 9|signal 9/ } $n->alerts;
is_deeply(\@bad, [], 'kill: no alert but those of the kills');
is($n->stop, 0, 'ends well');


# a single process

$n = K8s::Nginx->new(main => 'master_process off;');
$n->services("default/web:80 a");
$n->ingresses("default/web a.example / web:80");
$n->start;
ok($n->wait_for('a.example', '/', 200), 'a single process routes');
$n->ingresses("default/web b.example / web:80");
ok($n->wait_for('b.example', '/', 200), 'and follows changes');
is($n->stop, 0, 'ends well');
clean($n, 'single');


# a block that goes and comes at reload

$n = K8s::Nginx->new(server => 'return 204;');
$n->services("default/web:80 a");
$n->ingresses("default/web a.example / web:80");
my $block = $n->{block};
$n->{block} = '';
$n->start;
$n->{block} = $block;
$n->{server} = 'k8s_ingress_pass;';
ok($n->reload, 'a block is added');
ok($n->wait_for('a.example', '/', 200), 'and routes');
$n->{block} = '';
$n->{server} = 'return 204;';
ok($n->reload, 'it is taken away');
ok($n->wait_for('a.example', '/', 204), 'and routes no more');
is($n->stop, 0, 'ends well');
clean($n, 'added');

done_testing();
