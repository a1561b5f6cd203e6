import type { Happening } from "../hub/happening.js";
import type { AskHeaders, HeaderPairs } from "../hub/hub.js";
import type { HubState } from "../hub/state.js";

/**
 * The version of everything in this folder, and of the hub's state. Tabs of different versions share nothing, so that
 * pages from before and after a deploy work side by side. Increase it with each change that an older page or worker
 * would not understand.
 */
export const PROTOCOL = 1;

/** Messages from a hub to a tab. A worker also sends `hello`, and asks for headers. */
export type ToTab =
  | { kind: "hello"; protocol: number }
  | { kind: "welcome"; state: HubState; to?: string }
  | { kind: "headers"; inquiry: number }
  | Happening;

/** How a tab answers when it is asked for headers: first `asked`, at once, and later the headers. */
export type HeadersAnswer =
  { kind: "asked"; inquiry: number } | { kind: "answer"; inquiry: number; headers: HeaderPairs | undefined };

/** What a tab sends to the worker. */
export type ToWorker = (
  { kind: "join"; known: HubState | undefined; hasHeaders: boolean } | { kind: "leave" } | HeadersAnswer
) & { tab: string };

/** What tabs send to each other. */
export type BetweenTabs = ToTab | { kind: "join"; tab: string } | { kind: "leader"; born: number };

/** What the link to a hub has to know about its tab. */
export interface TabHandle {
  /** The name of a lock. The tab holds this lock for as long as it exists. */
  id: string;
  /** The stream's configuration as JSON. Tabs with the same text share the stream. */
  name: string;
  hasHeaders: boolean;
  hear(what: ToTab | { kind: "lost" }): void;
  /** The state in which the tab has stopped. */
  known(): HubState | undefined;
  /** The state of the hub that the tab follows, if it follows one. */
  followed(): HubState | undefined;
  askHeaders: AskHeaders;
}
