import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

const installed = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath =
  process.env["CHROMIUM"] ?? installed.find((path) => existsSync(path)) ?? "/usr/bin/chromium";

export default defineConfig({
  testDir: ".",
  outputDir: "../../test-results/browser",
  fullyParallel: true,
  // The machine's few cores also run a proxy, a worker and a browser for each.
  workers: 2,
  retries: 0,
  forbidOnly: Boolean(process.env["CI"]),
  // Deadlines, not expectations: a slow machine takes its time.
  timeout: 240_000,
  expect: { timeout: 30_000 },
  reporter: "list",
  use: {
    viewport: { width: 1360, height: 820 },
    trace: "retain-on-failure",
    launchOptions: {
      executablePath,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
