// A search within what is shown.

export interface Finding {
  /** How often it was asked for; 0: it is closed. */
  asked: number;
  query: string;
}

export const NOT_FINDING: Finding = { asked: 0, query: "" };
