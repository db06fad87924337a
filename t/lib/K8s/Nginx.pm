# One nginx with the module, for tests that reload, kill and look at logs.
#
#   my $n = K8s::Nginx->new(block => 'source manifests %%DIR%%;');
#   $n->services("default/web:80 a b");
#   $n->ingresses("default/web a.example / web:80");
#   $n->start;
#   $n->wait_for('a.example', '/', 200);
#   my ($status, $body, $head) = $n->get('a.example', '/');
#   $n->stop;               # at the end of the test as well
#
# new() takes main, events, http, server, block and name; %%DIR%% is the folder
# of manifests, %%PORT%% the port of the server with k8s_ingress_pass,
# %%PORT_x%% that of a backend, which answers "x\n" unless backend() was
# called.  TEST_NGINX_BINARY and TEST_NGINX_LOAD_MODULES are heard.

package K8s::Nginx;

use strict;
use warnings;

use File::Basename qw( dirname );
use File::Path qw( make_path );
use File::Temp qw( tempdir );
use POSIX qw( :sys_wait_h );
use Time::HiRes qw( time );

use lib dirname(dirname(__FILE__));
use K8s::Objects;

sub new {
    my ($class, %self) = @_;
    my $self = bless { %self, ports => {}, backends => {} }, $class;

    $self->{root} = tempdir(CLEANUP => 1);
    chmod 0755, $self->{root};
    $self->{dir} = "$self->{root}/manifests";
    make_path($self->{dir}, "$self->{root}/logs", "$self->{root}/conf");
    $self->{port} = K8s::Objects::free_port();
    $self->{bin} = $ENV{TEST_NGINX_BINARY} || 'nginx';

    return $self;
}

sub port_of {
    my ($self, $name) = @_;
    $self->{ports}{$name} //= K8s::Objects::free_port();
}

sub backend {
    my ($self, $name, $conf) = @_;
    $self->port_of($name);
    $self->{backends}{$name} = $conf;
}

sub expand {
    my ($self, $text) = @_;
    $text =~ s/%%PORT_(\w+)%%/$self->port_of($1)/ge;
    $text =~ s/%%PORT%%/$self->{port}/g;
    $text =~ s/%%DIR%%/$self->{dir}/g;
    $text =~ s/%%ROOT%%/$self->{root}/g;
    return $text;
}

# manifests: files of the folder
sub manifest {
    my ($self, $name, $text) = @_;
    K8s::Objects::write_file("$self->{dir}/$name", $self->expand($text));
}

sub remove {
    my ($self, $name) = @_;
    unlink "$self->{dir}/$name" or die "$name: $!";
}

sub services {
    my ($self, $text, $name) = @_;
    $self->manifest($name // 'services.yaml',
        K8s::Objects::services($text, sub { $self->port_of($_[0]) }));
}

sub ingresses {
    my ($self, $text, $name) = @_;
    $self->manifest($name // 'ingresses.yaml',
                    K8s::Objects::ingresses($text));
}

# the Ingress default/NAME of the host NAME.test, all of which goes to a:80
sub annotated {
    my ($self, $name, @annotations) = @_;
    my $lines = join '', map { "    nginx.ingress.kubernetes.io/$_\n" }
                         @annotations;
    my $object = K8s::Objects::ingresses("default/$name $name.test / a:80");
    $object =~ s/^(  annotations:\n)/$1$lines/m or die "no place in $object";
    $self->manifest("$name.yaml", $object);
}

# a ConfigMap, whose values are YAML
sub config_map {
    my ($self, $full, %data) = @_;
    my ($namespace, $name) = split m{/}, $full;
    my $lines = join '', map { "\n  $_: $data{$_}" } sort keys %data;
    $self->manifest("map-$namespace-$name.yaml",
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: $name, "
                    . "namespace: $namespace}\ndata:" . ($lines || ' {}')
                    . "\n");
}

