import type { Closing } from "./closing.js";

/** An event, numbered by its hub. */
export interface StreamEvent {
  kind: "event";
  sequence: number;
  name: string;
  data: string;
  id: string;
  /** How many events before it had the same id. */
  repeat: number;
}

/** Something that happens to a stream. The hub sends it to each tab. */
export type Happening =
  { kind: "open" } | { kind: "error" } | { kind: "position"; id: string } | StreamEvent | ({ kind: "close" } & Closing);
