# ConfigMaps that annotations and keys name: headers of answers, and of requests
# to backends; live, without a reload.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $admin = K8s::Objects::free_port();

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    server => 'k8s_ingress_pass;',
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }",
    main => 'worker_processes 2;');

sub map_ { $n->config_map(@_) }

sub gone { my ($ns, $name) = split m{/}, $_[0]; $n->remove("map-$ns-$name.yaml") }

sub ingress { $n->annotated(@_) }

sub status { (K8s::Objects::http_get($admin, 'x', '/status'))[1] // '' }

sub says {
    my ($re, $name) = @_;
    ok($n->until(sub { status() =~ $re }), $name) or diag status();
}

# both workers answer so
sub soon {
    my ($get, $want, $name) = @_;
    ok($n->until(sub {
        for (1 .. 8) { return 0 if $get->() ne $want }
        return 1;
    }), $name) or diag 'is ', $get->();
}

# the status, and the values of a header
sub header {
    my ($host, $name, $path) = @_;
    my ($status, $body, $head) = $n->get("$host.test", $path // '/');
    return join ' ', $status, $head =~ /^\Q$name\E: (.*?)\r?$/mgi;
}

sub sent { my $b = ($n->get("$_[0].test", "/sent?q"))[1]; chomp $b; $b }

$n->backend('a', <<'EOC');
location / {
    add_header X-Own backend;
    add_header X-Custom backend;
    return 200 "a\n";
}
location /sent {
    return 200 "$http_x_fixed|$http_x_var|$http_x_empty|$http_x_none\n";
}
EOC

$n->services("default/a:80 a");
ingress('plain');
ingress('custom', 'custom-headers: system/answers');
ingress('bare', 'custom-headers: answers');

map_('system/own',
     'add-headers' => 'system/all', 'proxy-set-headers' => 'other/sent',
     'global-allowed-response-headers' => '"X-Custom, X-Other, X.Bad"');
map_('system/all', 'X-All' => 'from $host', 'X-Own' => 'theirs');
map_('other/sent', 'X-Fixed' => 'always', 'X-Empty' => '""',
     'X-Var' => '"${request_method} $arg_none$request_uri"');
map_('system/answers', 'X-Custom' => '"a $host ${x} $1"');
$n->start;

ok $n->wait_for("$_.test", '/', 200), "$_ is served" for qw(plain custom);

is header('plain', 'X-All'), '200 from plain.test', 'add-headers';
is header('plain', 'X-Own'), '200 theirs', 'in place of the backend\'s';
is header('plain', 'X-Custom'), '200 backend', 'no custom-headers';
is header('nobody', 'X-All'), '404 from nobody.test', 'on our own answers';
is header('custom', 'X-Custom'), '200 a $host ${x} $1',
   'custom-headers, without variables';
is header('custom', 'X-All'), '200 from custom.test', 'with the others';
is header('bare', 'X-All'), '503 from bare.test', 'a name without a namespace';

is sent('plain'), 'always|GET /sent?q||', 'proxy-set-headers';
is sent('custom'), 'always|GET /sent?q||', 'of all Ingresses';

# what a client sends is replaced

my ($status, $body) = $n->get("plain.test\r\nX-Fixed: mine\r\nX-Var: mine\r\n"
                              . "X-Empty: mine\r\nX-None: mine", '/sent?q');
is $body, "always|GET /sent?q||mine\n", 'the client\'s are not sent';

# changes

map_('system/answers', 'X-Custom' => 'b', 'X-Other' => 'c');
soon(sub { header('custom', 'X-Other') }, '200 c', 'one more');
is header('custom', 'X-Custom'), '200 b', 'another value';

map_('system/all', 'X-All' => 'now', 'X-Own' => '""');
soon(sub { header('plain', 'X-All') }, '200 now', 'of all answers');
is header('plain', 'X-Own'), '200', 'an empty one takes the header away';
soon(sub { header('custom', 'X-All') }, '200 now', 'and under an annotation');

map_('other/sent', 'X-Fixed' => 'other', 'X-None' => '$arg_q');
soon(sub { sent('plain') }, 'other|||', 'of requests');

# what is wrong

map_('system/answers', 'X-Custom' => 'b', 'X-Third' => 'c');
soon(sub { header('custom', 'X-Custom') }, '503', 'one that is not allowed');
says(qr/ConfigMap system\/answers: \\"X-Third\\" is not in the key/,
     'which is a problem');
is header('plain', 'X-All'), '200 now', 'and no one else\'s';

map_('system/own',
     'add-headers' => 'system/all', 'proxy-set-headers' => 'other/sent',
     'global-allowed-response-headers' => '"X-Custom, X-Third"');
soon(sub { header('custom', 'X-Third') }, '200 c', 'it is allowed');
ok($n->until(sub { status() !~ /X-Third.{2} is not in/ }), 'and no problem any more')
    or diag status();

for (['"a\nX-Evil: 1"', 'newline'], ['"a\0b"', 'NUL'], ["\"gr\xc3\xbcn\"", 'other letters'],
     ['""', 'nothing'])
{
    map_('system/answers', 'X-Custom' => $$_[0]);
    soon(sub { header('custom', 'X-Custom') }, '503', "a value with $$_[1]");
    map_('system/answers', 'X-Custom' => 'good');
    soon(sub { header('custom', 'X-Custom') }, '200 good', 'a good one');
}

map_('system/all', 'X-All' => '"a\r\nX-Evil: 1"', 'X.Dot' => 'dot',
     'Content-Length' => '"1"', 'Transfer-Encoding' => 'chunked',
     'X-Good' => 'good');
soon(sub { header('plain', 'X-Good') }, '200 good', 'those that are good');
is header('plain', 'X-All'), '200', 'and not those that are bad';
is header('plain', 'X-Evil'), '200', 'nor what they hide';
says(qr/ConfigMap system\/all: \\"X-All\\" has a value with control/, 'a value');
says(qr/ConfigMap system\/all: \\"Content-Length\\" is not for others/, 'a name');

map_('other/sent', 'X-Fixed' => '"a\nX-None: evil"', 'X-Var' => '$',
     'Content-Length' => '"7"');
soon(sub { sent('plain') }, '|$||', 'the same of requests');

# what a variable brings cannot end a header

map_('system/all', 'X-All' => '"$arg_a$http_x_a"');
soon(sub { header('plain', 'X-All', '/?a=b') }, '200 b', 'an argument');

# names that nginx knows

map_('system/all', 'Server' => 'ours', 'Content-Type' => 'text/odd');
soon(sub { header('plain', 'Content-Type') }, '200 text/odd', 'a type');
is header('plain', 'Server'), '200 ours', 'a server';

# they come and go

gone('system/answers');
soon(sub { header('custom', 'Server') }, '503 ours', 'without its ConfigMap');
says(qr/ConfigMap system\/answers is not there, so the paths/, 'a problem');
gone('system/all');
soon(sub { header('plain', 'Content-Type') }, '200 text/plain', 'none is added');
says(qr/"data.add-headers"/, 'a problem of the key');
map_('system/answers', 'X-Custom' => 'again');
soon(sub { header('custom', 'X-Custom') }, '200 again', 'it comes back');

# a reload does not take them away for a moment

my $before = $n->logged(qr/: in sync: /);
my ($bad, $all) = (0, 0);
$n->reload;
ok($n->until(sub {
    $all++;
    $bad++ if header('custom', 'X-Custom') ne '200 again';
    $n->logged(qr/: in sync: /) > $before;
}), 'a reload');
is $bad, 0, "of $all requests meanwhile none is without them";
is header('custom', 'X-Custom'), '200 again', 'and after it';

is $n->logged(qr/\[(alert|emerg|crit)\]/), 0, 'nothing grave in the log';

done_testing;
