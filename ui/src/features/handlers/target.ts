/** What is wrong with a forward target; null: nothing that can be seen here. */
export function checkTarget(text: string): string | null {
  const trimmed = text.trim();
  if (trimmed === "") return "The address is missing.";
  let url: URL;
  try {
    url = new URL(trimmed);
  } catch {
    return "This is not an address. It looks like http://localhost:3000/webhooks.";
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    return "The address starts with http:// or https://.";
  if (url.username !== "" || url.password !== "") return "The address must not hold a user name or password.";
  return null;
}

/** The same address on another port of this machine: its path stays. */
export function onPort(text: string, port: number): string {
  let rest = "/";
  try {
    const { pathname, search } = new URL(text.trim());
    rest = pathname + search;
  } catch {
    // Nothing of it can be kept.
  }
  return `http://localhost:${port}${rest}`;
}

/** The port of this machine that an address leads to; null: another machine's, or none. */
export function portOf(text: string): number | null {
  try {
    const { hostname, port, protocol } = new URL(text.trim());
    if (!["localhost", "127.0.0.1", "[::1]"].includes(hostname)) return null;
    return port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
  } catch {
    return null;
  }
}
