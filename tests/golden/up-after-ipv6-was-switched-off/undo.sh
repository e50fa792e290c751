set -e
ip route append unreachable fd0a:57f1:a7e0:1::/64 proto 87 metric 4278198272
sysctl -qw net/ipv6/conf/flatnet-br0/disable_ipv6=0
nft -f - <<'EOF'
table inet flatnet
delete table inet flatnet
# as it was
EOF
