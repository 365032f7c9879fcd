import { describe, expect, it } from "vitest";
import type { EdgeState } from "../transport/desktop";
import { Desktop } from "./desktop.svelte";

const nothing = () => undefined;

function desktop() {
  let tell: (edge: EdgeState) => void = nothing;
  const state = new Desktop(
    {
      edge: (heard) => {
        tell = heard;
        return nothing;
      },
      places: () => nothing,
      saved: () => nothing,
      facts: () => Promise.resolve({ dataFolder: "/data", startsAtLogin: null }),
      setStartAtLogin: () => Promise.resolve(),
      openDataFolder: () => Promise.resolve(),
    },
    nothing,
    nothing,
  );
  state.start();
  return { state, tell: (edge: EdgeState) => tell(edge) };
}

const attached = { state: "attached", pid: 7, program: "postern serve" } as const;

describe("which edge works for the app", () => {
  it("is not known in a browser", () => {
    const state = new Desktop(undefined, nothing, nothing);
    state.start()();
    expect(state.edge).toBeNull();
  });
  it("names the program that has ended, until the next one", () => {
    const { state, tell } = desktop();
    tell(attached);
    expect(state.ended).toBeNull();
    tell({ state: "between", problem: null });
    tell({ state: "own" });
    expect(state.ended).toBe("postern serve");
    tell(attached);
    expect(state.ended).toBeNull();
  });
});
