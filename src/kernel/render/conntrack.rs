//! Renders `conntrack -R -`: one operation as a line of a batch.

use crate::model::plan::{FlowFilter, Op};

/// The arguments of `conntrack`. None contains white space, so they are also a batch line.
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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use crate::kernel::render;
    use crate::kernel::tools::Tools;
    use crate::model::command::Command;
    use crate::model::plan::{FlowFilter, Op};
    use crate::model::types::Protocol;

    fn commands(filters: impl IntoIterator<Item = FlowFilter>) -> Vec<Command> {
        let ops: Vec<Op> = filters.into_iter().map(Op::FlowsDel).collect();
        render::commands(&ops, &Tools::default()).into_iter().map(|one| one.command).collect()
    }

    #[test]
    fn all_filters_are_one_batch() {
        let (address, container) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([10, 87, 1, 2]));
        let opened = FlowFilter::OpenedTo { protocol: Protocol::Udp, address, port: 53 };
        let batch = commands(FlowFilter::of_address(container).into_iter().chain([opened]));
        assert_eq!(batch.len(), 1);
        assert_eq!(
            batch[0].to_string(),
            "conntrack -R - <<'EOF'
-D --orig-src 10.87.1.2
-D --reply-src 10.87.1.2
-D -p udp --orig-dst 192.0.2.1 --orig-port-dst 53
EOF"
        );
        assert_eq!(
            render::line(&Op::FlowsDel(opened)),
            "conntrack -D -p udp --orig-dst 192.0.2.1 --orig-port-dst 53"
        );
    }

    #[test]
    fn one_filter_is_a_batch_too() {
        // `conntrack -D` exits with 1 if there is no such flow.
        let one = commands([FlowFilter::From(IpAddr::from([10, 87, 1, 2]))]);
        assert_eq!(one[0].line(), "conntrack -R -");
    }
}
