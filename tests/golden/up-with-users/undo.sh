set -e
ip route del unreachable 10.87.1.0/24 proto 87 metric 4278198272
sysctl -qw net/ipv4/ip_forward=0
ip link del dev flatnet-br0
nft -f - <<'EOF'
table inet flatnet
delete table inet flatnet
EOF