sub write_conf {
    my ($self) = @_;
    my $modules = join ' ', map { "load_module $_;" }
                  split ' ', $ENV{TEST_NGINX_LOAD_MODULES} // '';
    my $main = $self->{main} // 'worker_processes 2;';
    my $events = $self->{events} // 'worker_connections 1024;';
    my $http = $self->{http} // '';
    my $server = $self->{server} // 'k8s_ingress_pass;';
    my $level = $self->{level} // 'info';
    my $name = $self->{name} // '';
    my $block = $self->{block} // "source manifests %%DIR%%;\n zone 8m;";
    $block = "k8s_ingress $name { $block }" if $block ne '';

    my $conf = $self->expand(<<EOC);
$modules
daemon off;
pid $self->{root}/nginx.pid;
error_log $self->{root}/logs/error.log $level;
$main
events { $events }
http {
    access_log $self->{root}/logs/access.log;
    client_body_temp_path $self->{root}/body;
    proxy_temp_path $self->{root}/proxy;
    fastcgi_temp_path $self->{root}/fastcgi;
    uwsgi_temp_path $self->{root}/uwsgi;
    scgi_temp_path $self->{root}/scgi;
    default_type text/plain;
    $block
    $http
    server { listen 127.0.0.1:%%PORT%%; $server }
EOC

    for my $b (sort keys %{$self->{ports}}) {
        my $body = $self->{backends}{$b}
                   // "location / { return 200 '$b\n'; }";
        $conf .= $self->expand("    server { listen 127.0.0.1:%%PORT_$b%%; "
                               . "access_log off; $body }\n");
    }

    K8s::Objects::write_file("$self->{root}/conf/nginx.conf", "$conf}\n");
}

# (exit status, messages) of nginx -t
sub check {
    my ($self) = @_;
    $self->write_conf;
    my $out = `$self->{bin} -e stderr -p $self->{root} -c conf/nginx.conf -t 2>&1`;
    return ($? >> 8, $out);
}

sub start {
    my ($self) = @_;
    $self->write_conf;

    $self->{pid} = fork // die "fork: $!";

    if ($self->{pid} == 0) {
        open STDERR, '>>', "$self->{root}/logs/stderr.log";
        exec $self->{bin}, '-p', $self->{root}, '-c', 'conf/nginx.conf'
            or POSIX::_exit(1);
    }

    $self->{parent} = $$;

    return $self->until(sub {
        waitpid($self->{pid}, WNOHANG) == $self->{pid}
            and die "nginx did not start: " . $self->log . $self->stderr;
        -s "$self->{root}/nginx.pid"
            && (K8s::Objects::http_get($self->{port}, 'x', '/'))[0] ne ''
    });
}

# calls it until it is true, for at most so many seconds, 60 without; its value
sub until {
    my ($self, $sub, $seconds) = @_;
    my $end = time() + ($seconds // 60);

    while (time() < $end) {
        my $value = $sub->();
        return $value if $value;
        select undef, undef, undef, 0.01;
    }

    return;
}

# lines: more of the request's head
sub get {
    my ($self, $host, $path, @lines) = @_;
    return K8s::Objects::http_get($self->{port}, $host, $path, @lines);
}

# the status of a POST of so many bytes; none: there was no answer
sub post {
    my ($self, $host, $bytes) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $self->{port}, Timeout => 5)
        or die "connect: $!";
    local $SIG{PIPE} = 'IGNORE';
    print $s "POST / HTTP/1.1\r\nHost: $host\r\nConnection: close\r\n"
             . "Content-Length: $bytes\r\n\r\n", 'x' x $bytes;
    my $line = <$s> // '';
    return $line =~ m{^HTTP/1\.1 (\d+)} ? $1 : 'none';
}

# waits until a request is answered so; true when it is
sub wait_for {
    my ($self, $host, $path, $status, $body, $seconds) = @_;

    return $self->until(sub {
        my ($s, $b) = $self->get($host, $path);
        $s eq $status && (!defined $body || $b =~ /$body/)
    }, $seconds);
}

# pids of the workers that take requests, not of those shutting down; the
# first is the one with the lowest number, which has the watcher
sub workers {
    my ($self) = @_;
    my @pids;

    for my $pid (split ' ', $self->children) {
        open my $f, '<', "/proc/$pid/cmdline" or next;
        my $cmd = <$f> // '';
        push @pids, $pid if $cmd =~ /worker process/
                            && $cmd !~ /shutting down/;
    }

    return sort { $a <=> $b } @pids;
}

sub children {
    my ($self) = @_;
    open my $f, '<', "/proc/$self->{pid}/task/$self->{pid}/children"
        or return '';
    return <$f> // '';
}

# pid of the worker that last said "watcher started"
sub watcher {
    my ($self) = @_;
    my @pids = $self->log =~ /(\d+)#\d+: \S+: watcher started/g;
    return $pids[-1];
}

# how often the log has it
sub logged {
    my ($self, $re) = @_;
    my @found = $self->log =~ /$re/g;
    return scalar @found;
}

# HUP, and waits until no old worker is left to take requests
sub reload {
    my ($self) = @_;
    my %old = map { $_ => 1 } $self->workers;
    $self->write_conf;
    kill HUP => $self->{pid};

    return $self->until(sub {
        my @new = $self->workers;
        @new && !grep { $old{$_} } @new
    });
}

sub stop {
    my ($self, $signal) = @_;
    my $pid = delete $self->{pid} or return 0;
    kill $signal // 'QUIT', $pid;
    my $end = time() + 10;

    while (time() < $end) {
        return $? >> 8 if waitpid($pid, WNOHANG) == $pid;
        select undef, undef, undef, 0.01;
    }

    kill KILL => split(' ', `cat /proc/$pid/task/$pid/children`), $pid;
    waitpid $pid, 0;
    return -1;
}

sub log { $_[0]->slurp('logs/error.log') }
sub stderr { $_[0]->slurp('logs/stderr.log') }

sub slurp {
    my ($self, $name) = @_;
    open my $f, '<', "$self->{root}/$name" or return '';
    local $/;
    return <$f> // '';
}

# lines of the log that no test may cause
sub alerts {
    my ($self) = @_;
    return grep { /\[(alert|emerg|crit)\]/ } split /\n/, $self->log;
}

sub DESTROY {
    my ($self) = @_;
    $self->stop('TERM') if ($self->{parent} // 0) == $$;
}

1;
