import { expect, test } from "vitest";
import type { SourceInfo } from "../../transport/generated/SourceInfo";
import { SHARED, choices } from "./local-secrets";

const source = (name: string, some: Partial<SourceInfo>): SourceInfo => ({
  id: name,
  name,
  provider: "linear",
  url: "",
  secrets: 1,
  ...some,
});

test("every provider with one scheme, then the sources that sign", () => {
  const hmac = {
    provider: "hmac",
    header: "x-acme",
    algorithm: "sha256",
    encoding: "hex",
    prefix: "",
  } as const;
  const all = choices([
    source("main", {}),
    source("acme", { provider: "hmac", scheme: hmac }),
    source("open", { provider: "none", scheme: { provider: "none" } }),
    source("old", { provider: "hmac" }),
  ]);
  expect(all.slice(0, SHARED.length).map(({ scheme }) => scheme.provider)).toEqual([...SHARED]);
  expect(all.slice(SHARED.length)).toEqual([
    { key: "source main", source: "main", scheme: { provider: "linear" } },
    { key: "source acme", source: "acme", scheme: hmac },
  ]);
  expect(new Set(all.map(({ key }) => key)).size).toBe(all.length);
});
