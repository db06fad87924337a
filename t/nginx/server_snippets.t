# Server-snippets: what a server does before a path is chosen, its locations
# among the paths of Ingresses, what paths have of it, and whose it is.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new(block => "source manifests %%DIR%%;\n zone 8m;\n"
                               . " config_map default/keys;\n");

for my $name (qw(a b)) {
    $n->backend($name, <<"EOC");
location / {
    add_header X-Own one;
    return 200 "$name|\$uri|\$args|\$http_x_a\n";
}
location /missing { return 404 "none\n"; }
location /gone { return 410 "gone\n"; }
location /broken { return 500 "broken\n"; }
EOC
}

$n->services("default/a:80 a\nother/b:80 b\ndefault/none:80");
my %keys = ('allow-snippet-annotations' => '"true"',
            'annotations-risk-level' => 'Critical');
$n->config_map('default/keys', %keys);

# "namespace/name host path backend type", its snippets and what else it says
sub ingress {
    my ($line, $server, $location, @more) = @_;
    my $text = '';

    for (['server', $server], ['configuration', $location]) {
        my ($what, $lines) = @$_;
        next unless defined $lines;
        $lines =~ s/^/      /mg;
        $text .= "    nginx.ingress.kubernetes.io/$what-snippet: |\n$lines\n";
    }

    $text .= "    nginx.ingress.kubernetes.io/$_\n" for @more;
    my ($name) = $line =~ m{/(\S+)};
    my $object = K8s::Objects::ingresses($line);
    $object =~ s/^(  annotations:\n)/$1$text/m or die "no place in $object";
    $n->manifest("$name.yaml", $object);
}

# before a path is chosen

