# Certificates made at test time, Secrets and Ingresses with them, and TLS
# clients.
#
#   my $c = K8s::TLS::pair(cn => 'one', names => ['a.example'], type => 'EC');
#   $n->manifest('tls.yaml', K8s::TLS::secret('default/tls', $c));
#   my $s = K8s::TLS::dial($port, 'a.example', version => 'TLSv1_2');
#   K8s::TLS::cn($s);
#
# pair() takes cn, names, type (EC, RSA, ED25519), ca (another pair) and gives
# a hash with crt, key and serial; crt has the chain.

package K8s::TLS;

use strict;
use warnings;

use File::Temp qw( tempdir );
use IO::Socket::SSL;
use MIME::Base64 qw( encode_base64 );
use Net::SSLeay;

our ($Dir, $N);

sub slurp {
    my ($name) = @_;
    open my $f, '<', $name or die "$name: $!";
    local $/;
    return <$f>;
}

sub pair {
    my (%c) = @_;
    $Dir //= tempdir(CLEANUP => 1);
    my $base = "$Dir/" . ++$N;
    my $type = $c{type} // 'EC';

    my @key = $type eq 'RSA' ? ('-newkey', 'rsa:2048')
              : $type eq 'EC' ? ('-newkey', 'ec', '-pkeyopt',
                                 'ec_paramgen_curve:prime256v1')
              : ('-newkey', lc $type);
    my @ca = $c{ca} ? ('-CA', $c{ca}{file} . '.crt', '-CAkey',
                       $c{ca}{file} . '.key')
             : ();
    my @san = @{$c{names} // []}
              ? ('-addext', 'subjectAltName='
                            . join ',', map { "DNS:$_" } @{$c{names}})
              : ();

    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open STDERR, '>', "$base.err";
        exec 'openssl', 'req', '-x509', @key, '-nodes', '-days',
             $c{days} // 30, '-subj', "/CN=$c{cn}", @san, @ca,
             '-keyout', "$base.key", '-out', "$base.crt"
            or POSIX::_exit(1);
    }
    waitpid $pid, 0;
    die slurp("$base.err") if $?;

    my $crt = slurp("$base.crt");
    return { file => $base, key => slurp("$base.key"),
             crt => $crt . ($c{ca} ? $c{ca}{crt} : '') };
}

sub secret {
    my ($where, $c) = @_;
    my ($ns, $name) = split m{/}, $where;
    my ($crt, $key) = map { encode_base64($_, '') } @$c{qw(crt key)};
    return <<EOS;
---
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {name: "$name", namespace: "$ns"}
data:
  tls.crt: "$crt"
  tls.key: "$key"
EOS
}

# ingress('ns/name', 'service:port', [hosts], secret => [hosts], ...)
sub ingress {
    my ($where, $backend, $hosts, @tls) = @_;
    my ($ns, $name) = split m{/}, $where;
    my ($service, $port) = split /:/, $backend;
    my $out = <<EOS;
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: "$name"
  namespace: "$ns"
  annotations: {kubernetes.io/ingress.class: nginx}
spec:
EOS
    $out .= "  tls:\n" if @tls;

    while (my ($secret, $names) = splice @tls, 0, 2) {
        $out .= "  - hosts: [" . join(', ', map { "\"$_\"" } @$names) . "]\n"
                . ($secret eq '' ? '' : "    secretName: \"$secret\"\n");
    }

    $out .= "  rules:\n";
    $out .= <<EOS for @$hosts;
  - host: "$_"
    http:
      paths:
      - path: "/"
        pathType: Prefix
        backend: {service: {name: "$service", port: {number: $port}}}
EOS
    return $out;
}

# a connected client, or undef; $IO::Socket::SSL::SSL_ERROR says why.  Options:
# version, ciphers, ctx (of a former client, to resume its session), alpn
sub dial {
    my ($port, $sni, %o) = @_;
    my %ssl;
    $ssl{SSL_version} = $o{version} if $o{version};
    $ssl{SSL_cipher_list} = $o{ciphers} if $o{ciphers};
    $ssl{SSL_alpn_protocols} = $o{alpn} if $o{alpn};
    $ssl{SSL_reuse_ctx} = $o{ctx} if $o{ctx};
    $ssl{SSL_session_key} = $o{session} if $o{session};

    local $SIG{PIPE} = 'IGNORE';
    return IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $port,
        Timeout => 10, SSL_verify_mode => SSL_VERIFY_NONE,
        SSL_hostname => $sni // '', %ssl);
}

# a request on a connection that stays: (status, body), what has come of them
# within 20 seconds
sub request {
    my ($s, $host, $path) = @_;
    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = sub { die "time-out\n" };
    my ($status, $length, $body) = ('', 0, '');

    eval {
        alarm 20;
        print $s "GET $path HTTP/1.1\r\nHost: $host\r\n\r\n" or die "$!\n";

        while (defined(my $line = <$s>)) {
            $status = $1 if $line =~ m{^HTTP/1\.1 (\d+)};
            $length = $1 if $line =~ /^Content-Length: (\d+)/i;
            last if $line =~ /^\r?$/;
        }

        read $s, $body, $length if $length;
    };
    alarm 0;
    return ($status, $body);
}

sub cn {
    my ($s) = @_;
    return '' if !$s;
    return $s->peer_certificate('commonName') // '';
}

# CN that a handshake is answered with, '' when it fails
sub cn_of {
    my ($port, $sni, %o) = @_;
    return cn(dial($port, $sni, %o));
}

1;
