# Directives of nginx.conf that ingress-nginx's defaults shadow.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

# the directives that nginx -t names; "" for none
sub named {
    my (%conf) = @_;
    my ($status, $out) = K8s::Nginx->new(%conf)->check;
    is($status, 0, 'taken') or diag $out;
    my ($names) = $out =~ /\[warn\] .*? does not heed (.*?) of nginx\.conf,/;
    return $names // '';
}

is(named(), '', 'nothing is set');
is(named(server => 'proxy_read_timeout 10s; k8s_ingress_pass;'),
   '"proxy_read_timeout"', 'in the server');
is(named(server => 'k8s_ingress_pass; proxy_read_timeout 10s;'),
   '"proxy_read_timeout"', 'behind the pass');
is(named(http => 'proxy_read_timeout 10s;'), '"proxy_read_timeout"',
   'in http');
is(named(server => 'location /a { proxy_buffers 8 16k; k8s_ingress_pass; }'),
   '"proxy_buffers"', 'in the location');
is(named(server => 'location /a { proxy_read_timeout 10s; return 200; }
                    k8s_ingress_pass;'), '', 'not those of other locations');
is(named(http => 'client_max_body_size 8m; proxy_buffering on;
                  proxy_set_header A b; proxy_next_upstream off;
                  proxy_busy_buffers_size 16k; server_tokens build;'),
   '"client_max_body_size", "proxy_busy_buffers_size", "proxy_next_upstream",'
   . ' "proxy_set_header", "server_tokens"', 'more of them');
is(named(http => 'proxy_buffering off; proxy_connect_timeout 5s;
                  server_tokens off; proxy_next_upstream error timeout;'), '',
   'what says the same as the defaults');
is(named(http => 'proxy_read_timeout 60s;'), '', 'or as nginx');
is(named(http => 'proxy_read_timeout 10s;',
         block => "source manifests %%DIR%%; zone 8m; defaults nginx;"), '',
   'defaults nginx: nothing is shadowed');
is(named(http => 'root html; gzip on; proxy_ssl_name x; keepalive_timeout 1;'),
   '', 'what the profile does not set');

# default folders are neither made nor compared with those of nginx.conf

my $other = K8s::Nginx->new;
my $root = $other->{root};
ok($other->start, 'starts with folders of its own');
is(join(' ', grep { -e "$root/$_" }
             qw( client_body_temp proxy_temp fastcgi_temp )), '',
   'makes no others');
$other->stop;

is(named(server => 'proxy_temp_path proxy_temp 1; k8s_ingress_pass;'), '',
   'a folder with other levels than by default');

my $n = K8s::Nginx->new(http => 'proxy_read_timeout 10s;');
my (undef, $out) = $n->check;
like($out, qr/"k8s_ingress_pass" in \S+nginx\.conf:\d+ does not heed/,
     'file and line of the pass');

done_testing();
