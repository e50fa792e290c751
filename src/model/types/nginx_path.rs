//! Paths of files that nginx reads.

use super::pattern::{is_made_of, pattern};

pattern!(NGINX_PATH, "path", r"^([A-Za-z]:)?[A-Za-z0-9/_.+\-]+$", 256, |text| {
    let path = match text.split_once(':') {
        Some((drive, path)) if drive.len() == 1 && drive.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            path
        }
        _ => text,
    };
    is_made_of(path, "/_.+-")
});

/// The path of a file as nginx sees it: on Windows `C:/certificates/gateway.pem`, elsewhere `/etc/..`, or relative to
/// the folder of `nginx.conf`. None of its characters mean anything to nginx or to a shell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NginxPath(String);

impl NginxPath {
    /// Checks `text`.
    pub fn parse(text: &str) -> crate::error::Result<Self> {
        NGINX_PATH.check(text)?;
        if text.split('/').any(|part| part == "..") || text.ends_with('/') {
            return Err(super::pattern::bad("path", text, "it must name a file and must not contain .."));
        }
        Ok(Self(text.to_owned()))
    }
}

super::string_newtype!(NginxPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_are_accepted() {
        for text in ["/etc/ssl/gateway.pem", "C:/flatnet/tls/key.pem", "gateway.pem", "tls/gateway.pem"] {
            assert_eq!(NginxPath::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "a b", "a;b", "C:\\x", "$a", "a\"", "a{", "../a", "a/", "é", "a\n", "a#"] {
            assert!(NginxPath::parse(text).is_err(), "{text:?}");
        }
    }
}
