set -e
ip route del unreachable 10.87.1.0/24 proto 87 metric 4278198272
sysctl -qw net/ipv4/conf/flatnet-br0/proxy_arp=0
ip -batch - <<'EOF'
link set dev fnfc76e0b5d19e arp on
link set dev fnfc76e0b5d19e group 0
EOF
nft -f - <<'EOF'
table inet flatnet
delete table inet flatnet
# as it was
EOF
ip link set dev flatnet-br0 group 0
