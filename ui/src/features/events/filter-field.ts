/** What is filtered by in writing. */
export type Field = "eventType" | "action" | "source" | "payload" | "time";
