import { expect, it } from "vitest";
import { onPort, portOf } from "./target";

it("moves an address to another port of this machine, with its path", () => {
  expect(onPort("http://localhost:3000/api/linear?a=1", 5173)).toBe("http://localhost:5173/api/linear?a=1");
  expect(onPort("https://example.com/hook", 3000)).toBe("http://localhost:3000/hook");
  expect(onPort("", 3000)).toBe("http://localhost:3000/");
});

it("knows the port of this machine that an address leads to", () => {
  expect(portOf("http://localhost:3000/x")).toBe(3000);
  expect(portOf("http://127.0.0.1/")).toBe(80);
  expect(portOf("https://[::1]/")).toBe(443);
  expect(portOf("https://example.com:3000/")).toBeNull();
  expect(portOf("local")).toBeNull();
});
