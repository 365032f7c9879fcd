//! Reads a condition, by precedence `!`, `&&`, `||`, and points at the
//! character where it goes wrong.

use super::{Expr, Number, Path, Step, Value};
use crate::filter::parse::Wrong;

/// How deep conditions may nest. A negation counts twice, with the parentheses
/// it is written with, so that what is written out nests no deeper.
const DEPTH: usize = 64;

/// How many steps a path may have.
const STEPS: usize = 16;

type Read<T> = Result<T, Wrong>;

/// Whether a member's name may stand in a path without quotes.
pub(super) fn is_plain(name: &str) -> bool {
    let starts = |c: char| c.is_alphabetic() || "_$@".contains(c);
    name.starts_with(starts) && name.chars().all(in_plain)
}

fn in_plain(c: char) -> bool {
    c.is_alphanumeric() || "_$@-".contains(c)
}

/// The condition between the bracket at `from` and the one that ends the text.
pub(super) fn condition(text: &str, from: usize) -> Read<Expr> {
    let mut reader = Reader { text, at: from };
    reader.expect("[", "`[`")?;
    let expr = reader.or(DEPTH)?;
    reader.expect("]", "`&&`, `||` or the `]` that ends the condition")?;
    if reader.at < text.len() {
        return Err((reader.at, "a term ends with its condition".into()));
    }
    Ok(expr)
}

/// The condition that is the whole text.
pub(super) fn bare(text: &str) -> Read<Expr> {
    let mut reader = Reader { text, at: 0 };
    let expr = reader.or(DEPTH)?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.unexpected("`&&`, `||` or the end"));
    }
    Ok(expr)
}

