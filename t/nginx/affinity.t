# Affinity by a cookie, as browsers and load balancers meet it: two nginx on the
# same objects, restarts, kills, cookies of others, endpoints that go; and hashes.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my @n = map {
    K8s::Nginx->new(block => "source manifests %%DIR%%;\n zone 8m;\n",
                    main => 'worker_processes 2;')
} 1, 2;
my @pods = qw( a b c d );
my $p = 'nginx.ingress.kubernetes.io';

sub ingress {
    my ($name, $paths, @annotations) = @_;
    my $text = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n"
               . "  name: $name\n  namespace: default\n  annotations:\n"
               . "    kubernetes.io/ingress.class: nginx\n";
    $text .= "    $p/$_\n" for @annotations;
    $text .= "spec:\n  rules:\n  - host: shop.test\n    http:\n      paths:\n";
    for (@$paths) {
        my ($path, $service) = split ' ';
        $text .= "      - {path: '$path', pathType: Prefix, backend: {service: "
                 . "{name: $service, port: {number: 80}}}}\n";
    }
    $_->manifest("$name.yaml", $text) for @n;
}

sub services {
    my (%services) = @_;
    my $text = join "\n", map { "default/$_:80 $services{$_}" }
                          sort keys %services;
    $n[0]->services($text);

    # the pods are servers of the first nginx alone

    $n[1]{ports} = { %{$n[0]{ports}} };
    $n[1]->services($text);
    $n[1]{ports} = {};
}

# an answer of an nginx: status, body, cookies
sub ask {
    my ($n, $path, @headers) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}, Timeout => 5)
        or return (0, '', ());
    print $s join("\r\n", "GET $path HTTP/1.1", 'Host: shop.test',
                  'Connection: close', @headers, '', '');
    my $answer = join '', <$s>;
    my ($status) = $answer =~ m{^HTTP/1\.1 (\d+)};
    my ($head, $body) = split /\r\n\r\n/, $answer, 2;
    my @cookies = $head =~ /^Set-Cookie: (.*)\r?$/mg;
    return ($status // 0, ($body // '') =~ s/\s+\z//r, @cookies);
}

my %all = (shop => 'a b c d', keep => 'a b c d', hash => 'a b c d', one => 'x');
services(%all);
ingress('shop', ['/ shop', '/two shop'], 'affinity: cookie');
ingress('keep', ['/keep keep'], 'affinity: cookie',
        'affinity-mode: persistent', 'session-cookie-name: keep');
ingress('plain', ['/plain shop']);
ingress('hash', ['/hash hash'], 'upstream-hash-by: "$arg_k"',
        'load-balance: ewma');
$_->start for @n;
ok $_->wait_for('shop.test', '/keep', 200), 'served' for @n;
ok $_->wait_for('shop.test', '/hash', 200), 'all of it' for @n;

# a cookie holds on each nginx, in each worker

my (%pod, %where);

for my $i (1 .. 20) {
    for my $path ('/', '/keep') {
        my ($status, $body, $cookie) = ask($n[0], $path);
        my ($pair) = $cookie =~ /^([^;]+)/ or next;
        $pod{$path}{$pair} = $body;
        $where{$path}{$body}++;
    }
}

is scalar keys %{$pod{'/'}}, 20, 'each client has a cookie of its own';
is scalar keys %{$where{'/keep'}}, 4, 'clients come to all endpoints';

sub stay {
    my ($name, $path, @who) = @_;
    my ($wrong, $set, $n) = (0, 0, 0);
    for my $pair (keys %{$pod{$path}}) {
        for my $nginx (@who) {
            for (1 .. 3) {
                my ($status, $body, @cookies) = ask($nginx, $path,
                                                    "Cookie: a=b; $pair");
                $n++;
                $wrong++ if $status != 200 || $body ne $pod{$path}{$pair};
                $set++ if @cookies;
            }
        }
    }
    is "$wrong, $set of $n", "0, 0 of $n", "$name, $path";
}

stay('on both', $_, @n) for '/', '/keep';

