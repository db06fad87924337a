# What a FastCGI server reads and writes, for handlers of K8s::Backend.
#
#   while (my $r = K8s::FastCGI::request($c)) {
#       K8s::FastCGI::answer($c, $r, "Status: 404\r\n\r\nnone\n");
#   }
#
# A request has params, body and keep: whether the connection is to stay.

package K8s::FastCGI;

use strict;
use warnings;

use constant { BEGIN_REQUEST => 1, END_REQUEST => 3, PARAMS => 4, INPUT => 5,
               OUTPUT => 6 };

# the next request, undef when the client has closed or speaks something else
sub request {
    my ($c) = @_;
    my ($params, %r) = ('', body => '');

    while (1) {
        my ($type, $id, $content) = record($c) or return;

        if ($type == BEGIN_REQUEST) {
            @r{qw( id keep )} = ($id, (unpack 'nC', $content)[1] & 1);
        } elsif ($type == PARAMS) {
            $params .= $content;
        } elsif ($type == INPUT) {
            last if $content eq '';
            $r{body} .= $content;
        }
    }

    # as a process does that puts them into its environment
    while ($params ne '') {
        my @len = map {
            ord $params < 128
            ? ord substr $params, 0, 1, ''
            : unpack('N', substr $params, 0, 4, '') & 0x7fffffff } 1, 2;
        my $name = substr $params, 0, $len[0], '';
        $r{twice}{$name} = 1 if exists $r{params}{$name};
        $r{params}{$name} = substr $params, 0, $len[1], '';
    }

    return \%r;
}

sub record {
    my ($c) = @_;
    my $head = bytes($c, 8) // return;
    my ($version, $type, $id, $length, $padding) = unpack 'CCnnC', $head;
    return if $version != 1;
    my $content = bytes($c, $length) // return;
    bytes($c, $padding) // return;
    return ($type, $id, $content);
}

sub bytes {
    my ($c, $n) = @_;
    my $text = '';
    while (length $text < $n) {
        read($c, $text, $n - length $text, length $text) or return;
    }
    return $text;
}

# what of the answer comes, and its end
sub output {
    my ($c, $r, $text) = @_;
    print $c pack('CCnnCC', 1, OUTPUT, $r->{id}, length $_, 0, 0), $_
        for $text =~ /.{1,30000}/sg;
}

sub answer {
    my ($c, $r, $text) = @_;
    output($c, $r, $text);
    print $c pack('CCnnCC', 1, OUTPUT, $r->{id}, 0, 0, 0),
             pack('CCnnCCNCx3', 1, END_REQUEST, $r->{id}, 8, 0, 0, 0, 0);
}

1;
