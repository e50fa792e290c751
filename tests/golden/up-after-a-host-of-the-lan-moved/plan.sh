set -e
ip -batch - <<'EOF'
route del 10.87.7.0/24 via 10.86.0.7 dev flatnet-ov0 proto 87
neigh del 10.86.0.7 dev flatnet-ov0
EOF
bridge -batch - <<'EOF'
fdb del 02:f1:0a:56:00:01 dev flatnet-ov0 dst 192.168.77.99
fdb del 02:f1:0a:56:00:07 dev flatnet-ov0 dst 192.168.77.17
fdb add 02:f1:0a:56:00:01 dev flatnet-ov0 dst 192.168.77.11
fdb add 02:f1:0a:56:00:03 dev flatnet-ov0 dst 192.168.77.13
EOF
ip -batch - <<'EOF'
neigh replace 10.86.0.3 lladdr 02:f1:0a:56:00:03 dev flatnet-ov0 nud permanent
route append 10.87.3.0/24 via 10.86.0.3 dev flatnet-ov0 proto 87 src 10.87.2.1
EOF
