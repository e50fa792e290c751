set -e
ip -batch - <<'EOF'
link set dev flatnet-br0 mtu 1400
addr add 10.87.1.1/24 brd + dev flatnet-br0
EOF
sysctl -qw net/ipv4/ip_forward=1
ip link set dev flatnet-br0 up
