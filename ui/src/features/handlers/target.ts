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
