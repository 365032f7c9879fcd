import { describe, expect, it } from "vitest";
import { flat, hasHidden, parts } from "./safe";

describe("parts", () => {
  it("shows bidirectional overrides, escapes and other controls as marks, all of them", () => {
    expect(parts("a\u202eb\u001b[31mc\u0000")).toEqual([
      { text: "a", mark: false },
      { text: "U+202E", mark: true },
      { text: "b", mark: false },
      { text: "ESC", mark: true },
      { text: "[31mc", mark: false },
      { text: "NUL", mark: true },
    ]);
  });
  it("finds the same every time it is asked", () => {
    for (let i = 0; i < 3; i += 1) expect(hasHidden("\u2066x")).toBe(true);
    expect(hasHidden("plain")).toBe(false);
  });
  it("leaves markup, emoji and scripts alone", () => {
    for (const text of ["<script>alert(1)</script>", "👩‍💻", "שלום", "a\tb\nc", "é"]) {
      expect(parts(text)).toEqual([{ text, mark: false }]);
    }
  });
  it("marks lone surrogates and tag characters", () => {
    expect(flat("x\ud800y")).toBe("x[U+D800]y");
    expect(flat("\u{e0041}")).toBe("[U+E0041]");
  });
});