struct Reader<'t> {
    text: &'t str,
    /// In bytes.
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Takes `token` where it comes next, past white space.
    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let there = self.rest().starts_with(token);
        self.at += if there { token.len() } else { 0 };
        there
    }

    fn expect(&mut self, token: &str, what: &str) -> Read<()> {
        if self.take(token) { Ok(()) } else { Err(self.unexpected(what)) }
    }

    fn unexpected(&self, expected: &str) -> Wrong {
        let reason = match self.rest().chars().next() {
            None => format!("expected {expected}, but the text ends here"),
            Some('=') => format!("expected {expected}; equality is written `==`"),
            Some('&' | '|') => format!("expected {expected}; conditions are joined by `&&` and `||`"),
            Some('\'') => format!("expected {expected}; texts stand in double quotes"),
            Some(c) => format!("expected {expected}, found `{}`", c.escape_debug()),
        };
        (self.at, reason)
    }

    fn or(&mut self, depth: usize) -> Read<Expr> {
        let mut parts = vec![self.and(depth)?];
        while self.take("||") {
            parts.push(self.and(depth)?);
        }
        let flat = |part| match part {
            Expr::Or(parts) => parts,
            part => vec![part],
        };
        Ok(joined(parts, flat, Expr::Or))
    }

    fn and(&mut self, depth: usize) -> Read<Expr> {
        let mut parts = vec![self.unary(depth)?];
        while self.take("&&") {
            parts.push(self.unary(depth)?);
        }
        let flat = |part| match part {
            Expr::And(parts) => parts,
            part => vec![part],
        };
        Ok(joined(parts, flat, Expr::And))
    }

    fn unary(&mut self, depth: usize) -> Read<Expr> {
        self.skip_space();
        let start = self.at;
        let within = |by| depth.checked_sub(by).ok_or((start, "the condition nests too deep".to_owned()));
        if self.take("!") {
            let within = within(2)?;
            self.skip_space();
            let inner =
                if self.rest().starts_with('(') { self.parenthesised(within)? } else { self.unary(within)? };
            return Ok(Expr::Not(Box::new(inner)));
        }
        if self.rest().starts_with('(') {
            return self.parenthesised(within(1)?);
        }
        match self.rest().strip_prefix("exists") {
            Some(rest) if rest.trim_start().starts_with('(') => {
                self.at += "exists".len();
                self.expect("(", "`(`")?;
                let path = self.path()?;
                self.expect(")", "`.`, `[` or the `)` that ends `exists(`")?;
                Ok(Expr::Exists(path))
            }
            _ => self.comparison(),
        }
    }

    fn parenthesised(&mut self, depth: usize) -> Read<Expr> {
        self.expect("(", "`(`")?;
        let inner = self.or(depth)?;
        self.expect(")", "`&&`, `||` or `)`")?;
        Ok(inner)
    }

    fn comparison(&mut self) -> Read<Expr> {
        let path = self.path()?;
        if self.take("==") {
            return Ok(Expr::Is(path, self.value()?));
        }
        if self.take("!=") {
            return Ok(Expr::IsNot(path, self.value()?));
        }
        let is_in = self.rest().strip_prefix("in").is_some_and(|rest| !rest.starts_with(in_plain));
        if !is_in {
            return Err(self.unexpected("`==`, `!=` or `in`"));
        }
        self.at += "in".len();
        self.expect("[", "`[` and a list of values")?;
        let mut values = vec![self.value()?];
        while self.take(",") {
            values.push(self.value()?);
        }
        self.expect("]", "`,` or the `]` that ends the list")?;
        Ok(Expr::In(path, values))
    }

    fn path(&mut self) -> Read<Path> {
        self.skip_space();
        let start = self.at;
        let mut steps = Vec::new();
        if !self.rest().starts_with('[') {
            steps.push(self.name("a field of the payload, as in `data.team.key`")?);
        }
        loop {
            if self.rest().starts_with('.') {
                self.at += 1;
                steps.push(self.name("a field's name; others than words stand in `[\"…\"]`")?);
            } else if self.rest().starts_with('[') {
                self.at += 1;
                steps.push(self.bracket()?);
            } else {
                break;
            }
            if steps.len() > STEPS {
                return Err((start, format!("a path has at most {STEPS} steps")));
            }
        }
        Ok(Path(steps))
    }

    fn name(&mut self, what: &str) -> Read<Step> {
        let rest = self.rest();
        let name = &rest[..rest.find(|c| !in_plain(c)).unwrap_or(rest.len())];
        if !is_plain(name) {
            return Err(self.unexpected(what));
        }
        self.at += name.len();
        Ok(Step::Member(name.to_owned()))
    }

    fn bracket(&mut self) -> Read<Step> {
        self.skip_space();
        let step = if self.rest().starts_with('"') {
            Step::Member(self.quoted()?)
        } else {
            let rest = self.rest();
            let digits = &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())];
            let index =
                digits.parse().map_err(|_| self.unexpected("an index from 0, or a name in quotes"))?;
            self.at += digits.len();
            Step::Item(index)
        };
        self.expect("]", "`]`")?;
        Ok(step)
    }

    fn value(&mut self) -> Read<Value> {
        self.skip_space();
        let rest = self.rest();
        if rest.starts_with('"') {
            return self.quoted().map(Value::Text);
        }
        let number = |c: char| c.is_ascii_alphanumeric() || "+-._$@".contains(c);
        let word = &rest[..rest.find(|c| !number(c)).unwrap_or(rest.len())];
        let value = match word {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "me" => Value::Me,
            _ if word.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                let valid = serde_json::from_str::<serde::de::IgnoredAny>(word).is_ok();
                let number = valid.then(|| Number::read(word)).flatten();
                Value::Number(
                    number.ok_or_else(|| (self.at, format!("`{word}` is not a number, or too large")))?,
                )
            }
            "" => {
                return Err(
                    self.unexpected("a value: a text in double quotes, a number, true, false, null or me")
                );
            }
            _ => return Err((self.at, format!("`{word}` is not a value; texts stand in double quotes"))),
        };
        self.at += word.len();
        Ok(value)
    }

    /// A JSON string, at whose first quote the reader stands.
    fn quoted(&mut self) -> Read<String> {
        let start = self.at;
        let mut escaped = false;
        let end = self.rest().char_indices().skip(1).find_map(|(at, c)| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends.then_some(at + 1)
        });
        let end = end.ok_or((start, "this text has no end: expected `\"`".to_owned()))?;
        let text = serde_json::from_str(&self.rest()[..end])
            .map_err(|_| (start, "this text cannot be read: escapes are those of JSON".to_owned()))?;
        self.at += end;
        Ok(text)
    }
}

/// One part alone, or the parts joined, those of the same kind made flat.
fn joined(
    mut parts: Vec<Expr>,
    flat: impl FnMut(Expr) -> Vec<Expr>,
    join: impl FnOnce(Vec<Expr>) -> Expr,
) -> Expr {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts.into_iter().flat_map(flat).collect()),
    }
}
