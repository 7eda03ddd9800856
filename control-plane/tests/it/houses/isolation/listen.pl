# Listens on one port of every IPv4 address, over TCP and UDP, and answers: listen.pl PORT
#
# Prints whom it hears.
use strict;
use warnings;
use Socket qw(:DEFAULT IPPROTO_ICMP IPPROTO_TCP IPPROTO_UDP);

$| = 1;
my ($port) = @ARGV;
my $everywhere = pack_sockaddr_in($port, INADDR_ANY);
socket(my $tcp, AF_INET, SOCK_STREAM, IPPROTO_TCP) or die "tcp: $!";
setsockopt($tcp, SOL_SOCKET, SO_REUSEADDR, 1) or die "tcp: $!";
bind($tcp, $everywhere) and listen($tcp, 128) or die "tcp: $!";
socket(my $udp, AF_INET, SOCK_DGRAM, IPPROTO_UDP) or die "udp: $!";
bind($udp, $everywhere) or die "udp: $!";
while (1) {
    my $readable = '';
    vec($readable, fileno $_, 1) = 1 for $tcp, $udp;
    select($readable, undef, undef, undef) > 0 or next;
    if (vec($readable, fileno $tcp, 1) and my $from = accept(my $visitor, $tcp)) {
        print 'tcp from ', inet_ntoa((unpack_sockaddr_in($from))[1]), "\n";
    }
    if (vec($readable, fileno $udp, 1) and my $from = recv($udp, my $said, 4096, 0)) {
        print 'udp from ', inet_ntoa((unpack_sockaddr_in($from))[1]), "\n";
        send($udp, $said, 0, $from);
    }
}
