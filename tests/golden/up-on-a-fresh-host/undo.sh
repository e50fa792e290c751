set -e
sysctl -qw net/ipv4/ip_forward=0
ip link del dev flatnet-br0
nft -f - <<'EOF'
table inet flatnet
delete table inet flatnet
table arp flatnet
delete table arp flatnet
EOF
