// What compiles with React.
import type { ConnectionState } from "sse-actix";
import { useEventSource } from "sse-actix/react";
import { type MarketEvents, type Price, market } from "../market.js";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>) => {};

function Panel() {
  const { connection, latest } = useEventSource("/market", {
    events: market,
    shared: false,
    names: ["price"],
    onEvent: (item) => item.event === "price" && same<typeof item.data, Price>(true),
    onGap: ({ missed }) => same<typeof missed, number | null>(true),
  });
  same<typeof latest.price, Price | undefined>(true);
  same<typeof connection, ConnectionState>(true);
  const mapped = useEventSource<MarketEvents>("/market", { events: market });
  same<typeof mapped.latest.price, Price | undefined>(true);
  const text = useEventSource(null, { names: ["tick"], key: "ada" });
  same<(typeof text.latest)[string], string | undefined>(true);
}
Panel();
