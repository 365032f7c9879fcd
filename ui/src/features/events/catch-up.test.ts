import { describe, expect, it } from "vitest";
import type { Held } from "../../transport/generated/Held";
import { caughtUpWords, choices, heldBy, heldWords, parts } from "./catch-up";

const at = (hours: number, minutes: number) => new Date(2026, 10, 22, hours, minutes).getTime();
const held: Held = {
  count: 38,
  oldest: at(14, 2),
  newest: at(14, 40),
  entities: 12,
  newestPerEntity: 14,
};

describe("what was held during an absence", () => {
  it("is said in two parts", () => {
    expect(heldWords(held, at(15, 0))).toEqual({
      title: "38 events while you were away",
      detail: "14:02 – 14:40, 12 issues",
    });
    const one = { ...held, count: 1, newest: held.oldest, entities: 0, newestPerEntity: 1 };
    expect(heldWords(one, at(15, 0))).toEqual({ title: "1 event while you were away", detail: "14:02" });
  });

  it("names the day when it was another", () => {
    const { detail } = heldWords(held, at(15, 0) + 2 * 86_400_000);
    expect(detail).toContain("22");
    expect(detail).toContain("14:02");
  });

  it("can be delivered, thinned or skipped", () => {
    expect(choices(held).map(({ label }) => label)).toEqual(["Deliver all", "Newest per issue · 14", "Skip"]);
    // Nothing would be thinned.
    expect(choices({ ...held, newestPerEntity: 38 }).map(({ choice }) => choice)).toEqual(["all", "none"]);
  });

  it("is found where the proxy has said it", () => {
    const waiting = { count: 0, oldest: null, held };
    expect(heldBy({ state: "paused", waiting })).toBe(held);
    expect(heldBy({ state: "signed_out" })).toBeNull();
    expect(heldBy(undefined)).toBeNull();
  });

  it("is named in parts that the proxy takes", () => {
    const ids = Array.from({ length: 2001 }, (_, i) => `evt_${i}`);
    expect(parts(ids).map((part) => part.length)).toEqual([1000, 1000, 1]);
    expect(parts(ids).flat()).toEqual(ids);
    expect(parts([])).toEqual([]);
  });

  it("ends in a sentence", () => {
    expect(caughtUpWords({ delivering: 14, skipped: 24, held: 0 })).toBe("14 events on the way, 24 skipped.");
    expect(caughtUpWords({ delivering: 0, skipped: 38, held: 0 })).toBe("38 skipped.");
    expect(caughtUpWords({ delivering: 3, skipped: 0, held: 35 })).toBe(
      "3 events on the way, 35 still held.",
    );
    expect(caughtUpWords({ delivering: 0, skipped: 0, held: 0 })).toBe("Nothing was held any more.");
  });
});
