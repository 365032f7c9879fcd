import type { OutcomeKind } from "../../transport/generated/OutcomeKind";
import type { DotTone } from "../../ui/tones";
import type { PillTone } from "../../ui/tones";

export const PILLS: Record<OutcomeKind, PillTone> = {
  none: "dim",
  running: "warn",
  succeeded: "ok",
  failed: "bad",
};
export const DOTS: Record<OutcomeKind, DotTone> = {
  none: "idle",
  running: "warn",
  succeeded: "ok",
  failed: "bad",
};
