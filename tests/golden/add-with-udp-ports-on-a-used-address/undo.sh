set -e
ip -n netns-7b0c rule del from 10.87.1.2 lookup 173474050
ip link del dev fnfc76e0b5d19e
nft -f - <<'EOF'
add element inet flatnet published_at_address { udp . 192.0.2.5 . 5353 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : 10.87.1.2 . 53 }
delete element inet flatnet published_at_address { udp . 192.0.2.5 . 5353 }
add element inet flatnet published_anywhere { udp . 5514 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : 10.87.1.2 . 514 }
delete element inet flatnet published_anywhere { udp . 5514 }
add element inet flatnet published_anywhere { tcp . 8080 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : 10.87.1.2 . 80 }
delete element inet flatnet published_anywhere { tcp . 8080 }
add element inet flatnet bindings { "fnfc76e0b5d19e" . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
delete element inet flatnet bindings { "fnfc76e0b5d19e" . 10.87.1.2 }
EOF
