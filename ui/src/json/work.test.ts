import { describe, expect, it } from "vitest";
import { parse } from "./parse";
import { work } from "./work";

describe("work", () => {
  it("gives the columns as long as they are, to be moved", () => {
    const [answer, moved] = work({ kind: "parse", text: '{"a":[1,2]}' });
    if (answer.kind !== "parse") throw new Error(answer.kind);
    expect(answer.json.start).toEqual(parse('{"a":[1,2]}').start.slice(0, 4));
    expect(answer.json).not.toHaveProperty("text");
    expect(moved).toHaveLength(9);
    expect(structuredClone(answer, { transfer: moved })).toMatchObject({ json: { size: 4 } });
  });
  it("says what differs, and what is not JSON", () => {
    const [answer] = work({ kind: "diff", a: '{"a":1}', b: '{"a":2}' });
    expect(answer).toEqual({
      kind: "diff",
      rows: [{ kind: "changed", path: "a", before: "1", after: "2" }],
    });
    expect(work({ kind: "parse", text: "{" })[0]).toEqual({
      kind: "problem",
      what: "a key expected",
      at: 1,
    });
  });
});
