# Each row of the tables of annotations and keys that is served: what it does,
# that it is the row that does it, and what a bad value does.  t/lib/K8s/Rows.pm
# tells how a file of t/rows is written.  ROWS="NAME ..." takes these alone.

use strict;
use warnings;

use lib 't/lib';
use K8s::Rows;
use Test::More;

my $rows = K8s::Rows->new;
my $n = $rows->{nginx};
my $files = $rows->{files};

# t/nginx/auth.t has the first one, as it needs a key that concerns all routes,
# t/nginx/limits.t the next ones, as they need several requests at a time,
# t/nginx/client_certs.t and client_headers.t the next ones, as they need
# Secrets, t/nginx/auth_kept.t the next ones, as they need an auth server that
# keeps connections, and t/nginx/backend_grpc.t and backend_verify.t the last
# ones, as they need other backends
my %elsewhere = map { $_ => 1 } qw( enable-global-auth limit-connections
                                    limit-conn-status-code auth-tls-secret
                                    auth-tls-verify-client auth-tls-match-cn
                                    auth-tls-verify-depth
                                    auth-tls-error-page
                                    auth-tls-pass-certificate-to-upstream
                                    auth-keepalive auth-keepalive-requests
                                    auth-keepalive-timeout
                                    grpc-buffer-size-kb ),
                map { ("proxy-ssl-$_" => 1) } qw( secret ciphers protocols name
                                                  verify verify-depth
                                                  server-name );

# rows and files are held against each other

my %compared = %{$rows->{compared}};
my %served = (%{$rows->{annotation}}, %{$rows->{key}}, %compared);
is_deeply [grep { !$files->{$_} && !$elsewhere{$_} } sort keys %served], [],
    'each row that is served or compared has a file';
is_deeply [grep { !$served{$_} } sort keys %$files], [],
    'each file is of such a row';

my @wanted = grep { $served{$_} } $ENV{ROWS} ? split ' ', $ENV{ROWS}
                                             : sort keys %$files;
my @names = grep { !$compared{$_} && !$rows->absent($_) } @wanted;
my @compared = grep { $compared{$_} } @wanted;

# annotations: some rows wait, so each has a process

sub annotation {
    my ($row) = @_;
    my $f = $files->{$row};

    my ($wrong, $try);
    $n->until(sub {
        !($wrong = $rows->wrong($row, "$row-on.test", ++$try))
    }, 20);
    return "on: $wrong" if $wrong;
    return 'does the same without the row' if !$rows->wrong($row,
                                                            "$row-off.test");
    return '' if !exists $f->{bad};

    my $code = $f->{code} // 'AnnotationInvalid';
    $n->until(sub {
        grep { /^$code .*\[nginx\.ingress\.kubernetes\.io\/\Q$row\E\]/ }
        $rows->problems('Ingress', "$row-bad")
    }) or return "no $code of $row-bad: "
                 . join "\n", $rows->problems('Ingress', "$row-bad");
    return 'a bad value does what a good one does'
        if !$rows->wrong($row, "$row-bad.test");

    if ($f->{closed}) {
        return 'a bad value does not close it'
            if ($n->get("$row-bad.test", '/'))[0]
               != ($f->{closed} == 1 ? 503 : $f->{closed});
    }

    return '';
}

sub key {
    my ($row) = @_;
    my $f = $files->{$row};
    my $host = "$row-off.test";
    my %with = map { $_ => $f->{with}{$_} }
               grep { $rows->{key}{$_} } keys %{$f->{with} // {}};

    # words of the server are in force once a request was read
    my ($wrong, $try);
    my $answer = sub { $n->get($host, '/'); $wrong = $rows->wrong($row, $host, @_) };

    $rows->config(%with, $row => $f->{key} // $f->{value});
    $n->until(sub { $answer->(++$try) eq '' }) or return "on: $wrong";
    $rows->config(%with);
    $n->until(sub { $answer->() ne '' })
        or return 'does the same without the row';
    return '';
}

my (%pid, %verdict);

sub reap {
    my $pid = waitpid -1, 0;
    my $row = delete $pid{$pid} // return;
    $verdict{$row} = $n->slurp("logs/row-$row");
}

$n->wait_for("$names[-1]-off.test", '/', '200') if @names;

for my $row (grep { $rows->{annotation}{$_} } @names) {
    my $pid = K8s::Objects::child(sub {
        my $text = eval { annotation($row) } // $@;
        K8s::Objects::write_file("$n->{root}/logs/row-$row", "done $text");
    });
    $pid{$pid} = $row;
    reap() while keys %pid >= 8;
}

reap() while %pid;

is $verdict{$_}, 'done ', "annotation $_" for sort keys %verdict;

is key($_), '', "key $_" for grep { $rows->{key}{$_} } @names;

# what only nginx.conf can say: a note, unless it says so

sub notes {
    my ($name, @want) = @_;
    my $is = '';
    $n->until(sub {
        my @said = grep { /^KeyNginx / } $rows->problems('ConfigMap', 'own');
        $is = join "\n", sort map { /^KeyNginx data\.(\S+) / } @said;
        $is eq join "\n", @want;
    });
    is $is, join("\n", @want), $name;
}

if (@compared) {
    $rows->config(map { $_ => $files->{$_}{value} } @compared);
    notes('all other values are notes', @compared);

    my $status = $rows->status;
    is_deeply [grep { index($status, "Write \\\"$files->{$_}{nginx};") < 0 }
               @compared], [], 'that quote the directive';

    my @unseen = grep { !defined $files->{$_}{same} } @compared;
    $rows->config(map { $_ => $files->{$_}{same} // $files->{$_}{value} }
                  @compared);
    notes('with what nginx runs there is none', @unseen);
}

# all bad values, as many at once as an object may have problems; those that
# close all paths are the last ones

my @bad = grep { ($rows->{key}{$_} || $compared{$_})
                 && exists $files->{$_}{bad} } @wanted;

sub bad {
    my ($code, $what, @bad) = @_;

    while (my @some = splice @bad, 0, 60) {
        $rows->config(map { $_ => $files->{$_}{bad} } @some);

        my @missed;
        $n->until(sub {
            my @said = $rows->problems('ConfigMap', 'own');
            @missed = grep { my $row = $_;
                             !grep { /^$code data\.\Q$row\E / } @said }
                      @some;
            !@missed
        });
        is_deeply \@missed, [], $what;
    }
}

bad('KeyInvalid', 'each bad value of a key is a problem',
    grep { !$files->{$_}{closed} } @bad);
is(($n->get("$names[0]-off.test", '/'))[0], 200, 'and none does harm')
    if @names;
bad('KeyClosed', 'each bad value of a key that protects',
    grep { $files->{$_}{closed} } @bad);
is(($n->get("$names[0]-off.test", '/'))[0], 503, 'and they close all paths')
    if grep { $files->{$_}{closed} } @bad;

is_deeply [$n->alerts], [], 'nothing alarming is logged';
is $n->stop, 0, 'ends well';

done_testing();
