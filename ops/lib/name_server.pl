#!/usr/bin/perl
# In a sandbox: a name server that answers every query with NXDOMAIN. In Perl, which every Debian has.
#
#   name_server.pl ADDRESS    listens on UDP port 53 of ADDRESS
use strict;
use warnings;
use Socket;

socket(my $server, PF_INET, SOCK_DGRAM, 0) or die "socket: $!\n";
bind($server, sockaddr_in(53, inet_aton($ARGV[0]))) or die "$ARGV[0]: $!\n";
while (defined(my $client = recv($server, my $question, 512, 0))) {
    next if length($question) < 12;
    # The ID; the flags of an NXDOMAIN response; one question and no records; the question.
    send($server, substr($question, 0, 2) . "\x81\x83\0\1" . "\0" x 6 . substr($question, 12), 0, $client);
}
