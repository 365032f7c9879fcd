//! Fuzzing without a fuzzer: an entry is run over its seeds, and over some
//! thousand mutations of them, which are the same on each run. Each crate's
//! tests include this file for the parsers that are theirs.
//!
//! For longer, and elsewhere: `POSTERN_FUZZ_ROUNDS=100000 POSTERN_FUZZ_SEED=7`.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Mutations of each entry's seeds, unless `POSTERN_FUZZ_ROUNDS` says another
/// number.
const ROUNDS: usize = 3000;

/// Longest mutation, in bytes.
const LONGEST: usize = 8192;

/// What the parsers look for.
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
    b"name",
    b"token",
    b"https://",
    b"http://",
    b"localhost",
    b"[::1]",
    b"127.0.0.1",
    b"@",
    b"%",
    b"#",
    b"upgrade",
    b"websocket",
    b"hello",
    b"GMT",
    b"5s",
];

/// Runs one entry over the files in `folder/NAME`, and over mutations of them.
pub(crate) fn run(folder: &Path, name: &str, check: impl Fn(&[u8])) {
    let seeds = seeds(&folder.join(name));
    seeds.iter().for_each(|seed| check(seed));
    let rounds = from_environment("POSTERN_FUZZ_ROUNDS").unwrap_or(ROUNDS as u64);
    // Every entry another sequence.
    let salt = name.bytes().fold(0u64, |salt, byte| salt.wrapping_mul(31).wrapping_add(byte.into()));
    let seed = from_environment("POSTERN_FUZZ_SEED").unwrap_or(0x9E37_79B9_7F4A_7C15) ^ salt;
    let mut random = Random(seed.max(1));
    for round in 0..rounds {
        let mut data = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(6) {
            let other = &seeds[random.below(seeds.len())];
            mutate(&mut random, &mut data, other);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&data)));
        assert!(outcome.is_ok(), "{name}, mutation {round}: {:?}", String::from_utf8_lossy(&data));
    }
}

fn seeds(folder: &Path) -> Vec<Vec<u8>> {
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a folder of seeds").map(|file| file.expect("a seed").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no seeds", folder.display());
    files.into_iter().map(|file| fs::read(file).expect("a seed")).collect()
}

#[expect(clippy::disallowed_methods, reason = "the run of a test, and no part of the product")]
fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
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
