//! How many questions a client may ask: a token bucket for each.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Instant;

/// How many clients are counted apart from one another.
const MOST: usize = 4096;
/// For how many seconds' worth of questions a client may ask at once.
const BURST: u64 = 2;

/// The buckets.
#[derive(Debug)]
pub(super) struct Rate {
    /// Questions a second; 0 for no limit.
    each_second: u32,
    buckets: HashMap<Ipv4Addr, Bucket>,
}

/// In millionths of a question.
#[derive(Debug)]
struct Bucket {
    left: u64,
    at: Instant,
}

impl Rate {
    pub(super) fn new(each_second: u32) -> Self {
        Self { each_second, buckets: HashMap::new() }
    }

    /// Whether `client` may ask one more.
    pub(super) fn allows(&mut self, client: Ipv4Addr, now: Instant) -> bool {
        if self.each_second == 0 {
            return true;
        }
        let full = u64::from(self.each_second) * BURST * 1_000_000;
        let each_second = u64::from(self.each_second);
        let filled = move |bucket: &Bucket| {
            let passed =
                u64::try_from(now.saturating_duration_since(bucket.at).as_micros()).unwrap_or(u64::MAX);
            bucket.left.saturating_add(passed.saturating_mul(each_second)).min(full)
        };
        if self.buckets.len() >= MOST && !self.buckets.contains_key(&client) {
            self.buckets.retain(|_, bucket| filled(bucket) < full);
            // All of them ask too much: there is no room for one more.
            if self.buckets.len() >= MOST {
                return false;
            }
        }
        let bucket = self.buckets.entry(client).or_insert(Bucket { left: full, at: now });
        let left = filled(bucket).checked_sub(1_000_000);
        *bucket = Bucket { left: left.unwrap_or_else(|| filled(bucket)), at: now };
        left.is_some()
    }
}
