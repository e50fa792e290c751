//! The label of a host in a name: `h2` or `host2`, after the container's name.

/// What stands before the label of a host, and the host's number: `db.h2` and `db.host2`, and nothing before `h2`. The name is in
/// lower case. A number is written in one way, so that each host has two labels and no more.
pub(super) fn split_host(name: &[u8]) -> Option<(&[u8], u16)> {
    let (inner, label) = match name.iter().rposition(|&byte| byte == b'.') {
        None => (&[][..], name),
        Some(at) => (name.get(..at)?, name.get(at + 1..)?),
    };
    let digits = label.strip_prefix(b"host").or_else(|| label.strip_prefix(b"h"))?;
    let is_number =
        digits.iter().all(u8::is_ascii_digit) && digits.first().is_some_and(|&digit| digit != b'0');
    let number = std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()?;
    Some((inner, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_the_last_label() {
        for (name, found) in [
            ("db.h2", Some(("db", 2))),
            ("db.host254", Some(("db", 254))),
            ("a.b.h65534", Some(("a.b", 65_534))),
            ("h2", Some(("", 2))),
            ("h2.h3", Some(("h2", 3))),
            ("db.h02", None),
            ("db.h0", None),
            ("db.h", None),
            ("db.host", None),
            ("db.h2x", None),
            ("db.h+2", None),
            ("db.h65536", None),
            ("db.hosth2", None),
            ("db", None),
            ("", None),
        ] {
            let found = found.map(|(inner, number): (&str, u16)| (inner.as_bytes(), number));
            assert_eq!(split_host(name.as_bytes()), found, "{name}");
        }
    }
}
