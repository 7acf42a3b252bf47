//! Who hears whom, as a picture (row hears column) and as measured levels.
//!
//! ```text
//!       ana ben music
//! ana   -   x   .        x  hears it       .  does not
//! ben   .   -   x        -  its own voice: never heard back
//! ```
//! A picture that does not hold is reported beside the one that was measured.

use std::collections::BTreeMap;
use std::fmt;

use crate::tone::{HUM_DBFS, Tone, rest_dbfs};

/// What one column of a picture listens for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// A talker's tone, hummed at [`HUM_DBFS`].
    Hum(Tone),
    /// Anything loud that is none of the tones: hold music, an announcement.
    Music,
}

/// The picture a test expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    columns: Vec<String>,
    rows: Vec<(String, Vec<Mark>)>,
}

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Hears,
    Not,
    Own,
}

impl Picture {
    /// Reads a picture.
    ///
    /// # Panics
    /// When it is not one: the test that drew it is wrong.
    pub fn parse(text: &str) -> Self {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let columns: Vec<String> = lines.next().expect("a header row").split_whitespace().map(Into::into).collect();
        let rows = lines
            .map(|line| {
                let mut words = line.split_whitespace();
                let listener = words.next().expect("a row starts with its listener").to_owned();
                let marks: Vec<Mark> = words.map(Mark::parse).collect();
                assert_eq!(marks.len(), columns.len(), "the row of {listener} has another width than the header");
                (listener, marks)
            })
            .collect();
        Self { columns, rows }
    }

    /// The listeners, top to bottom.
    pub fn listeners(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|(listener, _)| listener.as_str())
    }

    /// What was measured of these listeners: which of all the sounds each of them hears.
    pub fn measured(heard: &Heard, listeners: &[&str]) -> Self {
        let columns: Vec<String> = heard.sounds.iter().map(|(name, _)| name.clone()).collect();
        let mark = |listener: &str, talker: &str| {
            let quiet = match heard.sound(talker) {
                Sound::Hum(_) => heard.level(listener, talker) <= FORBIDDEN_DBFS_MAX,
                Sound::Music => heard.level(listener, talker) < MUSIC_DBFS_MIN,
            };
            match (listener == talker, quiet) {
                (true, true) => Mark::Own,
                (false, true) => Mark::Not,
                (_, false) => Mark::Hears,
            }
        };
        let row = |listener: &str| columns.iter().map(|talker| mark(listener, talker)).collect();
        let rows = listeners.iter().map(|listener| ((*listener).to_owned(), row(listener))).collect();
        Self { columns, rows }
    }

    /// Holds this picture against what was measured.
    ///
    /// # Errors
    /// Both pictures, with the level of every cell that differs.
    pub fn check(&self, heard: &Heard) -> Result<(), Mismatch> {
        let mut wrong = Vec::new();
        let mut measured = self.clone();
        for ((listener, marks), (_, seen)) in self.rows.iter().zip(&mut measured.rows) {
            for ((talker, want), mark) in self.columns.iter().zip(marks).zip(seen) {
                let level_dbfs = heard.level(listener, talker);
                let (heard_well, quiet) = match heard.sound(talker) {
                    Sound::Hum(_) => {
                        ((level_dbfs - HUM_DBFS).abs() <= HUM_TOLERANCE_DB, level_dbfs <= FORBIDDEN_DBFS_MAX)
                    }
                    Sound::Music => (level_dbfs >= MUSIC_DBFS_MIN, level_dbfs < MUSIC_DBFS_MIN),
                };
                let holds = if *want == Mark::Hears { heard_well } else { quiet };
                if !holds {
                    *mark = if quiet { Mark::Not } else { Mark::Hears };
                    wrong.push(format!("{listener} has {talker} at {level_dbfs:.1} dBFS"));
                }
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(Mismatch { expected: self.clone(), measured, wrong }) }
    }
}

impl Mark {
    fn parse(word: &str) -> Self {
        match word {
            "x" => Self::Hears,
            "." => Self::Not,
            "-" => Self::Own,
            _ => panic!("{word:?} is no mark: x hears, . does not, - is its own voice"),
        }
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:8}", "")?;
        self.columns.iter().try_for_each(|name| write!(f, "{name:>6}"))?;
        for (listener, marks) in &self.rows {
            write!(f, "\n{listener:8}")?;
            for mark in marks {
                let sign = match mark {
                    Mark::Hears => 'x',
                    Mark::Not => '.',
                    Mark::Own => '-',
                };
                write!(f, "{sign:>6}")?;
            }
        }
        Ok(())
    }
}

