# Who may pass by address and by headers: lists of annotations and of keys, live.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my ($admin, $inner, $shown) = map { K8s::Objects::free_port() } 1 .. 3;

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; config_map system/own;',
    server => 'k8s_ingress_pass;',
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }\n"
            . "server { listen 127.0.0.1:$inner; listen [::1]:$inner;\n"
            . "location / { k8s_ingress_pass; } }\n"
            . "server { listen 127.0.0.1:$shown; error_page 403 =200 /shown;\n"
            . 'k8s_ingress_pass; }',
    main => 'worker_processes 2;');

my %key = ('use-forwarded-headers' => '"true"');

sub config { $n->config_map('system/own', %key, @_) }

sub from { "X-Forwarded-For: $_[0]" }

sub status {
    my ($name, @lines) = @_;
    return ($n->get("$name.test", '/', @lines))[0];
}

sub problems { (K8s::Objects::http_get($admin, 'x', '/status'))[1] // '' }

# all workers answer so
sub soon {
    my ($want, $what, $name, @lines) = @_;
    ok($n->until(sub {
        for (1 .. 8) { return 0 if status($name, @lines) ne $want }
        return 1;
    }), $what) or diag 'is ', status($name, @lines);
}

$n->backend('a', <<'EOC');
location / { return 200 "backend\n"; }
EOC

$n->services("default/a:80 a\ndefault/errors:80 errors");
$n->annotated('open');
$n->annotated('office', 'allowlist-source-range: "10.1.0.0/16, 2001:db8::/32,'
                        . ' 10.9.9.9"');
$n->annotated('old', 'whitelist-source-range: 10.1.0.0/16');
$n->annotated('both', 'denylist-source-range: 10.1.2.0/24',
              'allowlist-source-range: 10.1.0.0/16');
$n->annotated('denied', 'denylist-source-range: 10.1.2.3');
$n->annotated('mapped', 'denylist-source-range: "::ffff:10.1.2.3,'
                        . ' ::ffff:10.4.0.0/112"');
$n->annotated('mapped-only', 'allowlist-source-range: "::ffff:10.1.2.3"');
$n->annotated('empty', 'allowlist-source-range: ""');
$n->annotated('bad', 'allowlist-source-range: "10.1.0.0/16,office"');
$n->annotated('away', 'allowlist-source-range: 10.1.0.0/16',
              'permanent-redirect: http://new.test/');
$n->annotated('page', 'allowlist-source-range: 10.1.0.0/16',
              'custom-http-errors: "403"', 'default-backend: errors');
config();
$n->start;

ok $n->wait_for('open.test', '/', 200), 'is served';
soon(403, 'addresses are those of X-Forwarded-For', 'denied',
     from('10.1.2.3'));

my @answers = (
    ['office', '10.1.255.255', 200, 'the end of a range'],
    ['office', '10.2.0.0', 403, 'behind it'],
    ['office', '10.0.255.255', 403, 'before it'],
    ['office', '10.9.9.9', 200, 'an address'],
    ['office', '2001:db8:ffff::1', 200, 'IPv6'],
    ['office', '2001:db9::1', 403, 'another one of IPv6'],
    ['office', '::ffff:10.1.2.3', 200, 'IPv4 in IPv6'],
    ['mapped', '10.1.2.3', 403, 'IPv4 in IPv6 on a list'],
    ['mapped', '::ffff:10.1.2.3', 403, 'on both sides'],
    ['mapped', '10.4.9.9', 403, 'a range of it'],
    ['mapped', '10.5.9.9', 200, 'and what is not in it'],
    ['mapped-only', '10.1.2.3', 200, 'IPv4 in IPv6 that is let through'],
    ['mapped-only', '10.1.2.4', 403, 'alone'],
    ['old', '10.1.2.3', 200, 'the old name'],
    ['old', '10.2.2.3', 403, 'and not the others'],
    ['both', '10.1.2.3', 403, 'of both lists'],
    ['both', '10.1.3.3', 200, 'of one that lets pass'],
    ['both', '10.2.3.3', 403, 'of neither'],
    ['denied', '10.1.2.4', 200, 'not on the list'],
    ['open', '10.1.2.3', 200, 'no list'],
    ['empty', '10.1.2.3', 503, 'an empty list closes'],
    ['bad', '10.1.2.3', 503, 'one with a bad item closes'],
    ['away', '10.2.2.3', 301, 'a redirect stands before the list'],
);

is status($_->[0], from($_->[1])), $_->[2], "$_->[0]: $_->[3]" for @answers;

my ($code, $body) = $n->get('page.test', '/', from('10.2.2.3'));
is $body, "errors\n", 'the error backend has the page';

($code, $body) = K8s::Objects::http_get($shown, 'office.test', '/',
                                        from('10.2.2.3'));
unlike $body, qr/backend/, 'an error page of nginx.conf leads to no backend';

like $n->log, qr/\[error\].*access forbidden by "$_->[0]" of $_->[1],/,
    "a refusal is logged: $_->[0]"
    for ['denylist-source-range', 'Ingress "default/denied"'],
        ['allowlist-source-range', 'Ingress "default/office"'],
        ['allowlist-source-range', 'Ingress "default/old"'];
is_deeply [map { problems() =~ /allowlist-source-range/ ? 1 : 0 } 1], [1],
    'bad lists are problems';

# what no path takes has the annotations of the host's first Ingress

$n->manifest('one.yaml', K8s::Objects::ingresses("default/one one.test /x a:80")
             =~ s|^(  annotations:\n)|$1    nginx.ingress.kubernetes.io/allowlist-source-range: 10.1.0.0/16\n|mr);
$n->manifest('two.yaml', K8s::Objects::ingresses("default/two one.test /y a:80"));
ok $n->until(sub { ($n->get('one.test', '/y'))[0] eq 200 }), 'two Ingresses';
is(($n->get('one.test', '/', from($_->[0])))[0], $_->[1], "other paths: $_->[1]")
    for ['10.1.2.3', 404], ['10.2.2.3', 403];
$n->remove('one.yaml');
ok $n->until(sub { ($n->get('one.test', '/', from('10.2.2.3')))[0] eq 404 }),
   'until it goes';

# a pass in a location, without trust in headers

config('use-forwarded-headers' => '"false"');
$n->annotated('here', 'allowlist-source-range: "127.0.0.0/8"');
soon(200, 'the address of the connection', 'here', from('10.1.2.3'));
$n->annotated('there', 'allowlist-source-range: "128.0.0.0/8"');
soon(403, 'which is refused', 'there', from('128.1.2.3'));
is((K8s::Objects::http_get($inner, 'here.test', '/'))[0], 200,
   'in a location');
is((K8s::Objects::http_get($inner, 'there.test', '/'))[0], 403,
   'and not there');

# keys are the defaults of annotations

config('whitelist-source-range' => '"10.5.0.0/16"',
       'denylist-source-range' => '"10.5.1.0/24"');
soon(403, 'a key', 'open', from('10.1.2.3'));
is status('open', from('10.5.0.1')), 200, 'of this list';
is status('open', from('10.5.1.1')), 403, 'and not of that one';
is status('office', from('10.1.2.3')), 200, 'the annotation in its place';
is status('office', from('10.5.0.1')), 403, 'not both';
is status('denied', from('10.5.1.1')), 200, 'the same of the other list';
is(($n->get('nobody.test', '/', from('10.1.2.3')))[0], 404,
   'no list of routes where there is no route');

# a list that cannot be read closes, and nothing else is in force

config('denylist-source-range' => '"10.5.1.0/24,bots"');
soon(503, 'a bad list of all', 'open', from('10.7.7.7'));
ok $n->until(sub { problems() =~ /KeyClosed/ }), 'is a problem';

# of all hosts

config('block-cidrs' => '"10.6.0.0/16,::ffff:10.7.7.7"',
       'block-user-agents' => '"~*crawl[0-9], Bad/1.0"',
       'block-referers' => '"~^http://spam, http://bad.test/"');
soon(403, 'an address that is blocked', 'open', from('10.6.1.1'));
is status('open', from('10.8.1.1')), 200, 'another one';
is status('office', from('10.1.2.3')), 200, 'one of a list';
is status('nobody', from('10.7.7.7')), 403, 'where there is no route';
is status('nobody', from('10.8.1.1')), 404, 'another one there';

for (["User-Agent: x\r\nUser-Agent: CRAWL7r", 403],
     ["Referer: x\r\nReferer: http://spam/", 403],
     ['User-Agent: the CRAWL7r', 403], ['User-Agent: bad/1.0', 403],
     ['User-Agent: Bad/1.0.1', 200], ['User-Agent: crawl', 200],
     ['Referer: http://spam.test/', 403], ['Referer: HTTP://SPAM.test/', 200],
     ['Referer: http://BAD.test/', 403], ['X-A: Bad/1.0', 200])
{
    is status('open', $_->[0]), $_->[1], $_->[0];
}

is status('away', 'User-Agent: Bad/1.0'), 403, 'it stands before a redirect';

# of proxies

config('proxy-real-ip-cidr' => '"::ffff:128.0.0.0/104"');
soon(200, 'one that is no proxy', 'denied', from('10.1.2.3'));
config('proxy-real-ip-cidr' => '"::ffff:127.0.0.0/104,::1"');
soon(403, 'one that is, written as IPv4 in IPv6', 'denied',
     from('10.1.2.3'));

config('block-user-agents' => '"~("');
soon(503, 'a pattern that does not compile', 'open');
config();
soon(200, 'none of them any more', 'open', from('10.6.1.1'));

is_deeply [$n->alerts], [], 'nothing alarming is logged';
is $n->stop, 0, 'ends well';

like $n->log, qr/access forbidden by "$_" of the ConfigMap,/, "$_ is logged"
    for qw( block-cidrs whitelist-source-range denylist-source-range
            block-user-agents block-referers );

done_testing();
