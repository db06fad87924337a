# Snippets: what they do, in which order, and what is hostile in them.

use strict;
use warnings;

use lib 't/lib';
use IO::Socket::INET;
use K8s::Nginx;
use Socket qw( INADDR_LOOPBACK SOL_SOCKET SO_RCVBUF pack_sockaddr_in );
use Test::More;

my $narrow = K8s::Objects::free_port();
my $n = K8s::Nginx->new(block => "source manifests %%DIR%%;\n zone 8m;\n"
    . " config_map default/keys;\n",
    http => "server { listen 127.0.0.1:$narrow sndbuf=4k; k8s_ingress_pass; }");

$n->backend('a', <<'EOC');
location / {
    add_header X-Own one;
    add_header X-Own two;
    add_header X-Own-Other three;
    return 200 "$uri|$args|$http_x_a|$http_x_b|$http_cookie|$http_host\n";
}
location /missing { return 404 "none\n"; }
EOC
$n->backend('auth', <<'EOC');
location / { add_header X-Said "$http_x_key|$http_x_uri"; return 200; }
EOC

$n->services("default/a:80 a\ndefault/auth:80 auth\ndefault/none:80");
$n->config_map('default/keys', 'allow-snippet-annotations' => '"true"',
               'annotations-risk-level' => 'Critical',
               'allow-backend-server-header' => '"true"');

sub snippet {
    my ($name, $text, @more) = @_;
    $text =~ s/^/      /mg;
    $n->annotated($name, "configuration-snippet: |\n$text", @more);
}

snippet('headers', <<'EOS');
proxy_set_header X-A "$request_method $arg_a";
more_set_headers "X-One: $host" 'X-Two: 2';
more_clear_headers X-Own*;
more_set_headers -s 404 "X-Three: 3";
add_header X-Four 4;
add_header X-Five 5 always;
more_set_input_headers "X-B: $http_x_c" ;
more_clear_input_headers Cookie;
EOS

