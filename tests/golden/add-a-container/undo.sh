set -e
ip link del dev fnfc76e0b5d19e
nft -f - <<'EOF'
add element arp flatnet bindings { 02:f1:0a:57:01:02 . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
delete element arp flatnet bindings { 02:f1:0a:57:01:02 . 10.87.1.2 }
add element inet flatnet bindings { 02:f1:0a:57:01:02 . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
delete element inet flatnet bindings { 02:f1:0a:57:01:02 . 10.87.1.2 }
EOF
