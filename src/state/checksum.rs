//! JSON lines with a checksum.
//!
//! A state file ends in a checksum of itself. Bit flips on a disk can yield JSON that still parses but means something
//! else, such as another container's address. A file without a checksum is of a version that wrote none.

use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::Error;
use sha2::{Digest, Sha256};

/// What comes before the checksum, as the object's last field.
const FIELD: &str = ",\"sha256\":\"";
/// What comes after it.
const END: &str = "\"}";

/// `value`, which must be an object with fields, as one line with a checksum.
pub fn to_line(value: &impl Serialize) -> Result<String, Error> {
    let mut text = serde_json::to_string(value)?;
    text.truncate(text.len().saturating_sub(1));
    let sum = checksum(text.as_bytes());
    Ok(text + FIELD + &sum + END + "\n")
}

/// The value of a line by [`to_line`], or by an earlier version without a checksum.
pub fn from_line<T: DeserializeOwned>(line: &[u8]) -> Result<T, Error> {
    let value = serde_json::from_slice(line)?;
    let text = String::from_utf8_lossy(line);
    match text.rsplit_once(FIELD) {
        Some((sealed, sum)) if sum.trim_end().strip_suffix(END) != Some(&checksum(sealed.as_bytes())) => {
            Err(Error::custom("its checksum is another: it is not as it was written"))
        }
        _ => Ok(value),
    }
}

fn checksum(bytes: &[u8]) -> String {
    crate::hex::digits(&Sha256::digest(bytes)[..8])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn line_round_trips_and_tampering_is_detected() {
        let value = json!({"address": "10.87.1.2", "name": "web"});
        let line = to_line(&value).unwrap();
        let mut read: Value = from_line(line.as_bytes()).unwrap();
        read.as_object_mut().unwrap().remove("sha256");
        assert_eq!(read, value);
        for (old, new) in [("10.87.1.2", "10.87.1.3"), ("web", "wee")] {
            let error = from_line::<Value>(line.replace(old, new).as_bytes()).unwrap_err();
            assert!(error.to_string().contains("checksum"), "{error}");
        }
    }

    #[test]
    fn line_without_checksum_is_accepted() {
        assert_eq!(from_line::<Value>(b"{\"a\":1}\n").unwrap(), json!({"a": 1}));
    }
}
