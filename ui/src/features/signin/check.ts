// What can be said of the sign-in form before anyone is asked.

import type { ApiError } from "../../transport/types";

/** What is wrong with the proxy's address; null: nothing. */
export function checkUrl(text: string): string | null {
  const trimmed = text.trim();
  if (trimmed === "") return "The proxy's address is missing.";
  let url: URL;
  try {
    url = new URL(trimmed);
  } catch {
    return "This is not an address. It looks like https://hooks.example.com.";
  }
  if (url.protocol !== "https:" && url.protocol !== "http:")
    return "The address starts with https:// (or http:// on this machine).";
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol === "http:" && !loopback) return "http:// is for this machine only: use https://.";
  if (url.username !== "" || url.password !== "") return "The address must not hold a user name or password.";
  return null;
}

/** What is wrong with the token; null: nothing that can be seen. */
export function checkToken(text: string): string | null {
  const trimmed = text.trim();
  if (trimmed === "") return "The workspace token is missing.";
  if (!trimmed.startsWith("pst_") && !trimmed.startsWith("lin_"))
    return "A workspace token starts with pst_, a Linear key with lin_.";
  return null;
}

/** Which field a failure belongs to. */
export function fieldOf(error: ApiError): "url" | "token" | "name" | "form" {
  const { code } = error;
  if (code.startsWith("auth.")) return "token";
  if (code === "proxy.unreachable" || code === "protocol.unsupported" || code === "not_found") return "url";
  if (code.startsWith("keychain.")) return "form";
  if (code === "request.malformed") {
    if (/token/i.test(error.message)) return "token";
    if (/name/i.test(error.message)) return "name";
    return "url";
  }
  return "form";
}
