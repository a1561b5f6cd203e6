import type { StreamChange } from "../shared-connection/stream-change.js";
import { SharedConnection, type StreamConfig } from "../shared-connection/shared-connection.js";
import { NAME } from "../shared-connection/names.js";
import { waitForReset, isBefore } from "../shared-connection/reset.js";
import { CLOSED, stateForNewConnection } from "../shared-connection/state.js";
import { PROTOCOL, type ToTab, type ToWorker } from "./messages.js";
import { type Tab, TabHeaders } from "./tab-headers.js";

/** The part of a shared worker's global scope that this module uses. */
export interface WorkerScope {
  name: string;
  onconnect: ((event: MessageEvent) => void) | null;
}

type Join = Extract<ToWorker, { kind: "join" }>;

/**
 * Runs the worker: it holds the shared connection for all tabs that join. The worker's name is the stream's
 * configuration.
 */
export function runWorker(scope: WorkerScope) {
  const config: StreamConfig = JSON.parse(scope.name);
  const tabs = new Map<string, Tab>();
  const headers = new TabHeaders(tabs);
  let connection: SharedConnection | undefined;
  let ready: Promise<void>;
  let markEnded: (() => void) | undefined;

  const send = (port: MessagePort, message: ToTab) => port.postMessage(message);
  const publish = (change: StreamChange) => tabs.forEach(({ port }) => send(port, change));
  const end = () => {
    connection?.stop();
    connection = undefined;
    tabs.clear();
    headers.cancel();
    markEnded?.();
  };
  const leave = (tab: string) => {
    if (!tabs.delete(tab)) return;
    if (tabs.size === 0) end();
    else headers.left(tab);
  };
  const join = async ({ tab, position, hasHeaders }: Join, port: MessagePort) => {
    send(port, { kind: "hello", protocol: PROTOCOL });
    // The page has another version, and will not use this worker.
    if (config.protocol !== PROTOCOL) return;
    tabs.set(tab, { port, hasHeaders });
    headers.joined(tab);
    // A tab holds a lock with its id for as long as it exists. So this request succeeds when the tab is gone.
    navigator.locks?.request(tab, () => leave(tab));
    if (!connection) {
      connection = new SharedConnection(config, publish, () => headers.ask(), stateForNewConnection(position));
      ready = waitForReset(new Promise((resolve) => (markEnded = resolve)));
    }
    const joined = connection;
    await ready;
    if (connection !== joined || !tabs.has(tab)) return;
    if (!connection.isRunning) {
      if (connection.state.readyState === CLOSED && position) connection.state = stateForNewConnection(position);
      connection.start();
    }
    send(port, { kind: "welcome", state: connection.state });
  };

  new BroadcastChannel(NAME).onmessage = ({ data: at }) => {
    if (connection && isBefore(connection.state.startedAt, at)) end();
  };
  scope.onconnect = ({ ports }) => {
    const port = ports[0]!;
    port.onmessage = ({ data: message }: MessageEvent<ToWorker>) => {
      if (message.kind === "join") join(message, port);
      else if (message.kind === "leave") leave(message.tab);
      else headers.answered(message.tab, message);
    };
  };
}