/// `heard[listener][talker]`, in dBFS.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    sounds: Vec<(String, Sound)>,
    levels_dbfs: BTreeMap<(String, String), f64>,
}

impl Heard {
    /// Nothing measured yet; these are the sounds to look for.
    pub fn new(sounds: &[(&str, Sound)]) -> Self {
        let sounds = sounds.iter().map(|&(name, sound)| (name.to_owned(), sound)).collect();
        Self { sounds, levels_dbfs: BTreeMap::new() }
    }

    /// Measures what `listener` heard, half a second or more of it.
    pub fn measure(&mut self, listener: &str, pcm: &[i16]) {
        let tones: Vec<Tone> = self.sounds.iter().filter_map(|(_, sound)| sound.tone()).collect();
        for (talker, sound) in &self.sounds {
            let level_dbfs = match sound {
                Sound::Hum(tone) => tone.level_dbfs(pcm),
                Sound::Music => rest_dbfs(pcm, &tones),
            };
            self.levels_dbfs.insert((listener.to_owned(), talker.clone()), level_dbfs);
        }
    }

    fn level(&self, listener: &str, talker: &str) -> f64 {
        let cell = (listener.to_owned(), talker.to_owned());
        *self.levels_dbfs.get(&cell).unwrap_or_else(|| panic!("{listener} was not listened to for {talker}"))
    }

    fn sound(&self, talker: &str) -> Sound {
        let found = self.sounds.iter().find(|(name, _)| name == talker);
        found.unwrap_or_else(|| panic!("the picture's {talker} makes no sound")).1
    }
}

impl Sound {
    fn tone(self) -> Option<Tone> {
        match self {
            Self::Hum(tone) => Some(tone),
            Self::Music => None,
        }
    }
}

/// A picture that did not hold.
#[derive(Debug, Clone)]
pub struct Mismatch {
    expected: Picture,
    measured: Picture,
    wrong: Vec<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected\n{}\nmeasured\n{}\n{}", self.expected, self.measured, self.wrong.join("\n"))
    }
}

/// A tone that passed one mixer and two G.711 steps arrives within this of the level it was hummed at.
const HUM_TOLERANCE_DB: f64 = 0.5;
/// Louder than this and a voice leaked.
const FORBIDDEN_DBFS_MAX: f64 = -60.0;
/// Music is at least this loud; quantisation and comfort noise stay 15 dB below.
const MUSIC_DBFS_MIN: f64 = -40.0;

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: Tone = Tone { hz: 409 };
    const BEN: Tone = Tone { hz: 1511 };
    const MUSIC: Tone = Tone { hz: 2609 };

    fn measured() -> Heard {
        let mut heard = Heard::new(&[("ana", Sound::Hum(ANA)), ("ben", Sound::Hum(BEN)), ("music", Sound::Music)]);
        heard.measure("ana", &BEN.second(HUM_DBFS));
        heard.measure("ben", &MUSIC.second(-25.0));
        heard
    }

    #[test]
    fn a_picture_that_holds_says_nothing() {
        let picture = Picture::parse(
            "     ana ben music
             ana   -   x   .
             ben   .   -   x  ",
        );
        assert!(picture.check(&measured()).is_ok());
        assert_eq!(picture.listeners().collect::<Vec<_>>(), ["ana", "ben"]);
    }

    #[test]
    fn a_picture_that_does_not_is_shown_beside_the_truth() {
        let picture = Picture::parse(
            "     ana ben music
             ana   -   .   .
             ben   x   -   x  ",
        );
        let shown = picture.check(&measured()).expect_err("ana hears ben, ben not ana").to_string();
        assert!(shown.contains("ana has ben at -20.0 dBFS"), "{shown}");
        assert!(shown.contains("ben has ana at"), "{shown}");
        let truth = "           ana   ben music\nana          -     x     .\nben          .     -     x";
        assert!(shown.contains(truth), "{shown}");
    }

    #[test]
    fn hearing_oneself_is_never_right() {
        let mut heard = Heard::new(&[("ana", Sound::Hum(ANA))]);
        heard.measure("ana", &ANA.second(HUM_DBFS));
        assert!(Picture::parse("ana\n ana -").check(&heard).is_err());
    }
}
