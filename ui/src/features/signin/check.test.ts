import { describe, expect, it } from "vitest";
import { ApiError } from "../../transport/types";
import { checkToken, checkUrl, fieldOf } from "./check";

describe("the proxy's address", () => {
  it.each([
    "https://hooks.acme.dev",
    "http://localhost:4600",
    "http://127.0.0.1:4600/",
    "http://[::1]:1",
    " https://x.y ",
  ])("%s is one", (url) => expect(checkUrl(url)).toBeNull());
  it.each(["", "hooks", "ftp://x", "http://hooks.acme.dev", "https://a:b@x.y"])("%s is not", (url) =>
    expect(checkUrl(url)).toEqual(expect.any(String)),
  );
});

it("knows a token's form", () => {
  expect(checkToken("pst_x")).toBeNull();
  expect(checkToken("lin_api_x")).toBeNull();
  expect(checkToken("ghp_x")).toMatch(/pst_/);
});

it.each([
  ["auth.invalid", "", "token"],
  ["auth.revoked", "", "token"],
  ["proxy.unreachable", "", "url"],
  ["keychain.locked", "", "form"],
  ["request.malformed", "the token is not one", "token"],
  ["request.malformed", "not a URL", "url"],
  ["internal", "", "form"],
])("%s %s belongs to %s", (code, message, field) => {
  expect(fieldOf(new ApiError(code, message, false))).toBe(field);
});
