//! How much faster or slower than ours the clock of a sender runs, in parts per million.
//!
//! A fast sender's packets arrive ever earlier, measured against their timestamps. Jitter only ever makes a packet
//! later, so the *least* transit of a few seconds lies on the line we look for:
//!
//! `transit │ ·  : .   ·` \
//! `        │.__:_.__·_:_.__   the lower edge falls: the sender is fast`
//!
//! The slope is the median of the slopes between any two points (Theil and Sen), which a few odd ones among them do
//! not move. Sixteen points: of 2 s each at first, for an early answer, of 16 s in the end, for a good one.
//! No clock, no allocation; a point every few seconds costs 1 µs.

/// See the [module](self).
pub(crate) struct Drift {
    points: [Point; POINTS],
    count: usize,
    /// The point being gathered, and when it is complete.
    latest: Option<Point>,
    latest_end_us: u64,
    /// How long each point is gathered for.
    span_us: u64,
    ppm: f32,
}

/// The least transit of a while, and when it was seen.
#[derive(Debug, Clone, Copy, Default)]
struct Point {
    at_us: u64,
    transit_us: i64,
}

/// Even: when they are full, each two become one.
const POINTS: usize = 16;
/// Fewer say nothing.
const POINTS_MIN: usize = 8;
const SPAN_US: u64 = 2_000_000;
const SPAN_US_MAX: u64 = 16_000_000;
/// So far off the trend, the way has changed and not the clock.
const STEP_US: f32 = 3_000.0;

impl Drift {
    pub(crate) fn new() -> Drift {
        let points = [Point::default(); POINTS];
        Drift { points, count: 0, latest: None, latest_end_us: 0, span_us: SPAN_US, ppm: 0.0 }
    }

    /// How much faster than ours the sender's clock is; 0 until that is known, after 16 s.
    pub(crate) fn ppm(&self) -> f32 {
        self.ppm
    }

    /// Notes the least transit of the last few hundred milliseconds.
    pub(crate) fn push(&mut self, at_us: u64, transit_us: i64) {
        let point = Point { at_us, transit_us };
        match &mut self.latest {
            Some(latest) if at_us < self.latest_end_us => {
                if transit_us <= latest.transit_us {
                    *latest = point;
                }
            }
            _ => {
                if let Some(complete) = self.latest.replace(point) {
                    self.add(complete);
                }
                self.latest_end_us = at_us + self.span_us;
            }
        }
    }

    fn add(&mut self, point: Point) {
        if self.count == POINTS {
            self.make_room();
        }
        if self.count >= POINTS_MIN {
            let last = self.points[self.count - 1];
            let expected = -self.ppm * seconds(last, point);
            let step = (point.transit_us - last.transit_us) as f32 - expected;
            if step.abs() > STEP_US {
                // what was seen on the old way goes on as if it had been seen on the new one
                self.points[..self.count].iter_mut().for_each(|old| old.transit_us += step as i64);
            }
        }
        self.points[self.count] = point;
        self.count += 1;
        if self.count >= POINTS_MIN {
            self.ppm = -slope(&self.points[..self.count]);
        }
    }

    fn make_room(&mut self) {
        if self.span_us < SPAN_US_MAX {
            self.span_us *= 2;
            for at in 0..POINTS / 2 {
                let (a, b) = (self.points[2 * at], self.points[2 * at + 1]);
                self.points[at] = if a.transit_us < b.transit_us { a } else { b };
            }
            self.count = POINTS / 2;
        } else {
            self.points.rotate_left(1);
            self.count -= 1;
        }
    }
}

/// The median of the slopes between any two points, in µs a second.
fn slope(points: &[Point]) -> f32 {
    let mut slopes = [0.0; POINTS * (POINTS - 1) / 2];
    let mut count = 0;
    for (i, &a) in points.iter().enumerate() {
        for &b in &points[i + 1..] {
            slopes[count] = (b.transit_us - a.transit_us) as f32 / seconds(a, b);
            count += 1;
        }
    }
    *slopes[..count].select_nth_unstable_by(count / 2, f32::total_cmp).1
}

/// Points lie at least a few milliseconds apart.
fn seconds(from: Point, to: Point) -> f32 {
    to.at_us.saturating_sub(from.at_us).max(1_000) as f32 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The estimate after so many seconds of a sender that is `ppm` fast, whose least transit in the `i`th half
    /// second is `later_us(i)` more than the least there is.
    fn after(seconds: u64, ppm: i64, later_us: impl Fn(u64) -> i64) -> f32 {
        let mut drift = Drift::new();
        for i in 0..seconds * 2 {
            let at_us = i * 500_000;
            drift.push(at_us, 40_000 - at_us as i64 * ppm / 1_000_000 + later_us(i));
        }
        drift.ppm()
    }

    #[test]
    fn the_clock_is_told_from_everything_else() {
        let noise = |i: u64| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as i64 % 1_000;
        for (case, seconds, later_us, tolerance) in [
            ("nothing in the way", 20, (&|_| 0i64) as &dyn Fn(u64) -> i64, 1.0),
            ("the least of much jitter", 120, &noise, 3.0),
            ("one bad half minute", 180, &|i| if (100..160).contains(&i) { 2_500 } else { 0 }, 3.0),
            ("a longer way from then on", 300, &|i| if i < 301 { 0 } else { 20_000 }, 2.0),
            ("a shorter way from then on", 300, &|i| if i < 301 { 20_000 } else { 0 }, 2.0),
            ("an hour", 3_600, &noise, 2.0),
        ] {
            for ppm in [-500, -100, -20, 0, 20, 100, 500] {
                let found = after(seconds, ppm, later_us);
                assert!((found - ppm as f32).abs() < tolerance, "{case}: {found}, expected {ppm}");
            }
        }
    }

    #[test]
    fn nothing_is_said_too_early() {
        assert_eq!(after(15, 400, |_| 0), 0.0);
    }

    #[test]
    fn any_transit_is_survived() {
        let mut drift = Drift::new();
        for i in 0..2_000u64 {
            let random = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            drift.push(random % 100 * 3_000_000, (random >> 8) as i64 >> 20);
        }
        assert!(drift.ppm().is_finite());
    }
}
