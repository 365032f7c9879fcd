/** A port as it is typed: null for none, undefined for what is no port. */
export function readPort(typed: string): number | null | undefined {
  const text = typed.trim();
  if (text === "") return null;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : undefined;
}
