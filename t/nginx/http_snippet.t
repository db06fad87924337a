# http-snippet: tables of variables, for snippets and annotations.

use strict;
use warnings;

use lib 't/lib';
use K8s::Nginx;
use Test::More;

my $n = K8s::Nginx->new(block => "source manifests %%DIR%%;\n zone 8m;\n"
                               . " config_map default/keys;\n",
                        http => 'access_log %%ROOT%%/logs/al.log k8s_ingress;');

$n->backend('a', <<'EOC');
location / { return 200 "$http_host|$http_x_a\n"; }
EOC
$n->services("default/a:80 a");

my %keys = ('allow-snippet-annotations' => '"true"',
            'annotations-risk-level' => 'Critical');

# sets the keys, with a table of a name of its own that says that they hold
my $round = 0;

sub keys_are {
    my ($text, %more) = @_;
    $round++;
    $text .= "map \$host \$round { default r$round; }\n" if $text =~ s/^\+//;
    $text =~ s/^/    /mg;
    $n->config_map('default/keys', %keys, %more,
                   $text =~ /\S/ ? ('http-snippet' => "|\n$text") : ());
}

my $tables = <<'EOS';
+map $http_x_tier $tier {
    default free;
    Gold gold;
    "" none;
    \~x tilde;
    ~^no-(\d+)$ "number-$1";
    ~*^ABC any;
    ~^ABC never;
}
map "$tier-$arg_a" $both { free-1 one; default $tier; }
map $loop $loop { default "x$loop"; }
map $many $many { default "x$many$many$many$many$many$many$many$many$many"; }
map $host $empty { other.test 1; }
map $host $volatile { volatile; default v; }
geo $net { default far; 127.0.0.0/8 near; 127.0.0.1 here; 10.0.0.0/8 ten; ::/0 six; }
geo $arg_ip $of { 10.0.0.0/8 ten; 10.1.0.0/16 one; 2001:db8::/32 six; }
map $sent_http_content_type $age { default off; text/plain 1h; }
EOS

keys_are($tables);

sub text { my ($name, $text, @more) = @_;
           $text =~ s/^/      /mg;
           $n->annotated($name, "configuration-snippet: |\n$text", @more) }

text('tables', <<'EOS', 'upstream-vhost: "$tier.internal"');
proxy_set_header X-A "$tier|$both|$loop|$empty|$volatile|$net|$of|$round";
if ($of = one) { return 403; }
expires $age;
EOS
text('many', 'proxy_set_header X-A "$many";');
text('unknown', 'if ($no_table) { return 403; }');
$n->annotated('plain');
$n->start;

my ($status, $body, $head);

sub ask {
    my ($host, $path, @lines) = @_;
    ($status, $body, $head) = $n->get("$host.test", $path, @lines);
    return $status;
}

sub is_round { my $want = "r$round";
               return $n->until(sub { ask('tables', '/'); $body =~ /\|$want$/m }) }

ok is_round(), 'tables are looked up';
my $host = 'none.internal';
is $body, "$host|none|none|xxxxxxxx||v|here||r$round\n",
   'an empty key, and what asks for itself';
like $head, qr/^Cache-Control: max-age=3600\r?$/m, 'a directive of nginx';

is ask('many', '/'), 200, 'one that asks for itself many times is bounded';
like $body, qr/\|x+$/, 'and has a value';

for (['gold', 'gold'], ['GOLD', 'gold'], ['silver', 'free'], ['~x', 'tilde'],
     ['no-12', 'number-12'], ['abcd', 'any'], ['ABCD', 'any'])
{
    ask('tables', '/', "X-Tier: $_->[0]");
    like $body, qr/\|\Q$_->[1]\E\|/, "$_->[0] is $_->[1]";
}

ask('tables', '/?a=1', 'X-Tier: x');
like $body, qr/^free\.internal\|free\|one\|/, 'of two variables, and an annotation';
ask('tables', '/?ip=10.2.3.4');
like $body, qr/\|ten\|r/, 'an address';
is ask('tables', '/?ip=10.1.3.4'), 403, 'of the smallest range';
ask('tables', '/?ip=2001:db8::1');
like $body, qr/\|six\|r/, 'of the other family';
ask('tables', '/?ip=nonsense');
like $body, qr/\|\|r/, 'that is none';
is ask('unknown', '/'), 503, 'a table that is not there closes';
is ask('plain', '/'), 200, 'what needs none';

# a change

keys_are($tables =~ s/default free/default basic/r);
ok is_round(), 'a change';
ask('tables', '/', 'X-Tier: x');
like $body, qr/^basic\.internal\|basic\|basic\|/, 'holds';

# what is not read

keys_are("+limit_req_zone \$host zone=z:1m rate=1r/s;\n"
       . "upstream u { server 127.0.0.1:1; }\n"
       . "map \$host \$no_table { hostnames; *.test 1; }\n"
       . ($tables =~ s/^\+//r));
ok is_round(), 'the rest holds';
is ask('unknown', '/'), 503, 'and what needs the other one does not';
my $log = $n->log;
like $log, qr/line 1: "limit_req_zone" is for nginx\.conf, in http/, 'a note';
like $log, qr/line 3: "map" has an entry that is not read/, 'of a table, too';

# in the access log, and beside a key that nginx refuses

sub logged {
    my ($uri) = @_;
    open my $file, '<', "$n->{root}/logs/al.log" or die $!;
    return map { / \Q$uri\E (.*)$/ ? $1 : () } <$file>;
}

keys_are($tables, 'access-log-params' => 'if=$logged',
         'log-format-upstream' => "'in \$request_uri \$tier \$net.'");
$n->until(sub { $n->log =~ /there is no variable "logged"/ });
like $n->log, qr/there is no variable "logged"/, 'a condition without a table';
$tables .= 'map $arg_quiet $logged { default 1; yes 0; }' . "\n";
keys_are($tables, 'access-log-params' => 'if=$logged',
         'log-format-upstream' => "'in \$request_uri \$tier \$net.'");
ok is_round(), 'tables for the log';
ask('plain', '/quiet?quiet=yes', 'X-Tier: gold');
ask('plain', '/loud', 'X-Tier: gold');
ok $n->until(sub { logged('/loud') }), 'a line';
is join('|', logged('/loud')), 'gold here.', 'has what tables say';
is scalar(logged('/quiet?quiet=yes')), 0, 'and is left out as they say';

keys_are($tables, 'log-format-upstream' => "'\$no_such_thing'",
         'server-snippet' => '"if ($tier = none) { return 403; }"');
ok $n->until(sub { $n->log =~ /there is no variable "no_such_thing"/ }),
   'a format that is refused';
ok $n->until(sub { ask('plain', '/') == 403 }), 'leaves a snippet as it is';
is ask('plain', '/', 'X-Tier: gold'), 200, 'for all';

keys_are("deny 192.0.2.1;\n");
ok $n->until(sub { ask('plain', '/') == 503 }), 'what protects closes all';
keys_are("map \$no_such \$x { default 1; }\n");
ok $n->until(sub { ask('plain', '/') == 200 }), 'what nginx does not have';
like $n->log, qr/there is no variable "no_such"/, 'is a problem';
keys_are('');
ok $n->until(sub { ask('tables', '/') == 503 }), 'the end of all tables';
is $n->alerts, 0, 'no alerts';

done_testing;
