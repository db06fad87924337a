# Services of type ExternalName: what a nameserver says is served, checked,
# followed, and kept for a while when it says nothing; no request waits for it.

use strict;
use warnings;

use lib 't/lib';
use K8s::Backend;
use K8s::DNS;
use K8s::Nginx;
use Test::More;
use Time::HiRes qw( time );

my $dns = K8s::DNS->start;
my %zone;

sub zone {
    %zone = (%zone, @_);
    delete @zone{grep { !defined $zone{$_} } keys %zone};
    $dns->zone(%zone);
}

# on all addresses of this host; says which one was connected to
my $port = K8s::Objects::free_port();
my $admin = K8s::Objects::free_port();
my $tls = K8s::Objects::free_port();

my $n = K8s::Nginx->new(
    main => 'worker_processes 2;',
    http => 'resolver 127.0.0.1:' . $dns->port . "; resolver_timeout 1s;\n"
            . "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }\n",
    level => 'info');

sub conf {
    my ($with) = @_;
    $n->{http} = ($with ? 'resolver 127.0.0.1:' . $dns->port
                          . "; resolver_timeout 1s;\n" : '')
        . "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }\n"
        . join '', map { "server { listen $_:$port; return 200 "
                         . "\"to \$server_addr \$http_host\\n\"; }\n" }
                   qw( 127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4 127.0.0.5 )
}
conf(1);

sub service {
    my ($name, $external, $ports, $ns) = @_;
    $ns //= 'default';
    $ports = defined $ports ? ", ports: [$ports]" : '';
    return "---\napiVersion: v1\nkind: Service\nmetadata: {name: $name, "
           . "namespace: $ns}\nspec: {type: ExternalName, externalName: "
           . "\"$external\"$ports}\n";
}

# a Service default/NAME and the host NAME.host
sub external {
    my ($name, $external, $ports, $number) = @_;
    $number //= $port;
    $n->manifest("$name.yaml", service($name, $external, $ports)
                 . K8s::Objects::ingresses("default/$name $name.host / "
                                           . "$name:$number"));
}

sub status { ($n->get("$_[0].host", '/'))[0] }
sub body { ($n->get("$_[0].host", '/'))[1] }
sub problems { (K8s::Objects::http_get($admin, 'x', '/status?section=problems'))[1] }

zone('web.test' => '1 A 127.0.0.1',
     'two.test' => '1 A 127.0.0.1 A 127.0.0.2',
     'alias.test' => '0 CNAME next.test',
     'next.test' => '0 CNAME last.test',
     'last.test' => '0 A 127.0.0.3',
     'six.test' => "1 AAAA ::1",
     'stable.test' => '60 A 127.0.0.1',
     'meta.test' => '1 A 169.254.169.254',
     'mapped.test' => '1 AAAA ::ffff:169.254.169.254',
     'bad.test' => 'SERVFAIL',
     'silent.test' => 'SILENT',
     'slow.test' => 'LATE 1 A 127.0.0.4');

external('web', 'web.test');
external('dot', 'web.test.');
external('two', 'two.test');
external('chain', 'alias.test');
external('stable', 'stable.test');
external('named', 'web.test', "{name: http, port: 80, targetPort: $port}",
         'http');
external('ported', 'web.test', "{port: 80, targetPort: $port}", 80);
external('other', 'web.test', '{port: 80}');
external('meta', 'meta.test');
external('mapped', 'mapped.test');
external('nowhere', 'nowhere.test');
external('bad', 'bad.test');
external('invalid', 'no_name.test');
$n->start;

# a start is not ready before names are known

ok $n->until(sub { $n->logged(qr/: ready$/m) }), 'ready';
is status('web'), 200, 'a name is known then';
like body('web'), qr/^to 127\.0\.0\.1 web\.host$/, 'its address, Host as it is';

is status($_), 200, $_ for qw( dot named ported other chain );
like body('chain'), qr/^to 127\.0\.0\.3 /, 'a chain of CNAMEs';
my %seen = map { body('two') => 1 } 1 .. 20;
is keys %seen, 2, 'all addresses of a name';

is status($_), 503, "$_: 503" for qw( meta mapped nowhere bad invalid );
my $said = problems();
like $said, qr/address \\"169\.254\.169\.254\\" of Service default\/meta/,
    'the address of metadata is refused';
like $said, qr/169\.254\.169\.254\\" of Service default\/mapped/,
    'in IPv6 too';
like $said, qr/externalName \\"nowhere\.test\\" cannot be resolved: Host not/,
    'a name that is not there is said';
like $said, qr/externalName \\"bad\.test\\" cannot be resolved: Server fail/,
    'what the nameserver says';
like $said, qr/externalName \\"no_name\.test\\" is no DNS name/, 'no name';
is $dns->asked('no_name.test'), 0, 'which is not looked up';

# an answer that changes; one that has not expired is not looked up again

my $before = $dns->asked('stable.test');
zone('web.test' => '1 A 127.0.0.2');
ok $n->wait_for('web.host', '/', 200, 'to 127.0.0.2'), 'a new address';
is status('stable'), 200, 'others';
is $dns->asked('stable.test'), $before, 'no lookup before the TTL is over';

