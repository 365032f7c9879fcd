// Keys: what they are called on this machine, and when a single letter is one.

/** ⌘ on Apple's keyboards, Ctrl elsewhere. */
export const onMac = /Mac|iPhone|iPad/.test(navigator.platform);
export const modifier = onMac ? "⌘" : "Ctrl ";

/** Whether the key goes into a text that is being written. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio]), textarea, select"))
  );
}

/** Whether the command palette was asked for. */
export const isPalette = (event: KeyboardEvent): boolean =>
  event.key.toLowerCase() === "k" &&
  (onMac ? event.metaKey : event.ctrlKey) &&
  !event.altKey &&
  !event.shiftKey;

/** Whether a search in what is shown was asked for. */
export const isFind = (event: KeyboardEvent): boolean =>
  event.key.toLowerCase() === "f" &&
  (onMac ? event.metaKey && !event.ctrlKey : event.ctrlKey) &&
  !event.altKey &&
  !event.shiftKey;

/** For the sheet of keys. */
export const KEYS: { group: string; keys: { keys: string[]; does: string }[] }[] = [
  {
    group: "Events",
    keys: [
      { keys: ["J", "↓"], does: "Next event" },
      { keys: ["K", "↑"], does: "Previous event" },
      { keys: ["Home"], does: "Newest event" },
      { keys: ["Enter"], does: "Into the detail" },
      { keys: ["Esc"], does: "Close the detail" },
      { keys: ["R"], does: "Replay the event" },
      { keys: ["1", "…", "5"], does: "Payload … Raw" },
      { keys: [`${modifier}F`], does: "Search in the payload" },
      { keys: ["X"], does: "Choose it, for work on several" },
      { keys: ["Shift", "↓"], does: "Choose a stretch" },
      { keys: [`${modifier}A`], does: "Choose all that match" },
      { keys: ["C"], does: "Compare two" },
      { keys: ["/"], does: "Search" },
      { keys: ["F"], does: "Filter by" },
      { keys: ["V"], does: "Views" },
    ],
  },
  {
    group: "A tunnel's requests",
    keys: [
      { keys: ["J", "↓"], does: "Next request" },
      { keys: ["K", "↑"], does: "Previous request" },
      { keys: ["Enter"], does: "Into the detail" },
      { keys: ["Esc"], does: "Close the detail" },
      { keys: ["R"], does: "Replay the request" },
      { keys: ["E"], does: "Edit and replay" },
      { keys: ["1", "…", "5"], does: "Request … Compare" },
      { keys: ["/"], does: "Search" },
    ],
  },
  {
    group: "A payload",
    keys: [
      { keys: ["→", "←"], does: "Unfold, fold" },
      { keys: ["*"], does: "Unfold all of it" },
    ],
  },
  {
    group: "A rule's handle",
    keys: [{ keys: ["↑", "↓"], does: "Move the rule" }],
  },
  {
    group: "Anywhere",
    keys: [
      { keys: [`${modifier}K`], does: "Commands" },
      { keys: ["?"], does: "This sheet" },
      { keys: ["P"], does: "Pause, resume" },
      { keys: ["G", "E"], does: "Events" },
      { keys: ["G", "T"], does: "Tunnels" },
      { keys: ["G", "H"], does: "Handlers" },
      { keys: ["G", "C"], does: "Connection" },
      { keys: ["G", "S"], does: "Settings" },
      { keys: ["G", "1", "…", "9"], does: "First … ninth workspace" },
    ],
  },
];
