//! Other values for members of a body, by path: `data.title`, `labels.0.name`.

use serde_json::{Map, Value};

/// No list grows by a path beyond its end, and no path is deeper.
const DEEPEST: usize = 64;

/// Sets each member. Objects on the way are made where there are none; a
/// list's items are named by their number, the first after the last adds one.
///
/// # Errors
/// In words, when a path leads through what has no members.
pub(super) fn members(body: &mut Value, set: &Map<String, Value>) -> Result<(), String> {
    set.iter().try_for_each(|(path, value)| member(body, path, value.clone()))
}

fn member(body: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let steps: Vec<_> = path.split('.').collect();
    if steps.len() > DEEPEST || steps.iter().any(|step| step.is_empty()) {
        return Err(format!("`{path}` is no path of a member: write it like `data.title`"));
    }
    let mut at = body;
    for (n, step) in steps.iter().enumerate() {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        at = match at {
            Value::Object(members) => members.entry(*step).or_insert(Value::Null),
            Value::Array(items) => {
                let length = items.len();
                let place = step.parse::<usize>().ok().filter(|place| *place <= length);
                let place = place.ok_or_else(|| {
                    format!(
                        "`{path}` cannot be set: `{}` is a list of {length}, and `{step}` none of its places",
                        steps[..n].join(".")
                    )
                })?;
                if place == length {
                    items.push(Value::Null);
                }
                &mut items[place]
            }
            _ => {
                let inner =
                    if n == 0 { "the body".to_owned() } else { format!("`{}`", steps[..n].join(".")) };
                return Err(format!("`{path}` cannot be set: {inner} has no members"));
            }
        };
    }
    *at = value;
    Ok(())
}