# rebinding

zone('web.test' => '0 A 169.254.169.254');
ok $n->wait_for('web.host', '/', 503), 'a name that is rebound';
zone('web.test' => '0 A 169.254.169.254 A 127.0.0.3');
ok $n->wait_for('web.host', '/', 200, 'to 127.0.0.3'), 'the good one of two';
my %to = map { body('web') => 1 } 1 .. 20;
is keys %to, 1, 'and no other';
zone('web.test' => "0 A 127.0.0.1");
ok $n->wait_for('web.host', '/', 200, 'to 127.0.0.1'), 'a good one';

# a Service that changes its name, and its kind; no request fails

external('moves', 'stable.test');
ok $n->wait_for('moves.host', '/', 200), 'a name';
my $load = K8s::Objects::child(sub {
    my ($end, %to) = (time + 3);
    while (time < $end) {
        my ($s, $b) = $n->get('moves.host', '/');
        die "status $s\n" if $s ne '200';
        $to{$b}++;
    }
    die "no change was seen\n" if keys %to < 2;
});
external('moves', 'slow.test');
waitpid $load, 0;
is $?, 0, 'the old name is served until the new one has an answer';

# a nameserver that is silent, or gone: no request waits

zone('web.test' => 'SILENT');
$before = $dns->asked('web.test');
ok $n->until(sub { $dns->asked('web.test') > $before + 1 }),
    'it is asked in vain';
my $t = time;
is status('web'), 200, 'the last address';
$dns->stop;
ok $n->until(sub { $n->logged(qr/Connection refused\).*while resolving/) }, 20),
    'the nameserver is gone';
is status('web'), 200, 'and still the last address';

# over a reload, and the death of the watcher

ok $n->reload, 'reload';
is status($_), 200, "$_ after it" for qw( web chain stable );
my $old = $n->watcher;
kill KILL => $old;
ok $n->until(sub { $n->watcher != $old }), 'the watcher dies';
is status($_), 200, "$_ after it" for qw( web chain stable );

zone('web.test' => '1 A 127.0.0.5');
$dns->start_again;
ok $n->wait_for('web.host', '/', 200, 'to 127.0.0.5'),
    'a nameserver that is back';

# a minute after the first failure

zone('web.test' => 'SERVFAIL');
$before = $dns->asked('web.test');
ok $n->until(sub { $dns->asked('web.test') > $before }), 'it fails';
$t = time;
is status('web'), 200, 'the last address';

# meanwhile: names of one namespace, of which the nameserver says nothing, and
# another one

$n->manifest('flood.yaml',
    join '', map { service("f$_", "f$_.silent.test", undef, 'flood')
                   . K8s::Objects::ingresses("flood/f$_ f$_.host / f$_:80") }
             1 .. 300);
zone(map { ("f$_.silent.test" => 'SILENT') } 1 .. 300);
ok $n->until(sub { grep { /^f\d+\.silent\.test/ } $dns->log }), 'a flood';
external('quick', 'quick.test');
zone('quick.test' => '1 A 127.0.0.2');
ok $n->wait_for('quick.host', '/', 200), 'others are looked up';
cmp_ok scalar(grep { $dns->asked("f$_.silent.test") } 1 .. 300), '<', 200,
    'before the flood is over';
$n->remove('flood.yaml');

# the minute is waited for once, not with each build

unless ($ENV{TEST_NGINX_USE_HUP} || $n->{bin} !~ m{/build/release/}) {
    ok $n->wait_for('web.host', '/', 503), 'then it has no endpoint';
    cmp_ok time - $t, '>', 58, 'after a minute';
    like problems(), qr/externalName \\"web\.test\\" cannot be resolved: Server/,
        'which is said';
}

zone('web.test' => '1 A 127.0.0.1');
ok $n->wait_for('web.host', '/', 200), 'and is served again';
ok $n->until(sub { problems() !~ /web\.test\\" cannot/ }), 'the problem goes';

# not to be served

my $block = $n->{block};
$n->{block} = 'source manifests %%DIR%%; zone 8m; external_names off;';
ok $n->reload, 'external_names off';
ok $n->wait_for('web.host', '/', 503), 'then it has no endpoint';
like problems(), qr/web\.test\\" is not served, as nginx\.conf says \\"external/,
    'which is said';
my $asked = $dns->asked('quick.test');
external('fresh', 'fresh.test');
ok $n->until(sub { problems() =~ /fresh\.test\\" is not served/ }),
    'nor has a new one';
is $dns->asked('quick.test') + $dns->asked('fresh.test'), $asked,
    'no name is looked up';
$n->{block} = $block;
ok $n->reload, 'external_names on';
ok $n->wait_for('web.host', '/', 200), 'all are served again';

is $n->logged(qr/exited on signal (?!9)/), 0, 'nobody crashes';
is_deeply [grep { !/signal 9/ } $n->alerts], [], 'no alerts';

done_testing();
