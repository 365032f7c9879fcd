import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig } from "vitest/config";
import { inOne } from "./first";
import { atMost } from "./size";

const root = fileURLToPath(new URL(".", import.meta.url));

export default defineConfig({
  root,
  plugins: [svelte({ configFile: `${root}svelte.config.js` }), svelteTesting(), atMost(90_000)],
  clearScreen: false,
  server: {
    host: "127.0.0.1",
    port: 1420,
    strictPort: true,
    // The headless edge, for `npm run dev` beside a running `postern serve`.
    proxy: process.env["POSTERN_UI"]
      ? { "/api": { target: process.env["POSTERN_UI"], changeOrigin: true } }
      : {},
  },
  build: {
    outDir: `${root}dist`,
    emptyOutDir: true,
    target: ["es2022", "safari16.4"],
    // Nothing inlined as data: URLs: the content security policy allows own files only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { output: { codeSplitting: { groups: [inOne(`${root}index.html`)] } } },
  },
  test: {
    environment: "jsdom",
    include: ["src/**/*.test.ts"],
    setupFiles: ["src/test.setup.ts"],
    restoreMocks: true,
  },
});
