import type { Closing } from "./closing.js";

/** An event, numbered by its connection. */
export interface StreamEvent {
  kind: "event";
  sequence: number;
  name: string;
  data: string;
  id: string;
  /** How many events before it had the same id. */
  repeat: number;
}

/** An event of a stream, or a change of its connection. The shared connection sends it to each tab. */
export type StreamChange =
  { kind: "open" } | { kind: "error" } | { kind: "position"; id: string } | StreamEvent | ({ kind: "close" } & Closing);
