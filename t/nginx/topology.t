# Endpoints by zone: hints of EndpointSlices, for the zone of this node.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new(
    block => 'source manifests %%DIR%%; zone 8m; topology_zone eu-1;',
    main => 'worker_processes 1;');

# the Service default/s, with an endpoint in a slice of its own for each backend:
# name => [ zones that it is for, ready or not ]
sub slices {
    my (%of) = @_;
    my $text = <<'EOS';
apiVersion: v1
kind: Service
metadata: {name: s, namespace: default}
spec: {trafficDistribution: PreferClose, ports: [{name: http, port: 80}]}
EOS
    for my $name (sort keys %of) {
        my ($zones, $ready) = @{$of{$name}};
        my $hints = $zones ? ', hints: {forZones: ['
                             . join(', ', map { "{name: $_}" } split ' ', $zones)
                             . ']}' : '';
        my $is = $ready // 'true';
        $text .= <<EOS;
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: s-$name
  namespace: default
  labels: {kubernetes.io/service-name: s}
addressType: IPv4
ports: [{name: http, port: %%PORT_$name%%}]
endpoints: [{addresses: ["127.0.0.1"], conditions: {ready: $is}$hints}]
EOS
    }
    $n->manifest('s.yaml', $text);
}

# which backends answer, once these do
sub from {
    my ($want, $name) = @_;
    my %seen;
    ok $n->until(sub {
        %seen = ();
        $seen{($n->get('s.test', '/'))[1] =~ s/\s//gr}++ for 1 .. 12;
        join(' ', sort keys %seen) eq $want;
    }, 20), $name or diag join ' ', sort keys %seen;
}

$n->port_of($_) for qw( a b c );
$n->ingresses('default/s s.test / s:80');
slices(a => ['eu-1'], b => ['eu-2'], c => ['eu-2 eu-3']);
$n->start;

from('a', 'the one of this zone');
slices(a => ['eu-1'], b => ['eu-2 eu-1'], c => ['eu-2']);
from('a b', 'those for this zone, too');
slices(a => ['eu-1'], b => [''], c => ['eu-2']);
from('a b c', 'all, where one says nothing');
slices(a => ['eu-4'], b => ['eu-2'], c => ['eu-2']);
from('a b c', 'all, where none is for this zone');
slices(a => ['eu-1', 'false'], b => ['eu-2'], c => ['eu-2']);
from('b c', 'those that are ready, where the one of this zone is not');
slices(a => ['eu-1'], b => ['eu-2'], c => ['eu-2']);
from('a', 'that again');
slices(b => ['eu-2'], c => ['eu-2']);
from('b c', 'the others, when it has gone');
slices(a => ['eu-10'], b => ['eu-1'], c => ['eu-11']);
from('b', 'names of zones are compared as a whole');

$n->{block} = 'source manifests %%DIR%%; zone 8m;';
$n->reload;
from('a b c', 'without the directive all');

is_deeply [$n->alerts], [], 'no alerts';

$n->{block} = 'source manifests %%DIR%%; zone 8m; topology_zone "a,b";';
my ($status, $said) = $n->check;
like $said, qr/topology_zone.* is no value of a label/, 'a bad name';

done_testing();
