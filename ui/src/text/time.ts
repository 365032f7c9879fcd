// Times and sizes for people. Local time on the screen, UTC where asked.

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayThisYear = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const dayOtherYear = new Intl.DateTimeFormat("en-GB", {
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
});

/** `15:07:41`, local. */
export const timeOfDay = (at: number): string => clock.format(at);

/** `15:07:41.214`, local. */
export const timeWithMillis = (at: number): string =>
  `${clock.format(at)}.${String(((Math.floor(at) % 1000) + 1000) % 1000).padStart(3, "0")}`;

const minutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const shortDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** `15:07` today, `20 Nov 15:07` otherwise, local. */
export const dayAndTime = (at: number, now: number): string =>
  dayOf(at) === dayOf(now) ? minutes.format(at) : `${shortDay.format(at)} ${minutes.format(at)}`;

/** A moment as an `<input type="datetime-local">` holds it; empty for none. */
export function localInput(at: number | null): string {
  if (at === null) return "";
  const date = new Date(at);
  const two = (n: number) => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `2026-11-22 15:07:41.214 UTC`. */
export const utc = (at: number): string => new Date(at).toISOString().replace("T", " ").replace("Z", " UTC");

/** The day last asked for: thousands of moments in a row are of one day. */
let asked = { day: 0, from: 0, to: 0 };

/** A number for the local calendar day, to tell days apart. */
export function dayOf(at: number): number {
  if (at < asked.from || at >= asked.to) {
    const date = new Date(at);
    const [year, month, day] = [date.getFullYear(), date.getMonth(), date.getDate()];
    asked = {
      day: year * 10000 + (month + 1) * 100 + day,
      from: new Date(year, month, day).getTime(),
      to: new Date(year, month, day + 1).getTime(),
    };
  }
  return asked.day;
}

/** `Today`, `Yesterday`, `Friday 20 November`, with the year where it is another. */
export function dayName(day: number, now: number): string {
  if (day === dayOf(now)) return "Today";
  const today = new Date(now);
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (day === dayOf(yesterday.getTime())) return "Yesterday";
  const date = new Date(Math.floor(day / 10000), (Math.floor(day / 100) % 100) - 1, day % 100);
  return (date.getFullYear() === today.getFullYear() ? dayThisYear : dayOtherYear).format(date);
}

/** `12 s`, `4 min`, `3 h`, `2 days`: the size of a span in milliseconds, rounded down. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

/** `just now`, `12 s ago`. */
export const ago = (at: number, now: number): string =>
  now - at < 2000 ? "just now" : `${span(now - at)} ago`;

/** `0.6 ms`, `24 ms`, `1.2 s`, `3 min`: a measured time in milliseconds, either sign. */
export function latency(ms: number): string {
  const size = Math.abs(ms);
  const sign = ms < 0 ? "−" : "";
  if (size < 9.95) return `${sign}${size < 0.05 ? "0" : trim(size)} ms`;
  if (size < 1000) return `${sign}${Math.round(size)} ms`;
  if (size < 60_000) return `${sign}${trim(size / 1000)} s`;
  return `${sign}${span(size)}`;
}

const trim = (value: number): string => value.toFixed(1).replace(/\.0$/, "");

/** `512 B`, `1.9 kB`, `5.2 MB`, `1 GB`. */
export function bytes(size: number): string {
  if (size < 1000) return `${size} B`;
  if (size < 999_950) return `${trim(size / 1000)} kB`;
  if (size < 999_950_000) return `${trim(size / 1_000_000)} MB`;
  return `${trim(size / 1_000_000_000)} GB`;
}

const grouped = new Intl.NumberFormat("en-GB");

/** `1,284`. */
export const count = (value: number): string => grouped.format(value);

/** `1 event`, `38 events`. */
export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;
