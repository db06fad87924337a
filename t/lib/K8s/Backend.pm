# A backend with manners of its own, on a port of 127.0.0.1.
#
#   my $b = K8s::Backend->start(sub {
#       my ($b, $c) = @_;
#       while (my $r = $b->request($c)) {
#           $b->note("$r->{method} $r->{uri}");
#           $b->answer($c, 200, "hello\n");
#       }
#   });
#   $b->port; $b->notes; $b->stop;
#
# The function runs in a process for each connection, which it may keep, close
# or leave hanging; notes() are the lines of all of them so far.

package K8s::Backend;

use strict;
use warnings;

use File::Temp qw( tempfile );
use IO::Select;
use IO::Socket::INET;
use Socket qw( SOL_SOCKET SO_LINGER );

sub start {
    my ($class, $handler, %o) = @_;

    my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64,
                                  LocalPort => $o{port} // 0, ReuseAddr => 1,
                                  Proto => 'tcp')
        or die "listen: $!";

    my ($f, $name) = tempfile(UNLINK => 1);
    my $self = bless { port => $l->sockport, file => $name, parent => $$ },
                     $class;

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        $SIG{CHLD} = 'IGNORE';
        $SIG{$_} = 'DEFAULT' for qw( INT QUIT TERM );
        setpgrp;

        while (1) {
            my $c = $l->accept or next;
            my $child = fork // POSIX::_exit(1);

            if ($child == 0) {
                close $l;
                $c->autoflush(1);
                $self->note('connection');
                eval { $handler->($self, $c) };
                close $c;
                POSIX::_exit(0);
            }

            close $c;
        }
    }

    $self->{pid} = $pid;
    return $self;
}

sub port { $_[0]{port} }

# next request of a connection, undef when the client closed it or nothing
# came for so many seconds
sub request {
    my ($self, $c, $seconds) = @_;

    if (defined $seconds) {
        return if !IO::Select->new($c)->can_read($seconds);
    }

    my $line = <$c> // return;
    my %r = (headers => {}, raw => $line);
    ($r{method}, $r{uri}, $r{protocol}) = $line =~ /^(\S+) (\S+) (\S+)\r\n$/
        or return;

    while (defined(my $h = <$c>)) {
        $r{raw} .= $h;
        last if $h eq "\r\n";
        my ($name, $value) = $h =~ /^([^:]+): ?(.*)\r\n$/ or return;
        $r{headers}{lc $name} = $value;
    }

    $r{body} = '';
    my $n = $r{headers}{'content-length'} // 0;
    while ($n > 0) {
        my $got = read($c, $r{body}, $n, length $r{body}) or return;
        $n -= $got;
    }

    return \%r;
}

sub answer {
    my ($self, $c, $status, $body, @headers) = @_;
    print $c join("\r\n", "HTTP/1.1 $status X",
                  'Content-Length: ' . length $body, @headers, '', $body);
}

# closes with a reset
sub reset {
    my ($self, $c) = @_;
    setsockopt $c, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
    close $c;
}

sub note {
    my ($self, $text) = @_;
    open my $f, '>>', $self->{file} or die $!;
    syswrite $f, "$text\n";
}

sub notes {
    my ($self) = @_;
    open my $f, '<', $self->{file} or return ();
    chomp(my @lines = <$f>);
    return @lines;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    kill KILL => -$pid, $pid;
    waitpid $pid, 0;
}

sub DESTROY {
    my ($self) = @_;
    local $?;
    $self->stop if $self->{parent} == $$;
}

1;
