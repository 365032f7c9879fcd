//! `doctor`: each check, what was found, and the cure.

use super::{Ink, Style, safe};
use postern_edge::doctor::{Finding, Verdict};

/// One line for each check, and one for its cure where it has one.
pub(crate) fn findings(style: &Style, findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for finding in findings {
        let (ink, mark) = match finding.verdict {
            Verdict::Ok => (Ink::Good, "ok  "),
            Verdict::Warn => (Ink::Busy, "warn"),
            Verdict::Fail => (Ink::Bad, "fail"),
        };
        let name = style.paint(Ink::Strong, &format!("{:12}", finding.check));
        lines.push(format!("{}  {name}  {}", style.paint(ink, mark), safe(&finding.found)));
        if let Some(cure) = &finding.cure {
            lines.push(format!("{:20}{}", "", style.paint(Ink::Faint, &format!("→ {}", safe(cure)))));
        }
    }
    lines.join("\n")
}
