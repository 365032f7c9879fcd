import { describe, expect, it } from "vitest";
import { parse, source } from "./parse";
import { flatten, nodeOf, openAll, opened, openTo } from "./tree";

const shown = (text: string, open?: Set<number>) => {
  const json = parse(text);
  return [...flatten(json, open ?? opened(json))].map((row) => (row < 0 ? "end" : source(json, row)));
};

describe("flatten", () => {
  it("gives an open container its values and an end", () => {
    expect(shown('{"a":[1,2],"b":{}}')).toEqual([
      '{"a":[1,2],"b":{}}',
      "[1,2]",
      "1",
      "2",
      "end",
      "{}",
      "end",
    ]);
  });
  it("gives a folded one a row", () => {
    expect(shown('{"a":[1,2],"b":3}', new Set([0]))).toEqual(['{"a":[1,2],"b":3}', "[1,2]", "3", "end"]);
    expect(shown("[[1]]", new Set())).toEqual(["[[1]]"]);
  });
  it("ends several at once in order", () => {
    const json = parse("[[[1]]]");
    expect([...flatten(json, opened(json))]).toEqual([0, 1, 2, 3, ~2, ~1, ~0]);
  });
});

describe("opened", () => {
  it("opens whole levels while they fit", () => {
    const json = parse(JSON.stringify({ small: { a: 1 }, large: Array.from({ length: 1000 }, () => 0) }));
    const open = opened(json, 400);
    expect(flatten(json, open).length).toBeLessThan(400);
    expect(open.has(0)).toBe(true);
    expect(open.has(1)).toBe(true);
  });
  it("always opens the document", () => {
    expect(opened(parse(JSON.stringify(Array.from({ length: 5000 }, () => 1)))).has(0)).toBe(true);
    expect(opened(parse("1")).size).toBe(0);
  });
  it("does not grow with depth", () => {
    const json = parse("[".repeat(5000) + "]".repeat(5000));
    expect(flatten(json, opened(json)).length).toBeLessThan(900);
  });
});

describe("openAll", () => {
  it("opens what a node holds and nothing beside it", () => {
    const json = parse('{"a":[[1]],"b":[[2]]}');
    const open = openAll(json, 1, new Set([0]));
    expect([...open].sort()).toEqual([0, 1, 2]);
  });
});

describe("openTo", () => {
  it("opens what a node lies in, and no more", () => {
    const json = parse('{"a":[[1]],"b":[[2]]}');
    const rows = [...flatten(json, openTo(json, 3, new Set([0])))].filter((row) => row >= 0).map(nodeOf);
    expect(rows).toEqual([0, 1, 2, 3, 4]);
    const open = opened(json);
    expect(openTo(json, 3, open)).toBe(open);
  });
});
