// The strokes of every icon, in a square of 16.
export const PATHS = {
  events: "M2 4h12M2 8h12M2 12h8",
  handlers: "M3 3v4a3 3 0 0 0 3 3h7M10 7l3 3-3 3",
  connection: "M1.5 8a2 2 0 1 0 4 0 2 2 0 1 0-4 0M10.5 8a2 2 0 1 0 4 0 2 2 0 1 0-4 0M5.5 8h5",
  settings:
    "M5.6 8a2.4 2.4 0 1 0 4.8 0 2.4 2.4 0 1 0-4.8 0M8 1.5v2M8 12.5v2M1.5 8h2M12.5 8h2M3.4 3.4l1.4 1.4M11.2 11.2l1.4 1.4M3.4 12.6l1.4-1.4M11.2 4.8l1.4-1.4",
  search: "M2.5 7a4.5 4.5 0 1 0 9 0 4.5 4.5 0 1 0-9 0M10.5 10.5l4 4",
  close: "M4 4l8 8M12 4l-8 8",
  down: "M4 6l4 4 4-4",
  upward: "M4 10l4-4 4 4",
  right: "M6 4l4 4-4 4",
  left: "M10 4l-4 4 4 4",
  check: "M3 8.5l3.2 3.2L13 5",
  cross: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  dash: "M4 8h8",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2v9.6L12.5 8z",
  replay: "M3 8a5 5 0 1 0 1.6-3.7M3 2.5v3h3",
  keys: "M1.5 4.5h13v7h-13zM4 7h.01M6.7 7h.01M9.3 7h.01M12 7h.01M5 9.3h6",
  up: "M8 13V3.5M4 7l4-4 4 4",
  bolt: "M9 1.5L3.5 9H8l-1 5.5L12.5 7H8z",
  grip: "M6 3.5h.01M6 8h.01M6 12.5h.01M10 3.5h.01M10 8h.01M10 12.5h.01",
  theme: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
  out: "M6.5 2.5h-4v11h4M10 5l3 3-3 3M13 8H6",
} as const;
export type IconName = keyof typeof PATHS;
