// What two events' headers differ in.

import type { Difference } from "../../../json/diff";
import type { EventDetail } from "../../../transport/generated/EventDetail";
import { headerText } from "../detail/body";

/** By name, in order of the first event's; of a name that comes again, all values together. */
export function headerDifferences(a: EventDetail, b: EventDetail): Difference[] {
  const gathered = (event: EventDetail): Map<string, string> => {
    const values = new Map<string, string>();
    for (const [name, value] of event.headers) {
      const before = values.get(name);
      values.set(name, before === undefined ? headerText(value) : `${before}, ${headerText(value)}`);
    }
    return values;
  };
  const [here, there] = [gathered(a), gathered(b)];
  return [...new Set([...here.keys(), ...there.keys()])].map((path): Difference => {
    const [before, after] = [here.get(path) ?? null, there.get(path) ?? null];
    const kind =
      before === after ? "same" : before === null ? "added" : after === null ? "removed" : "changed";
    return { kind, path, before, after };
  });
}
