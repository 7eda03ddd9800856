# What one may do to the network one is in: powers.pl OTHER_ADDRESS
#
# Prints a line for each attempt, "done" or why not. What works changes nothing that matters.
use strict;
use warnings;
use Socket qw(:DEFAULT IPPROTO_ICMP IPPROTO_TCP IPPROTO_UDP);

my ($other) = @ARGV;
socket(my $plain, AF_INET, SOCK_DGRAM, IPPROTO_UDP) or die "socket: $!";

sub attempt {
    my ($what, $try) = @_;
    print "$what: ", ($try->() ? 'done' : $!), "\n";
}

sub interface {
    my ($call, $rest) = @_;
    return pack 'a16 a24', 'eth0', $rest // '';
}

# What the interface has is asked for, and then set as it was.
sub set_again {
    my ($ask, $set) = @_;
    my $request = pack 'a16 a24', 'eth0', '';
    ioctl($plain, $ask, $request) or die "asking is everybody's: $!";
    return ioctl $plain, $set, $request;
}

sub address {
    return pack_sockaddr_in(0, inet_aton(shift));
}

attempt('packet socket', sub { socket my $s, 17, SOCK_RAW, unpack('S', pack 'n', 3) });
attempt('cooked packet socket', sub { socket my $s, 17, SOCK_DGRAM, unpack('S', pack 'n', 3) });
attempt('raw socket', sub { socket my $s, AF_INET, SOCK_RAW, 255 });
attempt('raw icmp socket', sub { socket my $s, AF_INET, SOCK_RAW, IPPROTO_ICMP });
attempt('transparent socket', sub { setsockopt $plain, 0, 19, 1 });
attempt('interface down or up', sub { set_again(0x8913, 0x8914) });
attempt('hardware address', sub { set_again(0x8927, 0x8924) });
attempt('packet size', sub { set_again(0x8921, 0x8922) });
attempt(
    'route',
    sub {
        my $gateway = (split ' ', (grep { (split)[1] eq '00000000' } routes())[0])[2];
        my $by = pack_sockaddr_in(0, pack 'V', hex $gateway);
        my ($to, $all) = (address('192.0.2.77'), address('255.255.255.255'));
        # up, by a gateway, to one host
        return ioctl $plain, 0x890B, pack 'x8 a16 a16 a16 S x70', $to, $by, $all, 7;
    }
);
attempt(
    'arp entry',
    sub {
        my $hardware = pack 'S a14', 1, "\x02\0\0\0\0\x01";
        # a finished entry, on this interface
        return ioctl $plain, 0x8955, pack 'a16 a16 i a16 a16', neighbour(), $hardware, 2, '', 'eth0';
    }
);
# Anybody may bind to an address that is not there; what counts is whether a packet leaves with it, and that takes a
# transparent socket.
attempt(
    "packet from $other",
    sub {
        socket my $s, AF_INET, SOCK_DGRAM, IPPROTO_UDP or die "socket: $!";
        setsockopt $s, 0, 15, 1 or die "free bind: $!";
        setsockopt $s, 0, 19, 1;
        bind $s, address($other) or return;
        my $to = inet_aton('platform.internal') or die 'no platform.internal';
        return send $s, 'x', 0, pack_sockaddr_in(9, $to);
    }
);

sub routes {
    open my $file, '<', '/proc/net/route' or die "routes: $!";
    return <$file>;
}

# The last but one address of the own network, which nobody has.
sub neighbour {
    my ($line) = grep { (split)[0] eq 'eth0' and (split)[1] ne '00000000' } routes();
    my (undef, $net, undef, undef, undef, undef, undef, $mask) = split ' ', $line;
    my ($number, $size) = map { unpack 'N', pack 'V', hex } $net, $mask;
    return pack_sockaddr_in(0, pack 'N', $number + (~$size & 0xffffffff) - 2);
}
