// All events here have the types of the server's enum, from which `market.ts` is written.

import { type ConnectionState, SharedEventSource } from "sse-actix";
import { Board } from "./board.js";
import { Detail } from "./detail.js";
import { element } from "./elements.js";
import { market } from "./market.js";
import { showNews } from "./news.js";
import { Table } from "./table.js";
import "uplot/dist/uPlot.min.css";
import "./style.css";

const board = new Board();
const detail = new Detail(board);
const table = new Table(board, (symbol) => select(symbol));
let events = 0;
let missed = 0;
let selected: string | undefined;
let isDrawing = false;

// esbuild builds `sse-actix/worker` as a separate script. Vite and webpack need no `worker` here.
const source = new SharedEventSource("/events", {
  events: market,
  worker: "/sse-worker.js",
  onGap: (gap) => {
    missed += gap.missed ?? 0;
    element("missed").textContent = missed > 0 ? `, ${missed} missed` : ", some missed";
  },
});

showConnection(source.connection.value);
source.connection.subscribe(showConnection);
follow().catch((error) => {
  // The page was too slow, and the buffer was full. A new page begins with the state.
  console.warn(error);
  location.reload();
});

async function follow() {
  for await (const event of source.events({ buffer: 10_000 })) {
    events += 1;
    board.apply(event);
    draw();
  }
}

/**
 * The first tab's stream begins with the state. A tab that joins it later fetches the state. It does not matter whether
 * this state or the first event arrives first.
 */
async function askForState() {
  const answer = await fetch("/state");
  if (!answer.ok) throw new Error(`/state answered ${answer.status}`);
  const data: unknown = await answer.json();
  if (!market.checks.state(data)) throw new Error("/state answered something else than the state");
  board.apply({ event: "state", data });
  draw();
}

/** Draws once a frame, however many events there are. */
function draw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    selected ??= board.shares.keys().next().value;
    table.draw(selected);
    detail.draw(selected);
    showNews(board.news);
    element("count").textContent = events.toLocaleString("en");
  });
}

function select(symbol: string) {
  selected = symbol;
  draw();
}

function showConnection(state: ConnectionState) {
  const words = { connecting: "Connecting", open: "Live", reconnecting: "Reconnecting", closed: "Closed" };
  const shown = element("connection");
  shown.textContent = state.status === "closed" ? `Closed: ${state.message ?? state.reason}` : words[state.status];
  shown.dataset.status = document.body.dataset.status = state.status;
  if (state.status === "open") askForState().catch(console.warn);
}
