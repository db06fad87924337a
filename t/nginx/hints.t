# What is served as it is written, and is seldom what was meant: a problem says
# so, once, and goes when it is corrected.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $admin = K8s::Objects::free_port();
my $block = 'source manifests %%DIR%%; zone 8m;';
my $n = K8s::Nginx->new(
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }",
    block => "$block config_map system/own;");

my $p = 'nginx.ingress.kubernetes.io';

# an Ingress of a host of its own, with paths, to a:80
sub ingress {
    my ($name, $paths, @annotations) = @_;
    my $lines = join '', map { "    $_\n" } @annotations;
    my $list = join '', map { <<EOP } split ' ', $paths;
      - {path: "$_", pathType: ImplementationSpecific, backend: {service: {name: a, port: {number: 80}}}}
EOP
    $n->manifest("$name.yaml", <<EOI);
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: $name
  namespace: default
  annotations:
    kubernetes.io/ingress.class: nginx
$lines
spec:
  rules:
  - host: $name.test
    http:
      paths:
$list
EOI
}

sub status { (K8s::Objects::http_get($admin, 'x', '/status'))[1] // '' }

sub says {
    my ($re, $name) = @_;
    ok($n->until(sub { status() =~ $re }), $name) or diag status();
}

sub silent {
    my ($re, $name) = @_;
    ok($n->until(sub { my $s = status(); $s =~ /"version"/ && $s !~ $re }),
       $name) or diag status();
}

$n->backend('a', 'location / { return 200 "$uri ($http_x_made)\n"; }');
$n->services('default/a:80 a');
$n->config_map('system/own', 'custom-http-errors' => '"503"',
               'proxy-set-headers' => 'system/set',
               'add-headers' => 'system/add',
               'global-allowed-response-headers' => '"X-Own"');
$n->config_map('system/set', 'X-Made' => '"<$nonsense$request_method>"');
$n->config_map('system/add', 'X-Add' => '"${host} $arg_x $nosuch"');
$n->config_map('default/answer', 'X-Own' => '"$request_id $5 $any"');

ingress('groups', '/x(/|$)(.*) /y/(.*)', "$p/rewrite-target: /\$2");
ingress('prefix', '/z/(.*)', "$p/rewrite-target: /\$1",
        "$p/x-forwarded-prefix: /\$3");
ingress('good', '/[(](?:a|b)(?<n>.)(.*)\\\\(', "$p/rewrite-target: /\$2");
ingress('root', '/', "$p/app-root: /\$host/\$nothing");
ingress('errors', '/', "$p/custom-http-errors: \"404\"");
ingress('answers', '/', "$p/custom-headers: default/answer");
ingress('wrong', '/', map { "ingress.nginx.kubernetes.io/$_: \"1\"" }
        qw( proxy-body-size limit-rps auth-url canary rewrite-target ));
$n->start;

ok $n->wait_for('groups.test', '/x/one', 200), 'it is served';

says(qr/AnnotationNoEffect","severity":"warning"[^}]*rewrite-target[^}]*\\"\$2\\" is empty where the path is \\"\/y\/\(\.\*\)\\" of host \\"groups\.test\\", which has 1 group"/,
     'a group that a path does not have');
says(qr/x-forwarded-prefix[^}]*\\"\$3\\" is empty/, 'of the prefix');
unlike status(), qr/\\"good\.test\\"/, 'groups with names count';
unlike status(), qr/where the path is \\"\/x/, 'the path that has it is good';

says(qr/AnnotationInvalid[^}]*app-root[^}]*no variable \\"nothing\\"/,
     'an unknown variable of app-root');
like +($n->get('root.test', '/'))[2],
    qr{^Location: http://root\.test/root\.test/\r?$}m, 'which is empty';

says(qr/KeyInvalid[^}]*data\.proxy-set-headers[^}]*\\"X-Made\\" has \\"\$nonsense\\"/,
     'of a header to backends');
is +($n->get('groups.test', '/x/one'))[1], "/one (<GET>)\n", 'which is sent';
says(qr/KeyInvalid[^}]*data\.add-headers[^}]*\\"X-Add\\" has \\"\$nosuch\\"/,
     'of a header of answers');
unlike status(), qr/has \\"\$(?:host|arg_x|request_method)\\"/,
    'known ones are good';
says(qr/AnnotationInvalid[^}]*custom-headers[^}]*\\"X-Own\\" has \\"\$request_id\\", which is sent as it is/,
     'a variable where there are none');
