import { expect, it } from "vitest";
import { lines } from "./lines";

const cut = (text: string, width: number) =>
  Array.from({ length: lines(text, width).count }, (_, index) => {
    const { start, end, number } = lines(text, width).at(index);
    return [number, text.slice(start, end)];
  });

it("cuts at newlines and at the width", () => {
  expect(cut("ab\r\ncdefg\n\nh", 3)).toEqual([
    [1, "ab"],
    [2, "cde"],
    [null, "fg"],
    [3, ""],
    [4, "h"],
  ]);
});
it("does not cut through a character", () => {
  expect(cut("a😀b", 2)).toEqual([
    [1, "a😀"],
    [null, "b"],
  ]);
});
it("gives an empty text one line", () => {
  expect(cut("", 3)).toEqual([[1, ""]]);
});
it("ends a line before either newline, wherever it is cut", () => {
  expect(cut("abc\r\nabcd\r\n\r\r\nx\r", 3)).toEqual([
    [1, "abc"],
    [2, "abc"],
    [null, "d"],
    [3, "\r"],
    [4, "x"],
  ]);
  expect(lines("a\nb\n", 9)).toMatchObject({ count: 3, own: 3 });
});
it("takes a body of nothing but newlines", () => {
  const found = lines("\n".repeat(5 << 20), 80);
  expect(found.count).toBe((5 << 20) + 1);
  expect(found.at(5 << 20)).toEqual({ start: 5 << 20, end: 5 << 20, number: (5 << 20) + 1 });
});
