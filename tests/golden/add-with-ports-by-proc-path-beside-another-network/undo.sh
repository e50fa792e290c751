set -e
nsenter --net=/proc/self/fd/9 ip rule del from 10.87.1.9 lookup 173474057 9</proc/4242/ns/net
ip link del dev fn50724f0d3e53
nft -f - <<'EOF'
add element inet flatnet published_at_address { udp . 127.0.0.1 . 5353 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : 10.87.1.9 . 53 }
delete element inet flatnet published_at_address { udp . 127.0.0.1 . 5353 }
add element inet flatnet published_anywhere { tcp . 8080 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : 10.87.1.9 . 80 }
delete element inet flatnet published_anywhere { tcp . 8080 }
add element arp flatnet bindings { 02:f1:0a:57:01:09 . 10.87.1.9 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
delete element arp flatnet bindings { 02:f1:0a:57:01:09 . 10.87.1.9 }
add element inet flatnet frame_bindings { 02:f1:0a:57:01:09 . 10.87.1.9 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
delete element inet flatnet frame_bindings { 02:f1:0a:57:01:09 . 10.87.1.9 }
EOF
