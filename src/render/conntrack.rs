//! `conntrack -R -`: one operation as a line of the batch.

use crate::plan::{FlowFilter, Op};

/// The words after `conntrack`. None of them holds white space, so they are a batch line too.
pub(super) fn arguments(op: &Op) -> Vec<String> {
    let Op::FlowsDel(filter) = op else { unreachable!("not an operation of conntrack") };
    let words = match filter {
        FlowFilter::From(address) => format!("-D --orig-src {address}"),
        FlowFilter::To(address) => format!("-D --reply-src {address}"),
        FlowFilter::OpenedTo { protocol, address, port } => {
            format!("-D -p {protocol} --orig-dst {address} --orig-port-dst {port}")
        }
        FlowFilter::Ingress { gateway, subnet } => {
            format!("-D --orig-src {gateway} --orig-dst {} --mask-dst {}", subnet.network(), subnet.netmask())
        }
    };
    words.split_whitespace().map(str::to_owned).collect()
}
