# use-regex, rewrite-target, app-root and what they do to a whole host.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP qw( decode_json );
use K8s::Nginx;
use Test::More;

my $admin = K8s::Objects::free_port();
my $n = K8s::Nginx->new(
    block => "source manifests %%DIR%%;\n zone 8m;\n",
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }");
my $p = 'nginx.ingress.kubernetes.io';

# an Ingress of a host, its annotations, and its paths: [path, type, service]
sub ingress {
    my ($name, $host, $annotations, @paths) = @_;
    my $text = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n"
               . "  name: $name\n  namespace: default\n  annotations:\n"
               . "    kubernetes.io/ingress.class: nginx\n";
    $text .= "    $p/$_\n" for @$annotations;
    $text .= "spec:\n  rules:\n  - host: $host\n    http:\n      paths:\n";
    $text .= "      - {path: '$_->[0]', pathType: $_->[1], backend: {service: "
             . "{name: $_->[2], port: {number: 80}}}}\n" for @paths;
    $n->manifest("$name.yaml", $text);
}

my $impl = 'ImplementationSpecific';

for my $name (qw(a b)) {
    $n->backend($name, <<"EOC");
location / {
    return 200 "$name \$request_uri \$http_host \$http_x_forwarded_prefix\$http_x_evil\\n";
}
EOC
}

$n->services("default/a:80 a\ndefault/b:80 b");
ingress('strip', 'strip.test',
        ['rewrite-target: /$2', 'x-forwarded-prefix: /some/$2'],
        ['/some(/|$)(.*)', $impl, 'a']);
ingress('url', 'url.test', ['rewrite-target: https://other.example/$1'],
        ['/to/(.*)', $impl, 'a']);
ingress('scheme', 'scheme.test',
        ['rewrite-target: $scheme://other.example$request_uri'],
        ['/', 'Prefix', 'a']);
ingress('order', 'order.test', ['use-regex: "true"'],
        ['/a', $impl, 'b'], ['/a.*', $impl, 'a'], ['/x[0-9]+/', $impl, 'a']);
ingress('other', 'order.test', [], ['/plain', 'Exact', 'b'],
        ['/dir', 'Prefix', 'b'], ['/dir', 'Exact', 'a']);
ingress('broken', 'broken.test', ['use-regex: "true"'], ['/a(b', $impl, 'a'],
        ['/', $impl, 'b']);
ingress('slow', 'slow.test', ['use-regex: "true"'],
        ['/(a+)+$', $impl, 'a'], ['/b', $impl, 'b'],
        ['/x|(?:(?=\w*+)\w)*+[Z\d]', $impl, 'a'],
        ['/[a](?:(?:(?:(?:[a-z]|x){1,9}){1,9}){1,9}y)', $impl, 'a']);
ingress('root', 'root.test', ['app-root: /start'], ['/start', 'Prefix', 'a']);
ingress('rest', 'root.test', [], ['/', 'Prefix', 'b']);
ingress('host', 'host.test', ['upstream-vhost: $service_name.internal'],
        ['/', 'Prefix', 'a']);
ingress('none', 'none.test',
        ['upstream-vhost: $nosuch.internal', 'rewrite-target: /$foo/$1'],
        ['/none/(.*)', $impl, 'a']);
ingress('some', 'some.test',
        ['upstream-vhost: $http_x.$host', 'rewrite-target: /$arg_y$uri'],
        ['/', 'Prefix', 'a']);
ingress('any', 'any.test',
        ['rewrite-target: /x', 'x-forwarded-prefix: $1', 'app-root: /$args'],
        ['/any(/[^!]*)', $impl, 'a']);
ingress('dir', 'dir.test', ['relative-redirects: "true"'],
        ['/dir/', 'Prefix', 'a']);
$n->start;
ok $n->wait_for("$_.test", '/b', 200), "$_ is served"
    for qw(broken slow root);

sub said {
    my ($host, $path) = @_;
    my ($status, $body, $head) = $n->get($host, $path);
    my ($to) = $head =~ /^Location: (\S+)/m;
    return $to ? "$status $to" : $status == 200 ? $body =~ s/\s+\z//r : $status;
}

is(said('strip.test', '/some/x/y?q=1'), 'a /x/y?q=1 strip.test /some/x/y',
   'captures, the query stays, a prefix for the backend');
is(said('strip.test', '/SOME'), 'a / strip.test /some/', 'in either case');
is(said('strip.test', '/some/a%20b'), 'a /a%20b strip.test /some/a b',
   'escaped anew');
