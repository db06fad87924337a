# Test::Nginx::Socket with a source of Kubernetes objects.
#
#   use lib 't/lib';
#   use K8s 'no_plan';
#   run_tests();
#   __DATA__
#   === TEST 1: a route
#   --- services
#   default/web:80 a b
#   --- manifests
#   >>> ingress.yaml
#   apiVersion: networking.k8s.io/v1
#   kind: Ingress
#   ...
#   --- request
#   GET /
#   --- more_headers
#   Host: a.example
#   --- response_body
#   a
#
# Sections beside those of Test::Nginx::Socket:
#
#   manifests     files, each after a line ">>> NAME"; without such a line all
#                 of it is one file.  They are written to a folder of the
#                 block's own, which is its source.
#   services      a line for each Service port: "NS/NAME:PORT[=PORTNAME]
#                 BACKEND ...": makes the Service and an EndpointSlice for each
#                 backend; "-" instead of backends makes a Service without
#                 endpoints.
#   ingresses     a line for each Ingress of class nginx: "NS/NAME HOST PATH
#                 SERVICE:PORT [Exact|Prefix]"; HOST "-" is none.
#   backends      ">>> NAME" and what its server{} holds; a backend that is
#                 only named in services, or by %%PORT_NAME%% anywhere, answers
#                 "NAME\n" to everything.
#   block         further directives for k8s_ingress { }.
#   ready         lines "PORT HOST PATH STATUS" that are waited for before the
#                 first request, PORT "-" is the server's; by default a host
#                 that the block itself adds last.
#   no_ready      no waiting.
#   no_source     no k8s_ingress { } of ours: http_config has all of it.
#
# %%PORT_NAME%% is the port of backend NAME on 127.0.0.1, %%DIR%% the block's
# folder.  Without "config" the server has only "k8s_ingress_pass;".
# TEST_NGINX_USE_HUP=1 works: each block is a new source of the same zone, and
# its own last host tells when it is in use.

package K8s;

use strict;
use warnings;

use Test::Nginx::Socket -Base;

use File::Basename qw( dirname );
use File::Path qw( make_path );
use File::Temp qw( tempdir );
use IO::Socket::INET;
use Time::HiRes qw( time );

use lib dirname(__FILE__);
use K8s::Objects;

our @EXPORT = qw( manifest_dir backend_port http_get write_manifest );

our ($Tmp, $N, $Dir, %Ports) = (undef, 0, undef);

master_on();
workers(2);
no_root_location();
no_long_string();

$ENV{TEST_NGINX_LOAD_MODULES} //= '';


# the folder of the block that runs
sub manifest_dir () { $Dir }

sub write_manifest ($$) {
    my ($name, $text) = @_;
    K8s::Objects::write_file("$Dir/$name", $text);
}

sub backend_port ($) {
    my ($name) = @_;
    $Ports{$name} //= K8s::Objects::free_port();
}

sub http_get ($$$) {
    my ($port, $host, $path) = @_;
    K8s::Objects::http_get($port, $host, $path);
}

sub k8s_expand ($) {
    my ($text) = @_;
    return $text if !defined $text;
    $text =~ s/%%PORT_(\w+)%%/backend_port($1)/ge;
    $text =~ s/%%DIR%%/$Dir/g;
    return $text;
}

sub k8s_backends ($) {
    my ($block) = @_;
    my %conf;

    for my $f (K8s::Objects::split_files(k8s_expand($block->backends), 'a')) {
        $conf{$f->[0]} = $f->[1];
        backend_port($f->[0]);
    }

    return join '', map {
        my $conf = $conf{$_} // "location / { return 200 '$_\n'; }";
        "    server {\n        listen 127.0.0.1:$Ports{$_};\n"
        . "        access_log off;\n        $conf\n    }\n"
    } sort keys %Ports;
}

add_block_preprocessor(sub {
    my ($block) = @_;

    $Tmp //= do {
        my $tmp = tempdir(CLEANUP => 1);
        chmod 0755, $tmp;
        $tmp;
    };

    %Ports = ();
    $Dir = "$Tmp/" . ++$N;
    make_path($Dir);

    for my $f (K8s::Objects::split_files(k8s_expand($block->manifests),
                                         'manifests.yaml')) {
        write_manifest($f->[0], $f->[1]);
    }

    my $text = K8s::Objects::services(scalar $block->services, \&backend_port)
               . K8s::Objects::ingresses(scalar $block->ingresses);
    write_manifest('generated.yaml', $text) if $text ne '';

    if (!defined $block->ready && !defined $block->no_ready) {
        my $host = "ready-$N.test";
        write_manifest('zzz-ready.yaml',
            K8s::Objects::ingresses("default/zzz-ready $host /r/ zzz-ready:80"));
        # without ingress-nginx's redirects it is a Service without endpoints
        # 503 is said without a table as well, but not on /healthz
        my $lines = ($block->block // '') =~ /defaults\s+nginx/
                    ? "- nobody.test /healthz 200\n- $host /r 503"
                    : "- $host /r 301";
        $block->set_value('ready', $lines);
    }

    # problems of objects are errors as well

    if (defined $block->no_error_log && !ref $block->no_error_log) {
        my $error = qr/\[error\] \d+#\d+: (?!k8s_ingress[^:]*: \w+ ")/;
        $block->set_value('no_error_log', [map { $_ eq '[error]' ? $error : $_ }
                                           split /\n+/, $block->no_error_log]);
    }

    my $http = k8s_expand($block->http_config) // '';
    my $config = k8s_expand($block->config) // "    k8s_ingress_pass;\n";
    my $ready = k8s_expand($block->ready);
    my $more = k8s_expand($block->block) // '';

    if (!defined $block->no_source) {
        $http = "    k8s_ingress {\n        source manifests $Dir;\n"
                . "        zone 8m;\n$more\n    }\n$http";
    }

    $block->set_value('http_config', $http . k8s_backends($block));
    $block->set_value('config', "    # block $N\n$config");
    $block->set_value('ready', $ready);

    my $files = k8s_expand($block->user_files);
    $block->set_value('user_files', $files) if defined $files;
});

sub wait_ready ($) {
    my ($block) = @_;

    return if !defined $block->ready || defined $block->must_die;

    for my $line (grep { /\S/ } split /\n/, $block->ready) {
        my ($port, $host, $path, $status) = split ' ', $line;
        $port = $Test::Nginx::Util::ServerPortForClient if $port eq '-';
        my $end = time() + 60;
        my $got = '';

        while (time() < $end) {
            ($got) = K8s::Objects::http_get($port, $host, $path);
            last if $got eq $status;
            select undef, undef, undef, 0.01;
        }

        Test::More::diag($block->name . ": $host$path on port $port answers "
                         . "\"$got\", not $status") if $got ne $status;
    }
}

my $helper = $Test::Nginx::Util::RunTestHelper;

$Test::Nginx::Util::RunTestHelper = sub {
    my ($block, $dry_run, $i) = @_;
    wait_ready($block) if !$dry_run && !$i;
    $helper->(@_);
};

1;
