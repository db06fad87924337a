# Rows of the tables of annotations and keys, each proved by a file of t/rows
# that has its name:
#
#   value: "1"            what the row is set to; key: another one for the key
#   bad: soon             a value that is a problem
#   with:                 annotations (keys) that it needs
#     proxy-buffering: "on"
#   keys:                 keys that annotations need
#   annotations:          those that are not served, which a key is about
#   requests:             to the host of an Ingress with it
#     - get: /?slow=1500
#       is: "^HTTP/1.1 504"
#
# A request is a get or a post (of body bytes, of which short are not sent), or
# raw text.  It has send (lines of its head), host, tls, proxy (the header of the
# PROXY protocol), s_client (arguments of openssl s_client, which sends it, and
# whose output is the transcript), times (one after the other, with pause seconds between them),
# hold (seconds to wait for the end of a raw one).  Its transcript is the answer
# without CR, after which stands what the backend got, each line after "> ".  It
# has to match is, and must not match not, each a regular expression or a list of
# them; of all times some has to be met once, and same has to
# match the same text.  Of it the logs have to say logged,
# and not silent; of the problems of the Ingress one has to match said; under is
# the number of its bytes that there may be, over of those that there have to be.
#
# Of a row of a module that nginx.conf loads it says module (what its file's name
# has); where that is not among TEST_NGINX_LOAD_MODULES the problem of the row has
# to say how it is loaded, and rows with others are left out.
#
# Of a row that is compared with nginx.conf it says value, nginx (the directive
# that is to be written), same (a value with which this nginx runs, if that can
# be seen) and bad.
#
# Of the Ingress the file may say paths ("/x Exact a"), own (Services of its
# own, that in place of a to these: "a dead"), tls (1), primary (1: the
# Ingress is a canary of another one, to b instead of a; whose: annotations of
# that one), closed (1: a bad value
# closes it, with 503, or another status), code (of the problem of the bad value), and refused instead of
# requests (1: the value is one that nginx refuses).  Services: a, b, dead
# (closes connections), full (does not take them), none (no endpoints), errors,
# two (a and dead), late (of own ones alone: it takes
# its time), busy (a and one that answers 503), slow (a and one that
# hangs), cluster (a, and at its own address b).  The ConfigMap rows/headers has
# "X-One: one".  The Secret users has the user u with the password p in "auth",
# the Secret map has it by itself.
#
# %%HOST%% is the Ingress' host, %%PORT%% nginx's port, %%TLS%% that for TLS,
# %%A%% the port of a, %%LONG%% 20,000 bytes.

package K8s::Rows;

use strict;
use warnings;

use CPAN::Meta::YAML;
use Errno;
use File::Basename qw( basename );
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use Socket qw( INADDR_LOOPBACK pack_sockaddr_in );
use Time::HiRes qw( sleep time );

use K8s::Backend;
use K8s::FastCGI;
use K8s::Nginx;
use K8s::TLS;

my $prefix = 'nginx.ingress.kubernetes.io';
my $json = JSON::PP->new->allow_nonref->canonical->ascii;

# { NAME => file of t/rows }
sub files {
    my %files;

    for my $path (glob 't/rows/*.yaml') {
        my $yaml = eval { CPAN::Meta::YAML->read($path) }
            or die "$path: ", $@ || 'no YAML';
        $files{basename($path, '.yaml')} = $yaml->[0];
    }

    return \%files;
}

