# Prints the packets that reach this network: witness.pl PATTERN END...
#
# "ready" comes first, then a line for each packet that fits the pattern; it ends when every END was among them, or
# says "late" when that never happens. Needs CAP_NET_RAW.
use strict;
use warnings;
use Socket qw(:DEFAULT IPPROTO_ICMP IPPROTO_TCP IPPROTO_UDP);

$| = 1;
my ($pattern, @ends) = @ARGV;
my %left = map { $_ => 1 } @ends;
my %sockets;
for my $protocol (IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP) {
    socket($sockets{$protocol}, AF_INET, SOCK_RAW, $protocol) or die "raw socket: $!";
}

sub way {
    my ($packet) = @_;
    my ($from_port, $to_port) = unpack 'nn', substr $packet, (ord($packet) & 15) * 4;
    return inet_ntoa(substr $packet, 12, 4) . ":$from_port>" . inet_ntoa(substr $packet, 16, 4) . ":$to_port";
}

sub line {
    my ($protocol, $packet) = @_;
    return 'udp ' . way($packet) if $protocol == IPPROTO_UDP;
    my $data = substr $packet, (ord($packet) & 15) * 4;
    return 'tcp ' . way($packet) . ' flags ' . unpack('x13 C', $data) if $protocol == IPPROTO_TCP;
    return 'icmp about ' . (length $data < 32 ? 'nothing' : way(substr $data, 8)) . ' from '
        . inet_ntoa(substr $packet, 12, 4);
}

print "ready\n";
my $end = time + 30;
while (%left) {
    $end > time or print("late\n"), exit;
    my $readable = '';
    vec($readable, fileno $_, 1) = 1 for values %sockets;
    select($readable, undef, undef, $end - time) > 0 or next;
    for my $protocol (keys %sockets) {
        vec($readable, fileno $sockets{$protocol}, 1) or next;
        defined recv($sockets{$protocol}, my $packet, 65536, 0) or next;
        my $line = line($protocol, $packet);
        $line =~ /$pattern/ or next;
        print "$line\n";
        delete $left{$line};
    }
}
