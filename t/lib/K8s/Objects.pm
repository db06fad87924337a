# Manifests, backends' ports, processes and plain connections, for K8s.pm and
# K8s/Nginx.pm.

package K8s::Objects;

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();
use Socket qw( INADDR_LOOPBACK SOL_SOCKET SO_RCVBUF SO_RCVTIMEO
               pack_sockaddr_in );

our %Given;

# a test that a signal ends stops first what it has started
$SIG{$_} = sub { $SIG{PIPE} = 'IGNORE'; exit 1 } for qw( INT QUIT TERM );

# runs a function in a process, whose pid it returns; the function is given
# another one, which is true as long as the test is there
sub child {
    my ($sub) = @_;
    my $parent = $$;
    my $pid = fork // die "fork: $!";
    return $pid if $pid;

    $SIG{$_} = 'DEFAULT' for qw( INT QUIT TERM );
    my $done = eval { $sub->(sub { getppid == $parent }); 1 };
    print STDERR $@ if !$done;
    POSIX::_exit($done ? 0 : 1);
}

# a connection to a port of 127.0.0.1 that waits for 20 seconds at most for a
# byte to read; with receive, the kernel holds about so many bytes
sub client {
    my ($port, %o) = @_;
    my $s = IO::Socket::INET->new(Proto => 'tcp') or die "socket: $!";
    setsockopt $s, SOL_SOCKET, SO_RCVTIMEO, pack 'l!l!', 20, 0;
    # a window that shrinks once it is open makes the kernel wait for nothing
    setsockopt $s, SOL_SOCKET, SO_RCVBUF, $o{receive} if $o{receive};
    connect $s, pack_sockaddr_in($port, INADDR_LOOPBACK) or die "connect: $!";
    return $s;
}

# a port of 127.0.0.1 that was free just now, not given out twice; none of those
# that the kernel gives to connections, which could have it before it is used
sub free_port {
    for (1 .. 1000) {
        my $port = 10_240 + int rand 20_000;
        next if $Given{$port}++;
        my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1,
                                      LocalPort => $port, Proto => 'tcp')
            or next;
        close $s;
        return $port;
    }
    die "no free port";
}

# a port of 127.0.0.1 that refuses connections until this process ends: it is
# bound, and nobody listens
my @Dead;

sub dead_port {
    my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp')
        or die "bind: $!";
    push @Dead, $s;
    return $s->sockport;
}

# writes a file as a whole, by rename
sub write_file {
    my ($path, $text) = @_;
    my ($dir, $name) = $path =~ m{^(.*)/([^/]+)$};
    open my $f, '>', "$dir/.$name.new" or die "$dir/.$name.new: $!";
    print $f $text;
    close $f or die "$path: $!";
    rename "$dir/.$name.new", $path or die "$path: $!";
}

# [NAME, TEXT] for each ">>> NAME"
sub split_files {
    my ($text, $default) = @_;
    return () if !defined $text || $text !~ /\S/;
    return ([$default, $text]) if $text !~ /^>>> /m;
    my @parts = split /^>>>\s+(\S+).*\n/m, $text;
    shift @parts;
    my @files;
    push @files, [splice @parts, 0, 2] while @parts;
    return @files;
}

# "NS/NAME:PORT[=PORTNAME] BACKEND ..." to Services and EndpointSlices
sub services {
    my ($text, $port_of) = @_;
    my $out = '';
    my (%ports, @order, $n);

    for my $line (grep { /\S/ && !/^\s*#/ } split /\n/, $text // '') {
        my ($where, @backends) = split ' ', $line;
        my ($ns, $name, $port, $pname) =
            $where =~ m{^([^/]+)/([^:]+):(\d+)(?:=(\S+))?$}
            or die "bad line in services: $line";
        $pname //= "p$port";
        push @order, "$ns/$name" if !$ports{"$ns/$name"};
        push @{$ports{"$ns/$name"}}, [$port, $pname];

        for my $b (grep { $_ ne '-' } @backends) {
            $n++;
            my $number = $port_of->($b);
            $out .= <<EOS;
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: $name-$n
  namespace: $ns
  labels:
    kubernetes.io/service-name: $name
addressType: IPv4
ports:
- name: $pname
  port: $number
  protocol: TCP
endpoints:
- addresses: ["127.0.0.1"]
  conditions: {ready: true, serving: true, terminating: false}
EOS
        }
    }

    for my $service (@order) {
        my ($ns, $name) = split m{/}, $service;
        $out .= <<EOS;
---
apiVersion: v1
kind: Service
metadata:
  name: $name
  namespace: $ns
spec:
  type: ClusterIP
  ports:
EOS
        $out .= "  - {name: $_->[1], port: $_->[0], protocol: TCP}\n"
            for @{$ports{$service}};
    }

    return $out;
}

# "NS/NAME HOST PATH SERVICE:PORT [TYPE]" to Ingresses of class nginx
sub ingresses {
    my ($text) = @_;
    my $out = '';

    for my $line (grep { /\S/ && !/^\s*#/ } split /\n/, $text // '') {
        my ($where, $host, $path, $backend, $type) = split ' ', $line;
        my ($ns, $name) = $where =~ m{^([^/]+)/(\S+)$}
            or die "bad line in ingresses: $line";
        my ($service, $port) = $backend =~ /^([^:]+):(\S+)$/
            or die "bad line in ingresses: $line";
        $type //= 'Prefix';
        my $rule = $host eq '-' ? '- http:' : "- host: \"$host\"\n    http:";
        my $by = $port =~ /^\d+$/ ? 'number' : 'name';
        $out .= <<EOS;
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: $name
  namespace: $ns
  annotations:
    kubernetes.io/ingress.class: nginx
spec:
  rules:
  $rule
      paths:
      - path: "$path"
        pathType: $type
        backend:
          service:
            name: $service
            port:
              $by: $port
EOS
    }

    return $out;
}

# the body that comes in chunks, "cut off" without the last one
sub dechunk {
    my ($text) = @_;
    my $whole = '';

    while ($text =~ /\G([0-9a-f]+)\r\n/gci) {
        my $n = hex $1 or return $whole;
        $whole .= substr $text, pos $text, $n;
        pos($text) += $n + 2;
    }

    return 'cut off';
}

# (status, body, head) of one request on a connection of its own; status is
# empty when there is no answer
sub http_get {
    my ($port, $host, $path, @lines) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
                                  Proto => 'tcp', Timeout => 20)
        or return ('', '', '');
    local $SIG{PIPE} = 'IGNORE';
    print $s map { "$_\r\n" } "GET $path HTTP/1.1", "Host: $host",
                               'Connection: close', @lines, '';
    my $answer = '';
    local $SIG{ALRM} = sub { die "timeout\n" };
    eval {
        alarm 20;
        local $/;
        $answer = <$s> // '';
        alarm 0;
    };
    alarm 0;
    my ($head, $body) = split /\r\n\r\n/, $answer, 2;
    my ($status) = ($head // '') =~ m{^HTTP/1\.\d (\d+)};
    $body = dechunk($body // '')
        if ($head // '') =~ /^Transfer-Encoding: chunked/mi;
    return ($status // '', $body // '', $head // '');
}

1;