like +($n->get('answers.test', '/'))[2],
    qr/^X-Own: \$request_id \$5 \$any\r?$/m, 'which is sent so';
unlike status(), qr/has \\"\$(?:5|any)\\"/, 'all else with a dollar is good';

says(qr/KeyNoEffect[^}]*data\.custom-http-errors[^}]*default_backend/,
     'a key for error pages that nothing has');
says(qr/AnnotationNoEffect[^}]*custom-http-errors\][^}]*neither/,
     'an annotation');

# what a host has once

for my $i (1 .. 3) {
    $n->manifest("once-$i.yaml", <<EOI);
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: once-$i
  namespace: default
  annotations:
    kubernetes.io/ingress.class: nginx
    $p/app-root: @{[ $i == 3 ? '/one' : $i == 2 ? '/two' : '/one' ]}
spec:
  rules:
  - host: once.test
    http:
      paths:
      - {path: /@{[ 'x' x (4 - $i) ]}, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}
EOI
}
says(qr/"once-2","problems":\[\s*\{"code":"AnnotationConflict","severity":"warning"[^}]*app-root[^}]*of host \\"once\.test\\" \\"\/one\\" holds, which Ingress default\/once-1 says: its path comes first/,
     'app-root of two Ingresses');
like +($n->get('once.test', '/'))[2], qr{^Location: http://once\.test/one\r?$}m,
    'which of them';
unlike status(), qr/"once-[13]","problems"/, 'others say the same';
$n->remove('once-1.yaml');
says(qr/"once-3","problems":\[\s*\{"code":"AnnotationConflict"[^}]*default\/once-2 says/,
     'the next one');
$n->remove('once-2.yaml');
silent(qr/AnnotationConflict/, 'it is alone');

my $wrong = qr/only names that begin with/;
says($wrong, 'a wrong prefix');
my $status = status();
is scalar(() = $status =~ /$wrong/g), 1, 'is said once';

# what another object says of a host is told to those that have it, too

sub shared {
    my ($name, $path, @annotations) = @_;
    $n->manifest("$name.yaml", <<EOI);
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: $name
  namespace: default
  annotations:
    kubernetes.io/ingress.class: nginx
@{[ join '', map { "    $p/$_\n" } @annotations ]}
spec:
  rules:
  - host: shared.test
    http:
      paths:
      - {path: $path, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}
EOI
}

my $wide = qr/"code":"HostWide","severity":"note"/;
shared('victim', '/');
shared('says', '/x', 'app-root: /start',
       'ssl-ciphers: ECDHE-RSA-AES128-GCM-SHA256');
says(qr/"victim","problems":[^]]*$wide[^}]*requests for \/ of host \\"shared\.test\\" are redirected to \\"\/start\\", as Ingress default\/says has app-root/,
     'a path that another object redirects');
says(qr/"victim","problems":.*?$wide[^}]*Ingress default\/says says: ssl-ciphers \\"ECDHE/s,
     'ciphers of another one');
unlike status(), qr/"says","problems"/, 'who says it is told nothing';
shared('says', '/x');
silent($wide, 'it does not any more');
shared('says', '/x', 'app-root: /start');
says($wide, 'it does again');
$n->remove('says.yaml');
silent($wide, 'it goes');
$n->remove('victim.yaml');

# redirects to themselves

