set -e
nft -f - <<'EOF'
table inet flatnet
delete table inet flatnet
# as it was
EOF
