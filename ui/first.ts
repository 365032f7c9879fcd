import type { Rolldown } from "vite";

/**
 * What a page needs at first, in one script and one style sheet: each file more
 * is asked for on its own, and the page waits for the last.
 */
export function inOne(page: string): Rolldown.CodeSplittingGroup {
  let first: Set<string> | undefined;
  return {
    debugName: "first",
    name: (module, chunking) => {
      if (!first) {
        first = new Set([page]);
        // A set goes on with what is added to it meanwhile.
        for (const id of first) chunking.getModuleInfo(id)?.importedIds.forEach((more) => first?.add(more));
      }
      return first.has(module) ? "first" : null;
    },
  };
}
