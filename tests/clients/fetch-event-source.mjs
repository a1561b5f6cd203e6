// @microsoft/fetch-event-source: node fetch-event-source.mjs URL [--defaults | --post BODY]
import { parseArgs } from "node:util";

// Node has no page; the library asks for these.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
const { fetchEventSource } = await import("@microsoft/fetch-event-source");

const options = { defaults: { type: "boolean" }, post: { type: "string" } };
const { positionals: [url], values } = parseArgs({ allowPositionals: true, options });
const tell = (moment) => console.log(JSON.stringify(moment));
const show = ({ event, data, id }) => tell({ moment: "event", name: event || "message", data, id });

class Final extends Error {}

async function follow(url, show) {
    let lastEventId = "";
    let over = false;
    while (!over) {
        await fetchEventSource(url, {
            openWhenHidden: true,
            fetch: (url, init) => {
                // The library's own id may be of an event that was cut off before its end.
                return fetch(url, { ...init, headers: { ...init.headers, "last-event-id": lastEventId } });
            },
            async onopen({ status }) {
                if (status === 204 || (status >= 400 && status < 500)) throw new Final(status);
                if (status !== 200) throw new Error(status);
            },
            onmessage(message) {
                if (message.id) lastEventId = message.id;
                over = message.event === "sse-end";
                show(message);
            },
            onerror(error) {
                if (error instanceof Final) throw error; // others are tried again
            },
        });
        // A clean end that is not the last: the server was stopped, say.
        if (!over) await new Promise((resolve) => setTimeout(resolve, 1000 + 1000 * Math.random()));
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

// What happens when nothing is set.
async function defaults(url, show) {
    const onerror = () => tell({ moment: "lost" });
    await fetchEventSource(url, { openWhenHidden: true, onmessage: show, onerror });
}

const asked = values.post !== undefined ? ask(url, values.post, show) : (values.defaults ? defaults : follow)(url, show);
asked.then(() => tell({ moment: "closed" }), ({ message }) => tell({ moment: "closed", why: message }));
