set -e
ip link del dev lab0
nft -f - <<'EOF'
table inet flatnet-lab
delete table inet flatnet-lab
table arp flatnet-lab
delete table arp flatnet-lab
EOF
