import { describe, expect, it } from "vitest";
import { range, reveal, stretch, TALLEST } from "./virtual";

describe("range", () => {
  it("is what is seen and a little more", () => {
    expect(range(0, 100, 1000, 10, 2)).toEqual({ from: 0, to: 12 });
    expect(range(505, 100, 1000, 10, 2)).toEqual({ from: 48, to: 63 });
  });
  it("stays within the list, also when it shrank below the scroll", () => {
    expect(range(9950, 100, 1000, 10, 2)).toEqual({ from: 993, to: 1000 });
    expect(range(9950, 100, 3, 10, 2)).toEqual({ from: 3, to: 3 });
    expect(range(0, 100, 0, 10, 2)).toEqual({ from: 0, to: 0 });
  });
});

describe("reveal", () => {
  it("moves as little as possible", () => {
    expect(reveal(5, 0, 100, 10)).toBe(0);
    expect(reveal(12, 0, 100, 10)).toBe(30);
    expect(reveal(3, 100, 100, 10)).toBe(30);
    expect(reveal(0, 100, 100, 10, 10)).toBe(0);
    expect(reveal(12, 0, 100, 10, 10)).toBe(40);
  });
});

describe("stretch", () => {
  it("brings the last row of any list into reach", () => {
    expect(stretch(900_000, 34, 800)).toBe(1);
    const by = stretch(5_000_000, 20, 800);
    expect(by).toBeGreaterThan(3);
    const last = (TALLEST - 800) * by;
    expect(range(last, 800, 5_000_000, 20, 0).to).toBe(5_000_000);
  });
});
