# Other names of hosts: aliases, and redirects from and to www, with TLS.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use K8s::TLS;
use Test::More;

my $tls = K8s::Objects::free_port();
my $admin = K8s::Objects::free_port();
my $p = 'nginx.ingress.kubernetes.io';

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    http => "
    server { listen 127.0.0.1:$tls ssl; k8s_ingress_pass; }
    server { listen 127.0.0.1:$admin; k8s_ingress_admin; }
");

my $pair = K8s::TLS::pair(cn => 'shop', names => ['shop.test', 'old.test',
                                               're7.test']);

sub ingress {
    my ($name, $host, $service, $annotations, $secret) = @_;
    my $text = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n"
               . "  name: $name\n  namespace: default\n  annotations:\n"
               . "    kubernetes.io/ingress.class: nginx\n";
    $text .= "    $p/$_\n" for @$annotations;
    $text .= "spec:\n";
    $text .= "  tls: [{hosts: ['$host'], secretName: $secret}]\n" if $secret;
    $text .= "  rules:\n  - host: '$host'\n    http:\n      paths:\n"
             . "      - {path: /, pathType: Prefix, backend: {service: "
             . "{name: $service, port: {number: 80}}}}\n";
    $n->manifest("$name.yaml", $text);
}

sub keys_of {
    my (%data) = @_;
    my $lines = join '', map { "  $_: \"$data{$_}\"\n" } sort keys %data;
    $n->manifest('own.yaml', "apiVersion: v1\nkind: ConfigMap\nmetadata:\n"
                 . "  name: own\n  namespace: system\n"
                 . ($lines ? "data:\n$lines" : ''));
}

# status, Location or body; headers as lines
sub ask {
    my ($host, $path, @headers) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}, Timeout => 5)
        or die "connect: $!";
    print $s join("\r\n", "GET $path HTTP/1.1", "Host: $host",
                  'Connection: close', @headers, '', '');
    my $answer = join '', <$s>;
    my ($status) = $answer =~ m{^HTTP/1\.1 (\d+)};
    my ($location) = $answer =~ m{^Location: (.*?)\r$}m;
    return "$status $location" if defined $location;
    return $status == 200 ? $answer =~ s/.*\r\n\r\n//sr =~ s/\s+\z//r : $status;
}

sub soon {
    my ($what, $want, $name) = @_;
    my $got;
    $n->until(sub { ($got = $what->()) eq $want });
    is $got, $want, $name;
}

my $port = $n->{port};

keys_of();
$n->services("default/a:80 a\ndefault/b:80 b");
$n->manifest('secret.yaml', K8s::TLS::secret('default/shop', $pair));
ingress('shop', 'shop.test', 'a',
        ["server-alias: 'old.test, bare.test,*.deep.test,~^re\\d+\\.test\$'"],
        'shop');
ingress('plain', 'plain.test', 'b',
        ['from-to-www-redirect: "true"', 'server-alias: other.test']);
$n->start;
ok $n->wait_for('plain.test', '/', 200), 'served';

# an alias is as its host, with what the client called it

is ask('other.test', '/'), 'b', 'an alias';
is ask('OTHER.test:81', '/'), 'b', 'with a port, in other letters';
soon(sub { ask('old.test', '/x') }, '308 https://old.test/x',
     'to https, by its own name, where the certificate covers it');
is ask('bare.test', '/x'), 'a', 'not where it does not';
is ask('a.b.deep.test', '/x'), 'a', 'a wildcard of any depth';
is ask('re12.test', '/'), 'a', 'a regular expression';
is ask('re7.test', '/x'), '308 https://re7.test/x',
   'to https, by this name, where the certificate covers it';
is K8s::TLS::cn_of($tls, 're7.test'), 'shop', 'its certificate';
like K8s::TLS::cn_of($tls, 're12.test'), qr/Fake/, 'or the default one';
is ask('rex.test', '/'), 404, 'which does not match';
is ask('nobody.test', '/'), 404, 'nobody';

