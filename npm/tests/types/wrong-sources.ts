// What does not compile: listeners, loops, state and options of sources; wrong.txt pins what the compiler says.
import { EventSource as TypedSource, SharedEventSource } from "sse-actix";
import { type MarketEvents, market } from "../market.js";

const shared = new SharedEventSource("/market", { events: market });
const plain = new TypedSource("/market", { events: market });

// Listeners of another shape, and what is removed.
shared.addEventListener("price", { handleEvent: (event: MessageEvent<string>) => event.data });
shared.addEventListener("price", { handle: () => {} });
shared.addEventListener("price", undefined);
shared.addEventListener("price");
shared.removeEventListener("price", (event: MessageEvent<string>) => event.data);
plain.addEventListener("price", "log");
new SharedEventSource("/market").addEventListener("tick", (event: MessageEvent<number>) => event.data);

// A loop.
async function loop() {
  for await (const item of shared) item.data.price;
  for await (const { event } of plain) event === "prices";
  for await (const { data } of shared.events({ names: ["halted"] })) data.length;
  for (const item of plain) item;
}
shared.events({ signal: new AbortController() });
plain.events({ buffer: "10" });

// The state of the connection.
shared.connection.value = { status: "open" };
shared.connection.value.reason;
plain.connection.value.status === "lost";
plain.connection.subscribe((state: string) => state);

// Callbacks.
new SharedEventSource("/market", { events: market, onGap: ({ missed }) => missed + 1 });
new SharedEventSource("/market", { events: market, onEnd: ({ reason }) => reason === "reset" });
new SharedEventSource("/market", { events: market, onPosition: ({ id }) => id });
new TypedSource("/market", { events: market, onInvalid: ({ data }) => data.price });
shared.onclose = ({ reason }) => reason === "unknown";
plain.onclose = () => {};

// Options of the other source, and of none.
new TypedSource("/market", { events: market, key: "ada" });
new TypedSource("/market", { headers: () => ({}) });
new SharedEventSource("/market", { events: market, worker: 1 });
new SharedEventSource("/market", { events: market.names });

// Events of another enum.
const renamed: SharedEventSource<{ event: "prize"; data: null }> = shared;
const untyped: SharedEventSource = shared;
const mapped: TypedSource<MarketEvents> = plain;
[loop, renamed, untyped, mapped];
