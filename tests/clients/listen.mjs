// What an `EventSource` is given, one JSON line each: node SCRIPT URL [--name NAME]...
import { parseArgs } from "node:util";

export function listen(EventSource) {
    const options = { name: { type: "string", multiple: true, default: [] } };
    const { positionals, values } = parseArgs({ allowPositionals: true, options });
    const tell = (moment) => console.log(JSON.stringify(moment));

    const source = new EventSource(positionals[0]);
    source.onopen = () => tell({ moment: "open" });
    source.onerror = () => {
        if (source.readyState === EventSource.CLOSED) {
            tell({ moment: "closed" });
            process.exit();
        }
        tell({ moment: "lost" });
    };
    for (const name of ["message", ...values.name]) {
        source.addEventListener(name, ({ data, lastEventId }) => {
            tell({ moment: "event", name, data, id: lastEventId });
        });
    }
}
