set -e
ip link del dev fnfc76e0b5d19e
nft -f - <<'EOF'
add element inet flatnet bindings { "fnfc76e0b5d19e" . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
delete element inet flatnet bindings { "fnfc76e0b5d19e" . 10.87.1.2 }
EOF
