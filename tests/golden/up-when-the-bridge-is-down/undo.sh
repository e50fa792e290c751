set -e
ip -batch - <<'EOF'
route del unreachable 10.87.1.0/24 proto 87 metric 4278198272
link set dev flatnet-br0 down
EOF
sysctl -qw net/ipv4/ip_forward=0 net/ipv6/conf/flatnet-br0/disable_ipv6=0
ip -batch - <<'EOF'
addr del 10.87.1.1/32 dev flatnet-br0
link set dev flatnet-br0 mtu 1500
EOF
