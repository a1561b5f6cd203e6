// @microsoft/fetch-event-source: node fetch-event-source.mjs URL [--once | --post BODY]
import { parseArgs } from "node:util";

// Node has no page; the library asks for these.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
const { fetchEventSource } = await import("@microsoft/fetch-event-source");

const options = { once: { type: "boolean" }, post: { type: "string" } };
const { positionals: [url], values } = parseArgs({ allowPositionals: true, options });
const tell = (moment) => console.log(JSON.stringify(moment));
const show = ({ event, data, id }) => tell({ moment: "event", name: event || "message", data, id });

class Final extends Error {}

async function follow(url, show) {
    let lastId = "";
    let isOver = false;
    while (!isOver) {
        await fetchEventSource(url, {
            // The library's own id may be the one of an event that was cut in its middle.
            fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, "last-event-id": lastId } }),
            async onopen({ status }) {
                if (status === 204 || (status >= 400 && status < 500)) throw new Final(status);
                if (status !== 200) throw new Error(status);
            },
            onmessage(message) {
                lastId = message.id || lastId;
                isOver = message.event === "sse-end";
                show(message);
            },
            onerror(error) {
                if (error instanceof Final) throw error;
            },
            openWhenHidden: true,
        });
        if (!isOver) await new Promise((resolve) => setTimeout(resolve, 1000 + 2000 * Math.random()));
    }
}

async function ask(url, body, show) {
    await fetchEventSource(url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
        openWhenHidden: true,
        async onopen({ status }) {
            if (status !== 200) throw new Error(status);
        },
        onmessage: show,
        onerror(error) {
            throw error; // or it would ask again
        },
    });
}

// The library as it is when nothing is set.
async function readOnce(url, show) {
    const onerror = () => tell({ moment: "lost" });
    await fetchEventSource(url, { openWhenHidden: true, onmessage: show, onerror });
}

const read = () => {
    if (values.once) return readOnce(url, show);
    if (values.post === undefined) return follow(url, show);
    return ask(url, values.post, show);
};
read().then(() => tell({ moment: "closed" }), ({ message }) => tell({ moment: "closed", why: message }));
