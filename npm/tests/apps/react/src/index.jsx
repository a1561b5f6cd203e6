import { StrictMode, createElement } from "react";
import { createRoot } from "react-dom/client";
import { useEventSource } from "sse-actix/react";
import { market } from "../../../market.ts";

const seen = (globalThis.seen = []);
let root;
globalThis.renders = 0;
globalThis.fail = () => {
  throw new Error("thrown");
};

function Panel({ url, name, ...options }) {
  const { connection, latest } = useEventSource(url, {
    events: market,
    onEvent: ({ event, data }) => seen.push([name, event, data?.price]),
    ...options,
  });
  globalThis.renders += 1;
  return createElement("p", null, `${connection.status} ${latest.price?.price}`);
}

/** Renders again. If there was no root, it makes one. */
globalThis.render = (properties) => {
  root ??= createRoot(document.body.appendChild(document.createElement("div")));
  root.render(createElement(StrictMode, null, properties && createElement(Panel, properties)));
};
