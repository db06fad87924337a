# Canaries, as Argo Rollouts and Flagger write them: shares, headers, cookies,
# what logs and metrics say, and that no request is lost while shares change.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new(
    workers => 2,
    block => "source manifests %%DIR%%;\n zone 8m;\n",
    main => '', http => '', server => '');
my $admin = $n->port_of('admin');
my $p = 'nginx.ingress.kubernetes.io';

sub ingress {
    my ($name, $annotations, @paths) = @_;
    my $text = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n"
               . "  name: $name\n  namespace: default\n  annotations:\n"
               . "    kubernetes.io/ingress.class: nginx\n";
    $text .= "    $p/$_\n" for @$annotations;
    $text .= "spec:\n  rules:\n  - host: shop.test\n    http:\n      paths:\n";
    $text .= "      - {path: '$_->[0]', pathType: Prefix, backend: {service: "
             . "{name: $_->[1], port: {number: 80}}}}\n" for @paths;
    $n->manifest("$name.yaml", $text);
}
