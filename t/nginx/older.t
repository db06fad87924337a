# Workers of an older nginx.conf, which refuses what that of the watcher takes:
# they go without that alone.  What protects is in force in all.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $p = 'nginx.ingress.kubernetes.io';

my $n = K8s::Nginx->new(
    main => 'worker_processes 1;',
    block => "source manifests %%DIR%%; zone 8m; defaults nginx;\n"
        . 'config_map system/own;');

sub config {
    my %keys = @_;
    $n->manifest('own.yaml', "apiVersion: v1\nkind: ConfigMap\n"
        . "metadata: {name: own, namespace: system}\ndata:\n"
        . join('', map { "  $_: '$keys{$_}'\n" } sort keys %keys));
}

sub ingress {
    my ($name, @annotations) = @_;
    my $lines = join '', map { "    $p/$_\n" } @annotations;
    my $object = K8s::Objects::ingresses("default/$name $name.test / a:80");
    $object =~ s/^(  annotations:\n)/$1$lines/m or die "no place in $object";
    $n->manifest("$name.yaml", $object);
}

# a request whose head is not whole, so that its worker does not end
sub begun {
    my ($host) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}) or die "connect: $!";
    print $s "GET /x HTTP/1.1\r\nHost: $host.test\r\nConnection: close\r\n";
    return $s;
}

# the rest of it: its status and the size of the answer
sub ended {
    my ($s, @head) = @_;
    print $s map({ "$_\r\n" } @head), "\r\n";
    local $/;
    my $answer = <$s> // '';
    my ($status) = $answer =~ m{^HTTP/1\.1 (\d+)};
    return join ' ', $status // 'none',
                     $answer =~ /^(Set-Cookie: .*?|Location: .*?)\r?$/mg;
}

sub cookie { (($n->get("$_[0].test", '/'))[2]) =~ /Path=(\S+)/ ? $1 : '' }

$n->backend('a', <<'EOC');
location / {
    add_header Set-Cookie "a=b; Path=/one/";
    return 200 "ok\n";
}
EOC

$n->services("default/a:80 a");
ingress('plain');
ingress('busy', 'proxy-buffers-number: "8"', 'proxy-cookie-path: /one/ /six/');
config('proxy-cookie-path' => '/one/ /two/');

my $buffers = 'proxy_buffer_size 32k; proxy_buffers 8 32k; '
    . 'proxy_busy_buffers_size 64k; k8s_ingress_pass;';

$n->{server} = $buffers;
$n->start;

ok $n->until(sub { cookie('plain') eq '/two/' }), 'keys are in force';
ok $n->until(sub { cookie('busy') eq '/six/' }), 'and annotations';

my @begun = map { begun($_) } qw( plain plain busy plain );

# they fit together without nginx.conf's buffers

$n->{server} = 'k8s_ingress_pass;';
$n->write_conf;
ok $n->reload, 'another nginx.conf';

config('proxy-buffers-number' => '8', 'proxy-cookie-path' => '/one/ /three/');
ok $n->until(sub { cookie('plain') eq '/three/' }), 'a change of keys';
ok $n->until(sub { $n->logged(qr/key "proxy-buffers-number" .*refuse/) }),
    'the older nginx.conf refuses one of them';

is ended(shift @begun), '200 Set-Cookie: a=b; Path=/three/',
    'others are in force where one is refused';
is ended(shift @begun), '200 Set-Cookie: a=b; Path=/three/',
    'for the next one as well';
is ended(shift @begun), '200 Set-Cookie: a=b; Path=/six/',
    'of annotations too';

config('proxy-buffers-number' => '8', 'block-cidrs' => 'nobody');
ok $n->until(sub { ($n->get('plain.test', '/'))[0] == 503 }), 'closed';
is ended(shift @begun), '503', 'also where a key is refused';

is_deeply [$n->alerts], [], 'no alerts';

done_testing();
