// What a local secret can be for.

import type { Provider } from "../../transport/generated/Provider";
import type { Scheme } from "../../transport/generated/Scheme";
import type { SourceInfo } from "../../transport/generated/SourceInfo";

/** One entry of the choice. */
export interface Choice {
  /** Unique among them. */
  key: string;
  /** The one source; null: every one of the provider. */
  source: string | null;
  scheme: Scheme;
}

/** Providers all of whose sources sign alike. */
export const SHARED = ["linear", "github", "stripe", "slack", "standard_webhooks"] as const;

/** The providers, then the sources that sign; one whose scheme an old proxy does not tell is left out. */
export function choices(sources: SourceInfo[]): Choice[] {
  const shared = SHARED.map((provider): Choice => ({
    key: `provider ${provider}`,
    source: null,
    scheme: { provider },
  }));
  const single = sources.flatMap(({ name, provider, scheme }): Choice[] => {
    const known = scheme ?? plain(provider);
    return known === null || known.provider === "none"
      ? []
      : [{ key: `source ${name}`, source: name, scheme: known }];
  });
  return [...shared, ...single];
}

function plain(provider: Provider): Scheme | null {
  const shared = SHARED.find((known) => known === provider);
  return shared === undefined ? null : { provider: shared };
}
