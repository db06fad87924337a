# The client's address by the PROXY protocol: who is trusted to tell it, with
# and without forwarded headers.  Backends, logs and the answer see the same.

use strict;
use warnings;

use lib 't/lib';
use IO::Socket::INET;
use K8s::Nginx;
use Test::More;

my $proxy = K8s::Objects::free_port();

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 4m; config_map default/own; '
             . 'client_check 2s;',
    http => "log_format address 'seen \$remote_addr for \$request_uri'; "
            . 'access_log logs/error.log address; '
            . "server { listen 127.0.0.1:$proxy proxy_protocol; "
            . 'k8s_ingress_pass; }',
    server => 'k8s_ingress_pass; location /- { k8s_ingress_admin; }');

$n->{backends}{a} = q{
    location / {
        return 200 "$http_x_real_ip|$http_x_forwarded_for|"
                   "$http_x_forwarded_port|$http_x_forwarded_for_proxy_protocol"
                   "\n";
    }} =~ s/"\n\s+"//gr;

sub config {
    my (%data) = @_;
    my $lines = join '', map { "  $_: \"$data{$_}\"\n" } sort keys %data;
    $n->manifest('own.yaml', "apiVersion: v1\nkind: ConfigMap\n"
                 . "metadata: {name: own, namespace: default}\n"
                 . ($lines ? "data:\n$lines" : "data: {}\n"));
}

my $last = '';

# what the backend sees, and the log
sub sent {
    my ($head, @lines) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $head ? $proxy : $n->{port})
        or return 'nothing';
    my $uri = '/' . ++$last;
    print $s $head ? "$head\r\n" : (), join "\r\n", "GET $uri HTTP/1.1",
             'Host: a.test', 'Connection: close', @lines, '', '';
    my $text = do { local $/; <$s> } // '';
    my ($real, $for, $port, $header)
        = $text =~ /^([^|\n]*)\|([^|\n]*)\|([^|\n]*)\|([^\r\n]*)/m
        or return $text;
    $n->until(sub { $n->log =~ m{^seen (\S+) for \Q$uri\E$}m });
    my ($seen) = $n->log =~ m{^seen (\S+) for \Q$uri\E$}m;
    return join '|', $real, $seen eq $real ? () : "log: $seen", $for, $port,
                     $header;
}

my $pp = 'PROXY TCP4 1.2.3.4 5.6.7.8 1000 443';
my @for = ('X-Forwarded-For: 9.9.9.9');

sub soon {
    my ($head, $lines, $want, $name) = @_;
    my $is;
    ok($n->until(sub { ($is = sent($head, @$lines)) eq $want }), $name)
        or diag "is $is, not $want";
}

$n->services('default/a:80 a');
$n->ingresses('default/a a.test / a:80');
config();
ok $n->start, 'nginx starts';
ok $n->wait_for('a.test', '/', 200), 'and serves';

soon($pp, [@for], "127.0.0.1|127.0.0.1|$proxy|", 'without the key');

config('use-proxy-protocol' => 'true');
soon($pp, [@for], '1.2.3.4|1.2.3.4|443|', 'the address of the protocol');
soon('PROXY TCP6 2001:db8::1 2001:db8::2 1000 443', [],
     '2001:db8::1|2001:db8::1|443|', 'of IPv6');
soon('PROXY UNKNOWN', [], "127.0.0.1|127.0.0.1|$proxy|", 'one that says none');
soon('', [@for], "127.0.0.1|127.0.0.1|$n->{port}|", 'a listen without it');
unlike +($n->get('x', '/-/status'))[1], qr/data\.use-proxy-protocol/,
    'another listen has it';

config('use-proxy-protocol' => 'true', 'proxy-real-ip-cidr' => '10.0.0.0/8');
soon($pp, [], '127.0.0.1|127.0.0.1|443|', 'a balancer that is not trusted');

my %both = ('use-proxy-protocol' => 'true', 'use-forwarded-headers' => 'true');

