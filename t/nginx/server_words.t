# Keys that are read before a request is routed: they hold for servers with a
# pass, with no request before that one, and for no others.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my ($named, $located, $beside) = map { K8s::Objects::free_port() } 1 .. 3;

my $n = K8s::Nginx->new(
    main => "worker_processes 2;\n",
    http => "server { listen 127.0.0.1:$named; server_name first.test;\n"
        . "  http2 on; k8s_ingress_pass; }\n"
        . "server { listen 127.0.0.1:$named; server_name web.test;\n"
        . "  k8s_ingress_pass; }\n"
        . "server { listen 127.0.0.1:$located;\n"
        . "  location / { k8s_ingress_pass; } }\n"
        . "server { listen 127.0.0.1:$beside; return 200 'beside\n'; }\n",
    block => "source manifests %%DIR%%;\n zone 8m;\n"
        . "config_map default/keys;\n");

$n->backend('a', <<'EOC');
underscores_in_headers on;
large_client_header_buffers 4 64k;
location / { return 200 "under=$http_x_under\n"; }
EOC

sub config {
    my %keys = @_;
    $n->manifest('keys.yaml', "apiVersion: v1\nkind: ConfigMap\n"
        . "metadata: {name: keys, namespace: default}\ndata:\n"
        . join('', map { "  $_: '$keys{$_}'\n" } sort keys %keys));
}

# the answer to a header of a name with an underscore and one of some bytes
sub ask {
    my ($port, $bytes) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
                                  Timeout => 5) or die "connect: $!";
    print $s "GET / HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n",
             "X_Under: yes\r\nX-Long: ", 'x' x $bytes, "\r\n\r\n";
    local $/;
    my $answer = <$s> // '';
    my ($status) = $answer =~ m{^HTTP/1\.1 (\d+)};
    return ($status // 'none') . ($answer =~ /(under=\S*)/ ? " $1" : '');
}

# many times, so of each worker
sub always {
    my ($port, $bytes, $want, $name) = @_;
    my $seen;
    ok $n->until(sub {
        my %all = map { ask($port, $bytes) => 1 } 1 .. 12;
        $seen = join ', ', sort keys %all;
        $seen eq $want;
    }), $name or diag($seen);
}

# SETTINGS_MAX_CONCURRENT_STREAMS of the first frame
sub streams {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $named,
                                  Timeout => 5) or die "connect: $!";
    print $s "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\0\0\0\4\0\0\0\0\0";
    read($s, my $head, 9) == 9 or return 'none';
    my ($len) = unpack 'xn', $head;
    read($s, my $frame, $len) == $len or return 'none';
    my %settings = unpack '(nN)*', $frame;
    return $settings{3} // 'none';
}

$n->services("default/a:80 a");
$n->ingresses("default/web web.test / a:80");
config('proxy-body-size' => '2m');
$n->start;
ok $n->wait_for('web.test', '/', 200), 'it is served';

always($_, 1, '200 under=', 'no underscores') for $n->{port}, $named, $located;
always($_, 10_000, '400', 'too long') for $n->{port}, $named;

# nothing but requests which fail until it is known
is streams(), 128, 'streams of HTTP/2';
config('large-client-header-buffers' => '2 16k',
       'http2-max-concurrent-streams' => '7',
       'enable-underscores-in-headers' => 'true');
always($n->{port}, 10_000, '200 under=yes', 'a longer header');
always($named, 10_000, '200 under=yes', 'of a server by name');
ok $n->until(sub { streams() eq 7 }), 'fewer streams';
is ask($located, 10_000), '400', 'a pass in a location leaves its server alone';
is ask($located, 1), '200 under=', 'and what it reads';
is ask($beside, 10_000), '400', 'so do others';

$n->reload;
is ask($n->{port}, 10_000), '200 under=yes', 'at once behind a reload';

config();
always($_, 10_000, '400', 'as in nginx.conf again') for $n->{port}, $named;

ok $n->until(sub { streams() eq 128 }), 'streams as well';
is_deeply [$n->alerts], [], 'no alerts';

done_testing();
