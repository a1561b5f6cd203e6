import { SharedEventSource } from "sse-actix";
import { useEventSource } from "sse-actix/react";
import { market } from "../../../market.js";

const seen: unknown[] = ((globalThis as any).seen ??= []);
addEventListener("pageshow", ({ persisted }) => ((globalThis as any).returned = persisted));

export function App() {
  const { connection, latest } = useEventSource("/feed", {
    events: market,
    key: "ada",
    onEvent: ({ event, data }) => seen.push([event, data]),
    onInvalid: (error) => seen.push(["invalid", error.event]),
  });
  return (
    <main>
      <h1>version 1</h1>
      <p id="connection">{connection.status === "closed" ? connection.reason : connection.status}</p>
      <p id="price">{latest.price?.price}</p>
      <button onClick={() => SharedEventSource.reset()}>Log out</button>
    </main>
  );
}
