import type { Happening, StreamEvent } from "./happening.js";
import { GAP } from "./names.js";

export const [CONNECTING, OPEN, CLOSED] = [0, 1, 2] as const;

/** The same values as `EventSource.readyState`: connecting, open, closed. */
export type ReadyState = typeof CONNECTING | typeof OPEN | typeof CLOSED;

/** A tab that joins gets the latest event of at most as many names, and at most as many characters. */
const RETAINED_NAMES = 64;
const RETAINED_CHARS = 256 * 1024;

/** A tab that returns can get at most as many events, and at most as many characters. */
const RECENT_EVENTS = 1_000;
const RECENT_CHARS = 256 * 1024;

export const DEFAULT_RETRY = 3_000;

/**
 * What a hub or a tab knows about a stream.
 *
 * - `born`: when the hub began, which also distinguishes it from other hubs. Its `sequence` numbers the events.
 * - `before`: the hub from whose state this hub has begun, and the last sequence of that hub.
 * - `lastEventId`, `repeat`: the last event's id, and how many events before it had the same id. An event without an id
 *   has the id of the event before it.
 * - `retained`: the latest event of each name, except gap events.
 * - `recent`: the last events, without a hole. They have `recentChars` characters.
 */
export interface HubState {
  born: number;
  before: { born: number; sequence: number } | undefined;
  readyState: ReadyState;
  retry: number;
  sequence: number;
  lastEventId: string;
  repeat: number;
  retained: StreamEvent[];
  recent: StreamEvent[];
  recentChars: number;
}

export function newState(): HubState {
  return {
    born: Date.now(),
    before: undefined,
    readyState: CONNECTING,
    retry: DEFAULT_RETRY,
    sequence: 0,
    lastEventId: "",
    repeat: 0,
    retained: [],
    recent: [],
    recentChars: 0,
  };
}

/** The state for the same hub in another tab. Its sequence continues. */
export function copied(state: HubState): HubState {
  return { ...state, recent: [...state.recent] };
}

/** The state for a new hub that begins where a tab has stopped, if there is such a tab. */
export function resumed(state: HubState | undefined): HubState {
  if (!state) return newState();
  const { born, sequence } = state;
  return { ...copied(state), born: Date.now(), before: { born, sequence } };
}

/** Records in a state what has happened. The hub and every tab call this. */
export function remember(state: HubState, what: Happening) {
  switch (what.kind) {
    case "open":
      state.readyState = OPEN;
      break;
    case "error":
      state.readyState = CONNECTING;
      break;
    case "close": {
      const { lastEventId, repeat, retained, recent, recentChars } = newState();
      Object.assign(state, { readyState: CLOSED, lastEventId, repeat, retained, recent, recentChars });
      break;
    }
    case "position":
      Object.assign(state, { lastEventId: what.id, repeat: 0 });
      break;
    case "event": {
      const { sequence, id, repeat } = what;
      Object.assign(state, { sequence, lastEventId: id, repeat });
      retain(state, what);
      keepRecent(state, what);
    }
  }
}

function retain(state: HubState, event: StreamEvent) {
  // A tab that joins later has missed nothing, so it must not get a gap event.
  if (event.name === GAP) return;
  state.retained = [...state.retained.filter(({ name }) => name !== event.name), event];
  let chars = state.retained.reduce((sum, event) => sum + charsOf(event), 0);
  while (state.retained.length > RETAINED_NAMES || chars > RETAINED_CHARS) {
    chars -= charsOf(state.retained.shift()!);
  }
}

function keepRecent(state: HubState, event: StreamEvent) {
  state.recent.push(event);
  state.recentChars += charsOf(event);
  while (state.recent.length > RECENT_EVENTS || state.recentChars > RECENT_CHARS) {
    state.recentChars -= charsOf(state.recent.shift()!);
  }
}

function charsOf({ name, data, id }: StreamEvent) {
  return name.length + data.length + id.length;
}

/**
 * The last event that a tab has received.
 *
 * @returns its sequence in the hub; `undefined` if the hub does not know it
 */
export function lastHeard(hub: HubState, tab: HubState): number | undefined {
  if (tab.born === hub.born) return tab.sequence;
  if (tab.born === hub.before?.born && tab.sequence <= hub.before.sequence) return tab.sequence;
  if (tab.lastEventId === "") return undefined;
  const isLast = ({ id, repeat }: { id: string; repeat: number }) => id === tab.lastEventId && repeat === tab.repeat;
  if (isLast({ id: hub.lastEventId, repeat: hub.repeat })) return hub.sequence;
  return hub.recent.findLast(isLast)?.sequence;
}

/**
 * The events that a hub sends to a tab that joins.
 *
 * @param hub the hub's state
 * @param tab the tab's state, if the tab was connected before
 * @returns the events; `undefined` if only the server has all events that the tab has missed
 */
export function missedEvents(hub: HubState, tab: HubState | undefined): StreamEvent[] | undefined {
  if (!tab) return hub.retained;
  const heard = lastHeard(hub, tab);
  const oldest = hub.recent[0]?.sequence ?? hub.sequence + 1;
  if (heard !== undefined && heard + 1 >= oldest) return hub.recent.filter(({ sequence }) => sequence > heard);
  if (tab.lastEventId === "") return hub.retained.filter(({ sequence }) => sequence > (heard ?? 0));
  return undefined;
}
