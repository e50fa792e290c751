set -e
ip link set dev flatnet-br0 down
sysctl -qw net/ipv4/ip_forward=0
ip -batch - <<'EOF'
addr del 10.87.1.1/24 dev flatnet-br0
link set dev flatnet-br0 mtu 1500
EOF
