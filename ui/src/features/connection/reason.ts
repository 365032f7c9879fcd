import { span } from "../../text/time";
import type { Rejected } from "../../transport/generated/Rejected";

/** Why a request was refused, and what is probably wrong. */
export const reasonOf = (row: Rejected): string =>
  row.guess === null ? finding(row) : `${finding(row)} Probably: ${row.guess}.`;

/** The signature's finding where that was it, in a sentence. */
function finding(row: Rejected): string {
  const { failure } = row;
  switch (failure?.kind) {
    case "stale":
      return `Signed ${span(failure.by_ms)} ago; ${span(failure.tolerance_ms)} are allowed. Does this machine's clock run ahead?`;
    case "future":
      return `Signed ${span(failure.by_ms)} in the future; ${span(failure.tolerance_ms)} are allowed. Is this machine's clock behind?`;
    case "missing_header":
      return `The header ${failure.header} is missing.`;
    case "malformed":
      return `${failure.field} cannot be read: ${failure.reason}.`;
    case "wrong_secret":
      return "Signed with another secret, or the body was altered on the way.";
    case undefined: {
      const text = row.reason.trim();
      return text === ""
        ? row.code
        : text[0]?.toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
    }
  }
}
