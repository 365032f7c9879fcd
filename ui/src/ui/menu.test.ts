import { expect, it } from "vitest";
import { startingWith } from "./menu";

it("finds the next item that begins with what is typed, around the end", () => {
  const items = ["Any", "Linear", "GitHub", "Left"].map((label) => ({ label, run: () => undefined }));
  expect(startingWith(items, "l", 0)).toBe(1);
  expect(startingWith(items, "L", 1)).toBe(3);
  expect(startingWith(items, "l", 3)).toBe(1);
  expect(startingWith(items, "x", 0)).toBe(-1);
});
