import { expect, it } from "vitest";
import { detail, summary } from "../../../transport/fake/events";
import { exported, fileName, fixture } from "./export";

const event = () => {
  const made = detail(1, summary(1, 0));
  made.headers = [
    ["content-type", "application/json"],
    ["linear-signature", "abc"],
    ["authorization", "Bearer hush"],
    ["x-gitlab-token", "hush"],
    ["webhook-id", "evt_1"],
  ];
  made.body = { encoding: "utf8", text: '{"a":1}' };
  return made;
};

it("makes a fixture of the provider's request, without secrets", () => {
  const text = fixture(event());
  const read = JSON.parse(text) as { request: { method: string; headers: object; body: string } };
  expect(read.request).toEqual({
    method: "POST",
    headers: {
      "content-type": "application/json",
      "linear-signature": "abc",
      authorization: "(left out)",
      "x-gitlab-token": "(left out)",
    },
    body: '{"a":1}',
  });
  expect(text).not.toContain("hush");
});

it("exports all that is known, on one line, without secrets", () => {
  const text = exported(event());
  expect(text).not.toContain("\n");
  expect(text).not.toContain("hush");
  expect((JSON.parse(text) as { summary: { id: string } }).summary.id).toBe(event().summary.id);
});

it("keeps a body that is no text as base64", () => {
  const made = event();
  made.body = { encoding: "base64", base64: "/w==" };
  expect((JSON.parse(fixture(made)) as { request: { bodyBase64: string } }).request.bodyBase64).toBe("/w==");
});

it("names files so that every system takes them", () => {
  expect(fileName("../Issue.update", "evt_1.r2", "json")).toBe(".._Issue.update-evt_1.r2.json");
});
