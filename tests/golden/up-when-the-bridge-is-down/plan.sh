set -e
ip -batch - <<'EOF'
link set dev flatnet-br0 mtu 1400
addr add 10.87.1.1/32 dev flatnet-br0
EOF
sysctl -qw net/ipv6/conf/flatnet-br0/disable_ipv6=1 net/ipv4/ip_forward=1
ip -batch - <<'EOF'
link set dev flatnet-br0 up
route append unreachable 10.87.1.0/24 proto 87 metric 4278198272
EOF
