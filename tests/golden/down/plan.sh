set -e
kill 4243
kill 4711
ip link del dev flatnet-br0
sysctl -qw net/ipv4/ip_forward=0
ip route del unreachable 10.87.1.0/24 proto 87 metric 4278198272
nft -f - <<'EOF'
table inet flatnet
delete table inet flatnet
EOF
