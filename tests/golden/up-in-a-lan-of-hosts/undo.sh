set -e
ip -batch - <<'EOF'
link del dev flatnet-ov0
route del unreachable 10.87.0.0/16 proto 87 metric 4278198272
route del unreachable 10.87.2.0/24 proto 87 metric 4278198272
EOF
sysctl -qw net/ipv4/ip_forward=0
ip link del dev flatnet-br0
nft -f - <<'EOF'
table inet flatnet
delete table inet flatnet
EOF
