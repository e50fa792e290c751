set -e
ip -batch - <<'EOF'
route del unreachable 10.91.4.0/22 proto 87 metric 4278198272
link del dev lab0
EOF
nft -f - <<'EOF'
table inet flatnet-lab
delete table inet flatnet-lab
table arp flatnet-lab
delete table arp flatnet-lab
EOF
