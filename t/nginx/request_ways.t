# Requests that are made by a plan, and all that happens to them on their way:
# clients by HTTP/2 and TLS, backends by TLS, other endpoints, clients that go,
# requests one behind the other, answers before the body is sent.

use strict;
use warnings;

use lib 't/lib';
use IO::Select;
use IO::Socket::INET;
use K8s::Backend;
use K8s::Nginx;
use K8s::TLS;
use Socket qw( MSG_PEEK );
use Test::More;

my ($admin, $tls, $secure) = map { K8s::Objects::free_port() } 1 .. 3;
my $pair = K8s::TLS::pair(cn => 'b.test');

sub text { $_[0] =~ s/([^ -~]|%)/sprintf '%%%02x', ord $1/ger }

# whether a request that comes has this line; none of it is taken
sub comes {
    my ($c, $line) = @_;
    IO::Select->new($c)->can_read(20) or return 0;
    $c->recv(my $peek, 64, MSG_PEEK);
    return $peek =~ $line;
}

# answers with the length of the body; "early" before it has read any
my $web = K8s::Backend->start(sub {
    my ($b, $c) = @_;
    while (1) {
        if (comes($c, qr{^POST /early})) {
            while (my $line = <$c>) { last if $line eq "\r\n" }
            $b->answer($c, 413, "early\n", 'Connection: close');
            $b->note('early');
            return;
        }
        my $r = $b->request($c) or return;
        $b->note(text($r->{raw}) . '|' . length($r->{body}));
        $b->answer($c, 200, "$r->{method} $r->{uri} " . length($r->{body})
                            . "\n");
    }
});

# takes the request, and closes
my $bad = K8s::Backend->start(sub {
    my ($b, $c) = @_;
    my $r = $b->request($c) or return;
    $b->note(text($r->{raw}) . '|' . length($r->{body}));
    $b->reset($c);
});

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    main => 'worker_processes 1;',
    server => "listen 127.0.0.1:$tls ssl; http2 on; k8s_ingress_pass;"
              . 'add_header X-Built $k8s_request_builder always;',
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }\n"
            . "server { listen 127.0.0.1:$secure ssl;\n"
            . "ssl_certificate $pair->{file}.crt;\n"
            . "ssl_certificate_key $pair->{file}.key;\n"
            . "location / { return 200 \"\$scheme \$request_method"
            . " \$request_uri \$content_length ok\\n\"; } }\n");

$n->{ports}{web} = $web->port;
$n->{ports}{bad} = $bad->port;
$n->{ports}{secure} = $secure;
$n->services("default/a:80 web\ndefault/r:80 bad web\ndefault/s:443 secure");
delete @{$n->{ports}}{qw( web bad secure )};

$n->config_map('system/own', 'proxy-body-size' => '8m');

sub to {
    my ($name, $service, @annotations) = @_;
    my $object = K8s::Objects::ingresses("default/$name $name.test / $service");
    my $lines = join '', map { "    nginx.ingress.kubernetes.io/$_\n" }
                         @annotations;
    $object =~ s/^(  annotations:\n)/$1$lines/m or die $object;
    $n->manifest("$name.yaml", $object);
}

to('plain', 'a:80');
to('retry', 'r:80', 'proxy-next-upstream: "error timeout non_idempotent"');
to('secure', 's:443', 'backend-protocol: HTTPS');
$n->start;
$n->wait_for("$_.test", '/', 200) for qw( plain retry secure );

sub curl {
    my ($name, $scheme, @args) = @_;
    my $uri = $args[-1] =~ m{^/early} ? pop @args : '/x?y=1';
    my $port = $scheme eq 'https' ? $tls : $n->{port};
    open my $f, '-|', 'curl', '-sk', '-i', '--max-time', 20, '--resolve',
        "$name.test:$port:127.0.0.1", @args,
        "$scheme://$name.test:$port$uri"
        or die $!;
    local $/;
    my $all = <$f>;
    close $f;
    return $all // '';
}

my $big = $n->{root} . '/big';
K8s::Objects::write_file($big, 'b' x 300_000);

