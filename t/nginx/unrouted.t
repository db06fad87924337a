# Answers to requests that are never routed have the headers of all answers, and
# these are there as long as the request, whatever becomes of the keys.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    server => "lingering_time 30s; lingering_timeout 20s;\n"
              . "access_log %%ROOT%%/logs/headers.log headers; k8s_ingress_pass;",
    http => "log_format headers '\$status \$sent_http_content_type "
            . "\$sent_http_x_all';",
    main => 'worker_processes 1;');

sub config_map { my ($name, @data) = @_; $n->config_map("system/$name", @data) }

sub all { (($n->get('a.test', '/'))[2] =~ /^X-All: (\w+)/m)[0] // 'none' }

$n->backend('a', 'location / { return 200 "a\n"; }');
$n->services("default/a:80 a");
$n->ingresses("default/a a.test / a:80");
config_map('own', 'add-headers' => 'system/all');
my $long = 'first' x 40;
config_map('all', 'X-All' => $long, 'Content-Type' => "text/$long");
$n->start;
ok $n->until(sub { all() eq $long }), 'a header of all answers';

# no Host, and bytes that nginx waits to be the last
my $s = K8s::Objects::client($n->{port});
syswrite $s, "GET / HTTP/1.1\r\n\r\nmore";
sysread $s, my $answer, 4096;
like $answer, qr{^HTTP/1\.1 400 .*^X-All: $long\r$}ms, 'a bad request has it';

config_map('all', 'X-All' => 'second', 'Content-Type' => 'text/second');
ok $n->until(sub { all() eq 'second' }), 'another value';
all() for 1 .. 20;

close $s;
ok $n->until(sub { $n->slurp('logs/headers.log') =~ /^400 /m }), 'it ends';
like $n->slurp('logs/headers.log'), qr{^400 text/$long $long$}m,
    'and is logged as it was answered';

is_deeply [$n->alerts], [], 'nothing alarming is logged';
is $n->stop, 0, 'ends well';

done_testing();
