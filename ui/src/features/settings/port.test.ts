import { expect, it } from "vitest";
import { readPort } from "./port";

it("reads a port, none, and nothing else", () => {
  expect(["4456", " 1 ", "65535", "", "  "].map(readPort)).toEqual([4456, 1, 65535, null, null]);
  for (const wrong of ["0", "65536", "-1", "4456x", "1e3", "44 56", ":4456", "99999999"])
    expect(readPort(wrong), wrong).toBeUndefined();
});
