// The package's modules as they are, in Chromium: data and its checks, the state, callbacks, `for await`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { transformSync } from "@swc/wasm-typescript";
import { Browser } from "./browser.mjs";
import { Server, until } from "./server.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const PACKAGE = path.join(HERE, "apps/node_modules/sse-actix");

const PAGE = `<!doctype html><title>page</title><script type="module">
  const [sse, { market }] = await Promise.all([import("/dist/index.js"), import("/market.js")]);
  globalThis.seen = [];
  const fail = () => {
    throw Object.assign(new Error(), { event: "listener" });
  };
  Object.assign(globalThis, { sse, market, fail, ready: true });
</script>`;

const SOURCES = ["SharedEventSource", "EventSource"];

let browser, server, market;

before(async () => {
  browser = await Browser.start();
  market = transformSync(await readFile(path.join(HERE, "market.ts"), "utf8"), { mode: "strip-only" }).code;
});

after(() => browser.stop());

beforeEach(async () => {
  server = await Server.start();
  server.serve(PACKAGE, { "/": PAGE, "/market.js": market });
});

afterEach(async () => {
  await browser.closeTabs();
  await server.stop();
});

async function open(script) {
  await browser.open(server.url("/"));
  await browser.until("return globalThis.ready");
  await browser.run(script);
}

/** Opens a typed source that notes everything in `seen`. */
const typed = (source) => `
  globalThis.source = new sse.${source}("/feed", {
    events: market,
    onInvalid: (error) => seen.push(["invalid", error.event, error.message]),
    onGap: (gap) => seen.push(["gap", gap]),
    onEnd: (end) => seen.push(["end", end]),
    onPosition: (position) => seen.push(["position", position]),
  });
  for (const name of [...market.names, "__proto__", "toString", "bid"]) {
    Object.getPrototypeOf(sse.${source}.prototype).addEventListener.call(source, name, ({ type, data }) => {
      seen.push([type, data]);
    });
  }
`;

const price = (price) => ({ symbol: "ACME", price, note: null });

