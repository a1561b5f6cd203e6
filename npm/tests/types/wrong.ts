// What does not compile; wrong.txt pins what the compiler says.
import { EventSource as TypedSource, SharedEventSource } from "sse-actix";
import { type Market, type MarketEvents, market } from "../market.js";

const shared = new SharedEventSource("/market", { events: market });
const plain = new TypedSource("/market", { events: market });

// A name that is not of the enum.
shared.addEventListener("prices", () => {});
shared.removeEventListener("prices", () => {});
plain.addEventListener("close", () => {});
shared.events({ names: ["open"] });

// Data of another type.
shared.addEventListener("price", ({ data }) => data.bid);
shared.addEventListener("price", (event: MessageEvent<string>) => event.data);
plain.addEventListener("halted", ({ data }) => data.reason.length);
plain.onmessage = ({ data }) => data.length;

// Only without a schema it is an EventSource of the DOM.
const dom: EventSource = shared;
const other: EventSource = plain;

// Options.
new SharedEventSource("/market", { headers: { Authorization: "x" } });
new SharedEventSource("/market", { events: { names: ["prize"], checks: { price: (data: unknown) => data === 1 } } });
new SharedEventSource("/market", { kee: "ada" });

// Types without a schema: data would be text.
new SharedEventSource<Market>("/market");
new SharedEventSource<MarketEvents>("/market");
new SharedEventSource<MarketEvents>("/market", { key: "ada" });
new TypedSource<Market>("/market");
new TypedSource<MarketEvents>("/market");
new TypedSource<MarketEvents>("/market", { withCredentials: true });

// Read only.
shared.readyState = 1;
[dom, other];

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
