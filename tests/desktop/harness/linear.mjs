// Bodies as Linear sends them: deliberately not what JSON.stringify would
// make of them, so that a body written anew on the way is found out.
import { randomUUID } from "node:crypto";

const ada = { id: "5c7a1b62-64cf-4c0e-a6a7-2f4f4b7b7a11", name: "Ada Lövelace", type: "user" };

/** An issue's update, from Todo to In Progress. */
export function issueUpdate(identifier, title) {
  const number = Number(identifier.split("-")[1]);
  const issue = {
    id: randomUUID(),
    number,
    identifier,
    title,
    state: { name: "In Progress", type: "started" },
    team: { key: identifier.split("-")[0], name: "Engineering" },
  };
  return `${JSON.stringify({
    action: "update",
    actor: ada,
    createdAt: "2026-11-22T10:00:00.000Z",
    data: issue,
    type: "Issue",
    updatedFrom: { state: { name: "Todo", type: "unstarted" } },
    url: `https://linear.app/acme/issue/${identifier}`,
    organizationId: "9e3d8c1a-6f0b-4a57-8d0e-0a3f6e1c2b4d",
    webhookId: "1f0b9d5e-2c57-4b6f-9a43-8d1c0e7a5b90",
    webhookTimestamp: Date.now(),
  }, null, 1)}\n`;
}
