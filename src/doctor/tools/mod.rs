//! The programs that Flatnet runs.

pub(super) mod conntrack;
pub(super) mod nft_versions;
pub(super) mod programs;

use crate::doctor::Context;
use crate::error::Result;
use crate::model::command::Command;

/// Major, minor and patch.
type Version = [u32; 3];

/// The version that `program option` prints.
fn version(context: &mut Context, program: &str, option: &str) -> Result<Option<Version>> {
    Ok(parse_version(&context.stdout(&Command::new([program, option]))?))
}

/// The first number with dots in `nftables v1.0.6 (Lester Gooch #5)` or `ip utility, iproute2-6.1.0, libbpf 1.1.2`.
fn parse_version(text: &str) -> Option<Version> {
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let mut numbers = words.map(|word| word.trim_matches('.')).find(|word| word.contains('.'))?.split('.');
    let mut number = || numbers.next().unwrap_or("0").parse().ok();
    Some([number()?, number()?, number()?])
}

fn shown([major, minor, patch]: Version) -> String {
    format!("{major}.{minor}.{patch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_parsed_from_program_output() {
        for (text, version) in [
            ("nftables v1.0.6 (Lester Gooch #5)", Some([1, 0, 6])),
            ("nftables v1.1.3 (Commodore Bullmoose #4)", Some([1, 1, 3])),
            ("ip utility, iproute2-6.1.0, libbpf 1.1.2", Some([6, 1, 0])),
            ("ip utility, iproute2-6.15.0", Some([6, 15, 0])),
            ("ip utility, iproute2-ss200127", None),
            ("", None),
        ] {
            assert_eq!(parse_version(text), version, "{text}");
        }
    }
}
