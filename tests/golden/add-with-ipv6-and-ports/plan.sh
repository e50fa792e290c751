set -e
nft -f - <<'EOF'
add element inet flatnet bindings { "fnfc76e0b5d19e" . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
add element inet flatnet bindings6 { "fnfc76e0b5d19e" . fd0a:57f1:a7e0:1::2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
add element inet flatnet published_anywhere { tcp . 8080 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : 10.87.1.2 . 80 }
add element inet flatnet published6_anywhere { tcp . 8080 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : fd0a:57f1:a7e0:1::2 . 80 }
add element inet flatnet published6_anywhere { tcp . 8081 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : fd0a:57f1:a7e0:1::2 . 80 }
add element inet flatnet published_anywhere { tcp . 8082 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : 10.87.1.2 . 80 }
add element inet flatnet published6_at_address { udp . 2001:db8::7 . 53 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : fd0a:57f1:a7e0:1::2 . 53 }
EOF
ip -batch - <<'EOF'
link add dev fnfc76e0b5d19e address 02:f1:0a:57:01:02 mtu 1400 arp off group 1683116946 type veth peer name eth0 address 02:f1:0a:57:01:02 mtu 1400 arp off netns netns-7b0c
link set dev fnfc76e0b5d19e alias flatnet/flatnet/4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e/eth0
link set dev fnfc76e0b5d19e addrgenmode none
link set dev fnfc76e0b5d19e up
route append 10.87.1.2/32 dev fnfc76e0b5d19e proto 87 src 10.87.1.1
route append fd0a:57f1:a7e0:1::2/128 dev fnfc76e0b5d19e proto 87 src fd0a:57f1:a7e0:1::1
EOF
sysctl -qw net/ipv4/conf/fnfc76e0b5d19e/route_localnet=1
ip -n netns-7b0c -batch - <<'EOF'
addr add 10.87.1.2/24 brd + dev eth0 noprefixroute
link set dev eth0 addrgenmode none
link set dev eth0 up
route append 10.87.1.1/32 dev eth0 proto 87
route append default via 10.87.1.1 dev eth0 proto 87 metric 4096
route append 10.87.0.0/16 via 10.87.1.1 dev eth0 proto 87
route append 172.20.16.1/32 via 10.87.1.1 dev eth0 proto 87
route append default via 10.87.1.1 dev eth0 proto 87 table 173474050
rule flush table 173474050
rule add from 10.87.1.2 lookup 173474050 protocol 87
addr add fd0a:57f1:a7e0:1::2/128 dev eth0 nodad noprefixroute
route append fd0a:57f1:a7e0:1::1/128 dev eth0 proto 87
route append fd0a:57f1:a7e0::/48 via fd0a:57f1:a7e0:1::1 dev eth0 proto 87
route append ::/0 via fd0a:57f1:a7e0:1::1 dev eth0 proto 87 metric 4096
route append ::/0 via fd0a:57f1:a7e0:1::1 dev eth0 proto 87 table 173474050
EOF
ip -n netns-7b0c -6 -batch - <<'EOF'
rule flush table 173474050
rule add from fd0a:57f1:a7e0:1::2 lookup 173474050 protocol 87
EOF
conntrack -R - <<'EOF'
-D -p udp --orig-dst 2001:db8::7 --orig-port-dst 53
EOF