my ($pair) = keys %{$pod{'/'}};
my ($status, $body, @cookies) = ask($n[1], '/plain', "Cookie: $pair");
is $body, $pod{'/'}{$pair}, 'an Ingress without the annotation shares it';
ask($n[1], '/plain');
is scalar(@cookies), 0, 'and sets none';

# of two cookies of the name that of the Service, wherever it stands

my $other = $pair =~ s/=.*/'=' . '1' x 32 . '|' . '2' x 32/er;
is((ask($n[0], '/', "Cookie: $other; $pair"))[1], $pod{'/'}{$pair},
   'behind a cookie of another Service');
is((ask($n[0], '/', "Cookie: $pair; $other"))[1], $pod{'/'}{$pair}, 'before it');
is((ask($n[0], '/', "Cookie: $other", "Cookie: $pair"))[1], $pod{'/'}{$pair},
   'in two headers');

# what is no cookie of ours

for my $value ('x' x 7000, "\x01\x02\xff\x7f", '|', '|||', '', '=', '%00',
               '"; Path=/', 'x|' . 'f' x 31, 'x|' . 'g' x 32, '1' x 32)
{
    for my $path ('/', '/keep') {
        my $name = $path eq '/' ? 'INGRESSCOOKIE' : 'keep';
        my ($status, $body, @cookies) = ask($n[0], $path,
                                            "Cookie: $name=$value");
        my $good = qr/^$name=[0-9a-f]{32}\|[0-9a-f]{32}; Path=\S+; HttpOnly$/;
        ok($status == 200 && !grep({ $_ !~ $good } @cookies),
           "$path: " . substr($value =~ s/[^ -~]/./gr, 0, 20));
    }
}

# another process, another watcher

ok $n[0]->reload, 'a reload';
stay('after a reload', $_, $n[0]) for '/', '/keep';

$n[1]->stop;
$n[1]->start;
ok $n[1]->wait_for('shop.test', '/keep', 200), 'after a restart';
stay('after a restart', $_, $n[1]) for '/', '/keep';

# an endpoint goes: its clients go elsewhere, others stay

services(%all, shop => 'a b c', keep => 'a b c');
my $gone = 0;
for my $path ('/', '/keep') {
    my ($any) = grep { $pod{$path}{$_} eq 'd' } keys %{$pod{$path}};
    next if !$any;
    ok $n[0]->until(sub { (ask($n[0], $path, "Cookie: $any"))[1] ne 'd' }),
       "$path: it goes";
}
for my $path ('/', '/keep') {
    my $wrong = 0;
    for my $pair (keys %{$pod{$path}}) {
        my ($status, $body, @cookies) = ask($n[0], $path, "Cookie: $pair");
        if ($pod{$path}{$pair} eq 'd') {
            $gone++;
            $wrong++ if $status != 200 || $body !~ /^[abc]$/;
            $wrong++ if $path eq '/keep' && !@cookies;
        } else {
            $wrong++ if $body ne $pod{$path}{$pair} || @cookies;
        }
    }
    is $wrong, 0, "$path: who stays stays, who goes comes to another one";
}
cmp_ok $gone, '>', 0, 'some have gone';

# hashes

my %k;
for my $k (1 .. 40) {
    my @at = map { (ask($n[$_ % 2], "/hash?k=$k"))[1] } 1 .. 4;
    $k{join ' ', sort keys %{{ map { $_ => 1 } @at }}}++;
}
is join(', ', sort keys %k), 'a, b, c, d', 'a key is at one endpoint, on both';

ingress('shop', ['/ shop'], 'affinity: cookie', 'use-regex: "true"');
ok $n[0]->until(sub {
    $n[0]->logged(qr/the Path of the cookie is that of the rule/)
}), 'a regular expression as Path is said';
ingress('shop', ['/ shop'], 'affinity: cookie', 'use-regex: "true"',
        'session-cookie-path: /');
ok $n[0]->until(sub { (ask($n[0], '/'))[2] =~ /; Path=\/; / }), 'one that is set';

$_->stop for @n;
done_testing;