# { NAME => 1 } of the rows that a reference page says are served, or so
sub served {
    my ($page, $state) = @_;
    $state //= 'served';
    open my $f, '<', "docs/$page.md" or die "docs/$page.md: $!";
    return { map { /^\| `([^`]+)`.*\| $state \|/ ? ($1 => 1) : () } <$f> };
}

sub list { ref $_[0] ? @{$_[0]} : defined $_[0] ? $_[0] : () }

# answers with what it got; the query may ask for more: tell has it in the header
# X-Tell as well
sub echo {
    my ($name, $ms) = @_;

    return sub {
        my ($b, $c) = @_;
        my $n = 0;

        while (1) {
            my $line = $c->getline // return;
            my $head = $line;
            while (defined($line = $c->getline)) {
                last if $line eq "\r\n";
                $head .= $line;
            }

            my %q = map { my ($k, $v) = split /=/, $_, 2;
                          $v //= 1;
                          $v =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
                          ($k => $v) }
                    ($head =~ /^\S+ [^?\s]*\?(\S+)/ ? split /&/, $1 : ());

            if ($q{deaf}) {
                sleep $q{deaf};
                return;
            }

            my ($length) = $head =~ /^Content-Length: (\d+)/mi;
            $head =~ s/\r//g;
            $head =~ s/^/> /mg;
            $head .= '> # request ' . ++$n . " of $name\n";
            my $body = '';

            if ($q{early}) {
                $head .= "> # before the body\n";
            } else {
                my $left = $length // 0;
                while ($left > 0) {
                    my $got = read($c, my $buf, $left) or last;
                    $left -= $got;
                }
            }

            sleep $_ / 1000 for grep { $_ } $q{slow}, $ms;
            my $status = $q{status} // 200;
            my $type = $q{type} // 'text/plain';
            $q{header} = 'X-Tell: ' . join '|', $head =~ /^> (\S.*)$/mg
                if $q{tell};
            my @more = defined $q{header}
                       ? ("$q{header}\r\n") x ($q{repeat} // 1) : ();
            my $text = $head . 'x' x ($q{size} // 0)
                       . ($q{size} ? "\n" : '');
            print $c join "\r\n", "HTTP/1.1 $status Of", "Content-Type: $type",
                          'Content-Length: ' . length $text,
                          join('', @more) . "\r\n";

            if ($q{pause}) {
                print $c substr $text, 0, 1;
                sleep $q{pause} / 1000;
                $text = substr $text, 1;
            }

            print $c $text;
            return if $q{early} || ($head =~ m{HTTP/1\.0\n});
        }
    };
}

sub new {
    my ($class, %o) = @_;
    my $files = $o{files} // 1 ? files() : {};
    $files = { map { $_ => $files->{$_} } @{$o{rows}} } if $o{rows};
    my $self = bless { files => $files, annotation => served('annotations'),
                       key => served('configmap'),
                       compared => served('configmap', 'compared') }, $class;

    $self->{backends} = { map { $_ => K8s::Backend->start(echo($_)) }
                          qw( a b errors ) };
    $self->{backends}{busy} = K8s::Backend->start(sub {
        my ($b, $c) = @_;
        $b->answer($c, 503, '') while $b->request($c);
    });
    $self->{backends}{late} = K8s::Backend->start(echo('late', 60));
    $self->{backends}{dead} = K8s::Backend->start(sub { });
    $self->{backends}{fcgi} = K8s::Backend->start(sub {
        my ($b, $c) = @_;
        my $r = K8s::FastCGI::request($c) or return;
        my $p = $r->{params};
        K8s::FastCGI::answer($c, $r, "Content-Type: text/plain\r\n\r\n"
            . join '', map { "> $_=$p->{$_}\n" } sort keys %$p);
    });
    $self->{backends}{hang} = K8s::Backend->start(sub { sleep 60 });

    # connections to it are not answered once its queue is full
    $self->{full} = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                          Listen => 1, Proto => 'tcp');
    $self->{waiting} = [ map {
        my $s = IO::Socket::INET->new(Proto => 'tcp') or die "socket: $!";
        $s->blocking(0);
        connect($s, pack_sockaddr_in($self->{full}->sockport, INADDR_LOOPBACK))
            || $!{EINPROGRESS} or die "connect: $!";
        $s } 1 .. 4 ];

    my ($tls, $admin) = (K8s::Objects::free_port(), K8s::Objects::free_port());
    $self->{admin} = $admin;
    $self->{tls} = $tls;
    my $proxy = $self->{proxy} = K8s::Objects::free_port();
    my $n = $self->{nginx} = K8s::Nginx->new(
        block => 'source manifests %%DIR%%; zone 16m; config_map rows/own; '
                 . ($o{block} // ''),
        server => "listen 127.0.0.1:$tls ssl; http2 on; k8s_ingress_pass;",
        http => "log_format rows 'access of host: \"\$host\"'; "
                . 'access_log logs/error.log rows; '
                . 'log_format line escape=none '
                . '\'$k8s_access_log host: "$host"\'; '
                . 'access_log logs/error.log line; '
                . "server { listen 127.0.0.1:$admin; k8s_ingress_admin; } "
                . "server { listen 127.0.0.1:$proxy proxy_protocol; "
                . 'k8s_ingress_pass; }',
        main => 'worker_processes 1;');
    $n->{ports}{$_} = $self->{backends}{$_}->port
        for keys %{$self->{backends}};
    $n->{ports}{full} = $self->{full}->sockport;

    # they are no servers of this nginx
    my %foreign = %{$n->{ports}};
    $n->services("rows/a:80 a\nrows/b:80 b\nrows/dead:80 dead\n"
                 . "rows/full:80 full\nrows/none:80 -\nrows/errors:80 errors\n"
                 . "rows/fcgi:80 fcgi\n"
                 . "rows/two:80 a dead\nrows/busy:80 a busy\n"
                 . "rows/slow:80 a hang\n"
                 . join '', map { my $row = $_;
                                  my $own = $self->{files}{$row}{own};
                                  $own ? map { "rows/$row-$_:80 $own\n"
                                               . "rows/$row-$_-b:80 b\n" }
                                             qw( off on bad ) : () }
                            sort keys %{$self->{files}});
    $n->{ports} = {};
    $self->{ports} = \%foreign;

    $n->manifest('cluster.yaml', <<EOS);
apiVersion: v1
kind: Service
metadata: {name: cluster, namespace: rows}
spec:
  clusterIP: 127.0.0.1
  ports: [{name: http, port: $foreign{b}, targetPort: 80}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: cluster-1
  namespace: rows
  labels: {kubernetes.io/service-name: cluster}
addressType: IPv4
ports: [{name: http, port: $foreign{a}}]
endpoints: [{addresses: ["127.0.0.1"]}]
EOS

    for my $row (sort keys %{$self->{files}}) {
        my $f = $self->{files}{$row};
        next if $self->{compared}{$row};
        my %with = (%{$f->{annotations} // {}},
                    map { $_ => $f->{with}{$_} }
                    grep { $self->{annotation}{$_} } keys %{$f->{with} // {}});
        $self->ingress($row, "$row-off", %with);
        next if !$self->{annotation}{$row};
        $self->ingress($row, "$row-on", %with, $row => $f->{value});
        $self->ingress($row, "$row-bad", %with, $row => $f->{bad})
            if exists $f->{bad};
    }

    $n->manifest('headers.yaml', "apiVersion: v1\nkind: ConfigMap\n"
                 . "metadata: {name: headers, namespace: rows}\n"
                 . "data: {X-One: one}\n");

    $n->manifest('users.yaml', <<'EOS');
apiVersion: v1
kind: Secret
metadata: {name: users, namespace: rows}
stringData: {auth: "u:{PLAIN}p"}
---
apiVersion: v1
kind: Secret
metadata: {name: map, namespace: rows}
stringData: {u: "{PLAIN}p"}
EOS

    $self->config($o{config} ? %{$o{config}}
                  : map { %{$_->{keys} // {}} } values %{$self->{files}});
    $n->start;

    return $self;
}

sub ingress {
    my ($self, $row, $name, %annotations) = @_;
    my $f = $self->{files}{$row};
    my $service = $f->{primary} ? ($f->{own} ? "$name-b" : 'b')
                  : $f->{own} ? $name : 'a';

    $self->write_ingress($name, "$name.test", $f, "/ Prefix $service",
                         %annotations);
    $self->write_ingress("$name-primary", "$name.test", $f,
                         '/ Prefix ' . ($f->{own} ? $name : 'a'),
                         %{$f->{whose} // {}})
        if $f->{primary};
}

sub write_ingress {
    my ($self, $name, $host, $f, $path, %annotations) = @_;
    my $text = join '', map {
        my $value = $annotations{$_};
        $value =~ s/%%HOST%%/$host/g;
        $value =~ s/%%A%%/$self->{ports}{a}/g;
        "    $prefix/$_: " . $json->encode($value) . "\n" }
        sort keys %annotations;
    my $tls = $f->{tls} ? "  tls: [{hosts: [$host]}]\n" : '';
    my $paths = join '', map {
        my ($p, $type, $service) = split ' ';
        "      - {path: " . $json->encode($p) . ", pathType: $type, "
        . "backend: {service: {name: $service, port: {number: 80}}}}\n" }
        $f->{paths} ? @{$f->{paths}} : $path;

    $self->{nginx}->manifest("$name.yaml", <<EOI);
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: $name
  namespace: rows
  annotations:
    kubernetes.io/ingress.class: nginx
$text
spec:
$tls
  rules:
  - host: $host
    http:
      paths:
$paths
EOI
}

# the controller's ConfigMap
sub config {
    my ($self, %data) = @_;
    s/%%A%%/$self->{ports}{a}/g for values %data;
    $self->{nginx}->manifest('own.yaml', <<EOC);
apiVersion: v1
kind: ConfigMap
metadata: {name: own, namespace: rows}
data: {@{[ join ', ', map { "$_: " . $json->encode("$data{$_}") }
                      sort keys %data ]}}
EOC
}

sub status {
    (K8s::Objects::http_get($_[0]{admin}, 'x', '/status'))[1] // '';
}

# whether a row's module is not loaded
sub unloaded {
    my ($self, $row) = @_;
    my $module = $self->{files}{$row}{module} // return 0;
    return index($ENV{TEST_NGINX_LOAD_MODULES} // '', $module) < 0;
}

# whether nothing of a row can be seen for that
sub absent {
    my ($self, $row) = @_;
    return $self->{files}{$row}{with} && $self->unloaded($row);
}

# "CODE FIELD MESSAGE" of each problem of an object
sub problems {
    my ($self, $kind, $name) = @_;
    my $body = $self->status;
    my $status = eval { decode_json($body =~ /\{.*\}/s ? $& : '{}') } // {};

    return map { "$_->{code} $_->{field} $_->{message}" }
           map { @{$_->{problems}} }
           grep { $_->{kind} eq $kind && $_->{name} eq $name }
           map { @{$_->{problems}} } @{$status->{blocks} // []};
}

# the transcript of a request to a host
sub ask {
    my ($self, $r, $host, $patience) = @_;
    my $to = ($r->{host} // '%%HOST%%') =~ s/%%HOST%%/$host/r;
    my ($port, $tls) = @{$self}{qw( port tls )};
    my ($raw, $body) = ($r->{raw}, '');

    if (!defined $raw) {
        my ($method, $path) = exists $r->{get} ? (GET => $r->{get})
                              : exists $r->{options}
                              ? (OPTIONS => $r->{options})
                              : (POST => $r->{post});
        $raw = join "\r\n", "$method $path HTTP/1.1", 'Host: %%HOST%%',
                    'Connection: close', list($r->{send}), '';
        if (defined $r->{body}) {
            $raw .= "Content-Length: $r->{body}\r\n";
            $body = 'b' x ($r->{body} - ($r->{short} // 0));
        }
        $raw .= "\r\n";
    }

    $raw =~ s/%%HOST%%/$to/g;
    return $self->s_client($r, $to, $raw) if defined $r->{s_client};
    $raw =~ s/%%PORT%%/$self->{nginx}{port}/g;
    $raw =~ s/%%LONG%%/'l' x 20_000/ge;
    local $SIG{PIPE} = 'IGNORE';

    my $s = $r->{tls} ? K8s::TLS::dial($self->{tls}, $to)
            : IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                    PeerPort => $r->{proxy}
                                                ? $self->{proxy}
                                                : $self->{nginx}{port})
        or return "no connection\n";
    my $text = '';
    my $end = time + ($r->{hold} // 20) * ($patience // 1);
    print $s $r->{proxy} ? "$r->{proxy}\r\n" : (), $raw, $body;

    while (1) {
        my $left = $end - time;
        if ($left <= 0 || !(IO::Select->new($s)->can_read($left))) {
            $text .= "\n(open)\n";
            last;
        }
        my $got = sysread $s, my $buf, 65536;
        if (!$got) {
            $text .= "\n(closed)\n";
            last;
        }
        $text .= $buf;
        sleep $r->{late} if $r->{late} && length $text == $got;
    }

    $text =~ s/\r//g;
    return $text;
}

# what openssl says of a handshake for a name, and the answer to a request
sub s_client {
    my ($self, $r, $name, $raw) = @_;
    my $file = "$self->{nginx}{root}/logs/s_client-$name";
    K8s::Objects::write_file("$file-in", $raw);
    system '/bin/sh', '-c', 'exec timeout 20 openssl s_client -connect'
           . " 127.0.0.1:$self->{tls}"
           . ($r->{s_client} =~ /-reconnect/ ? '' : ' -ign_eof')
           . ($r->{s_client} =~ /-servername/ ? '' : " -servername $name")
           . " $r->{s_client} <$file-in >$file-out 2>&1";
    return $self->{nginx}->slurp("logs/s_client-$name-out") =~ s/\r//gr;
}

# what is not as a row's requests say, '' if all is; hold is so many times as
# long, where an end is expected to come
sub wrong {
    my ($self, $row, $host, $patience) = @_;
    my $f = $self->{files}{$row};

    my $refused = $self->unloaded($row)
                  ? qr/nginx refuses.*load_module \S*\Q$f->{module}\E\S*\.so;/
                  : $f->{refused} ? qr/nginx refuses/ : undef;

    if ($refused) {
        my ($kind, $name) = $self->{key}{$row} && $host =~ /-off\.test$/
                            ? ('ConfigMap', 'own')
                            : ('Ingress', $host =~ s/\.test$//r);
        return grep({ /\b\Q$row\E\b.*$refused/ }
                    $self->problems($kind, $name))
               ? '' : 'nginx does not refuse it';
    }

    for my $r (@{$f->{requests}}) {
        my @some = list($r->{some});
        my $same;
        my $to = ($r->{host} // $host) =~ s/%%HOST%%/$host/r;

        for my $i (1 .. $r->{times} // 1) {
            sleep $r->{pause} if $i > 1 && $r->{pause};
            my $log = length $self->{nginx}->log;
            my $text = $self->ask($r, $host, $patience);
            $log = substr $self->{nginx}->log, $log;
            for my $re (list($r->{silent})) {
                return "logged: $re" if $log =~ /$re.*host: "\Q$to\E"/;
            }
            for my $re (list($r->{logged})) {
                return "not logged: $re" if $log !~ /$re.*host: "\Q$to\E"/;
            }
            return length($text) . " bytes"
                if $r->{under} && length($text) >= $r->{under}
                   || $r->{over} && length($text) < $r->{over};
            for my $re (list($r->{is})) {
                return "no /$re/ in:\n$text"
                    if $text !~ /${\$self->expand($re, $host)}/m;
            }
            for my $re (list($r->{not})) {
                return "/$re/ in:\n$text"
                    if $text =~ /${\$self->expand($re, $host)}/m;
            }
            for my $re (list($r->{said})) {
                my @said = $self->problems('Ingress', $host =~ s/\.test$//r);
                return "no /$re/ is said" if !grep { /$re/ } @said;
            }
            if ($r->{same}) {
                my ($match) = $text =~ /($r->{same})/m
                    or return "no /$r->{same}/ in:\n$text";
                $same //= $match;
                return "now \"$match\", before \"$same\""
                    if $match ne $same;
            }
            @some = grep { $text !~ /${\$self->expand($_, $host)}/m } @some;
        }

        return "never /$some[0]/" if @some;

    }

    return '';
}

sub expand {
    my ($self, $re, $host) = @_;
    $re =~ s/%%HOST%%/\Q$host\E/g;
    $re =~ s/%%PORT%%/$self->{nginx}{port}/g;
    $re =~ s/%%TLS%%/$self->{tls}/g;
    return $re;
}

1;
