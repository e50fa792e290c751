set -e
nft -f - <<'EOF'
add element inet flatnet frame_bindings { 02:f1:0a:57:01:02 . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
add element arp flatnet bindings { 02:f1:0a:57:01:02 . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
EOF
ip -batch - <<'EOF'
link set dev fnfc76e0b5d19e address 06:f1:0a:57:01:02
link set dev fnfc76e0b5d19e master flatnet-br0
link set dev fnfc76e0b5d19e type bridge_slave hairpin on
link set dev fnfc76e0b5d19e type bridge_slave learning off
link set dev fnfc76e0b5d19e type bridge_slave locked on
EOF
bridge fdb add 02:f1:0a:57:01:02 dev fnfc76e0b5d19e master static
ip route del 10.87.1.2/32 dev fnfc76e0b5d19e proto 87
ip -n netns-7b0c -batch - <<'EOF'
link set dev eth0 arp on
route add 10.87.1.0/24 dev eth0 proto kernel scope link src 10.87.1.2
route del 10.87.1.1/32 dev eth0 proto 87
route append 10.87.1.0/24 dev eth0 proto 87 table 173474050
EOF
nft -f - <<'EOF'
add element inet flatnet bindings { "fnfc76e0b5d19e" . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
delete element inet flatnet bindings { "fnfc76e0b5d19e" . 10.87.1.2 }
EOF
