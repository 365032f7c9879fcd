// Bodies as Linear sends them (linear.app/developers/webhooks): every common
// resource type and the special ones. The text is deliberately not what
// JSON.stringify of a parsed copy would give (spacing, escapes, number forms,
// letters beyond ASCII), so that a body written anew anywhere on the way no
// longer has its signature.
import { randomUUID } from "node:crypto";

export const ORGANIZATION = "9e3d8c1a-6f0b-4a57-8d0e-0a3f6e1c2b4d";

const ada = { id: "5c7a1b62-64cf-4c0e-a6a7-2f4f4b7b7a11", name: "Ada Lövelace", email: "ada@example.com", type: "user" };
const team = { id: "0d7c7c6e-3c2f-4d83-b9ff-2f7f6f4a8b01", key: "ENG", name: "Engineering" };
const issue = {
  id: "2174add1-f7c8-44e3-bbf3-2d60b5ea8bc9",
  number: 42,
  identifier: "ENG-42",
  title: "Fix login — “café” mode 🚪",
  priority: 2,
  estimate: null,
  state: { id: "9b7a0f5c-0d8c-46f8-8a0f-5b0f3c1d9e01", name: "In Progress", type: "started", color: "#f2c94c" },
  team,
  teamId: team.id,
  labelIds: [],
};

const data = {
  Issue: issue,
  Comment: { id: randomUUID(), body: "Looks good\nto me \\o/", issueId: issue.id, issue, userId: ada.id },
  IssueLabel: { id: randomUUID(), name: "Bug", color: "#eb5757", teamId: team.id },
  IssueRelation: { id: randomUUID(), type: "blocks", issueId: issue.id, relatedIssueId: randomUUID() },
  Attachment: { id: randomUUID(), title: "PR #12", url: "https://example.com/acme/web/pull/12", issueId: issue.id },
  Reaction: { id: randomUUID(), emoji: "+1", userId: ada.id, commentId: randomUUID() },
  Project: { id: randomUUID(), name: "Größer", state: "started", progress: 0.25, teamIds: [team.id] },
  ProjectUpdate: { id: randomUUID(), body: "On track", health: "onTrack", projectId: randomUUID() },
  ProjectLabel: { id: randomUUID(), name: "Q4", color: "#26b5ce" },
  Cycle: { id: randomUUID(), number: 7, name: null, startsAt: "2026-11-16T00:00:00.000Z", teamId: team.id },
  Document: { id: randomUUID(), title: "Runbook", content: "# 手順\n", projectId: randomUUID() },
  Initiative: { id: randomUUID(), name: "Reliability", status: "Active" },
  InitiativeUpdate: { id: randomUUID(), body: "At risk", health: "atRisk", initiativeId: randomUUID() },
  Customer: { id: randomUUID(), name: "Acme", domains: ["acme.example"], revenue: 120000 },
  CustomerNeed: { id: randomUUID(), body: "SSO", priority: 1, customerId: randomUUID(), issueId: issue.id },
  Release: { id: randomUUID(), name: "1.0", version: "1.0.0" },
  User: { ...ada, active: true, admin: false },
  // Not one of Linear's: types are added over the years.
  SomethingQuiteNew: { id: randomUUID(), name: "?" },
};

const special = [
  {
    type: "AgentSessionEvent",
    action: "created",
    appUserId: randomUUID(),
    oauthClientId: randomUUID(),
    agentSession: { id: randomUUID(), status: "pending", issue, creator: ada },
    promptContext: "<issue identifier=\"ENG-42\"/>",
  },
  {
    type: "AgentSessionEvent",
    action: "prompted",
    appUserId: randomUUID(),
    oauthClientId: randomUUID(),
    agentSession: { id: randomUUID(), status: "active", issue },
    agentActivity: { id: randomUUID(), content: { type: "prompt", body: "And the tests?" } },
  },
  {
    type: "AppUserNotification",
    action: "issueMention",
    appUserId: randomUUID(),
    oauthClientId: randomUUID(),
    notification: { id: randomUUID(), type: "issueMention", issue, actor: ada },
  },
  { type: "OAuthApp", action: "revoked", oauthClientId: randomUUID() },
  { type: "OAuthAuthorization", action: "revoked", oauthClientId: randomUUID(), userId: ada.id },
  {
    type: "PermissionChange",
    action: "teamAccessChanged",
    appUserId: randomUUID(),
    oauthClientId: randomUUID(),
    canAccessAllPublicTeams: false,
    addedTeamIds: [team.id],
    removedTeamIds: [],
  },
  { type: "IssueSLA", action: "highRisk", issueData: issue, url: "https://linear.app/acme/issue/ENG-42" },
];

/** Every body, each with its type, a fresh delivery id and a fresh time. */
export function bodies(organizationId = ORGANIZATION) {
  const entities = Object.entries(data).flatMap(([type, value]) =>
    ["create", "update", "remove"].map((action) => ({
      action,
      type,
      actor: ada,
      createdAt: "2026-11-22T09:30:00.000Z",
      data: value,
      ...(action === "update" ? { updatedFrom: { updatedAt: "2026-11-22T09:29:00.000Z" } } : {}),
      url: `https://linear.app/acme/issue/${issue.identifier}`,
    })),
  );
  return [...entities, ...special].map((event, n) => {
    const whole = {
      ...event,
      organizationId,
      webhookTimestamp: Date.now(),
      webhookId: "0f5d0c5b-5a35-4e0c-9d0b-0f9a3d8f1c77",
    };
    return { type: event.type, action: event.action, delivery: randomUUID(), body: Buffer.from(text(whole, n)) };
  });
}

/** JSON in one of several spellings, all of them valid. */
function text(value, n) {
  switch (n % 3) {
    case 0:
      return JSON.stringify(value);
    case 1:
      return `${JSON.stringify(value, null, 2)}\n`;
    default:
      // Escapes where none are needed, and a number JSON.stringify never writes.
      return JSON.stringify(value).replaceAll("/", "\\/").replace(/[^\x20-\x7e]/g, escape).replace('{"', '{ "x":1.50e1 ,"');
  }
}

const escape = (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`;
