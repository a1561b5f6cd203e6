import type { Happening } from "../hub/happening.js";
import type { AskHeaders, HeaderPairs } from "../hub/hub.js";
import type { HubState } from "../hub/state.js";

/**
 * The version of everything in this folder, and of the hub's state. Tabs of different versions share nothing, so that
 * pages from before and after a deploy work side by side. It grows with each change that an older page or worker would
 * not understand.
 */
export const PROTOCOL = 1;

/** What a tab gets from its hub, and, with a worker, a question. */
export type ToTab =
  | { kind: "hello"; protocol: number }
  | { kind: "welcome"; state: HubState; to?: string }
  | { kind: "headers"; inquiry: number }
  | Happening;

/** How a tab answers a question for headers: first that it was asked, later with them. */
export type HeadersAnswer =
  { kind: "asked"; inquiry: number } | { kind: "answer"; inquiry: number; headers: HeaderPairs | undefined };

/** What a tab sends to the worker. */
export type ToWorker = (
  { kind: "join"; known: HubState | undefined; hasHeaders: boolean } | { kind: "leave" } | HeadersAnswer
) & { tab: string };

/** What tabs send to each other. */
export type BetweenTabs = ToTab | { kind: "join"; tab: string } | { kind: "leader"; born: number };

/** What a source tells the link to its hub. */
export interface TabHandle {
  /** A lock of this name is held for as long as the tab is there. */
  id: string;
  /** The stream's configuration as JSON: tabs share what has the same. */
  name: string;
  hasHeaders: boolean;
  hear(what: ToTab | { kind: "lost" }): void;
  /** Where the tab has stopped. */
  known(): HubState | undefined;
  /** The state of the hub that the tab follows, if it follows one. */
  followed(): HubState | undefined;
  askHeaders: AskHeaders;
}
