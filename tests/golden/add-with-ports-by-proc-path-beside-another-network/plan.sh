set -e
nft -f - <<'EOF'
add element inet flatnet frame_bindings { 02:f1:0a:57:01:09 . 10.87.1.9 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
add element arp flatnet bindings { 02:f1:0a:57:01:09 . 10.87.1.9 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
add element inet flatnet published_anywhere { tcp . 8080 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : 10.87.1.9 . 80 }
add element inet flatnet published_at_address { udp . 127.0.0.1 . 5353 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : 10.87.1.9 . 53 }
EOF
ip -batch - 9</proc/4242/ns/net <<'EOF'
link add dev fn50724f0d3e53 address 06:f1:0a:57:01:09 mtu 1400 master flatnet-br0 arp off group 1683116946 type veth peer name eth1 address 02:f1:0a:57:01:09 mtu 1400 netns /proc/self/fd/9
link set dev fn50724f0d3e53 alias flatnet/flatnet/4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e/eth1
link set dev fn50724f0d3e53 addrgenmode none
link set dev fn50724f0d3e53 type bridge_slave hairpin on
link set dev fn50724f0d3e53 type bridge_slave learning off
link set dev fn50724f0d3e53 type bridge_slave locked on
link set dev fn50724f0d3e53 up
EOF
bridge fdb add 02:f1:0a:57:01:09 dev fn50724f0d3e53 master static
nsenter --net=/proc/self/fd/9 ip -batch - 9</proc/4242/ns/net <<'EOF'
addr add 10.87.1.9/24 brd + dev eth1
link set dev eth1 up
route append 10.87.0.0/16 via 10.87.1.1 dev eth1 proto 87
route append 172.20.16.1/32 via 10.87.1.1 dev eth1 proto 87
route append 10.87.1.0/24 dev eth1 proto 87 table 173474057
route append default via 10.87.1.1 dev eth1 proto 87 table 173474057
rule flush table 173474057
rule add from 10.87.1.9 lookup 173474057 protocol 87
EOF
conntrack -R - <<'EOF'
-D -p udp --orig-dst 127.0.0.1 --orig-port-dst 5353
EOF
