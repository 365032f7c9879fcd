import { describe, expect, it } from "vitest";
import type { DryRunRow } from "../../transport/generated/DryRunRow";
import type { Rule } from "../../transport/generated/Rule";
import { blank, draftOf, extras, moved, pointer, ruleOf, suggestions, terms } from "./rules";

const rule: Rule = {
  id: 7,
  name: "Mirror",
  enabled: true,
  filter: ["Issue", '!Issue[data.x == "a b"]'],
  action: {
    type: "forward",
    url: "http://localhost:4000/hook",
    timeoutMs: 1500,
    headers: [["X-Token", "a: b"]],
    host: "keep",
    retry: { count: 2, waitMs: 250 },
  },
  stop: true,
};

describe("a rule's form", () => {
  it("gives back the rule it was made of", () => {
    expect(ruleOf(draftOf(rule))).toEqual(rule);
    const told: Rule = { ...rule, action: { type: "notify" } };
    expect(ruleOf(draftOf(told))).toEqual(told);
  });

  it("leaves a name that was the target's to the edge", () => {
    expect(draftOf({ ...rule, name: "localhost:4000" }).name).toBe("");
  });

  it("says which part cannot be read", () => {
    const part = (change: Partial<ReturnType<typeof blank>>) => ruleOf({ ...blank("3000"), ...change });
    expect(part({ url: " " })).toMatchObject({ part: "url" });
    expect(part({ timeout: "soon" })).toMatchObject({ part: "timeout" });
    expect(part({ wait: "" })).toMatchObject({ part: "retry" });
    expect(part({ headers: "X-A: 1\nno colon" })).toMatchObject({ part: "headers" });
    expect(part({ timeout: "0,5" })).toMatchObject({ action: { timeoutMs: 500 } });
    expect(part({})).not.toHaveProperty("action.timeoutMs");
  });
});

it("reads terms line by line and points at a place", () => {
  expect(terms("Issue\n\n  Comment.create ")).toEqual([
    { text: "Issue", line: 1 },
    { text: "Comment.create", line: 3 },
  ]);
  expect(pointer("Issue.", 7)).toEqual({ text: "Issue.", at: 6 });
  const long = pointer("é".repeat(100) + "!", 101);
  expect([...long.text][long.at]).toBe("!");
});

it("says what a forward does beside posting", () => {
  expect(extras(rule)).toEqual(["within 1.5 s", "2 retries", "host kept", "1 header"]);
});

it("moves one to its place", () => {
  expect(moved(["a", "b", "c"], 0, 2)).toEqual(["b", "c", "a"]);
  expect(moved(["a", "b", "c"], 2, 0)).toEqual(["c", "a", "b"]);
});

it("suggests what comes most", () => {
  const row = (eventType: string, action: string): DryRunRow => ({
    event: { eventType, name: `${eventType}.${action}` } as DryRunRow["event"],
    rules: [],
  });
  const rows = [
    row("Issue", "create"),
    row("Comment", "create"),
    row("Issue", "update"),
    row("Issue", "update"),
  ];
  expect(suggestions(rows, 3)).toEqual(["Issue", "Issue.update", "Comment"]);
});
