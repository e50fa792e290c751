set -e
nft -f - <<'EOF'
add element arp flatnet bindings { 02:f1:0a:57:01:02 . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
add element inet flatnet frame_bindings { 02:f1:0a:57:01:02 . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
EOF
ip -n netns-7b0c -batch - <<'EOF'
rule del from 10.87.1.2 lookup 173474050
route del default via 10.87.1.1 dev eth0 proto 87 table 173474050
route add 10.87.1.0/24 dev eth0 proto kernel scope link src 10.87.1.2
route del 10.87.1.1/32 dev eth0 proto 87
link set dev eth0 arp on
EOF
ip -batch - <<'EOF'
link set dev fnfc76e0b5d19e master flatnet-br0
link set dev fnfc76e0b5d19e type bridge_slave isolated on
link set dev fnfc76e0b5d19e type bridge_slave hairpin off
link set dev fnfc76e0b5d19e type bridge_slave learning off
link set dev fnfc76e0b5d19e type bridge_slave locked on
EOF
bridge fdb add 02:f1:0a:57:01:02 dev fnfc76e0b5d19e master static
ip route del 10.87.1.2/32 dev fnfc76e0b5d19e proto 87
sysctl -qw net/ipv4/conf/fnfc76e0b5d19e/route_localnet=0
ip -batch - <<'EOF'
link set dev fnfc76e0b5d19e addrgenmode eui64
link set dev fnfc76e0b5d19e address 06:f1:0a:57:01:02
EOF
nft -f - <<'EOF'
add element inet flatnet bindings { "fnfc76e0b5d19e" . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
delete element inet flatnet bindings { "fnfc76e0b5d19e" . 10.87.1.2 }
EOF
