//! The fuzz targets' entries (`fuzz/entries.rs`) under a stable compiler: over
//! every seed, and over some thousand mutations of the seeds that are the same
//! on each run. What libFuzzer finds becomes a seed.

#![expect(clippy::expect_used, reason = "a test's failure")]

#[path = "../fuzz/entries.rs"]
mod entries;

use std::fs;
use std::path::Path;

/// Mutations of each entry's seeds.
const ROUNDS: usize = 3000;

/// Longest mutation, in bytes.
const LONGEST: usize = 8192;

/// What parsers of webhooks look for.
const WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b",",
    b":",
    b".",
    b"=",
    b"==",
    b"!=",
    b"!",
    b"&&",
    b"||",
    b"(",
    b")",
    b" in ",
    b"exists(",
    b"me",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"9223372036854775808",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    "é".as_bytes(),
    "\u{202e}".as_bytes(),
    b"v1=",
    b"t=",
    b"sha256=",
    b"whsec_",
    b"payload=",
    b"%7B",
    b"&",
    b"*",
    b"+",
    b"/",
    b"~1",
    b"webhookTimestamp",
    b"type",
    b"id",
];

fn seeds(entry: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(entry);
    let mut files: Vec<_> =
        fs::read_dir(&folder).expect("a folder of seeds").map(|file| file.expect("a seed").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{entry} has no seeds");
    files.into_iter().map(|file| fs::read(file).expect("a seed")).collect()
}

/// xorshift64*: the same sequence everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 up to, not including, `end`; 0 where that is 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).map_or(0, |n| n % end.max(1))
    }
}

fn mutate(random: &mut Random, data: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(data.len() + 1);
    let to = at + random.below((data.len() - at).min(64) + 1);
    match random.below(7) {
        0 if at < data.len() => data[at] ^= 1 << random.below(8),
        1 if at < data.len() => data[at] = u8::try_from(random.below(256)).unwrap_or(0),
        2 => drop(data.drain(at..to)),
        3 => {
            let again = data[at..to].repeat(1 + random.below(20));
            drop(data.splice(at..at, again));
        }
        4 => {
            let from = random.below(other.len() + 1);
            data.truncate(at);
            data.extend(&other[from..]);
        }
        5 => data.truncate(at),
        _ => drop(data.splice(at..to.min(at + 2), WORDS[random.below(WORDS.len())].iter().copied())),
    }
    data.truncate(LONGEST);
}

fn run(entry: &str) {
    let (index, (_, check)) =
        entries::ENTRIES.iter().enumerate().find(|(_, (name, _))| *name == entry).expect("an entry");
    let seeds = seeds(entry);
    seeds.iter().for_each(|seed| check(seed));
    let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ index as u64);
    for round in 0..ROUNDS {
        let mut data = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(6) {
            let other = &seeds[random.below(seeds.len())];
            mutate(&mut random, &mut data, other);
        }
        let outcome = std::panic::catch_unwind(|| check(&data));
        assert!(outcome.is_ok(), "{entry}, mutation {round}: {:?}", String::from_utf8_lossy(&data));
    }
}

macro_rules! tests {
    ($($entry:ident),*) => {
        $(#[test]
        fn $entry() {
            run(stringify!($entry));
        })*

        #[test]
        fn every_entry_is_run() {
            let names: Vec<_> = entries::ENTRIES.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($entry)),*]);
        }
    };
}

tests!(
    id,
    header_json,
    linear,
    github,
    standard,
    stripe,
    slack,
    hmac,
    timestamped,
    guess,
    config,
    dedupe,
    filter,
    condition,
    line
);