for (const source of SOURCES) {
  test(`${source}: what a hostile server sends is one error each, and never a value of another type`, async () => {
    await open(typed(source));
    await until("the stream opens", () => server.openStreams === 1);
    const million = "x".repeat(1_000_000);
    const invalid = [
      ["price", "{", "is not JSON"],
      ["price", "", "is not JSON"],
      ["price", '{"symbol":"ACME","price":1}', "does not have the type"],
      ["price", '{"symbol":"ACME","price":"1","note":null}', "does not have the type"],
      ["price", "null", "does not have the type"],
      ["price", "[]", "does not have the type"],
      ["closed", "{}", "does not have the type"],
      ["price", '{"__proto__":{"symbol":"ACME","price":1,"note":null}}', "does not have the type"],
      ["price", million, "is not JSON"],
      ["price", JSON.stringify(million), "does not have the type"],
    ];
    // A browser's EventSource shows nobody what nobody listens to; and these two are not of the connection.
    const unknown = ["open", "error", "bid", "__proto__", "toString", "constructor", "message"];
    if (source === "SharedEventSource") invalid.push(...unknown.map((name) => [name, "1", "does not know the event"]));
    else for (const name of unknown) server.publish(name, "1");

    for (const [number, [name, data]] of invalid.entries()) {
      server.publish(name, data);
      server.publish("price", price(number));
    }
    server.publish("price", { ...price(1), note: million });
    const seen = await browser.until(`return seen.length > ${2 * invalid.length} && seen`);
    assert.equal(seen.length, 2 * invalid.length + 1);
    for (const [number, [name, data, why]] of invalid.entries()) {
      const [kind, event, message] = seen[2 * number];
      assert.deepEqual([kind, event], ["invalid", name]);
      assert.ok(message.includes(JSON.stringify(name)) && message.includes(why), message);
      assert.ok(message.length < 300, message);
      assert.ok(message.includes(data.slice(0, 100)), message);
      assert.deepEqual(seen[2 * number + 1], ["price", price(number)]);
    }
    assert.equal(seen.at(-1)[1].note, million);
    assert.deepEqual(server.requests, [undefined]);
    assert.equal(await browser.run("return ({}).symbol === undefined && Object.prototype.symbol === undefined"), true);
  });

  test(`${source}: an invalid event is reported like an uncaught error, where nobody takes it`, async () => {
    await open(`
      addEventListener("error", ({ error }) => seen.push([error.name, error.event, error.data, error.lastEventId]));
      globalThis.source = new sse.${source}("/feed", { events: market });
      source.addEventListener("closed", fail);
      source.addEventListener("closed", ({ data }) => seen.push(data));`);
    server.publish("price", "no");
    server.publish("closed", null);
    const seen = await browser.until("return seen.length >= 3 && seen");
    assert.deepEqual(seen, [["InvalidEventError", "price", "no", "1"], ["Error", "listener", null, null], null]);
  });

  test(`${source}: gaps, positions and the end have callbacks`, async () => {
    await open(`${typed(source)}
      source.addEventListener("sse-gap", ({ data }) => seen.push(["listener", data]));`);
    await until("the stream opens", () => server.openStreams === 1);
    server.raw('event: sse-gap\ndata: {"missed":12}\nid: 7\n\n');
    server.raw('event: sse-gap\ndata: {"missed":null}\n\n');
    server.raw("event: sse-gap\ndata: what\n\n");
    server.raw("event: sse-position\ndata: {}\nid: 8\n\n");
    server.raw('event: sse-end\ndata: {"reason":"failed","message":"no more"}\nid: sse-end\n\n');
    // What an EventSource is told when it comes back.
    server.statuses.push(204);
    await browser.until("return seen.length >= 8");
    if (source === "EventSource") server.cut();
    const seen = await browser.until("return source.readyState === 2 && seen");
    const gap = (missed) => ({ missed, lastEventId: "7" });
    assert.deepEqual(seen, [
      ["gap", gap(12)],
      ["listener", gap(12)],
      ["gap", gap(null)],
      ["listener", gap(null)],
      ["gap", gap(null)],
      ["listener", gap(null)],
      ["position", { lastEventId: "8" }],
      ["end", { reason: "failed", message: "no more" }],
    ]);
    const { status, reason, message } = await browser.run("return source.connection.value");
    assert.deepEqual([status, reason, message], ["closed", "failed", "no more"]);
  });

  test(`${source}: the state of the connection can be subscribed to`, async () => {
    const reason = (shared) => (source === "SharedEventSource" ? shared : { reason: "unknown" });
    for (const [status, why] of [
      [204, reason({ reason: "finished", httpStatus: 204 })],
      [403, reason({ reason: "failed", httpStatus: 403 })],
    ]) {
      await open(`
        globalThis.source = new sse.${source}("/feed", { key: "${status}" });
        seen.push(source.connection.value);
        const { subscribe } = source.connection;
        subscribe((value) => seen.push(value));
        subscribe(() => seen.push("not any more"))();`);
      await browser.until("return source.connection.value.status === 'open'");
      server.cut();
      await browser.until("return seen.length === 4");
      server.statuses.push(status);
      server.cut();
      const seen = await browser.until("return seen.length >= 6 && seen");
      const states = ["connecting", "open", "reconnecting", "open", "reconnecting"].map((status) => ({ status }));
      assert.deepEqual(seen, [...states, { status: "closed", ...why }]);
    }
    await open(`
      globalThis.source = new sse.${source}("/feed");
      source.connection.subscribe((value) => seen.push(value));
      source.close();
      source.close();`);
    assert.deepEqual(await browser.run("return seen"), [{ status: "closed", reason: "closed" }]);
  });

  test(`${source}: a loop gets every event, and ends as the stream does`, async () => {
    const loop = (options, body = "") => `
      globalThis.loop = async (source, options = {}) => {
        try {
          for await (const { event, data, lastEventId } of source.events(options)) {
            seen.push([event, data?.price ?? data, lastEventId]);
            ${body}
          }
          seen.push("end");
        } catch (error) {
          seen.push(error.name + ": " + error.message);
        }
      };
      globalThis.source = new sse.${source}("/feed", { events: market });
      loop(source, ${options});`;
    const count = (number) => browser.until(`return seen.length >= ${number} && seen`);

    await open(loop("{}"));
    await until("the stream opens", () => server.openStreams === 1);
    server.publish("price", price(1));
    server.publish("closed", null);
    server.publish("price", price(2));
    assert.deepEqual(await count(3), [
      ["price", 1, "1"],
      ["closed", null, "2"],
      ["price", 2, "3"],
    ]);
    assert.equal(await browser.run("return source.connection.value.status"), "open");
    await browser.closeTabs();

    await open(`globalThis.aborting = new AbortController(); ${loop("{ signal: aborting.signal, names: ['price'] }")}`);
    assert.deepEqual(await count(2), [
      ["price", 1, "1"],
      ["price", 2, "3"],
    ]);
    await browser.run("aborting.abort()");
    assert.match((await count(3))[2], /^AbortError: /);
    await browser.run("loop(source, { signal: aborting.signal })");
    assert.match((await count(4))[3], /^AbortError: /);
    await browser.run("loop(source, { buffer: 0 })");
    assert.match((await count(5))[4], /^TypeError: .*`buffer` has to be a whole number/);
    await browser.run("loop(source); source.close()");
    assert.equal((await count(6))[5], "end");
    await browser.run("loop(source)");
    assert.equal((await count(7))[6], "end");
    await browser.closeTabs();

    // It breaks off: nothing is collected any more.
    await open(loop("{ names: ['price'] }", "break;"));
    assert.equal((await count(2))[1], "end");
    await browser.closeTabs();

    server.statuses.push(403);
    await open(loop("{}"));
    assert.match((await count(1))[0], /^StreamClosedError: The stream has ended/);
  });

  test(`${source}: a loop that falls behind gets an error, and keeps no more than its buffer`, async () => {
    await open(`
      globalThis.source = new sse.${source}("/feed", { events: market });
      globalThis.events = source.events({ buffer: 10 });
      source.addEventListener("price", ({ data }) => seen.push(data.price));`);
    for (let number = 1; number <= 500; number++) server.publish("price", price(number));
    await browser.until("return seen.length === 500");
    const taken = await browser.run(`return (async () => {
      const taken = [];
      try {
        for await (const { data } of events) taken.push(data.price);
      } catch (error) {
        taken.push(error.name);
      }
      taken.push((await events.next()).done);
      return taken;
    })()`);
    assert.deepEqual(taken, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, "SlowLoopError", true]);
  });
}

