# Sends packets that say what they like. Needs CAP_NET_RAW.
#
# forge.pl PACKET..., where a PACKET is one of
#   syn:FROM:PORT:TO:PORT            a TCP connection's first
#   udp:FROM:PORT:TO:PORT            a datagram
#   refusal:FROM:TO:PROTOCOL:FROM:PORT:TO:PORT
#                                    the ICMP error that the port of a packet with these addresses is closed
#   arp:CLAIMED:ASKED                the question who ASKED is, by one who claims to be CLAIMED
use strict;
use warnings;
use Socket qw(:DEFAULT IPPROTO_ICMP IPPROTO_TCP IPPROTO_UDP);

sub checksum {
    my ($data) = @_;
    my $sum = 0;
    $sum += $_ for unpack 'n*', length($data) % 2 ? "$data\0" : $data;
    $sum = ($sum >> 16) + ($sum & 0xffff) while $sum >> 16;
    return pack 'n', ~$sum & 0xffff;
}

sub ip {
    my ($from, $to, $protocol, $data) = @_;
    my $head = pack('CCnnnCCn', 0x45, 0, 20 + length $data, 0, 0, 64, $protocol, 0) . inet_aton($from) . inet_aton($to);
    substr($head, 10, 2) = checksum($head);
    return $head . $data;
}

sub with_ports {
    my ($from, $from_port, $to, $to_port, $protocol) = @_;
    my $data =
        $protocol == IPPROTO_TCP
        ? pack('nnNNCCnnn', $from_port, $to_port, 1000, 0, 5 << 4, 2, 8192, 0, 0)
        : pack('nnnn', $from_port, $to_port, 8, 0);
    my $pseudo = inet_aton($from) . inet_aton($to) . pack('CCn', 0, $protocol, length $data);
    substr($data, $protocol == IPPROTO_TCP ? 16 : 6, 2) = checksum($pseudo . $data);
    return ip($from, $to, $protocol, $data);
}

sub send_ip {
    my ($to, $packet) = @_;
    socket(my $socket, AF_INET, SOCK_RAW, 255) or die "raw socket: $!";
    setsockopt($socket, SOL_SOCKET, SO_BROADCAST, 1) or die "broadcast: $!";
    send($socket, $packet, 0, pack_sockaddr_in(0, inet_aton($to))) or die "send to $to: $!";
}

sub read_line {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!";
    chomp(my $line = <$file>);
    return $line;
}

sub send_arp {
    my ($claimed, $asked) = @_;
    my $own = pack 'H12', read_line('/sys/class/net/eth0/address') =~ s/://gr;
    my $all = "\xff" x 6;
    my $frame = $all . $own . pack('nnnCCn', 0x0806, 1, 0x0800, 6, 4, 1) . $own . inet_aton($claimed) . "\0" x 6
        . inet_aton($asked);
    socket(my $socket, 17, SOCK_RAW, unpack('S', pack 'n', 0x0806)) or die "packet socket: $!";
    my $link = pack 'SniSCCa8', 17, 0x0806, read_line('/sys/class/net/eth0/ifindex'), 1, 0, 6, $all;
    send($socket, $frame, 0, $link) or die "send: $!";
}

for (@ARGV) {
    my ($kind, @is) = split /:/;
    if ($kind eq 'syn' or $kind eq 'udp') {
        send_ip($is[2], with_ports(@is, $kind eq 'syn' ? IPPROTO_TCP : IPPROTO_UDP));
    } elsif ($kind eq 'refusal') {
        my ($from, $to, $protocol, @inner) = @is;
        my $about = substr with_ports(@inner, $protocol eq 'tcp' ? IPPROTO_TCP : IPPROTO_UDP), 0, 28;
        my $error = pack('CCnN', 3, 3, 0, 0) . $about;
        substr($error, 2, 2) = checksum($error);
        send_ip($to, ip($from, $to, IPPROTO_ICMP, $error));
    } elsif ($kind eq 'arp') {
        send_arp(@is);
    } else {
        die "no such packet: $_";
    }
}
