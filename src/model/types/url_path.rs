//! Paths in URLs.

use super::pattern::{is_made_of, pattern};

pattern!(URL_PATH, "path", r"^/[A-Za-z0-9/_.~\-]*$", 256, |text| {
    text.starts_with('/') && is_made_of(text, "/_.~-")
});

/// A URL path prefix, such as `/` or `/wiki`. It starts with a slash, ends without one unless it is `/`, and has no `//`,
/// `.` or `..`: the form to which nginx normalizes a request's path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UrlPath(String);

impl UrlPath {
    /// Checks `text` and drops a trailing slash.
    pub fn parse(text: &str) -> crate::error::Result<Self> {
        URL_PATH.check(text)?;
        let path = text.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(text);
        if text.contains("//") || path.split('/').any(|part| part == "." || part == "..") {
            return Err(super::pattern::bad("path", text, "it must not contain //, /./ or /../"));
        }
        Ok(Self(path.to_owned()))
    }

    /// `/`.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Whether it is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }
}

super::string_newtype!(UrlPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_are_accepted() {
        for (text, path) in [("/", "/"), ("/x", "/x"), ("/x/", "/x"), ("/a/b.c", "/a/b.c"), ("/~me", "/~me")]
        {
            assert_eq!(UrlPath::parse(text).unwrap().as_str(), path);
        }
        for text in
            ["", "x", "//", "/a//b", "/a/../b", "/.", "/a b", "/a;", "/a?b", "/%2e", "/a\n", "/é", "/{"]
        {
            assert!(UrlPath::parse(text).is_err(), "{text:?}");
        }
    }
}
