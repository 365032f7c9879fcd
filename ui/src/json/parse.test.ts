import { describe, expect, it } from "vitest";
import { child, keyOf, Kind, NotJson, parse, path, source } from "./parse";

/** Every node as [depth, key, source of leaves]. */
const table = (text: string) => {
  const json = parse(text);
  return Array.from({ length: json.size }, (_, node) => [
    json.depth[node],
    keyOf(json, node),
    (json.kind[node] ?? 0) > Kind.Array ? source(json, node) : json.children[node],
  ]);
};

describe("parse", () => {
  it("lists nodes in order of appearance", () => {
    expect(table('{"a": [1, {"b": null}], "c": "x"}')).toEqual([
      [0, null, 2],
      [1, "a", 2],
      [2, null, "1"],
      [2, null, 1],
      [3, "b", "null"],
      [1, "c", '"x"'],
    ]);
  });

  it("keeps numbers and repeated keys as they are written", () => {
    const json = parse('{"id":12345678901234567890,"id":1e400}');
    expect([source(json, 1), source(json, 2)]).toEqual(["12345678901234567890", "1e400"]);
  });

  it.each(["true", ' "x" ', "-0.5e+3", "[]", "{}", '[[],{"":[]}]', '"\\u00e9\\n"'])("reads %s", (text) => {
    const json = parse(text);
    expect(source(json, 0)).toBe(text.trim());
  });

  it.each([
    ["", 0],
    ["{", 1],
    ["[1,]", 3],
    ['{"a":1,}', 7],
    ["[1 2]", 3],
    ["01", 1],
    ['"a\nb"', 2],
    ['"\\x"', 0],
    ['"open', 0],
    ["nul", 0],
    ["1 1", 2],
    ["{1:2}", 1],
  ])("refuses %j and says where", (text, at) => {
    try {
      parse(text);
      expect.unreachable();
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(NotJson);
      expect((thrown as NotJson).at).toBe(at);
    }
  });

  it("agrees with JSON.parse on where every value ends", () => {
    const value = { a: [1, [2, { b: [] }], "]}"], c: { d: {}, e: [[[]]] }, f: '\\"{[' };
    const json = parse(JSON.stringify(value, null, 2));
    const e = child(json, child(json, 0, "c") ?? -1, "e") ?? -1;
    expect(JSON.parse(source(json, e))).toEqual(value.c.e);
    expect(JSON.parse(source(json, child(json, 0, "a") ?? -1))).toEqual(value.a);
  });

  it("reads a hundred thousand levels and five mebibytes", () => {
    const deep = parse("[".repeat(100_000) + "]".repeat(100_000));
    expect(deep.size).toBe(100_000);
    const wide = parse(
      JSON.stringify(Array.from({ length: 120_000 }, (_, i) => ({ i, text: "x".repeat(20) }))),
    );
    expect(wide.children[0]).toBe(120_000);
    expect(wide.size).toBe(1 + 3 * 120_000);
    const long = parse(JSON.stringify("é\\".repeat(2_000_000)));
    expect(long.size).toBe(1);
  });
});

describe("path", () => {
  it("names members, indices and odd keys", () => {
    const json = parse('{"data":{"labels":[{"name":1},{"name":2}],"a b":3}}');
    const data = child(json, 0, "data") ?? -1;
    const second = child(json, (child(json, data, "labels") ?? -1) + 3, "name") ?? -1;
    expect(path(json, second)).toBe("data.labels[1].name");
    expect(path(json, child(json, data, "a b") ?? -1)).toBe('data["a b"]');
    expect(path(json, 0)).toBe("$");
  });
});
