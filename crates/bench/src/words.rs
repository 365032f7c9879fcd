//! Words that nobody speaks, and numbers that look like chance: the same each
//! time, so that two runs measure the same, and as varied as what people write,
//! so that compression and text indexing are not flattered.

/// How many words there are.
const WORDS: usize = 4_000;

/// The `n`th word: some are much more common than others, as in speech.
pub(crate) fn word(n: usize) -> String {
    const SYLLABLES: [&str; 16] =
        ["ba", "de", "ki", "lo", "mu", "na", "pre", "ri", "so", "ta", "ve", "wo", "ex", "con", "in", "al"];
    let mut rest = n % WORDS + 17;
    let mut word = String::new();
    while rest > 0 {
        word.push_str(SYLLABLES[rest % SYLLABLES.len()]);
        rest /= SYLLABLES.len();
    }
    word
}

/// Numbers that look like chance.
pub(crate) struct Dice(u64);

impl Dice {
    /// Those of the `n`th thing made up.
    pub(crate) fn new(n: usize) -> Self {
        Self(n as u64 + 1)
    }

    /// `count` words with spaces between them.
    pub(crate) fn words(&mut self, count: usize) -> String {
        let words: Vec<_> = (0..count).map(|_| word(self.low(WORDS))).collect();
        words.join(" ")
    }

    /// One of 0 to `bound`, which it is below.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or_default()
    }

    /// The same, small ones more often.
    pub(crate) fn low(&mut self, bound: usize) -> usize {
        let share = self.below(1 << 20) as f64 / f64::from(1 << 20);
        ((share * share * share) * bound as f64) as usize
    }

    fn next(&mut self) -> u64 {
        // splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