config(%both);
soon($pp, [@for], '9.9.9.9|9.9.9.9|443|9.9.9.9', 'a proxy before the balancer');
soon($pp, [], '1.2.3.4|1.2.3.4|443|1.2.3.4', 'that forwards nothing');
soon($pp, ['X-Forwarded-For-Proxy-Protocol: 6.6.6.6',
           'x-forwarded-for-proxy-protocol: 6.6.6.7'],
     '1.2.3.4|1.2.3.4|443|1.2.3.4, 1.2.3.4', "the header is ours");
soon('PROXY UNKNOWN', [@for], "9.9.9.9|9.9.9.9|$proxy|9.9.9.9",
     'without the protocol as without the key');

config(%both, 'proxy-real-ip-cidr' => '127.0.0.0/8');
soon($pp, [@for], '1.2.3.4|1.2.3.4|443|1.2.3.4',
     'a client before the balancer forwards nothing');

config(%both, 'proxy-real-ip-cidr' => '127.0.0.0/8,1.2.3.0/24,8.8.8.8');
soon($pp, ['X-Forwarded-For: 7.7.7.7, 9.9.9.9, 8.8.8.8'],
     '9.9.9.9|9.9.9.9|443|7.7.7.7, 9.9.9.9, 8.8.8.8', 'the last one that is no '
     . 'proxy');

config(%both, 'proxy-real-ip-cidr' => '1.2.3.0/24');
soon($pp, [@for], '127.0.0.1|127.0.0.1|443|9.9.9.9',
     'of a balancer that is not trusted');

config(%both, 'compute-full-forwarded-for' => 'true');
soon($pp, [@for], '9.9.9.9|9.9.9.9, 1.2.3.4|443|9.9.9.9', 'all of them');

# whatever the header for what the PROXY protocol says is called

for my $name ('X-Forwarded-For', 'X-Real-IP', 'X-Own') {
    config(%both, 'proxy-real-ip-cidr' => '127.0.0.0/8',
           'forwarded-for-proxy-protocol-header' => $name);
    ok $n->until(sub {
        sent($pp, "$name: 9.9.9.9") =~ /^1\.2\.3\.4\|1\.2\.3\.4\|/
    }), "in $name, not what a client sends there";
    ok $n->until(sub { sent($pp) =~ /^1\.2\.3\.4\|1\.2\.3\.4\|/ }),
       'nor needs it to send anything';
}

config();
soon($pp, [@for], "127.0.0.1|127.0.0.1|$proxy|", 'as before');

# a balancer that is taken for its clients

sub status { ($n->get('x', '/-/status'))[1] // '' }

sub problem {
    my ($wanted, $head, @lines) = @_;
    return $n->until(sub {
        for (1 .. 40) { sent($head, @lines) }
        my $status = status();
        return $wanted
            ? $status =~ /"OneClient"[^}]*came from 127\.0\.0\.1, and [1-9]\d\d+ of them/
            : $status =~ /"version"/ && $status !~ /"OneClient"/;
    });
}

ok problem(1, '', @for), 'forwarded headers, and one address: a problem';
config('use-forwarded-headers' => 'true');
soon('', [@for], "9.9.9.9|9.9.9.9|$n->{port}|", 'its remedy');
ok problem(0, '', @for), 'helps';
config();
soon($pp, [], "127.0.0.1|127.0.0.1|$proxy|", 'the address of the balancer');
ok problem(1, $pp), 'the PROXY protocol, and one address: a problem';
config('use-proxy-protocol' => 'true');
soon($pp, [], '1.2.3.4|1.2.3.4|443|', 'its remedy');
ok problem(0, $pp, @for), 'helps, whatever the client forwards';
config();
soon('', [], "127.0.0.1|127.0.0.1|$n->{port}|", 'neither of them');
ok problem(0, ''), 'one client is no problem';

is_deeply [$n->alerts], [], 'nothing alarming is logged';
is $n->stop, 0, 'ends well';

done_testing();