my $loop = qr/"code":"RedirectLoop","severity":"warning"/;
for my $c (['same', '/', 'permanent-redirect: https://same.test/'],
           ['case', '/', 'permanent-redirect: HTTP://CASE.test'],
           ['port', '/a', 'temporal-redirect: https://port.test:443/a?x=1'],
           ['path', '/', 'temporal-redirect: https://other.test/',
                         'permanent-redirect: https://path.test/'],
           ['deep', '/', 'permanent-redirect: https://deep.test/new'],
           ['far', '/', 'permanent-redirect: https://far.test:8443/'],
           ['site', '/', 'permanent-redirect: https://www.site.test/',
                         'from-to-www-redirect: "true"'],
           ['site2', '/', 'permanent-redirect: https://www.site2.test/'],
           ['start', '/', 'app-root: /'], ['begin', '/', 'app-root: /b'])
{
    my ($name, $path, @annotations) = @$c;
    ingress($name, $path, map { "$p/$_" } @annotations);
}
says(qr/"$_","problems":\[\s*\{$loop/, "$_: a redirect to itself")
    for qw(same case port site start);
unlike status(), qr/"$_","problems":\[\s*\{$loop/, "$_: none"
    for qw(path deep far site2 begin);
like +($n->get('same.test', '/'))[2], qr{^Location: https://same\.test/\r?$}m,
    'which is sent';
ingress('same', '/', "$p/permanent-redirect: https://same.test/new");
silent(qr/"same","problems"/, 'it is corrected');

# names of headers to backends

$n->config_map('system/set', 'X-Made' => '"<$request_method>"',
               'X_Under' => '"1"', 'X.Dot' => '"2"');
says(qr/HeaderName","severity":"note"[^}]*data\.proxy-set-headers[^}]*\\"X_Under\\" has \\"_\\" in its name/,
     'a name that backends may drop');
says(qr/HeaderName[^}]*\\"X\.Dot\\"/, 'another one');

# corrected

ingress('groups', '/x(/|$)(.*) /y(/)(.*)', "$p/rewrite-target: /\$2");
ingress('errors', '/', "$p/custom-http-errors: \"404\"",
        "$p/default-backend: a");
$n->config_map('system/set', 'X-Made' => '"<$request_method>"');
silent(qr/is empty where the path is[^}]*groups\.test/, 'a group more');
silent(qr/neither/, 'a default backend');
silent(qr/\$nonsense/, 'another variable');
silent(qr/HeaderName/, 'names with hyphens');

$n->stop;

# a ConfigMap that looks like the controller's

$n = K8s::Nginx->new(
    http => "server { listen 127.0.0.1:$admin; k8s_ingress_admin; }",
    block => $block);
$n->services('default/a:80 a');
$n->config_map('shop/settings', 'proxy-body-size' => '8m');
$n->config_map('shop/my-ingress-nginx-controller', 'color' => 'blue');
$n->config_map('ingress-nginx/ingress-nginx-controller',
               'proxy-body-size' => '8m');
ingress('one', '/');
$n->start;
says(qr/KeyNoEffect[^}]*no \\"config_map ingress-nginx\/ingress-nginx-controller;\\"/,
     'a ConfigMap that nothing names');
unlike status(), qr/config_map shop/, 'others may be for anything';

# a host of a tls entry that becomes another name of a host

$n->manifest('hint.yaml', K8s::Objects::ingresses("default/hint hint.test / a:80")
             =~ s|^spec:\n|spec:\n  tls: [{hosts: [alias.test], secretName: none}]\n|mr);
$n->annotated('named');
says(qr/TlsHostUnused/, 'a host that nobody has');
$n->annotated('named', 'server-alias: alias.test');
silent(qr/TlsHostUnused/, 'not of an alias');
$n->annotated('named');
says(qr/TlsHostUnused/, 'that is none any more');
$n->remove('hint.yaml');
silent(qr/TlsHostUnused/, 'it goes');

# a Service is spread as its oldest Ingress says

ingress('spread-1', '/', "$p/affinity: cookie");
ingress('spread-2', '/', "$p/affinity: cookie",
        "$p/session-cookie-name: other");
says(qr/"spread-2","problems":\[\s*\{"code":"AnnotationConflict","severity":"warning"[^}]*affinity\]"[^}]*of Service default\/a that of Ingress default\/spread-1 holds: it is older/,
     'affinity of a younger Ingress');
silent(qr/"spread-1","problems"/, 'the older one is not told');
ingress('spread-3', '/', "$p/upstream-hash-by: \$request_uri");
ingress('spread-4', '/', "$p/upstream-hash-by: \$request_uri");
ingress('spread-5', '/', "$p/upstream-hash-by: \$host",
        "$p/load-balance: ewma");
says(qr/"spread-5","problems":\[\s*\{"code":"AnnotationConflict"[^}]*upstream-hash-by\]"[^}]*default\/spread-3 holds/,
     'a hash');
silent(qr/"spread-4","problems"/, 'who says the same is not told');
$n->remove('spread-3.yaml');
says(qr/"spread-5","problems":\[\s*\{"code":"AnnotationConflict"[^}]*upstream-hash-by\]"[^}]*default\/spread-4 holds/,
     'the next one, when that has gone');
ingress('spread-4', '/');
silent(qr/"spread-5","problems"/, 'the last one has its own');
$n->remove('spread-1.yaml');
silent(qr/"spread-2","problems"/, 'and so has the other one');

is_deeply [$n->alerts], [], 'nothing alarming is logged';
is $n->stop, 0, 'ends well';

done_testing();
