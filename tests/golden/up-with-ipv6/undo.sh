set -e
ip -batch - <<'EOF'
route del unreachable fd0a:57f1:a7e0:1::/64 proto 87 metric 4278198272
route del unreachable 10.87.1.0/24 proto 87 metric 4278198272
EOF
sysctl -qw net/ipv4/ip_forward=0 net/ipv6/conf/all/forwarding=0 net/ipv6/conf/eth0/accept_ra=1 net/ipv6/conf/default/accept_ra=1
ip link del dev flatnet-br0
nft -f - <<'EOF'
table inet flatnet
delete table inet flatnet
EOF