test("Without a schema a source gives the text, and the console tells of names that only a newer server sends", async () => {
  await open(`
    globalThis.source = new sse.SharedEventSource("/feed");
    for (const name of ["sse-news", "sse-gap", "price"]) source.addEventListener(name, ({ data }) => seen.push(data));`);
  await browser.console();
  for (const name of ["sse-news", "sse-news", "sse-gap", "price"]) server.publish(name, '{"missed":1}');
  assert.deepEqual(await browser.until("return seen.length === 4 && seen"), Array(4).fill('{"missed":1}'));
  const said = (await browser.console()).filter((line) => line.includes("sse-actix"));
  assert.equal(said.length, 1, said.join("\n"));
  assert.match(said[0], /sse-news, which this version .* does not know/);
});

test("A worker of another version is given up, and the console says so", async () => {
  const script = `onconnect = ({ ports: [port] }) => (port.onmessage = () => port.postMessage({ kind: "hello", protocol: 0 }))`;
  server.serve(PACKAGE, { "/": PAGE, "/market.js": market, "/old.js": script });
  await open("globalThis.source = new sse.SharedEventSource('/feed', { worker: 'old.js' })");
  await browser.until("return source.readyState === 1");
  const said = (await browser.console()).filter((line) => line.includes("SharedEventSource"));
  assert.equal(said.length, 1, said.join("\n"));
  assert.match(said[0], /old.js is of another version/);
  assert.equal(server.openStreams, 1);
});

test("A worker that fails after the page has given it up is not given up again", async () => {
  let fail;
  server.serve(PACKAGE, { "/": PAGE, "/market.js": market });
  const { handler } = server;
  server.handler = (request, response) => {
    if (request.url === "/late.js") fail = () => response.writeHead(404).end();
    else handler(request, response);
  };
  await open(`
    globalThis.SharedWorker = class extends SharedWorker {
      constructor(...args) {
        super(...args);
        this.addEventListener("error", () => (globalThis.hasFailed = true));
      }
    };
    globalThis.source = new sse.SharedEventSource("/feed", { worker: "late.js" });
    source.addEventListener("tick", ({ data }) => seen.push(data));`);
  await browser.until("return source.readyState === 1");
  assert.equal(await browser.run("return globalThis.hasFailed"), null);
  fail();
  await browser.until("return globalThis.hasFailed");

  for (let number = 1; number <= 3; number++) {
    server.raw(`event: tick\ndata: ${number}\n\n`);
    await browser.until(`return seen.includes("${number}")`);
  }
  assert.deepEqual(await browser.run("return seen"), ["1", "2", "3"]);
  assert.deepEqual(server.requests, [undefined]);
  await browser.run("source.close()");
  await until("the stream ends", () => server.openStreams === 0);
  assert.equal(await browser.run("return sse.SharedEventSource.reset().then(() => 'reset')"), "reset");
});

