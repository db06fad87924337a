# The test of each row that is served fails when the row's effect is taken away:
# its value, or the field or the directive that it feeds.  With nginx's
# --with-debug alone, by the directive test_row_off; each time another nginx,
# with the objects of this row.  ROWS="NAME ..." takes these alone.

use strict;
use warnings;

use lib 't/lib';
use File::Path qw( rmtree );
use File::Temp qw( tempdir );
use K8s::Nginx;
use K8s::Rows;
use Test::More;

my $files = K8s::Rows::files();
my %annotation = %{K8s::Rows::served('annotations')};
my %key = %{K8s::Rows::served('configmap')};

# what is the same without a part: the record of a Service has what annotations
# say of it, and TLS is set from the values themselves; the fields are for what
# else may be said, and for defaults
my %same = map { $_ => 1 }
           'load-balance annotation field', 'upstream-hash-by annotation field',
           'ssl-ciphers annotation field', 'ssl-ciphers key field',
           'ssl-prefer-server-ciphers annotation field',
           map { "ssl-$_ key field" }
           qw( buffer-size protocols session-cache session-tickets
               session-timeout );

# NAME PART: an nginx with that in its block, or without
sub rows {
    my ($row, $way, $off) = @_;
    my $f = $files->{$row};
    my %config = %{$f->{keys} // {}};

    if ($way eq 'key') {
        %config = ((map { $_ => $f->{with}{$_} }
                    grep { $key{$_} } keys %{$f->{with} // {}}),
                   $row => $f->{key} // $f->{value});
    }

    return K8s::Rows->new(rows => [$row], config => \%config,
                          block => $off ? "test_row_off $off;" : '');
}

# what is wrong with the row's requests: with patience until nothing is, else in
# any of three times
sub wrong {
    my ($rows, $row, $way, $patience) = @_;
    my $host = $way eq 'key' ? "$row-off.test" : "$row-on.test";
    my $n = $rows->{nginx};
    my $wrong;

    $n->until(sub { ($rows->status // '') =~ /"ready":true/ }, 20)
        or return 'not ready';

    my $ask = sub {
        my ($try) = @_;
        # words of the server are in force once a request was read
        $n->get($host, '/') if $way eq 'key' && $try > 1;
        return $wrong = $rows->wrong($row, $host, $patience ? $try : 1);
    };

    if ($patience) {
        my $try;
        return $n->until(sub { $ask->(++$try) eq '' }, 30) ? '' : $wrong;
    }

    for my $try (1 .. 3) {
        $ask->($try) eq '' or return $wrong;
    }

    return $wrong;
}

sub verdict {
    my ($row, $way, @parts) = @_;
    my ($text, $rows) = ('');

    for my $part ('', @parts) {
        $rows = rows($row, $way, $part ? "$row $part" : '');
        my $wrong = wrong($rows, $row, $way, !$part);
        $rows->{nginx}->stop;
        rmtree($rows->{nginx}{root});

        $text .= "with all of it: $wrong\n" if !$part && $wrong;
        $text .= "the same without its $part\n"
            if $part && !$wrong;
    }

    return $text;
}

# the parts that rows have

my $conf = K8s::Nginx->new(block => 'source manifests %%DIR%%; %%OFF%%');
my $template = $conf->{block};

sub has {
    my ($row, $part) = @_;
    $conf->{block} = $template =~ s/%%OFF%%/test_row_off $row $part;/r;
    return ($conf->check)[0] == 0;
}

if (!has('proxy-body-size', 'value')) {
    plan skip_all => 'nginx is built without --with-debug';
}

my @names = grep { $annotation{$_} || $key{$_} }
            $ENV{ROWS} ? split ' ', $ENV{ROWS} : sort keys %$files;
my @work;

for my $row (grep { !$files->{$_}{refused} && !$files->{$_}{module} } @names) {
    my @parts = grep { has($row, $_) } qw( value field token );

    for my $way (qw( annotation key )) {
        next if $way eq 'key' ? !$key{$row} : !$annotation{$row};
        push @work, [$row, $way, grep { !$same{"$row $way $_"} } @parts];
    }
}

my (%pid, %verdict);

sub reap {
    my $pid = waitpid -1, 0;
    my $name = delete $pid{$pid} // return;
    $verdict{$name} = $conf->slurp("logs/$name");
}

for my $w (@work) {
    my ($row, $way, @parts) = @$w;
    my $pid = K8s::Objects::child(sub {
        # names of its own, also of what a killed one leaves
        srand;
        my $dir = $ENV{TMPDIR} = tempdir(DIR => $conf->{root});
        chmod 0755, $dir;
        my $text = eval { verdict($row, $way, @parts) } // $@;
        K8s::Objects::write_file("$conf->{root}/logs/$row-$way", "done $text");
        rmtree($dir);
    });
    $pid{$pid} = "$row-$way";
    reap() while keys %pid >= 6;
}

reap() while %pid;

is $verdict{$_}, 'done ', $_ for sort keys %verdict;

done_testing();
