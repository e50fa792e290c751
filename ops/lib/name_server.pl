#!/usr/bin/perl
# Inside a sandbox: a name server that knows no name, and says so. In Perl, which every Debian has.
#
#   name_server.pl ADDRESS    answers what comes by UDP to port 53 of ADDRESS
use strict;
use warnings;
use Socket;

socket(my $server, PF_INET, SOCK_DGRAM, 0) or die "socket: $!\n";
bind($server, sockaddr_in(53, inet_aton($ARGV[0]))) or die "$ARGV[0]: $!\n";
while (defined(my $client = recv($server, my $question, 512, 0))) {
    next if length($question) < 12;
    # The ID; "an answer, no such name"; one question and nothing else; the question as it came.
    send($server, substr($question, 0, 2) . "\x81\x83\0\1" . "\0" x 6 . substr($question, 12), 0, $client);
}
