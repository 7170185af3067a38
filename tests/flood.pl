#!/usr/bin/perl
# flood.pl port count kind... - opens ${count} connections to 127.0.0.1, each from one of many addresses,
# sends the beginning of a request on each, and goes on a byte at a time until it is killed.  Prints a
# line when all are open.  Kinds, of which the connections take turns:
#	head	the head of a request that does not end
#	/path	the head of a POST to /path, and a byte of a body of 100,000
#	invite	a megabyte of an INVITE that does not end
#	batch	twenty megabytes of a batch of tasks
use strict;
use warnings;
use IO::Socket::INET;

my ($port, $count, @kinds) = @ARGV;
$SIG{PIPE} = 'IGNORE';

sub post {
	my ($path, $type, $length, $body) = @_;
	return "POST $path HTTP/1.1\r\nHost: x\r\nContent-Type: $type\r\nContent-Length: $length\r\n\r\n$body";
}

my %begin = (
	head => "GET /awcp/status HTTP/1.1\r\nHost: x\r\nX-Slow: ",
	invite => post('/awcp', 'application/json', 1040000,
		'{"version":"1","type":"INVITE","x":"' . 'a' x 1000000),
	batch => post('/queue/q/tasks', 'application/x-ndjson', 250000000, 'x' x 20000000),
);
my @open;
for my $i (0 .. $count - 1) {
	my $kind = $kinds[$i % @kinds];
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
		LocalAddr => '127.0.' . (1 + $i % 200) . '.1') or next;
	$s->blocking(0);
	# What the server does not take now it need not get.
	syswrite($s, $begin{$kind} // post($kind, 'application/json', 100000, '{'));
	push @open, $s;
}
$| = 1;
print scalar(@open), " open\n";
while (1) {
	sleep 1;
	syswrite($_, ' ') for @open;
}
