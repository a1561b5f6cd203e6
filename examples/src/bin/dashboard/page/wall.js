// The log-in, and a stream for each panel.
import { noteTime, serverTime } from "/charts.js";
import { element, panels } from "/panels.js";

const find = (id) => document.getElementById(id);
const sites = await (await fetch("/sites.json")).json();
const WORDS = ["CONNECTING", "OPEN", "CLOSED"];

for (const place of document.querySelectorAll("[data-site]")) {
  place.textContent = place.href = sites[place.dataset.site];
}

// Requests to the streams' site carry its cookie only with `credentials`. The EventSources use `withCredentials`.
const ask = (path, options) => fetch(sites.streams + path, { credentials: "include", ...options });

// The frame of a panel. The code of the panel fills it.
class Panel {
  constructor(name, title, { wide, keys = {} } = {}) {
    this.state = element("span");
    this.state.className = "state";
    this.value = element("p");
    this.value.className = "figure";
    this.body = element("div");
    this.body.className = "body";
    const key = element("span", ...Object.entries(keys).map(([text, color]) => {
      const item = element("span", text);
      item.style.setProperty("--color", color);
      return item;
    }));
    key.className = "keys";
    const heading = element("h2", title);
    heading.id = `${name}-title`;
    this.section = element("section", element("header", heading, key, this.state), this.value, this.body);
    this.section.className = wide ? "panel wide" : "panel";
    this.section.dataset.panel = name;
    this.section.setAttribute("aria-labelledby", heading.id);
    find("wall").append(this.section);
  }
  chart(label) {
    const place = element("div");
    place.className = "chart";
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", label);
    this.body.append(place);
    return place;
  }
  list(kind) {
    const list = element("ul");
    list.className = kind;
    this.body.append(list);
    return list;
  }
  figure(value, unit = "", note = "") {
    this.value.replaceChildren(element("b", String(value)), element("span", unit), element("small", note ?? ""));
  }
}

// One EventSource, which is opened again where the browser would give up.
class Stream {
  constructor(name) {
    this.panel = new Panel(name, panels[name].title, panels[name]);
    this.name = name;
    this.row = element("tr");
    Object.assign(this, panels[name].build(this.panel, { sites, serverCounts }));
    this.forget();
  }
  forget() {
    Object.assign(this, { events: 0, lastId: "", lost: 0, missed: 0, since: 0 });
    this.chart?.clear();
    this.panel.value.replaceChildren();
  }
  get word() {
    return this.source ? WORDS[this.source.readyState] : "CLOSED";
  }
  open() {
    // A new EventSource has no last event id, so the URL carries the last id of the old one.
    const query = this.lastId && `?lastEventId=${this.lastId}`;
    this.source = new EventSource(`${sites.streams}/figures/${this.name}${query}`, { withCredentials: true });
    this.source.addEventListener(this.name, (event) => this.take(event));
    this.source.addEventListener("sse-end", () => { this.close(); askAgain(0); });
    this.source.onopen = () => { this.since = serverTime(); this.draw(); };
    this.source.onerror = () => {
      this.lost += 1;
      this.draw();
      // After an error status the browser does not reconnect, and does not tell the page the status.
      if (this.word === "CLOSED") askAgain(500);
    };
    this.draw();
  }
  close() {
    this.source?.close();
    this.draw();
  }
  take(event) {
    const at = Number(event.lastEventId);
    // This event was measured before the reconnect, so the server has sent it again.
    if (this.lost > 0 && at < this.since - 1000) this.missed += 1;
    noteTime(at);
    this.events += 1;
    this.lastId = event.lastEventId;
    this.show(at, JSON.parse(event.data));
    this.draw();
  }
  draw() {
    this.panel.section.dataset.state = this.panel.state.textContent = this.word;
    this.row.dataset.state = this.word;
    const resumed = this.lost ? `${this.lost}×` + (this.missed ? `, +${this.missed}` : "") : "–";
    const cells = [this.name, this.word.toLowerCase(), this.events, this.lastId.slice(-8) || "–", resumed];
    this.row.replaceChildren(...cells.map((text) => element("td", String(text))));
    drawLink();
  }
}

