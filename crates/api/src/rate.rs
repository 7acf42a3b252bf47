//! How often an account may ask (rest-voice §14): a bucket of requests for each, which fills as time passes.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::AccountSid;

/// What accounts have left.
pub(crate) struct Rates {
    /// As many at once, too.
    requests_per_s: NonZeroU32,
    buckets: Mutex<HashMap<AccountSid, Bucket>>,
}

/// When the bucket is full again; what is taken out moves that away.
#[derive(Clone, Copy)]
struct Bucket {
    full_at: Instant,
}

impl Rates {
    pub(crate) fn new(requests_per_s: NonZeroU32) -> Self {
        Self { requests_per_s, buckets: Mutex::default() }
    }

    /// Takes a request out of the account's bucket; where there is none, says after how long there will be one.
    pub(crate) fn take(&self, account: AccountSid, now: Instant) -> Result<(), Duration> {
        let one = Duration::from_secs(1) / self.requests_per_s.get();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ACCOUNTS_MAX {
            buckets.retain(|_, bucket| bucket.full_at > now); // a full one says what none says
        }
        let bucket = buckets.entry(account).or_insert(Bucket { full_at: now });
        let full_at = bucket.full_at.max(now) + one;
        // Rounded down, so that a second's requests fit into a second.
        let missing = (full_at - now).saturating_sub(Duration::from_secs(1));
        if missing.is_zero() {
            bucket.full_at = full_at;
            Ok(())
        } else {
            Err(missing)
        }
    }
}

/// Buckets that are kept before the full ones are looked for. Only accounts that exist have any.
const ACCOUNTS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_as_many_requests_as_it_may_and_each_account_has_its_own() {
        let rates = Rates::new(NonZeroU32::new(4).expect("is not 0"));
        let (ana, ben) = (AccountSid::from_bits(1), AccountSid::from_bits(2));
        let start = Instant::now();
        let ms = Duration::from_millis;
        for (at_ms, account, want) in [
            (0, ana, Ok(())),
            (0, ana, Ok(())),
            (0, ana, Ok(())),
            (0, ana, Ok(())),
            (0, ana, Err(ms(250))),
            (0, ben, Ok(())),
            (100, ana, Err(ms(150))),
            (250, ana, Ok(())),
            (250, ana, Err(ms(250))),
            (1_000, ana, Ok(())),
            (9_000, ana, Ok(())),
        ] {
            assert_eq!(rates.take(account, start + ms(at_ms)), want, "{account} after {at_ms} ms");
        }
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let rates = Rates::new(NonZeroU32::MIN);
        let start = Instant::now();
        for number in 0..ACCOUNTS_MAX {
            assert_eq!(rates.take(AccountSid::from_bits(number as u128), start), Ok(()));
        }
        assert_eq!(rates.take(AccountSid::from_bits(u128::MAX), start + Duration::from_secs(1)), Ok(()));
        assert_eq!(rates.buckets.lock().expect("nobody panicked").len(), 1);
    }
}
