//! Text from strangers, made fit for one line.

/// How long a type or an action may be, so that a filter's term can hold both.
const LONGEST_NAME: usize = 80;

/// How much of a comment or message is quoted.
const LONGEST_QUOTE: usize = 90;

/// On one line: runs of white space become one space; control characters,
/// invisible ones and those that change the direction of writing are dropped.
pub(super) fn clean(text: &str) -> String {
    // Most texts are clean.
    if text.bytes().all(|b| matches!(b, b' '..=b'~')) && !text.contains("  ") {
        return text.trim().to_owned();
    }
    let mut clean = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() {
            gap = true;
        } else if !(c.is_control() || is_hidden(c)) {
            if gap && !clean.is_empty() {
                clean.push(' ');
            }
            gap = false;
            clean.push(c);
        }
    }
    clean
}

/// Marks, embeddings, overrides and isolates of bidirectional text; zero-width
/// space, word joiners and the byte order mark; annotation anchors. The
/// zero-width joiners stay: emoji and several scripts need them.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{061c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// At most `longest` characters, the last of them `…` where something is cut.
pub(super) fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some(_) => {
            let kept: String = text.chars().take(longest.saturating_sub(1)).collect();
            format!("{}…", kept.trim_end())
        }
    }
}

/// The beginning of a comment or message, in quotes; `None` where it is blank.
pub(super) fn quote(text: &str) -> Option<String> {
    let clean = clean(text);
    (!clean.is_empty()).then(|| format!("“{}”", cut(&clean, LONGEST_QUOTE)))
}

/// The first line of a commit message, in quotes.
pub(super) fn quote_line(text: &str) -> Option<String> {
    text.lines().find_map(quote)
}

/// A type, or an action, which may have dots, as a filter can name it.
pub(super) fn name(text: &str, dots: bool) -> String {
    let fit = |c: char| if crate::filter::in_names(c) || (dots && c == '.') { c } else { '_' };
    text.trim().chars().take(LONGEST_NAME).map(fit).collect()
}

/// `ready_for_review` and `dueDate` as words: `ready for review`, `due date`.
pub(super) fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut lower = false;
    for c in name.chars() {
        if c == '_' || c == '-' {
            words.push(' ');
        } else if c.is_uppercase() {
            if lower {
                words.push(' ');
            }
            words.extend(c.to_lowercase());
        } else {
            words.push(c);
        }
        lower = c.is_lowercase();
    }
    words
}

/// `1,942 bytes`.
pub(super) fn bytes(count: usize) -> String {
    format!("{} {}", grouped(&count.to_string()), if count == 1 { "byte" } else { "bytes" })
}

/// `1,942` of `1942`.
pub(super) fn grouped(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 commit`, `3 commits`.
pub(super) fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
