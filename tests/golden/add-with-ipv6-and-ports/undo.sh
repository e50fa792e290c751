set -e
ip -n netns-7b0c -6 rule del from fd0a:57f1:a7e0:1::2 lookup 173474050
ip -n netns-7b0c rule del from 10.87.1.2 lookup 173474050
ip link del dev fnfc76e0b5d19e
nft -f - <<'EOF'
add element inet flatnet published6_at_address { udp . 2001:db8::7 . 53 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : fd0a:57f1:a7e0:1::2 . 53 }
delete element inet flatnet published6_at_address { udp . 2001:db8::7 . 53 }
add element inet flatnet published_anywhere { tcp . 8082 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : 10.87.1.2 . 80 }
delete element inet flatnet published_anywhere { tcp . 8082 }
add element inet flatnet published6_anywhere { tcp . 8081 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : fd0a:57f1:a7e0:1::2 . 80 }
delete element inet flatnet published6_anywhere { tcp . 8081 }
add element inet flatnet published6_anywhere { tcp . 8080 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : fd0a:57f1:a7e0:1::2 . 80 }
delete element inet flatnet published6_anywhere { tcp . 8080 }
add element inet flatnet published_anywhere { tcp . 8080 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" : 10.87.1.2 . 80 }
delete element inet flatnet published_anywhere { tcp . 8080 }
add element inet flatnet bindings6 { "fnfc76e0b5d19e" . fd0a:57f1:a7e0:1::2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
delete element inet flatnet bindings6 { "fnfc76e0b5d19e" . fd0a:57f1:a7e0:1::2 }
add element inet flatnet bindings { "fnfc76e0b5d19e" . 10.87.1.2 comment "4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e4f5c1e9a0b7d2c3e" }
delete element inet flatnet bindings { "fnfc76e0b5d19e" . 10.87.1.2 }
EOF
