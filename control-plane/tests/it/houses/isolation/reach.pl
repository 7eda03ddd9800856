# Which of these places answer, asked all at once: reach.pl SECONDS PLACE...
#
# A place is tcp/HOST/PORT, udp/HOST/PORT or ping/HOST. Each that answers is printed; it ends when all have, or when
# the time is over. Needs no capability.
use strict;
use warnings;
use Errno;
use Fcntl;
use Socket qw(:DEFAULT IPPROTO_ICMP IPPROTO_TCP IPPROTO_UDP inet_pton pack_sockaddr_in6);

$| = 1;
my ($seconds, @places) = @ARGV;

sub address {
    my ($host, $port) = @_;
    if ($host =~ /:/) {
        my ($number, $interface) = split /%/, $host;
        return pack_sockaddr_in6($port, inet_pton(AF_INET6, $number), index_of($interface));
    }
    my $number = inet_aton($host) or return;
    return pack_sockaddr_in($port, $number);
}

sub index_of {
    my ($interface) = @_;
    return 0 unless defined $interface;
    open my $file, '<', "/sys/class/net/$interface/ifindex" or die "$interface: $!";
    return int <$file>;
}

my %sockets = (
    tcp => [SOCK_STREAM, IPPROTO_TCP],
    udp => [SOCK_DGRAM, IPPROTO_UDP],
    ping => [SOCK_DGRAM, IPPROTO_ICMP],
);

my %waiting;
for my $place (@places) {
    my ($kind, $host, $port) = split m{/}, $place;
    my $to = address($host, $port // 0) or next;
    my ($type, $protocol) = @{ $sockets{$kind} };
    socket(my $socket, sockaddr_family($to), $type, $protocol) or die "$kind: $!";
    fcntl($socket, F_SETFL, O_NONBLOCK) or die "fcntl: $!";
    setsockopt($socket, SOL_SOCKET, SO_BROADCAST, 1) or die "broadcast: $!";
    if ($kind eq 'tcp') {
        connect($socket, $to) or $!{EINPROGRESS} or next;
    } else {
        my $head = $kind eq 'ping' ? pack('CCnnn', 8, 0, 0, 0, 1) : '';
        send($socket, $head . $place, 0, $to) or next;
    }
    $waiting{ fileno $socket } = [$place, $socket, $kind];
}

my $end = time + $seconds;
while (%waiting and $end > time) {
    my ($readable, $writable) = ('', '');
    vec($waiting{$_}[2] eq 'tcp' ? $writable : $readable, $_, 1) = 1 for keys %waiting;
    select($readable, $writable, undef, $end - time) > 0 or next;
    for my $number (keys %waiting) {
        my ($place, $socket, $kind) = @{ $waiting{$number} };
        my $answered;
        if ($kind eq 'tcp') {
            vec($writable, $number, 1) or next;
            $answered = unpack('i', getsockopt($socket, SOL_SOCKET, SO_ERROR)) == 0;
        } else {
            vec($readable, $number, 1) or next;
            $answered = defined recv($socket, my $answer, 4096, 0);
        }
        print "$place\n" if $answered;
        delete $waiting{$number};
    }
}
