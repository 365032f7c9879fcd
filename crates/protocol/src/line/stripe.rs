//! Stripe's events: `{"type": "invoice.paid", "data": {"object": {…}}}`. The
//! type's first word is the type, the rest the action. Shapes:
//! docs.stripe.com/api/events.

use super::payload::Json;
use super::{Line, first, generic, text};
use crate::HeaderList;

mod money;

pub(super) fn line(json: &Json, size: usize) -> Line {
    let Some(kind) = json.text("type") else {
        let mut line = generic::line(&HeaderList::new(), json, size);
        line.event_type = None;
        return line;
    };
    // A thin event (`v2.core.event`) has only a reference to its object.
    let thing = match json.at("data.object") {
        Json::Null => json.at("related_object"),
        thing => thing,
    };
    let (event_type, action) = kind.split_once('.').map_or((kind, None), |(t, action)| (t, Some(action)));
    let object = first(thing, &["object", "type"]).unwrap_or(event_type);
    let line = Line::new(subject(object, action, thing).unwrap_or_else(|| kind.to_owned()))
        .about(thing.text("id").map(|id| format!("stripe:{object}:{id}")))
        .say(text::words(&action.unwrap_or(event_type).replace('.', " ")));
    let mut line = match object {
        "charge" => charge(line, thing),
        "payment_intent" | "setup_intent" => intent(line, thing),
        "checkout.session" => session(line, thing),
        "subscription" => subscription(line, thing, json.at("data.previous_attributes")),
        "customer" => customer(line, json.at("data.previous_attributes")),
        "dispute" | "refund" => line.say(thing.text("reason").map(text::words)).say(on_charge(thing)),
        "payout" => line.say(thing.text("failure_message").and_then(text::quote)),
        _ => line,
    };
    if object != "customer" {
        line = line.say(owner(thing));
    }
    if *json.at("livemode") == Json::Bool(false) {
        line = line.say("test mode".to_owned());
    }
    line.event_type = Some(event_type.to_owned());
    line.action = action.map(str::to_owned);
    line
}

/// `€ 49.00 in_1QaX…`, `Ada Lovelace`, `Pro plan`; `None` where it says nothing.
fn subject(object: &str, action: Option<&str>, thing: &Json) -> Option<String> {
    let amounts: &[&str] = match (object, action) {
        ("invoice", Some("paid" | "payment_succeeded")) => &["amount_paid", "total"],
        ("invoice", _) => &["amount_due", "total"],
        ("charge", Some("refunded")) => &["amount_refunded", "amount"],
        ("checkout.session", _) => &["amount_total"],
        _ => &["amount", "amount_total", "total", "unit_amount"],
    };
    let currency = thing.text("currency");
    let amount = amounts.iter().find_map(|at| money::amount(thing.text(at)?, currency?));
    let plan = thing.at("items.data").first_item();
    let price = || {
        let (amount, currency) = (plan.text("price.unit_amount")?, plan.text("price.currency")?);
        let every = first(plan, &["plan.interval", "price.recurring.interval"])
            .map(|every| format!(" a {every}"))
            .unwrap_or_default();
        money::amount(amount, currency).map(|amount| format!("{amount}{every}"))
    };
    let name = first(thing, &["name", "email"]).filter(|_| object != "checkout.session");
    let id = first(thing, &["number", "id"]).map(short);
    let parts = [amount.or_else(price), name.map(str::to_owned).or(id)];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// `in_1QaX…` of `in_1QaXJk2eZvKYlo2C`: enough to tell one from another.
fn short(id: &str) -> String {
    let prefix = id.rfind('_').map_or(0, |at| id[..=at].chars().count());
    let whole = prefix == 0 || id.chars().count() <= prefix + 8;
    if whole { id.to_owned() } else { text::cut(id, prefix + 5) }
}

/// `customer cus_QaX1…`; the customer may be its id, or the whole object.
fn owner(thing: &Json) -> Option<String> {
    first(thing, &["customer.id", "customer"]).map(|id| format!("customer {}", short(id)))
}

fn on_charge(thing: &Json) -> Option<String> {
    first(thing, &["charge.id", "charge"]).map(|id| format!("of {}", short(id)))
}

fn charge(line: Line, thing: &Json) -> Line {
    let card = thing.at("payment_method_details.card");
    let card = card.text("brand").zip(card.text("last4")).map(|(brand, last)| format!("{brand} …{last}"));
    line.say(card).say(thing.text("failure_message").and_then(text::quote))
}

fn intent(line: Line, thing: &Json) -> Line {
    let error = first(thing, &["last_payment_error.message", "last_setup_error.message"]);
    line.say(error.and_then(text::quote)).say(thing.text("description").and_then(text::quote))
}

fn session(line: Line, thing: &Json) -> Line {
    let email = first(thing, &["customer_details.email", "customer_email"]);
    line.say(thing.text("payment_status").map(text::words)).say(email.map(str::to_owned))
}

fn subscription(line: Line, thing: &Json, before: &Json) -> Line {
    let status = thing.text("status").map(text::words);
    let status = match (before.text("status").map(text::words), status) {
        (Some(old), Some(new)) => Some(format!("status {old} → {new}")),
        (None, new) => new,
        (Some(_), None) => None,
    };
    let ends = thing.is_true("cancel_at_period_end").then(|| "ends with the period".to_owned());
    line.say(status).say(ends)
}

fn customer(line: Line, before: &Json) -> Line {
    let changed: Vec<_> = before.keys().map(text::words).collect();
    line.say((!changed.is_empty()).then(|| format!("{} changed", changed.join(", "))))
}
