# A nameserver on a port of 127.0.0.1 that does what a test says, and tells what
# it was asked.
#
#   my $dns = K8s::DNS->start;
#   $dns->zone('web.test' => '5 A 127.0.0.1 A 127.0.0.2 AAAA ::1',
#              'alias.test' => '0 CNAME web.test', 'bad.test' => 'SERVFAIL',
#              'no.test' => 'SILENT', 'slow.test' => 'LATE 1 A 127.0.0.1');
#   $dns->asked('web.test');    # how often for its A record
#   $dns->stop; $dns->start_again;
#
# zone() replaces all it knows; what is not in it is NXDOMAIN.  The number is
# the TTL.  A name that has a record, but not the one that is asked for, has an
# empty answer.  LATE: half a second later than the others.

package K8s::DNS;

use strict;
use warnings;

use File::Temp qw( tempdir );
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Socket qw( AF_INET6 inet_aton inet_pton );
use Time::HiRes qw( time );

use K8s::Objects;

sub start {
    my ($class) = @_;
    my $self = bless { dir => tempdir(CLEANUP => 1), parent => $$ }, $class;
    $self->zone;
    $self->start_again;
    return $self;
}

sub port { $_[0]{port} }

sub zone {
    my ($self, %zone) = @_;
    K8s::Objects::write_file("$self->{dir}/zone",
                             join '', map { "$_ $zone{$_}\n" } sort keys %zone);
}

sub start_again {
    my ($self) = @_;

    my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'udp',
                                  LocalPort => $self->{port} // 0)
        or die "bind: $!";
    $self->{port} = $s->sockport;

    $self->{pid} = K8s::Objects::child(sub {
        my ($parent) = @_;
        my @late;

        while ($parent->()) {
            while (@late && $late[0][0] <= time) {
                my (undef, $to, $answer) = @{shift @late};
                $s->send($answer, 0, $to);
            }

            next if !IO::Select->new($s)->can_read(0.1);
            my $to = $s->recv(my $query, 4096) // next;
            my ($answer, $late) = $self->answer($query);
            next if !defined $answer;

            if ($late) {
                push @late, [time + 0.5, $to, $answer];
            } else {
                $s->send($answer, 0, $to);
            }
        }
    });

    close $s;
}

sub answer {
    my ($self, $query) = @_;
    my ($id, undef, undef) = unpack 'nnn', $query;
    my ($at, @labels) = (12);

    while (my $n = ord substr $query, $at, 1) {
        push @labels, substr $query, $at + 1, $n;
        $at += $n + 1;
    }

    my $name = join '.', @labels;
    my $type = { 1 => 'A', 28 => 'AAAA' }->{unpack 'n', substr $query, $at + 1};
    my $question = substr $query, 12, $at + 5 - 12;

    open my $log, '>>', "$self->{dir}/log" or die $!;
    syswrite $log, "$name $type\n";

    open my $f, '<', "$self->{dir}/zone" or die $!;
    my ($line) = map { /^\Q$name\E (.*)/ ? $1 : () } <$f>;

    return if ($line // '') eq 'SILENT';

    my $code = !defined $line ? 3 : $line eq 'SERVFAIL' ? 2
               : $line eq 'REFUSED' ? 5 : 0;
    my ($late, $answers, $n) = (0, '', 0);

    if ($code == 0) {
        $late = $line =~ s/^LATE //;
        my ($ttl, @records) = split ' ', $line;

        while (my ($of, $value) = splice @records, 0, 2) {
            next if $of ne 'CNAME' && $of ne $type;
            my $data = $of eq 'A' ? inet_aton($value)
                       : $of eq 'AAAA' ? inet_pton(AF_INET6, $value)
                       : join('', map { chr(length) . $_ } split /\./, $value)
                         . "\0";
            $answers .= pack 'nnnNn', 0xc00c,
                             { A => 1, CNAME => 5, AAAA => 28 }->{$of}, 1,
                             $ttl, length $data;
            $answers .= $data;
            $n++;
        }
    }

    return (pack('nnnnnn', $id, 0x8180 | $code, 1, $n, 0, 0) . $question
            . $answers, $late);
}

# names and types that it was asked for, "web.test A", so far
sub log {
    my ($self) = @_;
    open my $f, '<', "$self->{dir}/log" or return ();
    chomp(my @lines = <$f>);
    return @lines;
}

sub asked {
    my ($self, $name, $type) = @_;
    $type //= 'A';
    return scalar grep { $_ eq "$name $type" } $self->log;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    kill KILL => $pid;
    waitpid $pid, 0;
}

sub DESTROY {
    my ($self) = @_;
    local $?;
    $self->stop if $self->{parent} == $$;
}

1;