const streams = [];
let overview;

function openWall({ machine, protocol: spoken }) {
  protocol = spoken;
  find("name").textContent = machine.name ?? "This machine";
  find("system").textContent = `${machine.system ?? ""} · up ${age(Date.now() / 1000 - machine.booted)}`;
  if (streams.length === 0) {
    const names = Object.keys(panels);
    for (const name of names.slice(0, -1)) streams.push(new Stream(name));
    overview = new Panel("streams", "Connection");
    streams.push(new Stream(names.at(-1)));
    const head = element("tr", ...["stream", "state", "events", "last id", "lost, resumed"].map((text) => element("th", text)));
    overview.body.append(element("table", element("thead", head), element("tbody", ...streams.map((stream) => stream.row))));
  }
  state("wall");
  for (const stream of streams) if (stream.word === "CLOSED") stream.open();
}

// Clears everything that one user saw, so that the next user does not see it.
function closeWall(note) {
  for (const stream of streams) {
    stream.close();
    stream.forget();
    stream.draw();
  }
  if (note) find("login-note").textContent = note;
  state("login");
}

let asking = 0;

function askAgain(wait) {
  clearTimeout(asking);
  asking = setTimeout(whoAmI, wait);
}

// An EventSource cannot say whether the session has ended or the server is gone, so this asks the server.
async function whoAmI() {
  try {
    const answer = await ask("/session");
    if (answer.ok) return openWall(await answer.json());
    if (answer.status === 401) return closeWall(streams.some((stream) => stream.events) && "You were logged out, or the server was restarted.");
  } catch {
    // There was no answer that this page may read. The browser itself reconnects the streams that are open.
    if (streams.every((stream) => stream.word === "CLOSED")) state("certificate");
  }
  askAgain(2000);
}

find("login").onsubmit = async (event) => {
  event.preventDefault();
  const [user, password] = [find("user").value, find("password").value];
  const body = JSON.stringify({ user, password });
  const headers = { "Content-Type": "application/json" };
  try {
    const answer = await ask("/login", { method: "POST", headers, body });
    find("login-note").textContent = answer.ok ? "" : answer.status === 401 ? "That is not the user, or not the password." : `The server answered ${answer.status}.`;
    if (answer.ok) {
      find("password").value = "";
      await whoAmI();
    }
  } catch {
    askAgain(0);
  }
};

find("logout").onclick = async () => {
  const answer = await ask("/logout", { method: "POST" });
  const { ended } = answer.ok ? await answer.json() : {};
  closeWall(ended === undefined ? "You were logged out." : `Logged out: the server ended ${ended} streams.`);
};

find("interrupt").onclick = () => ask("/interrupt", { method: "POST" });

function state(name) {
  if (document.body.dataset.state === name) return;
  document.body.dataset.state = name;
  if (name === "login") find(find("user").value ? "password" : "user").focus();
}

// The wall shows the worst state of all streams.
function drawLink() {
  const words = streams.map((stream) => stream.word);
  const open = words.filter((word) => word === "OPEN").length;
  const word = ["CLOSED", "CONNECTING", "OPEN"].find((word) => words.includes(word)) ?? "CLOSED";
  overview?.figure(open, `of ${words.length} open`, open > 0 ? protocol : "");
  find("link").dataset.state = word;
  find("link-word").textContent = word;
  find("link-facts").textContent = word === "OPEN" && counts.streams
    ? `${counts.streams} streams, ${counts.connections} ${counts.connections === 1 ? "connection" : "connections"}, ${protocol}`
    : `${open} of ${words.length} streams are open`;
}

// Figures from the server: how many streams are open, on how many connections, and by which protocol.
let counts = {}, protocol = "";

function serverCounts(server) {
  counts = server;
}

setInterval(() => {
  find("clock").textContent = new Date(serverTime()).toLocaleTimeString([], { hourCycle: "h23" });
}, 250);

function age(seconds) {
  const [days, hours, minutes] = [seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60].map(Math.floor);
  return days ? `${days} d ${hours} h` : `${hours} h ${minutes} min`;
}

whoAmI();
