set -e
ip -batch - <<'EOF'
addr add 10.87.1.1/24 brd + dev flatnet-br0
addr del 10.87.1.1/32 dev flatnet-br0
EOF
nft -f - <<'EOF'
table inet flatnet
delete table inet flatnet
# as it was
EOF