ingress('default/early early.test /app a:80', <<'EOS', <<'EOL');
set $tenant $arg_t;
if ($tenant = "") { set $tenant nobody; }
if ($http_x_block) { return 403; }
if ($arg_to) { return 302 https://new.example$request_uri; }
if ($request_uri ~ ^/(.+)/$) { return 301 /$1; }
rewrite ^/old/(.*)$ /app/$1;
rewrite ^/app/last$ /app/one last;
rewrite ^/app/one$ /app/two;
rewrite ^/index\.html$ / permanent;
EOS
more_set_headers "X-Tenant: $tenant";
EOL

# locations among paths

ingress('default/places places.test /app a:80', <<'EOS');
location = /exact { return 200 "exact $uri"; }
location /pre { return 200 "prefix"; }
location /pre/longer { return 200 "longer"; }
location ^~ /first { return 200 "first"; }
location ~ \.txt$ { return 200 "text"; }
location ~* ^/re/([a-z]+)$ { return 200 "is $1"; }
location /app/in { return 200 "in"; }
location /app { return 200 "never"; }
location = /app { return 200 "never"; }
location /deny { deny all; return 200 "answered"; }
location /list { deny 127.0.0.1; allow all; }
location /files { expires 1h; }
location /type { default_type application/json; return 200 "{}"; }
location /head { add_header X-In in always; more_set_headers "X-More: in"; return 204; }
location /away { rewrite ^/away/(.*)$ /app/$1 last; }
location /inside { internal; return 200 "inside"; }
location /to-inside { rewrite ^ /inside last; }
location /if { if ($arg_a = b) { return 200 "if"; } set $x 1; return 200 "x $x"; }
EOS
ingress('default/places2 places.test /app/in/deep a:80');
ingress('default/places3 places.test /other.txt a:80 Exact');

ingress('default/regex regex.test /api/v[0-9]+ a:80 ImplementationSpecific',
        <<'EOS', undef, 'use-regex: "true"');
location ~ ^/api/v1 { return 200 "snippet"; }
location /api/v2 { return 200 "never"; }
location ^~ /api/v3 { return 200 "first"; }
location /api { return 200 "prefix"; }
EOS

# what paths have of it

ingress('default/level level.test / a:80', <<'EOS');
add_header X-Server server;
more_set_headers "X-More: server" "X-Both: server";
more_set_input_headers "X-A: server";
proxy_hide_header X-Own;
proxy_read_timeout 1s;
deny 127.0.0.1;
EOS
ingress('default/level2 level.test /own a:80', undef, <<'EOS');
add_header X-Location location;
more_set_headers "X-Both: location";
allow all;
EOS
ingress('default/level3 level.test /list a:80', undef, undef,
        'whitelist-source-range: "127.0.0.0/8"');

# whose it is: the oldest one's

$n->manifest('two.yaml', join '', map {
    my ($ns, $name, $backend, $path, $year, $text) = @$_;
    <<"EOS";
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: $name
  namespace: $ns
  creationTimestamp: "20$year-01-01T00:00:00Z"
  annotations:
    kubernetes.io/ingress.class: nginx
    nginx.ingress.kubernetes.io/server-snippet: "$text"
spec:
  rules:
  - host: two.test
    http:
      paths:
      - {path: $path, pathType: Prefix, backend: {service: {name: $backend, port: {number: 80}}}}
EOS
} ['other', 'younger', 'b', '/b', 25, 'more_set_headers \"X-Of: younger\"; return 418;'],
  ['default', 'older', 'a', '/a', 24, 'more_set_headers \"X-Of: older\";']);

# pages of errors

ingress('default/pages pages.test / a:80', <<'EOS', <<'EOL');
error_page 403 @denied;
rewrite ^/round/(.*)$ /guarded/$1;
rewrite ^/ended/(.*)$ /guarded/$1 break;
if ($uri ~ ^/kept) { return 403; }
if ($uri ~ ^/said) { return 200 "said"; }
location /around { rewrite ^ /guarded/x last; }
location @maint { internal; default_type text/plain; return 503 "maintained"; }
location @denied { return 403 '{"denied":true}'; }
location = /custom { internal; return 404 "custom"; }
location /denied { deny all; }
location @loop { return 500; }
location /loop { error_page 500 @loop; return 500; }
EOS
proxy_intercept_errors on;
error_page 404 /custom;
error_page 500 @maint;
error_page 410 =200 /fine?from=$uri;
error_page 405 https://errors.example/405;
error_page 402 @nowhere;
if ($arg_s = 405) { return 405; }
if ($arg_s = 402) { return 402; }
EOL
ingress('default/fine pages.test /fine a:80');
ingress('default/guard pages.test /guarded a:80', undef,
        "deny all;\nerror_page 403 =200 /guarded/again;");
ingress('default/lead pages.test /missing/lead a:80', undef, <<'EOL');
proxy_intercept_errors on;
error_page 404 /kept/x;
if ($arg_said) { return 410; }
error_page 410 =200 /said/x;
EOL
ingress('default/once once.test / a:80', undef, <<'EOL',
rewrite ^/from/(.*)$ /to/$1 last;
proxy_intercept_errors on;
error_page 404 =200 /fine;
EOL
        'limit-connections: "1"');
ingress('default/none pages.test /none none:80', undef,
        'error_page 503 @maint;');

# what cannot be had of it closes the host, where it protects

ingress('default/closed closed.test / a:80', "auth_request /x;");
ingress('other/closed2 closed.test /b b:80');
ingress('default/unknown unknown.test / a:80',
        'if ($no_such_variable) { return 403; }');
ingress('default/partly partly.test / a:80',
        "gzip_static on;\nmore_set_headers 'X-Rest: 1';");
ingress('default/auth auth.test / a:80',
        "location = /robots.txt { return 200 robots; }\n"
        . "location / { return 200 never; }", undef,
        'auth-type: basic', 'auth-secret: nobody');

$n->start;
$n->wait_for("$_->[0].test", $_->[1], 200) or fail "$_->[0] is served"
    for ['early', '/app'], ['places', '/app'], ['regex', '/api/v9'],
        ['two', '/a'], ['pages', '/'], ['partly', '/'], ['once', '/'];

my ($status, $body, $head);

sub ask {
    my ($host, $path, @lines) = @_;
    ($status, $body, $head) = $n->get("$host.test", $path, @lines);
    return $status;
}

sub says {
    my ($host, $path, $want, $name) = @_;
    ask($host, $path);
    is $body, $want, $name // "$host$path";
}

is ask('early', '/app', 'X-Block: 1'), 403, 'return before a path is chosen';
is ask('early', '/no/path', 'X-Block: 1'), 403, 'where there is no path, too';
is ask('early', '/app?to=1'), 302, 'a redirect';
like $head, qr{^Location: https://new\.example/app\?to=1\r?$}m, 'to a URL';
is ask('early', '/a/b/'), 301, 'the slash at the end';
like $head, qr{^Location: http://early\.test(:\d+)?/a/b\r?$}m, 'goes';
is ask('early', '/index.html?x=1'), 301, 'rewrite that redirects';
like $head, qr{/\?x=1\r?$}m, 'with arguments';
says('early', '/old/x?y=1', "a|/app/x|y=1|\n", 'a URI that no path has');
says('early', '/app/last', "a|/app/one||\n", 'last ends it');
says('early', '/app/one', "a|/app/two||\n", 'and not otherwise');
ask('early', '/app/two?t=9');
like $head, qr/^X-Tenant: 9\r?$/m, 'a variable, for the path';
ask('early', '/app/two');
like $head, qr/^X-Tenant: nobody\r?$/m, 'of an if';

says('places', '/exact', 'exact /exact');
is ask('places', '/exact/x'), 404, 'exact is exact';
says('places', '/prefix', 'prefix', 'a prefix is one of bytes');
says('places', '/pre/longer/x', 'longer');
says('places', '/first/x.txt', 'first', '"^~" goes before expressions');
says('places', '/pre/x.txt', 'text', 'expressions before prefixes');
says('places', '/app/x.txt', 'text', 'and before paths of Ingresses');
says('places', '/other.txt', "a|/other.txt||\n", 'but for exact ones');
says('places', '/RE/Word', 'is Word', 'a capture');
says('places', '/app/in/x', 'in', 'a longer location');
says('places', '/app/in/deep/x', "a|/app/in/deep/x||\n", 'a longer path');
says('places', '/app/x', "a|/app/x||\n", 'the same path is the Ingress\'');
says('places', '/app', "a|/app||\n", 'exactly, too');
is ask('places', '/deny'), 403, 'deny comes before return';
is ask('places', '/list'), 403, 'a list';
is ask('places', '/files'), 404, 'there are no files';
says('places', '/type', '{}');
like $head, qr{^Content-Type: application/json\r?$}m, 'with its type';
is ask('places', '/head'), 204, 'headers';
like $head, qr/^X-In: in\r?$/m, 'of the location';
like $head, qr/^X-More: in\r?$/m, 'both';
says('places', '/away/x?y=2', "a|/app/x|y=2|\n", 'rewritten to a path');
is ask('places', '/inside'), 404, 'internal';
says('places', '/to-inside', 'inside', 'from inside');
says('places', '/if?a=b', 'if');
says('places', '/if', 'x 1');

says('regex', '/api/v1', 'snippet', 'expressions are in order');
says('regex', '/api/v2', "a|/api/v2||\n", 'an expression before a prefix');
says('regex', '/api/v3', 'first');
says('regex', '/api/x', 'prefix');

is ask('level', '/'), 403, 'deny of the server';
is ask('level', '/own'), 200, 'a location with a list of its own';
unlike $head, qr/^X-Server/m, 'and add_header of its own';
like $head, qr/^X-Location: location\r?$/m, 'which it has';
like $head, qr/^X-More: server\r?$/m, 'more_set_headers holds';
like $head, qr/^X-Both: location\r?$/m, 'before that of the location';
unlike $head, qr/^X-Own:/m, 'a directive of nginx';
like $body, qr/\|server$/m, 'a header of the request';
is ask('level', '/list'), 200, 'a list of an annotation is its own, too';
like $head, qr/^X-Server: server\r?$/m, 'without another add_header';

ask('two', '/a');
like $head, qr/^X-Of: older\r?$/m, 'the oldest counts';
is ask('two', '/b'), 200, 'for all paths';
like $head, qr/^X-Of: older\r?$/m, 'of another namespace, too';
like $n->log, qr/younger.*server-snippet.*older/, 'and that is a problem';

is ask('pages', '/missing'), 404, 'a page of a path';
is $body, 'custom', 'of a location';
is ask('pages', '/broken'), 500, 'a named location';
is $body, 'maintained', 'has the error\'s status';
like $head, qr{^Content-Type: text/plain\r?$}m, 'and its type';
is ask('pages', '/gone'), 200, 'with another status';
is $body, "a|/fine|from=/gone|\n", 'of another Ingress';
is ask('pages', '/?s=405'), 302, 'to a URL';
like $head, qr{^Location: https://errors\.example/405\r?$}m, 'which it is';
is ask('pages', '/?s=402'), 500, 'a name that there is not';
is ask('pages', '/denied'), 403, 'of the server';
is $body, '{"denied":true}', 'by its location';
is ask('pages', '/guarded'), 403, 'a page lets nobody through';
is ask('pages', '/round/x'), 403, 'nor does a rewrite of the server';
is ask('pages', '/around'), 403, 'or of a location';
is ask('pages', '/ended/x'), 403, 'or one with a break';
is ask('pages', '/missing/lead'), 403, 'a page does not pass by the server';
says('pages', '/missing/lead?said=1', 'said', 'which may answer');
is $status, 200, 'with the status of the page';
is ask('once', '/from/x'), 200, 'a connection counts once, rewritten';
is ask('once', '/missing'), 200, 'or with a page';
is ask('pages', '/loop'), 500, 'and goes round once';
is ask('pages', '/none'), 503, 'of a Service without endpoints';
is $body, 'maintained', 'too';
is ask('pages', '/custom'), 404, 'internal locations';
isnt $body, 'custom', 'are not there for clients';

is ask('closed', '/'), 403, 'what may protect closes the host';
is ask('closed', '/b'), 403, 'with all that is there';
is ask('unknown', '/'), 403, 'and what nginx does not have';
is ask('partly', '/'), 200, 'what does not protect is left out';
like $head, qr/^X-Rest: 1\r?$/m, 'and the rest holds';
is ask('auth', '/'), 503, 'a path is as protected as before';
says('auth', '/robots.txt', 'robots', 'a location is a server\'s');

my $log = $n->log;
like $log, qr/closed.*line 1: "auth_request" is not read/, 'with its line';
like $log, qr/unknown.*there is no variable "no_such_variable"/, 'a variable';

# the key, behind that of the host

$n->config_map('default/keys', %keys, 'server-snippet' => <<'EOS' =~ s/\n/ /gr);
'set $of config; more_set_headers "X-Of: $host"; location = /config { return 200 "of $of"; }
location ~ \.txt$ { return 200 "config"; } if ($arg_teapot) { return 418; }'
EOS
ok $n->until(sub { ask('places', '/config') == 200 }), 'of all hosts';
is $body, 'of config', 'with what it sets';
says('places', '/pre/x.txt', 'text', 'behind the host\'s own');
says('two', '/x.txt', 'config', 'where that has none');
says('nobody', '/config', 'of config', 'and of a host that nobody has');
is ask('nobody', '/'), 404, 'which else has nothing';
like $head, qr/^X-Of: nobody\.test\r?$/m, 'but its headers';
is ask('two', '/a?teapot=1'), 418, 'it answers';
ask('two', '/a');
like $head, qr/^X-Of: two\.test\r?$/m, 'and its headers are behind';

# bases whose locations were used go

sub pages {
    my $sum = 0;
    for my $pid ($n->workers) {
        open my $f, '<', "/proc/$pid/statm" or return 0;
        $sum += (split ' ', <$f>)[1];
    }
    return $sum;
}

# under sanitizers memory that was freed is kept
my $freed = `$ENV{TEST_NGINX_BINARY} -V 2>&1` !~ /fsanitize/;

{
    my @pages;

    # one that stays is some 20 pages; the heap itself moves by hundreds

    for my $i (1 .. 150) {
        my $text = "'location = /config { return 200 of$i; }'";
        $n->config_map('default/keys', %keys, 'server-snippet' => $text);
        $n->until(sub { ask('nobody', '/config'); $body eq "of$i" })
            or fail "base $i";
        push @pages, pages() if $i == 50 || $i == 150;
    }

    cmp_ok $pages[1] - $pages[0], '<', 1000, 'bases leave no memory behind'
        if $freed;
}

# profiles of locations are among those that a worker keeps, which are bounded

{
    my @names = map { "many$_" } 1 .. 120;
    my $places = join "\n", map { "location = /p$_ { return 200 p$_; }" } 1 .. 30;

    sub visit {
        for my $name (@_) {
            for my $i (1 .. 30) {
                ask($name, "/p$i") eq '200' or die "$name /p$i: $body\n";
            }
        }
    }

    ingress("default/$_ $_.test / a:80", "$places\nset \$of $_;") for @names;
    ok $n->wait_for("$_.test", '/p30', 200), "$_ is served" for $names[-1];
    visit(@names[0 .. 39]);
    my $before = pages();
    visit(@names[40 .. 119]);

    # 2,400 of 15 KB or more
    cmp_ok pages() - $before, '<', 4000, 'no more of them are kept' if $freed;
    $n->remove("$_.yaml") for @names;
}

# a change, and the end

ingress('default/partly partly.test / a:80', "location = /new { return 200 new; }");
ok $n->until(sub { ask('partly', '/new') == 200 && $body eq 'new' }), 'a change';
ask('partly', '/');
unlike $head, qr/^X-Rest/m, 'in all of it';
ingress('default/partly partly.test / a:80');
ok $n->until(sub { ask('partly', '/new'); $body =~ /^a\|/ }), 'and the end';

# who may say it

$n->config_map('default/keys', 'allow-snippet-annotations' => '"false"');
ok $n->until(sub { ask('two', '/a') == 404 }), 'without leave it is not served';
is $n->alerts, 0, 'no alerts';

done_testing;
