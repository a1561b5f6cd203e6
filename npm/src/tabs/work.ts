import type { Happening } from "../hub/happening.js";
import { Hub, type StreamConfig } from "../hub/hub.js";
import { NAME } from "../hub/names.js";
import { begun, isBefore } from "../hub/reset.js";
import { CLOSED, resumed } from "../hub/state.js";
import { PROTOCOL, type ToTab, type ToWorker } from "./messages.js";
import { type Tab, TabHeaders } from "./tab-headers.js";

/** The part of a shared worker's global scope that this module uses. */
export interface WorkerScope {
  name: string;
  onconnect: ((event: MessageEvent) => void) | null;
}

type Join = Extract<ToWorker, { kind: "join" }>;

/** Runs the worker: it holds the hub for all tabs that connect. The worker's name is the stream's configuration. */
export function work(scope: WorkerScope) {
  const config: StreamConfig = JSON.parse(scope.name);
  const tabs = new Map<string, Tab>();
  const headers = new TabHeaders(tabs);
  let hub: Hub | undefined;
  let ready: Promise<void>;
  let forget: (() => void) | undefined;

  const send = (port: MessagePort, what: ToTab) => port.postMessage(what);
  const tell = (what: Happening) => tabs.forEach(({ port }) => send(port, what));
  const end = () => {
    hub?.stop();
    hub = undefined;
    tabs.clear();
    headers.cancel();
    forget?.();
  };
  const leave = (tab: string) => {
    if (!tabs.delete(tab)) return;
    if (tabs.size === 0) end();
    else headers.left(tab);
  };
  const join = async ({ tab, known, hasHeaders }: Join, port: MessagePort) => {
    send(port, { kind: "hello", protocol: PROTOCOL });
    // The page has another version, and will not use this worker.
    if (config.protocol !== PROTOCOL) return;
    tabs.set(tab, { port, hasHeaders });
    headers.joined(tab);
    // A tab holds a lock with its id for as long as it exists. So this request succeeds when the tab is gone.
    navigator.locks?.request(tab, () => leave(tab));
    if (!hub) {
      hub = new Hub(config, tell, () => headers.ask(), resumed(known));
      ready = begun(new Promise((resolve) => (forget = resolve)));
    }
    const joined = hub;
    await ready;
    if (hub !== joined || !tabs.has(tab)) return;
    if (!hub.isRunning) {
      if (hub.state.readyState === CLOSED && known) hub.state = resumed(known);
      hub.start();
    }
    send(port, { kind: "welcome", state: hub.state });
  };

  new BroadcastChannel(NAME).onmessage = ({ data: at }) => {
    if (hub && isBefore(hub.state.born, at)) end();
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
