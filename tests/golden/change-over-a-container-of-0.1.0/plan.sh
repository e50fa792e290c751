set -e
nft -f - <<'EOF'
add element inet flatnet bindings { "fnfc76e0b5d19e" . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
EOF
ip -batch - <<'EOF'
link set dev fnfc76e0b5d19e address 02:f1:0a:57:01:02
link set dev fnfc76e0b5d19e addrgenmode none
EOF
sysctl -qw net/ipv4/conf/fnfc76e0b5d19e/route_localnet=1
ip -batch - <<'EOF'
route append 10.87.1.2/32 dev fnfc76e0b5d19e proto 87 src 10.87.1.1
link set dev fnfc76e0b5d19e nomaster
EOF
ip -n netns-7b0c -batch - <<'EOF'
link set dev eth0 arp off
route append 10.87.1.1/32 dev eth0 proto 87
route del 10.87.1.0/24 dev eth0 proto kernel
route append default via 10.87.1.1 dev eth0 proto 87 table 173474050
rule add from 10.87.1.2 lookup 173474050 protocol 87
EOF
nft -f - <<'EOF'
add element inet flatnet frame_bindings { 02:f1:0a:57:01:02 . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
delete element inet flatnet frame_bindings { 02:f1:0a:57:01:02 . 10.87.1.2 }
add element arp flatnet bindings { 02:f1:0a:57:01:02 . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
delete element arp flatnet bindings { 02:f1:0a:57:01:02 . 10.87.1.2 }
EOF
