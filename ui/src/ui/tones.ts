/** The colour of a dot: how a thing stands. */
export type DotTone = "ok" | "bad" | "warn" | "held" | "idle";
/** The colour of a pill. */
export type PillTone = "ok" | "bad" | "warn" | "held" | "dim";