my %ways = ('HTTP/1.1' => ['http', '--http1.1'],
            'HTTP/2' => ['http', '--http2-prior-knowledge'],
            'TLS' => ['https', '--http1.1'],
            'HTTP/2 by TLS' => ['https', '--http2']);

for my $way (sort keys %ways) {
    my ($scheme, @args) = @{$ways{$way}};
    for my $to (qw( plain retry secure )) {
        for my $body ('', 'small', 'big', 'chunks') {
            my @body = $body eq '' ? ()
                       : $body eq 'small' ? ('-d', 'hello')
                       : $body eq 'big' ? ('--data-binary', "\@$big")
                       : ('-H', 'Transfer-Encoding: chunked', '--data-binary',
                          "\@$big");
            @body = ('-T', $big, '-X', 'POST') if $body eq 'chunks'
                                                  && $way =~ /2/;
            my $answer = curl($to, $scheme, @args, @body);
            my $length = $body eq '' ? 0 : $body eq 'small' ? 5 : 300_000;
            my $method = $body eq '' ? 'GET' : 'POST';
            my $want = $to eq 'secure'
                       ? qr{https $method /x\?y=1 @{[$length || '']} ?ok}
                       : qr{$method /x\?y=1 $length\n};
            like $answer, $want, "$way, $to, $body";
            like $answer, qr/^x-built: on/mi, "$way, $to, $body: by a plan";
        }
    }
}

ok scalar(grep { /POST/ && /\|300000/ } $bad->notes), 'one was asked in vain';

sub dial {
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                 PeerPort => $n->{port}) // die "connect: $!";
}

sub alive {
    is +($n->get('plain.test', '/alive'))[0], 200, "$_[0]: others go on";
}

# clients that go in the midst of their body, of a request, of an answer
for my $i (1 .. 20) {
    for my $part ("POST /gone HTTP/1.1\r\nHost: plain.test\r\n"
                  . "Content-Length: 10000\r\n\r\nabc",
                  "POST /gone HTTP/1.1\r\nHost: plain.test\r\n"
                  . "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
                  "GET /gone HTTP/1.1\r\nHost: secure.test\r\n\r\n",
                  "POST /gone HTTP/1.1\r\nHost: retry.test\r\n"
                  . "Content-Length: 3\r\n\r\nabc")
    {
        my $s = dial();
        syswrite $s, $part;
        K8s::Backend->reset($s) if $i % 2;
        close $s;
    }
}
alive('clients have gone');

# one behind the other
my $s = dial();
syswrite $s, join '', map {
    my $b = 'b' x ($_ * 100);
    $_ % 2 ? "GET /p$_ HTTP/1.1\r\nHost: plain.test\r\n\r\n"
           : "POST /p$_ HTTP/1.1\r\nHost: plain.test\r\nContent-Length: "
             . length($b) . "\r\n\r\n$b" } 1 .. 9;
my $all = '';
while (IO::Select->new($s)->can_read(10)) {
    sysread $s, $all, 65536, length $all or last;
    last if $all =~ m{/p9 0\n};
}
is join(' ', $all =~ m{ (/p\d \d+)\n}g),
    join(' ', map { "/p$_ " . ($_ % 2 ? 0 : $_ * 100) } 1 .. 9),
    'one behind the other, in order';
alive('pipelined');

# an answer that comes before the body is sent
K8s::Objects::write_file($big, 'b' x 6_000_000);

for my $way (sort keys %ways) {
    my ($scheme, @args) = @{$ways{$way}};
    like curl('plain', $scheme, @args, '--data-binary', "\@$big", '/early'),
        qr/^HTTP\S+ (?:413|502)/m, "$way: an early answer";
}

is scalar(grep { $_ eq 'early' } $web->notes), 4, 'the backend gave them';
alive('early answers');

like curl('plain', 'http', '--http1.1', '-d', 'x',
          '-H', 'Expect: 100-continue'), qr/POST \S+ 1\n/, 'Expect';

ok $n->reload, 'a reload';
alive('reload');

is $n->stop, 0, 'ends well';
unlike($n->log, qr/\[(?:alert|emerg|crit)\]|Sanitizer/, 'no alert');
unlike($n->stderr, qr/Sanitizer/, 'no error of memory');

done_testing();