is(said('strip.test', '/something'), 404, 'no more than the expression says');

is(said('url.test', '/to/x?q=1'), '302 https://other.example/x?q=1',
   'a URL is a redirect, with the query');
is(said('url.test', '/to/a%20b%26c%0dX-Evil:%201'),
   '302 https://other.example/a%20b&c%0DX-Evil:%201',
   'whose captures are escaped');
is(said('scheme.test', '/x%20y'), '302 http://other.example/x%20y',
   'of the same scheme');

is(said('order.test', '/ab'), 'a /ab order.test', 'the longer text first');
is(said('order.test', '/X12/y'), 'a /X12/y order.test', 'a class');
is(said('order.test', '/PLAINER'), 'b /PLAINER order.test',
   "another's Exact path is a prefix");
is(said('order.test', '/dir/x'), 'b /dir/x order.test', 'older: below it');
is(said('order.test', '/dirx'), 'a /dirx order.test',
   'and beside it what is Exact');

is(said('broken.test', '/ab'), 'b /ab broken.test', 'no expression, no path');
is(said('slow.test', '/b'), 'b /b slow.test', 'a path beside a slow one');
is(said('slow.test', '/' . 'a' x 60 . '!'), 500, 'a slow one gives up');
is(said('slow.test', '/' . 'c' x 3000), 500, 'one that could begin anywhere');
ok $n->logged(qr/it compiles to more than \d+ bytes/), 'a large one is left out';
is(said('slow.test', '/aaa'), 'a /aaa slow.test', 'and serves what it takes');

like(said('root.test', '/'), qr{^302 http://root\.test(:\d+)?/start$},
     "app-root, of another's path as well");
is(said('root.test', '/x'), 'b /x root.test', 'of / alone');
is(said('host.test', '/'), 'a / a.internal', 'variables in a Host');
is(said('none.test', '/none/x'), 'a /none/x none.test',
   'what has a variable that there is not does not hold');
ok $n->logged(qr{there is no variable "nosuch"}), 'of the Host, it is said';
ok $n->logged(qr{there is no variable "foo"}), 'and of the path';
is(said('some.test', '/x?y=1'), 'a /1/x?y=1 .some.test',
   'prefixes of variables are known');
is(said('any.test', '/any/b%0aX-Evil:%20evil%0d'),
   'a /x any.test /b%0AX-Evil:%20evil%0D', 'no header by way of a capture');
is(said('any.test', '/any/b%7f'), 'a /x any.test /b%7F', 'nor a control character');
is(said('dir.test', '/dir'), '301 /dir/', 'a relative redirect');

ok $n->logged(qr{"/a\(b" is no regular expression: missing closing parenthesis}),
    'a broken expression is said';
ok $n->logged(qr{takes all that begins with it, in either case, as Ingress default/order has use-regex}),
    'and that paths are turned, by whom';

# /status tells it of the host, and of each path that is turned

sub explained {
    my $body = (K8s::Objects::http_get($admin, 'x',
                                       '/status?host=order.test'))[1];
    my ($host) = map { @{$_->{hosts}} }
                 @{decode_json($body =~ /\{.*\}/s ? $& : '{}')->{blocks}};
    return ($host->{regex_by} ? "$host->{regex_by}{namespace}/"
                                . $host->{regex_by}{ingress} : 'none')
           . ': ' . join ' ', sort map {
                 my $m = $_->{matches}[0];
                 "$_->{path}=$m->{ingress}" . ($m->{turned} ? '!' : '') }
             @{$host->{paths}};
}

is(explained(), 'default/order: /a.*=order /a=order /dir/=other! /dir=other! '
                . '/plain=other! /x[0-9]+/=order', 'who turns paths, and which');

# live, both ways

ingress('order', 'order.test', [], ['/a', $impl, 'b']);
ok $n->until(sub { said('order.test', '/PLAINER') eq '404' }), 'no more';
unlike(explained(), qr/!|order:/, 'which is told as well');
is(said('order.test', '/plain'), 'b /plain order.test', 'as they were');
ingress('order', 'order.test', ['use-regex: "true"'], ['/A+$', $impl, 'a']);
ok $n->until(sub { said('order.test', '/PLAINER') ne '404' }), 'again';
is(said('order.test', '/aaa'), 'a /aaa order.test', 'another expression');

$n->stop;
done_testing();
