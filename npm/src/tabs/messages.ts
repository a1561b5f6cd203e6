import type { StreamChange } from "../shared-connection/stream-change.js";
import type { AskHeaders, HeaderPairs } from "../shared-connection/shared-connection.js";
import type { StreamState } from "../shared-connection/state.js";

/**
 * The version of everything in this folder, and of `StreamState`. Tabs of different versions share nothing, so that
 * pages from before and after a deploy work side by side. Increase it with each change that an older page or worker
 * would not understand.
 */
export const PROTOCOL = 2;

/** Messages from the shared connection to a tab. A worker also sends `hello`, and asks for headers. */
export type ToTab =
  | { kind: "hello"; protocol: number }
  | { kind: "welcome"; state: StreamState; to?: string }
  | { kind: "headers"; inquiry: number }
  | StreamChange;

/** How a tab answers when it is asked for headers: first `asked`, at once, and later the headers. */
export type HeadersAnswer =
  { kind: "asked"; inquiry: number } | { kind: "answer"; inquiry: number; headers: HeaderPairs | undefined };

/** What a tab sends to the worker. */
export type ToWorker = (
  { kind: "join"; position: StreamState | undefined; hasHeaders: boolean } | { kind: "leave" } | HeadersAnswer
) & { tab: string };

/** What tabs send to each other. */
export type BetweenTabs = ToTab | { kind: "join"; tab: string } | { kind: "leader"; startedAt: number };

/** What a link to the shared connection has to know about its tab. */
export interface TabHandle {
  /** The name of a lock. The tab holds this lock for as long as it exists. */
  id: string;
  /** The stream's configuration as JSON. Tabs with the same text share the stream. */
  name: string;
  hasHeaders: boolean;
  receive(message: ToTab | { kind: "lost" }): void;
  /** The state in which the tab has stopped. */
  position(): StreamState | undefined;
  /** The state of the shared connection that the tab follows, if it follows one. */
  followedState(): StreamState | undefined;
  askHeaders: AskHeaders;
}