snippet('if', <<'EOS');
set $kind other;
if ($arg_a = "1") { set $kind one; }
if ($http_user_agent ~* "^(bot)-([a-z]+)") {
    set $kind "$1 and $2";
    add_header X-Bot $kind;
}
if ($arg_a != 2) { more_set_headers "X-Not: two"; }
if ($arg_b !~ ^[0-9]*$) { return 400 "no number"; }
if ($arg_gone) { return 410; }
if ($arg_to) { return 302 https://new.example$request_uri; }
proxy_set_header X-A $kind;
EOS

snippet('rewrite', <<'EOS');
rewrite ^/break/(.*)$ /b/$1?x=1 break;
rewrite ^/last/(.*)$ /l/$1 last;
rewrite ^/plain/(.*)$ /p/$1?;
rewrite ^/p/(.*)$ /q/$1;
rewrite ^/away$ https://away.example/ permanent;
rewrite ^/moved$ /there redirect;
rewrite ^/round$ /round last;
if ($uri = /args) { set $args "n=1"; }
EOS

snippet('args', <<'EOS');
rewrite ^/one/(.*)$ /o?id=$1 break;
rewrite ^/two/(.*)$ /t/$1 break;
rewrite ^/three/(.*)$ /t?id=$1? break;
rewrite ^/four/(.*)$ https://new.example/$1?id=$1 redirect;
EOS
snippet('full', 'return 403 "' . 'x' x 3000 . '";');
snippet('known', <<'EOS');
more_clear_input_headers Cookie Refer*;
more_set_input_headers "User-Agent: mine";
add_header X-Known "$http_cookie|$cookie_a|$http_referer|$http_user_agent";
EOS
snippet('access', "allow 10.0.0.0/8;\ndeny 127.0.0.1;\nallow all;");
snippet('open', "allow 127.0.0.0/8;\ndeny all;");
snippet('text', qq{return 200 "a\\nb \$arg_a";});
snippet('partly', "gzip_static on;\nmore_set_headers 'X-Rest: 1';");
snippet('unknown', "more_set_headers 'X-Rest: \$no_such_variable';");
snippet('guard', "auth_request /x;");
snippet('guards', "if (\$no_such_variable) { return 403; }");
snippet('set', "set \$host x;\nreturn 200 ok;");
snippet('slow', <<'EOS');
if ($arg_a ~ "^(a+)+$") { return 403; }
EOS
snippet('grow', join "\n", 'set $a "$arg_a";',
        (map { 'set $a "$a$a$a$a";' } 1 .. 20), 'add_header X-A $a;');
snippet('inject', <<'EOS');
if ($uri ~ "^/(a[^?]*)$") { return 302 /x/$1; }
EOS
snippet('split', <<'EOS');
if ($uri ~ "^/(a[^?]*)$") { set $all $1; }
add_header X-All "$all";
proxy_set_header X-A "$all";
EOS
snippet('host', "proxy_set_header Host other.example;");
snippet('filter', "sub_filter_types *;\nsub_filter filter.test '<\$host>';");
snippet('accel', "proxy_ignore_headers Set-Cookie;\nexpires 1h;\n"
        . "proxy_hide_header X-Own;\nproxy_read_timeout 5s;\n"
        . "proxy_hide_header X-Own-Other;", 'proxy-read-timeout: "7"');
snippet('pages', join("\n", map { "if (\$arg_a = $_) { add_header X-Page $_ always; }" }
                                1 .. 20),
        'custom-http-errors: "404"');
snippet('anew', "if (\$uri = /) { rewrite ^ /away last; }\n"
        . join("\n", map { "if (\$arg_a) { add_header X-A $_; }" } 1 .. 20),
        'use-regex: "true"');
$n->manifest('anew2.yaml', K8s::Objects::ingresses("default/anew2 anew.test /away none:80"));
snippet('auth', "proxy_set_header X-A \$arg_a;",
        'auth-url: http://127.0.0.1:%%PORT_auth%%/check',
        'auth-response-headers: X-Said',
        "auth-snippet: |\n      proxy_set_header X-Key \"k \$arg_a\";\n"
        . "      proxy_set_header X-Uri \$request_uri;");
snippet('target', "proxy_set_header X-A \$1;", 'use-regex: "true"',
        'rewrite-target: /t/$1');

(my $object = K8s::Objects::ingresses("default/none none.test / none:80"))
    =~ s{^(  annotations:\n)}{$1    nginx.ingress.kubernetes.io/configuration-snippet: "if (\$arg_a) { return 302 /x; }"\n}m;
$n->manifest('none.yaml', $object);
$n->annotated('plain');
$n->start;

ok $n->wait_for("$_.test", '/', 200), "$_ is served"
    for qw(plain headers if rewrite text partly open accel auth);
ok $n->wait_for('access.test', '/', 403), 'an address that is denied';
ok $n->wait_for('guard.test', '/', 503), 'what may protect closes its paths';
ok $n->wait_for('guards.test', '/', 503), 'and what nginx has no variable for';
ok $n->wait_for('unknown.test', '/', 200), 'what does not protect does not';
ok $n->wait_for('set.test', '/', 200), 'a variable of nginx is not set';
ok $n->wait_for('none.test', '/', 503), 'a Service without endpoints';

my ($status, $body, $head);

sub ask {
    my ($host, $path, @lines) = @_;
    ($status, $body, $head) = $n->get("$host.test", $path, @lines);
    return $status;
}

ask('headers', '/x?a=1', 'Cookie: c=d', 'X-C: see', 'X-B: mine');
is $body, "/x|a=1|GET 1|see||headers.test\n", 'headers of a request';
like $head, qr/^X-One: headers\.test\r?$/m, 'a variable';
like $head, qr/^X-Two: 2\r?$/m, 'two in one statement';
like $head, qr/^X-Four: 4\r?$/m, 'add_header';
like $head, qr/^X-Five: 5\r?$/m, 'always';
unlike $head, qr/^X-Own/m, 'headers that begin so are gone';
unlike $head, qr/^X-Three/m, 'only of a status';
is ask('headers', '/missing'), 404, 'an error';
like $head, qr/^X-Three: 3\r?$/m, 'of the status';
like $head, qr/^X-Five: 5\r?$/m, 'always is always';
unlike $head, qr/^X-Four/m, 'without always';

ask('if', '/?a=1');
like $body, qr/\|one\|/, 'equal';
like $head, qr/^X-Not: two\r?$/m, 'not equal';
unlike $head, qr/^X-Bot/m, 'a header of an if that is false';
ask('if', '/?a=2', 'User-Agent: Bot-xy');
like $body, qr/\|Bot and xy\|/, 'captures';
like $head, qr/^X-Bot: Bot and xy\r?$/m, 'a header of an if that is true';
unlike $head, qr/^X-Not/m, 'and of another one';
is ask('if', '/?b=x'), 400, 'does not match';
is $body, 'no number', 'with its text';
is ask('if', '/?gone=0'), 200, '0 is false';
is ask('if', '/?gone=1'), 410, '1 is true';
is ask('if', '/?to=1'), 302, 'a redirect';
like $head, qr{^Location: https://new\.example/\?to=1\r?$}m, 'to a URL';

ask('rewrite', '/break/x?y=2');
like $body, qr{^/b/x\|x=1&y=2\|}, 'break';
ask('rewrite', '/last/x?y=2');
like $body, qr{^/l/x\|y=2\|}, 'last';
ask('rewrite', '/plain/x?y=2');
like $body, qr{^/q/x\|\|}, 'without a flag';
is ask('rewrite', '/away?y=2'), 301, 'permanent';
like $head, qr{^Location: https://away\.example/\?y=2\r?$}m, 'with arguments';
is ask('rewrite', '/moved'), 302, 'redirect';
like $head, qr{^Location: http://rewrite\.test(:\d+)?/there\r?$}m, 'to a path';
is ask('rewrite', '/round'), 500, 'what goes round has an end';
ask('rewrite', '/args?a=b');
like $body, qr{^/args\|n=1\|}, 'arguments can be set';

for (['/one/1%26admin=1', '/o|id=1%26admin=1'], ['/one/a%20b', '/o|id=a%20b'],
     ['/two/x%3Fadmin=1', '/t/x?admin=1|'], ['/two/x?y=1', '/t/x|y=1'],
     ['/three/1%26a?y=1', '/t|id=1%26a'])
{
    ask('args', $_->[0]);
    like $body, qr/^\Q$_->[1]\E\|/, "$_->[0]: what a capture has stays in it";
}
is ask('args', '/four/a%20b?y=1'), 302, 'a redirect with arguments';
like $head, qr{^Location: https://new\.example/a%20b\?id=a%20b&y=1\r?$}m,
    'and those of the request';

ask('known', '/', 'Cookie: a=b', 'Cookie: c=d', 'Referer: x', 'User-Agent: y');
like $head, qr/^X-Known: \|\|\|mine\r?$/m, 'variables of what is cleared and set';

# an answer that cannot be written yet: nginx reads no more requests then

my $full = IO::Socket::INET->new(Proto => 'tcp') or die "socket: $!";
setsockopt $full, SOL_SOCKET, SO_RCVBUF, 4096;
connect $full, pack_sockaddr_in($narrow, INADDR_LOOPBACK) or die "$!";
$full->blocking(0);

my $post = "POST / HTTP/1.1\r\nHost: full.test\r\nContent-Length: 0\r\n\r\n";
syswrite $full, $post x 200;

my $left = '';
my @answers;

while (@answers < 200) {
    my $bits = '';
    vec($bits, fileno $full, 1) = 1;
    last unless select $bits, undef, undef, 10;
    sysread $full, $left, 65536, length $left or last;
    push @answers, $1 while $left =~ s{^.*?HTTP/1\.1 (\d+) }{}s;
}

is_deeply \@answers, [(403) x 200], 'what waits for the client is refused, too';

ask('text', '/?a=1');
is $body, "a\nb 1", 'a text';
like $head, qr{^Content-Type: text/html\r?$}m, 'its type';
ask('partly', '/');
like $head, qr/^X-Rest: 1\r?$/m, 'what is read holds';
is ask('open', '/'), 200, 'an address that is allowed';

is ask('slow', '/?a=' . 'a' x 40 . 'b'), 500, 'an expression that explodes';
is ask('grow', '/?a=aaaaaaaaaa'), 500, 'a text that explodes';
is ask('inject', '/a%0d%0aX-Evil:%201'), 302, 'a line feed in a capture';
unlike $head, qr/^X-Evil/m, 'ends no header';
is ask('split', '/a%0d%0aX-Evil:%201'), 200, 'and in a variable';
unlike $head, qr/^X-Evil/m, 'of an answer';
like $body, qr/\|a%0D%0AX-Evil/, 'of a request';
ask('host', '/');
like $body, qr/\|other\.example$/m, 'one Host';
ask('accel', '/');
like $head, qr/^Cache-Control: max-age=3600\r?$/m, 'a directive of nginx';
unlike $head, qr/^X-Own/m, 'one that is there twice, beside an annotation';
is ask('pages', '/missing?a=3'), 404, 'a page of an error';
is ask('anew', '/?a=1'), 503, 'a path of another Ingress';
unlike $head, qr/^X-A:/m, 'without the headers of the first one';

ask('filter', '/');
like $body, `$ENV{TEST_NGINX_BINARY} -V 2>&1` =~ /http_sub_module/
            ? qr/\|<filter\.test>$/ : qr/\|filter\.test$/,
     'a filter, where nginx has it';

is ask('auth', '/?a=7'), 200, 'with an auth server';
like $body, qr/\|7\|/, 'the request';
ask('target', '/z');
like $body, qr{^/t/}, 'beside rewrite-target';

is ask('none', '/?a=1'), 302, 'an answer needs no endpoints';
is ask('none', '/'), 503, 'else there is none';

my $log = $n->log;
like $log, qr/guard.*line 1: "auth_request" is not read/, 'the line and the directive';
like $log, qr/partly.*"gzip_static" is not read in snippets/, 'of what is left out';
like $log, qr/unknown.*there is no variable "no_such_variable"/, 'a variable';
like $log, qr/set.*"\$host" cannot be set/, 'another one';
is $n->alerts, 0, 'no alerts';

# keys

$n->config_map('default/keys', 'allow-snippet-annotations' => '"true"',
               'annotations-risk-level' => 'Critical',
               'location-snippet' => q{"more_set_headers \"X-All: $host\"; proxy_set_header X-B \"all $arg_a\"; if ($arg_a) { add_header X-If 1 always; }"});
ok $n->until(sub { ask('plain', '/?a=1'); $head =~ /^X-All: plain\.test\r?$/m }),
   'of all paths';
like $body, qr/\|all 1\|/, 'headers of requests';
ask('headers', '/?a=1', 'X-C: see');
like $body, qr/\|GET 1\|.*all 1|\|GET 1\|/, 'beside those of an Ingress';
like $head, qr/^X-All: headers\.test\r?$/m, 'and of answers';
is ask('pages', '/missing?a=3'), 404, 'a page of an error';
like $head, qr/^X-If: 1\r?$/m, 'with headers of an if';
is ask('nobody', '/'), 404, 'a host that nobody has';
like $head, qr/^X-All: nobody\.test\r?$/m, 'has them, too';

done_testing;
