//! Amounts as Stripe writes them: integers in the currency's smallest unit.
//! Source: docs.stripe.com/currencies.

/// Currencies without a smaller unit. ISK and UGX have none either, but are
/// written with two decimals all the same.
const WHOLE: &str = " bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf ";

/// Currencies with thousandths.
const THOUSANDTHS: &str = " bhd jod kwd omr tnd ";

/// `€ 49.00`, `CHF 1,200.50`, `¥ 500`; `None` where it is not an integer and a
/// currency's code.
pub(super) fn amount(smallest: &str, currency: &str) -> Option<String> {
    let value: i64 = smallest.parse().ok()?;
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let code = currency.to_ascii_lowercase();
    let among = |codes: &str| codes.contains(&format!(" {code} "));
    let decimals = if among(WHOLE) {
        0
    } else if among(THOUSANDTHS) {
        3
    } else {
        2
    };
    let digits = format!("{:0width$}", value.unsigned_abs(), width = decimals + 1);
    let (units, rest) = digits.split_at(digits.len() - decimals);
    let symbol = match code.as_str() {
        "eur" => "€".to_owned(),
        "usd" => "$".to_owned(),
        "gbp" => "£".to_owned(),
        "jpy" => "¥".to_owned(),
        _ => code.to_uppercase(),
    };
    let sign = if value < 0 { "−" } else { "" };
    let point = if decimals > 0 { "." } else { "" };
    Some(format!("{sign}{symbol} {}{point}{rest}", crate::line::text::grouped(units)))
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn amounts_are_written_in_their_currency() {
        let cases = [
            ("4900", "eur", Some("€ 49.00")),
            ("5", "USD", Some("$ 0.05")),
            ("0", "gbp", Some("£ 0.00")),
            ("500", "jpy", Some("¥ 500")),
            ("120050", "chf", Some("CHF 1,200.50")),
            ("1234567", "kwd", Some("KWD 1,234.567")),
            ("-1999", "eur", Some("−€ 19.99")),
            ("-9223372036854775808", "usd", Some("−$ 92,233,720,368,547,758.08")),
            ("49.00", "eur", None),
            ("99999999999999999999", "eur", None),
            ("1", "euro", None),
            ("1", "é1", None),
        ];
        for (smallest, currency, expected) in cases {
            assert_eq!(amount(smallest, currency).as_deref(), expected);
        }
    }
}
