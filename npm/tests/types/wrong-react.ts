// What does not compile with React; wrong.txt pins what the compiler says.
import { useEventSource } from "sse-actix/react";
import { type MarketEvents, market } from "../market.js";

useEventSource("/market", { events: market, names: ["prices"] });
useEventSource("/market", { events: market }).latest.bid;

// Types without a schema: data would be text.
useEventSource<MarketEvents>("/market");
useEventSource<MarketEvents>("/market", { key: "ada" });

// What comes, and how the connection is.
useEventSource("/market", { events: market, onEvent: (item) => item.data.price });
useEventSource("/market", { events: market, onGap: ({ missed }) => missed + 1 });
useEventSource("/market", { events: market }).connection.reason;
useEventSource("/market", { names: ["tick"] }).latest["tick"].length;

// Options.
useEventSource("/market", { events: market, shared: "no" });
useEventSource("/market", { events: market, onPrice: () => {} });
useEventSource(undefined, { events: market });
