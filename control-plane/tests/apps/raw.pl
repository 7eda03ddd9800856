# An app that believes everybody: it writes down each request byte by byte, and answers what the request tells it to.
#
#   X-Say: HEX    the bytes of the answer; without it the answer is the app's name and the target
#   /tmp/seen     a line for each request: its head and its body, in hexadecimal
#
# It reads bodies as carelessly as an app may: whatever looks like "chunked" is, and the last length counts.

use strict;
use warnings;
use IO::Socket::INET;

my $slug = $ENV{TENANT_SLUG};
my $seen = '/tmp/seen';
$SIG{TERM} = sub { exit };
$SIG{CHLD} = 'IGNORE';

my $door = IO::Socket::INET->new(LocalPort => 8080, Listen => 256, ReuseAddr => 1) or die "cannot listen: $!";
while (1) {
    my $visitor = $door->accept or next;
    my $child = fork;
    if (defined $child && $child == 0) {
        close $door;
        talk($visitor);
        exit;
    }
    close $visitor;
}

sub talk {
    my ($visitor) = @_;
    my $read = '';
    my $more = sub { sysread $visitor, $read, 65536, length $read };
    while (1) {
        my $head;
        until ($read =~ s/\A(.*?\r?\n)\r?\n//s && defined($head = $1)) { $more->() or return }
        my $body = '';
        if ($head =~ /^transfer.encoding\s*:.*chunked/im) {
            while (1) {
                until ($read =~ s/\A\s*([0-9a-f]+)[^\n]*\n//i) { $more->() or return }
                my $size = hex $1;
                while (length $read < $size + 2) { $more->() or return }
                $body .= substr $read, 0, $size + 2, '';
                last if $size == 0;
            }
        }
        elsif (my @lengths = $head =~ /^content.length\s*:\D*(\d+)/img) {
            while (length $read < $lengths[-1]) { $more->() or return }
            $body = substr $read, 0, $lengths[-1], '';
        }
        answer($visitor, $head, $body);
    }
}

sub answer {
    my ($visitor, $head, $body) = @_;
    my ($target) = $head =~ /\A\S+ (\S*)/;
    if ($target ne '/healthz') {
        open my $file, '>>', $seen or die "cannot write: $!";
        syswrite $file, unpack('H*', $head) . ' ' . unpack('H*', $body) . "\n";
        close $file;
    }
    my $text = "$slug $target";
    my $length = length $text;
    my $said = "HTTP/1.1 200 OK\r\nX-App: $text\r\nContent-Length: $length\r\n\r\n$text";
    $said = pack 'H*', $1 if $head =~ /^x-say: ([0-9a-f]+)/im;
    syswrite $visitor, $said;
}
