import type { StreamChange, StreamEvent } from "./stream-change.js";

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
 * What a connection or a tab knows about a stream.
 *
 * - `startedAt`: when the connection was created, which also identifies it. Its `sequence` numbers the events.
 * - `previousConnection`: the connection from whose state this one has begun, and the last sequence of that connection.
 * - `lastEventId`, `repeat`: the last event's id, and how many events before it had the same id. An event without an id
 *   has the id of the event before it.
 * - `retained`: the latest event of each name.
 * - `recent`: the last events, without a hole. They have `recentChars` characters.
 */
export interface StreamState {
  startedAt: number;
  previousConnection: { startedAt: number; sequence: number } | undefined;
  readyState: ReadyState;
  retry: number;
  sequence: number;
  lastEventId: string;
  repeat: number;
  retained: StreamEvent[];
  recent: StreamEvent[];
  recentChars: number;
}

export function newState(): StreamState {
  return {
    startedAt: Date.now(),
    previousConnection: undefined,
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

/** The state for the same connection in another tab. Its sequence continues. */
export function continuedState(state: StreamState): StreamState {
  return { ...state, recent: [...state.recent] };
}

/** The state for a new connection, which begins where a tab has stopped, if there is such a tab. */
export function stateForNewConnection(state: StreamState | undefined): StreamState {
  if (!state) return newState();
  const { startedAt, sequence } = state;
  return { ...continuedState(state), startedAt: Date.now(), previousConnection: { startedAt, sequence } };
}

/** Applies a change to a state. The connection and every tab call this. */
export function applyChange(state: StreamState, change: StreamChange) {
  switch (change.kind) {
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
      Object.assign(state, { lastEventId: change.id, repeat: 0 });
      break;
    case "event": {
      const { sequence, id, repeat } = change;
      Object.assign(state, { sequence, lastEventId: id, repeat });
      retain(state, change);
      keepRecent(state, change);
    }
  }
}

function retain(state: StreamState, event: StreamEvent) {
  state.retained = [...state.retained.filter(({ name }) => name !== event.name), event];
  let chars = state.retained.reduce((sum, event) => sum + charsOf(event), 0);
  while (state.retained.length > RETAINED_NAMES || chars > RETAINED_CHARS) {
    chars -= charsOf(state.retained.shift()!);
  }
}

function keepRecent(state: StreamState, event: StreamEvent) {
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
 * @returns its sequence in the shared connection; `undefined` if the shared connection does not know it
 */
export function lastReceivedSequence(shared: StreamState, tab: StreamState): number | undefined {
  if (tab.startedAt === shared.startedAt) return tab.sequence;
  if (tab.startedAt === shared.previousConnection?.startedAt && tab.sequence <= shared.previousConnection.sequence)
    return tab.sequence;
  if (tab.lastEventId === "") return undefined;
  const isLast = ({ id, repeat }: { id: string; repeat: number }) => id === tab.lastEventId && repeat === tab.repeat;
  if (isLast({ id: shared.lastEventId, repeat: shared.repeat })) return shared.sequence;
  return shared.recent.findLast(isLast)?.sequence;
}

/**
 * The events that a tab gets when it joins.
 *
 * @param shared the shared connection's state
 * @param tab the tab's state, if the tab was connected before
 * @param gapEvent the name of gap events: a tab that joins has missed nothing, so it gets none that is retained
 * @returns the events; `undefined` if only the server has all events that the tab has missed
 */
export function missedEvents(
  shared: StreamState,
  tab: StreamState | undefined,
  gapEvent: string,
): StreamEvent[] | undefined {
  const retained = shared.retained.filter(({ name }) => name !== gapEvent);
  if (!tab) return retained;
  const received = lastReceivedSequence(shared, tab);
  const oldest = shared.recent[0]?.sequence ?? shared.sequence + 1;
  if (received !== undefined && received + 1 >= oldest)
    return shared.recent.filter(({ sequence }) => sequence > received);
  if (tab.lastEventId === "") return retained.filter(({ sequence }) => sequence > (received ?? 0));
  return undefined;
}
