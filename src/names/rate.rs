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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn client_may_ask_its_share_and_no_more() {
        let mut rate = Rate::new(10);
        let [one, other] = [1, 2].map(Ipv4Addr::from_bits);
        let start = Instant::now();
        let count = |rate: &mut Rate, client, at| (0..100).filter(|_| rate.allows(client, at)).count();
        assert_eq!(count(&mut rate, one, start), 20, "two seconds' worth at once");
        assert_eq!(count(&mut rate, one, start + Duration::from_millis(50)), 0);
        assert_eq!(count(&mut rate, other, start), 20, "another one has its own");
        assert_eq!(count(&mut rate, one, start + Duration::from_millis(500)), 5);
        assert_eq!(count(&mut rate, one, start + Duration::from_secs(1 << 40)), 20);
        assert_eq!(count(&mut Rate::new(0), one, start), 100);
    }

    #[test]
    fn memory_for_clients_is_bounded() {
        let mut rate = Rate::new(1);
        let start = Instant::now();
        let all = u32::try_from(MOST).unwrap() + 10;
        let allowed = (0..all).filter(|client| rate.allows(Ipv4Addr::from_bits(*client), start)).count();
        assert_eq!((allowed, rate.buckets.len()), (MOST, MOST));
        // Those that have been quiet make room.
        assert!(rate.allows(Ipv4Addr::from_bits(all), start + Duration::from_secs(2)));
        assert_eq!(rate.buckets.len(), 1);
    }
}