# which host has a name

sub hosts {
    my $body = (K8s::Objects::http_get($admin, 'x', "/status?host=$_[0]"))[1];
    my ($hosts) = $body =~ /"hosts":\[(.*?)\n\],\n"services"/s;
    return join ' ', $hosts =~ /^\{"host":"([^"]*)"/mg;
}

is hosts('re12.test'), 'shop.test', 'that of a regular expression';
is hosts('bare.test'), 'bare.test shop.test', 'an alias, and its host';
is hosts('shop.test'), 'shop.test', 'a host';
is hosts('nobody.test'), '', 'none';
is hosts(''), '', 'none of all';

# what the wildcard above an alias has

ingress('wild', '*.wild.test', 'b', [], 'wild');
$n->manifest('wild-secret.yaml', K8s::TLS::secret('default/wild',
             K8s::TLS::pair(cn => 'wild', names => ['*.wild.test'])));
ingress('below', 'below.test', 'a', ['server-alias: x.wild.test']);
soon(sub { ask('x.wild.test', '/') }, '308 https://x.wild.test',
     'an alias below a wildcard with TLS');
is K8s::TLS::cn_of($tls, 'x.wild.test'), 'wild', 'its certificate';
is ask('y.wild.test', '/'), '308 https://y.wild.test', 'as other names below';
is ask('below.test', '/'), 'a', 'and not its host';
ingress('wild', '*.wild.test', 'b', []);
soon(sub { ask('x.wild.test', '/') }, 'a', 'without TLS above');
$n->remove("$_.yaml") for qw( wild wild-secret below );

is K8s::TLS::cn_of($tls, 'old.test'), 'shop', 'its certificate';
like K8s::TLS::cn_of($tls, 'bare.test'), qr/Fake/, 'or the default one';

# redirects from and to www

is ask('www.plain.test', '/x/?y=1'), "308 http://plain.test:$port/x/?y=1",
   'to the host';
is ask('www.plain.test', '/x/'), "308 http://plain.test:$port/x",
   'a last slash goes';
is ask('WWW.plain.TEST:81', '/'), "308 http://plain.test:$port",
   'with the port of the connection';
is ask('www.plain.test', '/', 'X-Forwarded-Proto: https'),
   "308 http://plain.test:$port", 'headers of clients do not count';

keys_of('http-redirect-code' => 301, 'use-forwarded-headers' => 'true');
soon(sub { ask('www.plain.test', '/x', 'X-Forwarded-Proto: https',
               'X-Forwarded-Port: 443') },
     '301 https://plain.test:443/x', 'with keys');
is ask('www.plain.test', '/x', 'X-Forwarded-Proto: https'),
   '301 https://plain.test/x', 'a scheme has the port of no other one';
is ask('www.plain.test', '/x', 'X-Forwarded-Proto: http'),
   "301 http://plain.test:$port/x", 'but its own';
keys_of();

# a host of its own wins, at once, and the other way when it goes

ingress('real', 'other.test', 'a', []);
soon(sub { ask('other.test', '/') }, 'a', 'it is a host now');
soon(sub { (K8s::Objects::http_get($admin, 'x', '/status'))[1]
           =~ /AliasConflict/ ? 1 : 0 }, 1, 'which is a problem');
ingress('real', 'www.plain.test', 'a', []);
soon(sub { ask('other.test', '/') }, 'b', 'an alias again');
soon(sub { ask('www.plain.test', '/') }, 'a', 'the twin is a host now');

# another target, and none

ingress('shop', 'new.test', 'b', ['server-alias: "old.test"']);
soon(sub { ask('old.test', '/') }, 'b', 'an alias of another host');
is ask('re12.test', '/'), 404, 'without the expression';
ingress('shop', 'new.test', 'b', []);
soon(sub { ask('old.test', '/') }, 404, 'no alias any more');

unlike $n->log, qr/\[(alert|crit|emerg)\]/, 'nothing in the log';

done_testing;
