import type { Happening, StreamEvent } from "./happening.js";
import { GAP } from "./names.js";

export const [CONNECTING, OPEN, CLOSED] = [0, 1, 2] as const;

/** As `EventSource` has it: connecting, open, closed. */
export type ReadyState = typeof CONNECTING | typeof OPEN | typeof CLOSED;

/** What a tab that joins is told at most: the latest event of so many names, and of so many characters. */
const RETAINED_NAMES = 64;
const RETAINED_CHARS = 256 * 1024;

/** What a tab that returns can be sent at most: so many events, and so many characters. */
const RECENT_EVENTS = 1_000;
const RECENT_CHARS = 256 * 1024;

export const DEFAULT_RETRY = 3_000;

/**
 * What is known of a stream.
 *
 * - `born`: when the hub began, which also tells it from others. Events are numbered by their `sequence`.
 * - `before`: the hub whose state this one has begun with, and how far that one had counted.
 * - `lastEventId`, `repeat`: the last event's id, and how many events before it had the same. An event without an id
 *   has that of the event before.
 * - `retained`: the latest event of each name but that of gaps. `recent`: the last events without a hole, of `recentChars` characters.
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

/** For the same hub in another place: it counts on. */
export function copied(state: HubState): HubState {
  return { ...state, recent: [...state.recent] };
}

/** For a new hub that begins where a tab has stopped, if there is one. */
export function resumed(state: HubState | undefined): HubState {
  if (!state) return newState();
  const { born, sequence } = state;
  return { ...copied(state), born: Date.now(), before: { born, sequence } };
}

/** Notes what has happened, in the hub and in every tab. */
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
  // A tab that joins has missed nothing.
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
 * The last event that a tab has heard.
 *
 * @returns as the hub counts; `undefined` if the hub does not know
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
 * What a hub tells a tab that joins.
 *
 * @param hub the hub's state
 * @param tab the tab's, if it has been there before
 * @returns events; `undefined` if only the server has all that the tab has missed
 */
export function missedEvents(hub: HubState, tab: HubState | undefined): StreamEvent[] | undefined {
  if (!tab) return hub.retained;
  const heard = lastHeard(hub, tab);
  const oldest = hub.recent[0]?.sequence ?? hub.sequence + 1;
  if (heard !== undefined && heard + 1 >= oldest) return hub.recent.filter(({ sequence }) => sequence > heard);
  if (tab.lastEventId === "") return hub.retained.filter(({ sequence }) => sequence > (heard ?? 0));
  return undefined;
}
