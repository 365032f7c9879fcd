import { expect, it } from "vitest";
import { lines } from "./lines";

const cut = (text: string, width: number) =>
  lines(text, width).map(({ start, end, number }) => [number, text.slice(start, end)]);

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
