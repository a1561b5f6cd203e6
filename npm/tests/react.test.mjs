// The hook, in React's development build under StrictMode, in Chromium; and on a server.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import path from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { Browser } from "./browser.mjs";
import { Server, until } from "./server.mjs";

const APPS = path.join(path.dirname(fileURLToPath(import.meta.url)), "apps");

/** The oldest and the newest that the hook is for. */
const VERSIONS = { 18: { react: "react-18", "react-dom": "react-dom-18" }, 19: {} };

let browser, server, folder;

before(async () => {
  browser = await Browser.start();
  folder = await mkdtemp(path.join(APPS, "built-"));
  for (const [version, alias] of Object.entries(VERSIONS)) {
    await esbuild.build({
      absWorkingDir: path.join(APPS, "react"),
      entryPoints: { [`page-${version}`]: "src/index.jsx", "sse-worker": "sse-actix/worker" },
      define: { "process.env.NODE_ENV": "'development'" },
      alias,
      bundle: true,
      format: "esm",
      outdir: folder,
      logLevel: "error",
    });
  }
});

after(async () => {
  await browser.stop();
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  server = await Server.start();
});

async function openPage(version) {
  const page = `<!doctype html><title>React</title><body><script type=module src=page-${version}.js></script>`;
  server.serve(folder, { "/": page });
  await browser.open(server.url("/"));
  await browser.until("return globalThis.render !== undefined");
}

afterEach(async () => {
  await browser.closeTabs();
  await server.stop();
});

const price = (price) => ({ symbol: "ACME", price, note: null });
const shows = (text) => browser.until(`return document.body.innerText.trim() === ${JSON.stringify(text)}`);
const SOURCES = `
  return navigator.locks.query().then(({ held }) =>
    held.filter(({ name }) => /^shared-event-source:[0-9]/.test(name)).length)`;

for (const [version, shared] of [
  [18, true],
  [19, true],
  [19, false],
]) {
  const options = `shared: ${shared}, worker: "/sse-worker.js"`;

  test(`React ${version}: one source while it is mounted, shared: ${shared}`, async () => {
    await openPage(version);
    await browser.run(`render({ url: "/feed", name: "first", ${options} })`);
    await shows("open undefined");
    server.publish("price", price(1));
    await shows("open 1");
    await until("the mount that StrictMode repeats has closed its source", () => server.openStreams === 1);
    if (shared) assert.equal(await browser.run(SOURCES), 1);

    // Another callback opens no other stream, and is the one that is called.
    const requests = server.requests.length;
    await browser.run(`render({ url: "/feed", name: "second", ${options} })`);
    server.publish("price", price(2));
    await shows("open 2");
    assert.deepEqual(await browser.run("return seen"), [
      ["first", "price", 1],
      ["second", "price", 2],
    ]);
    assert.equal(server.requests.length, requests);

    // Another URL does.
    await browser.run(`render({ url: "/feed?other", name: "third", ${options} })`);
    await shows("open 2");
    assert.ok(server.requests.length > requests);
    await until("the first one has ended", () => server.openStreams === 1);

    await browser.run(`render({ url: null, name: "fourth", ${options} })`);
    await until("none is open", () => server.openStreams === 0);
    await shows("connecting undefined");
    await browser.run(`render({ url: "/feed", name: "fifth", ${options} })`);
    await shows("open 2");
    await browser.run("render(undefined)");
    await until("none is open any more", () => server.openStreams === 0);
    if (shared) assert.equal(await browser.run(SOURCES), 0);
  });
}

test("Many events are few renders", async () => {
  await openPage(19);
  await browser.run(`render({ url: "/feed", name: "many", shared: false })`);
  await shows("open undefined");
  const frames = Array.from(
    { length: 1000 },
    (_, number) => `event: price\ndata: ${JSON.stringify(price(number))}\n\n`,
  );
  await browser.run("renders = 0");
  server.raw(frames.join(""));
  await shows("open 999");
  assert.equal((await browser.run("return seen")).length, 1000);
  const renders = await browser.run("return renders");
  assert.ok(renders < 500, `${renders} renders`);
});

test("The newest onInvalid gets an invalid event; without one it is reported", async () => {
  await openPage(19);
  await browser.run(`
    globalThis.invalid = [];
    addEventListener("error", ({ error }) => invalid.push(["reported", error.event]));
    globalThis.show = (name) => {
      const onInvalid = name && ((error) => invalid.push([name, error.event]));
      render({ url: "/feed", name, shared: false, onInvalid });
    };
    show()`);
  await shows("open undefined");
  const requests = server.requests.length;
  const expected = [];
  for (const [number, name] of [undefined, "first", "second", undefined].entries()) {
    await browser.run(`show(${JSON.stringify(name)})`);
    server.publish("price", price(number));
    await shows(`open ${number}`);
    server.publish("price", "no");
    expected.push([name ?? "reported", "price"]);
    await browser.until(`return invalid.length >= ${expected.length}`);
  }
  assert.deepEqual(await browser.run("return invalid"), expected);
  assert.equal(server.requests.length, requests);
});

test("What onEvent throws is reported, and the data is shown", async () => {
  await openPage(19);
  await browser.run(`
    globalThis.errors = [];
    addEventListener("error", ({ error }) => errors.push(error.message));
    render({ url: "/feed", shared: false, onEvent: fail })`);
  await shows("open undefined");
  server.publish("price", price(1));
  await browser.until("return errors.length >= 1");
  await shows("open 1");
  assert.deepEqual(await browser.run("return errors"), ["thrown"]);
});

test("On a server it is connecting, and nothing is opened", async () => {
  const { useEventSource } = await import("./apps/node_modules/sse-actix/dist/react.js");
  function Panel() {
    const { connection, latest } = useEventSource("/feed", { key: "ada" });
    return createElement("p", null, `${connection.status} ${Object.keys(latest).length}`);
  }
  assert.equal(renderToString(createElement(Panel)), "<p>connecting 0</p>");
  assert.deepEqual(server.requests, []);
});
