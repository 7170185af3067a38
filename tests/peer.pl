#!/usr/bin/perl
# peer.pl DIR - an executor that says what it is told to, for tests of the delegator.
#
# Listens on a free port of 127.0.0.1 and writes the port to DIR/port.  A request is answered with the
# content of a file in DIR: invite, start, error, events (the second time events.2, …), result, ack,
# cancel; a missing file is 404.  A file that begins with "HTTP/" is sent as it is; else it is the
# body of a 200.  In the content @ID@ stands for the delegation's id, and at its end
#	@NEVER@		leaves the connection open and silent
#	@THEN@		waits for the file NAME.then, and goes on with that
#	@ENDLESS@	goes on with letters for ever
# Events wait until START has come.  DIR/log gets a line a request.
use strict;
use warnings;
use IO::Socket::INET;

my $dir = shift or die "usage: peer.pl dir\n";
my $self = $$;
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 64, ReuseAddr => 1)
    or die "listen: $!\n";
open(my $p, '>', "$dir/port.new") or die;
print $p $server->sockport, "\n";
close $p;
rename "$dir/port.new", "$dir/port";

sub slurp {
	my ($name) = @_;
	open(my $f, '<:raw', "$dir/$name") or return undef;
	local $/;
	return scalar <$f>;
}

# What is asked for, and for which delegation.
sub route {
	my ($method, $path, $body) = @_;
	my ($id) = $path =~ m{/(?:tasks|cancel)/([^/]+)};
	return ('cancel', $id) if $path =~ m{/cancel/};
	return ($1, $id) if $path =~ m{/(events|result|ack)$};
	($id) = $body =~ /"delegationId":"([^"]*)"/;
	my ($type) = $body =~ /"type":"(INVITE|START|ERROR)"/;
	return (lc($type // 'none'), $id);
}

# The text to send, and what comes at its end.
sub content {
	my ($name, $id) = @_;
	my $text = slurp($name);
	return (undef, '') if !defined $text;
	my $end = $text =~ s/\@(NEVER|ENDLESS|THEN)\@\s*\z// ? $1 : '';
	$text =~ s/\@ID\@/$id/g if defined $id;
	return ($text, $end);
}

# Wait for a file; who waits when the peer is stopped ends with it.
sub wait_for {
	my ($name) = @_;
	until (-e "$dir/$name") {
		select(undef, undef, undef, 0.005);
		exit if getppid != $self;
	}
}

sub then_content {
	my ($name, $id) = @_;
	wait_for("$name.then");
	return content("$name.then", $id);
}

sub answer {
	my ($c, $what, $id) = @_;
	if ($what eq 'start') {
		open(my $f, '>', "$dir/started");
	}
	my $name = $what;
	if ($what eq 'events') {
		my $n = 1;
		$n++ while -e "$dir/events.seen.$n";
		open(my $f, '>', "$dir/events.seen.$n");
		$name = "events.$n" if -e "$dir/events.$n";
	}
	my ($text, $end) = content($name, $id);
	my $kind = $what eq 'events' ? 'text/event-stream' : 'application/json';
	if (!defined $text) {
		my $none = '{"status":"not_found","error":"not found"}';
		print $c "HTTP/1.1 404 Not Found\r\nContent-Type: $kind\r\nContent-Length: ",
		    length $none, "\r\nConnection: close\r\n\r\n$none";
		return;
	}
	# Nothing yet, not even a status.
	($text, $end) = then_content($name, $id) if $text eq '' && $end eq 'THEN' && $what ne 'events';
	if ($text !~ m{^HTTP/}) {
		print $c "HTTP/1.1 200 OK\r\nContent-Type: $kind\r\nConnection: close\r\n";
		print $c "Content-Length: ", length $text, "\r\n" if $what ne 'events' && $end eq '';
		print $c "\r\n";
		$c->flush;
		wait_for('started') if $what eq 'events';
	}
	print $c $text;
	$c->flush;
	if ($end eq 'THEN') {
		($text, $end) = then_content($name, $id);
		print $c $text;
		$c->flush;
	}
	while ($end eq 'ENDLESS') {
		print $c 'A' x 65536 or last;
	}
	if ($end eq 'NEVER') {
		my $gone;
		sysread($c, $gone, 1);
	}
}

while (1) {
	my $c = $server->accept or next;
	next if fork;
	my ($head, $byte, $body) = ('', '', '');
	while ($head !~ /\r\n\r\n\z/ && read($c, $byte, 1)) { $head .= $byte }
	my ($method, $path) = $head =~ m{^(\S+) (\S+)} or exit;
	my ($length) = $head =~ /^content-length: (\d+)/mi;
	read($c, $body, $length) if $length;
	my ($what, $id) = route($method, $path, $body);
	my ($last) = $head =~ /^last-event-id: (\S+)/mi;
	my $auth = $head =~ /^authorization:/mi ? ' authorized' : '';
	open(my $log, '>>', "$dir/log");
	print $log "$method $what", defined $last ? " after $last" : '', "$auth\n";
	close $log;
	answer($c, $what, $id);
	exit;
}
