import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

/** Fails the build when the scripts that a page loads at first are larger, compressed, than so many bytes. */
export function atMost(bytes: number): Plugin {
  return {
    name: "at-most",
    generateBundle(_, bundle) {
      const sizes = new Map<string, number>();
      const add = (name: string): void => {
        const chunk = bundle[name];
        if (chunk?.type !== "chunk" || sizes.has(name)) return;
        sizes.set(name, gzipSync(chunk.code, { level: 9 }).length);
        chunk.imports.forEach(add);
      };
      for (const [name, chunk] of Object.entries(bundle))
        if (chunk.type === "chunk" && chunk.isEntry) add(name);
      const sum = [...sizes.values()].reduce((all, size) => all + size, 0);
      if (sum > bytes) this.error(`the page loads ${sum} bytes of scripts at first, and may load ${bytes}`);
    },
  };
}
