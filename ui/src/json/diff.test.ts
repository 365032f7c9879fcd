import { describe, expect, it } from "vitest";
import { aligned, around, diff } from "./diff";
import { parse } from "./parse";

/** The differences alone: `+ path value`, `- path value`, `~ path before → after`. */
const told = (before: unknown, after: unknown) =>
  diff(parse(JSON.stringify(before)), parse(JSON.stringify(after)))
    .filter(({ kind }) => kind !== "same")
    .map(({ kind, path, before: old, after: now }) =>
      kind === "changed"
        ? `~ ${path} ${old} → ${now}`
        : kind === "added"
          ? `+ ${path} ${now}`
          : `- ${path} ${old}`,
    );

describe("diff", () => {
  it("names what was added, removed and changed by its path", () => {
    expect(
      told(
        { data: { title: "a", state: { name: "Todo" }, old: 1, "odd key": true } },
        { data: { state: { name: "Done" }, title: "a", fresh: [1], "odd key": null } },
      ),
    ).toEqual([
      '~ data.state.name "Todo" → "Done"',
      "- data.old 1",
      '~ data["odd key"] true → null',
      "+ data.fresh [1]",
    ]);
  });

  it("does not mind order of keys, white space and escapes", () => {
    const one = parse('{"a": 1, "b": {"c": "\\u00e9", "d": []}}');
    const other = parse('{ "b": {"d": [ ], "c":"é"},"a":1}');
    expect(diff(one, other)).toEqual([
      { kind: "same", path: "$", before: one.text, after: other.text.trim() },
    ]);
  });

  it("tells kinds apart that look alike", () => {
    expect(told({ a: "1" }, { a: 1 })).toEqual(['~ a "1" → 1']);
    expect(told({ a: [] }, { a: {} })).toEqual(["~ a [] → {}"]);
    expect(told({ a: null }, {})).toEqual(["- a null"]);
    expect(told(["ab", "c"], ["a", "bc"])).toHaveLength(2);
  });

  it("finds the items that belong together in a list", () => {
    expect(told([1, 2, 3, 4], [1, 3, 4, 5])).toEqual(["- [1] 2", "+ [3] 5"]);
    expect(
      told(
        {
          labels: [
            { id: "x", name: "Bug" },
            { id: "y", name: "UI" },
          ],
        },
        {
          labels: [
            { id: "n", name: "New" },
            { id: "x", name: "Bug" },
            { id: "y", name: "UX" },
          ],
        },
      ),
    ).toEqual(['+ labels[0] {"id":"n","name":"New"}', '~ labels[2].name "UI" → "UX"']);
    expect(told([{ a: 1, b: 1 }], [{ a: 1, b: 2 }])).toEqual(["~ [0].b 1 → 2"]);
  });

  it("folds what is equal, however large, into a row", () => {
    const large = Array.from({ length: 100_000 }, (_, n) => ({ n }));
    const found = diff(parse(JSON.stringify({ large, last: 1 })), parse(JSON.stringify({ large, last: 2 })));
    expect(found.map(({ kind, path }) => [kind, path])).toEqual([
      ["same", "large"],
      ["changed", "last"],
    ]);
  });

  it("survives any depth and long lists", () => {
    const deep = (end: string) => parse("[".repeat(20_000) + end + "]".repeat(20_000));
    expect(diff(deep("1"), deep("2")).filter(({ kind }) => kind === "changed")).toHaveLength(1);
    const list = (from: number) => parse(JSON.stringify(Array.from({ length: 5000 }, (_, n) => n + from)));
    expect(diff(list(0), list(10_000)).length).toBe(5000);
  });
});

it("aligns around what is equal", () => {
  expect(aligned(["a", "b", "c"], ["a", "x", "c"])).toEqual([
    [0, 0],
    [1, 1],
    [2, 2],
  ]);
  expect(aligned([], ["a"])).toEqual([[null, 0]]);
});

it("shows long texts where they differ", () => {
  const [before, after] = around(`${"x".repeat(5000)}old`, `${"x".repeat(5000)}new`);
  expect(before).toMatch(/^…x{40}old$/);
  expect(after).toMatch(/^…x{40}new$/);
});
