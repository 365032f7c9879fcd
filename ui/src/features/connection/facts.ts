/** One line of a page's facts. */
export interface Fact {
  name: string;
  value: string;
  note?: string;
  title?: string;
  mono?: boolean;
  copy?: boolean;
  bad?: boolean;
}
