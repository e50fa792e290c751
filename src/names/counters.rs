//! What the resolver has done, for the doctor and for metrics.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{self, Error, Kind, Result};
use crate::model::types::NetworkName;

/// Where they are written. The directory is the resolver's own.
pub const FILE: &str = "/run/flatnet-dns-state/counters.json";
/// The size limit of the file.
const MAX_BYTES: u64 = 1 << 20;
/// Buckets of a histogram for each power of two, and in all: up to two minutes, in microseconds.
const BUCKETS: (usize, usize) = (4, 108);

/// The counters, since the resolver has started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// When the resolver started: milliseconds since 1970.
    pub started: i64,
    /// When this was written.
    pub written: i64,
    /// Its process.
    pub pid: u32,
    /// Where it listens, and for which network.
    pub listening: Vec<(NetworkName, Ipv4Addr)>,
    /// Why it does not listen for other networks.
    pub problems: Vec<String>,
    /// Questions of those who may ask.
    pub queries: u64,
    /// Answered from the files of names.
    pub local: u64,
    /// Answered from earlier answers of other servers.
    pub cached: u64,
    /// Answered by other servers.
    pub forwarded: u64,
    /// Answered with an error since they were malformed or of a kind that is not served.
    pub refused: u64,
    /// Dropped: from somebody who may not ask.
    pub foreign: u64,
    /// Dropped: from a client that asks too much.
    pub limited: u64,
    /// Dropped: no DNS message, or an answer.
    pub malformed: u64,
    /// Dropped: too many waited for other servers.
    pub crowded: u64,
    /// Not answered by any other server.
    pub failures: u64,
    /// Messages of other servers that were no answers to what they were asked.
    pub wrong_answers: u64,
    /// How long local answers took: microseconds.
    pub local_time: Quantiles,
    /// How long forwarded ones took.
    pub forwarded_time: Quantiles,
}

/// Times that half of all answers and 99 of 100 did not exceed, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quantiles {
    /// The median.
    pub p50: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The time of all answers together.
    pub sum: u64,
    /// Their number.
    pub count: u64,
}

/// Reads the file. `None`: there is none.
pub fn read(path: &Path) -> Result<Option<Counters>> {
    use std::io::Read;
    use std::os::unix::fs::OpenOptionsExt;
    // The resolver's user may be hostile: it may write what it likes there.
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(crate::file::WARILY).open(path);
    let file = match opened {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(error::io("read", path))?,
    };
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(error::io("read", path))?;
    let unusable = |cause: serde_json::Error| {
        Error::new(Kind::ForeignFile, format!("{} cannot be parsed", path.display()))
            .source(std::io::Error::other(error::parser_says(&cause)))
            .remedy("Restart the resolver, which writes it every five seconds")
    };
    serde_json::from_str(&text).map(Some).map_err(unusable)
}

/// How long answers took.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    buckets: [u64; BUCKETS.1],
    sum: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS.1], sum: 0 }
    }
}

impl Histogram {
    pub(super) fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(index(micros).min(BUCKETS.1 - 1)) {
            *bucket += 1;
        }
        self.sum = self.sum.saturating_add(micros);
    }

    pub(super) fn quantiles(&self) -> Quantiles {
        let count = self.buckets.iter().sum();
        Quantiles { p50: self.quantile(50), p99: self.quantile(99), sum: self.sum, count }
    }

    /// The upper end of the bucket that holds this percentile.
    fn quantile(&self, percent: u64) -> u64 {
        let rank = (self.buckets.iter().sum::<u64>() * percent).div_ceil(100);
        let mut sum = 0;
        let found = self.buckets.iter().position(|count| {
            sum += count;
            sum >= rank.max(1)
        });
        found.map_or(0, upper_end)
    }
}

/// The bucket of a number: those below 4 have one each, then each power of two has four.
fn index(number: u64) -> usize {
    let bits = (u64::BITS - number.leading_zeros()).max(2);
    // The three highest bits, of which the first is 1 unless the number is below 4.
    let top = usize::try_from(number >> bits.saturating_sub(3)).unwrap_or_default();
    usize::try_from(bits.saturating_sub(3)).unwrap_or_default() * BUCKETS.0 + top
}

/// The largest number of a bucket.
fn upper_end(index: usize) -> u64 {
    if index < 2 * BUCKETS.0 {
        return index as u64;
    }
    let (power, part) = (index / BUCKETS.0 - 1, index % BUCKETS.0);
    (((BUCKETS.0 + part + 1) as u64) << power.min(56)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histogram_buckets_are_in_order_and_hold_their_numbers() {
        for number in (0..5000).chain([1 << 20, (1 << 26) + 12345]) {
            let end = upper_end(index(number));
            assert!(number <= end && (end - number) * 4 <= number.max(1), "{number}: {end}");
            assert!(index(number) <= index(number + 1));
        }
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantiles(), Quantiles::default());
        (1..=100).for_each(|number| histogram.add(Duration::from_micros(number)));
        assert_eq!(histogram.quantiles(), Quantiles { p50: 55, p99: 111, sum: 5050, count: 100 });
        histogram.add(Duration::from_secs(1 << 40));
        assert_eq!(histogram.buckets.last(), Some(&1));
    }
}