test("The worker does not serve a page of another version", async () => {
  await open(`
    const name = JSON.stringify({ protocol: 0, url: "/feed" });
    const { port } = new SharedWorker("/dist/worker.js", { type: "module", name });
    port.onmessage = ({ data }) => seen.push(data);
    port.postMessage({ kind: "join", tab: "a", known: undefined, hasHeaders: false });`);
  assert.deepEqual(await browser.until("return seen.length === 1 && seen"), [{ kind: "hello", protocol: 2 }]);
  assert.deepEqual(server.requests, []);
});

test("Misuse of the options is a TypeError that says what to write", async () => {
  await open("");
  for (const [options, message] of [
    ["{ events: {} }", "the value that Rust generates"],
    ["{ events: { names: ['a'], checks: {} } }", "the value that Rust generates"],
    ["{ events: { names: ['close'], checks: { close: () => true } } }", "has an event `close`"],
    ["{ events: { names: ['a'], checks: null } }", "the value that Rust generates"],
    ["{ events: { names: [], checks: null } }", "the value that Rust generates"],
    ["{ events: { names: ['toString'], checks: {} } }", "the value that Rust generates"],
    ["{ events: market, gapEvent: 'price' }", "`gapEvent` is `price`, which is an event of `events`"],
    ["{ events: market, positionEvent: 'closed' }", "`positionEvent` is `closed`, which is an event of `events`"],
    ["{ gapEvent: 'moved', positionEvent: 'moved' }", "`gapEvent` and `positionEvent` are both `moved`"],
    ["{ gapEvent: 'sse-position' }", "`gapEvent` and `positionEvent` are both `sse-position`"],
    ["{ onGap: 1 }", "`onGap` is a function"],
    ["{ gapEvent: '' }", "`gapEvent` is the name of an event"],
    ["{ worker: 'http://' }", "cannot parse the URL http://"],
  ]) {
    const text = await browser.run(`
      try { new sse.SharedEventSource("/feed", ${options}) } catch (error) { return error.message }`);
    assert.ok(text?.includes(message), `${options}: ${text}`);
  }
});

for (const gapEvent of ["sse-gap", "lost"]) {
  test(`A source that joins a shared stream later gets the latest event, and no ${gapEvent} that it has not had`, async () => {
    const source = `new sse.SharedEventSource('/feed', { events: market, gapEvent: '${gapEvent}', onGap: (gap) => seen.push(gap) })`;
    await open(`globalThis.first = ${source};`);
    await until("the stream opens", () => server.openStreams === 1);
    server.raw(`event: ${gapEvent}\ndata: {"missed":12}\nid: 7\n\n`);
    server.publish("closed", null);
    await browser.until("return seen.length === 1");
    await browser.run(`globalThis.second = ${source};
    second.addEventListener("closed", () => seen.push("closed"));`);
    assert.deepEqual(await browser.until("return seen.length >= 2 && seen.slice(1)"), ["closed"]);
    assert.equal(server.openStreams, 1);
  });
}

for (const source of SOURCES) {
  test(`${source}: without a schema, too, a server's event is never taken for the source's own`, async () => {
    const own = source === "SharedEventSource" ? ["open", "error", "close"] : ["open", "error"];
    await open(`
      globalThis.source = new sse.${source}("/feed");
      const own = ${JSON.stringify(own)};
      for (const name of own) {
        source.addEventListener(name, (event) => seen.push([name, event instanceof MessageEvent]));
        source["on" + name] = (event) => seen.push(["on" + name, event instanceof MessageEvent]);
      }
      source.addEventListener("last", () => seen.push("last"));
      (async () => {
        for await (const { event } of source.events({ names: [...own, "last"] })) seen.push(["loop", event]);
      })();`);
    const opened = [
      ["open", false],
      ["onopen", false],
    ];
    assert.deepEqual(await browser.until("return seen.length >= 2 && seen"), opened);
    for (const name of [...own, ...own, "last"]) server.publish(name, { status: 200, reason: "finished" });
    await browser.until("return seen.some(([kind]) => kind === 'loop')");
    assert.deepEqual((await browser.run("return seen")).slice(2), ["last", ["loop", "last"]]);
    assert.equal(await browser.run("return source.readyState"), 1);
    assert.equal(await browser.run("return source.connection.value.status"), "open");
    if (source === "EventSource") return;
    // A browser's EventSource shows these to nobody, so there is nothing to tell.
    const said = (await browser.console()).filter((line) => line.includes("an event of the source itself"));
    assert.equal(said.length, own.length, said.join("\n"));
  });
}
